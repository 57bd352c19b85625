"""The excerpt: those outputs of a finished study that its report shows, at most 50,000.

Items are chosen by a hash of their ids, and of an item in a language all outputs are shown, of every model, mix, seed
and prompting: so that they can be read side by side. Score files are gone through line by line, and the lines of other
items are not parsed.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babeltune.records import Cell
from babeltune.study.steps import scores

MOST = 50_000
"""Outputs of an excerpt."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What a report shows of the outputs."""

    items: tuple[Mapping[str, Any], ...]
    """One an output: the row of the score file and the cell's fields."""
    left_out: int
    """Outputs that are not among them."""


def excerpt(cells: Sequence[tuple[Cell, Path]], most: int = MOST) -> Excerpt:
    """Choose and read the outputs. ``cells``: each with its score file."""
    ids = {about: scores.items(path) for about, path in {_about(cell): path for cell, path in reversed(cells)}.items()}
    total = sum(len(ids[_about(cell)]) for cell, _ in cells)
    chosen = None if total <= most else _chosen(cells, ids, most)
    shared: dict[str, Any] = {}
    items = tuple(
        {**_sharing(row, shared), **about}
        for cell, path in cells
        for about in [dataclasses.asdict(cell)]
        for row in scores.rows(path, None if chosen is None else chosen[cell.task, cell.language])
    )
    return Excerpt(items, total - len(items))


def _about(cell: Cell) -> tuple[str, str, str]:
    """All cells that are alike in this are about the same items."""
    return cell.task, cell.language, cell.prompting


def _chosen(
    cells: Sequence[tuple[Cell, Path]], ids: Mapping[tuple[str, str, str], Sequence[bytes]], most: int
) -> dict[tuple[str, str], frozenset[bytes]]:
    """(Task, language) -> ids that are shown. Tasks have as many outputs each, as far as they have so many."""
    outputs: dict[str, dict[tuple[bytes, str], int]] = defaultdict(lambda: defaultdict(int))
    for cell, _ in cells:
        for id_ in ids[_about(cell)]:
            outputs[cell.task][id_, cell.language] += 1
    found: dict[tuple[str, str], set[bytes]] = defaultdict(set)
    left = most
    smallest_first = sorted(outputs, key=lambda task: sum(outputs[task].values()))
    for at, task in enumerate(smallest_first):
        room = left // (len(smallest_first) - at)
        # An item's translations come one after another.
        for (id_, language), count in sorted(outputs[task].items(), key=lambda one: _rank(task, *one[0])):
            if count > room:
                break
            room, left = room - count, left - count
            found[task, language].add(id_)
    return {(cell.task, cell.language): frozenset(found[cell.task, cell.language]) for cell, _ in cells}


def _rank(task: str, id_: bytes, language: str) -> tuple[bytes, str]:
    return hashlib.sha256(task.encode() + b"\0" + id_).digest(), language


def _sharing(row: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """The row, its item's texts held once however many answers it has."""
    for name in ("item", "subject", "prompt"):
        row[name] = shared.setdefault(row[name], row[name])
    return row
