"""A chart: what a figure shows, chosen from the results and worded, before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Mark:
    """One cell of a chart: a bar, or a point."""

    value: float | None
    """In the metric's own units; None where all is unscored."""
    low: float | None = None
    high: float | None = None
    """Ends of the 95 % interval; None where there is none."""
    n: int = 0
    """Items that were scored."""
    unscored: int = 0
    """Outputs that were not."""
    zero_shot: bool = False
    """Whether the mix lacks the language."""
    at: float | None = None
    """Place along the axis, in a chart of lines."""


@dataclass(frozen=True, slots=True)
class Series:
    """What has one colour and one line of the legend."""

    name: str
    colour: str
    fill: Literal["plain", "pale", "dotted"] = "plain"
    """Of bars. ``pale``: seen through, below points. ``dotted``: pale with dots (translated chats)."""
    points: bool = False
    """Drawn as triangles, over the bars of the series of the same place."""
    place: int | None = None
    """Slot within a group; the order of the series where None."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One row of groups; it is broken into several where there are too many of them."""

    title: str
    ticks: Mapping[str, str]
    """Group (a language, a score) -> its label."""
    marks: Mapping[tuple[str, str], Mark]
    """(series, group) -> what is shown there; nothing where that was not asked."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart of lines."""

    name: str
    colour: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class LinePanel:
    """One frame of lines."""

    title: str
    axis: str
    """What runs along."""
    lines: tuple[Line, ...]
    ticks: tuple[float, ...]
    growing: bool = False
    """Whether the axis is logarithmic."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure of one model."""

    heading: str
    """Above the picture: the model, and what is measured."""
    caption: str
    """Below it, in whole sentences."""
    axis: str
    """What the height is, with its unit."""
    limits: tuple[float, float]
    """Where the axis starts, and the least that it reaches to."""
    series: tuple[Series, ...] = ()
    panels: tuple[Panel, ...] = ()
    lines: tuple[LinePanel, ...] = ()
    level: tuple[float, str] | None = None
    """A level to compare with, such as chance."""
    striped: str = ""
    """What stripes mean, in the legend; empty where there are none."""
    dotted: str = ""
    """What dots mean, in the legend, where dotted bars have no names of their own in it."""
    over: tuple[str, str] | None = None
    """The models whose points stand over whose bars."""
    along: str = ""
    """What the groups are; empty for languages, whose labels say it."""
    notes: tuple[str, ...] = field(default=())
    """Below the picture, small: what a reader must know who sees the picture alone."""

    @property
    def all_marks(self) -> list[Mark]:
        """Every mark of every panel."""
        bars = [mark for panel in self.panels for mark in panel.marks.values()]
        return bars + [mark for panel in self.lines for line in panel.lines for mark in line.marks]


def mark(row: Mapping[str, Any], *, zero_shot: bool, at: float | None = None) -> Mark:
    """A row of the results as a mark."""
    return Mark(row["value"], row["low"], row["high"], int(row["n"]), int(row["unscored"] or 0), zero_shot, at)
