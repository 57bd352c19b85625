"""The line of gains over shares, against numbers worked by hand, and how often its interval holds the true slope."""

from __future__ import annotations

import numpy as np
import pytest

from babeltune.measure.statistics.trend import fit


def test_a_line_by_hand() -> None:
    # Logarithms -2, -1, 0; gains 3, 2, 2: slope -1/2, at 1 % (logarithm 0) 7/3 - 1/2, residuals 1/6 -1/3 1/6.
    found = fit([("bg", 0.01, 3.0), ("de", 0.1, 2.0), ("xx", 1.0, 2.0)])
    assert found is not None
    assert (found.n, found.slope, found.intercept) == (3, pytest.approx(-0.5), pytest.approx(7 / 3 - 0.5))
    # Standard error sqrt(1/6 / 1 / 2); Student's t with one degree of freedom at 97.5 % is tan(0.475 pi).
    half = (1 / 12) ** 0.5 * np.tan(0.475 * np.pi)
    assert (found.low, found.high) == (pytest.approx(-0.5 - half), pytest.approx(-0.5 + half))
    # Of the gains' sum of squares 2/3 the line holds 1/2.
    assert found.r == pytest.approx(-(0.75**0.5))
    assert found.points == (("bg", 0.01, 3.0), ("de", 0.1, 2.0), ("xx", 1.0, 2.0))


def test_languages_without_a_listed_share_are_left_out_and_named() -> None:
    listed = [("bg", 0.02, 0.5), ("de", 0.17, 0.2), ("fr", 0.16, 0.3), ("hr", 0.01, 0.4)]
    found = fit([("el", None, 0.9), *listed, ("is", 0.0, 0.9)])
    alone = fit(listed)
    assert found is not None
    assert alone is not None
    assert found.left_out == ("el", "is")
    assert (found.n, found.slope, found.low, found.points) == (4, alone.slope, alone.low, tuple(listed))


@pytest.mark.parametrize(
    "points",
    [
        [],
        [("de", 0.1, 0.2), ("fr", 0.2, 0.3)],
        [("de", 0.1, 0.2), ("fr", 0.2, 0.3), ("el", None, 0.3)],
        [("de", 0.1, 0.2), ("fr", 0.1, 0.3), ("it", 0.1, 0.3)],
        [("de", 0.1, 0.2), ("fr", 0.2, 0.2), ("it", 0.3, 0.2)],
    ],
)
def test_too_few_languages_one_share_or_one_gain_are_no_line(points: list[tuple[str, float | None, float]]) -> None:
    assert fit(points) is None


@pytest.mark.parametrize("n", [3, 5, 12])
def test_the_interval_holds_the_true_slope_as_often_as_it_says(n: int) -> None:
    rng = np.random.default_rng(n)
    share = 10 ** rng.uniform(-2, 0, n)
    held = 0
    for _ in range(400):
        gains = 0.3 - 0.1 * np.log10(share) + rng.normal(0, 0.05, n)
        found = fit([(f"l{at}", float(share[at]), float(gains[at])) for at in range(n)])
        assert found is not None
        held += found.low <= -0.1 <= found.high
    # Binomial of 400 and 0.95: 366 to 393 in 99.8 % of runs.
    assert 366 <= held <= 393
