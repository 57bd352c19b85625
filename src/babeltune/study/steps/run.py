"""Running steps: the single path for every executor. An executor decides where and in which order; this is what runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from babeltune.errors import StoreError
from babeltune.study.artefacts import JOURNAL
from babeltune.study.session import Event, Session
from babeltune.study.step import Kind, Step
from babeltune.study.steps import generation, judging, mixing, readings, reporting, scoring, tuning, twins

WORK: Mapping[Kind, Callable[[Step, Session], Mapping[str, Any]]] = {
    "label": mixing.label,
    "mix": mixing.mix,
    "translate": twins.translate,
    "twin": twins.assemble,
    "proof": mixing.prove,
    "card": mixing.card,
    "tune": tuning.tune,
    "score": scoring.score,
    "summary": reporting.summarise,
    "report": reporting.report,
}
"""What a step does: read what it needs, write its files, return facts for its record."""
TOGETHER: Mapping[Kind, Callable[[Sequence[Step], Session], None]] = {
    "generate": generation.generate,
    "english": readings.english,
    "judge": judging.judge,
}
"""Kinds whose steps make one call of an engine together; each is published by itself."""


def run_steps(steps: Sequence[Step], session: Session, *, again: bool = False) -> None:
    """Run steps of one kind and model, whose needs are done. Each is published by itself, the moment it is finished.

    ``again``: they may be done already; what is new takes the place of what is there.
    """
    store = session.store
    todo = []
    try:
        for step in steps:
            store.begin(step, again=again)
            if store.recorded(step):
                (store.partial(step) / JOURNAL).unlink(missing_ok=True)
                store.publish(step, again=store.stands(step))  # killed between the record and the rename
            else:
                todo.append(step)
        if not todo:
            return
        if todo[0].kind in TOGETHER:
            TOGETHER[todo[0].kind](todo, session)
            return
        if todo[0].kind == "tune":
            tuning.check(todo, session)
        for at, step in enumerate(todo):
            began = time.monotonic()
            facts = WORK[step.kind](step, session)
            store.record(step, {**facts, "seconds": round(time.monotonic() - began, 1)})
            store.publish(step, again=again or store.stands(step))
            if step.kind != "tune":
                shown = f"{step.cell.mix} {step.cell.task} {step.cell.language}" if step.cell else step.name
                session.tell(Event(step.kind, shown, at + 1, len(todo), "steps"))
    except OSError as error:
        raise StoreError(
            f"{error.filename or store.root}: {error.strerror}. Mend it and run again; nothing is lost."
        ) from error
