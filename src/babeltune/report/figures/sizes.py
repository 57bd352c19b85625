"""Figure 8: a large model as points over the bars of a small one."""

from __future__ import annotations

import dataclasses
import re

from babeltune.errors import NotDrawnError
from babeltune.report.figures import cells
from babeltune.report.figures.chart import Chart, Series
from babeltune.report.results import Results

_SIZE = re.compile(r"(?<![0-9.])(\d+(?:\.\d+)?) ?([mb])(?![a-z])", re.IGNORECASE)

_APART = 2
"""How many times a small model's size a large one's is, at least."""


def size(model: str) -> float | None:
    """Parameters [billions] that a model's name states: ``Llama-2-70b-hf`` -> 70."""
    found = _SIZE.findall(model)
    return float(found[-1][0]) / (1000 if found[-1][1].lower() == "m" else 1) if found else None


def smaller(results: Results, model: str) -> str:
    """The model to set beside a large one: of those of half its size or less, by their names,
    the one of its family, else the largest.

    Raises:
        NotDrawnError: there is none.
    """
    own = size(model)
    found = [
        other
        for other in results.models()
        if own is not None and (its := size(other)) is not None and its <= own / _APART and _asked(results, other)
    ]
    if not found:
        named = "no size such as 70b in its name" if own is None else "none of half its size beside it"
        raise NotDrawnError(
            f"needs two models whose names tell their sizes, as 7b and 70b, both asked dialogue; {model} has {named}. "
            "Models of two studies: babeltune figures STUDY STUDY --figure 8"
        )
    family = _SIZE.sub("", model)
    return min(found, key=lambda other: (_SIZE.sub("", other) != family, -(size(other) or 0.0)))


def _asked(results: Results, model: str) -> bool:
    return any(row["model"] == model and row["task"] == "dialogue" for row in results.rows)


def over(results: Results, model: str) -> Chart:
    """The chart: the large model's points over the smaller one's bars.

    Where the large model was tuned on translated mixes, as the authors' 70b, each is set over the native mix with the
    same languages.
    """
    small = smaller(results, model)
    board, its = cells.dialogue(results, small), cells.dialogue(results, model)
    if cells.judged(board) != cells.judged(its):
        raise NotDrawnError(f"needs one measure of both models: only one of {small} and {model} was judged")
    mixes = cells.ladder(results, small)
    # The small model's mix below each point of the large one's.
    large = {
        mix: mix if mix in mixes else cells.counterpart(results, mix, mixes) for mix in cells.ladder(results, model)
    }
    if not set(large.values()) & set(mixes):
        raise NotDrawnError(f"needs mixes that both models were tuned on; {small} and {model} share none")
    bars, points = cells.panel(results, small, board, mixes), cells.panel(results, model, its, list(large))
    marks = dict(bars.marks)
    both = {code: label for code, label in bars.ticks.items() if code in points.ticks}
    if not both:
        raise NotDrawnError(f"needs languages that both models were asked in; {small} and {model} share none")
    places = {mix: at for at, mix in enumerate(mixes)}
    shades = {one.name: one.colour for one in cells.series(results, mixes)}
    series = [Series(mix, shades[mix], "pale", place=places[mix]) for mix in mixes]
    for mix, under in large.items():
        if under is None:
            continue
        series.append(Series(f"{mix}, {model}", shades[under], points=True, place=places[under]))
        marks |= {(f"{mix}, {model}", code): mark for (of, code), mark in points.marks.items() if of == mix}
    marks = {key: mark for key, mark in marks.items() if key[1] in both}
    models = f"{model} (triangles) and {small} (semi-transparent bars) under each mix"
    said = (
        f"{cells.measured(results, board, models)}.",
        cells.STRIPES if any(mark.zero_shot for mark in bars.marks.values()) else "",
    )
    return cells.chart(
        f"{model} over {small}",
        board,
        said,
        list(marks.values()),
        series=tuple(one for one in series if any(name == one.name for name, _ in marks)),
        panels=(dataclasses.replace(bars, ticks=both, marks=marks),),
        striped=cells.STRIPED,
        over=(model, small),
    )
