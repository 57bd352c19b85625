"""Samples: what one interval is made of, as sums and counts by item, and the draws of its statistic.

The statistic is an average over groups (languages) of the means of their values, or the difference of two such.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from babeltune.measure.statistics.resampling import BYTES, Draws, Floats, Resampling, Unit, acceleration, is_whole, sums

Values = Mapping[str, Sequence[float]]
"""Item id -> its values, one a seed. Unscored values are left out; an item without any is no item here."""
Key = str | tuple[str, int]
"""What is resampled: an item, or one of its values by its place."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The values of one cell."""

    column_of: Mapping[Key, int]
    """What is resampled, in order -> its column."""
    numbers: Floats
    """[2, items]: sum and number of the values of each, the number above zero."""

    def at(self, keys: Mapping[Key, int]) -> Floats:
        """[2, items]: the numbers of these items, zeros where there are none."""
        if keys is self.column_of:
            return self.numbers
        columns = np.fromiter((self.column_of.get(key, -1) for key in keys), dtype=np.intp, count=len(keys))
        return np.where(columns >= 0, self.numbers[:, columns], 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Some items, and the values of one or two sides on them."""

    sides: tuple[Floats, ...]
    """[groups, 2, items] each: sums and numbers of values."""

    @property
    def size(self) -> int:
        """Number of items."""
        return int(self.sides[0].shape[-1])

    def line(self) -> tuple[Floats, float] | None:
        """One number an item, and what the sum over items is divided by to give the statistic.

        None where not all items of a group have as many values: then the divisor depends on what is drawn. Whole
        numbers stay whole where all items of all groups have as many values.
        """
        numbers = np.concatenate(self.sides)
        counts = numbers[:, 1, 0]
        if not (numbers[:, 1] == counts[:, np.newaxis]).all():
            return None
        times = float(counts[0]) if (counts == counts[0]).all() else 1.0
        parts = [side[:, 0] * (times / side[:, 1]) for side in self.sides]
        line = parts[0].sum(axis=0) if len(parts) == 1 else (parts[0] - parts[1]).sum(axis=0)
        return line, times * len(parts[0]) * self.size

    def statistic(self, summed: Draws) -> Floats:
        """Sums of the rows of all sides, [groups * 2 a side, ...] -> the statistic, [...].

        A group without a value is left out; NaN where all are.
        """
        both = summed.reshape(len(self.sides), -1, 2, *summed.shape[1:])
        with np.errstate(invalid="ignore", divide="ignore"):
            each = np.divide(both[:, :, 0], both[:, :, 1], dtype=np.float64)
            apart = each[0] if len(each) == 1 else each[0] - each[1]
            if len(apart) == 1:
                return np.asarray(apart[0])
            there = ~np.isnan(apart)
            if there.all():
                return np.asarray(apart.mean(axis=0))
            return np.asarray(np.where(there, apart, 0.0).sum(axis=0) / there.sum(axis=0))

    def rows(self) -> Floats:
        """[groups * 2 a side, items]."""
        return np.concatenate(self.sides).reshape(-1, self.size)


class Tables:
    """Values -> their table, once for each cell of a call: the same cell takes part in many differences."""

    def __init__(self, unit: Unit) -> None:
        self._unit: Unit = unit
        self._known: dict[int, tuple[Values, Table]] = {}
        self._orders: dict[tuple[Key, ...], tuple[Mapping[Key, int], NDArray[np.intp]]] = {}

    def __call__(self, values: Values) -> Table:
        """Items without values are left out."""
        known = self._known.get(id(values))
        if known is None:
            known = self._known[id(values)] = values, self._tabulated(values)
        return known[1]

    def _tabulated(self, values: Values) -> Table:
        rows = list(values.values())
        keys: tuple[Key, ...] = tuple(values)
        count = np.fromiter(map(len, rows), dtype=np.float64, count=len(rows))
        if self._unit == "rows":
            keys = tuple((item, place) for item, row in values.items() for place in range(len(row)))
            numbers = np.array([[value for row in rows for value in row], [1.0] * len(keys)])
        else:
            numbers = np.stack([np.fromiter(map(sum, rows), dtype=np.float64, count=len(rows)), count])
            if not count.all():
                keys = tuple(item for item, row in values.items() if len(row))
                numbers = numbers[:, count > 0]
        if keys not in self._orders:
            order = sorted(range(len(keys)), key=lambda place: _ranked(keys[place]))
            column_of = {keys[place]: column for column, place in enumerate(order)}
            # One mapping for all that have the same items, in whatever order: that they do is then seen at once.
            same = self._orders.setdefault(tuple(column_of), (column_of, np.arange(len(keys))))[0]
            self._orders.setdefault(keys, (same, np.array(order, dtype=np.intp)))
        shared, columns = self._orders[keys]
        return Table(shared, numbers[:, columns])


def averaged(groups: Sequence[Table]) -> Sample:
    """Groups whose items move together."""
    keys = _union(groups)
    return Sample((np.stack([group.at(keys) for group in groups]),))


def paired(pairs: Sequence[tuple[Table, Table]]) -> Sample | None:
    """Two sides, in each group of which only items take part that both have; None where there is none at all."""
    shared: list[tuple[Table, Table]] = []
    for first, second in pairs:
        if first.column_of is not second.column_of:
            common = (key for key in first.column_of if key in second.column_of)
            keys = {key: column for column, key in enumerate(common)}
            first, second = Table(keys, first.at(keys)), Table(keys, second.at(keys))
        if first.column_of:
            shared.append((first, second))
    if not shared:
        return None
    keys_ = _union([first for first, _ in shared])
    return Sample(tuple(np.stack([pair[side].at(keys_) for pair in shared]) for side in (0, 1)))


def _union(tables: Sequence[Table]) -> Mapping[Key, int]:
    first = tables[0].column_of
    if all(table.column_of is first for table in tables[1:]):
        return first
    everything = {key for table in tables for key in table.column_of}
    return {key: column for column, key in enumerate(sorted(everything, key=_ranked))}


def _ranked(key: Key) -> tuple[str, int]:
    return (key, 0) if isinstance(key, str) else key


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Samples with their draws, and what turns these into statistics."""

    at: list[int]
    """Which samples."""
    draws: Draws
    """[samples, resamples]: the statistic times ``divisors``."""
    divisors: list[float]
    values: list[float]
    """The statistic of each sample."""
    accelerations: list[float]
    """Of BCa; zeros where percentiles are asked for."""


def drawn(samples: Sequence[Sample], how: Resampling) -> Iterator[Drawn]:
    """All samples, batch by batch: those of one size share a matrix product, as far as 64 MiB of draws go."""
    lines: dict[tuple[int, bool], list[int]] = defaultdict(list)
    others: dict[tuple[int, bool], list[int]] = defaultdict(list)
    line_of: dict[int, tuple[Floats, float]] = {}
    for at, sample in enumerate(samples):
        line = sample.line()
        if line is None:
            others[sample.size, is_whole(sample.rows())].append(at)
        else:
            line_of[at] = line
            lines[sample.size, is_whole(line[0])].append(at)
    for size in sorted({key for key, _ in (*lines, *others)}):
        for whole in (True, False):
            for some in _batches(lines[size, whole], 1, how, whole=whole):
                rows = np.stack([line_of[at][0] for at in some])
                divisors = [line_of[at][1] for at in some]
                values = [float(row.sum() / by) for row, by in zip(rows, divisors, strict=True)]
                bends = [acceleration(-row) if how.method == "bca" else 0.0 for row in rows]
                yield Drawn(some, sums(rows, how), divisors, values, bends)
            yield from _unbalanced(samples, others[size, whole], how, whole=whole)


def _unbalanced(samples: Sequence[Sample], which: Sequence[int], how: Resampling, *, whole: bool) -> Iterator[Drawn]:
    if not which:
        return
    most = max(samples[at].sides[0].shape[0] * 2 * len(samples[at].sides) for at in which)
    for some in _batches(which, most, how, whole=whole):
        rows = [samples[at].rows() for at in some]
        summed = sums(np.concatenate(rows), how)
        draws = np.empty((len(some), how.resamples))
        values, bends = [], []
        start = 0
        for place, (at, own) in enumerate(zip(some, rows, strict=True)):
            draws[place] = samples[at].statistic(summed[start : start + len(own)])
            start += len(own)
            total = own.sum(axis=1, keepdims=True)
            values.append(float(samples[at].statistic(total)[0]))
            bends.append(acceleration(samples[at].statistic(total - own)) if how.method == "bca" else 0.0)
        yield Drawn(some, draws, [1.0] * len(some), values, bends)


def _batches(which: Sequence[int], rows: int, how: Resampling, *, whole: bool) -> Iterable[list[int]]:
    most = max(1, BYTES // (rows * how.resamples * (4 if whole else 8)))
    return (list(which[start : start + most]) for start in range(0, len(which), most))
