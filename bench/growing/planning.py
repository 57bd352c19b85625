"""Planning: `plan`, `run` and `status` of a study in which all of so many cells is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from babeltune.study.check import open_study
from growing.subject import Command, Subject, run_kinds
from parts import grid
from parts.fresh import babeltune, babeltune_command

ITEMS = 2
"""Of a cell: nothing here reads an answer."""


def prepare(folder: Path, size: int) -> Mapping[str, Command]:
    """The study, laid out as a run leaves it; summed up and reported."""
    path, runs = grid.study(folder, size, ITEMS), folder / "runs"
    run_kinds(path, runs, ("label", "mix", "proof"))
    grid.lay_out(open_study(path, runs), ITEMS)
    babeltune("run", path, "--runs", runs)
    return {
        "`plan`": babeltune_command("plan", path, "--runs", runs),
        "`run` again": babeltune_command("run", path, "--runs", runs),
        "`status`": babeltune_command("status", path, "--runs", runs),
    }


PLANNING = Subject("cells", (100, 100_000), prepare)
