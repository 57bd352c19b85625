"""Aggregates: shares and means that others published, without the items they are over; what can be said of them, and no more.

Of a share of n items the interval is Wilson's (1927). A difference of two shares is taken as if they were over different
items, though they are over the same: pairing would make it narrower. The average over languages is taken as if its
languages moved as one, for they have the same prompts: that makes it wider. Neither tuning runs nor rounding are in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from babeltune.measure.statistics.intervals import LEVEL, Difference, Interval, wilson
from babeltune.measure.statistics.resampling import NORMAL
from babeltune.measure.verdict.contrasts import Pair

_Z = NORMAL.inv_cdf(0.5 + LEVEL / 2)


@dataclass(frozen=True, slots=True)
class Share:
    """A published share or mean."""

    value: float
    error: float
    """Standard error, in the metric's units."""
    n: int

    @property
    def interval(self) -> Interval:
        """Value and the normal interval about it."""
        return Interval(self.value, self.value - _Z * self.error, self.value + _Z * self.error, self.n)


def of_items(share: float, n: int) -> Share:
    """A share of ``n`` items; its error is half the width of Wilson's interval, so that 0 and 1 have one too."""
    found = wilson(share, n)
    return Share(share, (found.high - found.low) / (2 * _Z), n)


@dataclass(frozen=True)
class AggregateBoard:
    """A board, as ``contrasts.Board`` says, of which only aggregates are known."""

    metric: str
    scores: Mapping[str, Mapping[str, Share]]
    """Mix -> language -> share."""

    @property
    def mixes(self) -> tuple[str, ...]:
        """Mixes with a share."""
        return tuple(self.scores)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages with a share under every mix, in the order of the first."""
        first, *others = self.scores.values()
        return tuple(code for code in first if all(code in one for one in others))

    def averages(self, groups: Sequence[tuple[str, Sequence[str]]]) -> list[Interval]:
        """Of each mix and languages the unweighted average over these."""
        return [self._average(mix, codes).interval for mix, codes in groups]

    def differences(self, pairs: Sequence[Pair]) -> list[Difference]:
        """Of each pair the difference, unpaired."""
        return [_difference(*self._sides(pair)) for pair in pairs]

    def apart(self, first: Pair, second: Pair) -> Difference:
        """One pair's difference less another's, all four unpaired."""
        gain, lost = _less(*self._sides(first)), _less(*self._sides(second))
        return _difference(gain, lost)

    def _sides(self, pair: Pair) -> tuple[Share, Share]:
        return self._average(pair.first, pair.codes), self._average(pair.second, pair.codes)

    def _average(self, mix: str, codes: Sequence[str]) -> Share:
        found = [self.scores[mix][code] for code in codes]
        value, error = (sum(part) / len(found) for part in zip(*((one.value, one.error) for one in found), strict=True))
        return Share(value, error, min(one.n for one in found))


def _less(first: Share, second: Share) -> Share:
    return Share(first.value - second.value, math.hypot(first.error, second.error), min(first.n, second.n))


def _difference(first: Share, second: Share) -> Difference:
    found = _less(first, second)
    p = math.erfc(abs(found.value) / found.error / math.sqrt(2)) if found.error else float(found.value == 0)
    interval = found.interval
    return Difference(interval.value, interval.low, interval.high, interval.n, max(p, 1e-300))


def complete(coverage: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The mixes that a verdict is to be on, where not every mix was scored in every language: those that give most cells.

    ``coverage``: mix -> languages with a score. A language counts only if all chosen mixes have it, so a mix that was
    scored in few would cost more than it brings.
    """
    best: tuple[int, tuple[str, ...]] = (0, ())
    starts = [
        {mix for mix, codes in coverage.items() if len(set(codes)) >= least}
        for least in {len(set(one)) for one in coverage.values()}
    ]
    for chosen in starts:
        while chosen:
            kept = tuple(mix for mix in coverage if mix in chosen)
            best = max(best, (len(kept) * len(_common(coverage, kept)), kept), key=lambda one: (one[0], len(one[1])))
            left = {mix: len(_common(coverage, [one for one in kept if one != mix])) for mix in kept}
            worst = max(left, key=lambda mix: (left[mix], mix))
            if len(kept) == 1 or left[worst] <= len(_common(coverage, kept)):
                break
            chosen = chosen - {worst}
    return best[1]


def _common(coverage: Mapping[str, Sequence[str]], mixes: Sequence[str]) -> set[str]:
    return set.intersection(*(set(coverage[mix]) for mix in mixes)) if mixes else set()
