"""The verbs of a study: plan, run, status, report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from babeltune.cli.terminal import (
    Download,
    MaxCost,
    Runs,
    Shown,
    SkipBadRows,
    StudyFile,
    console,
    errors,
    open_,
    progress,
)
from babeltune.errors import EngineError, InputError, Problem

if TYPE_CHECKING:
    from babeltune.report.results import Results
    from babeltune.study.check import MayLack, Opened
    from babeltune.study.estimates.costs import Memory
    from babeltune.study.estimates.devices import Device, Span
    from babeltune.study.estimates.estimate import Estimate
    from babeltune.study.local import Ran

Gpu = Annotated[
    str | None, typer.Option("--gpu", metavar="NAME", help="Estimate for this GPU, such as rtx3090, a100-80gb or h100.")
]


class ExecutorName(StrEnum):
    """Where the steps are run."""

    LOCAL = "local"
    RAY = "ray"


def plan(
    study: StudyFile,
    runs: Runs = Path("runs"),
    skip_bad_rows: SkipBadRows = False,
    download: Download = False,
    gpu: Gpu = None,
) -> None:
    """Say what a run would do, without doing it.

    Checks the whole study (every problem is listed at once, with its line) and shows the steps: what is done, what is
    to come, and about how much memory, time and disk that takes. Loads no model.
    """
    from babeltune.study.estimates.devices import chosen

    if gpu is not None:
        chosen(gpu, "cuda")  # a name that is none is told before all else
    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="anything")
    done = opened.store.done(opened.plan.steps)
    table = Table(title=f"study {opened.plan.study.study}: {len(opened.plan.steps)} steps in {opened.store.root}")
    for heading in ("step", "what", "done", "to come", "work to come"):
        table.add_column(heading, justify="right" if heading in ("done", "to come") else "left")
    for kind, what, unit in _KINDS:
        steps = opened.plan.of(kind)  # type: ignore[arg-type]
        pending = [step for step in steps if step.key not in done]
        work = sum(step.work for step in pending)
        if not steps and kind in _SELDOM:
            continue
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
    if any(step.kind in ("tune", "generate") for step in opened.plan.pending(done)):
        from babeltune.study.estimates.estimate import estimates

        said = "What is to come takes about so much, in hours of one device (how it is estimated: docs/scale.md):"
        console.print(f"\n{said}", highlight=False, soft_wrap=True)
        for found in estimates(opened, done, chosen(gpu, opened.plan.study.execution.device)):
            for line in [f"  {found}"] if isinstance(found, str) else _estimated(found):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
    _told_of_servers(opened, done)
    if opened.plan.inputs.downloads:
        console.print("\nNot in the local cache; a run with --download fetches:")
        for need in opened.plan.inputs.downloads:
            console.print(f"  {need}", markup=False, highlight=False, soft_wrap=True)
        if not opened.plan.inputs.available:
            console.print("Whether the chats suffice for the mixes is checked as soon as they are here.")


def _told_of_servers(opened: Opened, done: frozenset[str]) -> None:
    """Calls, tokens and money of judge and translator to come."""
    if any(step.asks for step in opened.plan.pending(done)):
        from babeltune.study.estimates.asked import asked, told

        console.print("\nJudge and translator will be asked (docs/judge.md, docs/translation.md):", highlight=False)
        for line in told(tuple(asked(opened, done))):
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


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
            from babeltune.study.ray import run as run_on_ray

            ran = run_on_ray(opened, Shown(bars), address, max_cost)
        else:
            from babeltune.study.local import run as run_pending

            ran = run_pending(opened, Shown(bars), most_cost=max_cost)
    finished(opened, ran)


def finished(opened: Opened, ran: Ran) -> None:
    """Say what a run has done, the answer, and what is lacking.

    Raises:
        EngineError: the judge was not asked of all, or had no reply to some.
    """
    if ran.steps:
        console.print(f"{ran.steps} steps in {ran.seconds:.0f} s.", highlight=False)
    else:
        console.print(f"Nothing to do: all {len(opened.plan.steps)} steps are done.", highlight=False)
    if answer(opened).judging_stopped:
        raise EngineError("Not all was judged. Run again to go on; what came back is kept.")


def status(
    study: StudyFile, runs: Runs = Path("runs"), skip_bad_rows: SkipBadRows = False, download: Download = False
) -> None:
    """Show the grid: for each model and mix how many cells are tuned, generated and scored."""
    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="anything")
    done = opened.store.done(opened.plan.steps)
    table = Table(title=f"study {opened.plan.study.study}")
    kinds = ("generate", "judge", "score") if opened.plan.of("judge") else ("generate", "score")
    for heading in ("model", "mix", "tuned", *(_DONE[kind] for kind in kinds)):
        table.add_column(heading)
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
                table.add_row(escape(model.name), mix, *shares)
    console.print(table)
    left = len(opened.plan.pending(done))
    said = f"{left} steps to come: babeltune run {study}" if left else "All done."
    console.print(said, markup=False, highlight=False, soft_wrap=True)


def report(
    study: StudyFile, runs: Runs = Path("runs"), skip_bad_rows: SkipBadRows = False, download: Download = False
) -> None:
    """Write the report of a finished study, or of an import, again, from its scores, and print the answer. Loads no model."""
    from babeltune.study.importing.folder import Folder, of_study
    from babeltune.study.run import run_steps
    from babeltune.study.session import Session

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


def needs_all(opened: Opened, study: Path, *, but: Container[str]) -> None:
    """End the command, saying what to do, where a study has steps to come of other kinds than these."""
    there = opened.store.published(opened.plan.steps)
    left = [step for step in opened.plan.pending(there) if step.kind not in but]
    if left:
        said = f"{len(left)} steps are to come first. Run: babeltune run {study}"
        errors.print(said, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def _estimated(found: Estimate) -> Iterator[str]:
    """Lines on one model."""
    about = "" if found.exact else "about "
    lora = f"an adapter has {found.adapter:,} ({found.adapter / found.parameters:.1%})"
    yield f"  {found.model}: {about}{found.parameters:,} parameters; {about}{lora}"
    tunings = (
        f"{found.tunings} tunings of chats of {'' if found.counted else 'an assumed '}{found.chat_tokens:.0f} tokens"
    )
    unknown = f" ({found.unknown} of unknown length left out)" if found.unknown else ""
    yield f"    to come: {f'{tunings}{unknown}; ' if found.tunings else ''}{found.outputs:,} outputs"
    tuned = f"adapters {_size(found.adapter_bytes)}, checkpoints of the one at work {_size(found.checkpoint_bytes)}, "
    fetched = f"the model about {_size(found.fetched_bytes)}, " if found.fetched_bytes else ""
    yield f"    on disk: {fetched}{tuned if found.tunings else ''}outputs and scores at most {_size(found.output_bytes)}"
    for one in found.on:
        said = []
        if one.tuning:
            remedy = f" with {one.tuning_remedy}" if one.tuning_remedy else ""
            said.append(f"tuning takes {_of(one.tuning, one.device, not remedy)} and {_span(one.tuning_hours)}{remedy}")
        if one.generation:
            remedy = f"needs {one.generation_remedy}" if one.generation_remedy else ""
            rest = remedy or f"{_span(one.generation_hours)} if every answer ran to its limit"
            said.append(f"generation {_of(one.generation, one.device, not remedy)} and {rest}")
        yield f"    {one.device.name}: {'; '.join(said)}"


def _of(memory: Memory, device: Device, fits: bool) -> str:
    gib = f"{memory.total / 2**30:.3g}"
    return f"{gib} of {device.memory:.3g} GiB" if fits else f"{gib} GiB (it has {device.memory:.3g})"


def _span(hours: Span) -> str:
    for unit, size in (("h", 1), ("min", 60), ("s", 3600)):
        if hours[1] * size >= 2 or unit == "s":
            return f"{_round(hours[0] * size)} to {_round(hours[1] * size)} {unit}"
    raise AssertionError


def _round(value: float) -> str:
    """Two digits: an estimate has no more."""
    return f"{float(f'{value:.2g}'):,g}"


def _size(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{_round(count / size)} {unit}"
    return f"{_round(count / 1e3)} kB"


_SELDOM = ("translate", "twin", "english", "judge")
"""Kinds of step that most studies have none of."""
_DONE = {"generate": "generated", "judge": "judged", "score": "scored"}
_WIDE = 110
"""Columns from which on a value and its interval stand on one line."""
_KINDS = (
    ("label", "a language for each chat", ""),
    ("mix", "chats drawn for each mix", "chats"),
    ("translate", "blocks of chats translated", "chats"),
    ("twin", "translated mixes", "chats"),
    ("proof", "guarantees of the mixes", ""),
    ("card", "makeup of the mixes", ""),
    ("tune", "adapters", "updates"),
    ("generate", "cells answered", "outputs"),
    ("english", "cells translated for the judge", "answers"),
    ("judge", "cells judged", "answers"),
    ("score", "cells scored", ""),
    ("summary", "intervals and verdict", ""),
    ("report", "table, figure, page", ""),
)


def answer(opened: Opened) -> Results:
    """Print what a study has come to (``told``)."""
    from babeltune.study.reporting import load_results

    return told(load_results(opened, texts=False), opened.store.path(opened.plan.of("report")[0]))


def told(results: Results, folder: Path) -> Results:
    """Print the table, the verdict in one sentence, what the judge lacks, and where to read on."""
    from babeltune.report import tables

    for model in results.models():
        for board in results.main_boards(model):
            console.print()
            console.print(tables.terminal(results, model, board, two_lines=console.width < _WIDE))
    console.print()
    for verdict in results.headlines:
        console.print(verdict["sentence"], style="bold", markup=False, highlight=False, soft_wrap=True)
    if not results.headlines:
        console.print("No verdict: it takes two mixes, a language that is in none of them, and its agreement.")
    if results.judging_stopped:
        console.print(results.judging_stopped, style="yellow", markup=False, highlight=False, soft_wrap=True)
    if (folder / "figure-1.png").exists():
        console.print(f"Figure 1:  {folder / 'figure-1.png'} and .svg", highlight=False, soft_wrap=True, markup=False)
    console.print(f"The page:  {folder / 'index.html'}", highlight=False, soft_wrap=True, markup=False)
    return results
