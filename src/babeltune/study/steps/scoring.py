"""Scoring: the outputs of a cell against its items, with what the judge says of them."""

from __future__ import annotations

from typing import Any

from babeltune.errors import StoreError
from babeltune.generate.journal import read_outputs
from babeltune.records import Output
from babeltune.study.artefacts import OUTPUTS, SCORES, write_lines
from babeltune.study.session import Session
from babeltune.study.step import Step
from babeltune.study.steps import judging
from babeltune.study.steps.scores import row


def score(step: Step, session: Session) -> dict[str, Any]:
    """The scores of a cell.

    Raises:
        StoreError: outputs are missing.
    """
    assert step.cell is not None
    cell = step.cell
    generated = session.needed(step)[0]
    outputs: dict[str, Output] = {output.id: output for output in read_outputs(generated / OUTPUTS)}
    items = session.items(cell.task, cell.language, cell.prompting)
    lacking = [item.id for item in items if item.id not in outputs]
    if lacking:
        what = f"{len(lacking)} outputs are missing, such as that of item {lacking[0]}"
        raise StoreError(f"{generated / OUTPUTS}: {what}. Delete the folder; its cell is answered again.")
    scores = session.task(cell.task).score(items, [outputs[item.id] for item in items])
    said = judging.of_cell(step, session)
    scores = [judging.merged([one, said[one.item]]) if one.item in said else one for one in scores]
    rows = [
        row(score, item, outputs[item.id], ranked=bool(item.candidates))
        for item, score in zip(items, scores, strict=True)
    ]
    write_lines(session.store.partial(step) / SCORES, rows)
    return {"scores": len(rows), "unscored": sum(bool(score.unscored) for score in scores)}
