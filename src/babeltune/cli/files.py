"""Files that verbs write: whole or not at all, and a row of JSON a line."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from babeltune.errors import StoreError

_CONTROL = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def make(folder: Path) -> None:
    """Make a folder, where there is none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made ({error.strerror}). Check --out.") from error


@contextlib.contextmanager
def beside(out: Path) -> Iterator[TextIO]:
    """A file that takes its place only when it is whole: an earlier one, or one that is being read, stays until then."""
    new = out.with_name(f"{out.name}.new")
    try:
        try:
            with new.open("w", encoding="utf-8") as file:
                yield file
            os.replace(new, out)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{out}: cannot be written ({error.strerror}). Check --out and the space left.") from error


def write_lines(out: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """A line of JSON for each row."""
    with beside(out) as file:
        for row in rows:
            file.write(f"{line_of(row)}\n")


def line_of(row: object) -> str:
    """A line of JSON in which nothing is left that a terminal would obey."""
    text = json.dumps(row, ensure_ascii=False).encode("utf-8", "replace").decode()  # half a character: a question mark
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
