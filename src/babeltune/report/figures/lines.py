"""Lines: a chart of lines as a figure; triangles down for zero-shot, up for supervised."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from babeltune.report.figures import bars, legends, palette
from babeltune.report.figures.chart import Chart, Line, LinePanel
from babeltune.report.figures.files import blank, style

_FRAME = 3.3, 2.6
"""Width and height of a frame [inches]."""
_POINT = 4.5
"""Size of a point [points]."""
_APART = 0.012
"""By how much of the axis the lines of a frame are moved apart, so that their whiskers do not hide each other."""


def draw(chart: Chart) -> Figure:
    """The figure of a chart of lines, two frames in a row."""
    with style([chart.heading, *(line.name for panel in chart.lines for line in panel.lines)]):
        across = min(2, len(chart.lines))
        down = math.ceil(len(chart.lines) / across)
        figure = blank(max(5.0, _FRAME[0] * across), _FRAME[1] * down)
        frames = list(figure.subplots(down, across, squeeze=False, sharey=True).flat)
        names = list(dict.fromkeys(line.name for panel in chart.lines for line in panel.lines))
        for axes, panel in zip(frames, chart.lines, strict=False):
            _fill(axes, panel, names, legends.wrapped(panel.title, figure, 8.0 * across))
        for axes in frames[len(chart.lines) :]:
            axes.set_axis_off()
        frames[0].set_ylim(*bars.limits(chart))
        figure.supylabel(chart.axis, fontsize=8.0)
        if not any(mark.value is not None for mark in chart.all_marks):
            bars.say(frames[0], chart)
        legends.legend(figure, chart, *_handles(chart, names), long=True)
        legends.notes(figure, chart)
        legends.grow(figure, _FRAME[1] * down)
        return figure


def _fill(axes: Axes, panel: LinePanel, names: list[str], title: str) -> None:
    places = panel.ticks
    for line in panel.lines:
        shift = names.index(line.name) % 7 - 3
        shown = [mark for mark in line.marks if mark.value is not None and mark.at is not None]
        # Along a logarithmic axis that starts at nought the first place cannot be moved by a factor.
        xs = [_moved(mark.at or 0.0, shift, panel) for mark in shown]
        axes.plot(xs, [mark.value for mark in shown], **_line(line, names), zorder=2)  # type: ignore[arg-type]
        points = [(x, mark, mark.value or 0.0) for x, mark in zip(xs, shown, strict=True)]
        ends = [
            (x, value, mark.low, mark.high)
            for x, mark, value in points
            if mark.low is not None and mark.high is not None
        ]
        if ends:
            axes.errorbar(
                [x for x, _, _, _ in ends], [value for _, value, _, _ in ends],
                yerr=[[max(0.0, value - low) for _, value, low, _ in ends], [max(0.0, high - value) for _, value, _, high in ends]],
                fmt="none", ecolor=palette.ink(line.colour), elinewidth=0.6, capsize=1.0, capthick=0.6, zorder=1.9,
            )  # fmt: skip
        for zero_shot, shape in ((False, palette.SUPERVISED), (True, palette.ZERO_SHOT)):
            some = [(x, value) for x, mark, value in points if mark.zero_shot == zero_shot]
            if some:
                axes.plot(
                    [x for x, _ in some], [value for _, value in some], **palette.point(line.colour, shape, _POINT), zorder=3
                )  # fmt: skip
    if panel.growing:
        least = min((place for place in places if place > 0), default=1.0)
        axes.set_xscale("symlog", linthresh=least, linscale=0.5)
    reach = _reach(places, growing=panel.growing)
    axes.set_xlim(*reach)
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_major_formatter(FixedFormatter([f"{place:,.0f}" for place in places]))
    axes.xaxis.set_minor_locator(NullLocator())
    if panel.growing:
        axes.tick_params(axis="x", labelrotation=45)
    axes.set_xlabel(panel.axis)
    if title:
        axes.set_title(title, loc="left")
    bars.scale(axes)


def _reach(places: tuple[float, ...], *, growing: bool) -> tuple[float, float]:
    """Ends of the axis: some room beside the first and the last place."""
    if growing:
        least = min((place for place in places if place > 0), default=1.0)
        return (-0.25 * least if 0 in places else 0.8 * places[0]), 1.3 * places[-1]
    return places[0] - 0.3, places[-1] + 0.3


def _moved(place: float, shift: int, panel: LinePanel) -> float:
    if panel.growing:
        least = min((one for one in panel.ticks if one > 0), default=1.0)
        return place + shift * _APART * 2.5 * max(place, least)
    return place + shift * _APART * max(1.0, panel.ticks[-1] - panel.ticks[0])


def _line(line: Line, names: list[str]) -> dict[str, Any]:
    at = names.index(line.name)
    dash = palette.DASHES[at % len(palette.DASHES)]
    return {"color": palette.ink(line.colour), "linestyle": dash, "linewidth": 1.1}


def _handles(chart: Chart, names: list[str]) -> tuple[legends.Keys, legends.Keys]:
    found = {line.name: line for panel in chart.lines for line in panel.lines}
    keys = [(Line2D([], [], **_line(found[name], names)), legends.short(name)) for name in names]
    meanings = [
        (Line2D([], [], **palette.point("#FFFFFF", shape, _POINT)), word)
        for zero_shot, shape, word in (
            (True, palette.ZERO_SHOT, "language not in the mix (0-shot)"),
            (False, palette.SUPERVISED, "in the mix (supervised)"),
        )
        if any(mark.zero_shot == zero_shot and mark.value is not None for mark in chart.all_marks)
    ]
    return keys, meanings
