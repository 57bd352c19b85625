"""The layout: a study -> its steps. Pure: it reads nothing and runs nothing.

label -> mix (one a mix of native chats) -> translate (one a block of chats and language) -> twin (one a translated mix)
mixes and twins -> proof -> card (one a mix)
mix or twin -> tune (model x mix x tuning seed) -> generate (one a cell) -> score (one a cell) -> summary -> report
                                                   generate -> judge (one a cell and reading) -> score
                                                   generate -> english (one a cell) -> judge, where it reads translations
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from babeltune.data.makeup import Makeup, Mixing
from babeltune.data.translation import twin
from babeltune.measure.statistics.intervals import LEVEL
from babeltune.records import ASSISTANT, HUMAN, STOP, Cell, Prompting
from babeltune.study.plan import Inputs, Plan
from babeltune.study.spec.mixes import BASE
from babeltune.study.spec.served import JudgeSpec, Reading, ServedSpec
from babeltune.study.spec.study import LabelSpec, ModelSpec, Study
from babeltune.study.spec.tasks import XnliSpec
from babeltune.study.step import JUDGED_TASK, Kind, Recipe, Step
from babeltune.study.tasks import ItemSet, promptings, sampling


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
    layout = _Layout(study, inputs)
    layout.end(layout.cells(layout.data()))
    return Plan(study, tuple(layout.steps), inputs)


class _Layout:
    """The steps so far, and what they are laid out from."""

    def __init__(self, study: Study, inputs: Inputs) -> None:
        self.study = study
        self.inputs = inputs
        self.steps: list[Step] = []

    def add(self, kind: Kind, name: str, recipe: Mapping[str, Any], needs: Sequence[Step] = (), **about: Any) -> Step:
        keys, prints = [need.key for need in needs], [need.fingerprint for need in needs]
        step = Step(kind, name, recipe, tuple(keys), tuple(prints), **about)
        self.steps.append(step)
        return step

    def data(self) -> dict[str, Step]:
        """From the source to the mixes and what is said of them; the step of each mix."""
        study, inputs, mixing = self.study, self.inputs, self.study.mixing
        hashes = item_hashes(inputs.items)
        label = label_step(inputs.chats, inputs.identifier, study.label, mixing, hashes)
        self.steps.append(label)
        native = {name: self.native(name, one, label) for name, one in inputs.makeups.items() if one.of is None}
        twins = self.twins(native)
        mixes = {name: twins.get(name) or native[name] for name in inputs.makeups}
        claims: dict[str, Any] = {
            "mixes": list(mixes),
            "items": hashes,
            "overlap": mixing.overlap,
            "threshold": study.label.threshold,
        }
        proof = self.add("proof", "proof", claims, list(mixes.values()))
        tokenizers = {model.name: inputs.models[model.id] for model in study.models if model.id not in inputs.absent}
        told = {"tokenizers": tokenizers, "order": [mixing.main, *mixing.order]}
        for name, mix in mixes.items():
            self.add("card", f"{name}-card", told, [mix, label, proof], mix=name)
        return mixes

    def native(self, name: str, makeup: Makeup, label: Step) -> Step:
        """A mix of native chats."""
        mixing = self.study.mixing
        recipe = {
            "counts": [[code, n] for code, n in makeup.counts.items()],
            "everything": makeup.everything,
            "draw": [mixing.protocol, mixing.seed, mixing.main, makeup.pool],
        }
        size = self.inputs.chat_count if makeup.everything else sum(makeup.counts.values())
        return self.add("mix", name, recipe, [label], mix=name, work=size)

    def twins(self, native: Mapping[str, Step]) -> dict[str, Step]:
        """The translated mixes; a block of chats that several of them hold is translated once."""
        blocks: dict[str, Step] = {}
        made: dict[str, Step] = {}
        for name, makeup in self.inputs.makeups.items():
            if makeup.of is None:
                continue
            original, ours = native[makeup.of], []
            for block in twin.blocks(makeup, self.study.mixing):
                at = f"{makeup.of}-{block.language}-{block.start}-{block.count}"
                if at not in blocks:
                    asked = {
                        "translator": _served(self.study.translator, self.inputs),
                        "identifier": self.inputs.identifier,
                        "block": dataclasses.asdict(block),
                    }
                    blocks[at] = self.add("translate", at, asked, [original], mix=makeup.of, work=block.count)
                ours.append(blocks[at])
            size = sum(makeup.counts.values())
            made[name] = self.add("twin", name, {}, [original, *ours], mix=name, work=size)
        return made

    def cells(self, mixes: Mapping[str, Step]) -> list[Step]:
        """Every cell, with the tuning before those of an adapter; the scores."""
        study, inputs = self.study, self.inputs
        grid = list(_asked(study))
        scoring = {
            about: Recipe(identifier=inputs.identifier, items=inputs.items[about].scored)
            for about in dict.fromkeys((task, language, prompting) for task, language, prompting, _ in grid)
        }
        scores = []
        for model in study.models:
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
            for name, tuning_seed in self.runs(mixes):
                tunes = [] if name == BASE else [self.tune(model, mixes[name], tuning_seed, weights)]
                for about, recipe in answering.items():
                    cell = Cell(model.name, name, tuning_seed, *about)
                    work = inputs.items[about[:3]].count
                    generate = self.add(
                        "generate", cell.name, recipe, tunes, cell=cell, mix=name, model=model.id, work=work
                    )
                    scores.append(self.score(generate, cell, scoring[about[:3]]))
        return scores

    def runs(self, mixes: Iterable[str]) -> Iterator[tuple[str, int]]:
        """Mix and tuning seed, the untuned model first."""
        if self.study.base:
            yield BASE, 0
        yield from itertools.product(mixes, self.study.tuning_seeds)

    def tune(self, model: ModelSpec, mix: Step, seed: int, weights: Mapping[str, Any]) -> Step:
        """An adapter."""
        recipe = {**weights, "recipe": dataclasses.asdict(self.study.recipe), "seed": seed}
        work, name = self.study.recipe.updates(mix.work), f"{model.name}-{mix.name}-t{seed}"
        return self.add("tune", name, recipe, [mix], mix=mix.name, model=model.id, work=work)

    def score(self, generate: Step, cell: Cell, recipe: Recipe) -> Step:
        """The score of a cell, after the judge's where it has one."""
        judged = self.judged(generate, cell) if cell.task == JUDGED_TASK else []
        if self.study.judge and judged:
            recipe = Recipe(recipe, judge=self.study.judge.protocol)
        return self.add("score", cell.name, recipe, [generate, *judged], cell=cell, mix=cell.mix)

    def judged(self, generate: Step, cell: Cell) -> list[Step]:
        """What the judge is asked of a cell, a step a reading."""
        judge = self.study.judge
        if judge is None:
            return []
        work = min(generate.work, judge.sample or generate.work)
        about: dict[str, Any] = {"cell": cell, "mix": cell.mix, "work": work}
        found = []
        for reading in _readings(judge, cell.language):
            recipe: dict[str, Any] = {"judge": _judging(judge, self.inputs)}
            needs = [generate]
            if reading == "translated":
                recipe["items"] = self.inputs.items[cell.task, "en", cell.prompting].asked
                asked = {
                    "translator": _served(self.study.translator, self.inputs),
                    "identifier": self.inputs.identifier,
                    "sample": judge.drawn,
                }
                needs.append(self.add("english", cell.name, asked, [generate], **about))
            found.append(self.add("judge", f"{reading}-{cell.name}", recipe, needs, **about))
        return found

    def end(self, scores: Sequence[Step]) -> None:
        """Summary and report."""
        study, inputs = self.study, self.inputs
        members = {
            name: sorted(inputs.available if makeup.everything else makeup.counts)
            for name, makeup in inputs.makeups.items()
        }
        # The score folders are those of the cells in this order; which they are is in their fingerprints.
        recipe = {
            "cells": [score.name for score in scores],
            "members": members,
            "verdict": study.verdict.model_dump(),
            "statistics": {"level": LEVEL, **study.statistics.model_dump()},
            "exposure": inputs.exposure,
        }
        summary = self.add("summary", "summary", recipe, scores)
        self.add("report", "report", {"study": study.study}, [summary])


def _readings(judge: JudgeSpec, language: str) -> tuple[Reading, ...]:
    """What the judge reads of answers in a language; English ones need no translation."""
    return tuple(one for one in judge.readings if language != "en" or one == "direct") or ("direct",)


def _judging(judge: JudgeSpec, inputs: Inputs) -> dict[str, Any]:
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
