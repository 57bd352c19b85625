"""A row of the table of performance, and how a script tells its rows."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parts.curve import Curve

ROWS_FILE = "BABELTUNE_BENCH_ROWS"
"""Environment variable that names the file to which a script writes its rows."""


@dataclass(frozen=True, slots=True)
class Row:
    """One race: the same work done by a peer and by us; or one of our figures and the goal that it has."""

    what: str
    """The work."""
    peer: str
    """Who does it besides, with its version; ``goal`` or ``ideal`` where nobody does."""
    theirs: float
    ours: float
    unit: str
    """Of both figures. Where it ends in ``/s`` more is better, else less is."""
    goal: float | None = None
    """Least ratio; None where there is none."""

    @property
    def ratio(self) -> float:
        """Ours over the peer's; higher is better."""
        return self.ours / self.theirs if self.unit.endswith("/s") else self.theirs / self.ours

    @property
    def met(self) -> bool | None:
        """Whether the goal is met, by the ratio as it is printed; None where there is none."""
        return None if self.goal is None else round(self.ratio, 2) >= self.goal

    def __str__(self) -> str:
        shown = f"{self.what}: {self.peer} {figure(self.theirs)}, ours {figure(self.ours)} {self.unit}"
        goal = "" if self.goal is None else f", goal {self.goal:g}{'' if self.met else ' MISSED'}"
        return f"{shown}: ratio {self.ratio:.2f}{goal}"


def figure(value: float) -> str:
    """Three digits that count, thousands apart."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def parser(about: str | None, **how: object) -> argparse.ArgumentParser:
    """Of a script's command line; ``about`` is its docstring."""
    return argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter, **how)  # type: ignore[arg-type]


def version(package: str) -> str:
    """A package and its version."""
    return f"{package} {importlib.metadata.version(package)}"


def tell(rows: Sequence[Row], *, same: bool, answers: str, curves: Sequence[Curve] = ()) -> int:
    """Print rows and, as the last line, the ratio of the first; the exit code.

    ``same``: whether the answers of both sides agree, ``answers`` how far.
    """
    lists = {"rows": [asdict(row) for row in rows], "curves": [asdict(curve) for curve in curves]}
    _write({**lists, "same": same, "answers": answers})
    for row in rows:
        print(row)
    print(f"answers {'agree' if same else 'DIFFER'}: {answers}")
    print(f"ratio {rows[0].ratio:.2f}")
    return 0 if same else 1


def nothing(why: str) -> int:
    """Say that nothing can be measured here, and what it needs; the exit code."""
    _write({"lacking": why})
    print(f"nothing is measured: {why}")
    return 0


def _write(content: dict[str, object]) -> None:
    path = os.environ.get(ROWS_FILE)
    if path:
        Path(path).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
