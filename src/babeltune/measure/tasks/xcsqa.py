"""Commonsense questions with five choices: X-CSQA (paper, section 4.4; https://inklab.usc.edu/XCSR/)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from babeltune.hub import HubSet
from babeltune.measure.metrics.letters import LETTERS, XCSQA
from babeltune.measure.metrics.match import Gold, matches
from babeltune.measure.tasks import items, prompt
from babeltune.measure.tasks.items import Place
from babeltune.measure.tasks.xquad import continuation, judged
from babeltune.records import Item, Metric, Output, Prompting, Request, Sampling, Score, chat_prompt
from babeltune.rows import Row

HUB = HubSet("INK-USC/xcsr")
"""The set on the hub; its validation split is the 1,000 questions of the paper, its test split has no answers."""
_CODES = {"ja": "jap"}
"""Languages that the set calls otherwise."""
_FIX = 'choices is five of {"label": "A", "text": "…"}, A to E.'


def hub_files(language: str) -> str:
    """Glob pattern of the hub set's files in a language."""
    return f"X-CSQA-{_CODES.get(language, language)}/validation-*.parquet"


@dataclass(eq=False)
class XCsqa:
    """A ``Task``. The model names one of five choices by its letter."""

    name = "xcsqa"
    metrics = tuple(map(Metric, XCSQA))
    promptings = items.MONOLINGUAL
    """The paper found it the better and uses no other here."""
    ranks = False

    place: Place
    """A folder of ``<language>/dev.jsonl``, or the hub set."""
    sampling: Sampling
    _: KW_ONLY
    sample: int | None = None
    seed: int = items.SEED
    as_run: bool = False
    """The authors' white space."""

    def items(self, language: str, prompting: Prompting) -> list[Item]:
        """The questions of one language, in the order of the file.

        Raises:
            ItemsError: no prompt or no file in the language, or a row that is not an item.
        """
        template = prompt.template(self.name, language)
        subject = f"items of {self.name}, {language}"

        def make(row: Row) -> Item:
            question = items.text(row.fields, "question.stem").strip()
            choices = _choices(items.within(row.fields, "question.choices"))
            key = items.text(row.fields, "answerKey", blank=True).strip().upper()
            if key not in choices:
                fix = "One of A to E; the hub set's test split has none, its validation split has."
                raise items.WrongRowError(f"field 'answerKey': {key!r} is no choice", fix)
            filled = template.filled({"question": question, **choices})
            return Item(items.text(row.fields, "id"), language, filled, (key,), question, f" {template.prefix}")

        code = _CODES.get(language, language)
        names = [f"{one}{rest}" for one in (language, code) for rest in ("/dev.jsonl", ".jsonl")]
        names += [f"X-CSQA/{one}/dev.jsonl" for one in (language, code)]
        read = items.rows(self.place, list(dict.fromkeys(names)), hub_files(language), subject)
        return items.sampled(items.parsed(read, make, subject), self.sample, self.seed)

    def request(self, item: Item) -> Request:
        """The question in the format of the tuning, the opening quote of the response forced."""
        asked = item.prompt + "\n\n" if self.as_run else item.prompt
        return Request(item.id, "", chat_prompt(asked), self.sampling, 0, prefix=item.prefix)

    def score(self, items: Sequence[Item], outputs: Sequence[Output]) -> list[Score]:
        """Both rules' verdicts on what follows the opening quote."""
        golds = [Gold(item.references, item.language, item.source) for item in items]
        return judged(items, matches(XCSQA, [continuation(*pair) for pair in zip(items, outputs, strict=True)], golds))


def _choices(given: Any) -> dict[str, str]:
    """Letter -> text: a list of objects in the original files, an object of lists on the hub."""
    if isinstance(given, dict):
        labels, texts = given.get("label"), given.get("text")
        if not isinstance(labels, list) or not isinstance(texts, list) or len(labels) != len(texts):
            raise items.WrongRowError("field 'question.choices': label and text do not match", _FIX)
        given = [{"label": label, "text": text} for label, text in zip(labels, texts, strict=True)]
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise items.WrongRowError("field 'question.choices': is no list of objects", _FIX)
    found = {items.text(one, "label").strip().upper(): items.text(one, "text").strip() for one in given}
    if sorted(found) != list(LETTERS) or len(given) != len(LETTERS):
        raise items.WrongRowError(
            f"field 'question.choices': has the labels {', '.join(sorted(found)) or 'none'}", _FIX
        )
    return found
