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
from babeltune.measure.intervals import Interval, average, bounds, combined, difference, mean

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


# Statistics of sums: products of means, scores of a corpus


def pairs(values: dict[str, list[float]]) -> Floats:
    """Sum and number of the values of each item."""
    return np.array([[sum(row), len(row)] for _, row in sorted(values.items())])


def ratio(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1])


@given(SAMPLES)
def test_a_plain_mean_is_the_same_as_a_statistic_of_sums(values: dict[str, list[float]]) -> None:
    found, plain = combined(pairs(values), ratio, resamples=400), quick_mean(values)
    assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high), abs=1e-12)
    assert found.n == plain.n


def test_a_plain_mean_is_the_same_as_a_statistic_of_sums_with_all_resamples_and_any_seed() -> None:
    values = {f"p{at:03}": list(row) for at, row in enumerate(np.random.default_rng(11).random((70, 3)))}
    for seed in (intervals.SEED, 1):
        found, plain = combined(pairs(values), ratio, seed=seed), mean(values, seed=seed)
        assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high), abs=1e-12)


def weighted_ratio(columns: Floats) -> Floats:
    """A corpus score, as hits of trials, times a mean."""
    return np.asarray(columns[..., 0] / columns[..., 1] * columns[..., 2] / columns[..., 3])


def corpus(n: int) -> Floats:
    rng = np.random.default_rng(n)
    trials = rng.integers(3, 30, n)
    return np.column_stack([rng.binomial(trials, 0.4), trials, rng.random(n) < 0.7, np.ones(n)]).astype(float)


def test_a_corpus_is_bootstrapped_as_numpy_does_by_hand() -> None:
    sums = corpus(60)
    rng = np.random.default_rng(12)
    draws = [weighted_ratio(sums[rng.integers(0, 60, 60)].sum(axis=0)) for _ in range(20_000)]
    low, high = np.percentile(draws, [2.5, 97.5])
    found = combined(sums, weighted_ratio)
    hits, trials, right, all_ = sums.sum(axis=0)
    assert found.value == pytest.approx(hits / trials * right / all_)
    assert found.n == 60
    assert_same(found, (float(low), float(high)))


def test_a_corpus_is_bootstrapped_by_the_seed_and_as_often_as_is_said() -> None:
    sums = corpus(25)
    times = np.random.default_rng(7).multinomial(25, [1 / 25] * 25, size=500)
    draws = [weighted_ratio(np.repeat(sums, row, axis=0).sum(axis=0)) for row in times]
    found = combined(sums, weighted_ratio, seed=7, resamples=500)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(draws, [2.5, 97.5])), abs=1e-12)
    assert combined(sums, weighted_ratio, seed=8, resamples=500) != found


def test_a_statistic_that_is_no_sum_of_items_is_bootstrapped_as_scipy_does() -> None:
    sums = corpus(50)

    def statistic(rows: Floats, axis: int) -> Floats:
        return weighted_ratio(sums[rows.astype(int)].sum(axis=-2))

    assert_same(combined(sums, weighted_ratio), scipy_bootstrap(np.arange(50.0), statistic=statistic))


@pytest.mark.parametrize("top", [1.0, 100.0])
@pytest.mark.parametrize("n", [1, 2, 24, 100])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_without_variation_the_interval_of_a_statistic_is_wilsons(share: float, n: int, top: float) -> None:
    sums = np.tile([share * 8, 8.0], (n, 1))
    found = combined(sums, lambda columns: top * ratio(columns), top=top)
    assert found.value == top * share
    if (n * share) % 1 == 0:
        assert (found.low, found.high) == pytest.approx(tuple(top * end for end in wilson(share, n)), abs=1e-10)
    assert 0 <= found.low <= found.value <= found.high <= top
    assert found.high - found.low > 0


def test_the_top_scales_the_interval() -> None:
    sums = corpus(30)
    one, hundred = (
        combined(sums, weighted_ratio),
        combined(sums, lambda columns: 100 * weighted_ratio(columns), top=100),
    )
    assert (hundred.value, hundred.low, hundred.high) == pytest.approx((100 * one.value, 100 * one.low, 100 * one.high))
    # Rounding is no variation at either scale.
    flat = np.tile([0.1 * 3, 3.0], (37, 1))
    sizes = [combined(flat, lambda columns, top=top: top * ratio(columns), top=top) for top in (1.0, 100.0)]
    assert [one.high - one.low > 0.05 * top for one, top in zip(sizes, (1.0, 100.0), strict=True)] == [True, True]


def test_a_resample_that_drew_nothing_it_can_use_is_left_out() -> None:
    # Two of six items have a value: about nine resamples in a hundred draw neither of them.
    sums = np.array([[0.2, 1.0], [0.8, 1.0], *[[0.0, 0.0]] * 4])
    times = np.random.default_rng(intervals.SEED).multinomial(6, [1 / 6] * 6, size=intervals.RESAMPLES)
    drawn = times @ sums
    used = drawn[drawn[:, 1] > 0]
    assert 0.07 < 1 - len(used) / len(drawn) < 0.11
    found = combined(sums, ratio)
    assert found.value == 0.5
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(used[:, 0] / used[:, 1], [2.5, 97.5])))


def test_one_item_with_a_value_is_no_variation_whatever_the_others_lack() -> None:
    found = combined(np.array([[1.0, 1.0], *[[0.0, 0.0]] * 3]), ratio)
    assert (found.value, found.low, found.high) == pytest.approx((1.0, *wilson(1.0, 4)), abs=1e-12)


@pytest.mark.filterwarnings("error")
def test_what_cannot_be_used_is_left_out_without_a_warning() -> None:
    combined(np.array([[0.2, 1.0], [0.8, 1.0], [0.0, 0.0]]), ratio)


def test_seeds_of_an_item_move_together_in_a_statistic_of_sums() -> None:
    one = corpus(40)
    single, clustered = combined(one, weighted_ratio), combined(one * 4, weighted_ratio)
    assert (clustered.low, clustered.high) == pytest.approx((single.low, single.high))
    naive = combined(np.repeat(one, 4, axis=0), weighted_ratio)
    assert (naive.high - naive.low) / (clustered.high - clustered.low) == pytest.approx(0.5, abs=0.06)


def test_no_items_no_statistic() -> None:
    with pytest.raises(ValueError, match="no items"):
        combined(np.zeros((0, 2)), ratio)
