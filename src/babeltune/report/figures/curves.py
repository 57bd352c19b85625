"""Figures, each named by its number in the paper: colour-blind palette (Okabe and Ito 2008), stripes for zero-shot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from babeltune.languages import LANGUAGES
from babeltune.report.results import Board, Curve, Results

_BASE = "#999999"
_YELLOW, _OCHRE = "#F0E442", "#B5A300"
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", _YELLOW, "#000000")
_STRIPES = "////"
_Dash = Literal["-", "--", "-.", ":"]
_DASHES: tuple[_Dash, ...] = ("-", "--", "-.", ":")
"""Of the lines of a figure in turn, so that they differ in print without colours too."""
_POINTS = 200
"""Most points of a loss curve; of more updates, neighbours are averaged."""
_SMOOTH = 20
"""A thick loss curve is averaged over one part in so many of the tuning."""
_PANEL = 4.6, 3.2
"""Width and height of a panel [inches]."""
_STYLE = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "babeltune",  # the same results give the same bytes
}


def colour(mix: str, mixes: list[str]) -> str:
    """Colour of a mix: grey for the base model, the palette in order for the others."""
    return _BASE if mix == "base" else _COLOURS[[name for name in mixes if name != "base"].index(mix) % len(_COLOURS)]


def figure_1(results: Results, model: str, board: Board) -> Figure:
    """Input/output language agreement per language and mix, with 95 % intervals; striped where a mix lacks the language."""
    cells = results.of(model, board)
    mixes, languages = results.mix_names(model), results.languages(model, board)
    width = 0.84 / len(mixes)
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]  # its stubs want a literal of every key
        figure = Figure(figsize=(max(5.5, 0.95 * len(languages)), 3.2), layout="constrained")
        axes = figure.subplots()
        for at, mix in enumerate(mixes):
            for x, language in enumerate(languages):
                row = cells.get((mix, language))
                if row is None or row["value"] is None:
                    continue
                axes.bar(
                    x + (at - (len(mixes) - 1) / 2) * width,
                    row["value"],
                    width * 0.94,
                    color=colour(mix, mixes),
                    edgecolor="white",
                    linewidth=0,
                    hatch=_STRIPES if mix != "base" and language not in results.mixes[mix] else None,
                    yerr=[[max(0.0, row["value"] - row["low"])], [max(0.0, row["high"] - row["value"])]],
                    error_kw={"elinewidth": 0.8, "capsize": 1.6, "capthick": 0.8, "ecolor": "#333333"},
                )
        axes.set_xticks(range(len(languages)), [f"{LANGUAGES[code].name}\n({code})" for code in languages])
        axes.set_xlim(-0.55, len(languages) - 0.45)
        axes.set_ylim(0, 1.04)
        axes.set_ylabel("Input/output language agreement")
        axes.yaxis.grid(visible=True, linewidth=0.4, color="#cccccc")
        axes.set_axisbelow(True)
        patches = [Patch(facecolor=colour(mix, mixes), label=mix) for mix in mixes]
        patches.append(Patch(facecolor="#ffffff", edgecolor="#555555", hatch=_STRIPES, label="language not in the mix"))
        figure.legend(handles=patches, loc="outside upper center", ncols=len(patches), frameon=False)
        return figure


def losses(results: Results) -> Figure:
    """Training loss over updates, a panel a model, a colour a mix: each tuning seed thin, the mean of the seeds thick.

    Thin: as it was logged, neighbouring updates averaged where there are more than 200. Thick: averaged over the seeds
    and smoothed over a twentieth of the updates, of five at least.
    """
    models = list(dict.fromkeys(curve.model for curve in results.curves))
    there = {curve.mix for curve in results.curves}
    mixes = list(dict.fromkeys([*results.mixes, *(curve.mix for curve in results.curves)]))
    across = min(len(models), 3)
    down = math.ceil(len(models) / across)
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]  # its stubs want a literal of every key
        size = max(5.5, _PANEL[0] * across), _PANEL[1] * down
        figure = Figure(figsize=size, layout="constrained")
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
            axes.set_title(model, fontsize=9.0)
            axes.set_xlabel("Update")
            axes.set_ylabel("Training loss [nats per token]")
            axes.set_xlim(left=0)
            axes.yaxis.grid(visible=True, linewidth=0.4, color="#cccccc")
            axes.set_axisbelow(True)
        for axes in panels[len(models) :]:
            axes.set_axis_off()
        lines = [
            Line2D([], [], linewidth=1.8, label=mix, color=ink, linestyle=dash)
            for mix, (ink, dash) in ((mix, _line(mix, mixes)) for mix in mixes if mix in there)
        ]
        ncols = min(len(lines), 4 * across)
        figure.legend(handles=lines, loc="outside upper center", ncols=ncols, frameon=False, handlelength=3.2)
        return figure


def _line(mix: str, mixes: list[str]) -> tuple[str, _Dash]:
    """Colour and dashes of a mix: that of its bars, but for yellow, which is too pale for a line."""
    ink = colour(mix, mixes)
    return _OCHRE if ink == _YELLOW else ink, _DASHES[mixes.index(mix) % len(_DASHES)]


def _binned(curve: Curve) -> tuple[list[float], list[float]]:
    """Updates and losses, neighbours averaged to at most 200 points."""
    width = math.ceil(len(curve.losses) / _POINTS)
    bins = [curve.losses[start : start + width] for start in range(0, len(curve.losses), width)]
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


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as SVG and PNG (200 dpi); no dates inside."""
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]  # its stubs want a literal of every key
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        figure.savefig(folder / f"{name}.png", dpi=200, metadata={"Software": None})
