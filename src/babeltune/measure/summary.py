"""The summary: pools of scores -> one row a cell and metric, with its interval."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from babeltune import __version__
from babeltune.measure.pools import Pool, columns, parts, statistic
from babeltune.measure.statistics.intervals import LEVEL, PLAIN, Interval, Resampling, combined, means
from babeltune.records import Metric

_AT_ONCE = 64
"""Cells whose intervals are computed together: they share the resamples, and memory stays flat."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of ``results.csv``: a cell, its seeds taken together, under one metric."""

    model: str
    mix: str
    task: str
    language: str
    prompting: str
    metric: str
    value: float | None
    """None where nothing could be scored."""
    low: float | None
    high: float | None
    n: int
    """Distinct items with a value."""
    unscored: int
    """Outputs without a value."""
    signature: str
    worst: float
    """The mean if every unscored output had the metric's worst value."""
    best: float
    """The mean if every unscored output had the metric's best value."""
    reasons: Mapping[str, int]
    """Why outputs have no value."""
    top: float
    """The metric's best value."""
    least: float
    """The metric's worst value."""
    seeds: int
    """Sampling seeds."""
    tuning_seeds: int
    std: float | None
    """Standard deviation of the seeds' values about their mean, as numpy has it (the authors' tables); None of one."""


def rows(
    pools: Iterable[Pool], metrics: Mapping[str, Sequence[Metric]], identifier: str, how: Resampling = PLAIN
) -> list[Row]:
    """One row a cell and metric of its task; seeds and tuning seeds of a cell are pooled.

    A metric that says nothing of a cell, as the word rate of a language in Latin script, has no row.
    """
    pools = list(pools)
    intervals = _intervals(pools, metrics, how)
    found: list[Row] = []
    for at, pool in enumerate(pools):
        sign = signature(
            identifier=identifier,
            items=pool.hashed,
            adapter=pool.adapter,
            seeds=pool.seeds,
            tuning_seeds=pool.tuning_seeds,
            how=how,
        )
        for metric in metrics[pool.key.task]:
            interval = intervals.get((at, metric.name))
            reasons = _reasons(pool, metric)
            if interval is None and not reasons:
                continue
            worst, best = _bounds(pool, metric) if interval else (metric.least, metric.top)
            found.append(
                Row(
                    *pool.key, metric.name,
                    interval.value if interval else None,
                    interval.low if interval else None,
                    interval.high if interval else None,
                    interval.n if interval else 0,
                    sum(reasons.values()), sign, worst, best, reasons, metric.top, metric.least,
                    pool.seeds, pool.tuning_seeds, _std(pool, metric),
                )
            )  # fmt: skip
    return found


def signature(
    *, identifier: str, items: str, seeds: int, tuning_seeds: int, adapter: str, how: Resampling = PLAIN
) -> str:
    """The recipe that travels beside each number, one short line, as sacreBLEU's do.

    ``items`` and ``adapter``: short hashes of what was answered, and of what the answering model was tuned on.
    """
    parts = {
        "lid": identifier,
        "items": items,
        "adapter": adapter,
        "seeds": f"{seeds}x{tuning_seeds}",
        "ci": f"{LEVEL:.0%}-{how.method}-by-{how.unit.removesuffix('s')}-r{how.resamples}-s{how.seed}",
        "version": __version__,
    }
    return "|".join(f"{key}:{value}" for key, value in parts.items())


def _intervals(
    pools: Sequence[Pool], metrics: Mapping[str, Sequence[Metric]], how: Resampling
) -> dict[tuple[int, str], Interval]:
    """(Index of the pool, metric) -> its interval, of those that have values."""
    found: dict[tuple[int, str], Interval] = {}
    # Cells of one task and language are about the same items.
    ranked = sorted(
        range(len(pools)), key=lambda at: (pools[at].key.task, pools[at].key.language, pools[at].key.prompting)
    )
    for _, group in itertools.groupby(ranked, key=lambda at: pools[at].key.task):
        for some in _batched(group):
            for metric in metrics[pools[some[0]].key.task]:
                if metric.factors or metric.corpus:
                    for at in some:
                        keys, sums = parts(pools[at], metric, how.unit)
                        if keys:
                            found[at, metric.name] = combined(sums, statistic(metric), top=metric.top, how=how)
                    continue
                cells = {at: values for at in some if (values := pools[at].of(metric.name))}
                done = means(list(cells.values()), top=metric.top, least=metric.least, how=how) if cells else []
                found |= {(at, metric.name): one for at, one in zip(cells, done, strict=True)}
    return found


def _batched(values: Iterable[int]) -> Iterator[tuple[int, ...]]:
    left = iter(values)
    while some := tuple(itertools.islice(left, _AT_ONCE)):
        yield some


def _reasons(pool: Pool, metric: Metric) -> dict[str, int]:
    """Why outputs have no value of a metric; of several parts, the most that lack one for a reason."""
    found: dict[str, int] = {}
    for name in metric.needs:
        for reason, count in pool.unscored(name).items():
            found[reason] = max(count, found.get(reason, 0))
    return found


def _bounds(pool: Pool, metric: Metric) -> tuple[float, float]:
    """A metric that has a value, if every unscored output had its worst value, and if it had its best."""
    total = columns(pool, metric).sum(axis=0)
    worst, best = total.copy(), total.copy()
    for at, name in enumerate(metric.needs):
        unscored = sum(pool.unscored(name).values())
        # Of a product, the first factor has the product's range, any other is a share.
        ends = (metric.least, metric.top) if not metric.corpus and at == 0 else (0.0, 1.0)
        worst[2 * at : 2 * at + 2] += (ends[0] * unscored, unscored)
        best[2 * at : 2 * at + 2] += (ends[1] * unscored, unscored)
    value = statistic(metric)
    return float(value(worst)), float(value(best))


def _std(pool: Pool, metric: Metric) -> float | None:
    """Standard deviation over the seeds' values; None of fewer than two."""
    if len(pool.runs) < 2:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        each = statistic(metric)(columns(pool, metric, "items"))
    each = each[~np.isnan(each)]
    return float(np.std(each)) if len(each) > 1 else None
