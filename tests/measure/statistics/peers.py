"""What the tests of intervals share: samples, and scipy as the peer with the errors of Monte Carlo that it may be off by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import strategies as st
from scipy import stats

from babeltune.measure.statistics.intervals import Interval, Method

Floats = npt.NDArray[np.float64]
SAMPLES = st.dictionaries(
    st.integers(0, 40).map(str),
    st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=1, max_size=3),
    min_size=1,
    max_size=12,
)
METHODS = pytest.mark.parametrize("method", ["percentile", "bca"])


def items(values: Floats | list[float]) -> dict[str, list[float]]:
    return {f"p{at:03}": [float(value)] for at, value in enumerate(values)}


def scipy_bootstrap(
    *samples: Floats, statistic: object = np.mean, paired: bool = False, method: Method = "percentile"
) -> tuple[float, float]:
    """Bootstrap of scipy, with a generator of its own."""
    found = stats.bootstrap(
        samples, statistic, n_resamples=20_000, method=method, paired=paired, vectorized=True, rng=np.random.default_rng(7)
    )  # fmt: skip
    return found.confidence_interval.low, found.confidence_interval.high


def assert_same(ours: Interval, theirs: tuple[float, float], method: Method = "percentile") -> None:
    """Equal within Monte-Carlo error.

    A 2.5 % quantile of 10,000 normal draws has a standard error of sqrt(.025 * .975 / 10000) / .0584 = 0.027 standard
    deviations, 0.033 with that of scipy's 20,000; a 95 % interval is 3.92 of them wide. Four errors are 0.034 widths.
    BCa looks further out on one side, 0.039 at 1.5 %, and its bias correction has an error too, sqrt(1 / 4 / 10000) /
    .399 = 0.0125, that counts twice: 0.05 with scipy's, four of which are 0.051 widths.
    """
    width = theirs[1] - theirs[0]
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=(0.051 if method == "bca" else 0.034) * width)


def wilson(share: float, n: int) -> tuple[float, float]:
    found = stats.binomtest(round(share * n), n).proportion_ci(method="wilson")
    return found.low, found.high


def mean_difference(one: Floats, two: Floats, axis: int) -> Floats:
    return np.asarray(one.mean(axis=axis) - two.mean(axis=axis))
