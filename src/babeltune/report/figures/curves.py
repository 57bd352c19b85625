"""Losses: the training loss of every adapter over its updates."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from babeltune.errors import NotDrawnError
from babeltune.report.figures import legends, palette
from babeltune.report.figures.chart import Chart
from babeltune.report.figures.files import blank, style
from babeltune.report.results import Curve, Results

_POINTS = 200
"""Most points of a loss curve; of more updates, neighbours are averaged."""
_SMOOTH = 20
"""A thick loss curve is averaged over one part in so many of the tuning."""
_PANEL = 3.5, 2.5
"""Width and height of a panel [inches]."""


def losses(results: Results) -> Figure:
    """Training loss over updates, a panel a model, a colour a mix: each tuning seed thin, the mean of the seeds thick.

    Thin: as it was logged, neighbouring updates averaged where there are more than 200. Thick: averaged over the seeds
    and smoothed over a twentieth of the updates, of five at least.
    """
    models = list(dict.fromkeys(curve.model for curve in results.curves))
    there = {curve.mix for curve in results.curves}
    mixes = list(dict.fromkeys([*results.mixes, *(curve.mix for curve in results.curves)]))
    across = min(len(models), 2)
    down = math.ceil(len(models) / across)
    with style([*mixes, *models]):
        figure = blank(max(5.0, _PANEL[0] * across), _PANEL[1] * down)
        panels = list(figure.subplots(down, across, squeeze=False).flat)
        for axes, model in zip(panels, models, strict=False):
            for mix in mixes:
                seeds = [_binned(one) for one in results.curves if (one.model, one.mix) == (model, mix)]
                for steps, values in seeds:
                    axes.plot(steps, values, linewidth=0.6, alpha=0.45, color=_line(mix, mixes)[0])
                if seeds:
                    steps, mean = _mean(seeds)
                    ink, dash = _line(mix, mixes)
                    axes.plot(steps, _smoothed(mean), linewidth=1.8, color=ink, linestyle=dash)
            axes.set_title(legends.wrapped(model, figure, 8.0 * across), loc="left")
            axes.set_xlabel("Update")
            axes.set_ylabel("Training loss [nats per token]")
            axes.set_xlim(left=0)
            axes.yaxis.grid(visible=True)
        for axes in panels[len(models) :]:
            axes.set_axis_off()
        shown = [mix for mix in mixes if mix in there]
        inks = ((mix, *_line(mix, mixes)) for mix in shown)
        keys = [
            (Line2D([], [], linewidth=1.8, color=ink, linestyle=dash), legends.short(mix)) for mix, ink, dash in inks
        ]  # fmt: skip
        legends.legend(figure, _words(results), keys, (), long=True)
        legends.grow(figure, _PANEL[1] * down)
        return figure


def chart(results: Results, model: str) -> Chart:
    """Heading and caption; the curves are the results' own.

    Raises:
        NotDrawnError: no losses of the model were kept.
    """
    if not any(curve.model == model for curve in results.curves):
        raise NotDrawnError(f"needs the losses of a tuning; none of {model} were kept")
    return _words(results)


def _words(results: Results) -> Chart:
    models = list(dict.fromkeys(curve.model for curve in results.curves))
    return Chart(
        heading="Training loss",
        caption=f"Training loss of {', '.join(models)} under each mix, over the updates. Thin: each tuning seed; thick: their "
        "mean, smoothed over a twentieth of the updates.",
        axis="Training loss [nats per token]",
        limits=(0.0, 0.0),
    )


def _line(mix: str, mixes: list[str]) -> tuple[str, palette.Dash]:
    """Colour and dashes of a mix: that of its bars, darkened where it is too pale for a line."""
    return palette.ink(palette.colours(mixes)[mix]), palette.DASHES[mixes.index(mix) % len(palette.DASHES)]


def _binned(curve: Curve) -> tuple[list[float], list[float]]:
    """Updates and losses, neighbours averaged to at most 200 points."""
    bins = curve.binned(_POINTS)
    steps = [sum(step for step, _ in one) / len(one) for one in bins]
    return steps, [sum(loss for _, loss in one) / len(one) for one in bins]


def _mean(seeds: Sequence[tuple[Sequence[float], Sequence[float]]]) -> tuple[list[float], list[float]]:
    """Points of several seeds averaged, as far as the shortest goes: one recipe on one mix gives them the same updates."""
    points = list(zip(*(values for _, values in seeds), strict=False))
    return list(seeds[0][0])[: len(points)], [sum(values) / len(values) for values in points]


def _smoothed(values: Sequence[float]) -> list[float]:
    """Running mean, centred; at either end over what there is."""
    reach = max(2, round(len(values) / _SMOOTH / 2))
    windows = [values[max(0, at - reach) : at + reach + 1] for at in range(len(values))]
    return [sum(window) / len(window) for window in windows]
