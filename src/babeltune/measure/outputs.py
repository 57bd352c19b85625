"""Outputs of any origin: rows of prompts and responses, whoever generated them -> items, each with its output.

Field by field, the first name that a row has counts: ``RESPONSE``, ``PROMPT``, ``REFERENCES``, ``source`` or
``question`` for what the prompt is about, ``id``. Such are the files of babeltune itself, of the paper's authors
(prompt, system, source, reference) and the sample logs of lm-evaluation-harness, whose ``doc`` holds the item and
whose ``resps`` the response. A response that is null or missing is unscored, never wrong.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babeltune.errors import ItemsError, Problem
from babeltune.languages import LANGUAGES, code_of
from babeltune.measure.metrics.letters import LETTERS
from babeltune.measure.tasks import xnli
from babeltune.measure.tasks.items import WrongRowError, text
from babeltune.records import Item, Output, Score, Task
from babeltune.rows import Row

PROMPT = ("prompt", "instruction")
RESPONSE = ("response", "output", "completion", "generation", "text", "system")
"""The last is what the authors' files call it."""
REFERENCES = ("references", "reference", "target", "targets", "answers", "answer", "answerKey")
_LOGLIKELIHOODS = ("loglikelihoods", "filtered_resps", "resps")
_LABEL = ("label", "gold_label", "target", "reference", "answer")
_ASKING = ("prompt", "instruction", "source", "question", "hypothesis")
_MARK = re.compile(r"###\s*(Human|Assistant)\s*[:：]")
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Answered:
    """One row: an item and the response to it."""

    where: str
    """File and line."""
    item: Item
    output: Output | None
    """None where there is no response."""
    reason: str = ""
    """Why there is none."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the rows of a file came to."""

    answered: tuple[Answered, ...]
    strangers: tuple[str, ...] = ()
    """Places of rows whose id no item has."""
    unanswered: tuple[str, ...] = ()
    """Ids of items without a row."""
    astray: tuple[str, ...] = ()
    """Places of rows that ask something else than the item they were matched with."""
    foreign: int = 0
    """Rows that say they are in another language; left out."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What a row says of the response."""

    row: Row
    id: str | None
    begun: str
    """Start of the response that the prompt ends with, behind the mark of the model's turn."""
    output: Output | None
    reason: str


def alone(rows: Iterable[Row | Problem], task: str, language: str, subject: str, prefix: str = "") -> Found:
    """Rows that hold their items themselves. A row without an id is named by its number, from 1 on.

    ``prefix``: start of the response that was forced, in case the responses repeat it and the prompts do not show it.
    Rows of one id and one item are several outputs of it.

    Raises:
        ItemsError: rows are broken or lack what the task needs (all are listed; beyond twenty counted), an id stands
            for two items, no row has a response, or there are no rows.
    """
    kept, foreign = _kept(rows, language, subject)
    problems: list[Problem] = []
    answered: list[Answered] = []
    seen: dict[str, Item] = {}
    for number, row in enumerate(kept, 1):
        if isinstance(row, Problem):
            problems.append(row)
            continue
        try:
            read = _read(row, task)
        except WrongRowError as error:
            problems.append(Problem(row.where, error.what, error.fix))
            continue
        try:
            item = _item(read, task, language, prefix, read.id or str(number))
        except WrongRowError as error:
            problems.append(Problem(row.where, error.what, f"{error.fix} Or give the items apart, with --items."))
            continue
        if seen.setdefault(item.id, item) != item:
            what = f"the id '{item.id}' stands twice, with two different items"
            problems.append(Problem(row.where, what, "Give each item its own id, or leave the ids out."))
        answered.append(Answered(row.where, item, read.output, read.reason))
    _refuse(problems, subject)
    _spoken([one.reason for one in answered if one.output is None], kept, subject)
    return Found(tuple(answered), foreign=foreign)


def joined(rows: Iterable[Row | Problem], items: Sequence[Item], task: str, language: str, subject: str) -> Found:
    """Rows that answer these items: matched by id or, where no row has one, by order if there are as many.

    Raises:
        ItemsError: rows are broken (as of ``alone``), no row has a response, or nothing matches.
    """
    kept, foreign = _kept(rows, language, subject)
    problems: list[Problem] = []
    reads: list[_Read] = []
    for row in kept:
        try:
            reads += [] if isinstance(row, Problem) else [_read(row, task)]
        except WrongRowError as error:
            problems.append(Problem(row.where, error.what, error.fix))
        if isinstance(row, Problem):
            problems.append(row)
    _refuse(problems, subject)
    if not any(read.id for read in reads):
        if len(reads) != len(items):
            what = f"the rows have no id, and there are {len(reads)} of them for {len(items)} items"
            raise ItemsError(subject, [Problem("id", what, "Add the field 'id', or give as many rows, in order.")])
        reads = [dataclasses.replace(read, id=item.id) for read, item in zip(reads, items, strict=True)]
    by_id = {item.id: item for item in items}
    pairs = [(read, by_id[read.id]) for read in reads if read.id in by_id]
    if not pairs:
        ours, theirs = (
            ", ".join(list(dict.fromkeys(names))[:3]) for names in ((str(read.id) for read in reads), by_id)
        )
        fix = f"Ids of rows are {ours} …, ids of items {theirs} …; without ids, rows are matched by their order."
        raise ItemsError(subject, [Problem("id", "no row has the id of an item", fix)])
    answered = [
        Answered(
            read.row.where,
            dataclasses.replace(item, prefix=read.begun) if read.begun else item,
            dataclasses.replace(read.output, id=item.id) if read.output else None,
            read.reason,
        )
        for read, item in pairs
    ]
    _spoken([one.reason for one in answered if one.output is None], kept, subject)
    there = {item.id for _, item in pairs}
    return Found(
        tuple(answered),
        tuple(read.row.where for read in reads if read.id not in by_id),
        tuple(item.id for item in items if item.id not in there),
        tuple(read.row.where for read, item in pairs if _asks_else(read.row.fields, task, item)),
        foreign,
    )


def scores(task: Task, answered: Sequence[Answered]) -> list[Score]:
    """One score a row, in order; rows without a response are unscored under every metric, with the reason."""
    pairs = [(one.item, one.output) for one in answered if one.output is not None]
    judged = iter(task.score([item for item, _ in pairs], [output for _, output in pairs]) if pairs else ())
    names = [name for metric in task.metrics for name in (metric.name, *metric.needs)]
    return [
        next(judged) if one.output is not None else Score(one.item.id, unscored=dict.fromkeys(names, one.reason))
        for one in answered
    ]


def bare(prompt: str) -> tuple[str, str]:
    """A prompt without the marks of the chat format, and the start of the response that it ends with."""
    marks = list(_MARK.finditer(prompt))
    if not marks:
        return prompt, ""
    last = marks[-1]
    asked, begun = (prompt[: last.start()], prompt[last.end() :]) if last[1] == "Assistant" else (prompt, "")
    return _MARK.sub("\n", asked).strip(), begun.strip()


def _kept(rows: Iterable[Row | Problem], language: str, subject: str) -> tuple[list[Row | Problem], int]:
    """The rows of a language, a harness's ``doc`` spread out, and the number of rows in other languages."""
    kept: list[Row | Problem] = []
    others: Counter[str] = Counter()
    for row in rows:
        if isinstance(row, Problem):
            kept.append(row)
            continue
        doc = row.fields.get("doc")
        row = Row(row.where, {**doc, **row.fields}) if isinstance(doc, Mapping) else row
        said = row.fields.get("language", row.fields.get("lang"))
        code = (said if said in LANGUAGES else code_of(said)) if isinstance(said, str) else None
        if code is None or code == language:
            kept.append(row)
        else:
            others[code] += 1
    if not kept:
        what = f"no row is in '{language}'" if others else "there are no rows"
        fix = f"The rows say that they are in {', '.join(sorted(others))}." if others else "Give one response a row."
        raise ItemsError(subject, [Problem("language" if others else "rows", what, fix)])
    return kept, sum(others.values())


def _read(row: Row, task: str) -> _Read:
    fields = row.fields
    given = _first(fields, PROMPT)
    begun = bare(given)[1] if isinstance(given, str) else ""
    if task == "xnli":
        values, lengths = _loglikelihoods(fields)
        output = Output("", "", "", "ranked", sum(lengths), values, lengths) if values else None
        return _Read(row, _id(fields), begun, output, "" if output else "the log-likelihoods are null")
    said, reason = _response(fields)
    output = Output("", "", said, "eos", 0) if said is not None else None
    return _Read(row, _id(fields), begun, output, reason)


def _id(fields: Mapping[str, Any]) -> str | None:
    given = fields.get("id")
    if isinstance(given, float) and given.is_integer():
        given = int(given)  # a table that once had a gap
    if given is not None and str(given).strip():
        return str(given)
    number = fields.get("doc_id")  # a harness's, from 0 on
    return str(number + 1) if isinstance(number, int) else None


def _item(read: _Read, task: str, language: str, prefix: str, name: str) -> Item:
    fields = read.row.fields
    begun = read.begun or prefix
    given = _first(fields, PROMPT)
    prompt = bare(given)[0] if isinstance(given, str) else ""
    match task:
        case "dialogue":
            asked = bare(text(fields, _named(fields, PROMPT)))[0]
            if not asked:
                raise WrongRowError("field 'prompt': holds nothing but marks", "Give it a text, or take the row out.")
            return Item(name, language, asked)
        case "simplification":
            source = text(fields, "source").strip()
            return Item(name, language, prompt or source, _references(fields), source, begun)
        case "xquad":
            question = _first(fields, ("question", "source"))
            asked = bare(question)[0] if isinstance(question, str) else ""
            return Item(name, language, prompt or asked, _references(fields), asked, begun)
        case "xcsqa":
            question = _first(fields, ("question", "source"))
            stem = question.get("stem") if isinstance(question, Mapping) else question
            asked = bare(stem)[0] if isinstance(stem, str) else ""
            return Item(name, language, prompt or asked, (_key(fields),), asked, begun)
        case "xnli":
            label = xnli._relation(Row(read.row.where, {"label": fields[_named(fields, _LABEL)]}))
            premise, hypothesis = (str(fields.get(field) or "") for field in ("premise", "hypothesis"))
            return Item(name, language, prompt or premise, (label,), hypothesis)
        case _:
            raise ValueError(f"unknown task '{task}'")


def _first(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The first value that is there and not null; else None."""
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _named(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first name whose value is there and not null.

    Raises:
        WrongRowError: there is none.
    """
    found = next((name for name in names if fields.get(name) is not None), None)
    if found is not None:
        return found
    null = next((name for name in names if name in fields), None)
    what = f"field '{null}': is null" if null else f"field '{names[0]}': is missing"
    others = f"; {', '.join(names[1:])} will do too" if len(names) > 1 else ""
    raise WrongRowError(f"{what} (here: {', '.join(map(str, fields)) or 'nothing'})", f"Add it{others}.")


def _response(fields: Mapping[str, Any]) -> tuple[str | None, str]:
    """The response, or None and why there is none."""
    given = _first(fields, RESPONSE)
    if given is None:
        given = _first(fields, _LOGLIKELIHOODS[1:])
        while isinstance(given, list) and given:
            given = given[0]  # a harness's: of each request, of each repetition
    if isinstance(given, str):
        return given, ""
    if given is not None:
        return None, "the response is no text"
    return None, "the response is null" if any(name in fields for name in RESPONSE) else _MISSING


_MISSING = "the row has no response"


def _spoken(reasons: Sequence[str], kept: Sequence[Row | Problem], subject: str) -> None:
    """Refuse a file in which no row has a field for the response."""
    if len(reasons) == len(kept) and set(reasons) == {_MISSING}:
        here = ", ".join(dict.fromkeys(str(name) for row in kept if isinstance(row, Row) for name in row.fields))
        fix = f"It is looked for in {', '.join(RESPONSE)}."
        raise ItemsError(subject, [Problem("response", f"no row has such a field (here: {here or 'nothing'})", fix)])


def _listed(value: Any) -> Any:
    """A list that stands as text in a table, as a list; anything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return found if isinstance(found, list) else value
    return value


def _texts(fields: Mapping[str, Any], name: str) -> list[str]:
    """The texts of a field: a text, a list of texts, objects with ``text``, or an object of lists as on the hub."""
    value = _listed(fields[name])
    if isinstance(value, Mapping):
        value = value.get("text")
    several = value if isinstance(value, list) else [value]
    given = [one.get("text") if isinstance(one, Mapping) else one for one in several]
    found = [one for one in given if isinstance(one, str)]
    if len(found) < len(given):
        raise WrongRowError(f"field '{name}': {_shown(fields[name])} is no text", "Give a text, or a list of texts.")
    kept = [one.strip() for one in found if one.strip()]
    if not kept:
        raise WrongRowError(f"field '{name}': is empty", "Give it a text, or take the row out.")
    return kept


def _references(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """All of them: what several people wrote alike counts for SARI as often as they wrote it."""
    return tuple(_texts(fields, _named(fields, REFERENCES)))


def _key(fields: Mapping[str, Any]) -> str:
    """The letter of the right choice; of the authors' ``[key, text]`` the first."""
    name = _named(fields, ("answerKey", *REFERENCES))
    key = _texts(fields, name)[0].upper()
    if key not in list(LETTERS):
        raise WrongRowError(f"field '{name}': {_shown(fields[name])} is no choice", "Give the letter, A to E.")
    return key


def _loglikelihoods(fields: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Log-likelihoods [nats] and numbers of tokens of the candidates; empty where they are null."""
    name = next((name for name in _LOGLIKELIHOODS if fields.get(name) is not None), None)
    if name is None and not any(one in fields for one in _LOGLIKELIHOODS):
        _named(fields, _LOGLIKELIHOODS)
    if name is None:
        return (), ()
    values = _numbers(fields[name], name)
    lengths = _numbers(fields.get("lengths") or [], "lengths")
    return values, tuple(int(one) for one in lengths if one.is_integer())


def _numbers(given: Any, name: str) -> tuple[float, ...]:
    """The numbers of a list, some of them as text; of a harness's pairs (value, is greedy) the first."""
    value = _listed(given)
    if not isinstance(value, list):
        raise WrongRowError(f"field '{name}': {_shown(given)} is no list of numbers", "Give one for each relation.")
    if len(value) == 2 and str(value[1]).lower() in ("true", "false"):
        value = value[:1]
    found: list[float] = []
    for one in value:
        if isinstance(one, list):
            found += _numbers(one, name)
            continue
        try:
            if isinstance(one, bool):
                raise TypeError
            found.append(float(one))
        except (TypeError, ValueError, OverflowError):
            raise WrongRowError(f"field '{name}': {_shown(one)} is no number", "Give one for each relation.") from None
    return tuple(found)


def _asks_else(fields: Mapping[str, Any], task: str, item: Item) -> bool:
    """Whether a row shows what it asks, and that is not what the item asks; white space and case do not count."""
    names = PROMPT if task == "dialogue" else _ASKING
    said = [_squashed(fields[name]) for name in names if isinstance(fields.get(name), str) and fields[name].strip()]
    asked = _squashed(item.subject)
    return bool(said) and not any(asked in one for one in said)


def _squashed(value: str) -> str:
    return "".join(value.casefold().split())


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}…"


def _refuse(problems: Sequence[Problem], subject: str) -> None:
    if problems:
        more = len(problems) - _MOST_SHOWN
        last = [Problem(subject, f"{more} rows more", "Mend them likewise.")] if more > 0 else []
        raise ItemsError(subject, [*problems[:_MOST_SHOWN], *last])
