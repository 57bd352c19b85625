"""What a row of outputs says, field by field: the response, and what was asked.

The first name that a row has counts. Such are the files of babeltune itself, of the paper's authors (prompt, system,
source, reference) and the sample logs of lm-evaluation-harness, whose ``resps`` hold the response.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babeltune.measure.metrics.letters import LETTERS
from babeltune.measure.tasks import xnli
from babeltune.measure.tasks.items import WrongRowError, text
from babeltune.records import Item, Output
from babeltune.rows import Row

PROMPT = ("prompt", "instruction")
RESPONSE = ("response", "output", "completion", "generation", "text", "system")
"""The last is what the authors' files call it."""
REFERENCES = ("references", "reference", "target", "targets", "answers", "answer", "answerKey")
_LOGLIKELIHOODS = ("loglikelihoods", "filtered_resps", "resps")
_LABEL = ("label", "gold_label", "target", "reference", "answer")
_ASKING = ("prompt", "instruction", "source", "question", "hypothesis")
_MARK = re.compile(r"###\s*(Human|Assistant)\s*[:：]")
MISSING = "the row has no response"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a row says of the response."""

    row: Row
    id: str | None
    begun: str
    """Start of the response that the prompt ends with, behind the mark of the model's turn."""
    output: Output | None
    reason: str


def reply(row: Row, task: str) -> Reply:
    """What a row says of the response; for ranked tasks, of the log-likelihoods.

    Raises:
        WrongRowError: the log-likelihoods are missing or no numbers.
    """
    fields = row.fields
    given = _first(fields, PROMPT)
    begun = bare(given)[1] if isinstance(given, str) else ""
    if task == "xnli":
        values, lengths = _loglikelihoods(fields)
        output = Output("", "", "", "ranked", sum(lengths), values, lengths) if values else None
        return Reply(row, _id(fields), begun, output, "" if output else "the log-likelihoods are null")
    said, reason = _response(fields)
    output = Output("", "", said, "eos", 0) if said is not None else None
    return Reply(row, _id(fields), begun, output, reason)


def _id(fields: Mapping[str, Any]) -> str | None:
    given = fields.get("id")
    if isinstance(given, float) and given.is_integer():
        given = int(given)  # a table that once had a gap
    if given is not None and str(given).strip():
        return str(given)
    number = fields.get("doc_id")  # a harness's, from 0 on
    return str(number + 1) if isinstance(number, int) else None


def item_of(read: Reply, task: str, language: str, prefix: str, name: str) -> Item:
    """What a row says was asked. ``prefix``: the start of the response that was forced if the prompt shows none.

    Raises:
        WrongRowError: it lacks what the task needs.
    """
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
            label = xnli.relation_of(Row(read.row.where, {"label": fields[_named(fields, _LABEL)]}))
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
    return None, "the response is null" if any(name in fields for name in RESPONSE) else MISSING


def bare(prompt: str) -> tuple[str, str]:
    """A prompt without the marks of the chat format, and the start of the response that it ends with."""
    marks = list(_MARK.finditer(prompt))
    if not marks:
        return prompt, ""
    last = marks[-1]
    asked, begun = (prompt[: last.start()], prompt[last.end() :]) if last[1] == "Assistant" else (prompt, "")
    return _MARK.sub("\n", asked).strip(), begun.strip()


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


def asks_else(fields: Mapping[str, Any], task: str, item: Item) -> bool:
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
