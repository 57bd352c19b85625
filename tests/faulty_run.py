"""A run that is killed with SIGKILL at a chosen instant: ``faulty_run.py STUDY RUNS POINT COUNT``.

The product has no hook for this: here the functions that reach the instant are wrapped, and the process ends as
``kill -9`` ends it, with no handler, no flush and no cleaning up.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from babeltune.finetune import trainer
from babeltune.generate.journal import Journal
from babeltune.study.check import open_study
from babeltune.study.executors import local
from babeltune.study.session import Event
from babeltune.study.store import Store


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(count: int, function: Callable[..., Any], *, torn: bool = False) -> Callable[..., Any]:
    """The function, but the process dies right after its count-th call; ``torn`` leaves half a line behind."""
    calls = 0

    def wrapped(*args: Any, **named: Any) -> Any:
        nonlocal calls
        result = function(*args, **named)
        calls += 1
        if calls == count:
            if torn:
                with args[0].path.open("ab") as file:
                    file.write(b'{"id": "p0')
            die()
        return result

    return wrapped


def main(study: str, runs: str, point: str, count: str) -> None:
    def tell(event: Event) -> None:
        if point == "tune" and event.kind == "tune" and event.done == int(count):
            die()

    if point == "generate":
        Journal.append = at_call(int(count), Journal.append, torn=True)  # type: ignore[method-assign]
    if point == "record":  # between writing the record and renaming the folder
        Store.record = at_call(int(count), Store.record)  # type: ignore[method-assign]
    if point == "publish":  # right after the rename
        Store.publish = at_call(int(count), Store.publish)  # type: ignore[method-assign]
    if point == "checkpoint":  # in the middle of saving the adapter
        trainer._last_whole = at_call(int(count), trainer._last_whole)
    local.run(open_study(Path(study), Path(runs)), tell)


if __name__ == "__main__":
    main(*sys.argv[1:])
