"""The picture of growth: time and memory over size, both axes logarithmic, in the look of the project's figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from babeltune.report.figures import palette
from babeltune.report.figures.files import save, style
from parts.curve import Curve

_MARKERS = "osD^vPX*h"


def draw(curves: Sequence[Curve], folder: Path, name: str) -> None:
    """Write NAME.svg."""
    inks = [palette.ink(shade) for shade in palette.steps(len(curves))]
    with style([curve.name for curve in curves]):
        figure = Figure(figsize=(7.0, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, 2)
        for axes, title in zip(panels, ("Processor [s]", "Peak memory [MiB]"), strict=True):
            for at, (curve, ink) in enumerate(zip(curves, inks, strict=True)):
                about = curve.time if "s]" in title else curve.memory
                sizes = [point.size for point in curve.points]
                values = [point.seconds if "s]" in title else point.mib for point in curve.points]
                axes.plot(sizes, values, _MARKERS[at % len(_MARKERS)], color=ink, markersize=3.5, label=curve.name)
                between = np.geomspace(min(sizes), max(sizes), 60)
                fitted = about.fixed + about.slope * (between / max(sizes)) ** about.exponent
                axes.plot(between, fitted, palette.DASHES[at % len(palette.DASHES)], color=ink, linewidth=0.9)
            axes.set_xscale("log")
            axes.set_yscale("log")
            # matplotlib's own labels of powers are formulas, which the figures' style shows as they are written.
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(
                FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
            )
            axes.set_xlabel("Chats, outputs or cells")
            axes.set_title(title, loc="left")
            axes.grid(visible=True)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        save(figure, folder, name, ("svg",))
