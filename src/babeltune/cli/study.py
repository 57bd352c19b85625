"""The verbs of a study: plan, run, status, report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table

from babeltune.cli.terminal import console, errors

if TYPE_CHECKING:
    from babeltune.study.check import Opened
    from babeltune.study.session import Event

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study file, such as studies/pocket.yaml.")]
Runs = Annotated[Path, typer.Option("--runs", metavar="FOLDER", help="Where studies keep their folders.")]
SkipBadRows = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Count malformed rows of a chats file and go on without them.")
]
Download = Annotated[
    bool, typer.Option("--download", help="Fetch hub models that are not in the local cache; else nothing is fetched.")
]


def plan(
    study: StudyFile, runs: Runs = Path("runs"), skip_bad_rows: SkipBadRows = False, download: Download = False
) -> None:
    """Say what a run would do, without doing it.

    Checks the whole study (every problem is listed at once, with its line) and shows the steps: what is done, what is
    to come. Loads no model.
    """
    opened = _open(study, runs, skip_bad_rows=skip_bad_rows, download=download)
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
        mark = "done" if step.key in done else f"{step.work} updates to come"
        console.print(f"  {escape(step.name)}: {mark}", highlight=False)


def run(
    study: StudyFile, runs: Runs = Path("runs"), skip_bad_rows: SkipBadRows = False, download: Download = False
) -> None:
    """Run whatever of a study is not done yet, then print the answer.

    A run that was killed, however it was, goes on with the same command at the first missing piece and ends with the
    same outputs. What a change of the study file does not touch is not run again.
    """
    from babeltune.study.local import run as run_pending

    opened = _open(study, runs, skip_bad_rows=skip_bad_rows, download=download)
    with _progress() as bars:
        ran = run_pending(opened, _Shown(bars))
    if ran.steps:
        console.print(f"{ran.steps} steps in {ran.seconds:.0f} s.", highlight=False)
    else:
        console.print(f"Nothing to do: all {len(opened.plan.steps)} steps are done.", highlight=False)
    _answer(opened)


def status(
    study: StudyFile, runs: Runs = Path("runs"), skip_bad_rows: SkipBadRows = False, download: Download = False
) -> None:
    """Show the grid: for each model and mix how many cells are tuned, generated and scored."""
    opened = _open(study, runs, skip_bad_rows=skip_bad_rows, download=download)
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

    opened = _open(study, runs, skip_bad_rows=skip_bad_rows, download=download)
    left = [step for step in opened.plan.pending(opened.store.done(opened.plan.steps)) if step.kind != "report"]
    if left:
        said = f"{len(left)} steps are to come first. Run: babeltune run {study}"
        errors.print(said, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    with opened.store.locked():
        run_steps(opened.plan.of("report"), Session(opened, lambda event: None))
    _answer(opened)


_WIDE = 110
"""Columns from which on a value and its interval stand on one line."""
_KINDS = (
    ("label", "a language for each chat", ""),
    ("mix", "chats drawn for each mix", "chats"),
    ("proof", "guarantees of the mixes", ""),
    ("tune", "adapters", "updates"),
    ("generate", "cells answered", "outputs"),
    ("score", "cells scored", ""),
    ("summary", "intervals and verdict", ""),
    ("report", "table, figure, page", ""),
)


def _open(study: Path, runs: Path, *, skip_bad_rows: bool, download: bool) -> Opened:
    if not download:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from babeltune.study.check import open_study

    return open_study(study, runs, skip_bad_rows=skip_bad_rows, download=download)


def _answer(opened: Opened) -> None:
    """The table, the verdict in one sentence, and where to read on."""
    from babeltune.report import tables
    from babeltune.study.steps import load_results

    results = load_results(opened)
    for model in results.models():
        console.print()
        console.print(tables.terminal(results, model, "agreement", two_lines=console.width < _WIDE))
    console.print()
    for verdict in results.verdicts:
        console.print(verdict["sentence"], style="bold", markup=False, highlight=False, soft_wrap=True)
    if not results.verdicts:
        console.print("No verdict: it takes two mixes and a language that is in none of them.")
    folder = opened.store.path(opened.plan.of("report")[0])
    console.print(f"Figure 1:  {folder / 'figure-1.png'} and .svg", highlight=False, soft_wrap=True, markup=False)
    console.print(f"The page:  {folder / 'index.html'}", highlight=False, soft_wrap=True, markup=False)


def _progress() -> Progress:
    return Progress(
        TextColumn("[bold]{task.fields[kind]:8}"),
        TextColumn("{task.description}", table_column=Column(max_width=22, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=12),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        console=errors,
        disable=not errors.is_terminal,
    )


class _Shown:
    """Events of a run: as progress bars in a terminal, and as a line at every tenth of the work in a log."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.tasks: dict[tuple[str, str], TaskID] = {}
        self.tokens: dict[TaskID, int] = {}
        self.tenths: dict[TaskID, int] = {}

    def __call__(self, event: Event) -> None:
        key = event.kind, event.name if event.kind in ("tune", "model") else ""
        if key not in self.tasks:
            self.tasks[key] = self.bars.add_task(
                escape(event.name), total=event.total, kind=event.kind, unit=event.unit, rate=""
            )
        task = self.tasks[key]
        self.tokens[task] = self.tokens.get(task, 0) + event.tokens
        elapsed = self.bars.tasks[task].elapsed or 0.0
        rate = f"{self.tokens[task] / elapsed:.0f} tokens/s" if self.tokens[task] and elapsed > 1 else ""
        self.bars.update(task, completed=event.done, total=event.total, description=escape(event.name), rate=rate)
        tenth = 10 * event.done // max(1, event.total)
        if self.bars.disable and tenth > self.tenths.get(task, 0):
            self.tenths[task] = tenth
            line = f"{event.kind} {event.name}: {event.done}/{event.total} {event.unit} {rate}".rstrip()
            errors.print(line, markup=False, highlight=False, soft_wrap=True)
