"""What is to be seen in a figure: bars, whiskers, marks, texts, and whether any of these is cut or covered."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from babeltune.report.figures import catalogue
from babeltune.report.results import Results


class Bar(NamedTuple):
    colour: str
    group: str
    """Label of the group, on one line."""
    panel: str
    bottom: float
    top: float
    hatch: str
    left: float
    right: float
    alpha: float


def draw(number: str, results: Results, model: str) -> Figure:
    return catalogue.FIGURES[number].draw(results, model)


def labels(axes: Axes) -> dict[float, str]:
    return {float(at): text.get_text() for at, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)}


def shown(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.axison]


def bars(figure: Figure) -> list[Bar]:
    found, panel = [], ""
    for axes in shown(figure):
        panel = axes.get_title(loc="left") or panel
        groups = labels(axes)
        for patch in axes.patches:
            assert isinstance(patch, Rectangle)
            left, right = patch.get_x(), patch.get_x() + patch.get_width()
            group = groups[min(groups, key=lambda at: abs(at - (left + right) / 2))]
            colour = to_hex(patch.get_facecolor()).upper()
            top = patch.get_y() + patch.get_height()
            found.append(
                Bar(
                    colour,
                    group.replace("\n", " "),
                    panel,
                    patch.get_y(),
                    top,
                    patch.get_hatch() or "",
                    left,
                    right,
                    patch.get_facecolor()[3],
                )
            )
    return found


def whiskers(axes: Axes) -> list[tuple[float, float, float]]:
    """(place, lower end, upper end) of each dark one."""
    stems = [
        one
        for one in axes.collections
        if isinstance(one, LineCollection) and to_hex(one.get_color()[0]).upper() != "#FFFFFF"
    ]
    return sorted((float(low[0]), float(low[1]), float(high[1])) for one in stems for low, high in one.get_segments())


def legend(figure: Figure) -> list[str]:
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts() if text.get_text()]


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in _texts(figure))


def _texts(figure: Figure) -> Iterator[Text]:
    for one in figure.findobj(Text):
        if isinstance(one, Text) and one.get_text().strip() and one.get_visible():
            yield one


def faults(figure: Figure) -> list[str]:
    """Texts that are cut or lie on each other, and legends that lie on frames."""
    FigureCanvasAgg(figure).draw()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    paper = Bbox.from_bounds(-1, -1, figure.bbox.width + 2, figure.bbox.height + 2)
    hidden = {text for axes in figure.axes if not axes.axison for text in axes.findobj(Text)}
    hidden |= _out_of_view(figure)
    boxes = [(text, text.get_window_extent(renderer)) for text in _texts(figure) if text not in hidden]
    found = [
        f"cut: {text.get_text()!r}"
        for text, box in boxes
        if not (paper.x0 <= box.x0 and box.x1 <= paper.x1 and paper.y0 <= box.y0 and box.y1 <= paper.y1)
    ]
    for (one, box), (other, its) in itertools.combinations(boxes, 2):
        if box.padded(-0.75).overlaps(its.padded(-0.75)) and {one.get_rotation(), other.get_rotation()} <= {0.0, 90.0}:
            found.append(f"on each other: {one.get_text()!r} {other.get_text()!r}")
    frames = [axes.get_window_extent(renderer) for axes in shown(figure)]
    middle = (min(frame.y0 for frame in frames) + max(frame.y1 for frame in frames)) / 2
    slack = (
        0.5 if any(axes.get_xlabel() for axes in figure.axes) else 0.25
    )  # inches; below frames their own words stand
    for text in figure.texts:
        box = text.get_window_extent(renderer)
        if text.get_rotation() == 90 and abs((box.y0 + box.y1) / 2 - middle) > slack * figure.dpi:
            found.append(f"not beside the frames: {text.get_text()!r}")
    for legend in figure.legends:
        box = legend.get_window_extent(renderer)
        found += [
            "the legend lies on a frame" for axes in shown(figure) if box.overlaps(axes.get_window_extent(renderer))
        ]
    return found


def _out_of_view(figure: Figure) -> set[Text]:
    """Labels of ticks beyond the ends of their axes, which are not drawn."""
    return {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.majorTicks, *axis.minorTicks)
        if not min(axis.get_view_interval()) - 1e-9 <= tick.get_loc() <= max(axis.get_view_interval()) + 1e-9
        for label in (tick.label1, tick.label2)
    }
