"""Scoring of imported answers, with the very task code that scores a study's; no model is loaded."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from babeltune.data import identify
from babeltune.measure.judge.grade import parse
from babeltune.measure.judge.helpfulness import helpfulness
from babeltune.measure.judge.rubric import Protocol
from babeltune.measure.metrics.agreement import AGREEMENT, AGREEMENT_NOMINAL
from babeltune.measure.metrics.letters import XCSQA
from babeltune.measure.outputs import Answered, scores
from babeltune.measure.tasks.dialogue import Dialogue
from babeltune.measure.tasks.simplification import Simplification
from babeltune.measure.tasks.xcsqa import XCsqa
from babeltune.measure.tasks.xnli import ACCURACY, Xnli
from babeltune.measure.tasks.xquad import XQuad
from babeltune.records import Cell, Identified, Identifier, Metric, Sampling, Score, Task
from babeltune.study.importing.folder import Folder
from babeltune.study.importing.found import Answer
from babeltune.study.spec.served import Reading
from babeltune.study.steps import judging
from babeltune.study.steps.scores import row

RELEASED = "released"
"""The languages that the rows themselves have for prompt and response; lid176 for single lines, and where they have none."""
_NOWHERE = Path()
_COMPARED = (AGREEMENT, AGREEMENT_NOMINAL, ACCURACY, next(iter(XCSQA)))
"""Shares that imported files may give of their own rows."""


class Labelled:
    """An ``Identifier`` that knows some texts, and asks another of all else."""

    def __init__(self, known: Mapping[str, str], other: Identifier) -> None:
        """``known``: text -> label."""
        self.known = known
        self.other = other

    def identify(self, texts: Sequence[str]) -> list[Identified]:
        """One verdict a text. How sure the release was of a label is not in it: 1 stands for that."""
        unknown = [text for text in texts if text not in self.known]
        found = dict(zip(unknown, self.other.identify(unknown), strict=True))
        return [Identified(self.known[text], 1.0) if text in self.known else found[text] for text in texts]


def task_of(name: str, reader: Identifier) -> Task:
    """A task that only scores; its items come with the answers."""
    tasks: dict[str, Callable[[], Task]] = {
        "dialogue": lambda: Dialogue(_NOWHERE, reader, Sampling()),
        "simplification": lambda: Simplification(_NOWHERE, reader, Sampling()),
        "xquad": lambda: XQuad(_NOWHERE, Sampling()),
        "xcsqa": lambda: XCsqa(_NOWHERE, Sampling()),
        "xnli": lambda: Xnli(_NOWHERE),
    }
    return tasks[name]()


def metrics(task: str, protocol: Protocol, readings: Sequence[Reading]) -> tuple[Metric, ...]:
    """What is reported of a task, the main metric first; ``readings``: how answers were judged, if at all."""
    own = task_of(task, identify.identifier(identify.LID176)).metrics
    if task != "dialogue" or not readings:
        return own
    return (*judging.metrics(protocol, readings), *own)


def reader_of(answers: Sequence[Answer], identifier: str, download: bool = False) -> tuple[Identifier, str]:
    """Who says what language the texts of a cell are in, and its name as the signature has it."""
    if identifier != RELEASED:
        return identify.identifier(identifier, download=download), identifier
    bundled = identify.identifier(identify.LID176)
    known: dict[str, str] = {}
    for one in answers:
        if one.labels and one.output is not None:
            known.setdefault(one.item.prompt, one.labels[0])
            known.setdefault(one.output.text, one.labels[1])
    return (Labelled(known, bundled), RELEASED) if known else (bundled, identify.LID176)


def scored_by(folder: Folder, cell: Cell, identifier: str) -> str:
    """Fingerprint of a cell's scores: of its answers and of who identifies languages."""
    answers = folder.record(folder.generated(cell)).get("fingerprint", "")
    return hashlib.sha256(f"{answers} {identifier} {_who(identifier)}".encode()).hexdigest()


@functools.cache
def _who(identifier: str) -> str:
    return RELEASED if identifier == RELEASED else identify.fingerprint(identifier)


def check(identifier: str, download: bool = False) -> None:
    """Whether an identifier is at hand, before anything is read.

    Raises:
        ModelError: it is not.
    """
    if identifier != RELEASED:
        identify.locate(identifier, download=download)


def score(folder: Folder, cell: Cell, identifier: str, download: bool = False) -> None:
    """Score the answers of a cell and keep the scores with what a page shows of them."""
    answers = folder.answers(cell)
    reader, name = reader_of(answers, identifier, download)
    task = task_of(cell.task, reader)
    found = scores(task, [Answered("", one.item, one.output, one.reason) for one in answers])
    found = _with_judge(found, answers, reader, cell.language) if cell.task == "dialogue" else found
    rows = [
        row(one, answer.item, answer.output, ranked=cell.task == "xnli")
        for one, answer in zip(found, answers, strict=True)
    ]
    shares = {name: value for name in _COMPARED if (value := _share(rows, name)) is not None}
    asked = json.dumps([[row["item"], row["subject"]] for row in rows], ensure_ascii=False)
    facts = {
        "identifier": name,
        "shares": shares,
        "items": hashlib.sha256(asked.encode("utf-8", "replace")).hexdigest()[:8],
        "readings": sorted({reading for one in answers for reading in one.judged}),
        "judged": sum(len(one.judged) for one in answers),
    }
    folder.keep_scores(cell, scored_by(folder, cell, identifier), facts, rows)


def _share(rows: Sequence[Mapping[str, Any]], metric: str) -> float | None:
    """Share of all rows with a 1, as the authors' files and the harness count it: what is unscored is no match."""
    there = any(metric in row["values"] or metric in row["unscored"] for row in rows)
    return sum(row["values"].get(metric, 0.0) for row in rows) / len(rows) if there and rows else None


def _with_judge(found: Sequence[Score], answers: Sequence[Answer], reader: Identifier, language: str) -> list[Score]:
    judged = [one for one in answers if one.judged]
    prompts = dict(zip(map(id, judged), reader.identify([one.item.prompt for one in judged]), strict=True))
    responses = dict(
        zip(map(id, judged), reader.identify([one.output.text if one.output else "" for one in judged]), strict=True)
    )
    merged = []
    for score_, answer in zip(found, answers, strict=True):
        parts = [score_]
        for reading, reply in answer.judged.items():
            # Of a translation the text that was judged is not at hand: nothing in the reply can be its echo.
            verdict = parse(reply, answer.output.text if answer.output and reading == "direct" else "")
            one = helpfulness(answer.item.id, verdict, language, prompts[id(answer)], responses[id(answer)])
            parts.append(judging.as_read(one, reading))
        merged.append(judging.merged(parts))
    return merged
