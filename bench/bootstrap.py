"""Bootstrap: our percentile intervals against `scipy.stats.bootstrap` on the same cells, in one run.

500 cells of 900 items, 10,000 resamples. Peer: one `scipy.stats.bootstrap` (percentile, vectorised) for the mean of each
cell. Ours: `babeltune.measure.statistics.intervals.means` on all cells in one call, from items and values in dictionaries as the
summary has them. Half the cells hold zeros and ones, half fractions. Ends may differ by Monte-Carlo error.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy.stats import bootstrap

from babeltune.measure.statistics.intervals import RESAMPLES, Resampling, means
from parts.row import Row, parser, tell, version

CELLS, ITEMS = 500, 900
GOAL = 20.0
ERRORS = 5.0
"""Of Monte Carlo that may lie between two ends: chance passes it with one of 1,000 ends in one of 1,700 runs."""
TYPICAL = 1.2
"""Such errors that may lie between the ends of fractions by root mean square: 1 is expected, and a little more where
draws are not normal."""


def main() -> int:
    """Time both, compare their intervals, print the ratio."""
    parser(__doc__).parse_args()
    rng = np.random.default_rng(0)
    shares = rng.uniform(0.2, 0.95, (CELLS, 1))
    cells = np.where(
        np.arange(CELLS)[:, np.newaxis] % 2, rng.random((CELLS, ITEMS)) < shares, rng.beta(shares, 0.4, (CELLS, ITEMS))
    )

    began = time.perf_counter()
    theirs = [
        bootstrap((cell,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(at))
        for at, cell in enumerate(cells)
    ]
    peer = time.perf_counter() - began

    named = [{f"item-{at:03}": [value] for at, value in enumerate(cell.tolist())} for cell in cells]
    means(named[:1], how=Resampling(resamples=100))  # What is imported and set up on first use.
    began = time.perf_counter()
    ours = means(named)
    own = time.perf_counter() - began

    # The standard error of a 2.5 % quantile of R normal draws is sqrt(.025 * .975 / R) / .0584 of their deviation, which
    # scipy names; both sides have it. A share moves in steps of an item, so that an end can be off by one more.
    error = 2**0.5 * (0.025 * 0.975 / RESAMPLES) ** 0.5 / 0.0584
    apart = [
        max(0.0, abs(one - two) - at % 2 / ITEMS) / (error * their.standard_error)
        for at, (our, their) in enumerate(zip(ours, theirs, strict=True))
        for one, two in zip((our.low, our.high), their.confidence_interval, strict=True)
    ]
    typical = float(np.sqrt(np.mean(np.square(np.reshape(apart, (CELLS, 2))[::2]))))
    within = max(apart) <= ERRORS and typical <= TYPICAL
    what = f"bootstrap intervals of {CELLS} cells of {ITEMS} items, {RESAMPLES:,} resamples"
    row = Row(what, version("scipy"), peer, own, "s", GOAL)
    answers = (
        f"ends apart, in Monte-Carlo errors: {typical:.2f} of fractions by root mean square (at most {TYPICAL:g}), "
        f"largest {max(apart):.2f} (at most {ERRORS:g})"
    )
    return tell([row], same=within, answers=answers)


if __name__ == "__main__":
    sys.exit(main())
