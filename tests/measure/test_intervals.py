"""Intervals against scipy's bootstrap and scipy's Wilson interval, and the claims on clusters and pairs."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from babeltune.measure import intervals
from babeltune.measure.intervals import Interval, average, bounds, difference, mean

Floats = npt.NDArray[np.float64]
SAMPLES = st.dictionaries(
    st.integers(0, 40).map(str),
    st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=1, max_size=3),
    min_size=1,
    max_size=12,
)
quick_mean = functools.partial(mean, resamples=400)
quick_difference = functools.partial(difference, resamples=400)


def items(values: Floats | list[float]) -> dict[str, list[float]]:
    return {f"p{at:03}": [float(value)] for at, value in enumerate(values)}


def scipy_bootstrap(*samples: Floats, statistic: object = np.mean, paired: bool = False) -> tuple[float, float]:
    """Percentile bootstrap of scipy, with a generator of its own."""
    found = stats.bootstrap(
        samples, statistic, n_resamples=20_000, method="percentile", paired=paired, vectorized=True, rng=np.random.default_rng(7)
    )  # fmt: skip
    return found.confidence_interval.low, found.confidence_interval.high


def assert_same(ours: Interval, theirs: tuple[float, float]) -> None:
    """Equal within Monte-Carlo error.

    A 2.5 % quantile of 10,000 normal draws has a standard error of sqrt(.025 * .975 / 10000) / .0584 = 0.027 standard
    deviations, 0.033 with that of scipy's 20,000; a 95 % interval is 3.92 of them wide. Four errors are 0.034 widths.
    """
    width = theirs[1] - theirs[0]
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=0.034 * width)


def wilson(share: float, n: int) -> tuple[float, float]:
    found = stats.binomtest(round(share * n), n).proportion_ci(method="wilson")
    return found.low, found.high


def test_mean_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).beta(2, 1, size=60)
    found = mean(items(values))
    assert found.value == pytest.approx(values.mean())
    assert found.n == 60
    assert_same(found, scipy_bootstrap(values))


def test_mean_of_shares_is_that_of_scipy_within_one_item() -> None:
    values = (np.random.default_rng(2).random(48) < 0.7).astype(float)
    found = mean(items(values))
    # A mean of 48 zeros and ones moves in steps of 1/48; an error of Monte Carlo can be one step, no more.
    assert (found.low, found.high) == pytest.approx(scipy_bootstrap(values), abs=1 / 48 + 1e-9)


def test_paired_difference_is_that_of_scipy() -> None:
    rng = np.random.default_rng(3)
    first = rng.random(70)
    second = np.clip(0.8 * first + rng.normal(0, 0.1, 70), 0, 1)
    found = difference({"de": items(first)}, {"de": items(second)})
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert_same(found, scipy_bootstrap(first, second, statistic=mean_difference, paired=True))


def mean_difference(one: Floats, two: Floats, axis: int) -> Floats:
    return np.asarray(one.mean(axis=axis) - two.mean(axis=axis))


def test_an_average_over_languages_resamples_items_as_scipy_does() -> None:
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

    found = average(groups)
    assert found.value == pytest.approx(np.nanmean(table, axis=0).mean())
    assert found.n == 50
    assert_same(found, scipy_bootstrap(np.arange(50.0), statistic=statistic))


def test_languages_weigh_the_same_however_many_items_they_have() -> None:
    assert average({"de": items([1.0] * 30), "fr": items([0.0] * 10)}).value == 0.5


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
    values = items(np.random.default_rng(5).random(40))
    pooled = {f"{item}-{seed}": row for item, row in values.items() for seed in range(4)}
    clustered, naive = mean({item: row * 4 for item, row in values.items()}), mean(pooled)
    # Four times the items: half the width.
    assert (naive.high - naive.low) / (clustered.high - clustered.low) == pytest.approx(0.5, abs=0.05)


def test_intervals_cover_the_truth_as_often_as_they_say_where_seeds_are_alike() -> None:
    rng = np.random.default_rng(6)
    covered = pooled_covered = 0
    for _ in range(300):
        # Items of true mean 0.5 and beta(1, 1) difficulty; four seeds of each.
        draws = rng.random((40, 4)) < rng.beta(1, 1, (40, 1))
        clustered = quick_mean({str(item): list(map(float, row)) for item, row in enumerate(draws)})
        pooled = quick_mean(items(draws.ravel().astype(float)))
        covered += clustered.low <= 0.5 <= clustered.high
        pooled_covered += pooled.low <= 0.5 <= pooled.high
    # Binomial of 300 and 0.95: 272 to 294 in 99.7 % of runs; the percentile bootstrap of 40 items runs a little low.
    assert 270 <= covered <= 296
    assert pooled_covered < 262


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
        average({"de": {"a": [1.0]}, "fr": {}})
    with pytest.raises(ValueError, match="no values"):
        mean({"a": []})


def test_a_seed_fixes_the_interval_and_the_order_of_items_does_not_matter() -> None:
    values = items(np.random.default_rng(9).random(30))
    turned = dict(reversed(values.items()))
    assert mean(values) == mean(values) == mean(turned)
    assert mean(values, seed=1) != mean(values, seed=2)


def test_bounds_by_hand() -> None:
    # Two ones and a zero scored, two unscored: 2/5 if both were 0, 4/5 if both were 1.
    assert bounds({"a": [1.0, 0.0], "b": [1.0]}, 2) == (0.4, 0.8)
    assert bounds({}, 3) == (0.0, 1.0)
    assert bounds({}, 0) == (0.0, 1.0)


@given(SAMPLES, st.integers(0, 9))
@settings(max_examples=30)
def test_bounds_enclose_the_mean_and_meet_where_nothing_is_unscored(
    values: dict[str, list[float]], unscored: int
) -> None:
    worst, best = bounds(values, unscored)
    found = np.mean([value for row in values.values() for value in row])
    assert worst - 1e-12 <= found <= best + 1e-12
    assert (worst == best) == (unscored == 0)


def test_the_bootstrap_is_as_large_and_as_wide_as_the_signature_says() -> None:
    assert (intervals.LEVEL, intervals.RESAMPLES) == (0.95, 10_000)
