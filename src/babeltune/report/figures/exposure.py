"""Exposure: what a second language gains each unseen one, against how much of that one the model saw in pretraining."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from babeltune.errors import NotDrawnError
from babeltune.report.figures import cells, legends, palette
from babeltune.report.figures.chart import Chart
from babeltune.report.figures.files import blank, style
from babeltune.report.results import Board, Results

_SIZE = 5.0, 2.9
"""Width and height of the figure [inches]."""
_POINT = 5.0
"""Size of a point [points]."""
_AROUND = (
    (4, 3),
    (4, -8),
    (-14, 3),
    (-14, -8),
    (-5, 8),
    (-5, -13),
    (12, 8),
    (12, -13),
    (-24, 8),
    (-24, -13),
    (-5, 15),
    (-5, -20),
)
"""Where a label may stand from its point [points of 1/72 inch]: the first place that is free."""


def _verdict(results: Results, model: str) -> Mapping[str, Any]:
    """The model's verdict that has a fit: that of its main table first.

    Raises:
        NotDrawnError: none has.
    """
    found = [one for one in (*results.headlines, *results.verdicts) if one["model"] == model and one.get("fit")]
    if not found:
        raise NotDrawnError(
            f"needs what {model} was pretrained on (`models: [{{id: …, pretraining: llama2}}]`, or a census), and the "
            "verdict's fit over at least three languages with a known share"
        )
    return found[0]


def chart(results: Results, model: str) -> Chart:
    """Heading, caption and axis; the points are the verdict's own."""
    verdict = _verdict(results, model)
    fit, board = verdict["fit"], Board(verdict["task"], verdict["prompting"], verdict["metric"])
    step = next((one["step"] for one in verdict.get("by_language", ()) if one.get("step")), None)
    gain = f"{step['first']} over {step['second']}" if step else "a second language"
    slope = f"{fit['slope']:+.3f} for ten times the share, 95 % interval {fit['low']:+.3f} to {fit['high']:+.3f}"
    return Chart(
        heading=cells.heading(f"{model}, gain of {gain}", board),
        caption=f"Gain of {gain} in {board.heading}, per language, against the language's share of the documents that "
        f"{model} was pretrained on. Line: least squares against the logarithm of the share ({slope}, r = {fit['r']:.2f}, "
        f"{fit['n']} languages); band: the interval of its slope.",
        axis=f"Gain ({cells.axis(board)[0]})",
        limits=(0.0, 0.0),
    )


def draw(results: Results, model: str) -> Figure:
    """The figure: a point a language, named; the fit with the interval of its slope."""
    words, verdict = chart(results, model), _verdict(results, model)
    fit = verdict["fit"]
    points = [(str(code), float(share), float(gain)) for code, share, gain in fit["points"]]
    seen = {one["language"]: bool(one["seen"]) for one in verdict.get("by_language", ())}
    with style([words.heading]):
        figure = blank(*_SIZE)
        axes = figure.subplots()
        axes.axhline(0, linewidth=0.6, color=palette.EDGE)
        axes.set_xscale("log")
        _line(axes, fit, [share for _, share, _ in points])
        shade = palette.steps(3)[1]
        for code, share, gain in points:
            shape = palette.SUPERVISED if seen.get(code) else palette.ZERO_SHOT
            axes.plot([share], [gain], **palette.point(shade, shape, _POINT))
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("Share of the pretraining documents [%], logarithmic")
        axes.set_ylabel(words.axis)
        axes.yaxis.grid(visible=True)
        axes.margins(0.08, 0.12)
        said = f"fit: {fit['slope']:+.3f} [{fit['low']:+.3f}, {fit['high']:+.3f}] for ten times the share"
        meanings = [
            (Line2D([], [], **palette.point(shade, shape, _POINT)), word)
            for held, shape, word in (
                (False, palette.ZERO_SHOT, "in no mix (0-shot)"),
                (True, palette.SUPERVISED, "in a later mix"),
            )
            if any(bool(seen.get(code)) == held for code, _, _ in points)
        ]
        legends.legend(figure, words, [(Line2D([], [], color=palette.EDGE, linewidth=1.0), said)], meanings)
        legends.grow(figure, _SIZE[1])
        _label(figure, axes, points)
        return figure


def _line(axes: Axes, fit: Mapping[str, Any], shares: Sequence[float]) -> None:
    """The fit over the shares that there are, and the lines of either end of its slope's interval, through their middle."""
    logs = [math.log10(share) for share in shares]
    ends, middle = (min(logs), max(logs)), sum(logs) / len(logs)
    centre = fit["intercept"] + fit["slope"] * middle
    steps = [ends[0] + (ends[1] - ends[0]) * at / 40 for at in range(41)]
    xs = [10**step for step in steps]
    both = [[centre + slope * (step - middle) for step in steps] for slope in (fit["low"], fit["high"])]
    axes.fill_between(
        xs, [min(pair) for pair in zip(*both, strict=True)], [max(pair) for pair in zip(*both, strict=True)],
        color="#E3E3E3", linewidth=0,
    )  # fmt: skip
    axes.plot(xs, [centre + fit["slope"] * (step - middle) for step in steps], color=palette.EDGE, linewidth=1.0)


def _label(figure: Figure, axes: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    """Names beside the points, each at the first place where it covers neither a point nor a name."""
    figure.draw_without_rendering()
    scale = figure.dpi / 72
    spots = [axes.transData.transform((share, gain)) for _, share, gain in points]
    taken = [(x - 4 * scale, y - 4 * scale, x + 4 * scale, y + 4 * scale) for x, y in spots]
    frame = axes.get_window_extent()
    for (code, share, gain), (x, y) in zip(points, spots, strict=True):
        width, height = 0.06 * 72 * len(code) * scale * 0.9, 8 * scale
        for right, up in _AROUND:
            left, bottom = x + right * scale, y + up * scale
            box = left, bottom, left + width, bottom + height
            inside = frame.x0 <= box[0] and box[2] <= frame.x1 and frame.y0 <= box[1] and box[3] <= frame.y1
            if inside and not any(_meet(box, other) for other in taken):
                break
        taken.append(box)
        axes.annotate(code, (share, gain), (right, up), textcoords="offset points", fontsize=7.0, va="bottom")


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
