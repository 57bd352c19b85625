"""What was found in an imported place: runs, each a cell with the files it rests on, and what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from babeltune.errors import Problem, RowsError
from babeltune.records import Cell, Item, Output
from babeltune.rows import Row
from babeltune.study.importing.names import Tuned
from babeltune.study.spec.served import Reading

Maker = Literal["authors", "lm-eval", "inspect"]
"""Whose files: the paper's authors', lm-evaluation-harness's logs, Inspect's logs."""


@dataclass(frozen=True, slots=True)
class Source:
    """One cell, and the files that it is read from."""

    maker: Maker
    cell: Cell
    tuned: Tuned
    files: tuple[tuple[str, Path], ...]
    """What a file is (``outputs``, ``direct``, …) and where; every one is part of the cell's fingerprint."""
    judge: str = ""
    """Name of the model that judged, as the folder of its file says; empty where nothing was judged."""

    def of(self, kind: str) -> Path | None:
        """The file of that kind; None where there is none."""
        return next((path for name, path in self.files if name == kind), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """One output with all that was found with it."""

    item: Item
    output: Output | None
    """None where there is no response."""
    reason: str = ""
    """Why there is none."""
    labels: tuple[str, str] | None = None
    """Languages of prompt and response as the rows have them (OpenLID's labels in the authors' files)."""
    judged: Mapping[Reading, str] = field(default_factory=dict)
    """Reading (``direct``, ``translated``) -> the judge's reply as JSON; no reading, not judged."""


@dataclass(frozen=True, slots=True)
class Content:
    """What the files of a cell hold."""

    answers: tuple[Answer, ...]
    problems: tuple[Problem, ...] = ()
    """Rows that were left out, and why."""
    theirs: Mapping[str, float] = field(default_factory=dict)
    """Metric -> the value that the files themselves give, over all their rows."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """How it was sampled, as the files say."""
    cost: float = 0.0
    """Dollars that the judge came to, as its file says."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A number of a cell whose outputs are not there."""

    cell: Cell
    tuned: Tuned
    metric: str
    value: float
    n: int | None
    """Items that it is a mean over."""
    error: float | None
    """Standard error, where the file gives one."""
    source: str


def numbered(rows: Iterable[Row | Problem], problems: list[Problem]) -> Iterator[tuple[int, Row]]:
    """Number, from 1 on, and row of what can be parsed; a broken row has a number too, and becomes a problem."""
    try:
        for number, row in enumerate(rows, 1):
            if isinstance(row, Problem):
                problems.append(row)
            else:
                yield number, row
    except RowsError as error:
        problems += error.problems


def whole(value: Any) -> Any:
    """A value of JSON without halves of characters, which no file can hold: a replacement character stands for each."""
    match value:
        case str():
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
        case list():
            return [whole(one) for one in value]
        case dict():
            return {whole(key): whole(one) for key, one in value.items()}
        case _:
            return value
