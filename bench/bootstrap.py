"""Bootstrap: our clustered percentile interval against `scipy.stats.bootstrap` on the same cells.

Peer: one `scipy.stats.bootstrap` (percentile, vectorised, 10,000 resamples) for the mean of each cell. Ours:
`babeltune.measure.intervals.mean` on the same 40 cells of 300 items. Both intervals must agree within Monte-Carlo error.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import scipy
from scipy.stats import bootstrap

from babeltune.measure.intervals import RESAMPLES, mean

CELLS, ITEMS = 40, 300


def main() -> int:
    """Time both, compare their intervals, print the ratio."""
    rng = np.random.default_rng(0)
    cells = (rng.random((CELLS, ITEMS)) < rng.uniform(0.2, 0.95, (CELLS, 1))).astype(float)

    began = time.perf_counter()
    theirs = [
        bootstrap((cell,), np.mean, n_resamples=RESAMPLES, method="percentile", random_state=0).confidence_interval
        for cell in cells
    ]
    peer = time.perf_counter() - began

    began = time.perf_counter()
    ours = [mean({f"i{at}": [value] for at, value in enumerate(cell)}) for cell in cells]
    own = time.perf_counter() - began

    # The standard error of a percentile from 10,000 resamples is well under a tenth of the interval's half-width.
    apart = max(
        max(abs(our.low - their.low), abs(our.high - their.high)) / (their.high - their.low)
        for our, their in zip(ours, theirs, strict=True)
    )
    print(f"scipy {scipy.__version__}: {peer:.2f} s, ours: {own:.2f} s for {CELLS} cells of {ITEMS} items")
    print(f"largest distance between the intervals' ends: {apart:.3f} of their width")
    print(f"ratio {peer / own:.2f}")
    return int(apart > 0.1)


if __name__ == "__main__":
    sys.exit(main())
