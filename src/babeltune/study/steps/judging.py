"""Judging: which answers the judge is asked of and in which order, its replies as they came, and what they say.

All cells are asked in one call, item by item in a random order, all answers to an item one after another. So where the
spending cap ends it, what was judged is a random sample of the items, each whole, and paired differences stand.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from babeltune.measure.judge import grade, helpfulness, rubric
from babeltune.measure.judge.grade import Grade, State
from babeltune.measure.judge.rubric import Judge
from babeltune.records import Metric, Output, Score
from babeltune.study.artefacts import REPLIES, read_lines, write_lines
from babeltune.study.session import Event, Session
from babeltune.study.spec.served import JudgeSpec, Reading
from babeltune.study.step import Step
from babeltune.study.steps.readings import Case, cases, publish, rank, reading, sample, texts_of, translations

TRANSLATED = "-translated"
"""Ends the names of metrics that rest on a judge who read an English translation (paper, appendix E)."""


def asker(spec: JudgeSpec) -> Judge:
    """The judge's questions, as the study sets them."""
    return Judge(dataclasses.replace(rubric.SAMPLING, max_tokens=spec.max_tokens), protocol=spec.protocol)


def metrics(protocol: rubric.Protocol, readings: Iterable[Reading]) -> tuple[Metric, ...]:
    """What is reported of a judge who read answers so, the main one first."""
    first = helpfulness.HELPFULNESS if protocol == "as-paper" else helpfulness.HELPFULNESS_PROMPT_LID
    found = sorted(helpfulness.METRICS, key=lambda metric: metric.name != first)
    return tuple(
        dataclasses.replace(metric, name=named(metric.name, reading))
        for reading in sorted(readings)
        for metric in found
    )


def judge(steps: Sequence[Step], session: Session) -> None:
    """Ask the judge of the answers of cells; each cell is published with all that came back, or did not."""
    spec = session.judge
    asked_of = [case for step in steps for case in cases(step, session)]
    asked_of.sort(key=lambda case: rank(spec.sample_seed, case.item, case.step.name))
    replies: dict[tuple[str, str], list[Output]] = {case.key: [] for case in asked_of}
    done = sum(case.skipped for case in asked_of)
    session.tell(Event("judge", "", done, len(asked_of), "answers"))
    asking = asker(spec)
    pending = [case for case in asked_of if not case.skipped]
    for attempt in range(spec.attempts):
        by_key = {case.key: case for case in pending}
        requests = [
            dataclasses.replace(asking.request(case.item, case.prompt, case.response, attempt), cell=case.step.name)
            for case in pending
        ]
        again: set[tuple[str, str]] = set()
        for output in session.asked(spec).complete(requests) if requests else ():
            case = by_key[output.cell, output.id]
            replies[case.key].append(output)
            if grade.read(output, case.response).malformed and attempt + 1 < spec.attempts:
                again.add(case.key)
                continue
            done += 1
            cell = case.step.cell
            shown = f"{cell.mix} {cell.language}" if cell else ""
            session.tell(Event("judge", shown, done, len(asked_of), "answers", output.tokens))
        pending = [case for case in pending if case.key in again]
    _write(steps, asked_of, replies, session)


def _write(
    steps: Sequence[Step],
    asked_of: Sequence[Case],
    replies: Mapping[tuple[str, str], Sequence[Output]],
    session: Session,
) -> None:
    # Answers that need no judge count only as far as the others were asked: a sample that ends with them is none.
    unsent = [at for at, case in enumerate(asked_of) if replies[case.key] and replies[case.key][0].finish == "unsent"]
    end = min(unsent, default=len(asked_of))
    rows: dict[str, dict[str, dict[str, Any]]] = {step.name: {} for step in steps}
    for at, case in enumerate(asked_of):
        tries = [
            {"text": one.text, "finish": one.finish, "tokens": one.tokens, "reason": one.reason}
            for one in replies[case.key]
        ]
        state = "asked" if not case.skipped else "skipped" if at < end else "unsent"
        rows[case.step.name][case.item] = {"item": case.item, "state": state, "tries": tries}
    for step in steps:
        found = rows[step.name]
        ordered = [found[item.id] for item in sample(step, session) if item.id in found]
        write_lines(session.store.partial(step) / REPLIES, ordered)
        ends = Counter(row["tries"][-1]["finish"] for row in ordered if row["tries"])
        lacking = ends["failed"] + ends["unsent"] + sum(row["state"] == "unsent" for row in ordered)
        asked = sum(bool(row["tries"]) for row in ordered)
        facts = {"answers": len(ordered), "asked": asked - ends["unsent"], "failed": ends["failed"],
                 "skipped": sum(row["state"] == "skipped" for row in ordered)}  # fmt: skip
        publish(step, session, {**facts, "unsent": lacking - ends["failed"]}, lacking)


def of_cell(score: Step, session: Session) -> dict[str, Score]:
    """Item -> all that the judge says of the answers of a cell that is to be scored; nothing of a cell without one."""
    spec = session.study.judge
    found: dict[str, Score] = {}
    for key in score.needs[1:]:
        for item, one in judged(session.plan.by_key[key], session).items():
            parts = [found[item]] if item in found else []
            parts.append(one)
            if score.cell and score.cell.language == "en" and spec and "translated" in spec.readings:
                parts.append(as_read(one, "translated"))  # English needs no translation
            found[item] = merged(parts)
    return found


def merged(scores: Sequence[Score]) -> Score:
    """All that was found of one item; counts of the first."""
    first = scores[0]
    values, notes, unscored = dict(first.values), dict(first.notes), dict(first.unscored)
    for one in scores[1:]:
        values |= one.values
        notes |= one.notes
        unscored |= one.unscored
    return Score(first.item, values, notes, unscored, first.counts)


def judged(step: Step, session: Session) -> dict[str, Score]:
    """Item -> what a judge's replies say of it, from its folder; read anew, without asking anyone."""
    generated, *translated = session.needed(step)
    outputs, items = texts_of(generated), sample(step, session)
    texts, lost = translations(translated[0]) if translated else (outputs, dict[str, str]())
    kept = {row["item"]: row for row in read_lines(session.store.open(step) / REPLIES)}
    reader = session.identifier
    prompts = reader.identify([item.prompt for item in items])
    responses = reader.identify([outputs[item.id] for item in items])
    found: dict[str, Score] = {}
    for item, prompt, response in zip(items, prompts, responses, strict=True):
        row = kept.get(item.id)
        if row is None:
            names = [metric.name for metric in helpfulness.METRICS]
            why = "the answer has no English translation"
            notes = {"judge": "not asked", "judge detail": lost.get(item.id, "")}
            score = Score(item.id, {}, notes, dict.fromkeys(names, why))
        elif row["state"] == "skipped":
            score = helpfulness.forced(item.id)
        else:
            verdict = verdict_of(row, texts.get(item.id, ""))
            score = helpfulness.helpfulness(item.id, verdict, item.language, prompt, response)
        found[item.id] = as_read(score, reading(step))
    return found


def states(step: Step, session: Session) -> Counter[State]:
    """How many replies of a judged cell say something, and what is wrong with the others; nothing of answers that needed none."""
    generated, *translated = session.needed(step)
    texts = translations(translated[0])[0] if translated else texts_of(generated)
    rows = [row for row in read_lines(session.store.open(step) / REPLIES) if row["state"] != "skipped"]
    return Counter(verdict_of(row, texts.get(row["item"], "")).state for row in rows)


def verdict_of(row: Mapping[str, Any], response: str) -> Grade:
    """What the replies to one request say: the first that is as asked, or else the last."""
    if not row["tries"]:
        return Grade("unsent", detail="the spending cap was reached")
    verdicts = [
        grade.read(Output(row["item"], "", one["text"], one["finish"], one["tokens"], reason=one["reason"]), response)
        for one in row["tries"]
    ]
    return next((one for one in verdicts if one.score is not None), verdicts[-1])


def as_read(score: Score, as_: Reading) -> Score:
    """What a judge who read answers so says of one: under metrics and notes of their own, unless it read them as they are."""
    if as_ == "direct":
        return score
    return Score(
        score.item,
        {named(name, as_): value for name, value in score.values.items()},
        {f"{name}, translated": note for name, note in score.notes.items()},
        {named(name, as_): why for name, why in score.unscored.items()},
    )


def named(metric: str, as_: Reading) -> str:
    """A metric's name where the judge read answers so."""
    return metric if as_ == "direct" else f"{metric}{TRANSLATED}"
