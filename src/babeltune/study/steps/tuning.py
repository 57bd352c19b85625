"""Tuning: an adapter of a mix; all mixes are looked at before the first is tuned."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from babeltune.errors import Problem, TemplateError
from babeltune.study.artefacts import CHATS, read_chats
from babeltune.study.session import Event, Session
from babeltune.study.step import Step


def check(steps: Sequence[Step], session: Session) -> None:
    """Lint every mix before the first is tuned: what is wrong with the last should not wait for the others."""
    problems: dict[Problem, None] = {}
    recipe = session.study.recipe
    for step in steps:
        (mix,) = session.needed(step)
        try:
            session.tuner(step.model).check_recipe(recipe)
        except TemplateError as error:
            problems.update(dict.fromkeys(error.problems))
        try:
            session.tuner(step.model).check(read_chats(mix / CHATS), recipe)
        except TemplateError as error:
            problems.update(
                (dataclasses.replace(problem, where=f"mix {step.mix}, {problem.where}"), None)
                for problem in error.problems
            )
    if problems:
        raise TemplateError("training template", list(problems))


def tune(step: Step, session: Session) -> dict[str, Any]:
    """An adapter."""
    (mix,) = session.needed(step)
    seen = 0

    def progress(done: int, total: int, tokens: int) -> None:
        nonlocal seen
        # Where memory ran out the tuning goes on from a checkpoint, and counts anew.
        session.tell(Event("tune", step.name, done, total, "updates", tokens - seen if tokens > seen else tokens))
        seen = tokens

    session.tell(Event("tune", step.name, 0, step.work, "updates"))
    tuned = session.tuner(step.model).tune(
        read_chats(mix / CHATS),
        session.study.recipe,
        int(step.recipe["seed"]),
        session.store.partial(step),
        progress,
    )
    return dataclasses.asdict(tuned)
