"""How often intervals hold the true mean, by how they are made: the table of docs/intervals.md.

`pytest -m slow tests/measure/statistics/test_coverage.py -s` prints it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from babeltune.measure.statistics.intervals import Resampling, Values, means

STUDIES = 4000
WAYS = {
    "items, percentile": Resampling(resamples=2000),
    "items, bca": Resampling("bca", resamples=2000),
    "rows (the authors')": Resampling(unit="rows", resamples=2000),
}


def shares(rng: np.random.Generator, true: float, items: int, seeds: int) -> npt.NDArray[np.float64]:
    """Zeros and ones, [items, seeds]: items are of beta-distributed difficulty; two seeds of one correlate by a half."""
    return (rng.random((items, seeds)) < rng.beta(true, 1 - true, (items, 1))).astype(float)


def cell(values: npt.NDArray[np.float64]) -> Values:
    return dict(zip(map(str, range(len(values))), values.tolist(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("true", [0.5, 0.9])
def test_coverage(true: float) -> None:
    rng = np.random.default_rng(1)
    print(f"\ntrue mean {true}, {STUDIES} simulated cells each\nitems seeds", *(f"{way:>20}" for way in WAYS))
    for items in (24, 100, 300):
        for seeds in (1, 3):
            cells = [cell(shares(rng, true, items, seeds)) for _ in range(STUDIES)]
            held = {
                way: np.mean([one.low <= true <= one.high for one in means(cells, how=how)])
                for way, how in WAYS.items()
            }
            print(f"{items:5} {seeds:5}", *(f"{share:20.3f}" for share in held.values()))
            # Four binomial deviations of 4,000 are 0.014. A mean of 24 zeros and ones takes few values, so that coverage
            # is that of the step; where none varies the interval is Wilson's.
            least, most = (0.926, 0.97) if items > 24 else (0.9, 0.999)
            assert least < held["items, percentile"] < most
            assert least < held["items, bca"] < most
            if seeds == 3:
                # The variance of a mean of three is twice what the rows say: 1.96 / sqrt(2) deviations hold 83 %.
                assert held["rows (the authors')"] == pytest.approx(0.834, abs=0.04 if items > 24 else 0.12)
