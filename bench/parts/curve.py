"""A curve: what a size costs, measured at several sizes, and how it grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

LINEAR = 1.1
"""Largest exponent that is called linear: ten times as much then costs 12.6 times."""
FLAT = 0.25
"""Share of the largest figure that grows with the size, below which the whole is called flat."""


class Growth(NamedTuple):
    """``fixed + slope * (size / largest) ** exponent``."""

    fixed: float
    slope: float
    """What of the largest figure grows with the size."""
    exponent: float

    @property
    def word(self) -> str:
        """What it is called."""
        if self.slope < FLAT * (self.fixed + self.slope):
            return "flat"
        return "linear" if self.exponent <= LINEAR else "MORE than linear"


@dataclass(frozen=True, slots=True)
class Point:
    """One size."""

    size: int
    seconds: float
    """Of processor."""
    mib: float
    """Peak memory."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What one kind of work cost."""

    name: str
    unit: str
    """Of the sizes."""
    points: tuple[Point, ...]

    @property
    def time(self) -> Growth:
        """Of the seconds."""
        return fit([one.size for one in self.points], [one.seconds for one in self.points])

    @property
    def memory(self) -> Growth:
        """Of the MiB."""
        return fit([one.size for one in self.points], [one.mib for one in self.points])


def fit(sizes: Sequence[float], values: Sequence[float]) -> Growth:
    """The growth whose relative differences from the values have the least squares; exponent in [0.3, 3].

    What a process costs before it begins on its input is the fixed part, so that small sizes do not hide the exponent.
    """
    x, y = np.asarray(sizes, dtype=float) / max(sizes), np.asarray(values, dtype=float)

    def apart(about: np.ndarray) -> np.ndarray:
        return np.asarray((about[0] + about[1] * x ** about[2]) / y - 1)

    least = float(y.min())
    found = min(
        (
            least_squares(apart, (share * least, y.max() - share * least + 1e-9, start),
                          bounds=([0, 0, 0.3], [y.max(), 2 * y.max(), 3]))
            for share in (0.1, 0.9) for start in (0.7, 1.0, 1.5)
        ),
        key=lambda one: one.cost,
    )  # fmt: skip
    return Growth(*map(float, found.x))
