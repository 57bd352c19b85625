"""Bars: a chart of grouped bars as a figure, in as many rows as it needs to be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from babeltune.report.figures import legends, palette
from babeltune.report.figures.chart import Chart, Mark, Panel, Series
from babeltune.report.figures.files import blank, style

WIDTH = 7.0
"""Of the widest figure [inches]: the text of a page of A4 or letter paper."""
_NARROWEST = 4.4
"""Of the narrowest figure [inches]: a legend needs as much."""
_MARGIN = 0.65
"""For the axis on the left [inches]."""
_BAR = 0.085
"""Least width of a bar with its gap [inches]: stripes are still seen in it."""
_WIDEST_BAR = 0.3
_GAP = 1.3
"""Between two groups [bars]."""
_ALONE, _AMONG, _SMALL = 2.3, 1.55, 1.15
"""Height of the frame of a single row, of one of several, and of panels side by side [inches]."""
_STACKED = 2
"""Panels that are always below each other; more may stand side by side."""
_TRIANGLE = 4.0
"""Size of a point [points]."""
_KEY = 6
"""Of a legend's entry besides its name [letters]."""


def draw(chart: Chart) -> Figure:
    """The figure of a chart of bars.

    A panel is broken into rows of as many groups as its bars and labels leave room for. A cell that is all unscored has
    a cross, one that was not asked has nothing; a chart in which all is unscored says so.
    """
    with style(
        [chart.heading, *(one.name for one in chart.series), *(t for p in chart.panels for t in p.ticks.values())]
    ):
        slots = 1 + max((_place(chart.series, at) for at in range(len(chart.series))), default=0)
        rows, most = _rows(chart, slots)
        group = _group(chart, slots)
        # Many small panels stand side by side; else each is as wide as the figure.
        side = max(1, int((WIDTH - _MARGIN) / (group * most + 0.35))) if len(chart.panels) > _STACKED else 1
        side = min(side, len(rows))
        across = min(WIDTH - _MARGIN, max(_NARROWEST - _MARGIN, side * (group * most + 0.35)))
        if sum(len(legends.short(one.name)) + _KEY for one in chart.series) * legends.LETTER > 2 * across:
            across = WIDTH - _MARGIN  # a legend of many lines would be taller than the bars
        # Few groups take no more room than bars need; the rest of the frame stays free at the right.
        room = max(most, across / side / max(group, (slots + _GAP) * _WIDEST_BAR))
        down = math.ceil(len(rows) / side)
        height = _ALONE if len(rows) == 1 else _AMONG if side == 1 or down == 1 else _SMALL
        figure = blank(across + _MARGIN, height * down)
        frames = list(figure.subplots(down, side, squeeze=False, sharey=True).flat)
        for axes in frames[len(rows) :]:
            axes.set_axis_off()
        for axes in frames[max(0, len(rows) - side) : len(rows)]:
            axes.set_xlabel(chart.along)
        for axes, (panel, groups, first) in zip(frames, rows, strict=False):
            _fill(axes, chart, panel, groups, slots)
            # A single row stands in the middle; of several all begin at one place.
            spare = (room - most) / 2 if len(rows) == 1 else 0.0
            axes.set_xlim(-0.5 - spare, room - 0.5 - spare)
            if panel.title and first:
                axes.set_title(panel.title, loc="left")
        frames[0].set_ylim(*limits(chart))
        figure.supylabel(chart.axis, fontsize=8.0)
        if not any(mark.value is not None for mark in chart.all_marks):
            say(frames[0], chart)
        legends.legend(figure, chart, *_handles(chart))
        legends.notes(figure, chart)
        legends.grow(figure, height * down)
        return figure


def scale(axes: Axes) -> None:
    """Ticks of the height, at round values, and lines across."""
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.yaxis.grid(visible=True)


def limits(chart: Chart) -> tuple[float, float]:
    """Of the axis: as the chart says, and to the end of the longest whisker."""
    ends = [end for mark in chart.all_marks for end in (mark.value, mark.high) if end is not None]
    low, least = chart.limits
    return low, max(least, *(end + 0.02 * (least - low) for end in ends)) if ends else least


def _handles(chart: Chart) -> tuple[legends.Keys, legends.Keys]:
    """legends.Keys of the legend: each series; and what stripes, points, crosses and the level mean."""
    keys = [
        (_key(one), legends.short(one.name))
        for one in chart.series
        if not (chart.over and one.points) and not (chart.dotted and one.fill == "dotted")
    ]
    meanings: list[tuple[Any, str]] = []
    if chart.dotted:
        meanings.append((_key(Series("", "#888888", "dotted")), chart.dotted))
    if chart.over is not None:
        meanings = [
            (_key(Series("", "#888888", points=True)), legends.short(chart.over[0])),
            (_key(Series("", "#888888", "pale")), legends.short(chart.over[1])),
        ]
    marks = chart.all_marks
    if chart.striped and any(mark.zero_shot and mark.value is not None for mark in marks):
        patch = Patch(facecolor="#FFFFFF", edgecolor=palette.EDGE, hatch=palette.STRIPES, linewidth=0.5)
        meanings.append((patch, chart.striped))
    if any(mark.value is None for mark in marks):
        cross = Line2D([], [], linestyle="", marker="x", markersize=4, color=palette.EDGE)
        meanings.append((cross, "all unscored"))
    if chart.level is not None:
        line = Line2D([], [], linestyle=":", linewidth=0.9, color=palette.EDGE)
        meanings.append((line, chart.level[1]))
    return keys, meanings


def _key(series: Series) -> Any:
    if series.points:
        return Line2D([], [], **_triangle(series))
    return Patch(**_look(series), hatch=palette.DOTS if series.fill == "dotted" else None)


def _triangle(series: Series) -> dict[str, Any]:
    return palette.point(series.colour, palette.SUPERVISED, _TRIANGLE) | {"markeredgewidth": 0.6}


def _look(series: Series) -> dict[str, Any]:
    """Colours of a bar."""
    face = {"plain": series.colour, "pale": to_rgba(series.colour, 0.45), "dotted": palette.pale(series.colour)}
    seen = palette.over(series.colour if series.fill == "plain" else palette.pale(series.colour))
    return {
        "facecolor": face[series.fill], "edgecolor": palette.EDGE, "linewidth": 0.4,
        "hatchcolor": seen,
    }  # fmt: skip


def _rows(chart: Chart, slots: int) -> tuple[list[tuple[Panel, list[str], bool]], int]:
    """(panel, its groups, whether it is the panel's first row) of each row, and the groups of the longest."""
    found = []
    for panel in chart.panels:
        groups = list(panel.ticks)
        fit = max(1, int((WIDTH - _MARGIN) / _group(chart, slots)))
        count = math.ceil(len(groups) / fit) or 1
        size = math.ceil(len(groups) / count) or 1
        found += [(panel, groups[at : at + size], at == 0) for at in range(0, max(1, len(groups)), size)]
    return found, max(len(groups) for _, groups, _ in found)


def _group(chart: Chart, slots: int) -> float:
    """Least width of a group [inches]: its bars, or its label."""
    letters = max(
        (len(line) for one in chart.panels for tick in one.ticks.values() for line in tick.split("\n")), default=1
    )
    return max((slots + _GAP) * _BAR, letters * legends.LETTER + 0.08)


def _place(series: Sequence[Series], at: int) -> int:
    place = series[at].place
    return at if place is None else place


def _fill(axes: Axes, chart: Chart, panel: Panel, groups: Sequence[str], slots: int) -> None:
    """Bars, whiskers, points and crosses of one row."""
    width = 1 / (slots + _GAP)
    bottom = chart.limits[0]
    if chart.level is not None:
        axes.axhline(chart.level[0], linestyle=":", linewidth=0.9, color=palette.EDGE, zorder=0.9)
    for at, series in enumerate(chart.series):
        shift = (_place(chart.series, at) - (slots - 1) / 2) * width
        there = [
            (x + shift, panel.marks[series.name, name])
            for x, name in enumerate(groups)
            if (series.name, name) in panel.marks
        ]
        for x, mark in there:
            if mark.value is None:
                axes.plot(
                    [x], [bottom], linestyle="", marker="x", markersize=3, color=palette.EDGE, clip_on=False, zorder=4
                )
        shown = [(x, mark, mark.value) for x, mark in there if mark.value is not None]
        for zero_shot in (False, True):
            some = [one for one in shown if one[1].zero_shot == zero_shot]
            if not some:
                continue
            if series.points:
                axes.plot([x for x, _, _ in some], [value for _, _, value in some], **_triangle(series), zorder=4)
            else:
                stripes = palette.STRIPES if zero_shot and chart.striped else ""
                dots = palette.DOTS if series.fill == "dotted" else ""
                axes.bar(
                    [x for x, _, _ in some], [value - bottom for _, _, value in some], width, bottom=bottom,
                    hatch=stripes + dots or None, **_look(series),
                )  # fmt: skip
        whole = [(x, mark, value) for x, mark, value in shown if mark.low is not None and mark.high is not None]
        if whole:
            _whiskers(axes, whole, over=series.points)
    axes.set_xticks(range(len(groups)), [panel.ticks[name] for name in groups])
    axes.tick_params(axis="x", length=0)
    scale(axes)


def _whiskers(axes: Axes, marks: Sequence[tuple[float, Mark, float]], *, over: bool) -> None:
    """The intervals; those of bars on a white line, to be seen on dark ones too."""
    xs, values = [x for x, _, _ in marks], [value for _, _, value in marks]
    ends = [
        [max(0.0, value - (mark.low or 0.0)) for _, mark, value in marks],
        [max(0.0, (mark.high or 0.0) - value) for _, mark, value in marks],
    ]
    for ink, width, zorder in (
        ((palette.EDGE, 0.7, 3.5),) if over else (("#FFFFFF", 1.7, 2.9), (palette.EDGE, 0.7, 3.0))
    ):
        axes.errorbar(
            xs, values, yerr=ends, fmt="none", ecolor=ink, elinewidth=width, capsize=1.2, capthick=width, zorder=zorder
        )  # fmt: skip


def say(axes: Axes, chart: Chart) -> None:
    """What stands in an empty frame."""
    count = sum(mark.unscored for mark in chart.all_marks)
    said = f"All {count:,} outputs are unscored; the page says why." if count else "Nothing was scored."
    paper = {"facecolor": "#FFFFFF", "edgecolor": "none"}
    axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", va="center", bbox=paper)
