"""Being told to stop, in order: Ctrl-C, SIGTERM (a scheduler, a shutdown) and SIGHUP (a closed terminal)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ALIKE = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stoppable() -> Iterator[Callable[[], int]]:
    """Have SIGTERM and SIGHUP do what Ctrl-C does, once; the second one ends the process as it is.

    Gives what tells the exit code of a command that was stopped: 128 and the number of the signal. One that was ignored
    before (``nohup``) stays so.
    """
    asked: list[int] = [signal.SIGINT]

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        asked.append(number)
        if not callable(signal.getsignal(signal.SIGINT)):  # ignored, as by a shell for what runs in the background
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    ours = [number for number in _ALIKE if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []
    for number in ours:
        signal.signal(number, stop)
    try:
        yield lambda: 128 + asked[-1]
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
