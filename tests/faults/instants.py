"""Faults that a process meets at a chosen instant. The product has no hook for them: what reaches the instant is wrapped.

Each is called in the process before the command is (``Forked.but``).
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

YEAR = 365 * 86400.0


def die() -> None:
    """As ``kill -9``: no handler, no flush, no cleaning up."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_within_a_write(count: int) -> None:
    """At the so-manieth file of ours that is written: half of it is there."""
    real, calls = os.fsync, 0

    def torn(file: int) -> None:
        nonlocal calls
        calls += 1
        if calls == count:
            os.ftruncate(file, os.fstat(file).st_size // 2)
            die()
        real(file)

    os.fsync = torn


def die_at_a_record(count: int) -> None:
    """While the so-manieth ``record.json`` is written: all of it is there, under another name."""
    real, calls = os.replace, 0

    def replace(source: Any, target: Any, **named: Any) -> None:
        nonlocal calls
        calls += Path(target).name == "record.json"
        if calls == count:
            die()
        real(source, target, **named)

    os.replace = replace


def die_before_publishing(count: int) -> None:
    """Between the so-manieth record and the rename that publishes it."""
    _around_renames(count, lambda source, target: source.name.endswith(".partial"), before=True)


def die_between_renames(count: int) -> None:
    """When the old folder is out of the way and the new one not yet in its place."""
    _around_renames(count, lambda source, target: target.name.endswith(".old"), before=False)


def _around_renames(count: int, meant: Callable[[Path, Path], bool], *, before: bool) -> None:
    real, calls = Path.rename, 0

    def rename(self: Path, target: Any) -> Path:
        nonlocal calls
        ours = meant(self, Path(target))
        calls += ours
        if ours and before and calls == count:
            die()
        done = real(self, target)
        if ours and not before and calls == count:
            die()
        return done

    Path.rename = rename  # type: ignore[method-assign]


def die_within_a_line(count: int) -> None:
    """After the so-manieth output, with half a line of the next in the journal."""
    from babeltune.generate.journal import Journal

    real, calls = Journal.append, 0

    def append(self: Journal, output: Any) -> None:
        nonlocal calls
        real(self, output)
        calls += 1
        if calls == count:
            with self.path.open("ab") as file:
                file.write(b'{"id": "p0')
            die()

    Journal.append = append  # type: ignore[method-assign]


def no_file_beyond(size: int) -> None:
    """No file may grow beyond so many bytes: writing fails as on a full disk, wherever this runs."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def no_memory_beyond(size: int) -> None:
    """Address space beyond what is taken already [bytes]."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + size, taken + size))


def clock_that_jumps() -> None:
    """Each look at the clock is a year after or before the one before it; what counts seconds goes on as it did."""
    real, calls = time.time, 0

    def jumping() -> float:
        nonlocal calls
        calls += 1
        return real() + (YEAR if calls % 2 else -YEAR)

    time.time = jumping


def out_of_memory_beyond(chats: int) -> None:
    """A forward pass of more than so many sequences meets torch's OutOfMemoryError, as on a GPU."""
    import torch
    from transformers import LlamaModel

    real = LlamaModel.forward

    def forward(self: Any, input_ids: Any = None, **named: Any) -> Any:
        if input_ids is not None and input_ids.shape[0] > chats:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return real(self, input_ids=input_ids, **named)

    LlamaModel.forward = forward


def slow_to_open() -> None:
    """Says ``opening`` and takes a while over it."""
    from babeltune.study import check

    real = check.open_study

    def slowly(*given: Any, **named: Any) -> Any:
        print("opening", flush=True)
        time.sleep(20)
        return real(*given, **named)

    check.open_study = slowly


def deaf_to_ctrl_c() -> None:
    """As a shell starts what runs in the background; slow to open besides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    slow_to_open()
