"""Reporting: the last two steps of a study: its scores become numbers and verdicts, and these a report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from babeltune.languages import exposure
from babeltune.measure import judge, summary
from babeltune.measure.metrics.agreement import AGREEMENT
from babeltune.records import Score
from babeltune.report.results import Curve, Judging, Results
from babeltune.study import judging
from babeltune.study.artefacts import PROOF, ROWS, SCORES, SHIFTS, VERDICTS, read_lines, write_lines
from babeltune.study.check import Opened
from babeltune.study.session import Session
from babeltune.study.step import JUDGED_TASK, Step


def summarise(step: Step, session: Session) -> dict[str, Any]:
    """All scores of a study, as numbers with intervals, and the verdicts on them."""
    plan, store = session.opened.plan, session.opened.store
    study = plan.study
    scored = []
    for one in (plan.by_key[key] for key in step.needs):
        generate = plan.by_key[one.needs[0]]  # any others are of the judge
        tune = plan.by_key[generate.needs[0]] if generate.needs else None
        rows = read_lines(store.open(one) / SCORES)
        scores = tuple(
            Score(row["item"], row["values"], row["notes"], row["unscored"], tuple(row["counts"])) for row in rows
        )
        assert one.cell is not None
        adapter = tune.fingerprint[:8] if tune else "none"
        scored.append(summary.Scored(one.cell, scores, adapter, str(generate.recipe["items"])[:8]))
    metrics = {name: session.task(name).metrics for name in study.tasks.asked}
    if study.judge is not None:
        metrics[JUDGED_TASK] = (*judging.metrics(study.judge), *metrics[JUDGED_TASK])
    rows_ = summary.rows(scored, metrics, study.label.identifier)
    judged = next((name for name, found in metrics.items() if any(one.name == AGREEMENT for one in found)), None)
    found = summary.verdicts(
        [one for one in scored if one.cell.task == judged and one.cell.prompting == "xx:xx"],
        AGREEMENT,
        {name: tuple(plan.counts(name)) for name in plan.sized},
        margin=study.verdict.margin,
        in_kind=study.verdict.in_kind,
    )
    folder = store.partial(step)
    write_lines(folder / ROWS, map(dataclasses.asdict, rows_))
    write_lines(folder / VERDICTS, map(dataclasses.asdict, found))
    if study.judge is not None and len(study.judge.readings) > 1:
        shifts = summary.shifts(scored, judge.HELPFULNESS_RAW, f"{judge.HELPFULNESS_RAW}{judging.TRANSLATED}")
        write_lines(folder / SHIFTS, map(dataclasses.asdict, shifts))
    return {"rows": len(rows_), "verdicts": [one.sentence for one in found]}


def report(step: Step, session: Session) -> dict[str, Any]:
    """Everything in the report folder."""
    from babeltune.report import render  # draws: not for a run that has nothing to do

    render.render(load_results(session.opened), session.opened.store.partial(step))
    return {}


def load_results(opened: Opened) -> Results:
    """All that the report shows, read from the score files of a finished study."""
    plan, store = opened.plan, opened.store
    folder = store.open(plan.of("summary")[0])
    return Results(
        study=plan.study.study,
        mixes={name: dict(plan.counts(name)) for name in plan.study.mixes},
        twins={name: makeup.of for name, makeup in plan.inputs.makeups.items() if makeup.of is not None},
        rows=tuple(read_lines(folder / ROWS)),
        verdicts=tuple(read_lines(folder / VERDICTS)),
        claims=tuple(read_lines(store.open(plan.of("proof")[0]) / PROOF)),
        items=tuple(
            {**row, **dataclasses.asdict(step.cell)}
            for step in plan.of("score")
            if step.cell is not None
            for row in read_lines(store.open(step) / SCORES)
        ),
        recipe=plan.study.model_dump(mode="json"),
        labelled=store.facts(plan.of("label")[0]),
        left_out={step.name: int(store.facts(step)["left_out"]) for step in plan.of("tune")},
        exposure={model: exposure(shares) for model, shares in plan.inputs.exposure.items()},
        hashes={step.key: step.fingerprint for step in plan.steps if step.kind in ("label", "mix", "tune")},
        curves=tuple(_curves(opened)),
        judging=_judging(opened),
        shifts=tuple(read_lines(folder / SHIFTS)) if (folder / SHIFTS).exists() else (),
    )


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
            assert step.model is not None
            assert step.mix is not None
            tokens = int(opened.store.facts(step)["tokens"])
            yield Curve(names[step.model], step.mix, int(step.recipe["seed"]), losses, tokens)
