"""Figure 1: a bar for each cell with a value, stripes where the mix lacks the language, whiskers in [0, 1]."""

from __future__ import annotations

import dataclasses
import itertools
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

from babeltune.report.figures import colour, figure_1, save
from babeltune.report.results import Board, Results

AGREEMENT = Board("dialogue", "xx:xx", "agreement")


def bars(figure: Figure, results: Results) -> dict[tuple[str, str], Any]:
    """(mix, language) of each bar, told by its colour and its place alone."""
    (axes,) = figure.axes
    mixes, languages = results.mix_names("tiny"), results.languages("tiny")
    mix_of = {colour(mix, mixes): mix for mix in mixes}
    found: dict[tuple[str, str], Any] = {}
    for container in axes.containers:
        if isinstance(container, BarContainer):
            (bar,) = container.patches
            key = mix_of[to_hex(bar.get_facecolor()).upper()], languages[round(bar.get_x() + bar.get_width() / 2)]
            assert key not in found
            found[key] = container
    return found


def whisker(container: BarContainer) -> tuple[float, float]:
    ((_, low), (_, high)) = container.errorbar.lines[2][0].get_segments()[0]
    return float(low), float(high)


def test_each_cell_with_a_value_has_one_bar_of_its_height(results: Results) -> None:
    found = bars(figure_1(results, "tiny", AGREEMENT), results)
    values = {key: row["value"] for key, row in results.of("tiny", AGREEMENT).items() if row["value"] is not None}
    assert {key: container.patches[0].get_height() for key, container in found.items()} == values
    assert ("base", "de") not in found


def test_stripes_stand_exactly_where_a_mix_lacks_the_language(results: Results) -> None:
    found = bars(figure_1(results, "tiny", AGREEMENT), results)
    striped = {key for key, container in found.items() if container.patches[0].get_hatch()}
    assert striped == {("mono", "es"), ("mono", "de"), ("multi-2", "de")}


def test_whiskers_are_the_intervals_and_stay_within_zero_and_one(results: Results) -> None:
    cells = results.of("tiny", AGREEMENT)
    for key, container in bars(figure_1(results, "tiny", AGREEMENT), results).items():
        assert whisker(container) == pytest.approx((cells[key]["low"], cells[key]["high"]))
        assert 0 <= whisker(container)[0] <= whisker(container)[1] <= 1


def test_an_interval_that_misses_its_value_by_rounding_is_drawn(results: Results) -> None:
    by_rounding = tuple({**row, "value": 0.3, "low": 0.1 + 0.2, "high": 0.3} for row in results.rows)
    found = bars(figure_1(dataclasses.replace(results, rows=by_rounding), "tiny", AGREEMENT), results)
    assert {whisker(container) for container in found.values()} == {(0.3, 0.3)}


def test_bars_do_not_overlap_and_the_axis_shows_all(results: Results) -> None:
    figure = figure_1(results, "tiny", AGREEMENT)
    edges = sorted(
        (container.patches[0].get_x(), container.patches[0].get_x() + container.patches[0].get_width())
        for container in bars(figure, results).values()
    )
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(edges))
    axes: Axes = figure.axes[0]
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] >= 1
    assert [label.get_text() for label in axes.get_xticklabels()] == ["English\n(en)", "Spanish\n(es)", "German\n(de)"]


def test_the_legend_names_each_mix_and_the_stripes(results: Results) -> None:
    (legend,) = figure_1(results, "tiny", AGREEMENT).legends
    assert [text.get_text() for text in legend.get_texts()] == ["base", "mono", "multi-2", "language not in the mix"]


def test_mixes_have_colours_of_their_own() -> None:
    mixes = ["base", *(f"m{at}" for at in range(8))]
    assert len({colour(mix, mixes) for mix in mixes}) == 9
    assert colour("m0", mixes) == colour("m0", mixes[1:])


def test_svg_and_png_are_written_and_repeat_byte_for_byte(results: Results, tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        save(figure_1(results, "tiny", AGREEMENT), folder, "figure-1")
        assert {path.name for path in folder.iterdir()} == {"figure-1.svg", "figure-1.png"}
        written.append([(folder / f"figure-1.{end}").read_bytes() for end in ("svg", "png")])
    assert written[0] == written[1]
    svg, png = written[0]
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
