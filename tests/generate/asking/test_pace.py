from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.generate.asking import pace
from babeltune.generate.asking.pace import Bucket, Pace, backoff, retry_after


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0

        async def sleep(seconds: float) -> None:
            self.now += seconds

        monkeypatch.setattr(pace.asyncio, "sleep", sleep)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@given(st.integers(1, 600), st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_no_minute_has_more_than_the_limit(per_minute, pauses):
    now = 0.0
    bucket = Bucket(per_minute, lambda: now)
    taken = []
    for pause in pauses:
        now += pause
        now += bucket.reserve()
        taken.append(now)
    for start in taken:
        assert sum(start <= at < start + 60 - 1e-6 for at in taken) <= per_minute


def test_nobody_waits_who_comes_late_enough():
    now = 0.0
    bucket = Bucket(60, lambda: now)
    assert [bucket.reserve(), bucket.reserve(), bucket.reserve()] == [0, 1, 2]
    now = 10.0
    assert bucket.reserve() == 0  # and what was not used is not saved up
    assert bucket.reserve() == 1


def test_without_limits_who_comes_alone_does_not_wait(clock):
    free = Pace(clock=clock)
    for _ in range(100):
        began = clock.now
        asyncio.run(free.turn(10_000))
        assert clock.now == began
        clock.now += 0.0006


def test_those_that_come_at_once_are_spread(clock):
    """Else they would come back at once, and wait for each other, each time anew."""
    free = Pace(clock=clock)
    began = clock.now
    for _ in range(1000):
        asyncio.run(free.turn(10_000))
    assert clock.now - began == pytest.approx(1000 * 0.0006, rel=0.01)


def test_tokens_keep_to_their_limit_once_replies_say_what_they_take(clock):
    limited = Pace(tokens_per_minute=6000, clock=clock)  # a hundred a second
    began = clock.now
    for _ in range(100):
        guess = limited.estimate(sent=400, most=1000)
        asyncio.run(limited.turn(guess))
        limited.learn(guess, 400, 80, 120)
    used = 100 * 200
    assert used / 100 * 0.95 <= clock.now - began <= used / 100 * 1.05 + 11  # the first was taken for 1,100 tokens


def test_the_estimate_becomes_what_replies_say():
    learning = Pace()
    assert learning.estimate(400, 50) == 150
    for _ in range(200):
        learning.learn(learning.estimate(400, 50), 400, 200, 30)
    assert learning.estimate(400, 50) == 230
    assert learning.estimate(800, 20) == 420
    learning.learn(230, 400, 0, 0)  # a server that does not say
    assert learning.estimate(400, 50) == 230


def test_both_limits_hold(clock):
    both = Pace(requests_per_minute=60, tokens_per_minute=600, clock=clock)
    for _ in range(11):
        asyncio.run(both.turn(5))
    assert clock.now - 100.0 == pytest.approx(10)
    for _ in range(11):
        asyncio.run(both.turn(100))
    assert clock.now - 100.0 >= 100


def test_a_pause_holds_everyone(clock):
    held = Pace(clock=clock)
    held.hold(5)
    held.hold(2)
    asyncio.run(held.turn(1))
    assert clock.now == 105.0
    asyncio.run(held.turn(1))
    assert clock.now == 105.0


def test_after_a_pause_not_all_go_at_once(clock):
    limited = Pace(requests_per_minute=60, clock=clock)
    asyncio.run(limited.turn(1))
    limited.hold(30)
    sent = []
    for _ in range(5):
        asyncio.run(limited.turn(1))
        sent.append(clock.now)
    assert sent == pytest.approx([130, 131, 132, 133, 134])


def test_a_pause_that_begins_while_one_waits_its_turn_is_kept(monkeypatch):
    now = [0.0]
    limited = Pace(requests_per_minute=60, clock=lambda: now[0])

    async def sleep(seconds: float) -> None:
        if now[0] == 0.0:
            limited.hold(10)
        now[0] += seconds

    monkeypatch.setattr(pace.asyncio, "sleep", sleep)
    asyncio.run(limited.turn(1))
    asyncio.run(limited.turn(1))
    assert now[0] >= 10


def test_who_answered_lately_is_alive(clock):
    asked = Pace(clock=clock)
    assert not asked.answered_within(1e9)
    asked.learn(1, 1, 1, 1)
    clock.now += 5
    assert asked.answered_within(5)
    assert not asked.answered_within(4.9)


@given(st.integers(1, 10_000), st.floats(0.001, 1000))
def test_waits_double_up_to_the_most_and_begin_anywhere_below(tries, most):
    low, high = backoff(tries, most, lambda a, b: a), backoff(tries, most, lambda a, b: b)
    assert low == 0
    assert high == min(most, 0.5 * 2.0 ** min(tries - 1, 60))
    assert 0 <= backoff(tries, most) <= high


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:05:05 GMT"}, 60.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:03:05 GMT"}, 0.0),
        ({"retry-after": "Fri, 02 Jan 2026 03:05:05"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_a_pause_is_read_as_seconds_milliseconds_or_date(headers, seconds):
    assert retry_after(headers, NOW) == seconds
