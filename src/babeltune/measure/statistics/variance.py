"""Variance: how much of it comes from items, sampling seeds and tuning seeds, and which to add next for a given width.

A value of a cell is its mean, plus an effect of the item, of the tuning seed, of the sampling seed within the tuning, of
the item under that tuning, and a rest (the item under that sampling seed; most of what sampling does is in it, since
every output is sampled for itself). Items are crossed with both kinds of seeds. The effects are taken as random and
independent: the mean is that of more such items, tunings and samplings than were drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from babeltune.measure.statistics.components import Grid, Part, components, parts_of
from babeltune.measure.statistics.resampling import LEVEL, NORMAL, Floats

__all__ = ["Grid", "Kind", "Option", "Split", "advice", "options", "pooled", "width"]

Kind = Literal["items", "sampling seeds", "tuning seeds"]
_Z = NORMAL.inv_cdf(0.5 + LEVEL / 2)
_MANY = 16
"""Times as many as now: before more of one kind than that, another is looked at."""
_MOST = 100
"""Times as many as now: more of one kind than that is no way."""
_NAMES: Mapping[Part, str] = {
    "item": "differences between items",
    "tuning": "differences between tuning seeds",
    "sampling": "differences between sampling seeds",
    "interaction": "items that change with the tuning seed",
    "residual": "differences between the outputs to an item",
}


@dataclass(frozen=True, slots=True)
class Split:
    """Components of the variance, in the metric's units squared; an estimate below zero is given as zero.

    None where the design cannot tell: with one tuning seed, what another would change (``item`` holds the
    ``interaction``); with one sampling seed a tuning, ``tuning`` holds ``sampling`` and ``residual`` the
    ``interaction``; with one of both, ``item`` holds all.
    """

    n_items: int
    n_sampling: int
    """Sampling seeds of each tuning seed; where these differ, their mean."""
    n_tuning: int
    item: float
    sampling: float | None
    tuning: float | None
    interaction: float | None
    """Of item and tuning seed."""
    residual: float | None
    cells: int = 1
    """Whose components these are the mean of."""


@dataclass(frozen=True, slots=True)
class Option:
    """One way to a narrower interval."""

    add: Kind
    n: int
    """How many in all, in place of those there are."""
    width: float
    """Half-width of the 95 % interval then."""
    reaches: bool
    """Whether that is within the width asked for."""


def pooled(grids: Iterable[Grid]) -> Split:
    """Mean components of cells of one design, each about its own mean.

    Of cells that differ in design those take part that tell most effects apart.

    Raises:
        ValueError: no cell has two items and lets effects be told apart.
    """
    found: dict[tuple[Part, ...], list[tuple[Grid, Floats]]] = {}
    for grid in grids:
        there = ~np.isnan(grid.values)
        rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
        kept = Grid(grid.values[np.ix_(rows, columns)], tuple(grid.runs[column] for column in columns))
        parts = parts_of(kept)
        estimates = components(kept, parts) if len(kept.values) > 1 else None
        if estimates is not None:
            found.setdefault(parts, []).append((kept, estimates))
    if not found:
        raise ValueError(
            "a variance split needs values of two items or more, under seeds that items share: "
            "no cell has them, so that effects cannot be told apart"
        )
    parts = max(found, key=lambda parts: (len(parts), len(found[parts])))
    taken = found[parts]
    means = np.mean([estimates for _, estimates in taken], axis=0)
    component = {part: max(0.0, float(value)) for part, value in zip(parts, means, strict=True)}
    tunings = [len({tuning for tuning, _ in grid.runs}) for grid, _ in taken]
    samplings = [len(grid.runs) / tuning for (grid, _), tuning in zip(taken, tunings, strict=True)]
    return Split(
        round(float(np.mean([len(grid.values) for grid, _ in taken]))),
        round(float(np.mean(samplings))),
        round(float(np.mean(tunings))),
        component["item"],
        component.get("sampling"),
        component.get("tuning"),
        component.get("interaction"),
        component.get("residual"),
        len(taken),
    )


def width(split: Split, items: int | None = None, sampling: int | None = None, tuning: int | None = None) -> float:
    """Half-width of the 95 % interval of the mean with so many items, sampling seeds a tuning, and tuning seeds.

    As many as there are where nothing is said. 1.96 standard errors: with two or three tuning seeds these are uncertain
    themselves. What the design cannot tell is taken with the component that holds it.
    """
    terms = _terms(split, items or split.n_items, sampling or split.n_sampling, tuning or split.n_tuning)
    return _Z * math.sqrt(sum(terms.values()))


def options(split: Split, target: float) -> list[Option]:
    """For each kind, the least number that brings the half-width to ``target``, in the metric's units.

    Where none up to a hundred times as many as there are does, sixteen times as many. A kind of which the design cannot
    tell what more would do is no option.
    """
    can: dict[Kind, bool] = {
        "items": True, "sampling seeds": split.sampling is not None, "tuning seeds": split.tuning is not None
    }  # fmt: skip
    found = []
    for kind in (kind for kind, known in can.items() if known):
        now = _now(split, kind)
        # The variance is ``rest + falls / n``.
        falls = 2 * now * (_with(split, kind, now) ** 2 - _with(split, kind, 2 * now) ** 2)
        rest = _with(split, kind, now) ** 2 - falls / now
        n = _MANY * now
        if target**2 > rest:
            needed = max(now + 1, math.ceil(falls / (target**2 - rest) - 1e-9))
            n = needed if needed <= _MOST * now else n
        then = _with(split, kind, n)
        found.append(Option(kind, n, then, then <= target * (1 + 1e-9)))
    return found


def advice(split: Split, target: float) -> str:
    """Whether the interval is as narrow as ``target``, or which kind to add next and why.

    Of the kinds that reach it alone, the one that takes the fewest outputs, but tuning seeds only where it would take
    more than sixteen times as many of the others: each is one more tuning of every mix. Where none does, the one that
    helps most when doubled.
    """
    now = width(split)
    head = f"The 95 % interval is ±{now:.2g}"
    unknown = [kind for kind, count in (("tuning", split.n_tuning), ("sampling", split.n_sampling)) if count == 1]
    but = f" (what more {' or '.join(unknown)} seeds would change is not known: there is one)" if unknown else ""
    if now <= target:
        return f"{head}, within the ±{target:.2g} asked for: nothing has to be added{but}."
    found = options(split, target)
    reach = [one for one in found if one.reaches]
    parts = _terms(split, split.n_items, split.n_sampling, split.n_tuning)
    largest = max(parts, key=lambda part: parts[part])
    why = f"{_NAMES[largest]} make {100 * parts[largest] / sum(parts.values()):.0f} % of its variance"
    if split.residual is None:
        why = "there is one output to each item"
    if reach:
        best = min(reach, key=lambda one: _rank(one, one.n / _now(split, one.add)))
        others = [one for one in found if not one.reaches]
        never = "".join(f"; {one.n} {one.add} would leave ±{one.width:.2g}" for one in others)
        return (
            f"{head}: {best.n} {best.add} in place of {_now(split, best.add)} bring it to ±{best.width:.2g}, "
            f"since {why}{never}{but}."
        )
    best = min(found, key=lambda one: _with(split, one.add, 2 * _now(split, one.add)))
    twice = 2 * _now(split, best.add)
    return (
        f"{head}, and no one kind alone brings it to ±{target:.2g}; add {best.add} first: {twice} in place of "
        f"{_now(split, best.add)} bring it to ±{_with(split, best.add, twice):.2g}, since {why}{but}."
    )


def _rank(option: Option, times: float) -> tuple[bool, bool, float]:
    return times > _MANY, option.add == "tuning seeds", times


def _now(split: Split, kind: Kind) -> int:
    return {"items": split.n_items, "sampling seeds": split.n_sampling, "tuning seeds": split.n_tuning}[kind]


def _with(split: Split, kind: Kind, n: int) -> float:
    return {
        "items": width(split, items=n),
        "sampling seeds": width(split, sampling=n),
        "tuning seeds": width(split, tuning=n),
    }[kind]


def _terms(split: Split, items: int, sampling: int, tuning: int) -> dict[Part, float]:
    """What each component adds to the variance of the mean."""
    return {
        "item": split.item / items,
        "tuning": (split.tuning or 0.0) / tuning,
        "sampling": (split.sampling or 0.0) / (tuning * sampling),
        "interaction": (split.interaction or 0.0) / (items * tuning),
        "residual": (split.residual or 0.0) / (items * tuning * sampling),
    }
