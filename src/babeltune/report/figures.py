"""Figures, each named by its number in the paper: colour-blind palette (Okabe and Ito 2008), stripes for zero-shot."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from babeltune.languages import LANGUAGES
from babeltune.report.results import Board, Results

_BASE = "#999999"
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_STRIPES = "////"
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


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as SVG and PNG (200 dpi); no dates inside."""
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]  # its stubs want a literal of every key
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        figure.savefig(folder / f"{name}.png", dpi=200, metadata={"Software": None})
