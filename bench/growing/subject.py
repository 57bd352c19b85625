"""A subject of growth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from babeltune.study.check import open_study
from babeltune.study.executors import local

Command = Sequence[str | PathLike[str]]


@dataclass(frozen=True, slots=True)
class Subject:
    """Some work whose size can be chosen."""

    unit: str
    sizes: tuple[int, int]
    """Least and most."""
    prepare: Callable[[Path, int], Mapping[str, Command]]
    """Makes in an empty folder what is to be worked on, of so large a size; gives the names of curves and the commands
    that are timed for them, in turn. One that prints ``{"seconds": …}`` as its last line has timed itself."""


def run_kinds(study: Path, runs: Path, kinds: Sequence[str]) -> None:
    """Run the steps of some kinds of a study, without a word."""
    local.run(open_study(study, runs), lambda event: None, kinds)
