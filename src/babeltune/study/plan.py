"""The plan: a study -> its steps, as plain data. Pure: it reads the study and the store and runs nothing.

label -> mix (one a mix of native chats) -> translate (one a block of chats and language) -> twin (one a translated mix)
mixes and twins -> proof -> card (one a mix)
mix or twin -> tune (model x mix x tuning seed) -> generate (one a cell) -> score (one a cell) -> summary -> report
                                                   generate -> judge (one a cell and reading) -> score
                                                   generate -> english (one a cell) -> judge, where it reads translations
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from babeltune.data import twin
from babeltune.data.makeup import Makeup, Mixing
from babeltune.measure.statistics.intervals import LEVEL
from babeltune.records import ASSISTANT, HUMAN, STOP, Cell, Prompting
from babeltune.study.served import JudgeSpec, Reading, ServedSpec
from babeltune.study.spec import BASE, LabelSpec, Study, XnliSpec
from babeltune.study.step import JUDGED_TASK, Kind, Recipe, Step
from babeltune.study.tasks import ItemSet, promptings, sampling


@dataclass(frozen=True)
class Inputs:
    """Fingerprints of what a study reads from outside its file."""

    chats: str
    """SHA-256 of the chats."""
    identifier: str
    """SHA-256 of the language identification model."""
    models: Mapping[str, str]
    """Model id -> what identifies its weights."""
    items: Mapping[tuple[str, str, Prompting], ItemSet]
    """(task, language, prompting) -> what identifies the items."""
    makeups: Mapping[str, Makeup]
    """Mix -> what it is to hold."""
    available: Mapping[str, int]
    """Language -> usable chats; empty as long as the chats are not at hand."""
    chat_count: int = 0
    """Chats that a mix of every chat holds, usable or not."""
    downloads: tuple[str, ...] = ()
    """What is to be fetched first, in words."""
    absent: frozenset[str] = frozenset()
    """Ids of the models among it."""
    exposure: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Name of a model whose pretraining data is known -> language -> share [%]."""


@dataclass(frozen=True)
class Plan:
    """All steps, each after those that it needs."""

    study: Study
    steps: tuple[Step, ...]
    inputs: Inputs

    @functools.cached_property
    def by_key(self) -> Mapping[str, Step]:
        """Steps by their keys."""
        return {step.key: step for step in self.steps}

    def of(self, kind: Kind) -> tuple[Step, ...]:
        """Steps of one kind, in order."""
        return tuple(step for step in self.steps if step.kind == kind)

    def counts(self, mix: str) -> Mapping[str, int]:
        """Language -> chats of a mix. A mix of every chat has what is usable, and empty ones while that is not known."""
        makeup = self.inputs.makeups[mix]
        return self.inputs.available if makeup.everything else makeup.counts

    @functools.cached_property
    def sized(self) -> tuple[str, ...]:
        """Mixes of a size of their own; only these can be compared with each other."""
        return tuple(name for name, makeup in self.inputs.makeups.items() if not makeup.everything)

    def pending(self, done: frozenset[str]) -> tuple[Step, ...]:
        """Steps that are not done, in order."""
        return tuple(step for step in self.steps if step.key not in done)


def label_step(chats: str, identifier: str, spec: LabelSpec, mixing: Mixing, items: Mapping[str, str]) -> Step:
    """The first step. It depends on the hashes of the ``items`` only where chats that hold one are left out."""
    recipe = {"chats": chats, "identifier": identifier, "threshold": spec.threshold, "protocol": spec.protocol}
    left_out = {"items left out": items} if mixing.overlap == "leave-out" else {}
    return Step("label", "chats", {**recipe, **left_out})


def item_hashes(items: Mapping[tuple[str, str, Prompting], ItemSet]) -> dict[str, str]:
    """Task and language -> SHA-256 of the items that chats are held against."""
    found: dict[str, str] = {}
    for (task, code, prompting), one in items.items():
        # Both promptings ask about the same things.
        if prompting == "xx:xx" or f"{task} {code}" not in found:
            found[f"{task} {code}"] = one.scored
    return found


def make(study: Study, inputs: Inputs) -> Plan:
    """Lay out the steps of a study."""
    steps: list[Step] = []

    def add(kind: Kind, name: str, recipe: Mapping[str, Any], needs: Sequence[Step] = (), **about: Any) -> Step:
        keys, prints = [need.key for need in needs], [need.fingerprint for need in needs]
        step = Step(kind, name, recipe, tuple(keys), tuple(prints), **about)
        steps.append(step)
        return step

    def judging(generate: Step) -> list[Step]:
        """What the judge is asked of a cell, a step a reading."""
        cell = generate.cell
        assert study.judge is not None
        assert cell is not None
        about: dict[str, Any] = {
            "cell": cell, "mix": cell.mix, "work": min(generate.work, study.judge.sample or generate.work),
        }  # fmt: skip
        found = []
        for reading in readings(study.judge, cell.language):
            recipe: dict[str, Any] = {"judge": judge_recipe(study.judge, inputs)}
            needs = [generate]
            if reading == "translated":
                recipe["items"] = inputs.items[cell.task, "en", cell.prompting].asked
                asked = {
                    "translator": _served(study.translator, inputs),
                    "identifier": inputs.identifier,
                    "sample": study.judge.drawn,
                }
                needs.append(add("english", cell.name, asked, [generate], **about))
            found.append(add("judge", f"{reading}-{cell.name}", recipe, needs, **about))
        return found

    mixing, hashes = study.mixing, item_hashes(inputs.items)
    label = label_step(inputs.chats, inputs.identifier, study.label, mixing, hashes)
    steps.append(label)
    native = {
        name: add(
            "mix",
            name,
            {
                "counts": [[code, n] for code, n in makeup.counts.items()],
                "everything": makeup.everything,
                "draw": [mixing.protocol, mixing.seed, mixing.main, makeup.pool],
            },
            [label],
            mix=name,
            work=inputs.chat_count if makeup.everything else sum(makeup.counts.values()),
        )
        for name, makeup in inputs.makeups.items()
        if makeup.of is None
    }
    blocks: dict[str, Step] = {}
    twins: dict[str, Step] = {}
    for name, makeup in inputs.makeups.items():
        if makeup.of is not None:
            ours = []
            for block in twin.blocks(makeup, mixing):
                at = f"{makeup.of}-{block.language}-{block.start}-{block.count}"
                if at not in blocks:
                    asked = {
                        "translator": _served(study.translator, inputs),
                        "identifier": inputs.identifier,
                        "block": dataclasses.asdict(block),
                    }
                    blocks[at] = add("translate", at, asked, [native[makeup.of]], mix=makeup.of, work=block.count)
                ours.append(blocks[at])
            size = sum(makeup.counts.values())
            twins[name] = add("twin", name, {}, [native[makeup.of], *ours], mix=name, work=size)
    mixes = {name: twins.get(name) or native[name] for name in inputs.makeups}
    about: dict[str, Any] = {
        "mixes": list(mixes),
        "items": hashes,
        "overlap": mixing.overlap,
        "threshold": study.label.threshold,
    }
    proof = add("proof", "proof", about, list(mixes.values()))
    tokenizers = {model.name: inputs.models[model.id] for model in study.models if model.id not in inputs.absent}
    for name, mix in mixes.items():
        add(
            "card",
            f"{name}-card",
            {"tokenizers": tokenizers, "order": [mixing.main, *mixing.order]},
            [mix, label, proof],
            mix=name,
        )
    scores = []
    grid = list(_asked(study))
    scoring = {
        about: Recipe(identifier=inputs.identifier, items=inputs.items[about].scored)
        for about in dict.fromkeys((task, language, prompting) for task, language, prompting, _ in grid)
    }
    for model in study.models:
        model_name = model.name
        weights = {"model": inputs.models[model.id], "dtype": study.dtype}
        answering = {
            (task, language, prompting, seed): Recipe(
                **weights,
                items=inputs.items[task, language, prompting].asked,
                engine=study.engine,
                **_drawn(study, task, seed),
            )
            for task, language, prompting, seed in grid
        }
        for name in ([BASE] if study.base else []) + list(mixes):
            for tuning_seed in study.tuning_seeds if name != BASE else (0,):
                tune = None
                if name != BASE:
                    updates = study.recipe.updates(mixes[name].work)
                    tune = add(
                        "tune",
                        f"{model_name}-{name}-t{tuning_seed}",
                        {**weights, "recipe": dataclasses.asdict(study.recipe), "seed": tuning_seed},
                        [mixes[name]],
                        mix=name,
                        model=model.id,
                        work=updates,
                    )
                for task, language, prompting, seed in grid:
                    cell = Cell(model_name, name, tuning_seed, task, language, prompting, seed)
                    items = inputs.items[task, language, prompting]
                    generate = add(
                        "generate",
                        cell.name,
                        answering[task, language, prompting, seed],
                        [tune] if tune else [],
                        cell=cell,
                        mix=name,
                        model=model.id,
                        work=items.count,
                    )
                    recipe = scoring[task, language, prompting]
                    judged = judging(generate) if study.judge and task == JUDGED_TASK else []
                    if study.judge and judged:
                        recipe = Recipe(recipe, judge=study.judge.protocol)
                    scores.append(add("score", cell.name, recipe, [generate, *judged], cell=cell, mix=name))
    members = {
        name: sorted(inputs.available if makeup.everything else makeup.counts)
        for name, makeup in inputs.makeups.items()
    }
    # The score folders are those of the cells in this order; which they are is in their fingerprints.
    summary = add(
        "summary",
        "summary",
        {
            "cells": [score.name for score in scores],
            "members": members,
            "verdict": study.verdict.model_dump(),
            "statistics": {"level": LEVEL, **study.statistics.model_dump()},
            "exposure": inputs.exposure,
        },
        scores,
    )
    add("report", "report", {"study": study.study}, [summary])
    return Plan(study, tuple(steps), inputs)


def readings(judge: JudgeSpec, language: str) -> tuple[Reading, ...]:
    """What the judge reads of answers in a language; English ones need no translation."""
    return tuple(one for one in judge.readings if language != "en" or one == "direct") or ("direct",)


def judge_recipe(judge: JudgeSpec, inputs: Inputs) -> dict[str, Any]:
    """What a judge's replies hang on beside what it reads."""
    skipping = {"skips": inputs.identifier} if judge.off_language == "skip" else {}
    return {**_served(judge, inputs), "sample": judge.drawn, **skipping}


def _served(spec: ServedSpec | None, inputs: Inputs) -> dict[str, Any]:
    """What a model's answers hang on: its name on a server, its weights here."""
    assert spec is not None
    weights = {} if spec.engine == "endpoint" else {"weights": inputs.models[spec.model]}
    return {**spec.identity, **weights}


def _asked(study: Study) -> Iterator[tuple[str, str, Prompting, int]]:
    """Task, language, prompting and seed of every cell of a tuned model; where nothing is sampled, one seed."""
    for task, spec in study.tasks.asked.items():
        for language in spec.languages:
            for prompting in promptings(spec, language):
                for seed in study.seeds if not isinstance(spec, XnliSpec) else (0,):
                    yield task, language, prompting, seed


def _drawn(study: Study, task: str, seed: int) -> dict[str, Any]:
    """What an output hangs on beside model and items."""
    spec = study.tasks.asked[task]
    if isinstance(spec, XnliSpec):
        return {}
    drawn = sampling(spec, study.sampling).model_dump()
    return {"sampling": drawn, "format": [HUMAN, ASSISTANT, *STOP], "seed": seed}
