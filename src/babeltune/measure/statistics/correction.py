"""Correction: p values of several languages taken together."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values in the order of ``p``, by Holm's step-down method (1979, https://www.jstor.org/stable/4615733).

    Where those at or below a level count as findings, the probability of any false one among them is at most that
    level, whatever the p values have to do with each other.

    Raises:
        ValueError: a p outside [0, 1], or NaN.
    """
    wrong = [one for one in p if not 0 <= one <= 1]
    if wrong:
        raise ValueError(f"p values lie in [0, 1], these do not: {wrong}")
    adjusted = [0.0] * len(p)
    highest = 0.0
    for rank, at in enumerate(sorted(range(len(p)), key=lambda at: p[at])):
        highest = max(highest, min(1.0, (len(p) - rank) * p[at]))
        adjusted[at] = highest
    return adjusted
