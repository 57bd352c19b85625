"""The published values as results, so that figures and verdicts come of them without any run."""

from __future__ import annotations

import dataclasses

from babeltune.records import Cell, Prompting
from babeltune.report.published import PAPER, REPOSITORY, Value, by_cell
from babeltune.report.results import Results
from babeltune.study.importing import numbers, results
from babeltune.study.importing.found import Aggregate
from babeltune.study.importing.names import Tuned, makeup
from babeltune.study.spec.findings import VerdictSpec

NAME = "published"


def load() -> Results:
    """What was published of the paper's models, as the results of a study; there are no outputs in it."""
    cells = by_cell()
    made = {(model, mix): makeup(model, mix) for model, mix, *_ in cells}
    found = {key: [_aggregate(one, made[one.model, one.mix]) for one in several] for key, several in cells.items()}
    aggregates = [one for several in found.values() for one in several]
    mixes, twins = results.mixes_of(made.values())
    seen = results.exposures({model for model, _ in made})
    spec = VerdictSpec()
    rows = []
    for key, several in cells.items():
        seeds = max(len(several), max(one.seeds for one in several))
        rows.append(numbers.row_of(key, found[key], seeds))
    return Results(
        study=NAME,
        mixes=mixes,
        rows=tuple(results.ordered(rows, mixes)),
        verdicts=tuple(dataclasses.asdict(one) for one in numbers.verdicts(aggregates, mixes, seen, spec)),
        claims=(),
        items=(),
        recipe={"published": {"paper": PAPER, "repository": REPOSITORY}, "verdict": spec.model_dump(mode="json")},
        labelled={"counts": {}, "dropped": {}},
        left_out={},
        hashes={},
        exposure=seen,
        twins=twins,
    )


def _aggregate(one: Value, made: Tuned) -> Aggregate:
    prompting: Prompting = "en:xx" if one.prompting == "en:xx" else "xx:xx"
    seed = int(one.seed) if one.seed.isdigit() else 0
    cell = Cell(one.model, one.mix, 0, one.task, one.language, prompting, seed)
    return Aggregate(cell, made, one.metric, one.value, one.n, one.error, one.source)
