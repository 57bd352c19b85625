"""The authors' files: outputs of four tasks, their language agreement, and a judge's scores (paper, section 4).

A row has ``prompt``, ``system`` (the response), ``finish_reason``, ``source`` and ``secs``; ``reference`` where there is
one, ``orig_source`` (the sentence) in simplification, ``source_lang`` and ``system_lang`` where languages were found.
Rows have no id: the number of a row names its item, the same in every mix and language. A judge's row is an output's
with ``id`` (that number less one), ``eval_reasoning``, ``eval_score`` and ``eval_meta``; a reply that was no JSON left
the row without the first two, and stray keys of the reply stand beside them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from babeltune.errors import Problem
from babeltune.measure.metrics.agreement import AGREEMENT, AGREEMENT_NOMINAL
from babeltune.measure.reply import bare, item_of, reply
from babeltune.measure.tasks.items import WrongRowError
from babeltune.measure.tasks.simplification import SARI
from babeltune.records import HUMAN, Output
from babeltune.rows import Row, file_rows
from babeltune.study.importing.found import Answer, Content, Source, numbered, whole
from babeltune.study.spec.served import Reading

_THEIRS = {"lang_match": AGREEMENT, "tgt_lang": AGREEMENT_NOMINAL, "sari": SARI}
"""Column of an ``.eval`` file -> our metric."""
_META = "eval_meta"
_ARGUMENTS = (
    "seed",
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "max_tokens",
    "batch_size",
)


def read(source: Source) -> Content:
    """The answers of a cell with what the judge said of them; rows that cannot be used are problems, not errors."""
    cell, problems = source.cell, list[Problem]()
    answers: dict[str, Answer] = {}
    if path := source.of("outputs"):
        for number, row in _rows(path, problems):
            name = str(number)
            if (one := _answer(row, cell.task, cell.language, name, problems)) is not None:
                answers[name] = one
    cost = 0.0
    readings: tuple[Reading, ...] = ("direct", "translated")
    for reading in readings:
        if path := source.of(reading):
            cost += _judged(path, reading, answers, source, problems)
    theirs: dict[str, float] = {}
    if path := source.of("agreement"):
        theirs, found = agreement(path)
        problems += found
    ordered = sorted(answers.values(), key=lambda one: int(one.item.id))
    return Content(tuple(ordered), tuple(problems), theirs, _arguments(source.of("arguments"), problems), cost)


def agreement(path: Path) -> tuple[dict[str, float], list[Problem]]:
    """Metric -> value of an ``.eval`` file, and ``n`` where it has one; shares in [0, 1], SARI in [0, 100].

    ``tgt_lang`` of a language that the authors' map lacks is always 0, whatever the responses: it is left out where it
    is 0 and ``lang_match`` is not.
    """
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        return {}, [Problem(path.name, f"cannot be read ({error})", "Fetch the file again.")]
    if len(rows) != 1 or "lang_match" not in rows[0]:
        fix = "One row with a column lang_match, as the authors' .eval files have."
        return {}, [
            Problem(path.name, f"{len(rows)} rows, columns {', '.join(map(str, rows[0])) if rows else 'none'}", fix)
        ]
    found: dict[str, float] = {}
    problems = []
    for column, metric in (*_THEIRS.items(), ("n", "n")):
        text = rows[0].get(column)
        if not text or not text.strip():
            continue
        highest = 1.0 if column in ("lang_match", "tgt_lang") else 100.0 if column == "sari" else 1e9
        try:
            value = float(text)
            if not 0 <= value <= highest:
                raise ValueError
        except ValueError:
            problems.append(Problem(path.name, f"column {column}: {text[:40]!r} is no value of it", "Left out."))
            continue
        found[metric] = value
    if found.get(AGREEMENT_NOMINAL) == 0 and found.get(AGREEMENT):
        del found[AGREEMENT_NOMINAL]
    return found, problems


def _rows(path: Path, problems: list[Problem]) -> Iterator[tuple[int, Row]]:
    """Number and row of what can be parsed; broken rows are counted, as in the authors' files."""
    for number, row in numbered(file_rows(path), problems):
        yield number, Row(row.where, whole(dict(row.fields)))


def _answer(row: Row, task: str, language: str, name: str, problems: list[Problem]) -> Answer | None:
    fields = _fields(row.fields, task)
    try:
        said = reply(Row(row.where, fields), task)
        item = item_of(said, task, language, "", name)
    except WrongRowError as error:
        problems.append(Problem(row.where, error.what, "Left out."))
        return None
    finish = fields.get("finish_reason")
    output = said.output and Output(name, "", said.output.text, "length" if finish == "length" else "stop", 0)
    labels = fields.get("source_lang"), fields.get("system_lang")
    known = (labels[0], labels[1]) if isinstance(labels[0], str) and isinstance(labels[1], str) else None
    return Answer(item, output, said.reason, known)


def _fields(fields: Mapping[str, Any], task: str) -> dict[str, Any]:
    """A row as a row of any origin: without an id, and what it asks about in ``source``."""
    found = {name: value for name, value in fields.items() if name != "id"}
    given = fields.get("source")
    parts = _paragraphs(given if isinstance(given, str) else fields.get("prompt"))
    match task:
        case "simplification":
            if isinstance(fields.get("orig_source"), str):
                found["source"] = fields["orig_source"]
            elif isinstance(given, str) and HUMAN in given and parts:
                found["source"] = parts[-1].splitlines()[-1]
        case "xquad" if len(parts) >= 5:
            found["source"] = parts[-2]  # instruction, heading, passage, heading, question, note
        case "xcsqa" if len(parts) >= 5:
            found["source"] = parts[-3]  # instruction, heading, question, heading, choices
    return found


def _paragraphs(prompt: object) -> list[str]:
    """What is asked, cut at blank lines."""
    return [one.strip() for one in bare(prompt)[0].split("\n\n") if one.strip()] if isinstance(prompt, str) else []


def _judged(path: Path, reading: Reading, answers: dict[str, Answer], source: Source, problems: list[Problem]) -> float:
    """Put a judge's replies to the answers that they are about; what they cost [dollars]."""
    cell, alone, cost = source.cell, source.of("outputs") is None, 0.0
    by_text: dict[tuple[str, str], str] = {}
    for name, one in answers.items():
        if one.output is not None:
            by_text.setdefault((one.item.prompt, one.output.text), name)
    for _, row in _rows(path, problems):
        fields = row.fields
        meta = fields.get(_META)
        price = meta.get("cost") if isinstance(meta, dict) else None
        cost += price if isinstance(price, float) and 0 <= price < 1e6 else 0.0
        name = _item_of(fields, answers, by_text, alone=alone)
        if name and name not in answers and alone:
            made = _answer(row, cell.task, cell.language, name, problems)
            if made is None:
                continue
            answers[name] = made
        if name not in answers:
            problems.append(Problem(row.where, "judges an answer that is not among the outputs", "Left out."))
            continue
        if reading in answers[name].judged:
            problems.append(Problem(row.where, f"judges the answer to item {name} a second time", "The first counts."))
            continue
        said = {key.removeprefix("eval_"): value for key, value in fields.items() if key.startswith("eval_")}
        said.pop("meta", None)
        text = json.dumps(said, ensure_ascii=False) if said else "{}"
        old = answers[name]
        answers[name] = Answer(old.item, old.output, old.reason, old.labels, {**old.judged, reading: text})
    return cost


def _item_of(
    fields: Mapping[str, Any], answers: Mapping[str, Answer], by_text: Mapping[tuple[str, str], str], *, alone: bool
) -> str:
    """The item of a judge's row: by its id, which counts from 0, if prompt and response are those of that item, or else
    by these. ``alone``: there are no outputs to compare with, so the id is taken. Empty where it cannot be told.
    """
    prompt, system, number = fields.get("prompt"), fields.get("system"), fields.get("id")
    if not isinstance(prompt, str) or not isinstance(system, str):
        return ""
    asked = bare(prompt)[0]
    counted = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 10**9
    name = str(int(number) + 1) if counted and number is not None else ""
    if (one := answers.get(name)) and one.output and (one.item.prompt, one.output.text) == (asked, system):
        return name
    return by_text.get((asked, system), name if alone else "")


def _arguments(path: Path | None, problems: list[Problem]) -> dict[str, Any]:
    """Settings of the sampling that move a number."""
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        problems.append(Problem(path.name, f"cannot be read ({error})", "The outputs are taken without it."))
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: found[name] for name in _ARGUMENTS if isinstance(found.get(name), int | float)}
