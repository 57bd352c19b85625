"""Contrasts: averages of a board over languages, and paired differences between its mixes.

A board is a model's scores on one task under one prompting and one metric. Of a plain metric they are values of items;
of a composed one, as SARI times agreement, sums over items of what it is made of.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from babeltune.measure.pools import Pool, parts, statistic
from babeltune.measure.statistics.intervals import (
    PLAIN,
    Difference,
    Interval,
    Resampling,
    Values,
    averages,
    combined,
    combined_differences,
    differences,
)
from babeltune.measure.statistics.resampling import Floats
from babeltune.records import Metric

Key = tuple[str, int]
"""An item, and which of its outputs where these are resampled one by one; else 0."""
Sums = tuple[Sequence[Key], Floats]
"""What is resampled in a cell and, one row each, what a metric is made of (``pools.parts``)."""
Asked = tuple[str, str, Metric]
"""Task, prompting and metric of a board."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two mixes, and the languages over which their difference is averaged."""

    first: str
    second: str
    codes: tuple[str, ...]


class Board(Protocol):
    """What a verdict is on."""

    @property
    def metric(self) -> str:
        """Its name."""
        ...

    @property
    def mixes(self) -> tuple[str, ...]:
        """Mixes with scores, ``base`` among them if it has any."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages with an item that was scored under every mix, in the order of the study."""
        ...

    def averages(self, groups: Sequence[tuple[str, Sequence[str]]]) -> list[Interval]:
        """Of each mix and languages the unweighted average over these."""
        ...

    def differences(self, pairs: Sequence[Pair]) -> list[Difference]:
        """Of each pair the paired difference, over the items that both mixes have scored."""
        ...

    def apart(self, first: Pair, second: Pair) -> Difference:
        """One pair's difference less another's, items moving together."""
        ...


_Cell = TypeVar("_Cell")


@dataclass(frozen=True)
class _Scores(ABC, Generic[_Cell]):
    """What a board is of, whatever is known of a cell."""

    about: Metric
    cells: Mapping[str, Mapping[str, _Cell]]
    """Mix -> language -> cell."""
    how: Resampling = PLAIN

    @property
    def metric(self) -> str:
        """Its name."""
        return self.about.name

    @property
    def mixes(self) -> tuple[str, ...]:
        """Mixes with scores."""
        return tuple(self.cells)

    @functools.cached_property
    def languages(self) -> tuple[str, ...]:
        """Languages with an item that was scored under every mix."""
        first, *others = self.cells.values()
        shared = (code for code in first if all(code in one for one in others))
        return tuple(
            code
            for code in shared
            if set(self._keys(first[code])).intersection(*(self._keys(one[code]) for one in others))
        )

    def apart(self, first: Pair, second: Pair) -> Difference:
        """One pair's difference less another's, items moving together."""
        codes = tuple(dict.fromkeys((*first.codes, *second.codes)))
        sides = []
        for pair in (first, second):
            blocks = []
            for code in codes:
                items, one, two = _both(self._sums(pair.first, code), self._sums(pair.second, code))
                rows = np.concatenate([one, two], axis=1)
                blocks.append((items, rows if code in pair.codes else np.zeros_like(rows)))
            sides.append(blocks)
        items = list(dict.fromkeys(item for blocks in sides for ids, _ in blocks for item in ids))
        padded = [(items, np.zeros((len(items), sides[0][0][1].shape[1])))]
        ours, theirs = (_side_by_side([*padded, *blocks])[1][:, padded[0][1].shape[1] :] for blocks in sides)
        value = statistic(self.about)

        def gain(columns: Floats) -> Floats:
            by_side = columns.reshape(*columns.shape[:-1], len(codes), 2, -1)
            with np.errstate(invalid="ignore", divide="ignore"):
                each = value(by_side)
            return _nanmean(each[..., 0] - each[..., 1])

        return combined_differences(ours, theirs, gain, top=self.about.top, least=self.about.least, how=self.how)

    @abstractmethod
    def _keys(self, cell: _Cell) -> Iterable[object]:
        """What is resampled in a cell."""

    @abstractmethod
    def _sums(self, mix: str, code: str) -> Sums:
        """Keys of what is resampled in a cell, and the sums of each."""


class ValueBoard(_Scores[Values]):
    """A board of a metric that is the mean of its values; cells hold these by item, in the metric's units."""

    def averages(self, groups: Sequence[tuple[str, Sequence[str]]]) -> list[Interval]:
        """Of each mix and languages the unweighted average over these."""
        chosen = [self._of(mix, codes) for mix, codes in groups]
        return averages(chosen, top=self.about.top, least=self.about.least, how=self.how)

    def differences(self, pairs: Sequence[Pair]) -> list[Difference]:
        """Of each pair the paired difference, over the items that both mixes have scored."""
        chosen = [(self._of(pair.first, pair.codes), self._of(pair.second, pair.codes)) for pair in pairs]
        return differences(chosen, top=self.about.top, least=self.about.least, how=self.how)

    def _of(self, mix: str, codes: Sequence[str]) -> dict[str, Values]:
        return {code: self.cells[mix][code] for code in codes}

    def _keys(self, cell: Values) -> Iterable[object]:
        return cell

    def _sums(self, mix: str, code: str) -> Sums:
        """Sum and number of the values of each item, or each value by itself."""
        values = self.cells[mix][code]
        if self.how.unit == "rows":
            keys = [(item, place) for item, row in values.items() for place in range(len(row))]
            return keys, np.array([[value, 1.0] for row in values.values() for value in row])
        return [(item, 0) for item in values], np.array([[sum(row), float(len(row))] for row in values.values()])


class ComposedBoard(_Scores[Sums]):
    """A board of a product of means, or of the score of a corpus."""

    def averages(self, groups: Sequence[tuple[str, Sequence[str]]]) -> list[Interval]:
        """Of each mix and languages the unweighted average over these."""
        found = []
        for mix, codes in groups:
            _, sums = _side_by_side([self.cells[mix][code] for code in codes])
            value = _over(len(codes), statistic(self.about))
            found.append(combined(sums, value, top=self.about.top, how=self.how))
        return found

    def differences(self, pairs: Sequence[Pair]) -> list[Difference]:
        """Of each pair the paired difference, over the items that both mixes have scored."""
        found = []
        for pair in pairs:
            both = [_both(self._sums(pair.first, code), self._sums(pair.second, code)) for code in pair.codes]
            _, first = _side_by_side([(items, one) for items, one, _ in both])
            _, second = _side_by_side([(items, two) for items, _, two in both])
            value = _over(len(pair.codes), statistic(self.about))
            found.append(combined_differences(first, second, value, top=self.about.top, how=self.how))
        return found

    def _keys(self, cell: Sums) -> Iterable[object]:
        return cell[0]

    def _sums(self, mix: str, code: str) -> Sums:
        return self.cells[mix][code]


def board(pools: Iterable[Pool], metric: Metric, how: Resampling = PLAIN) -> Board | None:
    """The board of a model's pools of one task and prompting; None where no mix has a language with values."""
    if not metric.factors and not metric.corpus:
        values: dict[str, dict[str, Values]] = {}
        for pool in pools:
            if found := pool.of(metric.name):
                values.setdefault(pool.key.mix, {})[pool.key.language] = found
        return ValueBoard(metric, values, how) if values else None
    sums: dict[str, dict[str, Sums]] = {}
    for pool in pools:
        keys, rows = parts(pool, metric, how.unit)
        if keys:
            sums.setdefault(pool.key.mix, {})[pool.key.language] = keys, rows
    return ComposedBoard(metric, sums, how) if sums else None


def _both(first: Sums, second: Sums) -> tuple[Sequence[Key], Floats, Floats]:
    """Items that two cells share, and the rows of each."""
    (ours, one), (theirs, two) = first, second
    if ours == theirs:
        return ours, one, two
    at = {item: row for row, item in enumerate(theirs)}
    shared = [row for row, item in enumerate(ours) if item in at]
    return [ours[row] for row in shared], one[shared], two[[at[ours[row]] for row in shared]]


def _side_by_side(blocks: Sequence[Sums]) -> tuple[list[Key], Floats]:
    """All items, and their rows of all blocks in one: zeros where a block lacks an item."""
    items = list(dict.fromkeys(item for ids, _ in blocks for item in ids))
    row_of = {item: row for row, item in enumerate(items)}
    width = blocks[0][1].shape[1]
    found = np.zeros((len(items), len(blocks) * width))
    for at, (ids, rows) in enumerate(blocks):
        found[[row_of[item] for item in ids], at * width : (at + 1) * width] = rows
    return items, found


def _over(groups: int, value: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """The unweighted average of a statistic over so many groups of columns; those that drew nothing are left out."""

    def average(sums: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            each = value(sums.reshape(*sums.shape[:-1], groups, -1))
        return _nanmean(each)

    return average


def _nanmean(values: Floats) -> Floats:
    """Over the last axis; NaN where all are."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(there, values, 0.0).sum(axis=-1) / there.sum(axis=-1))
