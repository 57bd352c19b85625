"""Chats into mixes: the steps that label the source, draw the mixes, prove what they promise and describe each."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from babeltune.data import card as cards
from babeltune.data import label as labelling
from babeltune.data import mixes, sources
from babeltune.data.overlap import Overlap
from babeltune.data.translation import twin
from babeltune.errors import MixError
from babeltune.study.artefacts import CARD, CHATS, DROPPED, PROOF, read_chats, read_labelled, read_lines, write_lines
from babeltune.study.session import Session
from babeltune.study.step import Step
from babeltune.study.steps import twins
from babeltune.study.store import write_atomically
from babeltune.study.tasks import promptings


def label(step: Step, session: Session) -> dict[str, Any]:
    """A language for each chat of the source, or the reason why it is dropped."""
    study, folder = session.study, session.store.partial(step)
    read = sources.read_chats(study.chats, skip_bad_rows=session.opened.skip_bad_rows)
    about = study.label
    overlap = _overlap(session) if study.mixing.overlap == "leave-out" else None
    found = labelling.label(read.chats, session.identifier, about.threshold, about.protocol, overlap)
    write_lines(folder / CHATS, map(dataclasses.asdict, found.chats))
    write_lines(folder / DROPPED, map(dataclasses.asdict, found.dropped))
    return {"counts": found.counts(), "dropped": found.reasons(), "skipped rows": len(read.skipped)}


def mix(step: Step, session: Session) -> dict[str, Any]:
    """The chats of a mix, drawn from the labelled ones."""
    (labelled,) = session.needed(step)
    makeup = session.plan.inputs.makeups[step.mix]
    if makeup.everything:
        found = read_labelled(labelled)
        chats = [*found.chats, *(drop.chat for drop in found.dropped if drop.reason != labelling.HELD)]
    else:
        chats = read_chats(labelled / CHATS)
    made = mixes.build(step.mix, makeup, chats, session.study.mixing)
    write_lines(session.store.partial(step) / CHATS, map(dataclasses.asdict, made.chats))
    return {"chats": len(made.chats)}


def _overlap(session: Session) -> Overlap:
    return Overlap(
        item
        for task, spec in session.study.tasks.asked.items()
        for code in spec.languages
        for item in session.items(task, code, promptings(spec, code)[0])
    )


def prove(step: Step, session: Session) -> dict[str, Any]:
    """What the mixes of a study promise, claim by claim.

    Raises:
        MixError: a claim that every mix must keep does not hold.
    """
    plan = session.plan
    overlap = _overlap(session)
    native: dict[str, mixes.Mix] = {}
    translated: dict[str, list[twin.Twin]] = {}
    for (name, makeup), key in zip(plan.inputs.makeups.items(), step.needs, strict=True):
        one = plan.by_key[key]
        if makeup.of is None:
            chats = read_chats(session.store.open(one) / CHATS)
            native[name] = mixes.Mix(name, tuple(chats), makeup.everything)
        else:
            translated.setdefault(makeup.of, []).append(twins.built(one, session))
    claims = mixes.prove(list(native.values()), plan.study.label.threshold, plan.study.mixing, overlap)
    for name, found in translated.items():
        claims += twin.prove(native[name], found, plan.study.mixing, overlap)
    broken = [claim for claim in claims if not claim.holds and claim.binding]
    if broken:
        words = "; ".join(f"{claim.name} ({claim.detail})" for claim in broken)
        leaking = any(claim.name == mixes.NO_TEST_PROMPT for claim in broken)
        fix = "Set mixing.overlap: leave-out to draw without them." if leaking else "Mend the chats or the mixes."
        raise MixError(f"the mixes do not hold what they promise: {words}. {fix}")
    write_lines(session.store.partial(step) / PROOF, map(dataclasses.asdict, claims))
    return {"claims": {claim.name: claim.holds for claim in claims}}


def card(step: Step, session: Session) -> dict[str, Any]:
    """What a mix holds, for people and for others' programs."""
    plan, store, study = session.plan, session.store, session.study
    folder, _, proof = session.needed(step)
    makeup = plan.inputs.makeups[step.mix]
    mixed = mixes.Mix(step.mix, tuple(read_chats(folder / CHATS)), makeup.everything)
    made = cards.card(mixed, study.mixing, session.tokenizers)
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
    write_atomically(target / "card.md", cards.markdown(made, about, claims))
    return {"content": made.content_hash}
