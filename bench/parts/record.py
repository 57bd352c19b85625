"""What was measured, script by script: bench/measured.json, from which the tables of docs/performance.md are written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from parts.curve import Curve, Point
from parts.row import Row


@dataclass(frozen=True, slots=True)
class Measured:
    """What a script said when it last measured something, and why it did not when it was last run."""

    date: str = ""
    """Of the rows, ISO 8601; empty where nothing was ever measured."""
    machine: str = ""
    beside: float | None = None
    """Cores that others kept busy meanwhile."""
    command: str = ""
    seconds: float = 0.0
    """That the script took."""
    same: bool = True
    """Whether the answers agreed."""
    answers: str = ""
    """How far they did."""
    rows: tuple[Row, ...] = ()
    curves: tuple[Curve, ...] = ()
    lacking: str = ""
    """Why nothing was measured, or how it failed; empty where all went well."""


def read(path: Path) -> dict[str, Measured]:
    """Script -> what is known; nothing where there is no file."""
    if not path.exists():
        return {}
    return {name: measured(told) for name, told in json.loads(path.read_text(encoding="utf-8")).items()}


def measured(told: Mapping[str, Any]) -> Measured:
    """From JSON, of the file or of a script."""
    rows = tuple(Row(**row) for row in told.get("rows", ()))
    curves = tuple(
        Curve(one["name"], one["unit"], tuple(Point(**point) for point in one["points"]))
        for one in told.get("curves", ())
    )
    return Measured(**{**told, "rows": rows, "curves": curves})


def write(path: Path, known: Mapping[str, Measured]) -> None:
    """Replace the file, all of it or nothing."""
    new = path.with_suffix(".new")
    told = {name: asdict(one) for name, one in known.items()}
    new.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    new.replace(path)
