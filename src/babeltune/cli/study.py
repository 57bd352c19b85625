"""The verbs of a study: plan, run, status, report."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape
from rich.table import Table

from babeltune.cli.terminal import Download, Runs, Shown, SkipBadRows, StudyFile, console, errors, open_, progress

if TYPE_CHECKING:
    from babeltune.study.check import Opened


def plan(
    study: StudyFile, runs: Runs = Path("runs"), skip_bad_rows: SkipBadRows = False, download: Download = False
) -> None:
    """Say what a run would do, without doing it.

    Checks the whole study (every problem is listed at once, with its line) and shows the steps: what is done, what is
    to come. Loads no model.
    """
    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="anything")
    done = opened.store.done(opened.plan.steps)
    table = Table(title=f"study {opened.plan.study.study}: {len(opened.plan.steps)} steps in {opened.store.root}")
    for heading in ("step", "what", "done", "to come", "work to come"):
        table.add_column(heading, justify="right" if heading in ("done", "to come") else "left")
    for kind, what, unit in _KINDS:
        steps = opened.plan.of(kind)  # type: ignore[arg-type]
        pending = [step for step in steps if step.key not in done]
        work = sum(step.work for step in pending)
        table.add_row(
            kind, what, str(len(steps) - len(pending)), str(len(pending)), f"{work:,} {unit}" if unit and work else ""
        )
    console.print(table)
    for step in opened.plan.of("tune"):
        updates = f"{step.work} updates to come" if step.work else "to come; every chat, whose number is not known yet"
        mark = "done" if step.key in done else updates
        console.print(f"  {escape(step.name)}: {mark}", highlight=False)
    for task, spec in opened.plan.study.tasks.asked.items():
        sets = {key: one for key, one in opened.plan.inputs.items.items() if key[0] == task}
        counts = sorted({one.count for one in sets.values() if one.count})
        items = " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1]))) if counts else "hub's"
        promptings = " and ".join(dict.fromkeys(prompting for _, _, prompting in sets))
        said = f"{task}: {items} items in each of {' '.join(spec.languages)}, {promptings}"
        console.print(f"  {said}", markup=False, highlight=False, soft_wrap=True)
    if opened.plan.inputs.downloads:
        console.print("\nNot in the local cache; a run with --download fetches:")
        for need in opened.plan.inputs.downloads:
            console.print(f"  {need}", markup=False, highlight=False, soft_wrap=True)
        if not opened.plan.inputs.available:
            console.print("Whether the chats suffice for the mixes is checked as soon as they are here.")


def run(
    study: StudyFile, runs: Runs = Path("runs"), skip_bad_rows: SkipBadRows = False, download: Download = False
) -> None:
    """Run whatever of a study is not done yet, then print the answer.

    A run that was killed, however it was, goes on with the same command at the first missing piece and ends with the
    same outputs. What a change of the study file does not touch is not run again.
    """
    from babeltune.study.local import run as run_pending

    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download)
    with progress() as bars:
        ran = run_pending(opened, Shown(bars))
    if ran.steps:
        console.print(f"{ran.steps} steps in {ran.seconds:.0f} s.", highlight=False)
    else:
        console.print(f"Nothing to do: all {len(opened.plan.steps)} steps are done.", highlight=False)
    answer(opened)


def status(
    study: StudyFile, runs: Runs = Path("runs"), skip_bad_rows: SkipBadRows = False, download: Download = False
) -> None:
    """Show the grid: for each model and mix how many cells are tuned, generated and scored."""
    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="anything")
    done = opened.store.done(opened.plan.steps)
    table = Table(title=f"study {opened.plan.study.study}")
    for heading in ("model", "mix", "tuned", "generated", "scored"):
        table.add_column(heading)
    for model in opened.plan.study.models:
        for mix in ("base", *opened.plan.study.mixes):
            ours = [step for step in opened.plan.steps if step.mix == mix]
            tune = [step for step in ours if step.kind == "tune" and step.model == model.id]
            cells = [step for step in ours if step.cell is not None and step.cell.model == model.name]
            shares = []
            for group in (tune, *([step for step in cells if step.kind == kind] for kind in ("generate", "score"))):
                shares.append(f"{sum(step.key in done for step in group)}/{len(group)}" if group else "-")
            if cells:
                table.add_row(escape(model.name), mix, *shares)
    console.print(table)
    left = len(opened.plan.pending(done))
    said = f"{left} steps to come: babeltune run {study}" if left else "All done."
    console.print(said, markup=False, highlight=False, soft_wrap=True)


def report(
    study: StudyFile, runs: Runs = Path("runs"), skip_bad_rows: SkipBadRows = False, download: Download = False
) -> None:
    """Write the report of a finished study again, from its scores, and print the answer. Loads no model."""
    from babeltune.study.run import run_steps
    from babeltune.study.session import Session

    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="models")
    needs_all(opened, study, but=("report",))
    with opened.store.locked():
        run_steps(opened.plan.of("report"), Session(opened, lambda event: None))
    answer(opened)


def needs_all(opened: Opened, study: Path, *, but: Container[str]) -> None:
    """End the command, saying what to do, where a study has steps to come of other kinds than these."""
    left = [step for step in opened.plan.pending(opened.store.done(opened.plan.steps)) if step.kind not in but]
    if left:
        said = f"{len(left)} steps are to come first. Run: babeltune run {study}"
        errors.print(said, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)


_WIDE = 110
"""Columns from which on a value and its interval stand on one line."""
_KINDS = (
    ("label", "a language for each chat", ""),
    ("mix", "chats drawn for each mix", "chats"),
    ("proof", "guarantees of the mixes", ""),
    ("card", "makeup of the mixes", ""),
    ("tune", "adapters", "updates"),
    ("generate", "cells answered", "outputs"),
    ("score", "cells scored", ""),
    ("summary", "intervals and verdict", ""),
    ("report", "table, figure, page", ""),
)


def answer(opened: Opened) -> None:
    """The table, the verdict in one sentence, and where to read on."""
    from babeltune.report import tables
    from babeltune.study.steps import load_results

    results = load_results(opened)
    for model in results.models():
        for board in results.main_boards(model):
            console.print()
            console.print(tables.terminal(results, model, board, two_lines=console.width < _WIDE))
    console.print()
    for verdict in results.verdicts:
        console.print(verdict["sentence"], style="bold", markup=False, highlight=False, soft_wrap=True)
    if not results.verdicts:
        console.print("No verdict: it takes two mixes, a language that is in none of them, and its agreement.")
    folder = opened.store.path(opened.plan.of("report")[0])
    if (folder / "figure-1.png").exists():
        console.print(f"Figure 1:  {folder / 'figure-1.png'} and .svg", highlight=False, soft_wrap=True, markup=False)
    console.print(f"The page:  {folder / 'index.html'}", highlight=False, soft_wrap=True, markup=False)
