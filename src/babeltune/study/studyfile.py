"""The study file: YAML -> ``Study``, with every structural problem listed at once, each with field and line."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from babeltune.data.makeup import Mixing
from babeltune.data.sources import Columns, Source
from babeltune.errors import Problem, StudyError
from babeltune.finetune.recipe import LoraRecipe
from babeltune.measure.tasks import prompt
from babeltune.study.findings import StatisticsSpec, VerdictSpec
from babeltune.study.served import JudgeSpec, PriceSpec, TranslatorSpec
from babeltune.study.spec import (
    MIX_FORMS,
    TASK_SPECS,
    ExecutionSpec,
    LabelSpec,
    ModelSpec,
    SamplingSpec,
    Study,
    TaskSamplingSpec,
    TasksSpec,
)


@dataclass(frozen=True)
class Parsed:
    """A study file as far as it could be read."""

    path: Path
    raw: Mapping[str, Any]
    lines: Mapping[tuple[str | int, ...], int]
    """Path of keys and indices -> 1-based line."""
    problems: tuple[Problem, ...]
    study: Study | None
    """None where there are problems."""

    def line(self, *place: str | int) -> int | None:
        """Line of the nearest enclosing field that stands in the file; mixes may be a mapping or a list of names."""
        mixes = self.raw.get("mixes")
        if place[:1] == ("mixes",) and isinstance(mixes, list) and place[1:2] and place[1] in mixes:
            place = ("mixes", mixes.index(place[1]))
        for end in range(len(place), 0, -1):
            if place[:end] in self.lines:
                return self.lines[place[:end]]
        return None


def parse(path: Path) -> Parsed:
    """Read a study file.

    Raises:
        StudyError: only where there is nothing to go on with: no file, no YAML, no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise StudyError(
            str(path),
            [
                Problem(
                    str(path),
                    f"cannot be read ({reason})",
                    "Give the path of a study file, such as studies/pocket.yaml.",
                )
            ],
        ) from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2026-13-01
        mark = getattr(error, "problem_mark", None)
        what = f"not YAML ({getattr(error, 'problem', None) or error})"
        raise StudyError(
            str(path), [Problem("syntax", what, "Mend it and run again.", mark.line + 1 if mark else None)]
        ) from error
    if not isinstance(raw, dict) or node is None:
        raise StudyError(
            str(path), [Problem("file", "is not a mapping of fields", "See studies/pocket.yaml for one that is.")]
        )
    lines: dict[tuple[str | int, ...], int] = {}
    problems: list[Problem] = []
    try:
        _walk(node, (), lines, problems)
    except RecursionError as error:
        raise StudyError(str(path), [Problem("syntax", "an anchor holds itself", "Write it out.")]) from error
    study = None
    try:
        study = Study.model_validate(raw)
    except ValidationError as error:
        found = Parsed(path, raw, lines, (), None)
        problems += [_problem(details, found) for details in error.errors() if not _echo(details)]
    return Parsed(path, raw, lines, tuple(problems), None if problems else study)


def fragment(kind: Any, raw: object) -> Any:
    """A part of the file by itself, or None where that part has problems of its own (they are listed already)."""
    try:
        return _adapter(kind).validate_python(raw)
    except ValidationError:
        return None


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """A study of many mixes asks for the same kind again and again."""
    return TypeAdapter(kind)


def label_spec(parsed: Parsed) -> LabelSpec | None:
    """How chats get their language, or None where that part has problems of its own."""
    spec: LabelSpec | None = fragment(LabelSpec, parsed.raw.get("label") or {})
    return spec


def _walk(
    node: yaml.Node, place: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int], problems: list[Problem]
) -> None:
    """Note the line of every field; a key that stands twice is a problem, which YAML itself lets pass."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            # `no` is Norwegian, but YAML 1.1 reads it as false: it must be quoted, and we say so.
            if key.tag == "tag:yaml.org,2002:bool":
                problems.append(
                    Problem(
                        _dotted((*place, key.value)),
                        f"YAML reads a bare `{key.value}` as {str(yaml.SafeLoader.bool_values[key.value.lower()]).lower()}",
                        f'Write "{key.value}" in quotes.',
                        key.start_mark.line + 1,
                    )
                )
            inner = (*place, key.value)
            if inner in lines:
                problems.append(
                    Problem(
                        _dotted(inner),
                        f"stands twice (first in line {lines[inner]})",
                        "Remove one.",
                        key.start_mark.line + 1,
                    )
                )
                for old in [known for known in lines if known[: len(inner)] == inner]:
                    del lines[old]  # of the first; the second may hold the same keys
            lines[inner] = key.start_mark.line + 1
            _walk(value, inner, lines, problems)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*place, index)] = value.start_mark.line + 1
            _walk(value, (*place, index), lines, problems)


def _dotted(place: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def _echo(details: ErrorDetails) -> bool:
    """Whether pydantic only repeats what is listed already: a key that is no text, a list left empty by its entries."""
    bare = isinstance(details["input"], bool) and (details["type"] == "invalid_key" or details["loc"][-1] == "[key]")
    return bare or (details["type"] == "too_short" and len(details["input"]) > 0)


def _problem(details: ErrorDetails, parsed: Parsed) -> Problem:
    place = tuple(part for part in details["loc"] if part != "[key]")
    form = place[2] if place[:1] == ("mixes",) and len(place) > 2 else None
    if form in MIX_FORMS:
        place = (*place[:2], *place[3:])  # which form of mix it was taken for
    where, line = _dotted(place), parsed.line(*place)
    kind, seen = details["type"], details["input"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        known = list(MIX_FORMS.get(str(form), ())) or _fields(place[:-1])
        near = difflib.get_close_matches(str(place[-1]), known, n=1)
        return Problem(
            where, "unknown field", f"Did you mean '{near[0]}'?" if near else f"Known here: {', '.join(known)}.", line
        )
    if kind == "missing":
        return Problem(where, "is missing", "Add it; see studies/pocket.yaml for an example.", line)
    if kind == "value_error":
        what, _, fix = str(details["ctx"]["error"]).partition(". ")
        if fix.startswith("Known languages") and place[0] == "tasks" and (there := prompt.languages(str(place[1]))):
            fix = f"{place[1]} has prompts in {', '.join(there)}"
        return Problem(where, what, f"{fix.rstrip('.')}." if fix and not fix.endswith("?") else fix, line)
    bare = seen if isinstance(seen, list) else [seen] if place[-1] != "all" else []
    if any(isinstance(one, bool) for one in bare) and (place[:1] in (("mixes",), ("mixing",)) or "languages" in place):
        return Problem(where, "YAML reads a bare `no` as false", 'Write "no" in quotes.', line)
    if kind == "string_pattern_mismatch":
        return Problem(where, f"{seen!r} cannot be a name", "Use letters, digits, '.', '-' and '_', at most 64.", line)
    fix = details["msg"].replace("Input should", "It should").replace("valid tuple", "list").replace("Tuple", "It")
    return Problem(where, f"{seen!r} is not allowed", f"{fix}.", line)


def _fields(place: tuple[str | int, ...]) -> list[str]:
    """Names of the fields that may stand at a place."""
    nested: dict[tuple[str | int, ...], list[str]] = {
        ("label",): list(LabelSpec.model_fields),
        ("tasks",): list(TasksSpec.model_fields),
        **{("tasks", name): list(spec.model_fields) for name, spec in TASK_SPECS.items()},
        **{("tasks", name, "sampling"): list(TaskSamplingSpec.model_fields) for name in TASK_SPECS},
        ("sampling",): list(SamplingSpec.model_fields),
        ("judge",): list(JudgeSpec.model_fields),
        ("translator",): list(TranslatorSpec.model_fields),
        ("verdict",): list(VerdictSpec.model_fields),
        ("statistics",): list(StatisticsSpec.model_fields),
        ("execution",): list(ExecutionSpec.model_fields),
        ("recipe",): [*LoraRecipe.__dataclass_fields__, "preset"],
        ("mixing",): list(Mixing.__dataclass_fields__),
        ("chats",): list(Source.__dataclass_fields__),
        ("chats", "columns"): list(Columns.__dataclass_fields__),
    }
    if place[:1] == ("models",):
        return list(ModelSpec.model_fields)
    if place[:1] == ("prices",):
        return list(PriceSpec.model_fields)
    return nested.get(place, list(Study.model_fields))
