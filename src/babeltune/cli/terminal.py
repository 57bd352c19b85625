"""Where the command line prints, and what its verbs share: answers on standard output, progress on standard error."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from babeltune.errors import StoreError

if TYPE_CHECKING:
    from babeltune.study.check import MayLack, Opened
    from babeltune.study.session import Event

console = Console()
errors = Console(stderr=True)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study file, such as studies/pocket.yaml.")]
Runs = Annotated[Path, typer.Option("--runs", metavar="FOLDER", help="Where studies keep their folders.")]
SkipBadRows = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Count malformed rows of a chats file and go on without them.")
]
Download = Annotated[
    bool, typer.Option("--download", help="Fetch hub models that are not in the local cache; else nothing is fetched.")
]

MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        min=0,
        metavar="DOLLARS",
        help="Dollars that judge and translator may come to, earlier runs among them; never passed. Needs `prices:`.",
    ),
]


def online(download: bool) -> None:
    """Keep the hub's client from the network unless it was asked for; before the client is imported."""
    if not download:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")


def open_(study: Path, runs: Path, *, skip_bad_rows: bool, download: bool, may_lack: MayLack = "nothing") -> Opened:
    """Open a study; the hub is not asked for anything unless ``download``."""
    online(download)
    from babeltune.study.check import open_study
    from babeltune.study.importing.folder import refuse

    refuse(study, runs)
    with errors.status("reading the study, its models and its chats"):
        return open_study(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack=may_lack)


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
            errors.print(line, markup=False, highlight=False, soft_wrap=True)


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


_CONTROL = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def line_of(row: object) -> str:
    """A line of JSON in which nothing is left that a terminal would obey."""
    text = json.dumps(row, ensure_ascii=False).encode("utf-8", "replace").decode()  # half a character: a question mark
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls but tab and newline, line separators, bidirectional marks, and lone surrogates, which have no UTF-8."""


def visible(text: str) -> str:
    """Text of a model, in which whatever a terminal would obey is shown by its code point, as the page shows it."""
    return _STEERING.sub(lambda found: f"\u27e8U+{ord(found[0]):04X}\u27e9", text.replace("\t", " "))
