"""What is written in a study file: YAML -> plain values, with the line of every field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from babeltune.errors import Problem

Place = tuple[str | int, ...]
"""Path of keys and indices."""
_FAULTS = (yaml.YAMLError, ValueError, RecursionError, LookupError, AttributeError, TypeError)
"""What PyYAML raises besides its own errors: of a date such as 2026-13-01, ``!!bool maybe``, ``!!timestamp x``, a set of
lists, thousands of brackets."""
_UNFOLDED = 100_000
"""Values that aliases may add to what is written out: a few lines of aliases of aliases would fill any memory."""
_LONGEST = 255
"""Bytes of a name that a disk takes."""
_HALVES = re.compile("[\x00\ud800-\udfff]")


class NoYamlError(ValueError):
    """A file that cannot be read as YAML; the message says why."""

    def __init__(self, why: str, line: int | None) -> None:
        super().__init__(why)
        self.line = line


@dataclass(frozen=True, slots=True)
class Written:
    """A file that could be read."""

    value: object
    lines: Mapping[Place, int]
    """Place of a field -> its 1-based line."""
    problems: tuple[Problem, ...]
    """What YAML lets pass and a study file may not hold: a name that stands twice or is none, half a character."""


def read(text: str) -> Written:
    """Read YAML.

    Raises:
        NoYamlError: it is none, an anchor holds itself, or aliases unfold to far more than is written.
    """
    lines: dict[Place, int] = {}
    problems: list[Problem] = []
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return Written(None, {}, ())
            try:
                _walk(node, (), lines, problems, len(text) + _UNFOLDED)
            except RecursionError as error:
                raise NoYamlError("an anchor holds itself", None) from error
            return Written(loader.construct_document(node), lines, tuple(problems))
        finally:
            loader.dispose()
    except NoYamlError:
        raise
    except _FAULTS as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or error
        raise NoYamlError(f"not YAML ({why})", mark.line + 1 if mark else None) from error


def _walk(node: yaml.Node, place: Place, lines: dict[Place, int], problems: list[Problem], most: int) -> None:
    """Note the line of every field, and what is wrong; and make what cannot be read on harmless."""
    line = node.start_mark.line + 1
    if len(lines) > most:
        raise NoYamlError(f"its aliases unfold to more than {most:,} values", line)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                what = "a list or a mapping in place of a field's name"
                problems.append(Problem(dotted(place) or "file", what, "Write a name.", key.start_mark.line + 1))
                continue
            _walk(key, place, lines, problems, most)
            inner = (*place, key.value)
            _name(key, inner, lines, problems)
            lines[inner] = key.start_mark.line + 1
            _walk(value, inner, lines, problems, most)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*place, index)] = value.start_mark.line + 1
            _walk(value, (*place, index), lines, problems, most)
    else:
        _scalar(node, place, problems)


def _scalar(node: yaml.Node, place: Place, problems: list[Problem]) -> None:
    """What no value may hold; in its place something harmless stands from here on."""
    where, line = dotted(place) or "file", node.start_mark.line + 1
    if _HALVES.search(node.value):
        node.value = _HALVES.sub("\ufffd", node.value)
        problems.append(Problem(where, "holds a NUL, or half a character", "Write the whole one.", line))
    longest = max(len(part.encode()) for part in node.value.split("/"))
    if longest > _LONGEST:
        node.value = node.value[: _LONGEST // 4]
        problems.append(
            Problem(where, f"holds a name of {longest:,} bytes", f"No name has more than {_LONGEST}.", line)
        )


def _name(key: yaml.ScalarNode, place: Place, lines: dict[Place, int], problems: list[Problem]) -> None:
    """What is wrong with a field's name."""
    line = key.start_mark.line + 1
    # `no` is Norwegian, but YAML 1.1 reads it as false: it must be quoted, and we say so.
    if key.tag == "tag:yaml.org,2002:bool" and key.value.lower() in yaml.SafeLoader.bool_values:
        read_as = str(yaml.SafeLoader.bool_values[key.value.lower()]).lower()
        what = f"YAML reads a bare `{key.value}` as {read_as}"
        problems.append(Problem(dotted(place), what, f'Write "{key.value}" in quotes.', line))
    if place in lines:
        problems.append(Problem(dotted(place), f"stands twice (first in line {lines[place]})", "Remove one.", line))
        for old in [known for known in lines if known[: len(place)] == place]:
            del lines[old]  # of the first; the second may hold the same keys


def dotted(place: tuple[str | int, ...]) -> str:
    """A place as it is told: ``tasks.xquad.languages[2]``."""
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" if part.strip() else f".{part!r}" for part in place
    ).lstrip(".")
