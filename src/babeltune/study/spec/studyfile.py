"""The study file: YAML -> ``Study``, with every structural problem listed at once, each with field and line."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from babeltune.errors import Problem, StudyError, instead
from babeltune.finetune.recipe import LoraRecipe
from babeltune.measure.tasks import prompt
from babeltune.study.spec import written
from babeltune.study.spec.mixes import MIX_FORMS
from babeltune.study.spec.study import Study

T = TypeVar("T")


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

    def part(self, kind: type[T], name: str) -> T | None:
        """A part that may be left out, or None where it has problems of its own."""
        return fragment(kind, self.raw.get(name) or {})


def parse(path: Path) -> Parsed:
    """Read a study file.

    Raises:
        StudyError: only where there is nothing to go on with: no file, no YAML, no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        problem = Problem(str(path), f"cannot be read ({reason})", _other_file(path))
        raise StudyError(str(path), [problem]) from error
    try:
        tree = written.read(text)
    except written.NoYamlError as error:
        raise StudyError(str(path), [Problem("syntax", str(error), "Mend it and run again.", error.line)]) from error
    raw, lines, problems = tree.value, tree.lines, list(tree.problems)
    if not isinstance(raw, dict):
        raise StudyError(
            str(path), [Problem("file", "is not a mapping of fields", "See studies/pocket.yaml for one that is.")]
        )
    study = None
    try:
        study = Study.model_validate(raw)
    except ValidationError as error:
        found = Parsed(path, raw, lines, (), None)
        problems += [_problem(details, found) for details in error.errors() if not _echo(details)]
    return Parsed(path, raw, lines, tuple(problems), None if problems else study)


def _other_file(path: Path) -> str:
    """What to give in place of a path that is no study file: one that is there."""
    there = path if path.is_dir() else path.parent
    files = [str(one) for one in sorted(there.glob("*.y*ml"))] if there.is_dir() else []
    if path.is_dir():
        return f"Give a study file in it: {', '.join(files)}." if files else f"There is no study file in it. {_BEGIN}"
    return instead(str(path), files, "Study files there:") if files else _BEGIN


_BEGIN = "Give the path of a study file; to get one: babeltune studies pocket > pocket.yaml."


def fragment(kind: type[T], raw: object) -> T | None:
    """A part of the file by itself, or None where that part has problems of its own (they are listed already)."""
    try:
        return cast(T, adapter(kind).validate_python(raw))  # type: ignore[arg-type]  # a type can be hashed
    except ValidationError:
        return None


@functools.cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """What validates a part; a study of many mixes asks for the same kind again and again."""
    return TypeAdapter(kind)


def parted(error: Exception) -> tuple[str, str]:
    """An error in a value: what is wrong, which is its first sentence, and what to do."""
    what, _, fix = str(error).partition(". ")
    return what, fix if fix.endswith((".", "?")) or not fix else f"{fix}."


def _echo(details: ErrorDetails) -> bool:
    """Whether pydantic only repeats what is listed already: a key that is no text, a list left empty by its entries."""
    bare = isinstance(details["input"], bool) and (details["type"] == "invalid_key" or details["loc"][-1] == "[key]")
    return bare or (details["type"] == "too_short" and len(details["input"]) > 0)


def _problem(details: ErrorDetails, parsed: Parsed) -> Problem:
    place = tuple(part for part in details["loc"] if part != "[key]")
    form = place[2] if place[:1] == ("mixes",) and len(place) > 2 else None
    if form in MIX_FORMS:
        place = (*place[:2], *place[3:])  # which form of mix it was taken for
    where, line = written.dotted(place), parsed.line(*place)
    kind, seen = details["type"], details["input"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        known = list(MIX_FORMS.get(str(form), ())) or _fields(place[:-1])
        return Problem(where, "unknown field", instead(str(place[-1]), known, "Known here:", 0.6), line)
    if kind == "missing":
        return Problem(where, "is missing", "Add it; see studies/pocket.yaml for an example.", line)
    if kind == "value_error":
        what, fix = parted(details["ctx"]["error"])
        if fix.startswith("Known languages") and place[0] == "tasks" and (there := prompt.languages(str(place[1]))):
            fix = f"{place[1]} has prompts in {', '.join(there)}."
        return Problem(where, what, fix, line)
    bare = seen if isinstance(seen, list) else [seen] if place[-1] != "all" else []
    if any(isinstance(one, bool) for one in bare) and (place[:1] in (("mixes",), ("mixing",)) or "languages" in place):
        return Problem(where, "YAML reads a bare `no` as false", 'Write "no" in quotes.', line)
    if kind == "string_pattern_mismatch":
        return Problem(
            where, f"{_shown(seen, place)} cannot be a name", "Use letters, digits, '.', '-' and '_', at most 64.", line
        )
    fix = details["msg"].replace("Input should", "It should").replace("valid tuple", "list").replace("Tuple", "It")
    return Problem(where, f"{_shown(seen, place)} is not allowed", f"{fix}.", line)


_LONGEST = 200
"""Letters of a value that are repeated."""
_SECRETIVE = ("base_url", "key_variable")
"""Fields in which a key may have been written by mistake."""


def _shown(value: object, place: tuple[str | int, ...]) -> str:
    """A value as a problem repeats it: cut where it is long, and not at all where a key may stand in it."""
    if place[:1] in (("judge",), ("translator",)) and (len(place) < 2 or place[1] in _SECRETIVE):
        return "what stands there"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _fields(place: written.Place) -> list[str]:
    """Names of the fields that may stand at a place."""
    kind: Any = Study
    for part in place:
        kind = next(_parts(get_type_hints(kind).get(str(part))), kind)
    names = list(kind.model_fields) if issubclass(kind, BaseModel) else [one.name for one in dataclasses.fields(kind)]
    return [*names, "preset"] if kind is LoraRecipe else names


def _parts(hint: Any) -> Iterator[type]:
    """The parts of a study file in a type."""
    if isinstance(hint, type) and (issubclass(hint, BaseModel) or dataclasses.is_dataclass(hint)):
        yield hint
    for one in get_args(hint):
        yield from _parts(one)
