"""Generation: all pending cells of a model in one call of the engine, each with a journal of its own."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

from babeltune.errors import EngineError
from babeltune.generate.journal import Journal, encode
from babeltune.records import Item, Request
from babeltune.study.artefacts import JOURNAL, OUTPUTS
from babeltune.study.plan import Plan
from babeltune.study.session import Event, Session
from babeltune.study.step import Step
from babeltune.study.store import write_atomically

_FEW = 4096
"""Up to so many requests of a model, all go to the engine, finished ones too, which may lay adapters together."""


def _with_neighbours(steps: Sequence[Step], plan: Plan) -> list[Step]:
    """The steps and, so that an engine forms the batches of an undisturbed run, the cells that may share them.

    These are the finished ones of the same adapters; of the whole model where it has so few requests that a batch may
    hold several adapters. In the order of the plan.
    """
    ours = {step.key for step in steps}
    cells = [step for step in plan.of("generate") if step.model == steps[0].model]
    few = sum(step.work for step in cells) <= _FEW
    adapters = {step.needs for step in steps}
    return [step for step in cells if step.key in ours or few or step.needs in adapters]


def generate(steps: Sequence[Step], session: Session) -> None:
    """Answer the cells of one model; each is published when its last output is in.

    Raises:
        EngineError: the engine gave fewer outputs than it was asked for.
    """
    store = session.store
    total = sum(step.work for step in steps)
    by_name = {step.name: step for step in steps}
    journals = {step.name: Journal(store.partial(step) / JOURNAL) for step in steps}
    items: dict[str, list[Item]] = {}
    written: list[Request] = []
    ranked: list[Request] = []
    over: set[tuple[str, str]] = set()
    for step in _with_neighbours(steps, session.plan):
        assert step.cell is not None
        adapters = session.needed(step)
        task = session.task(step.cell.task)
        items[step.name] = session.items(step.cell.task, step.cell.language, step.cell.prompting)
        adapter = str(adapters[0]) if adapters else None
        (ranked if task.ranks else written).extend(
            dataclasses.replace(task.request(item), cell=step.name, seed=step.cell.seed, adapter=adapter)
            for item in items[step.name]
        )
        if step.name not in by_name:
            over |= {(step.name, item.id) for item in items[step.name]}

    def publish(name: str) -> None:
        """Outputs in the order of the items, then the record; the journal stays until both are there."""
        outputs = journals[name].outputs
        folder = store.partial(by_name[name])
        write_atomically(folder / OUTPUTS, "".join(encode(outputs[item.id]) + "\n" for item in items[name]))
        store.record(by_name[name], {"outputs": len(outputs)}, but=JOURNAL)
        journals[name].path.unlink()
        store.publish(by_name[name])

    journalled = frozenset((name, output) for name, journal in journals.items() for output in journal.outputs)
    kept, finished = journalled | over, len(journalled)
    session.tell(Event("generate", "", finished, total, "outputs"))
    for name, journal in journals.items():
        if len(journal.outputs) == len(items[name]):
            publish(name)
    if finished == total:
        return
    engine = session.engine(steps[0].model)
    # An engine goes through its adapters once for what is to be written and once for what is to be ranked.
    found = itertools.chain(
        engine.complete(written, kept) if written else (), engine.loglikelihood(ranked, kept) if ranked else ()
    )
    for output in found:
        journal = journals[output.cell]
        journal.append(output)
        finished += 1
        cell = by_name[output.cell].cell
        shown = f"{cell.mix} {cell.task} {cell.language}" if cell else output.cell
        session.tell(Event("generate", shown, finished, total, "outputs", output.tokens))
        if len(journal.outputs) == len(items[output.cell]):
            publish(output.cell)
    if finished < total:
        raise EngineError(f"the engine gave {finished} of {total} outputs. Run again; the others are kept.")
