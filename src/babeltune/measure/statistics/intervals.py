"""Intervals: a seeded bootstrap that resamples items, for means, averages over languages, and paired differences.

Seeds of one item are not independent items, and the same item in two languages or under two mixes is the same item:
all move together. The authors pool item rows of all seeds as if they were independent (their notebook, seaborn's
``errorbar=("ci", 95)``); that makes intervals too narrow, and is here as ``unit="rows"``.

Where the values do not vary the bootstrap sees none of the uncertainty and would claim certainty. There the interval of
a mean is Wilson's (1927) over the items. Of a difference that is the same on all n items, up to a share w of items may
still be exceptions where Wilson's interval for 0 of n ends: its interval is the value plus and minus w of the range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from babeltune.measure.statistics.resampling import (
    LEVEL,
    NORMAL,
    PLAIN,
    RESAMPLES,
    SEED,
    Draws,
    Floats,
    Method,
    Resampling,
    Unit,
    acceleration,
    beyond_zero,
    ends,
    sums,
)
from babeltune.measure.statistics.samples import Drawn, Tables, Values, averaged, drawn, paired

__all__ = [
    "LEVEL", "PLAIN", "RESAMPLES", "SEED", "Difference", "Interval", "Method", "Resampling", "Unit", "Values",
    "averages", "combined", "combined_differences", "difference", "differences", "mean", "means", "wilson",
]  # fmt: skip

Statistic = Callable[[Floats], Floats]
"""Sums over items, shape (..., columns) -> values, shape (...). NaN where nothing can be used; such draws are left out."""
_FLAT = 1e-9
"""Statistics that are closer than this share of their range differ by rounding alone."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its interval."""

    value: float
    low: float
    high: float
    n: int
    """Distinct items; values where these are resampled one by one (``unit="rows"``)."""


@dataclass(frozen=True, slots=True)
class Difference(Interval):
    """A paired difference."""

    p: float
    """Two-sided, of no difference, in (0, 1]: below 0.05 where the interval leaves zero out, but for rounding."""


def means(cells: Sequence[Values], top: float = 1.0, least: float = 0.0, how: Resampling = PLAIN) -> list[Interval]:
    """Mean over items of each cell, values in [least, top].

    Raises:
        ValueError: a cell has no values.
    """
    return averages([{"": values} for values in cells], top, least, how)


def averages(
    groups: Sequence[Mapping[str, Values]], top: float = 1.0, least: float = 0.0, how: Resampling = PLAIN
) -> list[Interval]:
    """Unweighted averages over languages of their means; items are resampled once for all languages.

    Raises:
        ValueError: no language, or one has no values.
    """
    table_of = Tables(how.unit)
    samples = []
    for place, languages in enumerate(groups):
        tables = {language: table_of(values) for language, values in languages.items()}
        empty = [language for language, table in tables.items() if not table.column_of]
        if empty or not tables:
            raise ValueError(f"no values in {empty} (average {place} of {len(groups)})")
        samples.append(averaged(list(tables.values())))
    found: dict[int, Interval] = {}
    for some in drawn(samples, how):
        for at, value, low, high, flat in _ends(some, top - least, how):
            n = samples[at].size
            if flat:
                low, high = _wilsons(value, n, top, least)
            found[at] = Interval(value, low, high, n)
    return [found[at] for at in range(len(samples))]


def differences(
    pairs: Sequence[tuple[Mapping[str, Values], Mapping[str, Values]]],
    top: float = 1.0,
    least: float = 0.0,
    how: Resampling = PLAIN,
) -> list[Difference]:
    """Paired differences ``first - second`` of two averages over the same languages and items; values in [least, top].

    Only items that both sides scored in a language take part in it, and only languages that have such items.

    Raises:
        ValueError: no language has an item that both sides scored.
    """
    table_of = Tables(how.unit)
    samples = []
    for place, (first, second) in enumerate(pairs):
        both = [
            (table_of(values), table_of(second[language])) for language, values in first.items() if language in second
        ]
        sample = paired(both)
        if sample is None:
            raise ValueError(f"no item was scored on both sides (difference {place} of {len(pairs)})")
        samples.append(sample)
    found: dict[int, Difference] = {}
    for some in drawn(samples, how):
        rounding = [_FLAT * (top - least) * by for by in some.divisors]
        raw = [value * by for value, by in zip(some.values, some.divisors, strict=True)]
        chances = beyond_zero(some.draws, raw, some.accelerations, rounding, how)
        for (at, value, low, high, flat), p in zip(_ends(some, top - least, how), chances, strict=True):
            found[at] = _difference(value, low, high, p, samples[at].size, top - least, flat=flat)
    return [found[at] for at in range(len(samples))]


def mean(values: Values, top: float = 1.0, least: float = 0.0, how: Resampling = PLAIN) -> Interval:
    """``means`` of one cell."""
    return means([values], top, least, how)[0]


def difference(
    first: Mapping[str, Values],
    second: Mapping[str, Values],
    top: float = 1.0,
    least: float = 0.0,
    how: Resampling = PLAIN,
) -> Difference:
    """``differences`` of one pair."""
    return differences([(first, second)], top, least, how)[0]


def combined(
    rows: Floats, statistic: Statistic, *, top: float = 1.0, least: float = 0.0, how: Resampling = PLAIN
) -> Interval:
    """A statistic of sums over items, as of a product of means or a score of a corpus; items are resampled.

    Args:
        rows: what is summed, one row an item, shape (items, columns). Rows are what is resampled whatever
            ``how.unit`` says: for every output by itself, give a row to each.
        statistic: of sums of rows, in [least, top].
        top: the statistic's best value.
        least: its worst.
        how: of the resampling.

    Raises:
        ValueError: no items.
    """
    if not len(rows):
        raise ValueError("no items")
    some = _combined(rows, statistic, how)
    (_, value, low, high, flat), = _ends(some, top - least, how)  # fmt: skip
    if flat:
        low, high = _wilsons(value, len(rows), top, least)
    return Interval(value, low, high, len(rows))


def combined_differences(
    first: Floats,
    second: Floats,
    statistic: Statistic,
    *,
    top: float = 1.0,
    least: float = 0.0,
    how: Resampling = PLAIN,
) -> Difference:
    """Paired difference ``first - second`` of a statistic of sums over the same items, one row each on both sides.

    Draws in which either side has nothing that it can use are left out.

    Raises:
        ValueError: no items, or not as many on both sides.
    """
    if not len(first) or first.shape != second.shape:
        raise ValueError(f"both sides need the same items, one row each: {first.shape} against {second.shape}")

    def apart(columns: Floats) -> Floats:
        half = columns.shape[-1] // 2
        return np.asarray(statistic(columns[..., :half]) - statistic(columns[..., half:]))

    some = _combined(np.concatenate([first, second], axis=1), apart, how)
    rounding = [_FLAT * (top - least)]
    (p,) = beyond_zero(some.draws, some.values, some.accelerations, rounding, how)
    (_, value, low, high, flat), = _ends(some, top - least, how)  # fmt: skip
    return _difference(value, low, high, p, len(first), top - least, flat=flat)


def wilson(share: float, n: int) -> Interval:
    """A share of n items with Wilson's score interval, in [0, 1] (https://doi.org/10.1080/01621459.1927.10502953).

    Raises:
        ValueError: no items, or the share is none.
    """
    if n < 1 or not 0 <= share <= 1:
        raise ValueError(f"{share} is no share of {n} items")
    z = NORMAL.inv_cdf(0.5 + LEVEL / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), n)


def _combined(rows: Floats, statistic: Statistic, how: Resampling) -> Drawn:
    columns = np.ascontiguousarray(rows.T, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = columns.sum(axis=1)
        value = float(statistic(total))
        bend = acceleration(np.asarray(statistic(total - columns.T))) if how.method == "bca" else 0.0
        draws: Draws = np.array(statistic(sums(columns, how).astype(np.float64).T))
    return Drawn([0], draws[np.newaxis], [1.0], [value], [bend])


def _ends(some: Drawn, span: float, how: Resampling) -> list[tuple[int, float, float, float, bool]]:
    """Of each sample: which, value, low, high, and whether its values do not vary. Sorts the draws."""
    rounding = [_FLAT * span * by for by in some.divisors]
    raw = [value * by for value, by in zip(some.values, some.divisors, strict=True)]
    lows, highs = ends(some.draws, raw, some.accelerations, rounding, how)
    return [
        (at, value, float(low / by), float(high / by), bool(high - low < near))
        for at, value, low, high, by, near in zip(
            some.at, some.values, lows, highs, some.divisors, rounding, strict=True
        )
    ]


def _wilsons(value: float, n: int, top: float, least: float) -> tuple[float, float]:
    span = top - least
    found = wilson(min(1.0, max(0.0, (value - least) / span)), n)
    return least + span * found.low, least + span * found.high


def _difference(value: float, low: float, high: float, p: float, n: int, span: float, *, flat: bool) -> Difference:
    if flat:
        w = wilson(0.0, n).high
        low, high, p = max(-span, value - w * span), min(span, value + w * span), _unvaried(abs(value) / span, n)
    low, high = (0.0 if abs(end) < _FLAT * span else end for end in (low, high))
    return Difference(value, low, high, n, p)


def _unvaried(share: float, n: int) -> float:
    """The p of a difference that is the same share of the range on all n items.

    The level at which Wilson's bound for 0 of n, z**2 / (n + z**2), reaches the share; never below that of the sign
    test, 2 / 2**n.
    """
    least = 2.0 ** (1 - n)
    if share >= 1:
        return min(1.0, least)
    z = (n * share / (1 - share)) ** 0.5
    return min(1.0, max(least, 2 * (1 - NORMAL.cdf(z))))
