"""The summary: scored cells -> one row a cell and metric with its interval, and one verdict a model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babeltune.measure.intervals import Interval, Values, bounds, combined, difference, mean
from babeltune.measure.plateau import Verdict, verdict
from babeltune.measure.signature import signature
from babeltune.measure.verdict import HIGHEST, LOWEST
from babeltune.records import Cell, Metric, Score


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of one cell."""

    cell: Cell
    scores: tuple[Score, ...]
    adapter: str
    """Short hash of what the model was tuned on."""
    items: str
    """Short hash of the items."""


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


@dataclass(frozen=True, slots=True)
class _Number:
    """A cell under one metric."""

    interval: Interval | None
    worst: float
    best: float
    reasons: Mapping[str, int]


def rows(scored: Iterable[Scored], metrics: Mapping[str, Sequence[Metric]], identifier: str) -> list[Row]:
    """One row a cell and metric of its task; seeds and tuning seeds of a cell are pooled by item.

    A metric that says nothing of a cell, as the word rate of a language in Latin script, has no row.
    """
    found: list[Row] = []
    for (model, mix, task, language, prompting), group in _grouped(scored).items():
        sign = signature(
            identifier=identifier,
            items=group[0].items,
            adapter="+".join(sorted({one.adapter for one in group})),
            seeds=len({one.cell.seed for one in group}),
            tuning_seeds=len({one.cell.tuning_seed for one in group}),
        )
        for metric in metrics[task]:
            number = _number(group, metric)
            if number.interval is None and not number.reasons:
                continue
            found.append(
                Row(
                    model, mix, task, language, prompting, metric.name,
                    number.interval.value if number.interval else None,
                    number.interval.low if number.interval else None,
                    number.interval.high if number.interval else None,
                    number.interval.n if number.interval else 0,
                    sum(number.reasons.values()), sign, number.worst, number.best, number.reasons, metric.top,
                )
            )  # fmt: skip
    return found


def verdicts(
    scored: Iterable[Scored],
    metric: str,
    members: Mapping[str, Sequence[str]],
    *,
    margin: float,
    in_kind: float,
) -> list[Verdict]:
    """One verdict a model on one metric; none for a model whose mixes and languages allow no contrast."""
    table: dict[str, dict[str, dict[str, Values]]] = defaultdict(lambda: defaultdict(dict))
    about: dict[str, tuple[str, str]] = {}
    for (model, mix, task, language, prompting), group in _grouped(scored).items():
        about[model] = task, prompting
        values, _ = collect(group, metric)
        if values:
            table[model][mix][language] = values
    found = []
    seen = {code for codes in members.values() for code in codes}
    for model, mixes in table.items():
        # A language without an item that was scored under every mix would be compared with nothing.
        shared = {
            code
            for code in set.intersection(*(set(languages) for languages in mixes.values()))
            if set.intersection(*(set(languages[code]) for languages in mixes.values()))
        }
        complete = {
            mix: {code: languages[code] for code in languages if code in shared} for mix, languages in mixes.items()
        }
        sizes = {len(set(codes)) for codes in members.values()}
        if len(sizes) >= 2 and members.keys() <= mixes.keys() and shared - seen:
            found.append(verdict(model, (*about[model], metric), complete, members, margin=margin, in_kind=in_kind))
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


def shifts(scored: Iterable[Scored], direct: str, translated: str) -> list[Shift]:
    """One row a model and language in which answers have values of both metrics, all mixes and seeds together."""
    groups: dict[tuple[str, str], list[Scored]] = defaultdict(list)
    for one in scored:
        if one.cell.language != "en":
            groups[one.cell.model, one.cell.language].append(one)
    found = []
    for (model, language), group in groups.items():
        pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for score in (score for one in group for score in one.scores):
            if direct in score.values and translated in score.values:
                pairs[score.item].append((score.values[direct], score.values[translated]))
        if pairs:
            span = HIGHEST - LOWEST
            first = {"": {item: [one / span for one, _ in rows] for item, rows in pairs.items()}}
            second = {"": {item: [two / span for _, two in rows] for item, rows in pairs.items()}}
            apart = difference(second, first)
            apart = Interval(span * apart.value, span * apart.low, span * apart.high, apart.n)
            flat = [pair for rows in pairs.values() for pair in rows]
            means = (sum(one for one, _ in flat) / len(flat), sum(two for _, two in flat) / len(flat))
            found.append(Shift(model, language, *means, apart))
    return found


def collect(group: Iterable[Scored], metric: str) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Item -> values of one metric, and reason -> number of outputs without one."""
    values: dict[str, list[float]] = defaultdict(list)
    reasons: Counter[str] = Counter()
    for one in group:
        for score in one.scores:
            if metric in score.values:
                values[score.item].append(score.values[metric])
            elif metric in score.unscored:
                reasons[score.unscored[metric]] += 1
    return dict(values), dict(reasons)


def _number(group: Sequence[Scored], metric: Metric) -> _Number:
    if metric.factors or metric.corpus:
        return _composed(group, metric)
    values, reasons = collect(group, metric.name)
    interval = None
    if values:
        span = metric.top - metric.least
        found = mean({item: [(value - metric.least) / span for value in row] for item, row in values.items()})
        value, low, high = (metric.least + span * end for end in (found.value, found.low, found.high))
        interval = Interval(value, low, high, found.n)
    return _Number(interval, *bounds(values, sum(reasons.values()), metric.top, metric.least), reasons)


def _composed(group: Sequence[Scored], metric: Metric) -> _Number:
    """A product of means, or the score of a corpus times means; each factor over the outputs that have a value of it."""
    factors = [collect(group, factor) for factor in metric.factors]
    missing: dict[str, int] = {}
    for _, reasons in factors:
        for reason, count in reasons.items():
            missing[reason] = max(count, missing.get(reason, 0))
    counts: dict[str, NDArray[np.float64]] = {}
    for score in (score for one in group for score in one.scores if score.counts and metric.corpus):
        counts[score.item] = counts.get(score.item, np.zeros(len(score.counts))) + score.counts
    items = sorted({*counts, *(item for values, _ in factors for item in values)})
    if not items or (metric.corpus and not counts) or not all(values for values, _ in factors):
        return _Number(None, 0.0, metric.top, missing)
    empty = np.zeros(len(next(iter(counts.values()), ())))
    sums = np.array(
        [
            [
                *(number for values, _ in factors for number in (sum(values.get(item, ())), len(values.get(item, ())))),
                *counts.get(item, empty),
            ]
            for item in items
        ],
        dtype=np.float64,
    )
    pairs = 2 * len(factors)

    def statistic(columns: NDArray[np.float64]) -> NDArray[np.float64]:
        value = np.asarray(metric.corpus(columns[..., pairs:])) if metric.corpus else np.ones(columns.shape[:-1])
        for at in range(0, pairs, 2):
            value = value * columns[..., at] / columns[..., at + 1]
        return value

    worst, best = sums.sum(axis=0), sums.sum(axis=0)
    for at, (_, reasons) in enumerate(factors):
        unscored = sum(reasons.values())
        highest = metric.top if at == 0 and not metric.corpus else 1.0
        worst[2 * at + 1] += unscored
        best[2 * at : 2 * at + 2] += (highest * unscored, unscored)
    interval = combined(sums, statistic, top=metric.top)
    return _Number(interval, float(statistic(worst)), float(statistic(best)), missing)


def _grouped(scored: Iterable[Scored]) -> dict[tuple[str, str, str, str, str], list[Scored]]:
    groups: dict[tuple[str, str, str, str, str], list[Scored]] = defaultdict(list)
    for one in scored:
        cell = one.cell
        groups[cell.model, cell.mix, cell.task, cell.language, cell.prompting].append(one)
    return groups
