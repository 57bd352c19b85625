"""What each kind of step does, generation apart: read what it needs, write its files, return facts for its record."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

from babeltune.data import card, identify, label, mixes, sources, twin
from babeltune.data.overlap import Overlap
from babeltune.errors import MixError, Problem, StoreError, TemplateError
from babeltune.generate.journal import read_outputs
from babeltune.records import Output
from babeltune.study import judging, reporting, twins
from babeltune.study.artefacts import (
    CARD,
    CHATS,
    DROPPED,
    OUTPUTS,
    PROOF,
    SCORES,
    read_chats,
    read_labelled,
    read_lines,
    write_lines,
)
from babeltune.study.session import Event, Session
from babeltune.study.step import Step
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


WORK: dict[str, Callable[[Step, Session], dict[str, Any]]] = {
    "label": _label,
    "mix": _mix,
    "translate": twins.translate,
    "twin": twins.assemble,
    "proof": _proof,
    "card": _card,
    "tune": _tune,
    "score": _score,
    "summary": reporting.summarise,
    "report": reporting.report,
}
