"""Scores: the score files of cells, read line by line and no further into a line than is asked.

A line holds the score of an output and the texts of item and answer. The texts are most of it, and what is a number
there repeats from line to line, so the numbers of a line are cut out, and parsed only where they are new.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from babeltune.records import Item, Output, Score

_ITEM, _VALUES, _NOTES, _UNSCORED, _SUBJECT = (
    b'{"item": ',
    b', "values": ',
    b', "notes": ',
    b', "unscored": ',
    b', "subject": ',
)
"""What the parts of a line begin with, in their order. Inside a text quotes are escaped, so that none of these is there."""
_KNOWN = 4096
"""Parsed numbers that are kept."""
_PARTS = tuple(field.name for field in dataclasses.fields(Score))


def row(score: Score, item: Item, output: Output | None, *, ranked: bool) -> dict[str, Any]:
    """The line of a score. ``output``: None where there is no answer; ``ranked``: whether texts were, and none written."""
    return {
        **{name: getattr(score, name) for name in _PARTS},  # `asdict` copies it all first, which takes longer
        "subject": f"{item.prompt}\n{item.source}" if ranked else item.subject,
        "prompt": item.prompt,
        "references": list(item.references),
        "response": (output.text if output else "") or score.notes.get("found", ""),
        "finish": output.finish if output else "failed",
    }


def scores(path: Path) -> Iterator[Score]:
    """All scores of a cell, without notes."""
    known: dict[bytes, dict[str, Any]] = {}
    with path.open("rb") as file:
        for line in file:
            values = line.index(_VALUES)
            notes = line.index(_NOTES, values)
            unscored = line.index(_UNSCORED, notes)
            numbers = line[values + 2 : notes] + line[unscored : line.index(_SUBJECT, unscored)]
            found = known.get(numbers)
            if found is None:
                if len(known) >= _KNOWN:
                    known.clear()
                found = known[numbers] = json.loads(b"{%b}" % numbers)
                found["counts"] = tuple(found["counts"])
            yield Score(_name(line[len(_ITEM) : values]), found["values"], {}, found["unscored"], found["counts"])


def items(path: Path) -> list[bytes]:
    """The items of a cell, as they stand in the file."""
    with path.open("rb") as file:
        return [_item(line) for line in file]


def rows(path: Path, wanted: Container[bytes] | None = None) -> Iterator[dict[str, Any]]:
    """Whole lines, all or those of some items (``items``)."""
    with path.open("rb") as file:
        for line in file:
            if wanted is None or _item(line) in wanted:
                yield json.loads(line)


@functools.lru_cache(maxsize=1 << 16)  # the same in all cells of a task
def _name(item: bytes) -> str:
    return str(json.loads(item))


def _item(line: bytes) -> bytes:
    return line[len(_ITEM) : line.index(_VALUES)]
