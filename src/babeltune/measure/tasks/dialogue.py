"""Single-turn dialogue: a person asks, the model answers (paper, section 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

from babeltune.languages import LANGUAGES
from babeltune.measure.metrics.agreement import AGREEMENT, AGREEMENT_NOMINAL, agreement
from babeltune.measure.metrics.confusion import LineCheck, line_checks
from babeltune.measure.tasks import items
from babeltune.measure.tasks.items import Place
from babeltune.records import Identifier, Item, Metric, Output, Prompting, Request, Sampling, Score, chat_prompt
from babeltune.rows import Row

LINE_PASS = "line-pass"
"""Share of responses all of whose lines are in the language of the item, in [0, 1] (Language Confusion Benchmark)."""
WORD_PASS = "word-pass"
"""Of those, the share without an English word, in [0, 1]; only for scripts other than Latin."""
_QUOTES = {'"': '"', "“": "”", "„": "“”", "«": "»", "「": "」", "”": "”", "»": "«"}
"""Opening mark -> what closes it."""


@dataclass(eq=False)
class Dialogue:
    """A ``Task``. Items are rows with the field ``prompt`` or, as AlpacaEval's, ``instruction``.

    Files: ``<language>.jsonl``, ``alpaca_eval_instructions_<language>.json`` (the authors') or
    ``alpaca_eval.<language>.jsonl`` in a folder. A row without an ``id`` is named by its number, from 1 on; one with
    another ``split`` is left out.
    """

    name = "dialogue"
    metrics = tuple(map(Metric, (AGREEMENT, AGREEMENT_NOMINAL, LINE_PASS, WORD_PASS)))
    promptings = items.MONOLINGUAL
    """There is no instruction apart from the prompt itself, so ``en:xx`` does not exist (section 4.1)."""
    ranks = False

    place: Place
    identifier: Identifier
    sampling: Sampling
    _: KW_ONLY
    split: str = "test"
    sample: int | None = None
    """So many prompts, the authors' 300 with their seed; all where it is None."""
    seed: int = items.SEED
    strip_quotes: bool = True
    """Machine translation left quotes round some prompts. The authors' code means to strip them and then uses the list
    that still has them."""

    def items(self, language: str, prompting: Prompting) -> list[Item]:
        """The prompts of one language and split, in the order of the file.

        Raises:
            ItemsError: no file for the language, a row that is not an item, or no row of the split.
        """
        subject = f"items of dialogue, {language}"
        names = (
            f"{language}.jsonl",
            f"alpaca_eval_instructions_{language}.json",
            f"alpaca_eval.{language}.jsonl",
        )
        number = 0

        def make(row: Row) -> Item | None:
            nonlocal number
            number += 1
            if row.fields.get("split") not in (None, self.split):
                return None
            field = "instruction" if "prompt" not in row.fields and "instruction" in row.fields else "prompt"
            prompt = items.text(row.fields, field)
            id_ = row.fields.get("id")
            named = str(number) if id_ is None else items.text({"id": str(id_)}, "id")
            return Item(named, language, without_quotes(prompt) if self.strip_quotes else prompt)

        read = items.rows(self.place, names, f"{language}/{self.split}-*.parquet", subject)
        return items.sampled(
            items.parsed(read, make, subject, f"no row of the split '{self.split}'"), self.sample, self.seed
        )

    def request(self, item: Item) -> Request:
        """The prompt in the format of the tuning. Cell, seed and adapter are filled in by whoever asks."""
        return Request(item.id, "", chat_prompt(item.prompt), self.sampling, 0)

    def score(self, items: Sequence[Item], outputs: Sequence[Output]) -> list[Score]:
        """Language agreement of each item's output, and whether it stays in its language line by line.

        Raises:
            ValueError: not as many outputs as items.
        """
        texts = [output.text for _, output in zip(items, outputs, strict=True)]
        prompts = self.identifier.identify([item.prompt for item in items])
        responses = self.identifier.identify(texts)
        lines: dict[int, LineCheck] = {}
        for language in {item.language for item in items}:
            at = [index for index, item in enumerate(items) if item.language == language]
            lines |= zip(at, line_checks([texts[index] for index in at], language, self.identifier), strict=True)
        return [
            _with_lines(agreement(item.id, item.language, prompt, response), lines[index], item.language)
            for index, (item, prompt, response) in enumerate(zip(items, prompts, responses, strict=True))
        ]


def without_quotes(text: str) -> str:
    """A text without the quotes around the whole of it; quotes around a part, or inside, stay."""
    bare = text.strip()
    if len(bare) < 3 or bare[-1] not in _QUOTES.get(bare[0], ""):
        return text
    inner = bare[1:-1].strip()
    return text if not inner or any(mark in inner for mark in (bare[0], bare[-1])) else inner


def _with_lines(score: Score, found: LineCheck, language: str) -> Score:
    values, unscored = dict(score.values), dict(score.unscored)
    if not found.judged:
        unscored[LINE_PASS] = "no line of five words or more"
    else:
        values[LINE_PASS] = float(found.passes)
    if LANGUAGES[language].script != "Latn" and found.passes:
        values[WORD_PASS] = float(not found.english)
    return Score(score.item, values, score.notes, unscored)
