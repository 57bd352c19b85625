"""Readings: which answers a judge is to read, in what order, and as what: themselves, or their English translations."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babeltune.data.translation.audit import STATES, Audit
from babeltune.data.translation.translate import Translated, Translator
from babeltune.errors import ItemsError, Problem
from babeltune.generate.journal import read_outputs
from babeltune.measure.judge.helpfulness import off_language
from babeltune.measure.tasks.items import sampled
from babeltune.records import Item
from babeltune.study.artefacts import AUDIT, OUTPUTS, TEXTS, read_lines, write_lines
from babeltune.study.session import Event, Session
from babeltune.study.spec.served import Reading
from babeltune.study.step import JUDGED_TASK, Step
from babeltune.study.store import UNFINISHED, write_atomically


@dataclass(frozen=True, slots=True)
class Case:
    """One answer to be judged."""

    step: Step
    item: str
    prompt: str
    """As the judge reads it; so the response."""
    response: str
    skipped: bool
    """Whether both rules force a 1, so that the judge need not be asked."""

    @property
    def key(self) -> tuple[str, str]:
        """As of an output."""
        return self.step.name, self.item


def reading(step: Step) -> Reading:
    """What the judge reads of the answers of a step's cell."""
    return "translated" if len(step.needs) > 1 else "direct"


def sample(step: Step, session: Session) -> list[Item]:
    """The items of a cell that are judged: the same ones for every model, mix, seed and, where ids are, language."""
    assert step.cell is not None
    items = session.items(step.cell.task, step.cell.language, step.cell.prompting)
    return sampled(items, session.judge.sample, session.judge.sample_seed)


def rank(seed: int, item: str, cell: str) -> tuple[bytes, bytes]:
    """Items in a random order, and so the cells of each."""
    item_, cell_ = (hashlib.sha256(f"{seed}\0{text}".encode()).digest() for text in (item, f"{item}\0{cell}"))
    return item_, cell_


def cases(step: Step, session: Session) -> Iterator[Case]:
    """The answers of a cell that are in the sample, as the judge reads them; without those that have no translation."""
    generated, *translated = session.needed(step)
    outputs = texts_of(generated)
    items = sample(step, session)
    prompts, texts = {item.id: item.prompt for item in items}, outputs
    if translated:
        prompts = english_prompts(items, session)
        texts, _ = translations(translated[0])
    for item, skipped in zip(items, _skipped(items, outputs, session), strict=True):
        if skipped or item.id in texts:
            yield Case(step, item.id, prompts[item.id], texts.get(item.id, ""), skipped)


def english_prompts(items: Sequence[Item], session: Session) -> dict[str, str]:
    """Item -> the same prompt in English.

    Raises:
        ItemsError: some have none.
    """
    there = {item.id: item.prompt for item in session.items(JUDGED_TASK, "en", "xx:xx")}
    lacking = [item.id for item in items if item.id not in there]
    if lacking:
        what = (
            f"{len(lacking)} prompts in '{items[0].language}' have none of the same id in English, such as {lacking[0]}"
        )
        fix = "A judge that reads translations reads the English prompts: give the same ids, or take the reading out."
        raise ItemsError("judge", [Problem("judge.readings", what, fix)])
    return {item.id: there[item.id] for item in items}


def english(steps: Sequence[Step], session: Session) -> None:
    """Translate the answers of cells into English, for a judge that reads them so; those that need no judge are left."""
    cells = {step.name: step for step in steps}
    texts: dict[tuple[str, str], str] = {}
    for step in steps:
        texts |= {(step.name, item): text for item, text, _ in to_translate(step, session)}
    found: dict[str, dict[str, Translated]] = {name: {} for name in cells}
    asked = sorted(texts, key=lambda key: rank(session.judge.sample_seed, *reversed(key)))
    named = {f"{name}/{item}": (name, item) for name, item in asked}
    languages = {key: cells[name].cell.language for key, (name, _) in named.items()}  # type: ignore[union-attr]
    ours = {key: texts[at] for key, at in named.items()}
    how = session.translator.how
    translator = asked and Translator(session.asked(session.translator), session.identifier, how, purpose="english")
    for one in translator.texts(ours, "en", spoken=languages) if translator else ():
        name, about = named[one.row.id]
        found[name][about] = one
        cell = cells[name].cell
        shown = f"{cell.mix} {cell.language}" if cell else name
        session.tell(Event("english", shown, sum(map(len, found.values())), len(texts), "answers"))
    for name, step in cells.items():
        rows = [(item.id, found[name][item.id]) for item in sample(step, session) if item.id in found[name]]
        write_lines(
            session.store.partial(step) / TEXTS,
            [
                {"item": item, "text": one.text if one.good else None, "state": one.row.state, "why": one.row.why}
                for item, one in rows
            ],
        )
        audit = Audit("en", [dataclasses.replace(one.row, id=item) for item, one in rows])
        write_lines(session.store.partial(step) / AUDIT, map(dataclasses.asdict, audit.rows))
        states = {state: audit.states[state] for state in STATES}
        publish(step, session, {"states": states}, states["failed"] + states["unsent"])


def to_translate(step: Step, session: Session) -> Iterator[tuple[str, str, str]]:
    """Item, text and language of the answers of a cell that a judge is to read in English."""
    assert step.cell is not None
    outputs = texts_of(session.needed(step)[0])
    items = sample(step, session)
    for item, skipped in zip(items, _skipped(items, outputs, session), strict=True):
        if not skipped:
            yield item.id, outputs[item.id], item.language


def publish(step: Step, session: Session, facts: Mapping[str, Any], lacking: int) -> None:
    """Record and publish a step; where replies are lacking as unfinished, so that the next run takes it up again."""
    store = session.store
    unfinished = store.partial(step) / UNFINISHED
    unfinished.unlink(missing_ok=True)  # of a run that was killed before its record
    if lacking:
        write_atomically(unfinished, f"{lacking}\n")
    store.record(step, facts)
    store.publish(step, again=store.stands(step))


def _skipped(items: Sequence[Item], outputs: Mapping[str, str], session: Session) -> list[bool]:
    """Whether both rules force a 1 on an answer, and the study lets the judge pass it over."""
    reader = session.identifier
    prompts = reader.identify([item.prompt for item in items])
    responses = reader.identify([outputs[item.id] for item in items])
    offs = [
        off_language(item.language, prompt, response)
        for item, prompt, response in zip(items, prompts, responses, strict=True)
    ]
    return [off.target and off.prompt and session.judge.off_language == "skip" for off in offs]


def translations(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Item -> English text of the answer; of those without one, why."""
    rows = read_lines(folder / TEXTS)
    texts = {row["item"]: row["text"] for row in rows if row["text"] is not None}
    return texts, {row["item"]: row["why"] for row in rows if row["text"] is None}


def texts_of(generated: Path) -> dict[str, str]:
    """Item -> answer, as generation left it."""
    return {output.id: output.text for output in read_outputs(generated / OUTPUTS)}
