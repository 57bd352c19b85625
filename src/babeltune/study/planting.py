"""Planting: the judge is asked of answers of known worth, before it is paid for thousands."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from babeltune.measure.judge import planted
from babeltune.measure.judge.grade import Grade, read
from babeltune.measure.judge.planted import Reliability
from babeltune.study.check import Opened
from babeltune.study.checks.served import check_cost
from babeltune.study.session import Event, Session, Tell
from babeltune.study.steps.judging import asker


def ask(opened: Opened, languages: Sequence[str], tell: Tell, most_cost: float | None = None) -> list[Reliability]:
    """What the study's judge makes of the planted answers in these languages.

    Replies are kept in the study's ledger, so that asking twice costs once. Asked as of a study's own answers: so often
    again where a reply cannot be used, and never beyond the cap.

    Raises:
        EngineError: as of the judge's engine.
        LockedError: a run holds the study, and with it the ledger.
        StudyError: a cap without a price.
    """
    check_cost(opened.plan, most_cost)
    there = {(f"check {code}", one.id): one for code in languages for one in planted.planted(code)}
    found: dict[tuple[str, str], Grade] = {}
    with opened.store.locked(), Session(opened, tell, most_cost) as session:
        spec, asking = session.judge, asker(session.judge)
        tell(Event("check", "", 0, len(there), "answers"))
        pending = dict(there)
        for attempt in range(spec.attempts):
            requests = [
                dataclasses.replace(asking.request(one.id, one.prompt, one.response, attempt), cell=cell)
                for (cell, _), one in pending.items()
            ]
            for output in session.asked(spec).complete(requests) if requests else ():
                key = output.cell, output.id
                found[key] = read(output, pending[key].response)
                done = sum(not one.malformed for one in found.values())
                tell(Event("check", pending[key].language, done, len(there), "answers", output.tokens))
            pending = {key: one for key, one in pending.items() if found[key].malformed}
    return planted.reliability([(one, found[key]) for key, one in there.items()])
