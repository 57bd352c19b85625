"""The plan: the steps of a study and what they were laid out from, as plain data (``layout``)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

from babeltune.data.makeup import Makeup
from babeltune.records import Prompting
from babeltune.study.spec.study import Study
from babeltune.study.step import Kind, Step
from babeltune.study.tasks import ItemSet


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
