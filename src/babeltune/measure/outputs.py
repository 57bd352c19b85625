"""Outputs of any origin: rows of prompts and responses, whoever generated them -> items, each with its output.

What a row may hold, and under which names, is told in ``reply``. A response that is null or missing is unscored, never
wrong.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from babeltune.errors import ItemsError, Problem
from babeltune.languages import LANGUAGES, code_of
from babeltune.measure.reply import MISSING, PROMPT, RESPONSE, Reply, asks_else, item_of, reply
from babeltune.measure.tasks.items import WrongRowError, shown
from babeltune.records import Item, Output, Score, Task
from babeltune.rows import Row


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


def alone(rows: Iterable[Row | Problem], task: str, language: str, subject: str, prefix: str = "") -> Found:
    """Rows that hold their items themselves. A row without an id is named by its number, from 1 on.

    ``prefix``: start of the response that was forced, in case the responses repeat it and the prompts do not show it.
    Rows of one id and one item are several outputs of it. Responses of dialogue may stand without prompts, if no row has
    one: what compares with the prompt is unscored then.

    Raises:
        ItemsError: rows are broken or lack what the task needs (all are told), an id stands for two items, no row has
            a response, or there are no rows.
    """
    kept, foreign = _kept(rows, language, subject)
    problems: list[Problem] = []
    answered: list[Answered] = []
    seen: dict[str, Item] = {}
    asked = task != "dialogue" or any(name in row.fields for row in kept if isinstance(row, Row) for name in PROMPT)
    for number, row in enumerate(kept, 1):
        if isinstance(row, Problem):
            problems.append(row)
            continue
        try:
            read = reply(row, task)
        except WrongRowError as error:
            problems.append(error.at(row.where))
            continue
        try:
            named = read.id or str(number)
            item = item_of(read, task, language, prefix, named) if asked else Item(named, language, "")
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
    reads: list[Reply] = []
    for row in kept:
        if isinstance(row, Problem):
            problems.append(row)
            continue
        try:
            reads.append(reply(row, task))
        except WrongRowError as error:
            problems.append(error.at(row.where))
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
        tuple(read.row.where for read, item in pairs if asks_else(read.row.fields, task, item)),
        foreign,
    )


def scores(task: Task, answered: Sequence[Answered]) -> list[Score]:
    """One score a row, in order; rows without a response are unscored, with the reason.

    That is so under every metric but those that say nothing of any other row, as the word rate of Latin script.
    """
    pairs = [(one.item, one.output) for one in answered if one.output is not None]
    found = task.score([item for item, _ in pairs], [output for _, output in pairs]) if pairs else []
    said = {name for one in found for name in (*one.values, *one.unscored)}
    names = [name for metric in task.metrics for name in metric.needs if name in said or not found]
    judged = iter(found)
    return [
        next(judged) if one.output is not None else Score(one.item.id, unscored=dict.fromkeys(names, one.reason))
        for one in answered
    ]


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


def _spoken(reasons: Sequence[str], kept: Sequence[Row | Problem], subject: str) -> None:
    """Refuse a file in which no row has a field for the response."""
    if len(reasons) == len(kept) and set(reasons) == {MISSING}:
        here = ", ".join(dict.fromkeys(str(name) for row in kept if isinstance(row, Row) for name in row.fields))
        fix = f"It is looked for in {', '.join(RESPONSE)}."
        raise ItemsError(subject, [Problem("response", f"no row has such a field (here: {here or 'nothing'})", fix)])


def _refuse(problems: Sequence[Problem], subject: str) -> None:
    if problems:
        raise ItemsError(subject, shown(problems, subject))
