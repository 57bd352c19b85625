"""Taught: whether a test asks as training taught, string by string and token by token."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from babeltune.errors import Problem
from babeltune.finetune.template import render
from babeltune.languages import LANGUAGES
from babeltune.measure.metrics.letters import LETTERS
from babeltune.measure.tasks import orthography, prompt
from babeltune.records import Chat, Identified, Item, Request, Sampling, Task, Turn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PARIS = {
    "Latn": "Paris", "Cyrl": "Париж", "Grek": "Παρίσι", "Deva": "पेरिस", "Arab": "باريس", "Thai": "ปารีส",
    "Hang": "파리", "Hans": "巴黎", "Jpan": "パリ",
}  # fmt: skip
"""Script -> a short text in it: what the made-up items are of, and an answer to them."""
_YEAR = "1889"
"""Another answer: XQuAD's are often numbers."""


@dataclass(frozen=True, slots=True)
class Taught:
    """What was found of a task's test in a language."""

    problems: list[Problem]
    merged: int | None = None
    """Last tokens of a test that are not as in training, its forced beginning merging with the answer; None where no
    tokens were compared."""


def taught(task: str, language: str, where: str, tokenizer: PreTrainedTokenizerBase | None = None) -> Taught:
    """Hold a made-up test of the task against training on its answer, in tokens too where there is a tokenizer.

    A task without a chat format (XNLI) has nothing to compare. ``where`` is what a problem names.

    Raises:
        ItemsError: there is no prompt of the task in this language, or one that is unfit to ask with.
    """
    if task not in _TASKS:
        return Taught([])
    prefix = prompt.template(task, language).prefix
    with tempfile.TemporaryDirectory(prefix="babeltune-lint-") as folder:
        item, request = _asked(task, language, Path(folder))
    chats = [_answered(item, prefix + answer) for answer in _answers(language, prefix)]
    problems = _string_problems(where, request, chats)
    if tokenizer is None:
        return Taught(problems)
    more, merged = _token_problems(where, request, chats, tokenizer)
    return Taught([*problems, *more], merged)


def _string_problems(where: str, request: Request, chats: Sequence[Chat]) -> list[Problem]:
    """A problem if what a test sends is not the beginning of what training makes of the same turn, answered."""
    sent = request.prompt + request.prefix
    for chat in chats:
        trained = render(chat)[0]
        if not trained.startswith(sent):
            at = _alike(sent, trained)
            here, there = sent[max(0, at - 15) : at + 15], trained[max(0, at - 15) : at + 15]
            fix = "Task.request and the template of the tuning must write a turn alike (records.chat_prompt)."
            return [Problem(where, f"a test sends {here!r} where training has {there!r}", fix)]
    return []


def _token_problems(
    where: str, request: Request, chats: Sequence[Chat], tokenizer: PreTrainedTokenizerBase
) -> tuple[list[Problem], int]:
    """A problem if a test's tokens part from training's in the question; and how many of the last ones differ.

    Those of the forced beginning may: its quotation mark can merge with the answer behind it.
    """

    def ids(text: str) -> list[int]:
        return list(tokenizer(text)["input_ids"])

    sent = ids(request.prompt + request.prefix)
    if sent[-1] == tokenizer.eos_token_id:
        fix = "Set add_eos_token to false in tokenizer_config.json."
        return [Problem(where, "the tokenizer ends a test with its end token, so that there is no answer", fix)], 0
    forced = len(sent) - len(ids(request.prompt)) if request.prefix else 0
    differ = max(len(sent) - _alike(sent, ids(render(chat)[0])) for chat in chats)
    if differ <= forced:
        return [], differ
    fix = "A model tuned with this tokenizer is asked in a form it never saw: use one that does not merge over markers."
    return [Problem(where, f"the tokens of a test, {differ} from its end on, are not those of training", fix)], 0


def _alike(one: Sequence[object], other: Sequence[object]) -> int:
    """How many of the first tokens, or characters, are the same."""
    for at, (here, there) in enumerate(zip(one, other, strict=False)):
        if here != there:
            return at
    return min(len(one), len(other))


class _NotAsked:
    """An ``Identifier`` for a task that is not asked to score."""

    def identify(self, texts: Sequence[str]) -> list[Identified]:
        return [Identified(None, 0.0, "not asked") for _ in texts]


def _simplification(language: str, said: str, folder: Path) -> Task:
    from babeltune.measure.tasks.simplification import Simplification

    for name in ("made.orig", "made.ref.0"):
        _write(folder / language / name, f"{said}\n")
    return Simplification(folder, _NotAsked(), Sampling())


def _xquad(language: str, said: str, folder: Path) -> Task:
    from babeltune.measure.tasks.xquad import XQuad

    asked = {"id": "made", "question": said, "answers": [{"text": said, "answer_start": 0}]}
    tree = {"data": [{"paragraphs": [{"context": said, "qas": [asked]}]}]}
    _write(folder / f"xquad.{language}.json", json.dumps(tree))
    return XQuad(folder, Sampling())


def _xcsqa(language: str, said: str, folder: Path) -> Task:
    from babeltune.measure.tasks.xcsqa import XCsqa

    question = {"stem": said, "choices": [{"label": label, "text": said} for label in LETTERS]}
    _write(folder / language / "dev.jsonl", json.dumps({"id": "made", "question": question, "answerKey": "A"}) + "\n")
    return XCsqa(folder, Sampling())


_TASKS: dict[str, Callable[[str, str, Path], Task]] = {
    "simplification": _simplification,
    "xquad": _xquad,
    "xcsqa": _xcsqa,
}
"""Tasks in the format of the tuning -> the task on one made-up item, from a file as it reads them."""


def _asked(task: str, language: str, folder: Path) -> tuple[Item, Request]:
    """A made-up item, and what the task sends of it."""
    made = _TASKS[task](language, _PARIS[LANGUAGES[language].script], folder / task)
    (item,) = made.items(language, made.promptings[0])
    return item, made.request(item)


def _answered(item: Item, answer: str) -> Chat:
    return Chat("made", (Turn("user", item.prompt), Turn("assistant", answer)), item.language)


def _answers(language: str, prefix: str) -> list[str]:
    """Typical answers behind a forced beginning: a letter, a name, a year; quoted to the end if it opens a quotation."""
    pairs = [orthography.STRAIGHT, *(pair for pair, codes in orthography.PAIRS.items() if language in codes)]
    closing = next((pair[1] for pair in pairs if prefix.endswith(pair[0])), "")
    space = "\u00a0" if closing and language == "fr" else ""
    return [f"{space}{answer}{space}{closing}" for answer in ("A", _PARIS[LANGUAGES[language].script], _YEAR)]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
