"""Shifts: what becomes of a judge's grades when it reads translations, and how often it gave each (paper, appendix E)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from babeltune.measure.judge.grade import HIGHEST, LOWEST
from babeltune.measure.pools import Pool
from babeltune.measure.statistics.intervals import PLAIN, Interval, Resampling, Values, differences


@dataclass(frozen=True, slots=True)
class Shift:
    """What becomes of a judge's scores when it reads English translations (paper, appendix E)."""

    model: str
    language: str
    direct: float
    """Mean of the scores of the answers themselves, in [1, 6], over those that have both."""
    translated: float
    difference: Interval
    """Translated less direct, paired by answer; answers to one item move together."""


def shifts(pools: Iterable[Pool], direct: str, translated: str, how: Resampling = PLAIN) -> list[Shift]:
    """One row a model and language in which answers have values of both metrics, all mixes and seeds together."""
    pairs: dict[tuple[str, str], tuple[dict[str, list[float]], dict[str, list[float]]]] = {}
    for pool in pools:
        first, second = pool.values.get(direct), pool.values.get(translated)
        if pool.key.language == "en" or first is None or second is None:
            continue
        both = ~np.isnan(first) & ~np.isnan(second)
        here = pairs.setdefault((pool.key.model, pool.key.language), (defaultdict(list), defaultdict(list)))
        for row, item in enumerate(pool.items):
            if both[row].any():
                here[0][item].extend(first[row, both[row]].tolist())
                here[1][item].extend(second[row, both[row]].tolist())
    sides = [({"": two}, {"": one}) for one, two in pairs.values()]
    apart = differences(sides, top=float(HIGHEST), least=float(LOWEST), how=how) if sides else []
    return [
        Shift(model, language, _mean(one), _mean(two), Interval(found.value, found.low, found.high, found.n))
        for ((model, language), (one, two)), found in zip(pairs.items(), apart, strict=True)
    ]


def _mean(values: Values) -> float:
    flat = [value for row in values.values() for value in row]
    return sum(flat) / len(flat)


@dataclass(frozen=True, slots=True)
class Count:
    """How often the judge gave a score."""

    model: str
    mix: str
    language: str
    reading: str
    """``direct``, or ``translated`` where it read the answers in English."""
    score: int
    """In 1 to 6."""
    count: int


def histogram(pools: Iterable[Pool], readings: Mapping[str, str]) -> list[Count]:
    """The judge's scores as they came, before any is forced. ``readings``: reading -> metric."""
    found = []
    for pool in pools:
        for reading, metric in readings.items():
            values = pool.values.get(metric)
            if values is None:
                continue
            counts = Counter(values[~np.isnan(values)].astype(int).tolist())
            found += [
                Count(pool.key.model, pool.key.mix, pool.key.language, reading, score, counts[score])
                for score in range(LOWEST, HIGHEST + 1)
            ]
    return found
