"""What each kind of step does, generation apart: read what it needs, write its files, return facts for its record."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from babeltune.data import card, identify, label, mixes, sources, twin
from babeltune.data.overlap import Overlap
from babeltune.errors import MixError, Problem, StoreError, TemplateError
from babeltune.generate.journal import read_outputs
from babeltune.languages import exposure
from babeltune.measure import judge, summary
from babeltune.measure.metrics.agreement import AGREEMENT
from babeltune.records import Output, Score
from babeltune.report.results import Curve, Judging, Results
from babeltune.study import judging, twins
from babeltune.study.artefacts import (
    CARD,
    CHATS,
    DROPPED,
    OUTPUTS,
    PROOF,
    ROWS,
    SCORES,
    SHIFTS,
    VERDICTS,
    read_chats,
    read_labelled,
    read_lines,
    write_lines,
)
from babeltune.study.check import Opened
from babeltune.study.session import Event, Session
from babeltune.study.step import JUDGED_TASK, Step
from babeltune.study.store import write_atomically
from babeltune.study.tasks import promptings


def _label(step: Step, session: Session) -> dict[str, Any]:
    study, folder = session.opened.plan.study, session.opened.store.partial(step)
    read = sources.read_chats(study.chats, skip_bad_rows=session.opened.skip_bad_rows)
    about = study.label
    overlap = _overlap(session) if study.mixing.overlap == "leave-out" else None
    found = label.label(read.chats, identify.identifier(about.identifier), about.threshold, about.protocol, overlap)
    write_lines(folder / CHATS, map(dataclasses.asdict, found.chats))
    write_lines(folder / DROPPED, map(dataclasses.asdict, found.dropped))
    return {"counts": found.counts(), "dropped": found.reasons(), "skipped rows": len(read.skipped)}


def _mix(step: Step, session: Session) -> dict[str, Any]:
    plan = session.opened.plan
    assert step.mix is not None
    (labelled,) = session.needed(step)
    makeup, mixing = plan.inputs.makeups[step.mix], plan.study.mixing
    if makeup.everything:
        found = read_labelled(labelled)
        chats = [*found.chats, *(drop.chat for drop in found.dropped if drop.reason != label.HELD)]
    else:
        chats = read_chats(labelled / CHATS)
    mix = mixes.build(step.mix, makeup, chats, mixing)
    write_lines(session.opened.store.partial(step) / CHATS, map(dataclasses.asdict, mix.chats))
    return {"chats": len(mix.chats)}


def _overlap(session: Session) -> Overlap:
    asked = session.opened.plan.study.tasks.asked
    return Overlap(
        item
        for task, spec in asked.items()
        for code in spec.languages
        for item in session.items(task, code, promptings(spec, code)[0])
    )


def _proof(step: Step, session: Session) -> dict[str, Any]:
    plan = session.opened.plan
    overlap = _overlap(session)
    native: dict[str, mixes.Mix] = {}
    translated: dict[str, list[twin.Twin]] = {}
    for (name, makeup), key in zip(plan.inputs.makeups.items(), step.needs, strict=True):
        one = plan.by_key[key]
        if makeup.of is None:
            chats = read_chats(session.opened.store.open(one) / CHATS)
            native[name] = mixes.Mix(name, tuple(chats), makeup.everything)
        else:
            translated.setdefault(makeup.of, []).append(twins.built(plan, one, session))
    claims = mixes.prove(list(native.values()), plan.study.label.threshold, plan.study.mixing, overlap)
    for name, found in translated.items():
        claims += twin.prove(native[name], found, plan.study.mixing, overlap)
    broken = [claim for claim in claims if not claim.holds and claim.binding]
    if broken:
        words = "; ".join(f"{claim.name} ({claim.detail})" for claim in broken)
        leaking = any(claim.name == mixes.NO_TEST_PROMPT for claim in broken)
        fix = "Set mixing.overlap: leave-out to draw without them." if leaking else "Mend the chats or the mixes."
        raise MixError(f"the mixes do not hold what they promise: {words}. {fix}")
    write_lines(session.opened.store.partial(step) / PROOF, map(dataclasses.asdict, claims))
    return {"claims": {claim.name: claim.holds for claim in claims}}


def _card(step: Step, session: Session) -> dict[str, Any]:
    plan, store = session.opened.plan, session.opened.store
    study = plan.study
    assert step.mix is not None
    folder, _, proof = session.needed(step)
    makeup = plan.inputs.makeups[step.mix]
    mix = mixes.Mix(step.mix, tuple(read_chats(folder / CHATS)), makeup.everything)
    made = card.card(mix, study.mixing, session.tokenizers())
    facts = store.facts(plan.by_key[step.needs[1]])
    dropped = ", ".join(f"{n:,} {reason}" for reason, n in facts["dropped"].items())
    about = {
        "study": study.study,
        "source": study.chats.named,
        "source fingerprint": f"`{plan.inputs.chats}`",
        "language identification": f"{study.label.identifier}, confidence of at least {study.label.threshold:g}",
        "usable chats of the source": f"{sum(facts['counts'].values()):,} (dropped: {dropped or 'none'})",
        "draw": f"{study.mixing.protocol}, seed {study.mixing.seed}",
        "chats": f"`../{folder.name}/{CHATS}`, one a line, with ids, language and confidence",
    }
    claims = [mixes.Claim(**row) for row in read_lines(proof / PROOF)]
    target = store.partial(step)
    write_atomically(target / CARD, json.dumps(dataclasses.asdict(made), ensure_ascii=False, indent=1) + "\n")
    write_atomically(target / "card.md", card.markdown(made, about, claims))
    return {"content": made.content_hash}


def check_tuning(steps: Sequence[Step], session: Session) -> None:
    """Lint every mix before the first is tuned: what is wrong with the last should not wait for the others."""
    problems: dict[Problem, None] = {}
    recipe = session.opened.plan.study.recipe
    for step in steps:
        assert step.model is not None
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


def _tune(step: Step, session: Session) -> dict[str, Any]:
    assert step.model is not None
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
        session.opened.plan.study.recipe,
        int(step.recipe["seed"]),
        session.opened.store.partial(step),
        progress,
    )
    return dataclasses.asdict(tuned)


def _score(step: Step, session: Session) -> dict[str, Any]:
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
        {
            **dataclasses.asdict(score),
            "subject": f"{item.prompt}\n{item.source}" if item.candidates else item.subject,
            "prompt": item.prompt,
            "references": list(item.references),
            "response": outputs[item.id].text or score.notes.get("found", ""),
            "finish": outputs[item.id].finish,
        }
        for item, score in zip(items, scores, strict=True)
    ]
    write_lines(session.opened.store.partial(step) / SCORES, rows)
    return {"scores": len(rows), "unscored": sum(bool(score.unscored) for score in scores)}


def _summary(step: Step, session: Session) -> dict[str, Any]:
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


def _report(step: Step, session: Session) -> dict[str, Any]:
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


WORK: dict[str, Callable[[Step, Session], dict[str, Any]]] = {
    "label": _label,
    "mix": _mix,
    "translate": twins.translate,
    "twin": twins.assemble,
    "proof": _proof,
    "card": _card,
    "tune": _tune,
    "score": _score,
    "summary": _summary,
    "report": _report,
}
