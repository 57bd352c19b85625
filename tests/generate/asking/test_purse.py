from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.generate.asking.purse import Purse

calls = st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), max_size=40)
"""Worst case, and the share of it that the call turns out to cost."""


@given(calls, st.floats(0, 20), st.floats(0, 5), st.integers(1, 8), st.integers(0, 9))
def test_the_cap_is_never_passed_whatever_calls_cost(calls, most, spent, slots, seed):
    draw = random.Random(seed)
    ended = []

    async def run() -> Purse:
        purse = Purse(min(spent, most), most)
        slot = asyncio.Semaphore(slots)

        async def call(worst: float, share: float) -> None:
            async with slot:
                if not await purse.reserve(worst):
                    ended.append(None)
                    return
                assert purse.spent + purse.reserved <= most + 1e-9
                for _ in range(draw.randrange(4)):
                    await asyncio.sleep(0)
                purse.settle(worst, worst * share)
                ended.append(worst * share)
                assert purse.spent <= most + 1e-9

        await asyncio.gather(*(call(*one) for one in calls))
        return purse

    purse = asyncio.run(run())
    assert len(ended) == len(calls)
    assert purse.reserved == 0
    assert purse.spent == pytest.approx(min(spent, most) + sum(cost for cost in ended if cost is not None))


def test_who_may_fit_once_others_turn_out_cheaper_waits():
    async def run() -> list[bool]:
        purse = Purse(0.0, 10.0)
        assert await purse.reserve(8)
        waiting = asyncio.create_task(purse.reserve(5))
        behind = asyncio.create_task(purse.reserve(1))  # would fit, and waits its turn
        await asyncio.sleep(0)
        assert not waiting.done()
        assert not behind.done()
        purse.settle(8, 4)
        return [await waiting, await behind]

    assert asyncio.run(run()) == [True, True]


def test_who_can_never_fit_is_told():
    async def run() -> list[bool]:
        purse = Purse(9.0, 10.0)
        return [await purse.reserve(1.5), await purse.reserve(1.0), await Purse(0, None).reserve(1e9)]

    assert asyncio.run(run()) == [False, True, True]


def test_what_is_in_flight_is_pledged_before_it_is_sent():
    pledged: list[float] = []

    async def run() -> None:
        purse = Purse(0.0, None, pledged.append)
        for _ in range(30):
            await purse.reserve(1.0)
            assert pledged[-1] >= purse.reserved + purse.lost
        few = len(pledged)
        for _ in range(1000):
            purse.settle(1.0, 0.5)
            await purse.reserve(1.0)
        assert len(pledged) == few < 20  # as much in flight as ever: nothing new to write
        purse.lost += 1.0
        purse.settle(1.0, 1.0)
        for _ in range(29):
            purse.settle(1.0, 0.5)
        purse.close()
        assert pledged[-1] == 1.0

    asyncio.run(run())


def test_where_nothing_was_sent_nothing_is_pledged():
    pledged: list[float] = []
    Purse(0.0, 1.0, pledged.append).close()
    assert asyncio.run(Purse(0.0, 0.0, pledged.append).reserve(0.0))  # a model that costs nothing
    assert pledged == []
