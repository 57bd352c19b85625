"""Translated twins of mixes: their blocks, which the translator is asked for, and the mixes made of them."""

from __future__ import annotations

import dataclasses
from typing import Any

from babeltune.data import identify, twin
from babeltune.data.audit import STATES, Audit
from babeltune.data.mixes import Mix
from babeltune.data.translate import How, Translated, translate_chats
from babeltune.data.twin import Block, Twin
from babeltune.errors import EngineError
from babeltune.study.artefacts import AUDIT, CHATS, read_chats, write_lines
from babeltune.study.plan import Plan
from babeltune.study.session import Event, Session
from babeltune.study.step import Step


def how(plan: Plan) -> How:
    """How the study's translator is asked."""
    spec = plan.study.translator
    assert spec is not None
    return How(spec.protocol, spec.attempts, spec.max_tokens)


def translate(step: Step, session: Session) -> dict[str, Any]:
    """Translate a block of a mix.

    Raises:
        EngineError: chats have no answer, which another run asks for again. A mix is not made of what is lacking.
    """
    plan, folder = session.opened.plan, session.opened.store.partial(step)
    spec = plan.study.translator
    assert spec is not None
    block = Block(**step.recipe["block"])
    (mix,) = session.needed(step)
    chats = twin.of_block(read_chats(mix / CHATS), block, plan.study.mixing)
    found: dict[str, Translated] = {}
    purpose = f"translate {step.name}"
    reader = identify.identifier(plan.study.label.identifier)
    session.tell(Event("translate", block.language, 0, len(chats), "chats"))
    for one in translate_chats(
        chats, block.language, session.asked(spec), reader, how(plan), purpose=purpose, source_language=plan.study.mixing.main
    ):  # fmt: skip
        found[one.row.id] = one
        session.tell(Event("translate", block.language, len(found), len(chats), "chats"))
    audit = Audit(block.language, [found[chat.id].row for chat in chats])
    lacking = audit.states["failed"] + audit.states["unsent"]
    if lacking:
        raise EngineError(
            f"{lacking} of {len(chats)} chats have no translation into '{block.language}' yet"
            f" ({next(row.why for row in audit.rows if row.state in ('failed', 'unsent'))}). What came is kept: run again"
            f"{', with a higher --max-cost' if audit.states['unsent'] else ''}."
        )
    good = [found[chat.id].chat(chat) for chat in chats if found[chat.id].good]
    write_lines(folder / CHATS, map(dataclasses.asdict, good))
    write_lines(folder / AUDIT, map(dataclasses.asdict, audit.rows))
    return {"chats": len(good), "states": {state: audit.states[state] for state in STATES}, "flags": audit.flags}


def assemble(step: Step, session: Session) -> dict[str, Any]:
    """Make the twin of a mix of its translated blocks."""
    plan = session.opened.plan
    assert step.mix is not None
    made = _twin(plan, step, session)
    write_lines(session.opened.store.partial(step) / CHATS, map(dataclasses.asdict, made.mix.chats))
    return {"chats": len(made.mix.chats), "left": {code: list(ids) for code, ids in made.left.items()}}


def _twin(plan: Plan, step: Step, session: Session) -> Twin:
    assert step.mix is not None
    mono, *folders = session.needed(step)
    translated = {
        Block(**plan.by_key[key].recipe["block"]): {chat.id: chat for chat in read_chats(folder / CHATS)}
        for key, folder in zip(step.needs[1:], folders, strict=True)
    }
    return twin.assemble(
        step.mix, read_chats(mono / CHATS), plan.inputs.makeups[step.mix], plan.study.mixing, translated
    )


def built(plan: Plan, step: Step, session: Session) -> Twin:
    """A twin that is made, as its step left it."""
    store = session.opened.store
    assert step.mix is not None
    left = {code: tuple(ids) for code, ids in store.facts(step)["left"].items()}
    return Twin(Mix(step.mix, tuple(read_chats(store.open(step) / CHATS))), left)
