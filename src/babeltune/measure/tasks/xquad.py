"""Extractive question answering on XQuAD (paper, section 4.3; https://github.com/google-deepmind/xquad)."""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

from babeltune.errors import ItemsError, Problem
from babeltune.hub import HubSet
from babeltune.measure.metrics.match import Gold, matches
from babeltune.measure.metrics.spans import XQUAD
from babeltune.measure.tasks import items, prompt
from babeltune.measure.tasks.items import Place
from babeltune.records import Item, Metric, Output, Prompting, Request, Sampling, Score, chat_prompt
from babeltune.rows import Row

HUB = HubSet("google/xquad", "51adfef1c1287aab1d2d91b5bead9bcfb9c68583")
"""The set on the hub, pinned."""


def hub_files(language: str) -> str:
    """Glob pattern of the hub set's files in a language."""
    return f"xquad.{language}/validation-*.parquet"


@dataclass(eq=False)
class XQuad:
    """A ``Task``. Items are questions on a passage, whose answer is a piece of it."""

    name = "xquad"
    metrics = tuple(map(Metric, XQUAD))
    promptings = items.BOTH
    ranks = False

    place: Place
    """A folder of ``xquad.<language>.json``, or the hub set."""
    sampling: Sampling
    _: KW_ONLY
    sample: int | None = None
    """All 1,190 where it is None."""
    seed: int = items.SEED

    def items(self, language: str, prompting: Prompting) -> list[Item]:
        """The questions of one language, with the instruction in theirs or in English.

        Raises:
            ItemsError: no prompt or no file in the language, or a file that is not as it must be.
        """
        template = prompt.template(self.name, prompt.prompt_language(language, prompting))
        subject = f"items of {self.name}, {language}"

        def make(row: Row) -> Item:
            question = items.text(row.fields, "question").strip()
            filled = template.filled({"context": items.text(row.fields, "context").strip(), "question": question})
            return Item(
                items.text(row.fields, "id"), language, filled, _answers(row.fields), question, f" {template.prefix}"
            )

        found = items.parsed(self._rows(language, subject), make, subject)
        return items.sampled(found, self.sample, self.seed)

    def request(self, item: Item) -> Request:
        """The question in the format of the tuning, the beginning of the response forced."""
        return Request(item.id, "", chat_prompt(item.prompt), self.sampling, 0, prefix=item.prefix)

    def score(self, items: Sequence[Item], outputs: Sequence[Output]) -> list[Score]:
        """Every rule's verdict on what follows the forced beginning."""
        golds = [Gold(item.references, item.language, item.source) for item in items]
        return judged(items, matches(XQUAD, [continuation(*pair) for pair in zip(items, outputs, strict=True)], golds))

    def _rows(self, language: str, subject: str) -> list[Row | Problem]:
        pattern = hub_files(language)
        names = (f"xquad.{language}.json", f"{language}.json")
        if isinstance(self.place, HubSet):
            return items.rows(self.place, names, pattern, subject)
        (path,) = items.files(self.place, names, pattern, subject)
        return list(_squad(path, subject)) if path.suffix == ".json" else items.rows(path, names, pattern, subject)


def continuation(item: Item, output: Output) -> str:
    """What the model wrote itself, without the beginning that was forced."""
    forced = item.prefix.strip()
    return output.text.strip().removeprefix(forced).strip() if forced else output.text


def judged(items: Sequence[Item], verdicts: Any) -> list[Score]:
    """Scores of the verdicts of several rules on the same items."""
    scores = []
    for at, item in enumerate(items):
        found = {rule: some[at] for rule, some in verdicts.items()}
        first = next(iter(found.values()))
        scores.append(
            Score(
                item.id,
                {rule: one.value for rule, one in found.items() if one.value is not None},
                {"found": first.found or f"nothing ({first.note})", "reference": " | ".join(item.references)},
                {rule: one.note for rule, one in found.items() if one.value is None},
            )
        )
    return scores


def _answers(fields: Any) -> tuple[str, ...]:
    """Texts of the answers: a list of objects in the original files, an object of lists on the hub."""
    answers = items.within(fields, "answers")
    texts = answers.get("text") if isinstance(answers, dict) else answers
    if not isinstance(texts, list) or not texts:
        raise items.WrongRowError("field 'answers': holds no answer", 'An answer is {"text": "…", "answer_start": 0}.')
    listed = [{"answers": {"text": one} if isinstance(answers, dict) else one} for one in texts]
    return tuple(dict.fromkeys(items.text(one, "answers.text").strip() for one in listed))


def _squad(path: Path, subject: str) -> list[Row | Problem]:
    """The questions of a file in SQuAD's form, each with its passage; what is wrong is named by line and place in the tree."""
    fix = "SQuAD's form: data[].paragraphs[] of context and qas[] of id, question, answers."
    try:
        text = path.read_text(encoding="utf-8-sig")
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        what = f"broken JSON at line {error.lineno}, column {error.colno} ({error.msg})"
        raise ItemsError(subject, [Problem(path.name, what, "Fetch or write the file again.")]) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ItemsError(subject, [Problem(path.name, f"cannot be read ({error})", "Check the file.")]) from error
    found: list[Row | Problem] = []
    ends = [line.start() for line in re.finditer("\n", text)]

    def where(at: int, place: str) -> str:
        return f"{path.name}:{bisect.bisect(ends, at) + 1} {place}" if place else path.name

    def inside(value: Any, at: int, name: str, place: str) -> Iterable[tuple[Any, int, str]]:
        """The values of the list that is an object's field, where each begins, and its place in the tree."""
        listed = value.get(name) if isinstance(value, dict) else None
        if not isinstance(listed, list):
            found.append(Problem(where(at, place), f"field '{name}': is missing, or no list", fix))
            return
        starts = _starts(text, _starts(text, at)[name])
        for index, one in enumerate(listed):
            yield one, starts[index], f"{place}.{name}[{index}]".lstrip(".")

    for article, at, place in inside(tree, _after(text, 0), "data", ""):
        for passage, there, within in inside(article, at, "paragraphs", place):
            for asked, start, named in inside(passage, there, "qas", within):
                if not isinstance(asked, dict):
                    found.append(Problem(where(start, named), "is no object", fix))
                else:
                    context = {"context": passage["context"]} if "context" in passage else {}
                    found.append(Row(where(start, named), {**asked, **context}))
    return found


_DECODER = json.JSONDecoder()


def _after(text: str, at: int) -> int:
    """The first place from there on that is no white space."""
    space = re.compile(r"[ \t\n\r]*").match(text, at)
    return space.end() if space else at


def _starts(text: str, at: int) -> dict[str | int, int]:
    """Where the values begin in the object, by name, or list, by index, that begins there in a text that is right JSON."""
    named = text[at] == "{"
    starts: dict[str | int, int] = {}
    at = _after(text, at + 1)
    while text[at] not in "}]":
        name: str | int = len(starts)
        if named:
            name, at = _DECODER.raw_decode(text, at)
            at = _after(text, _after(text, at) + 1)
        starts[name] = at
        at = _after(text, _DECODER.raw_decode(text, at)[1])
        at = _after(text, at + 1) if text[at] == "," else at
    return starts
