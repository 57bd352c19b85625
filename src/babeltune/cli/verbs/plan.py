"""The verb ``plan``: what a run would do, and about what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from babeltune.cli import completing
from babeltune.cli.loading import Download, Runs, SkipBadRows, StudyFile, open_
from babeltune.cli.terminal import console, counted

if TYPE_CHECKING:
    from babeltune.study.check import Opened
    from babeltune.study.estimates.costs import Memory
    from babeltune.study.estimates.devices import Device, Span
    from babeltune.study.estimates.estimate import Estimate

_SELDOM = ("translate", "twin", "english", "judge")
"""Kinds of step that most studies have none of."""
_KINDS = (
    ("label", "a language for each chat", ""),
    ("mix", "chats drawn for each mix", "chat"),
    ("translate", "blocks of chats translated", "chat"),
    ("twin", "translated mixes", "chat"),
    ("proof", "guarantees of the mixes", ""),
    ("card", "makeup of the mixes", ""),
    ("tune", "adapters", "update"),
    ("generate", "cells answered", "output"),
    ("english", "cells translated for the judge", "answer"),
    ("judge", "cells judged", "answer"),
    ("score", "cells scored", ""),
    ("summary", "intervals and verdict", ""),
    ("report", "table, figure, page", ""),
)


def plan(
    study: StudyFile,
    runs: Runs = Path("runs"),
    skip_bad_rows: SkipBadRows = False,
    download: Download = False,
    gpu: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completing.gpus,
            help="Estimate for this GPU, such as rtx3090, a100-80gb or h100.",
        ),
    ] = None,
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
    table = Table(
        title=f"study {opened.plan.study.study}: {counted(len(opened.plan.steps), 'step')} in {opened.store.root}"
    )
    for heading in ("step", "what", "done", "to come", "work to come"):
        table.add_column(heading, justify="right" if heading in ("done", "to come") else "left", overflow="fold")
    for kind, what, unit in _KINDS:
        steps = opened.plan.of(kind)  # type: ignore[arg-type]
        pending = [step for step in steps if step.key not in done]
        work = sum(step.work for step in pending)
        if not steps and kind in _SELDOM:
            continue
        table.add_row(
            kind, what, str(len(steps) - len(pending)), str(len(pending)), counted(work, unit) if unit and work else ""
        )
    console.print(table)
    for step in opened.plan.of("tune"):
        updates = (
            f"{counted(step.work, 'update')} to come"
            if step.work
            else "to come; every chat, whose number is not known yet"
        )
        mark = "done" if step.key in done else updates
        console.say(f"  {step.name}: {mark}")
    for task, spec in opened.plan.study.tasks.asked.items():
        sets = {key: one for key, one in opened.plan.inputs.items.items() if key[0] == task}
        counts = sorted({one.count for one in sets.values() if one.count})
        items = " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1]))) if counts else "hub's"
        promptings = " and ".join(dict.fromkeys(prompting for _, _, prompting in sets))
        said = f"{task}: {items} items in each of {' '.join(spec.languages)}, {promptings}"
        console.say(f"  {said}")
    if any(step.kind in ("tune", "generate") for step in opened.plan.pending(done)):
        from babeltune.study.estimates.estimate import estimates

        said = "What is to come takes about so much, in hours of one device (how it is estimated: docs/scale.md):"
        console.say(f"\n{said}")
        for found in estimates(opened, done, chosen(gpu, opened.plan.study.execution.device)):
            for line in [f"  {found}"] if isinstance(found, str) else _estimated(found):
                console.say(line)
    _told_of_servers(opened, done)
    if opened.plan.inputs.downloads:
        console.say("\nNot in the local cache; a run with --download fetches:")
        for need in opened.plan.inputs.downloads:
            console.say(f"  {need}")
        if not opened.plan.inputs.available:
            console.say("Whether the chats suffice for the mixes is checked as soon as they are here.")


def _told_of_servers(opened: Opened, done: frozenset[str]) -> None:
    """Calls, tokens and money of judge and translator to come."""
    if any(step.role for step in opened.plan.pending(done)):
        from babeltune.study.estimates.asked import asked, told

        console.say("\nJudge and translator will be asked (docs/judge.md, docs/translation.md):")
        for line in told(tuple(asked(opened, done))):
            console.say(f"  {line}")


def _estimated(found: Estimate) -> Iterator[str]:
    """Lines on one model."""
    about = "" if found.exact else "about "
    lora = f"an adapter has {found.adapter:,} ({found.adapter / found.parameters:.1%})"
    yield f"  {found.model}: {about}{found.parameters:,} parameters; {about}{lora}"
    assumed = "" if found.counted else "an assumed "
    tunings = f"{counted(found.tunings, 'tuning')} of chats of {assumed}{found.chat_tokens:.0f} tokens"
    unknown = f" ({found.unknown} of unknown length left out)" if found.unknown else ""
    yield f"    to come: {f'{tunings}{unknown}; ' if found.tunings else ''}{counted(found.outputs, 'output')}"
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
