"""Conversation: one prompt put to the base model and to the adapters of a study; each prompt stands alone."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from babeltune.data import identify
from babeltune.errors import EngineError, InputError, Problem, instead
from babeltune.records import STOP, Engine, Identified, Request, Sampling, chat_prompt
from babeltune.study import tasks
from babeltune.study.check import Opened
from babeltune.study.session import Session
from babeltune.study.spec.mixes import BASE
from babeltune.study.spec.study import ModelSpec, Study
from babeltune.study.step import Step


@dataclass(frozen=True, slots=True)
class Voice:
    """Who answers: the base model or one adapter."""

    name: str
    """Of the mix, with the tuning seed where the study has several; unique in a conversation."""
    mix: str
    tuning_seed: int
    adapter: Path | None
    """Folder; None for the base model."""


@dataclass(frozen=True, slots=True)
class Voices:
    """Who was asked for."""

    model: ModelSpec
    there: tuple[Voice, ...]
    missing: tuple[str, ...]
    """Names of those that are not tuned yet."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one of them said."""

    voice: Voice
    text: str
    finish: str
    """As of ``Output``."""
    tokens: int
    language: Identified
    seconds: float
    """From the question to this answer."""


def voices(opened: Opened, model: str | None = None, mixes: Sequence[str] = (), seeds: Sequence[int] = ()) -> Voices:
    """The base model and the adapters of a model, ``mixes`` and tuning ``seeds``; all where none are named.

    Raises:
        InputError: a model, a mix or a seed that the study does not have, or several models and none named.
    """
    study = opened.plan.study
    problems: list[Problem] = []
    names = [one.name for one in study.models]
    if model is None and len(names) > 1:
        problems.append(Problem("--model", "the study has several", f"Name one of {', '.join(names)}."))
    elif model is not None and model not in names:
        problems.append(Problem("--model", f"the study has no model '{model}'", instead(model, names)))
    known = [BASE, *study.mixes]
    for mix in mixes:
        if mix not in known:
            problems.append(Problem("--mix", f"the study has no mix '{mix}'", instead(mix, known)))
    for seed in seeds:
        if seed not in study.tuning_seeds:
            tuned = ", ".join(map(str, study.tuning_seeds))
            problems.append(Problem("--seed", f"no adapter is tuned with the seed {seed}", f"There are {tuned}."))
    if problems:
        raise InputError(f"study {study.study}", problems)
    chosen = next(one for one in study.models if model in (None, one.name))
    steps = [step for step in opened.plan.of("tune") if step.model == chosen.id]
    done = opened.store.done(tuple(steps))
    there = [Voice(BASE, BASE, 0, None)] if not mixes or BASE in mixes else []
    missing = []
    for step in steps:
        seed = int(step.recipe["seed"])
        if (mixes and step.mix not in mixes) or (seeds and seed not in seeds):
            continue
        name = _name(step, seed, study)
        if step.key in done:
            there.append(Voice(name, step.mix, seed, opened.store.open(step)))
        else:
            missing.append(name)
    return Voices(chosen, tuple(there), tuple(missing))


def sampling(study: Study) -> Sampling:
    """How a study samples an answer to a person: as of dialogue where that is among its tasks."""
    dialogue = study.tasks.dialogue
    asked = study.sampling if dialogue is None else tasks.sampling(dialogue, study.sampling)
    return Sampling(asked.temperature, asked.top_p, asked.max_tokens, STOP)


class Conversation:
    """The model in memory, asked one prompt after another."""

    def __init__(self, session: Session, asked: Voices, how: Sampling) -> None:
        """Loads the model and what answers beside it.

        Raises:
            ModelError: the model or the identifier is not there.
            EngineError: the model cannot be loaded, or an adapter is not one of its own.
        """
        study = session.study
        self.voices = asked.there
        self.sampling = how
        self.seed = study.seeds[0]
        self.identifier = identify.identifier(study.label.identifier)
        self.engine: Engine = session.engine(asked.model.id)
        # An engine loads at its first request: now, so that the first question waits no longer than others. Each voice
        # is asked, as vLLM applies on the fly only adapters that it was started for, and merges any other at each turn.
        short = Sampling(0, 1, 1)
        asked_first = [Request("", one.name, chat_prompt("?"), short, 0, _folder(one)) for one in asked.there]
        list(self.engine.complete(asked_first))

    def language(self, text: str) -> Identified:
        """What the study's identifier sees in a text."""
        (found,) = self.identifier.identify([text])
        return found

    def ask(self, prompt: str) -> Iterator[Answer]:
        """The answers, in the order of the voices, each as soon as it and those before it are there.

        All draw the same random numbers, which hang on the prompt: asked again, they answer the same.

        Raises:
            EngineError: an answer did not come.
        """
        id_ = hashlib.sha256(prompt.encode()).hexdigest()[:16]
        text = chat_prompt(prompt)
        began = time.monotonic()
        requests = [Request(id_, voice.name, text, self.sampling, self.seed, _folder(voice)) for voice in self.voices]
        waiting: dict[str, Answer] = {}
        left = list(self.voices)
        by_name = {voice.name: voice for voice in self.voices}
        for output in self.engine.complete(requests):
            voice, seconds = by_name[output.cell], time.monotonic() - began
            said = output.text.strip()
            waiting[voice.name] = Answer(
                voice, said, output.finish, output.tokens, self.language(said), round(seconds, 2)
            )
            while left and left[0].name in waiting:
                yield waiting[left.pop(0).name]
        if left:
            raise EngineError(f"the engine gave no answer of {', '.join(voice.name for voice in left)}. Ask again.")


def with_changes(how: Sampling, temperature: float | None, max_tokens: int | None) -> Sampling:
    """The sampling with what was asked for in place of its own."""
    if temperature is not None:
        how = dataclasses.replace(how, temperature=temperature)
    return how if max_tokens is None else dataclasses.replace(how, max_tokens=max_tokens)


def _folder(voice: Voice) -> str | None:
    return str(voice.adapter) if voice.adapter else None


def _name(step: Step, seed: int, study: Study) -> str:
    return step.mix if len(study.tuning_seeds) == 1 else f"{step.mix}-t{seed}"
