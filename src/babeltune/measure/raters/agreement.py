"""Agreement of two sets of ratings from 1 to 6: of judges, of readings of one judge, or of people.

All four statistics are computed from the table of how often one side said i where the other said j; resampling items is
then a matrix product, as of every interval here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from babeltune.errors import InputError, Problem
from babeltune.languages import LANGUAGES
from babeltune.measure.judge.grade import HIGHEST, LOWEST
from babeltune.measure.raters.ratings import Rating
from babeltune.measure.statistics.intervals import PLAIN, Interval, Resampling, combined
from babeltune.measure.statistics.resampling import Floats

ALL = "all"
"""In the place of a language: all of them together."""
POINTS = HIGHEST - LOWEST + 1
_TOLD_APART = ("id", "model", "mix", "seed")
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two sides agree, in one language or over all. A statistic that is None has a reason."""

    language: str
    """ISO code, or ``all``: the ratings of all languages in one table."""
    n: int
    """Answers that both sides rated."""
    exact: Interval | None
    """Share with the same rating, in [0, 1]."""
    within_one: Interval | None
    """Share at most one point apart, in [0, 1]."""
    kappa: Interval | None
    """Quadratic weighted kappa (Cohen 1968, https://doi.org/10.1037/h0026256), in [-1, 1]; 0 is chance."""
    spearman: Interval | None
    """Spearman's rank correlation, ties at their mean rank, in [-1, 1]."""
    reasons: Mapping[str, str]
    """Statistic -> why it is None."""


def agreement(first: Sequence[Rating], second: Sequence[Rating], *, how: Resampling = PLAIN) -> list[Agreement]:
    """One row a language, then one over all where there are several; answers that one side alone rated are left out.

    Answers are matched by language, item and those of id, model, mix and seed that both sides give. Intervals resample
    items; an item in two languages, or under two mixes, moves together.

    Raises:
        InputError: a side rates an answer twice, as far as can be told; or no answer is rated by both.
    """
    shared = [name for name in _TOLD_APART if all(any(getattr(one, name) for one in side) for side in (first, second))]
    keyed = [_keyed(side, shared, which) for side, which in ((first, "first"), (second, "second"))]
    both = [key for key in keyed[0] if key in keyed[1]]
    if not both:
        fix = "They are matched by language, item, id, model, mix and seed, where both sides give them."
        raise InputError("agreement", [Problem("ratings", "no answer was rated by both sides", fix)])
    pairs = [(keyed[0][key], keyed[1][key]) for key in both]
    codes = [code for code in LANGUAGES if any(one.language == code for one, _ in pairs)]
    groups = {code: [pair for pair in pairs if pair[0].language == code] for code in codes}
    if len(codes) > 1:
        groups[ALL] = pairs
    return [_agreement(language, group, how) for language, group in groups.items()]


def _keyed(side: Sequence[Rating], shared: Sequence[str], which: str) -> dict[tuple[str, ...], Rating]:
    keyed: dict[tuple[str, ...], Rating] = {}
    problems: list[Problem] = []
    for one in side:
        key = tuple(getattr(one, name) for name in ("language", "item", *shared))
        if key in keyed:
            told = ", ".join(part for part in key if part)
            missing = [name for name in _TOLD_APART if name not in shared]
            fix = f"Give one rater a side, and what tells the answers apart ({', '.join(missing)}) on both."
            problems.append(Problem(f"{which} side", f"rates an answer twice ({told})", fix))
        keyed.setdefault(key, one)
    if problems:
        more = len(problems) - _MOST_SHOWN
        last = [Problem(f"{which} side", f"{more} answers more", "As above.")] if more > 0 else []
        raise InputError("agreement", [*problems[:_MOST_SHOWN], *last])
    return keyed


def _agreement(language: str, pairs: Sequence[tuple[Rating, Rating]], how: Resampling) -> Agreement:
    tables: dict[str, Floats] = defaultdict(lambda: np.zeros((POINTS, POINTS)))
    for one, two in pairs:
        tables[one.item][one.rating - LOWEST, two.rating - LOWEST] += 1
    stacked = np.array([tables[item].ravel() for item in sorted(tables)])
    whole = stacked.sum(axis=0).reshape(POINTS, POINTS)
    reasons: dict[str, str] = {}
    if len(pairs) < 2:
        reasons = dict.fromkeys(_STATISTICS, "fewer than two answers")
    elif min(np.count_nonzero(whole.sum(axis=0)), np.count_nonzero(whole.sum(axis=1))) < 2:
        reasons = dict.fromkeys(("kappa", "spearman"), "one side gives every answer the same rating")
    found: dict[str, Interval | None] = {
        name: None if name in reasons else _interval(stacked, statistic, lowest, how)
        for name, (statistic, lowest) in _STATISTICS.items()
    }
    return Agreement(
        language, len(pairs), found["exact"], found["within_one"], found["kappa"], found["spearman"], reasons
    )


def _interval(tables: Floats, statistic: Callable[[Floats], Floats], lowest: float, how: Resampling) -> Interval:
    def shaped(sums: Floats) -> Floats:
        return statistic(sums.reshape(*sums.shape[:-1], POINTS, POINTS))

    return combined(tables, shaped, least=lowest, how=how)


_APART = np.abs(np.subtract.outer(np.arange(POINTS), np.arange(POINTS))).astype(np.float64)


def _within(points: int, table: Floats) -> Floats:
    """Tables of shape (..., points, points) -> share, shape (...); so all four."""
    return np.asarray((table * (points >= _APART)).sum(axis=(-2, -1)) / table.sum(axis=(-2, -1)))


def _kappa(table: Floats) -> Floats:
    """NaN where both sides give everything the same rating."""
    n = table.sum(axis=(-2, -1))
    seen = (table * _APART**2).sum(axis=(-2, -1)) / n
    rows, columns = table.sum(axis=-1), table.sum(axis=-2)
    chance = np.einsum("...i,ij,...j->...", rows, _APART**2, columns) / n**2
    return np.asarray(1 - seen / chance)


def _spearman(table: Floats) -> Floats:
    """Pearson's correlation of mean ranks, which hang on the margins alone; NaN where a side gives all the same."""
    n = table.sum(axis=(-2, -1), keepdims=True)
    rows, columns = table.sum(axis=-1, keepdims=True), table.sum(axis=-2, keepdims=True)
    one = rows.cumsum(axis=-2) - (rows - 1) / 2 - (n + 1) / 2
    two = columns.cumsum(axis=-1) - (columns - 1) / 2 - (n + 1) / 2
    spread = (rows * one**2).sum(axis=(-2, -1)) * (columns * two**2).sum(axis=(-2, -1))
    return np.asarray((table * one * two).sum(axis=(-2, -1)) / np.sqrt(spread))


_STATISTICS: Mapping[str, tuple[Callable[[Floats], Floats], float]] = {
    "exact": (partial(_within, 0), 0.0),
    "within_one": (partial(_within, 1), 0.0),
    "kappa": (_kappa, -1.0),
    "spearman": (_spearman, -1.0),
}
