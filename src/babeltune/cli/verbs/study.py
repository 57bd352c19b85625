"""The verbs of a study: run, status, report."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from babeltune.cli.loading import Download, MaxCost, Runs, SkipBadRows, StudyFile, needs_all, open_
from babeltune.cli.outcome import answer, finished, told
from babeltune.cli.terminal import Shown, console, counted, progress
from babeltune.errors import InputError, Problem

if TYPE_CHECKING:
    from babeltune.study.check import MayLack


class ExecutorName(StrEnum):
    """Where the steps are run."""

    LOCAL = "local"
    RAY = "ray"


def run(
    study: StudyFile,
    runs: Runs = Path("runs"),
    skip_bad_rows: SkipBadRows = False,
    download: Download = False,
    executor: Annotated[
        ExecutorName, typer.Option(help="This process, or a Ray cluster (pip install 'babeltune\\[ray]').")
    ] = ExecutorName.LOCAL,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="The Ray cluster: its head, auto for the one that this machine is part of, or local for a Ray of this "
            "run's own; left out, what RAY_ADDRESS says, else local.",
        ),
    ] = None,
    max_cost: MaxCost = None,
) -> None:
    """Run whatever of a study is not done yet, then print the answer.

    A run that was killed, however it was, goes on with the same command at the first missing piece and ends with the
    same outputs. What a change of the study file does not touch is not run again.

    On a cluster, adapters are tuned side by side and one model answers in as many replicas as there is room for. All
    machines must see the runs folder and the models at the same paths; docs/cluster.md has the commands for a
    workstation with several GPUs, Slurm and Kubernetes.

    babeltune run studies/pocket.yaml

    babeltune run studies/llama2-7b.yaml --executor ray --address auto
    """
    if address is not None and executor is not ExecutorName.RAY:
        fix = "Add --executor ray, or leave it out."
        raise InputError("run", [Problem("--address", "it is for a Ray cluster, and this run is local", fix)])
    may_lack: MayLack = "packages" if executor is ExecutorName.RAY else "nothing"
    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack=may_lack)
    with progress() as bars:
        if executor is ExecutorName.RAY:
            from babeltune.study.executors.ray import run as run_on_ray

            ran = run_on_ray(opened, Shown(bars), address, max_cost)
        else:
            from babeltune.study.executors.local import run as run_pending

            ran = run_pending(opened, Shown(bars), most_cost=max_cost)
    finished(opened, ran)


def status(
    study: StudyFile, runs: Runs = Path("runs"), skip_bad_rows: SkipBadRows = False, download: Download = False
) -> None:
    """Show the grid: for each model and mix how many cells are tuned, generated and scored."""
    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="anything")
    done = opened.store.done(opened.plan.steps)
    table = Table(title=f"study {opened.plan.study.study}")
    kinds = ("generate", "judge", "score") if opened.plan.of("judge") else ("generate", "score")
    for heading in ("model", "mix", "tuned", *(_DONE[kind] for kind in kinds)):
        table.add_column(heading, overflow="fold")
    total: Counter[tuple[str | None, str | None, str]] = Counter()
    there: Counter[tuple[str | None, str | None, str]] = Counter()
    for step in opened.plan.steps:
        place = (step.cell.model if step.cell else step.model, step.mix, step.kind)
        total[place] += 1
        there[place] += step.key in done
    for model in opened.plan.study.models:
        for mix in ("base", *opened.plan.study.mixes):
            places = [(model.id, mix, "tune"), *((model.name, mix, kind) for kind in kinds)]
            if any(total[place] for place in places[1:]):
                shares = [f"{there[place]}/{total[place]}" if total[place] else "-" for place in places]
                table.add_row(model.name, mix, *shares)
    console.print(table)
    left = len(opened.plan.pending(done))
    said = f"{counted(left, 'step')} to come: babeltune run {study}" if left else "All done."
    console.say(said)


def report(
    study: StudyFile, runs: Runs = Path("runs"), skip_bad_rows: SkipBadRows = False, download: Download = False
) -> None:
    """Write the report of a finished study, or of an import, again, from its scores, and print the answer. Loads no model."""
    from babeltune.study.importing.folder import Folder, of_study
    from babeltune.study.session import Session
    from babeltune.study.steps.run import run_steps

    if (imported := of_study(study, runs)) is not None:
        from babeltune.study.importing.run import render

        folder = Folder(imported)
        with folder.locked():
            told(render(folder), folder.report)
        return
    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="models")
    needs_all(opened, study, but=("summary", "report"))
    with opened.store.locked():
        session = Session(opened, lambda event: None)
        pending = opened.plan.pending(opened.store.done(opened.plan.steps))
        run_steps([step for step in pending if step.kind == "summary"], session)
        run_steps(opened.plan.of("report"), session)
    answer(opened)


_DONE = {"generate": "generated", "judge": "judged", "score": "scored"}
