"""Where the command line prints: answers on standard output, progress and errors on standard error."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Column, Table

if TYPE_CHECKING:
    from babeltune.study.session import Event

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls but tab and newline, line separators, bidirectional marks, and lone surrogates, which have no UTF-8."""


def visible(text: str) -> str:
    """Text of a model, in which whatever a terminal would obey is shown by its code point, as the page shows it."""
    return _STEERING.sub(lambda found: f"\u27e8U+{ord(found[0]):04X}\u27e9", text.replace("\t", " "))


class Terminal(Console):
    """A console that obeys no text: what steers is shown, wherever it came from (the name of a file, a server's error, a
    model's answer), nothing is markup and nothing a link. Colours and cursor movements of our own are no text, and pass.
    """

    def __init__(self, **how: Any) -> None:
        super().__init__(**{"markup": False, "highlight": False, "emoji": False, **how})

    def say(self, text: str, style: str | None = None) -> None:
        """A line, which stays one however narrow the terminal is; or several."""
        self.print(text, style=style, soft_wrap=True)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is printed, in pieces."""
        for piece in super().render(renderable, options):
            if piece.control:
                yield piece
            else:
                linked = piece.style is not None and piece.style.link
                yield Segment(visible(piece.text), None if linked else piece.style)


console = Terminal()
errors = Terminal(stderr=True)


def listed(*headings: str, title: str = "", words: Collection[str] = ()) -> Table:
    """A table without a frame. Its first column and ``words`` are of words; the others are of numbers, at their right."""
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for at, heading in enumerate(headings):
        table.add_column(heading, justify="left" if at == 0 or heading in words else "right", overflow="fold")
    return table


def counted(count: int, one: str) -> str:
    """``1 step``, ``1,200 steps``."""
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def progress() -> Progress:
    """Progress bars on standard error; none where that is no terminal."""
    return Progress(
        TextColumn("[bold]{task.fields[kind]:8}"),
        TextColumn("{task.description}", table_column=Column(max_width=22, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=12),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        console=errors,
        disable=not errors.is_terminal,
    )


class Shown:
    """Events of a run: as progress bars in a terminal, and as a line at every tenth of the work in a log."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.tasks: dict[tuple[str, str], TaskID] = {}
        self.tokens: dict[TaskID, int] = {}
        self.tenths: dict[TaskID, int] = {}

    def __call__(self, event: Event) -> None:
        """Show what a run has come to."""
        key = event.kind, event.name if event.kind in ("tune", "model") else ""
        if key not in self.tasks:
            self.tasks[key] = self.bars.add_task(
                escape(event.name), total=event.total, kind=event.kind, unit=event.unit, rate=""
            )
        task = self.tasks[key]
        self.tokens[task] = self.tokens.get(task, 0) + event.tokens
        elapsed = self.bars.tasks[task].elapsed or 0.0
        rate = f"{self.tokens[task] / elapsed:.0f} tokens/s" if self.tokens[task] and elapsed > 1 else ""
        self.bars.update(task, completed=event.done, total=event.total, description=escape(event.name), rate=rate)
        tenth = 10 * event.done // max(1, event.total)
        if self.bars.disable and tenth > self.tenths.get(task, 0):
            self.tenths[task] = tenth
            line = f"{event.kind} {event.name}: {event.done}/{event.total} {event.unit} {rate}".rstrip()
            errors.say(line)
