"""Planting: the judge is asked of answers of known worth, before it is paid for thousands."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from babeltune.measure import judge, planted
from babeltune.measure.planted import Planted, Reliability
from babeltune.measure.verdict import Verdict
from babeltune.records import Output
from babeltune.study.check import Opened
from babeltune.study.judging import asker
from babeltune.study.serving import check_cost
from babeltune.study.session import Event, Session, Tell


def ask(opened: Opened, languages: Sequence[str], tell: Tell, most_cost: float | None = None) -> list[Reliability]:
    """What the study's judge makes of the planted answers in these languages.

    Replies are kept in the study's ledger, so that asking twice costs once. Asked as of a study's own answers: so often
    again where a reply cannot be used, and never beyond the cap.

    Raises:
        EngineError: as of the judge's engine.
        LockedError: a run holds the study, and with it the ledger.
        StudyError: a cap without a price.
    """
    spec = opened.plan.study.judge
    assert spec is not None
    check_cost(opened.plan, most_cost)
    there = {(f"check {code}", one.id): one for code in languages for one in planted.planted(code)}
    found: dict[tuple[str, str], Verdict] = {}
    asking = asker(spec)
    with opened.store.locked(), Session(opened, tell, most_cost) as session:
        tell(Event("check", "", 0, len(there), "answers"))
        pending = dict(there)
        for attempt in range(spec.attempts):
            requests = [
                dataclasses.replace(asking.request(one.id, one.prompt, one.response, attempt), cell=cell)
                for (cell, _), one in pending.items()
            ]
            for output in session.asked(spec).complete(requests) if requests else ():
                key = output.cell, output.id
                found[key] = _read(output, pending[key])
                done = sum(not one.malformed for one in found.values())
                tell(Event("check", pending[key].language, done, len(there), "answers", output.tokens))
            pending = {key: one for key, one in pending.items() if found[key].malformed}
    return planted.reliability([(one, found[key]) for key, one in there.items()])


def _read(output: Output, one: Planted) -> Verdict:
    return judge.read(output, one.response)
