"""What a study has come to, as it is printed after a run: tables, verdict, what is lacking, where to read on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from babeltune.cli.terminal import console, counted
from babeltune.errors import EngineError

if TYPE_CHECKING:
    from babeltune.report.results import Results
    from babeltune.study.check import Opened
    from babeltune.study.executors.local import Ran

WIDE = 110
"""Columns from which on a value and its interval stand on one line."""


def finished(opened: Opened, ran: Ran) -> None:
    """Say what a run has done, the answer, and what is lacking.

    Raises:
        EngineError: the judge was not asked of all, or had no reply to some.
    """
    if ran.steps:
        console.say(f"{counted(ran.steps, 'step')} in {ran.seconds:.0f} s.")
    else:
        console.say(f"Nothing to do: all {len(opened.plan.steps)} steps are done.")
    if answer(opened).judging_stopped:
        raise EngineError("Not all was judged. Run again to go on; what came back is kept.")


def answer(opened: Opened) -> Results:
    """Print what a study has come to (``told``)."""
    from babeltune.study.steps.reporting import load_results

    return told(load_results(opened, texts=False), opened.store.path(opened.plan.of("report")[0]))


def told(results: Results, folder: Path) -> Results:
    """Print the table, the verdict in one sentence, what the judge lacks, and where to read on."""
    from babeltune.report import tables

    for model in results.models():
        for board in results.main_boards(model):
            console.print()
            console.print(tables.terminal(results, model, board, two_lines=console.width < WIDE))
    console.print()
    for verdict in results.headlines:
        console.say(verdict["sentence"], "bold")
    if not results.headlines:
        console.say("No verdict: it takes two mixes, a language that is in none of them, and its agreement.")
    if results.judging_stopped:
        console.say(results.judging_stopped, "yellow")
    if (folder / "figure-1.png").exists():
        console.say(f"Figure 1:  {folder / 'figure-1.png'} and .svg")
    console.say(f"The page:  {folder / 'index.html'}")
    return results
