"""The variance split against an analysis of variance by hand, on simulated studies, and what its widths come to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babeltune.measure.statistics.variance import Grid, Split, advice, options, pooled, width

Floats = npt.NDArray[np.float64]
TRUE = {"item": 0.09, "tuning": 0.004, "sampling": 0.001, "interaction": 0.02, "residual": 0.06}


def runs(tunings: int, samplings: int) -> tuple[tuple[int, int], ...]:
    return tuple((tuning, sampling) for tuning in range(tunings) for sampling in range(samplings))


def simulated(
    rng: np.random.Generator, items: int, tunings: int, samplings: int, true: dict[str, float] = TRUE
) -> Grid:
    """A cell whose effects are normal, of these variances."""

    def effect(name: str, *shape: int) -> Floats:
        return rng.normal(0, true[name] ** 0.5, shape)

    values = (
        0.5
        + effect("item", items, 1, 1)
        + effect("tuning", 1, tunings, 1)
        + effect("sampling", 1, tunings, samplings)
        + effect("interaction", items, tunings, 1)
        + effect("residual", items, tunings, samplings)
    )
    return Grid(values.reshape(items, -1), runs(tunings, samplings))


def split(values: object, *seeds: tuple[int, int]) -> Split:
    """Of a cell with these values, [items, runs]."""
    return pooled([Grid(np.array(values, dtype=float), seeds)])


def anova(grid: Grid) -> dict[str, float]:
    """Of a complete design, from mean squares and their expectations (crossed items, samplings nested in tunings)."""
    tunings = len({tuning for tuning, _ in grid.runs})
    y = grid.values.reshape(len(grid.values), tunings, -1)
    items, _, samplings = y.shape
    mean = y.mean()
    by_item, by_tuning = y.mean((1, 2)), y.mean((0, 2))
    by_run, by_both = y.mean(0), y.mean(2)
    ms_item = tunings * samplings * ((by_item - mean) ** 2).sum() / (items - 1)
    ms_tuning = items * samplings * ((by_tuning - mean) ** 2).sum() / (tunings - 1)
    ms_sampling = items * ((by_run - by_tuning[:, None]) ** 2).sum() / (tunings * (samplings - 1))
    cross = by_both - by_item[:, None] - by_tuning + mean
    ms_cross = samplings * (cross**2).sum() / ((items - 1) * (tunings - 1))
    rest = y - by_both[..., None] - by_run + by_tuning[None, :, None]
    ms_rest = (rest**2).sum() / ((items - 1) * tunings * (samplings - 1))
    return {
        "item": (ms_item - ms_cross) / (tunings * samplings),
        "tuning": (ms_tuning - ms_cross - ms_sampling + ms_rest) / (items * samplings),
        "sampling": (ms_sampling - ms_rest) / items,
        "interaction": (ms_cross - ms_rest) / samplings,
        "residual": ms_rest,
    }


@pytest.mark.parametrize(("items", "tunings", "samplings"), [(2, 2, 2), (7, 3, 2), (40, 2, 5)])
def test_where_no_value_is_missing_it_is_the_analysis_of_variance(items: int, tunings: int, samplings: int) -> None:
    grid = simulated(np.random.default_rng(items), items, tunings, samplings)
    found = pooled([grid])
    for part, value in anova(grid).items():
        assert getattr(found, part) == pytest.approx(max(0.0, value), abs=1e-12)
    assert (found.n_items, found.n_tuning, found.n_sampling) == (items, tunings, samplings)


def test_a_split_by_hand() -> None:
    # One tuning, items' means 1 and 3, seeds' means 1.5 and 2.5, and nothing left: mean squares 4, 1 and 0, so items
    # (4 - 0) / 2 and seeds (1 - 0) / 2.
    found = split([[0.5, 1.5], [2.5, 3.5]], (0, 0), (0, 1))
    assert (found.item, found.sampling, found.residual) == (pytest.approx(2), pytest.approx(0.5), pytest.approx(0))
    assert found.tuning is None
    assert found.interaction is None
    # 1.96 sqrt(2 / 2 + 0.5 / 2)
    assert width(found) == pytest.approx(1.959964 * 1.25**0.5, rel=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.08])
def test_known_components_come_back(missing: float) -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(60):
        grid = simulated(rng, 60, 4, 3)
        grid.values[rng.random(grid.values.shape) < missing] = np.nan
        found.append(pooled([grid]))
    for part, true in TRUE.items():
        values = np.array([getattr(one, part) for one in found])
        # Cut at zero, small components come out a little high; three standard errors and a twentieth of the largest.
        assert values.mean() == pytest.approx(true, abs=3 * values.std() / len(values) ** 0.5 + 1e-4), part


def test_cells_taken_together_are_nearer_to_the_truth() -> None:
    rng = np.random.default_rng(2)
    found = pooled([simulated(rng, 50, 3, 3) for _ in range(150)])
    assert found.cells == 150
    assert (found.n_items, found.n_tuning, found.n_sampling) == (50, 3, 3)
    assert found.item == pytest.approx(TRUE["item"], rel=0.06)
    assert found.residual == pytest.approx(TRUE["residual"], rel=0.03)
    assert found.interaction == pytest.approx(TRUE["interaction"], rel=0.1)
    assert found.tuning == pytest.approx(TRUE["tuning"], rel=0.35)


def test_the_cells_that_tell_most_apart_are_taken() -> None:
    rng = np.random.default_rng(3)
    rich = simulated(rng, 30, 2, 2)
    assert pooled([simulated(rng, 30, 1, 2), rich, simulated(rng, 30, 2, 1)]) == pooled([rich])


def test_what_a_design_cannot_tell_is_none_and_in_what_holds_it() -> None:
    rng = np.random.default_rng(4)
    none = [pooled([simulated(rng, 300, tunings, samplings) for _ in range(40)])
            for tunings, samplings in ((1, 3), (3, 1), (1, 1))]  # fmt: skip
    one_tuning, one_sampling, one_run = none
    assert (one_tuning.tuning, one_tuning.interaction) == (None, None)
    assert one_tuning.item == pytest.approx(TRUE["item"] + TRUE["interaction"], rel=0.05)
    assert one_tuning.sampling is not None
    assert (one_sampling.sampling, one_sampling.interaction) == (None, None)
    assert one_sampling.residual == pytest.approx(TRUE["residual"] + TRUE["interaction"], rel=0.05)
    assert one_sampling.tuning == pytest.approx(TRUE["tuning"] + TRUE["sampling"], rel=0.5)
    assert (one_run.tuning, one_run.sampling, one_run.interaction, one_run.residual) == (None,) * 4
    assert one_run.item == pytest.approx(TRUE["item"] + TRUE["interaction"] + TRUE["residual"], rel=0.05)


@pytest.mark.parametrize(("items", "tunings", "samplings"), [(40, 2, 3), (120, 3, 1), (20, 5, 2)])
def test_the_width_foretold_is_that_of_studies_of_that_size(items: int, tunings: int, samplings: int) -> None:
    rng = np.random.default_rng(5)
    told = pooled([simulated(rng, 80, 4, 3) for _ in range(60)])
    means = [simulated(rng, items, tunings, samplings).values.mean() for _ in range(3000)]
    # The standard deviation of 3,000 means is known to 1.3 %, the foretold one, from 240 tunings, to some 6 %.
    assert width(told, items, samplings, tunings) == pytest.approx(1.96 * np.std(means), rel=0.12)


def test_without_seeds_that_differ_the_width_is_that_of_the_bootstrap() -> None:
    from babeltune.measure.statistics.intervals import mean

    values = (np.random.default_rng(6).random(200) < 0.4).astype(float)
    found = split(values[:, np.newaxis], (0, 0))
    interval = mean({str(at): [value] for at, value in enumerate(values)})
    assert width(found) == pytest.approx((interval.high - interval.low) / 2, rel=0.05)


PARTS = st.floats(0, 1)
SPLITS = st.builds(Split, st.integers(2, 500), st.integers(2, 5), st.integers(2, 5), PARTS, PARTS, PARTS, PARTS, PARTS)


@given(SPLITS, st.floats(0.001, 1))
def test_options_are_the_fewest_that_reach_the_width(found: Split, target: float) -> None:
    size = {"items": "items", "sampling seeds": "sampling", "tuning seeds": "tuning"}
    now = {"items": found.n_items, "sampling seeds": found.n_sampling, "tuning seeds": found.n_tuning}
    assert {one.add for one in options(found, target)} == set(size)
    for one in options(found, target):
        assert one.width == pytest.approx(width(found, **{size[one.add]: one.n}))
        assert one.width <= width(found) + 1e-12
        assert now[one.add] < one.n <= 100 * now[one.add]
        if one.reaches:
            assert one.width <= target * (1 + 1e-6)
            assert one.n == now[one.add] + 1 or width(found, **{size[one.add]: one.n - 1}) > target * (1 - 1e-6)
        else:
            assert one.n == 16 * now[one.add]
            assert one.width > target


@given(SPLITS, st.floats(0.001, 1))
def test_advice_names_an_option_or_that_nothing_is_needed(found: Split, target: float) -> None:
    told = advice(found, target)
    if width(found) <= target:
        assert "nothing has to be added" in told
    else:
        assert any(f"{one.n} {one.add} in place of" in told for one in options(found, target) if one.reaches) or (
            "no one kind alone" in told
        )


def test_advice_in_words() -> None:
    # Variance of the mean: 0.09 / 100 = 9e-4 of items, and 0.03 / 300 = 1e-4 of outputs.
    few_items = Split(100, 3, 1, 0.09, 0.0, None, None, 0.03)
    assert advice(few_items, 0.1) == (
        "The 95 % interval is ±0.062, within the ±0.1 asked for: nothing has to be added "
        "(what more tuning seeds would change is not known: there is one)."
    )
    # A tenth of the variance is out of reach of sampling seeds: 16 times as many leave 9.06e-4.
    assert advice(few_items, 0.05) == (
        "The 95 % interval is ±0.062: 154 items in place of 100 bring it to ±0.05, since differences between items make "
        "90 % of its variance; 48 sampling seeds would leave ±0.059 "
        "(what more tuning seeds would change is not known: there is one)."
    )
    alone = Split(24, 1, 1, 0.13, None, None, None, None)
    assert advice(alone, 0.05) == (
        "The 95 % interval is ±0.14: 200 items in place of 24 bring it to ±0.05, since there is one output to each item "
        "(what more tuning or sampling seeds would change is not known: there is one)."
    )
    # Tuning seeds only where nothing else does.
    # Of tuning seeds 0.01 / 2, of items 0.03 / 300, of outputs 0.03 / 1800.
    few_tunings = Split(300, 3, 2, 0.03, 0.0, 0.01, 0.0, 0.03)
    assert "tuning seeds in place of 2" in advice(few_tunings, 0.08)
    assert "differences between tuning seeds make 98 % of its variance" in advice(few_tunings, 0.08)
    # Thirty-nine times the items would do, but twice the tuning seeds do too.
    hundredfold = Split(100, 3, 2, 0.1, 0.0, 0.005, 0.0, 0.0)
    assert "4 tuning seeds in place of 2" in advice(hundredfold, 0.0985)
    assert [one.reaches for one in options(hundredfold, 0.0985)] == [True, False, True]
    both = Split(50, 2, 2, 0.05, 0.0, 0.002, 0.0, 0.05)
    assert "no one kind alone" in advice(both, 0.01)


def test_what_cannot_be_split_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="two items or more"):
        split([[1.0, 0.0]], (0, 0), (0, 1))
    with pytest.raises(ValueError, match="two items or more"):
        split(np.empty((0, 0)))
    # Every item under a seed of its own: item and seed are one.
    with pytest.raises(ValueError, match="seeds that items share"):
        split(np.where(np.eye(3), [1.0, 0.0, 0.5], np.nan), (0, 0), (0, 1), (0, 2))


def test_values_that_do_not_vary_have_no_variance_and_need_nothing() -> None:
    found = split(np.full((3, 4), 0.7), *runs(2, 2))
    assert (found.item, found.tuning, found.sampling, found.residual) == pytest.approx((0, 0, 0, 0), abs=1e-12)
    assert width(found) == pytest.approx(0, abs=1e-9)
    assert "nothing has to be added" in advice(found, 0.01)


@given(st.integers(0, 2**32 - 1), st.floats(-5, 5), st.floats(0.1, 10))
@settings(max_examples=25)
def test_shifting_changes_nothing_and_scaling_goes_by_the_square(seed: int, shift: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    grid = simulated(rng, 12, 3, 2)
    grid.values[rng.random(grid.values.shape) < 0.1] = np.nan
    one, two = pooled([grid]), pooled([Grid(shift + scale * grid.values, grid.runs)])
    for part in TRUE:
        assert getattr(two, part) == pytest.approx(scale**2 * getattr(one, part), rel=1e-6, abs=1e-9 * scale**2)
