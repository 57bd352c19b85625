"""Intervals against scipy's bootstrap and scipy's Wilson interval, and the claims on clusters and pairs."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import METHODS, SAMPLES, Floats, assert_same, items, mean_difference, scipy_bootstrap, wilson
from scipy import stats

from babeltune.measure.statistics import intervals
from babeltune.measure.statistics.intervals import (
    Difference,
    Method,
    Resampling,
    averages,
    difference,
    differences,
    mean,
    means,
)

QUICK = Resampling(resamples=400)
ROWS = Resampling(unit="rows")
quick_mean = functools.partial(mean, how=QUICK)
quick_difference = functools.partial(difference, how=QUICK)


@METHODS
def test_mean_is_that_of_scipy(method: Method) -> None:
    values = np.random.default_rng(1).lognormal(size=60) / 20  # skewed, so that BCa is another interval
    found = mean(items(values), how=Resampling(method))
    assert found.value == pytest.approx(values.mean())
    assert found.n == 60
    assert_same(found, scipy_bootstrap(values, method=method), method)


def test_mean_of_shares_is_that_of_scipy_within_one_item() -> None:
    values = (np.random.default_rng(2).random(48) < 0.7).astype(float)
    found = mean(items(values))
    # A mean of 48 zeros and ones moves in steps of 1/48; an error of Monte Carlo can be one step, no more.
    assert (found.low, found.high) == pytest.approx(scipy_bootstrap(values), abs=1 / 48 + 1e-9)


@METHODS
def test_paired_difference_is_that_of_scipy(method: Method) -> None:
    rng = np.random.default_rng(3)
    first = rng.random(70)
    second = np.clip(0.8 * first + rng.normal(0, 0.1, 70), 0, 1)
    found = difference({"de": items(first)}, {"de": items(second)}, how=Resampling(method))
    assert found.value == pytest.approx(first.mean() - second.mean())
    theirs = scipy_bootstrap(first, second, statistic=mean_difference, paired=True, method=method)
    assert_same(found, theirs, method)


@METHODS
def test_an_average_over_languages_resamples_items_as_scipy_does(method: Method) -> None:
    rng = np.random.default_rng(4)
    # Rows are items, columns languages; an item is alike in all of them, and one in seven is unscored.
    table = np.clip(rng.random((50, 1)) + rng.normal(0, 0.15, (50, 3)), 0, 1)
    table[rng.random(table.shape) < 1 / 7] = np.nan
    groups = {
        code: {item: row for item, row in items(table[:, at]).items() if not np.isnan(row[0])}
        for at, code in enumerate(("de", "fr", "it"))
    }

    def statistic(rows: Floats, axis: int) -> Floats:
        picked = table[rows.astype(int)]  # (resamples, items, languages)
        return np.asarray(np.nanmean(picked, axis=-2).mean(axis=-1))

    (found,) = averages([groups], how=Resampling(method))
    assert found.value == pytest.approx(np.nanmean(table, axis=0).mean())
    assert found.n == 50
    assert_same(found, scipy_bootstrap(np.arange(50.0), statistic=statistic, method=method), method)


def test_languages_weigh_the_same_however_many_items_they_have() -> None:
    assert averages([{"de": items([1.0] * 30), "fr": items([0.0] * 10)}])[0].value == 0.5


@pytest.mark.parametrize("n", [1, 2, 24, 100])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_variation_the_interval_of_a_mean_is_wilsons(share: float, n: int) -> None:
    found = mean(items([share] * n))
    assert found.value == share
    assert (found.low, found.high) == pytest.approx(wilson(share, n), abs=1e-12)


def test_without_variation_no_mean_claims_certainty() -> None:
    found = mean({str(item): [0.0, 1.0] for item in range(10)})
    assert found.value == 0.5
    assert (found.low, found.high) == pytest.approx(wilson(0.5, 10), abs=1e-12)
    assert mean({"a": [0.3]}).low < 0.3 < mean({"a": [0.3]}).high


@pytest.mark.parametrize("n", [1, 24, 100])
def test_the_difference_of_equal_samples_is_zero_give_or_take_wilsons_bound_for_none_of_n(n: int) -> None:
    same = {"de": items(np.random.default_rng(n).random(n))}
    _, w = wilson(0.0, n)
    found = difference(same, same)
    assert found.value == 0.0
    assert (found.low, found.high) == pytest.approx((-w, w), abs=1e-12)


def test_a_difference_that_is_the_same_on_every_item_is_widened_though_rounding_moves_it() -> None:
    first = {f"p{at}": [0.3 + 0.1 * (at % 5), 0.9] for at in range(37)}
    second = {item: [value - 0.3 for value in row] for item, row in first.items()}
    found = difference({"de": first}, {"de": second})
    _, w = wilson(0.0, 37)
    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.3 - w, 0.3 + w), abs=1e-9)


def test_a_widened_difference_stays_within_its_range() -> None:
    all_, none = {"de": items([1.0] * 24)}, {"de": items([0.0] * 24)}
    _, w = wilson(0.0, 24)
    up, down = difference(all_, none), difference(none, all_)
    assert (up.value, up.low, up.high) == pytest.approx((1, 1 - w, 1), abs=1e-12)
    assert (down.value, down.low, down.high) == pytest.approx((-1, -1, w - 1), abs=1e-12)


def test_one_item_that_differs_is_variation_enough() -> None:
    found = difference({"de": items([1.0] + [0.0] * 23)}, {"de": items([0.0] * 24)})
    assert found.value == pytest.approx(1 / 24)
    # One item of 24 is drawn at most 3 times in 97.5 % of resamples (binomial of 24 and 1/24), and at least 0 times.
    assert (found.low, found.high) == pytest.approx((0, stats.binom.ppf(0.975, 24, 1 / 24) / 24))


@given(SAMPLES, st.integers(2, 5))
def test_more_seeds_that_say_the_same_narrow_nothing(values: dict[str, list[float]], times: int) -> None:
    assert quick_mean({item: row * times for item, row in values.items()}) == quick_mean(values)


def test_the_same_values_as_items_of_their_own_would_be_narrower() -> None:
    values = {item: row * 4 for item, row in items(np.random.default_rng(5).random(40)).items()}
    clustered, naive = mean(values), mean(values, how=ROWS)
    # Four times the items: half the width.
    assert (naive.high - naive.low) / (clustered.high - clustered.low) == pytest.approx(0.5, abs=0.05)


def test_the_authors_rows_are_the_values_each_by_itself() -> None:
    values = {f"p{at}": list(row) for at, row in enumerate(np.random.default_rng(15).random((9, 3)))}
    apart = {f"{item}-{seed}": [value] for item, row in values.items() for seed, value in enumerate(row)}
    assert mean(values, how=ROWS) == mean(apart)
    assert mean(values, how=ROWS).n == 27
    # A row takes part in a difference where both sides have it.
    pair = difference({"de": values}, {"de": {"p0": [0.1, 0.2], "p7": [0.3]}}, how=ROWS)
    assert pair.n == 3
    assert pair.value == pytest.approx((sum(values["p0"][:2]) + values["p7"][0] - 0.6) / 3)


@METHODS
def test_intervals_cover_the_truth_as_often_as_they_say_where_seeds_are_alike(method: Method) -> None:
    rng = np.random.default_rng(6)
    # Items of true mean 0.5 and beta(1, 1) difficulty; four seeds of each.
    cells = [
        {str(item): list(map(float, row)) for item, row in enumerate(rng.random((40, 4)) < rng.beta(1, 1, (40, 1)))}
        for _ in range(600)
    ]
    covered, pooled = (
        sum(one.low <= 0.5 <= one.high for one in means(cells, how=Resampling(method, unit, 2000)))
        for unit in ("items", "rows")
    )
    # Binomial of 600 and 0.95: 554 to 584 in 99.7 % of runs; the percentile bootstrap of 40 items runs a little low.
    assert 550 <= covered <= 584
    # Their deviation is the square root of 1 + 3 rho too small, rho = 1/3 of such items: 1.96 of them hold 83 %.
    assert pooled < 525


def test_pairs_are_narrower_than_two_samples_where_items_are_alike() -> None:
    rng = np.random.default_rng(8)
    hardness = rng.random(80)
    first, second = np.clip(hardness + rng.normal(0.05, 0.05, 80), 0, 1), hardness
    paired = difference({"de": items(first)}, {"de": items(second)})
    low, high = scipy_bootstrap(first, second, statistic=mean_difference, paired=False)
    assert paired.high - paired.low < 0.4 * (high - low)


@given(SAMPLES, SAMPLES)
def test_a_difference_turned_round_changes_its_sign(one: dict[str, list[float]], two: dict[str, list[float]]) -> None:
    if not set(one) & set(two):
        with pytest.raises(ValueError, match="both sides"):
            quick_difference({"de": one}, {"de": two})
        return
    there, back = quick_difference({"de": one}, {"de": two}), quick_difference({"de": two}, {"de": one})
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low), abs=1e-9)
    assert -1 <= there.low <= there.value <= there.high <= 1
    assert there.n == len(set(one) & set(two))


@given(SAMPLES)
def test_a_mean_lies_in_its_interval_and_both_lie_in_the_range(values: dict[str, list[float]]) -> None:
    found = quick_mean(values)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value <= found.high + 1e-12
    assert found.high <= 1
    assert found.n == len(values)


def test_only_items_scored_on_both_sides_take_part() -> None:
    first = {"de": {"a": [1.0], "b": [1.0], "c": [0.0], "d": []}, "fr": {"a": [1.0]}, "it": {"a": [0.0]}}
    second = {"de": {"b": [0.0], "c": [1.0], "d": [1.0], "e": [1.0]}, "fr": {"z": [1.0]}}
    found = difference(first, second)
    # German b and c remain: (1 - 0 + 0 - 1) / 2; French has no item in common, Italian no second side.
    assert (found.value, found.n) == (0.0, 2)


def test_an_item_without_values_is_no_item() -> None:
    assert mean({"a": [1.0], "b": [], "c": [0.0]}) == mean({"a": [1.0], "c": [0.0]})


def test_no_values_no_interval() -> None:
    with pytest.raises(ValueError, match="fr"):
        averages([{"de": {"a": [1.0]}, "fr": {}}])
    with pytest.raises(ValueError, match="no values"):
        mean({"a": []})


def test_a_seed_fixes_the_interval_and_the_order_of_items_does_not_matter() -> None:
    values = items(np.random.default_rng(9).random(30))
    turned = dict(reversed(values.items()))
    assert mean(values) == mean(values) == mean(turned)
    assert mean(values, how=Resampling(seed=1)) != mean(values, how=Resampling(seed=2))


def test_the_bootstrap_is_as_large_and_as_wide_as_the_signature_says() -> None:
    assert (intervals.LEVEL, intervals.RESAMPLES) == (0.95, 10_000)


# Many cells at once


def ragged(rng: np.random.Generator, values: npt.ArrayLike) -> dict[str, list[float]]:
    """Up to three seeds of up to 12 items."""
    found = {f"p{at}": list(rng.choice(values, rng.integers(0, 4))) for at in rng.permutation(12)}
    return found if any(found.values()) else {"p0": [0.0]}


@METHODS
@pytest.mark.parametrize("unit", ["items", "rows"])
def test_many_cells_at_once_are_each_as_alone(method: Method, unit: intervals.Unit) -> None:
    rng = np.random.default_rng(22)
    how = Resampling(method, unit, resamples=300)
    cells = [ragged(rng, values) for values in ([0.0, 1.0], [0.1, 0.7], [1.0, 2.0, 6.0]) * 8]
    cells += [items(rng.random(12)), items(rng.integers(0, 2, 12).astype(float)), items([1.0] * 12)] * 2
    groups = [{"de": one, "fr": two, "it": cells[0]} for one, two in itertools.pairwise(cells)]
    both = list(zip(groups, groups[3:], strict=False))
    for found, alone in (
        (means(cells, 6, how=how), [mean(cell, 6, how=how) for cell in cells]),
        (averages(groups, 6, how=how), [averages([group], 6, how=how)[0] for group in groups]),
        (differences(both, 6, how=how), [difference(*pair, 6, how=how) for pair in both]),
    ):
        for one, two in zip(found, alone, strict=True):
            assert type(one) is type(two)
            assert (one.value, one.low, one.high, one.n) == pytest.approx(
                (two.value, two.low, two.high, two.n), abs=1e-9
            )
            assert getattr(one, "p", None) == getattr(two, "p", None)


def test_which_of_many_lacks_values_is_said() -> None:
    with pytest.raises(ValueError, match=r"no values in \['fr'\] \(average 1 of 2\)"):
        averages([{"de": {"a": [1.0]}}, {"de": {"a": [1.0]}, "fr": {"b": []}}])
    with pytest.raises(ValueError, match=r"both sides \(difference 1 of 2\)"):
        differences([({"": {"a": [1.0]}}, {"": {"a": [1.0]}}), ({"": {"a": [1.0]}}, {"": {"b": [1.0]}})])
    with pytest.raises(ValueError, match="no values"):
        averages([{}])
    assert (means([]), differences([])) == ([], [])


@given(SAMPLES, st.sampled_from(["percentile", "bca"]))
@settings(max_examples=40)
def test_the_scale_scales_and_whole_numbers_are_counted_as_well_as_fractions(
    values: dict[str, list[float]], method: Method
) -> None:
    # In quarters they are counted in float32, in tenths in float64.
    how = Resampling(method, resamples=400)
    whole = {item: [1 + 4 * value for value in row] for item, row in values.items()}
    tenths = {item: [value / 10 for value in row] for item, row in whole.items()}
    one, two, three = mean(values, how=how), mean(whole, 5, 1, how), mean(tenths, 0.5, 0.1, how)
    assert (two.value, two.low, two.high) == pytest.approx(tuple(1 + 4 * end for end in (one.value, one.low, one.high)))
    assert (three.value, three.low, three.high) == pytest.approx((two.value / 10, two.low / 10, two.high / 10))


def test_a_difference_has_the_width_of_its_scale_where_nothing_varies() -> None:
    found = difference({"de": items([4.0] * 24)}, {"de": items([4.0] * 24)}, 6, 1)
    _, w = wilson(0.0, 24)
    assert found == Difference(0.0, pytest.approx(-5 * w), pytest.approx(5 * w), 24, 1.0)
    flat = mean(items([1.0] * 24), 6, 1)
    assert (flat.low, flat.high) == pytest.approx((1, 1 + 5 * wilson(0.0, 24)[1]))
