"""Trend: what a language gains against how much of it the model saw in pretraining (paper, sections 3.1 and 6)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from babeltune.measure.statistics.resampling import LEVEL

LEAST = 3
"""Languages that a line with an interval needs: one more than it has numbers."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The least-squares line of gains over the decimal logarithm of shares: ``slope`` is the gain of a tenfold share."""

    n: int
    """Languages."""
    slope: float
    low: float
    """The slope's 95 % interval."""
    high: float
    intercept: float
    """Gain of a language with a share of 1 %."""
    r: float
    """Pearson's correlation of gain and logarithm, in [-1, 1]."""
    points: tuple[tuple[str, float, float], ...]
    """Language, share [%], gain, in the order given."""
    left_out: tuple[str, ...]
    """Languages without a listed share."""


def fit(points: Sequence[tuple[str, float | None, float]]) -> Fit | None:
    """The line through (language, share [%], gain).

    The interval is over languages, from Student's t with n - 2 degrees of freedom: it asks what other languages would
    have shown. With the few that there are it is wide, as it must be; a bootstrap over three to ten points is too narrow
    (and often draws one point alone), and one over items asks another question, of these languages alone.

    None where fewer than three languages have a share, where all have the same, or all gain the same: no line, or one
    without any error to tell an interval from.
    """
    listed = tuple((code, share, gain) for code, share, gain in points if share is not None and share > 0)
    left_out = tuple(code for code, share, _ in points if share is None or share <= 0)
    x, y = [math.log10(share) for _, share, _ in listed], [gain for _, _, gain in listed]
    if len(listed) < LEAST or len(set(x)) == 1 or len(set(y)) == 1:
        return None
    from scipy.special import stdtrit  # here: it takes longer than all that a command without a fit does
    from scipy.stats import linregress

    line = linregress(x, y)
    half = float(stdtrit(len(listed) - 2, 0.5 + LEVEL / 2)) * float(line.stderr)
    slope = float(line.slope)
    return Fit(
        len(listed), slope, slope - half, slope + half, float(line.intercept), float(line.rvalue), listed, left_out
    )
