"""Losses: a thin line a seed, a thick one a mix, told apart on a screen and on paper."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from artists import legend
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from babeltune.report.figures import palette, save
from babeltune.report.figures.curves import losses
from babeltune.report.results import Curve, Results


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
    assert [axes.get_title(loc="left") for axes in shown] == ["tiny", "b", "c", "d"]
    for axes in shown:
        inks = {to_hex(line.get_color()).upper() for line in axes.get_lines()}
        assert inks == {palette.ink(palette.colours(["mono", "multi-2"])[mix]) for mix in ("mono", "multi-2")}
    assert legend(figure) == ["mono", "multi-2"]


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

    assert all(1.05 / (palette.luminance(to_hex(line.get_color())) + 0.05) > 2 for line in thick)


def test_a_loss_that_is_no_number_is_a_gap_not_a_crash(results: Results, tmp_path: Path) -> None:
    broken = dataclasses.replace(results, curves=(curve("mono", 0, 3, float("nan"), float("inf"), 2),))
    save(losses(broken), tmp_path, "losses")
    assert (tmp_path / "losses.svg").exists()


def test_the_ends_of_a_curve_are_means_of_ten_updates_or_of_half() -> None:
    assert curve("mono", 0, *[3.0] * 10, *[9.0] * 5, *[1.0] * 10).ends == (3.0, 1.0)
    assert curve("mono", 0, 4, 2, 1).ends == (4, 1)
    assert curve("mono", 0, 5).ends == (5, 5)
    assert curve("mono", 0, 4, 2, 1).updates == 3
