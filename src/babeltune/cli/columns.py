"""Answers of a chat in a terminal: side by side, or one below the other, each with its language."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from babeltune.cli.terminal import console, counted, visible
from babeltune.languages import LANGUAGES, code_of

if TYPE_CHECKING:
    from babeltune.records import Identified
    from babeltune.study.conversation import Answer


def table(answers: Sequence[Answer], asked_in: Identified) -> Table:
    """A column an answer, with what there is to say of it below."""
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    for one in answers:
        table.add_column(one.voice.name, ratio=1, overflow="fold")
    table.add_row(*(Group(_text(one), Text(), _facts(one, asked_in)) for one in answers))
    return table


def show(one: Answer, asked_in: Identified) -> None:
    """Print one answer, with what there is to say of it above."""
    console.print()
    console.print(Text.assemble((one.voice.name, "bold cyan"), "  ", _facts(one, asked_in)), soft_wrap=False)
    console.print(_text(one))


def _text(one: Answer) -> Text:
    return Text(visible(one.text), overflow="fold") if one.text else Text("(nothing)", style="dim italic")


def _facts(one: Answer, asked_in: Identified) -> Text:
    """The language of an answer, green where it is that of the prompt, then its length and when it was there."""
    same = one.language.label == asked_in.label
    judged = one.language.label is not None and asked_in.label is not None
    cut = " (cut)" if one.finish == "length" else ""
    return Text.assemble(
        (named(one.language), ("green" if same else "red") if judged else "yellow"),
        ("" if same or not judged else f", not {_language(asked_in)}", "red"),
        (f"; {counted(one.tokens, 'token')}{cut}, {one.seconds:.1f} s", "dim"),
    )


def named(found: Identified) -> str:
    """A language and how sure the identifier is, rounded down: 1.00 is certainty."""
    if found.label is None:
        return f"no language ({found.reason})"
    return f"{_language(found)} {math.floor(100 * found.probability) / 100:.2f}"


def _language(found: Identified) -> str:
    known = code(found)
    return LANGUAGES[known].name if known in LANGUAGES else str(known)


def code(found: Identified) -> str | None:
    """ISO code of a language of the table, else the identifier's own label."""
    return None if found.label is None else code_of(found.label) or found.label


def turns(text: str) -> bool:
    """Whether a text has letters that run from right to left."""
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)
