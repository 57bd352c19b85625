"""Running a study: pending steps, kind by kind. The local executor runs them in this process, one after the other."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import get_args

from babeltune.errors import StoreError
from babeltune.study.check import Opened
from babeltune.study.checks.served import check_cost
from babeltune.study.session import Session, Tell
from babeltune.study.step import Kind, Step
from babeltune.study.steps.run import run_steps

_ORDER: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run did."""

    steps: int
    """Steps that were pending."""
    seconds: float


DATA: tuple[Kind, ...] = ("label", "mix", "translate", "twin", "proof", "card")
"""The steps that need no model but for its tokenizer."""


Place = Callable[[Sequence[Step], Session], None]
"""Runs steps of one kind, sorted by their model, whose needs are done, and returns when all are published."""


def here(steps: Sequence[Step], session: Session) -> None:
    """Run steps in this process, those of a model together, so that a base is loaded once."""
    for _, group in itertools.groupby(steps, key=lambda step: step.model):
        run_steps(tuple(group), session)


def run(
    opened: Opened,
    tell: Tell,
    kinds: Container[str] = _ORDER,
    place: Place = here,
    most_cost: float | None = None,
) -> Ran:
    """Run whatever of a study is not done, under its lock.

    Args:
        opened: the study.
        tell: hears of every piece of progress.
        kinds: those to run; each with all that it needs.
        place: the executor.
        most_cost: dollars that judge and translator may come to, those of earlier runs among them.

    Raises:
        LockedError: another run holds the study.
    """
    began = time.monotonic()
    check_cost(opened.plan, most_cost)
    if not _pending(opened, kinds):
        return Ran(0, time.monotonic() - began)
    with opened.store.locked():
        # Asked again under the lock: another run may have finished meanwhile.
        pending = _pending(opened, kinds)
        ranked = sorted(pending, key=lambda step: (_turn(step), step.model))
        with Session(opened, tell, most_cost) as session:
            for _, group in itertools.groupby(ranked, key=_turn):
                place(tuple(group), session)
    return Ran(len(pending), time.monotonic() - began)


def _turn(step: Step) -> tuple[int, bool]:
    """When a step runs. A judge that reads the answers themselves goes before translations, whose cap may end it."""
    direct = step.kind == "judge" and len(step.needs) == 1
    return _ORDER.index("english" if direct else step.kind), not direct


SCORING: tuple[Kind, ...] = ("score", "summary", "report")
"""The steps that read outputs and need no model."""
JUDGING: tuple[Kind, ...] = ("english", "judge", *SCORING)
"""The steps from stored outputs on."""


def rescore(opened: Opened, tell: Tell) -> Ran:
    """Score all outputs of a finished study again, and write its report again.

    Raises:
        LockedError: another run holds the study.
        StoreError: cells are still to be answered.
    """
    began = time.monotonic()
    with opened.store.locked():
        there = opened.store.published(opened.plan.steps)
        left = [step for step in opened.plan.pending(there) if step.kind not in SCORING]
        if left:
            raise StoreError(f"{len(left)} steps are to come before all can be scored. Run the study first.")
        session = Session(opened, tell)
        for kind in SCORING:
            run_steps(opened.plan.of(kind), session, again=True)
    return Ran(sum(len(opened.plan.of(kind)) for kind in SCORING), time.monotonic() - began)


def _pending(opened: Opened, kinds: Container[str]) -> list[Step]:
    return [step for step in opened.plan.pending(opened.store.done(opened.plan.steps)) if step.kind in kinds]
