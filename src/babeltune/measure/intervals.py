"""Intervals: a seeded percentile bootstrap that resamples items, for means, averages over languages, and differences.

Seeds of one item are not independent items, and the same item in two languages or under two mixes is the same item:
all move together. The authors pool item rows of all seeds as if they were independent (their notebook, seaborn's
``errorbar=("ci", 95)``); that makes intervals too narrow.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Values = Mapping[str, Sequence[float]]
"""Item id -> its values, one a seed. Unscored values are left out; an item without any is no item here."""

LEVEL = 0.95
"""Coverage (paper, Figure 1)."""
RESAMPLES = 10_000
"""Bootstrap resamples; the authors' plots use 1,000."""
SEED = 12345
"""Of the resampling, as sacreBLEU's (https://github.com/mjpost/sacrebleu)."""
_FLAT = 1e-9
"""Resamples closer together than this differ by rounding alone."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its interval."""

    value: float
    low: float
    high: float
    n: int
    """Distinct items."""


@dataclass(frozen=True, slots=True)
class _Sums:
    """Per item (row) and group (column): sum and number of the values."""

    total: Floats
    count: Floats


def mean(values: Values, *, seed: int = SEED, resamples: int = RESAMPLES) -> Interval:
    """Mean over items, values in [0, 1].

    Where all resamples agree (all values are equal) the bootstrap sees no variation and would claim certainty; there
    the interval is Wilson's (1927) over the items.

    Raises:
        ValueError: no values.
    """
    return average({"": values}, seed=seed, resamples=resamples)


def average(groups: Mapping[str, Values], *, seed: int = SEED, resamples: int = RESAMPLES) -> Interval:
    """Unweighted average over groups (languages) of their means; items are resampled once for all groups.

    Without variation the interval is Wilson's, as in ``mean``.

    Raises:
        ValueError: a group has no values.
    """
    items = sorted({item for values in groups.values() for item, row in values.items() if len(row)})
    sums = _sums(groups, items)
    value = float(_statistic(sums, np.ones((1, len(items))))[0])
    draws = _statistic(sums, _weights(len(items), seed, resamples))
    low, high = _percentiles(draws)
    if high - low < _FLAT:
        low, high = wilson(value, len(items))
    return Interval(value, low, high, len(items))


def difference(
    first: Mapping[str, Values], second: Mapping[str, Values], *, seed: int = SEED, resamples: int = RESAMPLES
) -> Interval:
    """Paired difference ``first - second`` of two averages over the same groups and items, in [-1, 1].

    Only items that both sides scored in a group take part in it.

    Where all resamples agree (both sides differ by the same on every item, often by nothing) the bootstrap sees no
    variation and would claim certainty. But of n items without an exception, up to a share w may still be exceptions
    where Wilson's interval for 0 of n ends, so there the interval is the value plus and minus w, within [-1, 1].

    Raises:
        ValueError: no group has an item that both sides scored.
    """
    both = {
        group: sorted(item for item, row in first[group].items() if len(row) and len(second[group].get(item, ())))
        for group in first
        if group in second
    }
    shared = {group: ids for group, ids in both.items() if ids}
    if not shared:
        raise ValueError("no item was scored on both sides")
    items = sorted({item for ids in shared.values() for item in ids})
    one = _sums({group: {item: first[group][item] for item in ids} for group, ids in shared.items()}, items)
    two = _sums({group: {item: second[group][item] for item in ids} for group, ids in shared.items()}, items)
    weights = _weights(len(items), seed, resamples)
    flat = np.ones((1, len(items)))
    value = float((_statistic(one, flat) - _statistic(two, flat))[0])
    low, high = _percentiles(_statistic(one, weights) - _statistic(two, weights))
    if high - low < _FLAT:
        _, w = wilson(0.0, len(items))
        low, high = max(-1.0, value - w), min(1.0, value + w)
    return Interval(value, low, high, len(items))


def combined(
    sums: Floats,
    statistic: Callable[[Floats], Floats],
    *,
    top: float = 1.0,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> Interval:
    """A statistic of sums over items, as of a product of means or a score of a corpus; items are resampled.

    Args:
        sums: one row an item, shape (items, columns).
        statistic: sums of rows, shape (..., columns) -> values, shape (...), in [0, top]. NaN where a resample drew
            nothing that it can use; such are left out.
        top: the statistic's best value.
        seed: of the resampling.
        resamples: how many.

    Without variation the interval is Wilson's, as in ``mean``.

    Raises:
        ValueError: no items.
    """
    if not len(sums):
        raise ValueError("no items")
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(sums.sum(axis=0)))
        low, high = _percentiles(statistic(_weights(len(sums), seed, resamples) @ sums))
    if high - low < _FLAT * top:
        low, high = (top * end for end in wilson(value / top, len(sums)))
    return Interval(value, low, high, len(sums))


def bounds(values: Values, unscored: int, top: float = 1.0, least: float = 0.0) -> tuple[float, float]:
    """The mean if every unscored value were ``least``, and if ``top``: what is not known is shown, not dropped."""
    scored = [value for row in values.values() for value in row]
    total = len(scored) + unscored
    if not total:
        return least, top
    return (sum(scored) + least * unscored) / total, (sum(scored) + top * unscored) / total


def _sums(groups: Mapping[str, Values], items: Sequence[str]) -> _Sums:
    empty = [group for group, values in groups.items() if not any(len(row) for row in values.values())]
    if empty:
        raise ValueError(f"no values in {empty}")
    row_of = {item: row for row, item in enumerate(items)}
    total = np.zeros((len(items), len(groups)))
    count = np.zeros((len(items), len(groups)))
    for column, values in enumerate(groups.values()):
        for item, row in values.items():
            if len(row):
                total[row_of[item], column] = sum(row)
                count[row_of[item], column] = len(row)
    return _Sums(total, count)


@functools.lru_cache(maxsize=1)
def _weights(items: int, seed: int, resamples: int) -> Floats:
    """How often each item was drawn in each resample, shape (resamples, items). Cells have as many items, mostly."""
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(items, np.full(items, 1 / items), size=resamples).astype(np.float64)
    weights.flags.writeable = False
    return weights


def _statistic(sums: _Sums, weights: Floats) -> Floats:
    """Average over groups of their weighted means, shape (resamples,). A group that drew none of its items is left out."""
    total, count = weights @ sums.total, weights @ sums.count
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nanmean(np.where(count > 0, total / count, np.nan), axis=1))


def _percentiles(draws: Floats) -> tuple[float, float]:
    low, high = np.nanpercentile(draws, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share of n items (https://doi.org/10.1080/01621459.1927.10502953)."""
    z = NormalDist().inv_cdf(0.5 + LEVEL / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)
