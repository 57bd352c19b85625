"""Figure 1: a bar for each cell with a value, stripes where the mix lacks the language, whiskers in [0, 1]; and losses."""

from __future__ import annotations

import dataclasses
import itertools
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

from babeltune.report.figures import colour, figure_1, losses, save
from babeltune.report.results import Board, Curve, Results

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


def curve(mix: str, seed: int, *values: float, model: str = "tiny") -> Curve:
    return Curve(model, mix, seed, tuple(enumerate(values, 1)), 1000)


def drawn(figure: Figure, panel: int = 0) -> tuple[list[list[float]], list[list[float]]]:
    """Values of the thin lines and of the thick ones."""
    found = figure.axes[panel].get_lines()
    thin, thick = ([line for line in found if (line.get_linewidth() > 1) == wide] for wide in (False, True))
    return [list(map(float, line.get_ydata())) for line in thin], [list(map(float, line.get_ydata())) for line in thick]


def test_each_seed_has_a_thin_line_of_its_losses_and_each_mix_a_thick_one(results: Results) -> None:
    flat = [4.0] * 9
    one, two = [3.0] * 9, [1.0] * 9
    found = dataclasses.replace(
        results, curves=(curve("mono", 0, *one), curve("mono", 1, *two), curve("multi-2", 0, *flat))
    )
    thin, thick = drawn(losses(found))
    assert thin == [one, two, flat]
    assert thick == [[2.0] * 9, flat]  # the mean of the seeds


def test_a_thick_line_is_smooth_and_keeps_the_level(results: Results) -> None:
    rough = [float(at % 2) for at in range(40)]
    _, ((*smooth,),) = drawn(losses(dataclasses.replace(results, curves=(curve("mono", 0, *rough),))))
    assert max(smooth[2:-2]) - min(smooth[2:-2]) <= 0.2 + 1e-9
    assert sum(smooth) / 40 == pytest.approx(0.5, abs=0.02)


def test_a_long_tuning_has_no_more_points_than_can_be_seen(results: Results) -> None:
    long = dataclasses.replace(results, curves=(curve("mono", 0, *(float(at) for at in range(2000))),))
    figure = losses(long)
    ((*values,),), _ = drawn(figure)
    assert len(values) == 200
    assert values[0] == 4.5  # the mean of 0 … 9, at update 5.5
    assert float(figure.axes[0].get_lines()[0].get_xdata()[0]) == 5.5
    assert sum(values) / 200 == pytest.approx(999.5)


def test_seeds_of_unequal_length_are_averaged_as_far_as_all_go(results: Results) -> None:
    unequal = dataclasses.replace(results, curves=(curve("mono", 0, 1, 1, 1), curve("mono", 1, 3, 3)))
    assert drawn(losses(unequal)) == ([[1, 1, 1], [3, 3]], [[2, 2]])


def test_models_have_panels_and_mixes_the_colours_of_figure_1(results: Results) -> None:
    found = dataclasses.replace(
        results,
        curves=tuple(
            curve(mix, 0, 2, 1, model=model) for model in ("tiny", "b", "c", "d") for mix in ("mono", "multi-2")
        ),
    )
    figure = losses(found)
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in shown] == ["tiny", "b", "c", "d"]
    for axes in shown:
        inks = {to_hex(line.get_color()).upper() for line in axes.get_lines()}
        assert inks == {colour("mono", ["mono", "multi-2"]), colour("multi-2", ["mono", "multi-2"])}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["mono", "multi-2"]


def test_lines_differ_without_colours_and_none_is_too_pale_for_paper(results: Results) -> None:
    names = [f"m{at}" for at in range(8)]
    figure = losses(
        dataclasses.replace(
            results, mixes={name: {} for name in names}, curves=tuple(curve(name, 0, 2, 1) for name in names)
        )
    )
    thick = [line for line in figure.axes[0].get_lines() if line.get_linewidth() > 1]
    assert len({(line.get_color(), line.get_linestyle()) for line in thick}) == 8
    assert len({line.get_linestyle() for line in thick[:4]}) == 4

    def luminance(ink: str) -> float:
        """Relative luminance (WCAG 2.2)."""
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(ink)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    assert all(1.05 / (luminance(line.get_color()) + 0.05) > 2 for line in thick)


def test_a_loss_that_is_no_number_is_a_gap_not_a_crash(results: Results, tmp_path: Path) -> None:
    broken = dataclasses.replace(results, curves=(curve("mono", 0, 3, float("nan"), float("inf"), 2),))
    save(losses(broken), tmp_path, "losses")
    assert (tmp_path / "losses.svg").exists()


def test_the_ends_of_a_curve_are_means_of_ten_updates_or_of_half() -> None:
    assert curve("mono", 0, *[3.0] * 10, *[9.0] * 5, *[1.0] * 10).ends == (3.0, 1.0)
    assert curve("mono", 0, 4, 2, 1).ends == (4, 1)
    assert curve("mono", 0, 5).ends == (5, 5)
    assert curve("mono", 0, 4, 2, 1).updates == 3
