"""A command in a process of its own: how long it took, on how many cores, and the most memory that it had.

Linux counts towards a process's peak what its parent held when it was made, so that a small process, this file run as a
script, stands between whoever measures and what is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended well."""

    seconds: float
    """From its start on."""
    processor: float
    """Seconds of all cores."""
    mib: float
    """Peak memory."""
    said: str

    @property
    def last(self) -> str:
        """Its last line; empty where it said nothing."""
        return self.said.strip().rpartition("\n")[2]

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, {self.processor:.2f} s of processor, {self.mib:,.0f} MiB"


def run(command: Sequence[str | os.PathLike[str]]) -> Ended:
    """Run it to its end.

    Raises:
        SystemExit: it failed; what it said is printed.
    """
    with tempfile.NamedTemporaryFile("w+") as said:
        between = [sys.executable, "-I", "-S", __file__, said.name, *command]
        told = json.loads(subprocess.run(between, check=True, capture_output=True, text=True).stdout)
        words = said.read()
    if told.pop("code"):
        print(words)
        raise SystemExit(f"{' '.join(map(str, command))}: failed")
    return Ended(**told, said=words)


def babeltune(*arguments: str | os.PathLike[str]) -> Ended:
    """The command `babeltune`."""
    return run(babeltune_command(*arguments))


def babeltune_command(*arguments: str | os.PathLike[str]) -> list[str | os.PathLike[str]]:
    """The command `babeltune` of this Python."""
    return [sys.executable, "-c", "from babeltune.cli import main; main()", *arguments]


def _between() -> None:
    """Run a command, its words into a file, and print what it took."""
    with open(sys.argv[1], "wb") as said:  # noqa: PTH123 - pathlib is memory
        began = time.perf_counter()
        process = subprocess.Popen(sys.argv[2:], stdout=said, stderr=subprocess.STDOUT)
        _, code, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    process.returncode = code
    told = {
        "seconds": seconds,
        "processor": usage.ru_utime + usage.ru_stime,
        "mib": usage.ru_maxrss / 1024,
        "code": code,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    _between()
