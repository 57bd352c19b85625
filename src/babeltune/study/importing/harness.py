"""Logs of lm-evaluation-harness: XNLI's log-likelihoods and XQuAD's answers, item by item, or the accuracy alone.

Version 0.4 writes ``results_DATE.json`` and, with ``--log_samples``, ``samples_TASK_DATE.jsonl`` beside it; its first
releases wrote ``results.json`` and ``…_TASK.jsonl``, an array. Version 0.3, which the paper used, wrote one JSON file of
accuracies and standard errors. An item is named by its place in the test set, ``doc_id`` plus one.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from babeltune.errors import Problem
from babeltune.languages import LANGUAGES
from babeltune.measure.reply import item_of, reply
from babeltune.measure.tasks.items import WrongRowError
from babeltune.measure.tasks.xnli import ACCURACY
from babeltune.records import Cell
from babeltune.rows import Row, file_rows
from babeltune.study.importing.found import Aggregate, Answer, Content, Source, numbered, whole
from babeltune.study.importing.names import BASE, Tuned, tuned

TASKS = ("xnli", "xquad")
"""Of the harness's tasks those that are ours too."""
_SAMPLES = re.compile(rf"(?:.*_)?(?P<task>{'|'.join(TASKS)})_(?P<code>[a-z]{{2}})(?P<date>_[\dT.:-]+)?")
_ANY_SAMPLES = re.compile(r"samples_(?P<task>.+?)(?:_\d{4}-\d\d-\d\dT[\d.:-]+)?")
_RESULT = re.compile(rf"(?P<task>{'|'.join(TASKS)})_(?P<code>[a-z]{{2}})")


def named(stem: str) -> tuple[str, str] | None:
    """Task and language of a file of samples; None where its name is not that of one of our tasks."""
    found = _SAMPLES.fullmatch(stem)
    return (found["task"], found["code"]) if found and found["code"] in LANGUAGES else None


def other_task(stem: str) -> str | None:
    """The task of a file of samples that is none of ours."""
    found = _ANY_SAMPLES.fullmatch(stem)
    return found["task"] if found and named(stem) is None else None


def is_results(found: object) -> bool:
    """Whether a parsed JSON file is a file of results, of any version."""
    return (
        isinstance(found, dict)
        and isinstance(found.get("results"), dict)
        and isinstance(found.get("config", found.get("configs")), dict)
        and "versions" in found
    )


def model_of(results: Mapping[str, Any] | None, folder: str) -> Tuned:
    """The model and mix of a run: by its adapter's folder where it has one, else by its model's; else by the folder.

    Raises:
        UnknownNameError: the name is none.
    """
    config = results.get("config") if results else None
    given = config.get("model_args") if isinstance(config, dict) else None
    if isinstance(given, str):
        given = dict(part.split("=", 1) for part in given.split(",") if "=" in part)
    if isinstance(given, dict):
        adapter, model = given.get("peft"), given.get("pretrained", given.get("model"))
        under = tuned(_last(model)) if isinstance(model, str) and model else None
        if isinstance(adapter, str) and adapter:
            made = tuned(_last(adapter))
            made = made if made.mix != BASE else Tuned(made.model, _last(adapter))
            return dataclasses.replace(made, model=under.model) if under else made
        if under:
            return under
    return tuned(folder.split("__")[-1])


def _last(place: object) -> str:
    return str(place).rstrip("/").rsplit("/", 1)[-1]


def aggregates(results: Mapping[str, Any], made: Tuned, where: str) -> Iterator[Aggregate | Problem]:
    """XNLI's accuracies of a file of results; other tasks' numbers are told as a problem each."""
    others = []
    for name, values in results["results"].items():
        found = _RESULT.fullmatch(str(name))
        if found is None or found["task"] != "xnli" or found["code"] not in LANGUAGES or not isinstance(values, dict):
            others.append(str(name)[:40])
            continue
        value, error = (_number(values, key) for key in ("acc", "acc_stderr"))
        if value is None or not 0 <= value <= 1:
            yield Problem(where, f"{name}: holds no accuracy in [0, 1]", "Left out.")
            continue
        count = _count(results, name, value, error)
        if not count:
            yield Problem(where, f"{name}: says neither its standard error nor its number of items", "Left out.")
            continue
        cell = Cell(made.model, made.mix, 0, "xnli", found["code"], "xx:xx", 0)
        yield Aggregate(cell, made, ACCURACY, value, count, error, where)
    if others:
        some = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        yield Problem(where, f"numbers of tasks that are not ours ({some})", "Left out; XNLI's are taken.")


def _count(results: Mapping[str, Any], name: str, value: float, error: float | None) -> int | None:
    """Items of a task: as said, or as they follow from the standard error of a share, which is sqrt(p (1 - p) / (n - 1))."""
    said = results.get("n-samples", {})
    one = said.get(name) if isinstance(said, dict) else None
    if isinstance(one, dict) and isinstance(one.get("effective"), int):
        return int(one["effective"])
    return round(value * (1 - value) / error**2) + 1 if error else None


def _number(values: Mapping[str, Any], key: str) -> float | None:
    for name in (key, f"{key},none"):
        one = values.get(name)
        if isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one):
            return float(one)
    return None


def read(source: Source) -> Content:
    """The answers of a cell; ``theirs`` is the harness's own accuracy over the rows."""
    path = source.of("outputs")
    assert path is not None
    problems: list[Problem] = []
    answers: dict[str, Answer] = {}
    right: list[float] = []
    for _, row in numbered(_parsed(path), problems):
        doc = row.fields.get("doc")
        fields = whole({**doc, **row.fields} if isinstance(doc, dict) else dict(row.fields))
        fields.pop("id", None)  # a document's own; rows of one language are told from their place
        number = fields.get("doc_id")
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            problems.append(Problem(row.where, f"doc_id is {number!r}, no number", "Left out."))
            continue
        name = str(number + 1)
        if name in answers:
            problems.append(Problem(row.where, f"answers item {name} a second time", "The first counts."))
            continue
        try:
            said = reply(Row(row.where, fields), source.cell.task)
            item = item_of(said, source.cell.task, source.cell.language, "", name)
        except WrongRowError as error:
            problems.append(Problem(row.where, error.what, "Left out."))
            continue
        answers[name] = Answer(item, said.output and dataclasses.replace(said.output, id=name), said.reason)
        one = fields.get("acc")
        if isinstance(one, int | float):
            right.append(float(one))
    ordered = tuple(sorted(answers.values(), key=lambda one: int(one.item.id)))
    theirs = {ACCURACY: sum(right) / len(right)} if right and len(right) == len(answers) else {}
    return Content(ordered, tuple(problems), theirs)


def _parsed(path: Path) -> Iterator[Row | Problem]:
    """Rows of JSON lines; of an array, which the first releases wrote under the same suffix, its objects."""
    with path.open("rb") as file:
        first = file.read(64).lstrip()
    if not first.startswith(b"["):
        yield from file_rows(path)
        return
    try:
        listed = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        yield Problem(path.name, f"broken JSON ({error})", "Fetch the file again.")
        return
    for number, fields in enumerate(listed, 1):
        where = f"{path.name} row {number}"
        yield Row(where, fields) if isinstance(fields, dict) else Problem(where, "is no object", "Left out.")
