"""The summary: pools of scores -> one row a cell and metric with its interval, shifts and counts of the judge's scores."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from babeltune.languages import Exposure
from babeltune.measure.contrasts import PLAIN, Asked, board
from babeltune.measure.metrics.agreement import AGREEMENT
from babeltune.measure.plateau import Verdict, verdict
from babeltune.measure.pools import Pool, columns, parts, run_columns, statistic
from babeltune.measure.signature import signature
from babeltune.measure.statistics.intervals import Interval, Resampling, Values, combined, differences, means
from babeltune.measure.verdict import HIGHEST, LOWEST
from babeltune.records import Metric

BASE = "base"
"""The model without an adapter: no mix of any number of languages, but shown beside them."""
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
        for metric in metrics[pool.task]:
            interval = intervals.get((at, metric.name))
            reasons = _reasons(pool, metric)
            if interval is None and not reasons:
                continue
            worst, best = _bounds(pool, metric, reasons, known=interval is not None)
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


def _intervals(
    pools: Sequence[Pool], metrics: Mapping[str, Sequence[Metric]], how: Resampling
) -> dict[tuple[int, str], Interval]:
    """(Index of the pool, metric) -> its interval, of those that have values."""
    found: dict[tuple[int, str], Interval] = {}
    # Cells of one task and language are about the same items.
    ranked = sorted(range(len(pools)), key=lambda at: (pools[at].task, pools[at].language, pools[at].prompting))
    for _, group in itertools.groupby(ranked, key=lambda at: pools[at].task):
        for some in _batched(group):
            for metric in metrics[pools[some[0]].task]:
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


def _bounds(pool: Pool, metric: Metric, reasons: Mapping[str, int], *, known: bool) -> tuple[float, float]:
    """The metric if every unscored output had its worst value, and if it had its best."""
    if not known:
        return metric.least, metric.top
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
        each = statistic(metric)(run_columns(pool, metric))
    each = each[~np.isnan(each)]
    return float(np.std(each)) if len(each) > 1 else None


def verdicts(
    pools: Iterable[Pool],
    boards: Sequence[Asked],
    members: Mapping[str, Sequence[str]],
    *,
    margin: Callable[[str], float],
    in_kind: float,
    exposure: Mapping[str, Mapping[str, Exposure]] | None = None,
    how: Resampling = PLAIN,
) -> list[Verdict]:
    """One verdict a model and board, model after model; none where mixes and languages allow no contrast.

    A mix without any score on a board takes no part in its verdict, and a language only with an item that was scored
    under every mix of it.

    Args:
        pools: all scores.
        boards: what verdicts are on.
        members: mix -> languages of its chats, of the mixes that are of one size.
        margin: metric -> a gain below it does not count, in its units.
        in_kind: from this agreement on a language counts as answered in kind.
        exposure: model -> language -> what it saw in pretraining.
        how: of the intervals.
    """
    groups: dict[tuple[str, str, str], list[Pool]] = defaultdict(list)
    models: dict[str, None] = {}
    for pool in pools:
        models[pool.model] = None
        if pool.mix in members or pool.mix == BASE:
            groups[pool.model, pool.task, pool.prompting].append(pool)
    found = []
    for model, (task, prompting, metric) in itertools.product(models, boards):
        scores = board(groups[model, task, prompting], metric, how)
        if scores is None:
            continue
        there = {mix: codes for mix, codes in members.items() if mix in scores.mixes}
        seen = {code for codes in there.values() for code in codes}
        if len({len(set(codes)) for codes in there.values()}) >= 2 and set(scores.languages) - seen:
            found.append(
                verdict(
                    (model, task, prompting),
                    scores,
                    there,
                    margin=margin(metric.name),
                    in_kind=in_kind if metric.name == AGREEMENT else None,
                    exposure=(exposure or {}).get(model),
                )
            )
    return found


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
        if pool.language == "en" or first is None or second is None:
            continue
        both = ~np.isnan(first) & ~np.isnan(second)
        here = pairs.setdefault((pool.model, pool.language), (defaultdict(list), defaultdict(list)))
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
                Count(pool.model, pool.mix, pool.language, reading, score, counts[score])
                for score in range(LOWEST, HIGHEST + 1)
            ]
    return found
