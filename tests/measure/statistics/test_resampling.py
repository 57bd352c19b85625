"""What draws say: p values that fit their intervals, and BCa."""

from __future__ import annotations

import numpy as np
import pytest
from peers import METHODS, items

from babeltune.measure.statistics import resampling
from babeltune.measure.statistics.intervals import Method, Resampling, difference, differences, means


@METHODS
@pytest.mark.parametrize("ragged", [False, True])
def test_p_is_the_level_at_which_the_interval_meets_zero(
    monkeypatch: pytest.MonkeyPatch, method: Method, ragged: bool
) -> None:
    rng = np.random.default_rng(17)
    first = {f"p{at}": list(rng.lognormal(size=2 + (ragged and at % 2))) for at in range(40)}
    second = {item: [0.75 * value + 0.3 * rng.lognormal() for value in row] for item, row in first.items()}
    found = difference({"de": first}, {"de": second}, how=Resampling(method))
    assert 0.001 < found.p < 0.3
    monkeypatch.setattr(resampling, "LEVEL", 1 - found.p)
    again = difference({"de": first}, {"de": second}, how=Resampling(method))
    # Where the level is right the end is at zero; between neighbours of 10,000 draws.
    assert min(abs(again.low), abs(again.high)) < 0.01 * (again.high - again.low)


@METHODS
def test_p_below_five_percent_is_zero_outside_the_interval(method: Method) -> None:
    rng = np.random.default_rng(18)
    pairs_ = [
        ({"": items(rng.random(30))}, {"": items(rng.random(30) - rng.choice([0.1, 0.15, 0.2]))}) for _ in range(200)
    ]
    found = differences(pairs_, how=Resampling(method))
    clear = [one for one in found if abs(one.p - 0.05) > 0.001]
    assert len({one.p < 0.05 for one in clear}) == 2
    assert all((one.p < 0.05) == (one.low > 0 or one.high < 0) for one in clear)


def test_p_by_hand() -> None:
    first, second = np.random.default_rng(19).integers(0, 2, (2, 20)).astype(float)
    found = difference({"de": items(first)}, {"de": items(second)}, how=Resampling(resamples=999, seed=4))
    draws = [(first - second)[rows].sum() for rows in np.random.default_rng(4).integers(0, 20, (999, 20))]
    beyond = min(sum(draw <= 0 for draw in draws), sum(draw >= 0 for draw in draws))
    assert found.p == min(1, 2 * (beyond + 1) / 1000)


def test_p_is_as_often_below_a_level_as_that_where_nothing_differs() -> None:
    rng = np.random.default_rng(20)
    samples = [({"": items(rng.random(60))}, {"": items(rng.random(60))}) for _ in range(1000)]
    p = np.array([one.p for one in differences(samples, how=Resampling(resamples=2000))])
    # Binomial of 1,000: four deviations; the bootstrap of 60 items runs a little high.
    assert np.mean(p <= 0.05) == pytest.approx(0.055, abs=0.028)
    assert np.mean(p <= 0.5) == pytest.approx(0.5, abs=0.064)


def test_p_is_never_zero_and_that_of_a_sign_test_where_nothing_varies() -> None:
    sure = difference({"de": items(np.random.default_rng(21).random(50) + 2)}, {"de": items([0.0] * 50)}, top=4)
    assert sure.p == pytest.approx(2 / 10_001)
    for n in (1, 3, 8):
        assert difference({"de": items([1.0] * n)}, {"de": items([0.0] * n)}).p == pytest.approx(2 / 2**n)
    # Wilson's bound for none of 24 is 1.96^2 / (24 + 1.96^2) = 0.138: a difference of as much on every item has p 0.05.
    assert difference({"de": items([0.138] * 24)}, {"de": items([0.0] * 24)}).p == pytest.approx(0.05, abs=0.001)
    assert difference({"de": items([0.3] * 24)}, {"de": items([0.3] * 24)}).p == 1


def test_bca_misses_on_both_sides_alike_where_values_are_skewed() -> None:
    rng = np.random.default_rng(23)
    cells = [items(rng.exponential(1, 30)) for _ in range(1500)]

    def misses(method: Method) -> tuple[int, int]:
        found = means(cells, 20, how=Resampling(method, resamples=1000))
        return sum(one.low > 1 for one in found), sum(one.high < 1 for one in found)

    (above, below), (above_bca, below_bca) = misses("percentile"), misses("bca")
    assert below > 3 * above
    assert below_bca < below
    assert below_bca - above_bca < 0.75 * (below - above)
