"""Comparison: which cells several studies share, or one before and after a change, and how far these lie apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from babeltune.report.page.findings import shown_interval
from babeltune.report.page.inline import signed
from babeltune.report.results import Results

Key = tuple[str, str, str, str, str, str]
"""Model, mix, task, language, prompting, metric."""
ALIGNED = "each study's model"
"""Stands for the model where each study has one, of different names."""


class Paired(Protocol):
    """A paired difference with its interval (``measure.statistics.intervals.Difference``)."""

    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def low(self) -> float: ...  # noqa: D102
    @property
    def high(self) -> float: ...  # noqa: D102
    @property
    def n(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Studied:
    """One of the studies."""

    name: str
    """Unlike that of every other."""
    where: str
    """What it was read from."""
    results: Results


@dataclass(frozen=True, slots=True)
class Shared:
    """A cell that the first study and another have."""

    key: Key
    other: int
    """Place of the other study, from 1 on."""
    first: Mapping[str, Any]
    second: Mapping[str, Any]
    apart: Paired | None
    """Second minus first, paired by item; None where the items are not the same or not known."""

    @property
    def difference(self) -> float | None:
        """Second minus first, of the two means."""
        if self.first["value"] is None or self.second["value"] is None:
            return None
        return float(self.second["value"]) - float(self.first["value"])


def named(results: Sequence[tuple[str, Results]]) -> list[Studied]:
    """Studies with names of their own: those that share one are numbered. ``results``: each with where it is from."""
    counts = Counter(one.study for _, one in results)
    seen: Counter[str] = Counter()
    found = []
    for where, one in results:
        seen[one.study] += 1
        name = f"{one.study} ({seen[one.study]})" if counts[one.study] > 1 else one.study
        found.append(Studied(name, where, one))
    return found


def aligned(first: Results, second: Results) -> str | None:
    """The name for the model of either where each has one and they differ; None where models are told by their names."""
    ours, theirs = first.models(), second.models()
    return ALIGNED if len(ours) == len(theirs) == 1 and ours != theirs else None


def keyed(results: Results, model: str | None) -> dict[Key, Mapping[str, Any]]:
    """Cell and metric -> row. ``model``: stands in place of the model's name."""
    return {
        (
            model or row["model"], row["mix"], row["task"], row["language"], row["prompting"], row["metric"],
        ): row
        for row in results.rows
    }  # fmt: skip


def shared(studies: Sequence[Studied], apart: Sequence[Mapping[Key, Paired]]) -> list[Shared]:
    """The cells that a study has in common with the first. ``apart``: of each but the first its paired differences."""
    first, *others = studies
    found = []
    for at, (other, differences) in enumerate(zip(others, apart, strict=True), 1):
        model = aligned(first.results, other.results)
        ours = keyed(first.results, model)
        for key, row in keyed(other.results, model).items():
            if key in ours:
                found.append(Shared(key, at, ours[key], row, differences.get(key)))
    return found


def lines(studies: Sequence[Studied], cells: Sequence[Shared], most: int = 12) -> list[list[str]]:
    """The cells of main metrics that differ most, for a terminal: cell, either value with its interval, difference."""
    mains = {(board.task, board.prompting, board.metric) for one in studies for model in one.results.models() for board in one.results.main_boards(model)}  # fmt: skip
    found = [cell for cell in cells if (cell.key[2], cell.key[4], cell.key[5]) in mains and cell.difference is not None]
    found.sort(
        key=lambda cell: (
            -abs(cell.difference or 0.0) / ((cell.first.get("top", 1.0) - cell.first.get("least", 0.0)) or 1.0)
        )
    )
    return [
        [
            ", ".join(part for part in (studies[cell.other].name if len(studies) > 2 else "", *(cell.key[:2] if cell.key[0] != ALIGNED else cell.key[1:2]), *cell.key[2:4], cell.key[4] if cell.key[4] != "xx:xx" else "", cell.key[5]) if part),
            shown_interval(cell.first, cell.first.get("top", 1.0)),
            shown_interval(cell.second, cell.first.get("top", 1.0)),
            signed(cell.difference, 1 if cell.first.get("top", 1.0) > 10 else 2),
            shown_interval({"value": cell.apart.value, "low": cell.apart.low, "high": cell.apart.high}, cell.first.get("top", 1.0), sign=True).partition(" ")[2] if cell.apart else "–",
        ]
        for cell in found[:most]
    ]  # fmt: skip
