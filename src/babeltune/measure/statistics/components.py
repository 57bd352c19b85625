"""Components: what items, tuning seeds and sampling seeds add to the variance of a cell's values, by moments.

Moments of the plain (unweighted) kind (Hartley, Rao and LaMotte 1978, Biometrics 34; MINQUE(0)): for each effect
the sum of squared sums over its levels, set equal to its expectation. Where no value is missing they are those of an
analysis of variance, and they are without bias where some are.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from babeltune.measure.statistics.resampling import Floats

Part = Literal["item", "tuning", "sampling", "interaction", "residual"]
_SHARED: Mapping[frozenset[Part], Part] = {
    frozenset(("item", "tuning")): "interaction",
    frozenset(("item", "interaction")): "interaction",
    frozenset(("tuning", "interaction")): "interaction",
    frozenset(("tuning", "sampling")): "sampling",
}
"""What two values have in common that share both of these; any other two share the rest, that is, are the same value."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The values of one cell."""

    values: Floats
    """[items, runs], NaN where there is none."""
    runs: tuple[tuple[int, int], ...]
    """Tuning seed and sampling seed of each run."""


def parts_of(grid: Grid) -> tuple[Part, ...]:
    """The effects that a design with these runs can tell apart."""
    tunings = len({tuning for tuning, _ in grid.runs})
    if len(grid.runs) == 1:
        return ("item",)
    if tunings == 1:
        return "item", "sampling", "residual"
    if tunings == len(grid.runs):
        return "item", "tuning", "residual"
    return "item", "tuning", "sampling", "interaction", "residual"


def components(grid: Grid, parts: tuple[Part, ...]) -> Floats | None:
    """Unbiased estimates, below zero too; None where the values that there are do not tell the effects apart."""
    if parts == ("item",):
        return np.array([np.var(grid.values, ddof=1)])
    there = ~np.isnan(grid.values)
    whole = bool(there.all())
    expected = _of_whole(len(there), grid.runs, parts) if whole else _expected(there, grid.runs, parts)
    if expected is None:
        return None
    mean = grid.values.mean() if whole else np.nanmean(grid.values)
    apart = grid.values - mean if whole else np.where(there, grid.values - mean, 0.0)
    alike = _alike(grid.runs)
    squares = np.array([(apart * _level_sums(part, apart, alike)).sum() for part in parts])
    return np.asarray(np.linalg.solve(expected, squares))


def _expected(there: NDArray[np.bool_], runs: tuple[tuple[int, int], ...], parts: tuple[Part, ...]) -> Floats | None:
    """[squares, components]: what a component of one adds to each effect's sum of squared sums over its levels."""
    counts = there.astype(np.float64)
    total = counts.sum()
    alike = _alike(runs)
    spread = {part: _level_sums(part, counts, alike) * counts for part in parts}
    expected = np.empty((len(parts), len(parts)))
    for row, one in enumerate(parts):
        for column, two in enumerate(parts):
            both = one if one == two else _SHARED.get(frozenset((one, two)), "residual")
            both = both if both in spread else "residual"
            expected[row, column] = (
                spread[both].sum()
                - 2 / total * (spread[one] * spread[two]).sum()
                + spread[one].sum() * spread[two].sum() / total**2
            )
    scale = np.sqrt(np.diag(expected))
    if not (scale > 0).all() or np.linalg.matrix_rank(expected / np.outer(scale, scale), tol=1e-9) < len(parts):
        return None
    return expected


@functools.lru_cache(maxsize=64)
def _of_whole(items: int, runs: tuple[tuple[int, int], ...], parts: tuple[Part, ...]) -> Floats | None:
    """``_expected`` where no value is missing: most cells of a study are alike."""
    return _expected(np.ones((items, len(runs)), dtype=np.bool_), runs, parts)


@functools.lru_cache(maxsize=64)
def _alike(runs: tuple[tuple[int, int], ...]) -> Floats:
    """[runs, runs]: ones where two have the same tuning seed."""
    tuning = np.array([run[0] for run in runs])
    return np.asarray(tuning[:, np.newaxis] == tuning, dtype=np.float64)


def _level_sums(part: Part, table: Floats, alike: Floats) -> Floats:
    """[items, runs]: for each value, the sum over all that share its level of an effect."""
    if part == "item":
        return np.broadcast_to(table.sum(axis=1, keepdims=True), table.shape)
    if part == "sampling":
        return np.broadcast_to(table.sum(axis=0), table.shape)
    if part == "residual":
        return np.asarray(table)
    within = table @ alike
    return np.asarray(within if part == "interaction" else np.broadcast_to(within.sum(axis=0), table.shape))
