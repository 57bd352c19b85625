"""Files: a figure as PDF, SVG and PNG. The same figure gives the same bytes: no dates, no random names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text

from babeltune.report.figures import fonts

Format = Literal["svg", "png", "pdf"]
FORMATS: tuple[Format, ...] = ("svg", "png", "pdf")
DPI = 200
"""Of PNG files."""
STYLE: dict[str, Any] = {
    "font.family": [fonts.FIRST],
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 8.0,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#CCCCCC",
    "grid.linewidth": 0.4,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.columnspacing": 1.4,
    "legend.handletextpad": 0.5,
    "text.parse_math": False,  # a name with a dollar is a name
    "svg.hashsalt": "babeltune",
    "svg.fonttype": "path",  # the same picture where the fonts are missing
    "pdf.fonttype": 42,
    "pdf.compression": 9,
}


@contextmanager
def style(texts: Sequence[str] = ()) -> Iterator[None]:
    """The look of all figures, with fonts that have the letters of these texts."""
    found = fonts.families(texts)
    # A CJK font has outlines that a PDF cannot hold as TrueType: then all letters are drawn, as Type 3.
    kind = 3 if any("CJK" in family for family in found) else 42
    look: Any = {**STYLE, "font.family": found, "pdf.fonttype": kind}
    with mpl.rc_context(look), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)  # told by `fonts`
        yield


def blank(width: float, height: float) -> Figure:
    """An empty figure of a size [inches], which can be measured before it is saved."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def texts(figure: Figure) -> list[str]:
    """Everything that is written in a figure."""
    return [one.get_text() for one in figure.findobj(Text) if isinstance(one, Text)]


def save(figure: Figure, folder: Path, name: str, formats: Sequence[Format] = FORMATS) -> list[Path]:
    """Write a figure in these formats; returns the files. PNG has 200 dots per inch."""
    with style(texts(figure)):
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
        figure.set_layout_engine("none")  # laid out once for all formats
        paths = [folder / f"{name}.{one}" for one in formats]
        for one, path in zip(formats, paths, strict=True):
            _PRINT[one](figure, path)
        return paths


# The canvases themselves: `savefig` draws everything twice, once to lay it out.


def _svg(figure: Figure, path: Path) -> None:
    FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})  # type: ignore[no-untyped-call]


def _png(figure: Figure, path: Path) -> None:
    figure.set_dpi(DPI)
    FigureCanvasAgg(figure).print_png(path, metadata={"Software": None})  # type: ignore[no-untyped-call]


def _pdf(figure: Figure, path: Path) -> None:
    FigureCanvasPdf(figure).print_pdf(path, metadata={"CreationDate": None, "Creator": None, "Producer": None})  # type: ignore[no-untyped-call]


_PRINT: dict[Format, Callable[[Figure, Path], None]] = {"svg": _svg, "png": _png, "pdf": _pdf}
