"""Reporting: the last two steps of a study: its scores become numbers and verdicts, and these a report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from babeltune.languages import exposure
from babeltune.measure import spread, summary
from babeltune.measure.judge import shift
from babeltune.measure.judge.helpfulness import HELPFULNESS_RAW
from babeltune.measure.metrics.agreement import AGREEMENT
from babeltune.measure.pools import Pool, Scored, pools
from babeltune.measure.tasks.simplification import Simplification, Source
from babeltune.measure.verdict import plateau
from babeltune.measure.verdict.contrasts import Asked
from babeltune.records import Metric
from babeltune.report.results import Curve, Judging, Results
from babeltune.study.artefacts import (
    CORPORA,
    HISTOGRAM,
    PROOF,
    ROWS,
    SCORES,
    SHIFTS,
    SPLITS,
    VERDICTS,
    read_lines,
    write_lines,
)
from babeltune.study.check import Opened
from babeltune.study.session import Session
from babeltune.study.step import JUDGED_TASK, Step
from babeltune.study.steps import judging
from babeltune.study.steps.courses import coursed
from babeltune.study.steps.excerpt import Excerpt, excerpt
from babeltune.study.steps.scores import scores


def summarise(step: Step, session: Session) -> dict[str, Any]:
    """All scores of a study, as numbers with intervals, and the verdicts on them."""
    plan, store = session.plan, session.store
    study, how = plan.study, plan.study.statistics.how
    found = pools(_scored(step, session.opened))
    metrics = {name: session.task(name).metrics for name in study.tasks.asked}
    if study.judge is not None:
        metrics[JUDGED_TASK] = (*judging.metrics(study.judge.protocol, study.judge.readings), *metrics[JUDGED_TASK])
    rows = summary.rows(found, metrics, study.label.identifier, how)
    judged = next((task for task, some in metrics.items() if any(one.name == AGREEMENT for one in some)), "")
    boards = boards_of(found, metrics, judged)
    verdicts = plateau.verdicts(
        found,
        boards,
        {name: tuple(plan.counts(name)) for name in plan.sized},
        margin=study.verdict.margin_of,
        in_kind=study.verdict.in_kind,
        exposure={model: exposure(shares) for model, shares in plan.inputs.exposure.items()},
        how=how,
    )
    folder = store.partial(step)
    write_lines(folder / ROWS, map(dataclasses.asdict, rows))
    write_lines(folder / VERDICTS, map(dataclasses.asdict, verdicts))
    splits = spread.splits(found, boards, study.verdict.margin_of)
    write_lines(folder / SPLITS, map(dataclasses.asdict, splits))
    if study.judge is not None:
        readings: dict[str, str] = {one: judging.named(HELPFULNESS_RAW, one) for one in sorted(study.judge.readings)}
        write_lines(folder / HISTOGRAM, map(dataclasses.asdict, shift.histogram(found, readings)))
        if len(readings) > 1:
            shifts = shift.shifts(found, readings["direct"], readings["translated"], how)
            write_lines(folder / SHIFTS, map(dataclasses.asdict, shifts))
    if "simplification" in study.tasks.asked:
        write_lines(folder / CORPORA, map(dataclasses.asdict, _corpora(session)))
    asked = _judging(session.opened)
    return {
        "rows": len(rows),
        "verdicts": [one.sentence for one in verdicts],
        "judging": dataclasses.asdict(asked) if asked else None,
    }


def _corpora(session: Session) -> Iterator[Source]:
    """What simplification's items were drawn from, where they were drawn from corpora."""
    task = session.task("simplification")
    if isinstance(task, Simplification):
        for code in session.study.tasks.asked["simplification"].languages:
            yield from task.corpora(code)


def _scored(step: Step, opened: Opened) -> Iterator[Scored]:
    """The cells of a summary, their score files read as they are gone through."""
    plan, store = opened.plan, opened.store
    for one in (plan.by_key[key] for key in step.needs):
        generate = plan.by_key[one.needs[0]]  # any others are of the judge
        tune = plan.by_key[generate.needs[0]] if generate.needs else None
        assert one.cell is not None
        adapter = tune.fingerprint[:8] if tune else "none"
        yield Scored(one.cell, scores(store.open(one) / SCORES), adapter, str(generate.recipe["items"])[:8])


def boards_of(found: Iterable[Pool], metrics: Mapping[str, Sequence[Metric]], judged: str) -> list[Asked]:
    """What verdicts are on: the main metric of each task and prompting, and agreement of the task ``judged`` by it."""
    boards: list[Asked] = []
    for task, prompting in dict.fromkeys((pool.key.task, pool.key.prompting) for pool in found):
        main, *others = metrics[task]
        told = task == judged and prompting == "xx:xx"
        boards += [(task, prompting, one) for one in (main, *(one for one in others if told and one.name == AGREEMENT))]
    return boards


def report(step: Step, session: Session) -> dict[str, Any]:
    """Everything in the report folder."""
    from babeltune.report import render  # draws: not for a run that has nothing to do

    found = load_results(session.opened)
    lined = coursed(found.items, session.study.label.identifier)
    render.render(dataclasses.replace(found, items=lined), session.store.partial(step))
    return {}


def load_results(opened: Opened, *, texts: bool = True) -> Results:
    """All that the report shows, read from the files of a finished study.

    ``texts``: without them its ``items`` and ``curves`` are empty, and no score file is read.
    """
    plan, store = opened.plan, opened.store
    (step,) = plan.of("summary")
    folder = store.open(step)
    judging = store.facts(step)["judging"]
    cells = ((one.cell, store.open(one) / SCORES) for one in plan.of("score") if one.cell is not None)
    shown = excerpt(tuple(cells)) if texts else Excerpt((), 0)
    return Results(
        study=plan.study.study,
        mixes={name: dict(plan.counts(name)) for name in plan.study.mixes},
        twins={name: makeup.of for name, makeup in plan.inputs.makeups.items() if makeup.of is not None},
        rows=tuple(read_lines(folder / ROWS)),
        verdicts=tuple(read_lines(folder / VERDICTS)),
        claims=tuple(read_lines(store.open(plan.of("proof")[0]) / PROOF)),
        items=shown.items,
        items_left_out=shown.left_out,
        recipe=plan.study.model_dump(mode="json"),
        labelled={name: fact for name, fact in store.facts(plan.of("label")[0]).items() if name != "seconds"},
        left_out={step.name: int(store.facts(step)["left_out"]) for step in plan.of("tune")},
        exposure={model: exposure(shares) for model, shares in plan.inputs.exposure.items()},
        hashes={step.key: step.fingerprint for step in plan.steps if step.kind in ("label", "mix", "tune")},
        curves=tuple(_curves(opened)) if texts else (),
        judging=Judging(**judging) if judging else None,
        shifts=_optional(folder / SHIFTS),
        histogram=_optional(folder / HISTOGRAM),
        splits=_optional(folder / SPLITS),
        corpora=_optional(folder / CORPORA),
    )


def _optional(path: Path) -> tuple[dict[str, Any], ...]:
    return tuple(read_lines(path)) if path.exists() else ()


def _judging(opened: Opened) -> Judging | None:
    """What the judge was asked, over all cells; None of a study without one."""
    spec = opened.plan.study.judge
    if spec is None:
        return None
    facts = [opened.store.facts(step) for step in opened.plan.of("judge")]
    answers, skipped, failed, unsent = (
        sum(int(one[name]) for one in facts) for name in ("answers", "skipped", "failed", "unsent")
    )
    for step in opened.plan.of("english"):  # what has no translation did not come to the judge
        states = opened.store.facts(step)["states"]
        answers += sum(states.values()) - states["good"]
        failed, unsent = failed + states["failed"], unsent + states["unsent"]
    return Judging(spec.model, answers, skipped, failed, unsent)


def _curves(opened: Opened) -> Iterator[Curve]:
    """The losses of each adapter; of one whose losses are gone, none."""
    names = {model.id: model.name for model in opened.plan.study.models}
    for step in opened.plan.of("tune"):
        path = opened.store.open(step) / "losses.jsonl"
        losses = tuple((int(row["step"]), float(row["loss"])) for row in read_lines(path)) if path.exists() else ()
        if losses:
            tokens = int(opened.store.facts(step)["tokens"])
            yield Curve(names[step.model], step.mix, int(step.recipe["seed"]), losses, tokens)
