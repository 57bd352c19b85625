"""Needs: what a study would lack on this machine. What is asked is what ``plan`` and ``run`` ask; nothing is fetched."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from babeltune.errors import Problem
from babeltune.study.check import Opened
from babeltune.study.checks import packages, served
from babeltune.study.checks.notes import Notes
from babeltune.study.doctor.machine import Place
from babeltune.study.estimates.devices import chosen
from babeltune.study.estimates.estimate import Estimate, estimates
from babeltune.study.session import hardware
from babeltune.study.spec.studyfile import parse


def to_tune(opened: Opened) -> dict[str, Any] | None:
    """Recipe and hardware of a study's tuning, for ``trials.tried``; None where nothing is left to tune."""
    study = opened.plan.study
    if not any(step.kind == "tune" for step in opened.plan.pending(opened.store.done(opened.plan.steps))):
        return None
    how = hardware(study, study.execution.device)
    return {"recipe": dataclasses.asdict(study.recipe), "hardware": dataclasses.asdict(how)}


def needs(
    path: Path, opened: Opened, places: Sequence[Place], unfit: Sequence[Mapping[str, Any]], *, offline: bool
) -> list[Problem]:
    """Everything that keeps what is to come of a study from being run here, each with what mends it.

    ``unfit``: what ``trials.tried`` found of its tuning. ``offline``: whether the environment forbids the network.
    """
    done = opened.store.done(opened.plan.steps)
    pending = opened.plan.pending(done)
    notes = Notes(parse(path), download=False)
    packages.check(notes)
    served.unreachable(opened.plan, pending, notes)
    fetch = f"Run: babeltune plan {path} --download"
    if offline:
        fetch += " (HF_HUB_OFFLINE is set, which forbids it: unset it first)"
    found = list(notes.problems)
    found += [Problem("hub", f"not in the local cache: {one}", f"{fetch}.") for one in opened.plan.inputs.downloads]
    found += [Problem(**fields) for fields in unfit]
    devices = chosen(None, opened.plan.study.execution.device)
    told = [one for one in estimates(opened, done, devices) if isinstance(one, Estimate)]
    if len(devices) == 1:  # else there is no such device here, which is told already
        found += _memory(told)
    return [*found, *_disk(told, places)]


def _memory(told: Sequence[Estimate]) -> Iterator[Problem]:
    for one in told:
        for here in one.on:
            has = f"{here.device.name} has {here.device.memory:.3g} GiB"
            for work, memory, remedy in (
                ("tuning", here.tuning, here.tuning_remedy),
                ("generation", here.generation, here.generation_remedy),
            ):
                if memory is not None and remedy:
                    what = f"{work} takes about {memory.total / 2**30:.3g} GiB, and {has}"
                    yield Problem(one.model, what, f"It needs {remedy} (docs/scale.md).")


def _disk(told: Sequence[Estimate], places: Sequence[Place]) -> Iterator[Problem]:
    """File systems with less room than what comes onto them."""
    by_name = {place.what: place for place in places}
    taken: Counter[int] = Counter()
    for one in told:
        taken[by_name["the hub's cache"].device] += round(one.fetched_bytes)
        taken[by_name["runs"].device] += round(one.adapter_bytes + one.checkpoint_bytes + one.output_bytes)
    for device, size in taken.items():
        on = [place for place in places if place.device == device]
        if size > on[0].free:
            what = f"{size / 1e9:.2g} GB are to come onto the disk of {' and '.join(place.path for place in on)}"
            fix = "Make room, or put them elsewhere: --runs FOLDER, HF_HUB_CACHE."
            yield Problem("disk", f"{what}, and {on[0].free / 1e9:.2g} GB are free", fix)
