"""A cap on spending that is never passed: what is in flight counts at its worst case."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_AHEAD = 1.25
"""So many times what is in flight is pledged at once, so that pledges are few."""


class Purse:
    """Dollars. Belongs to one event loop."""

    def __init__(self, spent: float, most: float | None, pledge: Callable[[float], None] | None = None) -> None:
        """Nothing in flight yet.

        Args:
            spent: so far, and what may have been spent besides.
            most: ever; None for no cap.
            pledge: writes down what calls may cost of which nothing is written yet, before they are sent, so that it
                counts even if this process is killed.
        """
        self.spent = spent
        self.most = most
        self.reserved = 0.0
        """Worst case of what is in flight."""
        self.lost = 0.0
        """Worst case of calls that were broken off here."""
        self._pledge = pledge
        self._pledged = 0.0
        self._order = asyncio.Lock()
        self._freed = asyncio.Event()

    async def reserve(self, worst: float) -> bool:
        """Whether a call of at most ``worst`` fits; waits while what is in flight may yet turn out cheaper.

        First come, first served, so that a dear request is not passed over for a cheap one.
        """
        if worst <= 0:
            return True
        if self.most is not None:
            async with self._order:
                while self.spent + self.reserved + worst > self.most:
                    if self.reserved <= 0:
                        return False
                    self._freed.clear()
                    await self._freed.wait()
                self._reserve(worst)
        else:
            self._reserve(worst)
        return True

    def settle(self, worst: float, paid: float) -> None:
        """A call that ``worst`` was reserved for is over and cost ``paid``, at most."""
        self.spent += paid
        # Sums of fractions of a cent leave a rest of 1e-18, which must not look like a call in flight.
        self.reserved = self.reserved - worst if self.reserved - worst > 1e-12 else 0.0
        self._freed.set()

    def close(self) -> None:
        """Nothing is in flight any more: of what was pledged, only what was lost remains."""
        if self._pledge is not None and self._pledged > 0:
            self._pledge(self.lost)
            self._pledged = 0.0

    def _reserve(self, worst: float) -> None:
        self.reserved += worst
        need = self.reserved + self.lost
        if self._pledge is not None and need > self._pledged:
            self._pledge(need * _AHEAD)
            self._pledged = need * _AHEAD
