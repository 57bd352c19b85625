"""Pools: the scores of a cell under all its seeds, as arrays. Score files are read into them one score at a time."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from babeltune.measure.statistics.resampling import Floats, Unit
from babeltune.records import Cell, Metric, Score

Over = Literal["runs", "items"]
"""What is summed over."""


class Key(NamedTuple):
    """A cell without its seeds."""

    model: str
    mix: str
    task: str
    language: str
    prompting: str
    """Language of the instruction, then of the input."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of one cell."""

    cell: Cell
    scores: Iterable[Score]
    """Gone through once."""
    adapter: str
    """Short hash of what the model was tuned on."""
    items: str
    """Short hash of the items."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The scores of one model, mix, task, language and prompting, all seeds together."""

    key: Key
    items: tuple[str, ...]
    runs: tuple[tuple[int, int], ...]
    """Tuning seed and sampling seed of each column; the same twice where a cell has two outputs to an item."""
    values: Mapping[str, Floats]
    """Metric -> [items, runs], in its own units; NaN where an output has no value."""
    reasons: Mapping[str, Mapping[str, int]]
    """Metric -> why outputs have no value -> how many."""
    counts: Floats
    """[items, columns]: what a metric of the whole corpus sums, over the runs; no columns where there is none."""
    counted: NDArray[np.bool_]
    """[items]: whether an item has counts."""
    totals: Floats
    """[runs, columns]: the counts of each run, over its items."""
    adapter: str
    """Short hashes of what the model was tuned on, one a tuning seed."""
    hashed: str
    """Short hash of the items."""

    @property
    def seeds(self) -> int:
        """Number of sampling seeds."""
        return len({seed for _, seed in self.runs})

    @property
    def tuning_seeds(self) -> int:
        """Number of tuning seeds."""
        return len({seed for seed, _ in self.runs})

    def of(self, metric: str) -> dict[str, list[float]]:
        """Item -> values of a metric, one an output that has one; items without any are left out."""
        values = self.values.get(metric)
        if values is None:
            return {}
        there = ~np.isnan(values)
        if there.all():
            return dict(zip(self.items, values.tolist(), strict=True))
        return {
            item: values[row, there[row]].tolist() for row, item in enumerate(self.items) if there[row].any()
        }  # fmt: skip

    def unscored(self, metric: str) -> dict[str, int]:
        """Why outputs have no value of a metric -> how many."""
        return dict(self.reasons.get(metric, {}))

    def sums(self, metric: str, over: Over = "runs") -> Floats:
        """[items, 2], or [runs, 2] over the items: sum of a metric's values, and how many there are."""
        values = self.values.get(metric)
        if values is None:
            return np.zeros((len(self.items if over == "runs" else self.runs), 2))
        axis = 1 if over == "runs" else 0
        return np.stack([np.nansum(values, axis=axis), (~np.isnan(values)).sum(axis=axis)], axis=1)

    def complete(self, metric: Metric) -> NDArray[np.bool_]:
        """[items]: those that take part in a composed metric; none where one of its parts has no value at all."""
        parts = [self.sums(name)[:, 1] > 0 for name in metric.factors]
        if metric.corpus:
            parts.append(self.counted)
        if not all(part.any() for part in parts):
            return np.zeros(len(self.items), dtype=np.bool_)
        return np.asarray(np.any(parts, axis=0))


def parts(pool: Pool, metric: Metric, unit: Unit = "items") -> tuple[list[tuple[str, int]], Floats]:
    """What is resampled of a composed metric, and one row each of what the metric is made of (``columns``).

    Items, and 0; or of ``rows`` outputs: an item and which of its outputs. A corpus is always resampled by items, as its
    counts are kept by item alone. Empty where one of the metric's parts has no value at all.
    """
    there = pool.complete(metric)
    if unit == "items" or metric.corpus:
        keys = [(item, 0) for item, has in zip(pool.items, there, strict=True) if has]
        return keys, columns(pool, metric)[there]
    values = np.stack([pool.values[name] for name in metric.needs], axis=-1) if there.any() else np.zeros((0, 1, 1))
    known = ~np.isnan(values)
    pairs = np.stack([np.where(known, values, 0.0), known], axis=-1)
    rows, runs = np.nonzero(known.any(axis=-1))
    keys = [(pool.items[row], run) for row, run in zip(rows.tolist(), runs.tolist(), strict=True)]
    return keys, pairs[rows, runs].reshape(len(keys), -1)


def columns(pool: Pool, metric: Metric, over: Over = "runs") -> Floats:
    """[items, columns], or [runs, columns] over the items: what of each a metric is made of (``statistic``)."""
    counts = [pool.counts if over == "runs" else pool.totals] if metric.corpus else []
    return np.concatenate([*(pool.sums(name, over) for name in metric.needs), *counts], axis=1)


def statistic(metric: Metric) -> Callable[[Floats], Floats]:
    """Summed ``columns``, shape (..., columns) -> the metric, shape (...): a mean, a product of means, or the score of a
    corpus times means. NaN where a mean is of nothing.
    """
    pairs = 2 * len(metric.needs)

    def value(sums: Floats) -> Floats:
        found = np.asarray(metric.corpus(sums[..., pairs:])) if metric.corpus else np.ones(sums.shape[:-1])
        for at in range(0, pairs, 2):
            found = found * sums[..., at] / sums[..., at + 1]
        return found

    return value


@dataclass(slots=True)
class _Run:
    """One output to each item of a cell, while they are read."""

    items: tuple[str, ...] = ()
    values: dict[str, array[float]] = field(default_factory=dict)
    counts: dict[int, tuple[int, ...]] = field(default_factory=dict)


def pools(scored: Iterable[Scored]) -> list[Pool]:
    """All cells, those that differ in their seeds alone together, in the order in which each is first met."""
    runs: dict[Key, list[tuple[tuple[int, int], _Run]]] = defaultdict(list)
    reasons: dict[Key, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    about: dict[Key, tuple[set[str], str]] = {}
    known: dict[tuple[str, ...], tuple[str, ...]] = {}
    for one in scored:
        cell = one.cell
        key = Key(cell.model, cell.mix, cell.task, cell.language, cell.prompting)
        about.setdefault(key, (set(), one.items))[0].add(one.adapter)
        for run in _read(one.scores, reasons[key]):
            run.items = known.setdefault(run.items, run.items)  # the same ids again and again
            runs[key].append(((cell.tuning_seed, cell.seed), run))
    return [
        _pooled(key, found, reasons[key], "+".join(sorted(about[key][0])), about[key][1]) for key, found in runs.items()
    ]


def _read(scores: Iterable[Score], reasons: dict[str, Counter[str]]) -> list[_Run]:
    found = [_Run()]
    items: list[dict[str, None]] = [{}]
    missing = float("nan")
    for score in scores:
        which = 0
        while score.item in items[which]:
            which += 1
            if which == len(items):
                found.append(_Run())
                items.append({})
        there, values = items[which], found[which].values
        at = len(there)
        there[score.item] = None
        for metric, value in score.values.items():
            column = values.get(metric)
            if column is None:
                column = values[metric] = array("d")
            if len(column) < at:
                column.extend([missing] * (at - len(column)))
            column.append(value)
        for metric, why in score.unscored.items():
            if metric not in score.values:
                reasons[metric][why] += 1
        if score.counts:
            found[which].counts[at] = score.counts
    for run, there in zip(found, items, strict=True):
        run.items = tuple(there)
        for column in run.values.values():
            column.extend([missing] * (len(there) - len(column)))
    return found


def _pooled(
    key: Key,
    runs: Sequence[tuple[tuple[int, int], _Run]],
    reasons: Mapping[str, Counter[str]],
    adapter: str,
    hashed: str,
) -> Pool:
    items = tuple(dict.fromkeys(item for _, run in runs for item in run.items))
    row_of = {item: row for row, item in enumerate(items)}
    metrics = dict.fromkeys(metric for _, run in runs for metric in run.values)
    values = {metric: np.full((len(items), len(runs)), np.nan) for metric in metrics}
    width = max((len(line) for _, run in runs for line in run.counts.values()), default=0)
    counts, counted = np.zeros((len(items), width)), np.zeros(len(items), dtype=np.bool_)
    totals = np.zeros((len(runs), width))
    for column, (_, run) in enumerate(runs):
        rows = (
            np.arange(len(items)) if run.items == items else np.array([row_of[item] for item in run.items], dtype=int)
        )
        for metric, found in run.values.items():
            values[metric][rows, column] = np.frombuffer(found)
        if run.counts:
            lines, at = np.array(list(run.counts.values()), dtype=np.float64), rows[list(run.counts)]
            counts[at] += lines
            counted[at] = True
            totals[column] = lines.sum(axis=0)
    told = {metric: dict(why) for metric, why in reasons.items()}
    seeds = tuple(seed for seed, _ in runs)
    return Pool(key, items, seeds, values, told, counts, counted, totals, adapter, hashed)
