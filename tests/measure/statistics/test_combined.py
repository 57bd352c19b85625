"""Intervals of statistics of sums: products of means, scores of a corpus, SARI."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers import METHODS, SAMPLES, Floats, assert_same, scipy_bootstrap, wilson

from babeltune.measure.metrics.sari import corpus_sari, corpus_scores, statistics
from babeltune.measure.statistics import intervals
from babeltune.measure.statistics.intervals import Method, Resampling, combined, combined_differences, difference, mean

QUICK = Resampling(resamples=400)


def pairs(values: dict[str, list[float]]) -> Floats:
    """Sum and number of the values of each item."""
    return np.array([[sum(row), len(row)] for _, row in sorted(values.items())])


def ratio(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1])


@given(SAMPLES)
def test_a_plain_mean_is_the_same_as_a_statistic_of_sums(values: dict[str, list[float]]) -> None:
    found, plain = combined(pairs(values), ratio, how=QUICK), mean(values, how=QUICK)
    assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high), abs=1e-12)
    assert found.n == plain.n


def test_a_plain_mean_is_the_same_as_a_statistic_of_sums_with_all_resamples_and_any_seed() -> None:
    values = {f"p{at:03}": list(row) for at, row in enumerate(np.random.default_rng(11).random((70, 3)))}
    for seed in (intervals.SEED, 1):
        found, plain = (
            combined(pairs(values), ratio, how=Resampling(seed=seed)),
            mean(values, how=Resampling(seed=seed)),
        )
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
    draws = [weighted_ratio(sums[rows].sum(axis=0)) for rows in np.random.default_rng(7).integers(0, 25, (500, 25))]
    found = combined(sums, weighted_ratio, how=Resampling(resamples=500, seed=7))
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(draws, [2.5, 97.5])), abs=1e-12)
    assert combined(sums, weighted_ratio, how=Resampling(resamples=500, seed=8)) != found


@METHODS
def test_a_statistic_that_is_no_sum_of_items_is_bootstrapped_as_scipy_does(method: Method) -> None:
    sums = corpus(50)

    def statistic(rows: Floats, axis: int) -> Floats:
        return weighted_ratio(sums[rows.astype(int)].sum(axis=-2))

    theirs = scipy_bootstrap(np.arange(50.0), statistic=statistic, method=method)
    assert_same(combined(sums, weighted_ratio, how=Resampling(method)), theirs, method)


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
    rows = np.random.default_rng(intervals.SEED).integers(0, 6, (intervals.RESAMPLES, 6))
    drawn = sums[rows].sum(axis=1)
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


def test_sari_and_weighted_sari_are_those_of_resampled_sentences() -> None:
    rng = np.random.default_rng(13)
    words = list("abcdefghijklmn")
    sources, outputs, first, second = ([" ".join(rng.choice(words, 8)) for _ in range(15)] for _ in range(4))
    references = [list(pair) for pair in zip(first, second, strict=True)]
    in_kind = (rng.random(15) < 0.7).astype(float)
    rows = np.column_stack([in_kind, np.ones(15), statistics(sources, outputs, references).counts.reshape(15, -1)])

    def weighted(sums: Floats) -> Floats:
        return corpus_scores(sums[..., 2:]) * sums[..., 0] / sums[..., 1]

    drawn = []
    for some in np.random.default_rng(3).integers(0, 15, (150, 15)):
        score = corpus_sari([sources[at] for at in some], [outputs[at] for at in some], [references[at] for at in some])
        drawn.append((score, score * in_kind[some].mean()))
    how = Resampling(resamples=150, seed=3)
    plain = combined(rows, lambda sums: corpus_scores(sums[..., 2:]), top=100, how=how)
    both = combined(rows, weighted, top=100, how=how)
    for found, column in ((plain, 0), (both, 1)):
        assert (found.low, found.high) == pytest.approx(np.percentile(np.array(drawn)[:, column], [2.5, 97.5]))
    assert plain.value == pytest.approx(corpus_sari(sources, outputs, references))
    assert both.value == pytest.approx(plain.value * in_kind.mean())


# Paired differences


@METHODS
def test_a_paired_difference_of_a_statistic_is_that_of_scipy(method: Method) -> None:
    first, second = corpus(60), corpus(60)
    second[:, 0] = np.random.default_rng(16).binomial(first[:, 0].astype(int), 0.8)

    def statistic(rows: Floats, axis: int) -> Floats:
        one, two = (weighted_ratio(side[rows.astype(int)].sum(axis=-2)) for side in (first, second))
        return np.asarray(one - two)

    found = combined_differences(first, second, weighted_ratio, how=Resampling(method))
    assert found.value == pytest.approx(weighted_ratio(first.sum(axis=0)) - weighted_ratio(second.sum(axis=0)))
    assert found.p < 0.001
    assert_same(found, scipy_bootstrap(np.arange(60.0), statistic=statistic, method=method), method)


@given(SAMPLES, SAMPLES, st.sampled_from(["percentile", "bca"]))
def test_a_plain_difference_is_the_same_as_one_of_a_statistic_of_sums(
    one: dict[str, list[float]], two: dict[str, list[float]], method: Method
) -> None:
    both = sorted(set(one) & set(two))
    if both:
        first, second = ({item: side[item] for item in both} for side in (one, two))
        how = Resampling(method, resamples=400)
        plain, found = difference({"": first}, {"": second}, how=how), combined_differences(
            pairs(first), pairs(second), ratio, how=how
        )  # fmt: skip
        assert (found.value, found.low, found.high, found.n, found.p) == pytest.approx(
            (plain.value, plain.low, plain.high, plain.n, plain.p), abs=1e-9
        )


def test_both_sides_of_a_difference_have_the_same_items() -> None:
    with pytest.raises(ValueError, match="same items"):
        combined_differences(corpus(5), corpus(6), weighted_ratio)
    with pytest.raises(ValueError, match="same items"):
        combined_differences(np.zeros((0, 2)), np.zeros((0, 2)), ratio)


@pytest.mark.parametrize(("top", "least"), [(1.0, 0.0), (100.0, 0.0), (6.0, 1.0)])
def test_statistics_that_differ_by_nothing_are_no_certainty(top: float, least: float) -> None:
    sums = corpus(40)
    found = combined_differences(
        sums, sums, lambda columns: least + (top - least) * ratio(columns), top=top, least=least
    )
    _, w = wilson(0.0, 40)
    assert (found.value, found.low, found.high, found.p) == pytest.approx((0, -w * (top - least), w * (top - least), 1))
