"""The summary: scored cells -> one row a cell and metric with its interval, and one verdict a model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from babeltune.measure.intervals import Values, bounds, mean
from babeltune.measure.plateau import Verdict, verdict
from babeltune.measure.signature import signature
from babeltune.records import Cell, Score


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
    """The mean if every unscored output were 0."""
    best: float
    """The mean if every unscored output were 1."""
    reasons: Mapping[str, int]
    """Why outputs have no value."""


def rows(scored: Iterable[Scored], metrics: Sequence[str], identifier: str) -> list[Row]:
    """One row a cell and metric; seeds and tuning seeds of a cell are pooled by item."""
    found: list[Row] = []
    for (model, mix, task, language, prompting), group in _grouped(scored).items():
        seeds = len({one.cell.seed for one in group})
        tuning_seeds = len({one.cell.tuning_seed for one in group})
        sign = signature(
            identifier=identifier,
            items=group[0].items,
            adapter="+".join(sorted({one.adapter for one in group})),
            seeds=seeds,
            tuning_seeds=tuning_seeds,
        )
        for metric in metrics:
            values, reasons = collect(group, metric)
            unscored = sum(reasons.values())
            interval = mean(values) if values else None
            worst, best = bounds(values, unscored)
            found.append(
                Row(
                    model, mix, task, language, prompting, metric,
                    interval.value if interval else None,
                    interval.low if interval else None,
                    interval.high if interval else None,
                    len(values), unscored, sign, worst, best, reasons,
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
    for (model, mix, _, language, _), group in _grouped(scored).items():
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
            found.append(verdict(model, complete, members, margin=margin, in_kind=in_kind))
    return found


def collect(group: Iterable[Scored], metric: str) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Item -> values of one metric, and reason -> number of outputs without one."""
    values: dict[str, list[float]] = defaultdict(list)
    reasons: Counter[str] = Counter()
    for one in group:
        for score in one.scores:
            if metric in score.values:
                values[score.item].append(score.values[metric])
            else:
                reasons[score.unscored.get(metric, "no reason given")] += 1
    return dict(values), dict(reasons)


def _grouped(scored: Iterable[Scored]) -> dict[tuple[str, str, str, str, str], list[Scored]]:
    groups: dict[tuple[str, str, str, str, str], list[Scored]] = defaultdict(list)
    for one in scored:
        cell = one.cell
        groups[cell.model, cell.mix, cell.task, cell.language, cell.prompting].append(one)
    return groups
