"""The sheet that a native speaker rates on: as a page that works from disk, and as a table for a spreadsheet.

Both are made of a ``Sheet``, which holds no model, mix, seed or score, so that neither can tell any.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass

from babeltune.languages import LANGUAGES
from babeltune.report.page.inline import document, source, visible

COLUMNS = ("id", "language", "item", "prompt", "response", "rating", "rater", "comment")
"""Of the table; the last three are to be filled in."""
_CELL = re.compile(r"""((?:^|[,;\t\n])[ "']*)(?=[=+\-@＝＋－＠])""")
"""What a spreadsheet may take for the start of a cell, before what makes a formula of it. Delimiters inside the text
count: Excel takes semicolons for them in many countries, and then does not see the quotes round a field."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer."""

    id: str
    item: str
    prompt: str
    response: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that a rater may know."""

    language: str
    """ISO code."""
    entries: tuple[Entry, ...]
    """In the order in which they are rated."""
    levels: Mapping[int, str]
    """The scale: ``Name - what it means``."""

    @property
    def key(self) -> str:
        """Of these very answers: what a browser keeps the ratings under."""
        return hashlib.sha256(" ".join(one.id for one in self.entries).encode()).hexdigest()[:8]


def page(sheet: Sheet) -> str:
    """The HTML."""
    levels = {level: text.partition(" - ")[::2] for level, text in sheet.levels.items()}
    data = {
        "key": sheet.key,
        "language": sheet.language,
        "levels": {level: name for level, (name, _) in levels.items()},
        "answers": [
            {"id": one.id, "item": one.item, "prompt": _lines(one.prompt), "response": _lines(one.response)}
            for one in sheet.entries
        ],
    }
    return document(
        "sheet.html.j2",
        style=source("styles/sheet.css"),
        scripts=("text.js", "sheet.js"),
        data=data,
        language=LANGUAGES[sheet.language].name,
        n=len(sheet.entries),
        levels=levels,
    )


def table(sheet: Sheet) -> str:
    """The CSV: UTF-8 with a byte order mark (by which Excel knows it), commas, CRLF.

    No text in it is run as a formula: an apostrophe stands before any ``=``, ``+``, ``-`` or ``@`` that could begin a
    cell, at the start of a text, of a line in it, or after a comma, semicolon or tab. Steering characters are shown by
    their code points.
    """
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for one in sheet.entries:
        texts = (_CELL.sub(r"\1'", visible(_lines(text))) for text in (one.item, one.prompt, one.response))
        writer.writerow([one.id, sheet.language, *texts, "", "", ""])
    return f"\ufeff{file.getvalue()}"


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")
