"""Ctrl-C in an event loop: it ends what is awaited, and tears nothing in two that is being done."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

from babeltune.errors import EngineError

Returned = TypeVar("Returned")


def refuse_inside_loop() -> None:
    """Raise EngineError where an event loop runs in this thread already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise EngineError(
        "A server cannot be asked from inside a running event loop, such as a notebook's. Ask from a thread of its own:"
        " await asyncio.to_thread(...)."
    )


def run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Returned]) -> Returned:
    """Run a loop until ``work`` is done, and return what it returns.

    The first Ctrl-C cancels ``work``, as in ``asyncio.Runner``; tasks beside it stay as they are. A second one breaks in
    at once. Outside of the main thread, or where Ctrl-C means something else already, nothing is changed.

    Raises:
        KeyboardInterrupt: after Ctrl-C, once ``work`` is over.
    """
    task = loop.create_task(work)
    if threading.current_thread() is not threading.main_thread() or (
        signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        return loop.run_until_complete(task)
    pressed = False

    def press(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        loop.call_soon_threadsafe(task.cancel)

    signal.signal(signal.SIGINT, press)
    try:
        returned = loop.run_until_complete(task)
    except asyncio.CancelledError:
        if pressed:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed:
        raise KeyboardInterrupt
    return returned
