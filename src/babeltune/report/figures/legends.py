"""Legends: what stands around the frames of a figure: heading and legend above, notes below."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from babeltune.report.figures.chart import Chart

LETTER = 0.068
"""Width of a letter of 8 points [inches], generously."""
_HEADING = 9.0
"""Size of the heading [points]; not bold, which would be another font in every PDF."""
_LONGEST = 60
"""Letters of a name that are shown; of a longer one the middle is left out."""

Keys = Sequence[tuple[Any, str]]
"""Keys of a legend and their names."""


def legend(figure: Figure, chart: Chart, keys: Keys, meanings: Keys, *, long: bool = False) -> Legend:
    """The legend, above, under the heading: in as few lines as fit, read line by line.

    Args:
        figure: to be above.
        chart: its heading is the legend's.
        keys: one a mix or a line.
        meanings: what else is seen; in columns of their own, behind.
        long: of keys that show dashes.
    """
    width = figure.get_size_inches()[0] * figure.dpi
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]  # of Agg
    blank = Line2D([], [], linestyle=""), ""
    found: Legend | None = None
    for down in range(1, len(keys) + len(meanings) + 1):
        if found is not None:
            found.remove()
        columns = []
        for part in (keys, meanings):
            across = math.ceil(len(part) / down)
            columns += [[*part[at::across], *down * [blank]][:down] for at in range(across)]
        entries = [entry for column in columns for entry in column]
        found = figure.legend(
            [key for key, _ in entries], [name for _, name in entries], loc="outside upper left", ncols=len(columns),
            title=wrapped(chart.heading, figure, _HEADING), alignment="left", title_fontproperties={"size": _HEADING},
            handlelength=3.2 if long else 1.8, borderaxespad=0.2,
        )  # fmt: skip
        if found.get_window_extent(renderer).width <= 0.98 * width:
            break
    assert found is not None
    return found


def wrapped(text: str, figure: Figure, size: float = 8.0) -> str:
    """The text in lines that fit the figure; words that are longer than a line are broken. ``size`` in points."""
    letters = int(figure.get_size_inches()[0] / (LETTER * size / 8.0))
    return "\n".join(textwrap.wrap(text, max(20, letters)))


def short(name: str) -> str:
    """A name for a legend: the middle of a very long one is left out, and no line ends in it."""
    name = " ".join(name.split())
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[:half]} … {name[-half:]}"


def notes(figure: Figure, chart: Chart) -> None:
    """What the chart says below the picture."""
    if chart.notes:
        lines = "\n".join(wrapped(note, figure, 6.5) for note in chart.notes)
        figure.supxlabel(lines, fontsize=6.5, x=0.01, ha="left", color="#555555")


def grow(figure: Figure, frames: float) -> None:
    """Make a figure as tall as its frames [inches] with legend and notes above and below them."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]  # of Agg
    above = sum(one.get_window_extent(renderer).height for one in figure.legends) / figure.dpi
    level = [text for text in figure.texts if text.get_rotation() == 0]
    below = sum(text.get_window_extent(renderer).height for text in level) / figure.dpi
    whole = frames + above + below + 0.3
    figure.set_size_inches(figure.get_size_inches()[0], whole)
    for text in figure.texts:
        if text not in level:  # the words of the axis, beside the frames
            text.set_y((below + frames / 2 + 0.1) / whole)
