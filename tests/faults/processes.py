"""The command line as real processes that may be killed, signalled and starved, and what they said.

``Command`` starts them as users do. ``Forked`` has them from a process that has read the libraries already, which saves
the seconds that this takes; to the kernel they are processes like any other.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

PATIENCE = 240.0
"""Seconds that anything may take on a machine that is busy; what hangs fails."""
_READ_FIRST = (
    "fasttext", "torch", "transformers", "datasets", "peft", "trl", "openai", "matplotlib.pyplot", "polars", "scipy.stats",
    "babeltune.cli.verbs.study", "babeltune.cli.verbs.judge", "babeltune.finetune.train", "babeltune.generate.transformers",
    "babeltune.generate.endpoint", "babeltune.report.render", "babeltune.study.check",
)  # fmt: skip
"""What the process that others are forked from imports; what is not there by this name is read later."""


@dataclass
class Started:
    """A command that runs."""

    process: Any
    folder: Path
    """Of its standard output and error."""
    wait: Callable[[float], int | None]
    """Exit code, or minus the signal that ended it; None if it goes on for so many seconds."""

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    @property
    def running(self) -> bool:
        return self.wait(0) is None

    def kill(self, *, group: bool = False) -> None:
        """SIGKILL, to itself or to all of its group."""
        self.send(signal.SIGKILL, group=group)
        assert self.code() is not None

    def send(self, number: signal.Signals, *, group: bool = False) -> None:
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, number)

    def code(self) -> int:
        """How it ended."""
        ended = self.wait(PATIENCE)
        if ended is None:
            self.send(signal.SIGKILL, group=True)
            pytest.fail(f"it hangs; so far it said: {self.said}")
        return ended

    @property
    def out(self) -> str:
        return self._read("out")

    @property
    def err(self) -> str:
        return self._read("err")

    def _read(self, name: str) -> str:
        path = self.folder / name  # made by the process itself, once it is there
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def said(self) -> str:
        """All of it, without line breaks."""
        return " ".join((self.out + self.err).split())


class Starts(Protocol):
    """Starts ``babeltune ARGUMENTS``."""

    def __call__(self, *arguments: object) -> Started: ...


@dataclass
class Forked:
    """``before`` is called in the process with its arguments before the command is: a fault to come, a limit, an identity."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    before: tuple[Callable[..., None], tuple[Any, ...]] | None = None
    count: int = 0
    started: list[Started] = field(default_factory=list)

    def __call__(self, *arguments: object) -> Started:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(_READ_FIRST))
        self.count += 1
        said = _said(self.folder, "forked", self.count)
        process = context.Process(
            target=_babeltune, args=([str(one) for one in arguments], said, dict(self.environment), self.before)
        )
        process.start()

        def wait(seconds: float) -> int | None:
            process.join(seconds)
            return process.exitcode

        self.started.append(Started(process, said, wait))
        return self.started[-1]

    def but(self, before: Callable[..., None], *rest: Any) -> Forked:
        """The same with a fault to come."""
        return Forked(
            _said(self.folder, before.__name__.strip("_"), self.count),
            self.environment,
            (before, rest),
            0,
            self.started,
        )


def _babeltune(
    arguments: list[str],
    said: Path,
    environment: dict[str, str],
    before: tuple[Callable[..., None], tuple[Any, ...]] | None,
) -> None:
    os.setsid()
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(said / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    os.environ.update(environment)
    sys.argv = ["babeltune", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if before is not None:
        before[0](*before[1])
    from babeltune.cli import main

    main()


@dataclass
class Command:
    """The console script, as users start it."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    count: int = 0

    def __call__(self, *arguments: object) -> Started:
        self.count += 1
        said = _said(self.folder, "command", self.count)
        with (said / "out").open("wb") as out, (said / "err").open("wb") as err:
            process = subprocess.Popen(
                [str(Path(sys.executable).with_name("babeltune")), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

        def wait(seconds: float) -> int | None:
            try:
                return process.wait(seconds) if seconds else process.poll()
            except subprocess.TimeoutExpired:
                return None

        return Started(process, said, wait)


def _said(folder: Path, kind: str, count: int) -> Path:
    made = folder / f"{kind}-{count}"
    made.mkdir(parents=True, exist_ok=True)
    return made


def until(started: Started, condition: Callable[[], object]) -> bool:
    """Wait for a condition; whether it came before the process ended."""
    for _ in _ticks():
        if condition():
            return True
        if not started.running:
            return bool(condition())
    pytest.fail(f"what was waited for never came; it said: {started.said}")


def _ticks() -> Iterator[None]:
    given_up = time.monotonic() + PATIENCE
    while time.monotonic() < given_up:
        yield
        time.sleep(0.001)
