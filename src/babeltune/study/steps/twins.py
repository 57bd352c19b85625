"""Translated twins of mixes: their blocks, which the translator is asked for, and the mixes made of them."""

from __future__ import annotations

import dataclasses
from typing import Any

from babeltune.data.mixes import Mix
from babeltune.data.translation import twin
from babeltune.data.translation.audit import STATES, Audit
from babeltune.data.translation.translate import Translated, Translator
from babeltune.data.translation.twin import Block, Twin
from babeltune.errors import EngineError
from babeltune.study.artefacts import AUDIT, CHATS, read_chats, write_lines
from babeltune.study.session import Event, Session
from babeltune.study.step import Step


def translate(step: Step, session: Session) -> dict[str, Any]:
    """Translate a block of a mix.

    Raises:
        EngineError: chats have no answer, which another run asks for again. A mix is not made of what is lacking.
    """
    mixing, folder = session.study.mixing, session.store.partial(step)
    block = Block(**step.recipe["block"])
    (mix,) = session.needed(step)
    chats = twin.of_block(read_chats(mix / CHATS), block, mixing)
    found: dict[str, Translated] = {}
    session.tell(Event("translate", block.language, 0, len(chats), "chats"))
    asked, how = session.asked(session.translator), session.translator.how
    translator = Translator(asked, session.identifier, how, purpose=f"translate {step.name}")
    for one in translator.chats(chats, block.language, spoken=mixing.main):
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
    mono, *folders = session.needed(step)
    plan = session.plan
    translated = {
        Block(**plan.by_key[key].recipe["block"]): {chat.id: chat for chat in read_chats(folder / CHATS)}
        for key, folder in zip(step.needs[1:], folders, strict=True)
    }
    makeup = plan.inputs.makeups[step.mix]
    made = twin.assemble(step.mix, read_chats(mono / CHATS), makeup, session.study.mixing, translated)
    write_lines(session.store.partial(step) / CHATS, map(dataclasses.asdict, made.mix.chats))
    return {"chats": len(made.mix.chats), "left": {code: list(ids) for code, ids in made.left.items()}}


def built(step: Step, session: Session) -> Twin:
    """A twin that is made, as its step left it."""
    left = {code: tuple(ids) for code, ids in session.store.facts(step)["left"].items()}
    return Twin(Mix(step.mix, tuple(read_chats(session.store.open(step) / CHATS))), left)
