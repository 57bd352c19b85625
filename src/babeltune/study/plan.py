"""The plan: a study -> its steps, as plain data. Pure: it reads the study and the store and runs nothing.

label -> mix (one a mix) -> proof
              mix -> tune (model x mix x tuning seed) -> generate (one a cell) -> score (one a cell) -> summary -> report
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from babeltune.measure.intervals import LEVEL, RESAMPLES, SEED
from babeltune.records import ASSISTANT, HUMAN, STOP, Cell
from babeltune.study.fingerprint import fingerprint
from babeltune.study.spec import BASE, Study

Kind = Literal["label", "mix", "proof", "tune", "generate", "score", "summary", "report"]

_ROOMS: dict[Kind, str] = {
    "label": "data",
    "mix": "data",
    "proof": "data",
    "tune": "finetune",
    "generate": "generate",
    "score": "measure",
    "summary": "measure",
    "report": "report",
}
_VERSIONS: dict[Kind, int] = dict.fromkeys(_ROOMS, 1)
"""Raised by hand where a change to the code changes a step's result for the same recipe."""


@dataclass(frozen=True)
class Inputs:
    """Fingerprints of what a study reads from outside its file."""

    chats: str
    """SHA-256 of the chats."""
    identifier: str
    """SHA-256 of the language identification model."""
    models: Mapping[str, str]
    """Model id -> what identifies its weights."""
    items: Mapping[tuple[str, str], str]
    """(task, language) -> SHA-256 of the items."""
    item_counts: Mapping[tuple[str, str], int]
    """(task, language) -> number of items."""


@dataclass(frozen=True)
class Step:
    """One piece of work with a folder of its own. ``recipe`` and ``needs`` say all that its result depends on."""

    kind: Kind
    name: str
    """Readable; with the hash it names the folder."""
    recipe: Mapping[str, Any]
    needs: tuple[str, ...] = ()
    """Keys of the steps whose results it reads."""
    after: tuple[str, ...] = ()
    """Fingerprints of those steps, in the same order."""
    cell: Cell | None = None
    mix: str | None = None
    model: str | None = None
    work: int = 0
    """Amount of work in the unit of its kind: chats, updates, outputs."""

    @property
    def room(self) -> str:
        """Folder of the study that it belongs to."""
        return _ROOMS[self.kind]

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over kind, version of the code, recipe, and the fingerprints of all that is needed."""
        return fingerprint(
            {"kind": self.kind, "version": _VERSIONS[self.kind], "recipe": self.recipe, "after": list(self.after)}
        )

    @property
    def hashed_name(self) -> bool:
        """Whether the folder has the hash in its name; the report has one fixed place, ``report/``."""
        return self.kind != "report"

    @property
    def folder(self) -> str:
        """Folder name within the room: ``<readable-name>-<hash8>``."""
        return f"{self.name}-{self.fingerprint[:8]}"

    @property
    def key(self) -> str:
        """Unique within a plan."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True)
class Plan:
    """All steps, each after those that it needs."""

    study: Study
    steps: tuple[Step, ...]

    @functools.cached_property
    def by_key(self) -> Mapping[str, Step]:
        """Steps by their keys."""
        return {step.key: step for step in self.steps}

    def of(self, kind: Kind) -> tuple[Step, ...]:
        """Steps of one kind, in order."""
        return tuple(step for step in self.steps if step.kind == kind)

    def pending(self, done: frozenset[str]) -> tuple[Step, ...]:
        """Steps that are not done, in order."""
        return tuple(step for step in self.steps if step.key not in done)


def make(study: Study, inputs: Inputs) -> Plan:
    """Lay out the steps of a study."""
    steps: list[Step] = []

    def add(kind: Kind, name: str, recipe: Mapping[str, Any], needs: Sequence[Step] = (), **about: Any) -> Step:
        step = Step(
            kind, name, recipe, tuple(need.key for need in needs), tuple(need.fingerprint for need in needs), **about
        )
        steps.append(step)
        return step

    label = add(
        "label",
        "chats",
        {"chats": inputs.chats, "identifier": inputs.identifier, "threshold": study.label.threshold},
    )
    mixes = {
        name: add(
            "mix", name, {"counts": dict(counts), "seed": study.mix_seed}, [label], mix=name, work=sum(counts.values())
        )
        for name, counts in study.mixes.items()
    }
    dialogue = study.tasks.dialogue
    item_hashes = {code: inputs.items["dialogue", code] for code in dialogue.languages}
    add("proof", "proof", {"mixes": list(mixes), "items": item_hashes}, list(mixes.values()))
    sampling = study.sampling.model_dump()
    scores = []
    for model in study.models:
        weights = {"model": inputs.models[model.id], "dtype": study.dtype}
        for name in ([BASE] if study.base else []) + list(mixes):
            for tuning_seed in study.tuning_seeds if name != BASE else (0,):
                tune = None
                if name != BASE:
                    updates = -(-sum(study.mixes[name].values()) * study.recipe.epochs // study.recipe.batch)
                    tune = add(
                        "tune",
                        f"{model.name}-{name}-t{tuning_seed}",
                        {**weights, "recipe": dataclasses.asdict(study.recipe), "seed": tuning_seed},
                        [mixes[name]],
                        mix=name,
                        model=model.id,
                        work=updates,
                    )
                for language in dialogue.languages:
                    for seed in study.seeds:
                        cell = Cell(model.name, name, tuning_seed, "dialogue", language, "xx:xx", seed)
                        generate = add(
                            "generate",
                            cell.name,
                            {
                                **weights,
                                "items": inputs.items["dialogue", language],
                                "sampling": sampling,
                                "format": [HUMAN, ASSISTANT, *STOP],
                                "seed": seed,
                            },
                            [tune] if tune else [],
                            cell=cell,
                            mix=name,
                            model=model.id,
                            work=inputs.item_counts["dialogue", language],
                        )
                        scores.append(
                            add("score", cell.name, {"identifier": inputs.identifier}, [generate], cell=cell, mix=name)
                        )
    members = {name: sorted(counts) for name, counts in study.mixes.items()}
    # The score folders are those of the cells in this order; which they are is in their fingerprints.
    summary = add(
        "summary",
        "summary",
        {
            "cells": [dataclasses.asdict(score.cell) for score in scores if score.cell],
            "members": members,
            "verdict": study.verdict.model_dump(),
            "interval": [LEVEL, RESAMPLES, SEED],
        },
        scores,
    )
    add("report", "report", {"study": study.study}, [summary])
    return Plan(study, tuple(steps))
