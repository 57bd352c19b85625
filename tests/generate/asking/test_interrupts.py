from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from babeltune.generate.asking.interrupts import run


@pytest.fixture
def loop():
    made = asyncio.new_event_loop()
    yield made
    made.close()


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_what_work_returns_is_returned(loop):
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert run(loop, work()) == 7
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_work_raises_is_raised(loop):
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(loop, work())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_cancels_what_is_awaited_and_tears_nothing(loop):
    done = []

    def callback() -> None:
        press()
        done.append("whole")

    async def work() -> None:
        loop.call_soon(callback)
        try:
            await asyncio.sleep(100)
        finally:
            done.append("tidied")

    with pytest.raises(KeyboardInterrupt):
        run(loop, work())
    assert done == ["whole", "tidied"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_that_comes_too_late_to_cancel_is_not_lost(loop):
    async def work() -> None:
        press()

    with pytest.raises(KeyboardInterrupt):
        run(loop, work())


def test_a_second_ctrl_c_breaks_in(loop):
    done = []

    async def work() -> None:
        try:
            press()
            await asyncio.sleep(100)
        finally:
            press()
            done.append("never")

    with pytest.raises(KeyboardInterrupt):
        run(loop, work())
    assert done == []


def test_where_ctrl_c_means_something_else_it_goes_on_meaning_it(loop):
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:

        async def work() -> str:
            press()
            return "done"

        assert run(loop, work()) == "done"
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_may_run_a_loop(loop):
    async def work() -> int:
        return 7

    said = []
    thread = threading.Thread(target=lambda: said.append(run(loop, work())))
    thread.start()
    thread.join()
    assert said == [7]
