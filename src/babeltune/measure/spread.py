"""Spread: where the variance of a study's cells comes from, board by board, and what to add next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from babeltune.measure.pools import Pool
from babeltune.measure.statistics import variance
from babeltune.measure.verdict.contrasts import Asked


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the variance of a model's cells on one task, prompting and metric comes from, and what to add next."""

    model: str
    task: str
    prompting: str
    metric: str
    n_items: int
    n_sampling: int
    n_tuning: int
    item: float
    """This and the other components are variances, as ``variance.Split`` has them."""
    sampling: float | None
    tuning: float | None
    interaction: float | None
    residual: float | None
    cells: int
    """Over which the components are averaged."""
    width: float
    """Half-width of the 95 % interval of a cell's mean, in the metric's units."""
    target: float
    """Half-width that is asked for: half the margin, so that a difference of two cells is known to within the margin."""
    advice: str
    options: tuple[variance.Option, ...]


def splits(pools: Iterable[Pool], boards: Sequence[Asked], margin: Callable[[str], float]) -> list[Spread]:
    """One row a model and board of a plain metric; none where no cell has two items with values."""
    groups: dict[tuple[str, str, str], list[Pool]] = defaultdict(list)
    for pool in pools:
        groups[pool.key.model, pool.key.task, pool.key.prompting].append(pool)
    found = []
    for (model, task, prompting), group in groups.items():
        for metric in (one for at, by, one in boards if (at, by) == (task, prompting)):
            if metric.factors or metric.corpus:
                continue
            grids = [variance.Grid(pool.values[metric.name], pool.runs) for pool in group if metric.name in pool.values]
            try:
                split = variance.pooled(grids)
            except ValueError:
                continue
            target = margin(metric.name) / 2
            found.append(
                Spread(
                    model, task, prompting, metric.name, split.n_items, split.n_sampling, split.n_tuning, split.item,
                    split.sampling, split.tuning, split.interaction, split.residual, split.cells,
                    variance.width(split), target, variance.advice(split, target),
                    tuple(variance.options(split, target)),
                )
            )  # fmt: skip
    return found
