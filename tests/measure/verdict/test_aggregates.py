from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from babeltune.measure.verdict.aggregates import AggregateBoard, Share, complete, of_items
from babeltune.measure.verdict.contrasts import Pair
from babeltune.measure.verdict.plateau import verdict


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (1, 10), (315, 805), (760, 805), (805, 805)])
def test_the_error_of_a_share_is_half_of_wilsons_interval(hits: int, n: int) -> None:
    theirs = stats.binomtest(hits, n).proportion_ci(0.95, "wilson")
    assert 2 * 1.959964 * of_items(hits / n, n).error == pytest.approx(theirs.high - theirs.low, abs=1e-7)


@pytest.mark.parametrize(("share", "n"), [(0.5, 0), (1.2, 10), (-0.1, 10), (float("nan"), 10)])
def test_what_is_no_share_is_refused(share: float, n: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        of_items(share, n)


def test_a_difference_is_unpaired() -> None:
    board = AggregateBoard("agreement", {"a": {"de": of_items(0.4, 805)}, "b": {"de": of_items(0.9, 805)}})
    (found,) = board.differences([Pair("b", "a", ("de",))])
    error = math.hypot(math.sqrt(0.4 * 0.6 / 805), math.sqrt(0.9 * 0.1 / 805))
    assert found.value == pytest.approx(0.5)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.02)
    assert 0 < found.p < 1e-12


def test_an_average_is_no_surer_than_its_languages() -> None:
    shares = {code: of_items(0.5, 805) for code in ("de", "el", "is")}
    (found,) = AggregateBoard("agreement", {"a": shares}).averages([("a", tuple(shares))])
    alone = of_items(0.5, 805).interval
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))


def test_unpaired_intervals_cover_differences_of_correlated_shares() -> None:
    """805 prompts, the same under both mixes and in both languages: the interval covers at least as often as it says."""
    draw = np.random.default_rng(0)
    true, covered, runs = 0.2, 0, 400
    for _ in range(runs):
        easy = draw.normal(size=805)
        means: dict[str, dict[str, float]] = {}
        for mix, rate in (("a", 0.5), ("b", 0.7)):
            cut = NormalDist().inv_cdf(rate)
            means[mix] = {code: float((0.8 * easy + 0.6 * draw.normal(size=805) < cut).mean()) for code in ("de", "el")}
        board = AggregateBoard(
            "agreement",
            {mix: {code: of_items(share, 805) for code, share in found.items()} for mix, found in means.items()},
        )
        (found,) = board.differences([Pair("b", "a", ("de", "el"))])
        covered += found.low <= true <= found.high
    assert covered / runs >= 0.95


def test_a_verdict_comes_of_a_board_of_aggregates() -> None:
    values = {"mono": (0.94, 0.3, 0.28), "multi-2": (0.93, 0.88, 0.70), "multi-3": (0.94, 0.9, 0.9)}
    board = AggregateBoard(
        "agreement",
        {mix: {code: of_items(one, 805) for code, one in zip(("en", "sv", "el"), row, strict=True)} for mix, row in values.items()},
    )  # fmt: skip
    members = {"mono": ("en",), "multi-2": ("en", "es"), "multi-3": ("en", "es", "ru")}
    found = verdict(("m", "dialogue", "xx:xx"), board, members, margin=0.1, in_kind=0.8)
    assert (found.necessary, found.sufficient, found.unseen) == ("shown", None, ("sv", "el"))
    assert board.apart(Pair("multi-2", "mono", ("sv",)), Pair("multi-2", "mono", ("el",))).value == pytest.approx(0.16)


def test_a_share_with_a_printed_error_is_taken_at_its_word() -> None:
    found = Share(0.43, 0.007, 5010).interval
    assert (found.low, found.high) == pytest.approx((0.43 - 1.96 * 0.007, 0.43 + 1.96 * 0.007), abs=1e-5)


def test_the_mixes_of_a_verdict_are_those_that_give_most_cells() -> None:
    twelve = tuple("abcdefghijkl")
    coverage = {"mono": twelve, "multi-2": twelve, "multi-3": twelve, "twin-3": ("a", "b", "c"), "twin-6": ("z",)}
    assert complete(coverage) == ("mono", "multi-2", "multi-3")
    assert complete({"mono": ("de",), "twin-2": ("de",), "twin-6": ("el", "hi")}) == ("mono", "twin-2")
    assert complete({}) == ()
