"""Texts: what files hold that can be identified, a column's texts or whole chats."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from babeltune import rows
from babeltune.data import shapes
from babeltune.errors import ChatsError, Problem
from babeltune.records import HUMAN, Chat
from babeltune.rows import Row

_BATCH = 4096
_MOST_SHOWN, _MOST_ALIKE = 20, 2


class Text(NamedTuple):
    """A text and its place."""

    where: str
    """``answers.txt:12``, or ``chats.jsonl chat 17`` with the chat's id."""
    text: str


def texts(file: Path, field: str | None = None) -> Iterator[Text | Problem]:
    """The texts of a file in its order, and in the place of a malformed row its problem.

    ``field`` names the column. Without it the first sound row tells: chats of a known shape are taken whole, without
    role markers; else the column is ``text``.
    """
    found = rows.file_rows(file)
    # Broken rows before the first sound one tell nothing.
    head: list[Row | Problem] = []
    for row in found:
        head.append(row)
        if isinstance(row, Row):
            break
    whole = itertools.chain(head, found)
    if field is None and head and isinstance(head[-1], Row) and _is_chat(head[-1]):
        for chat in shapes.chats(whole):
            yield Text(f"{file.name} chat {chat.id}", chat.text) if isinstance(chat, Chat) else chat
        return
    for row in whole:
        yield row if isinstance(row, Problem) else _text(row, field or "text")


def _is_chat(row: Row) -> bool:
    """Whether a row is a chat; a plain ``text`` is one only with role markers in it."""
    told = shapes.tell(row)
    if isinstance(told, Problem):
        return False
    return told != "guanaco" or str(row.fields["text"]).lstrip().startswith(HUMAN)


def _text(row: Row, field: str) -> Text | Problem:
    found = row.fields.get(field)
    if isinstance(found, str):
        return Text(row.where, found)
    if field in row.fields:
        return Problem(row.where, f"field '{field}' is {found!r}, not a text", "Mend the row, or name another --field.")
    what = f"there is no field '{field}' among {', '.join(row.fields)}"
    return Problem(row.where, what, "Name the column with --field.")


def batches(
    files: Sequence[Path], field: str | None = None, *, skipped: list[Problem] | None = None
) -> Iterator[list[Text]]:
    """The texts of files and folders, some thousand at a time; malformed rows go to ``skipped``.

    Raises:
        ChatsError: there are malformed rows, and no ``skipped`` to take them: all of them (beyond twenty counted), as
            soon as the first is met; or a file cannot be read.
    """
    found = (text for path in files for file in rows.files_of(path) for text in texts(file, field))
    batch: list[Text] = []
    for text in found:
        if isinstance(text, Text):
            batch.append(text)
        elif skipped is None:
            raise _refused([text, *(other for other in found if isinstance(other, Problem))])
        else:
            skipped.append(text)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _refused(problems: list[Problem]) -> ChatsError:
    """All of them, but of each kind a few: a column that is missing is missing in every row."""
    kinds: Counter[str] = Counter()
    shown: list[Problem] = []
    for problem in problems:
        kinds[problem.what] += 1
        if kinds[problem.what] <= _MOST_ALIKE and len(shown) < _MOST_SHOWN:
            shown.append(problem)
    if len(problems) > len(shown):
        shown.append(Problem("texts", f"{len(problems) - len(shown)} more like these", "Mend them."))
    shown.append(Problem("to go on without them", f"{len(problems)} rows", "Use --skip-bad-rows."))
    return ChatsError("texts", shown)
