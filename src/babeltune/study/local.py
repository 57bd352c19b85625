"""Running a study: pending steps, kind by kind. The local executor runs them in this process, one after the other."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from babeltune.errors import StoreError
from babeltune.study.check import Opened
from babeltune.study.plan import Kind, Step
from babeltune.study.run import run_steps
from babeltune.study.session import Session, Tell

_ORDER = ("label", "mix", "proof", "card", "tune", "generate", "score", "summary", "report")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run did."""

    steps: int
    """Steps that were pending."""
    seconds: float


DATA: tuple[Kind, ...] = ("label", "mix", "proof", "card")
"""The steps that need no model but for its tokenizer."""


Place = Callable[[Sequence[Step], Session], None]
"""Runs steps of one kind, sorted by their model, whose needs are done, and returns when all are published."""


def here(steps: Sequence[Step], session: Session) -> None:
    """Run steps in this process, those of a model together, so that a base is loaded once."""
    for _, group in itertools.groupby(steps, key=lambda step: step.model):
        run_steps(tuple(group), session)


def run(opened: Opened, tell: Tell, kinds: Container[str] = _ORDER, place: Place = here) -> Ran:
    """Run whatever of a study is not done, under its lock.

    Args:
        opened: the study.
        tell: hears of every piece of progress.
        kinds: those to run; each with all that it needs.
        place: the executor.

    Raises:
        LockedError: another run holds the study.
    """
    began = time.monotonic()
    if not _pending(opened, kinds):
        return Ran(0, time.monotonic() - began)
    with opened.store.locked():
        # Asked again under the lock: another run may have finished meanwhile.
        pending = _pending(opened, kinds)
        session = Session(opened, tell)
        ranked = sorted(pending, key=lambda step: (_ORDER.index(step.kind), step.model or ""))
        for _, group in itertools.groupby(ranked, key=lambda step: step.kind):
            place(tuple(group), session)
    return Ran(len(pending), time.monotonic() - began)


SCORING: tuple[Kind, ...] = ("score", "summary", "report")
"""The steps that read outputs and need no model."""


def rescore(opened: Opened, tell: Tell) -> Ran:
    """Score all outputs of a finished study again, and write its report again.

    Raises:
        LockedError: another run holds the study.
        StoreError: cells are still to be answered.
    """
    began = time.monotonic()
    with opened.store.locked():
        left = [step for step in opened.plan.pending(opened.store.done(opened.plan.steps)) if step.kind not in SCORING]
        if left:
            raise StoreError(f"{len(left)} steps are to come before all can be scored. Run the study first.")
        session = Session(opened, tell)
        for kind in SCORING:
            run_steps(opened.plan.of(kind), session, again=True)
    return Ran(sum(len(opened.plan.of(kind)) for kind in SCORING), time.monotonic() - began)


def _pending(opened: Opened, kinds: Container[str]) -> list[Step]:
    return [step for step in opened.plan.pending(opened.store.done(opened.plan.steps)) if step.kind in kinds]
