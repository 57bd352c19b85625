"""The diagnosis: all that the doctor finds, and what of it is in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from babeltune.errors import Problem
from babeltune.study.check import Opened
from babeltune.study.doctor.cached import Cached, cached
from babeltune.study.doctor.machine import Machine, Place, Variable, machine, places, variables
from babeltune.study.doctor.needs import needs, to_tune
from babeltune.study.doctor.packages import Package, packages
from babeltune.study.doctor.trials import Torch, Trial, tried


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found."""

    machine: Machine
    packages: tuple[Package, ...]
    trials: tuple[Trial, ...]
    torch: Torch | None
    """None where torch does not work."""
    cached: tuple[Cached, ...]
    places: tuple[Place, ...]
    variables: tuple[Variable, ...]
    study: str | None
    """The study file that was asked about."""
    problems: tuple[Problem, ...]
    """Everything that is in the way, each with what mends it."""


def diagnose(path: Path | None, opened: Opened | None, runs: Path, environment: Mapping[str, str]) -> Diagnosis:
    """Look at this machine, and at what a study would lack on it. Loads torch in a process of its own; fetches nothing.

    ``environment``: as it was when the command began.
    """
    keys = [spec.key_variable for spec in opened.plan.study.roles.values()] if opened else []
    there, has = places(runs), packages()
    found = tried(to_tune(opened) if opened else None)
    problems = [*_packages(has), *_trials(found.trials), *_places(there)]
    if path is not None and opened is not None:
        offline = bool(environment.get("HF_HUB_OFFLINE"))
        problems += needs(path, opened, there, found.unfit, offline=offline)
    return Diagnosis(
        machine(), tuple(has), found.trials, found.torch, tuple(cached()), tuple(there),
        tuple(variables(environment, keys)), str(path) if path else None, tuple(dict.fromkeys(problems)),
    )  # fmt: skip


def _packages(found: list[Package]) -> Iterator[Problem]:
    """Those that every command may need; an extra is in the way only of a study that asks for it."""
    for one in found:
        if not one.fits and (one.extra is None or one.installed is not None):
            what = "is not installed" if one.installed is None else f"{one.installed} is installed"
            what += f", and babeltune asks for {one.asked}" if one.asked else ""
            yield Problem(one.name, what, f'Run: pip install "{one.name}{one.asked}".')


def _trials(found: tuple[Trial, ...]) -> Iterator[Problem]:
    for one in found:
        if not one.works:
            fix = "Install it again (`make` does, after `rm .venv/.ready`), or report this line."
            yield Problem(one.name, f"does not work: {one.said}", fix)


def _places(found: list[Place]) -> Iterator[Problem]:
    remedies = {"runs": "--runs FOLDER", "babeltune's cache": "BABELTUNE_CACHE", "the hub's cache": "HF_HUB_CACHE"}
    for one in found:
        if not one.writable:
            yield Problem(
                one.what, f"{one.path} cannot be written to", f"Change who may, or name another: {remedies[one.what]}."
            )
