"""How fast a server is asked: limits per minute, and how long to wait before another try."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_FIRST_WAIT = 0.5
"""Seconds: most of the first wait between tries (the official client's, openai 3.54, ``_constants.py``)."""
_MOST_A_MINUTE = 100_000
"""Requests of any server. Those sent at once come back at once, wait for each other to be read, and go on in step for
ever: at 64 in flight and 50 ms each, 0.6 ms between two of them gave 3 to 5 % more a second (bench/judge.py)."""
_CLOSE = 0.003
"""Seconds: who is only so much too early for that does not wait."""
_BYTES_A_TOKEN = 4
"""Of a prompt, before the first reply says it better."""
_NEW = 0.1
"""Weight of the newest reply in an estimate."""


class Bucket:
    """So many a minute, evenly spaced, without a burst (the generic cell rate algorithm of ATM, ITU-T I.371)."""

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = 60.0 / per_minute
        """Between one and the next."""
        self._clock = clock
        self._free = -float("inf")
        """When all that was taken is paid off."""

    def reserve(self, amount: float = 1.0) -> float:
        """Take ``amount`` when it is free, and say how many seconds that is from now."""
        now = self._clock()
        start = max(now, self._free)
        self._free = start + amount * self.seconds
        return start - now

    def correct(self, amount: float) -> None:
        """Take more than was reserved, or give back where ``amount`` is negative."""
        self._free += amount * self.seconds


class Pace:
    """Limits of one account: requests and tokens a minute, and pauses that the server asks for.

    No minute has more requests than the limit. What a call takes in tokens is estimated, and set right when the reply
    says it, so that tokens keep to their limit on average.
    """

    def __init__(
        self,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._requests = Bucket(requests_per_minute, clock) if requests_per_minute else None
        self._apart = Bucket(_MOST_A_MINUTE, clock)
        self._tokens = Bucket(tokens_per_minute, clock) if tokens_per_minute else None
        self._held = -float("inf")
        self._rate = 1 / _BYTES_A_TOKEN
        """Prompt tokens of a byte sent, as far as is known."""
        self._written: float | None = None
        """Tokens of an answer; None before the first."""
        self._answered = -float("inf")

    def estimate(self, sent: int, most: int) -> int:
        """Tokens that a call will take, of so many bytes and at most so many new tokens: as earlier ones did."""
        return round(sent * self._rate + (most if self._written is None else min(most, self._written)))

    async def turn(self, tokens: int) -> None:
        """Wait until a request of about so many tokens may be sent."""
        while True:
            while (wait := self._held - self._clock()) > 0:
                await asyncio.sleep(wait)
            apart = self._apart.reserve()
            wait = max(
                apart if apart > _CLOSE else 0.0,
                self._requests.reserve() if self._requests else 0.0,
                self._tokens.reserve(tokens) if self._tokens else 0.0,
            )
            if wait <= 0:
                return
            await asyncio.sleep(wait)
            if self._held <= self._clock():  # else the turn is lost: after the pause, all that wait would go at once
                return

    def learn(self, estimated: int, sent: int, prompt: int, written: int) -> None:
        """A reply came: of ``sent`` bytes it read as ``prompt`` tokens, and wrote ``written``; 0 and 0 if unknown."""
        self._answered = self._clock()
        if prompt + written == 0:
            return
        if self._tokens is not None:
            self._tokens.correct(prompt + written - estimated)
        self._rate += _NEW * (prompt / sent - self._rate)
        self._written = written if self._written is None else self._written + _NEW * (written - self._written)

    def answered_within(self, seconds: float) -> bool:
        """Whether any reply came in the last so many seconds."""
        return self._clock() - self._answered <= seconds

    def hold(self, seconds: float) -> None:
        """Send nothing for so long: the server asked for it."""
        self._held = max(self._held, self._clock() + seconds)


def backoff(tries: int, most: float, draw: Callable[[float, float], float] = random.uniform) -> float:
    """Seconds to wait after so many failed tries, in [0, min(most, 0.5 * 2^(tries - 1))].

    Drawn from the whole range ("full jitter", https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter),
    so that requests that failed together do not come back together.
    """
    return draw(0.0, min(most, _FIRST_WAIT * 2.0 ** min(tries - 1, 60)))


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that a reply asks to wait, 0 or more; None where it asks for nothing that can be read.

    ``retry-after-ms`` in milliseconds, or else ``Retry-After`` in seconds or as a date (RFC 9110, section 10.2.3). The
    names of ``headers`` are matched as the mapping does it.
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        given = headers.get(name)
        if given is None:
            continue
        try:
            seconds = float(given) * unit
        except ValueError:
            try:
                seconds = (parsedate_to_datetime(given) - (now or datetime.now(UTC))).total_seconds()
            except (ValueError, TypeError):  # no date; or one that names no time zone
                continue
        if seconds == seconds and seconds != float("inf"):
            return max(0.0, seconds)
    return None
