"""The verb ``census``: what languages a corpus is made of."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from babeltune.cli.loading import online
from babeltune.cli.terminal import console, errors, listed
from babeltune.errors import InputError, Problem

if TYPE_CHECKING:
    from babeltune.data.census import count as counting
    from babeltune.data.census import shares
    from babeltune.data.census.corpus import Unit
    from babeltune.hub import HubSet

_MOST = 30
"""Languages that are shown; the files have all."""
_SECONDS = 10.0
"""Between two lines of progress where there is no terminal."""
_PROBLEMS = 5
"""Broken rows that are shown."""


class EngineName(StrEnum):
    """Where the work is done."""

    LOCAL = "local"
    RAY = "ray"


def census(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A file, a folder of files, or a set on the hub.")],
    identifier: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="lid176 (bundled), openlid (the paper's), openlid-quantised, or the path of a fastText model.",
        ),
    ] = "lid176",
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Documents identified with less confidence are counted as unknown.")
    ] = 0.5,
    field: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The field that holds the document; told by the first record if left out."),
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Split of a hub set, may be given again; all if left out.")
    ] = None,
    revision: Annotated[str | None, typer.Option(metavar="COMMIT", help="Commit, branch or tag of a hub set.")] = None,
    config: Annotated[str | None, typer.Option(metavar="NAME", help="Config of a hub set that has several.")] = None,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="The table as CSV; beside it the same as .md, and the .state.json.")
    ] = Path("census.csv"),
    engine: Annotated[
        EngineName, typer.Option(help="This machine's threads, or Ray Data (pip install 'babeltune\\[ray]').")
    ] = EngineName.LOCAL,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Cores to identify with; all if left out. The counts are the same.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="DOCUMENTS", help="Count no more than the first.")] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget what an earlier census with this --out counted.")
    ] = False,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Count records that hold no document and go on without them.")
    ] = False,
    download: Annotated[
        bool,
        typer.Option("--download", help="Stream a hub set and fetch the identifier; else nothing is fetched."),
    ] = False,
) -> None:
    """Count the documents and characters of each language in a corpus.

    Prints the shares in the columns of the paper's Table 1, beside the
    published ones of Llama 2, Falcon and GPT-3, and writes them as CSV, which
    serves as the pretraining exposure of a model.

    Reads JSONL, JSON, CSV, TSV and text (one document a line), each also as
    .gz or .zst, Parquet, and sets on the hub, as a stream: memory stays flat,
    whatever the size. Killed at any instant, the same command goes on.

    babeltune census corpus/ --field text --out corpus.csv

    babeltune census tiiuae/falcon-refinedweb --identifier openlid --download
    """
    online(download)
    from babeltune.data.census import count as counting
    from babeltune.data.census import shares
    from babeltune.data.census.corpus import field_of
    from babeltune.data.identify import identifier as identifier_of
    from babeltune.hub import HubSet

    _check(out, engine, limit)
    state = out.with_suffix(".state.json")
    units = _units(source, HubSet(source, revision, config, tuple(split or ())), but=(out, state), download=download)
    found = identifier_of(identifier, threads=workers, download=download)
    job = counting.Job(units, field_of(units, field), identifier, threshold)
    if engine is EngineName.RAY:
        from babeltune.data.census.on_ray import on_ray

        run = on_ray(workers or os.cpu_count() or 1)
    else:
        run = counting.local(found)
    if restart:
        state.unlink(missing_ok=True)
    with _bar() as bar:
        shown = _Shown(bar, units, limit)
        taken = counting.take(job, run, state=state, limit=limit, skip_bad_rows=skip_bad_rows, tell=shown)
    rows = shares.table(taken)
    text = out.with_suffix(".md")
    shares.write(rows, out, text)
    console.print(_table(rows, source))
    if len(rows) > _MOST:
        console.say(f"  {len(rows) - _MOST} more: see {text}")
    characters = sum(taken.characters.values())
    said = f"{taken.total:,} documents, {characters:,} characters, by {identifier} at {threshold:g}. {shown.speed()}"
    console.say(said)
    if taken.problems:
        console.say(f"Left out: {taken.problems:,} records that hold no document.")
    console.say(f"Written: {out}, {text}")


def _check(out: Path, engine: EngineName, limit: int | None) -> None:
    problems = []
    if out.suffix != ".csv":
        problems.append(Problem("--out", f"'{out}' does not end in .csv", "Beside it .md and .state.json are written."))
    if not out.parent.is_dir():
        problems.append(Problem("--out", f"there is no folder '{out.parent}'", "Make it, or give another."))
    if engine is EngineName.RAY and limit is not None:
        fix = "Leave it out, or use --engine local."
        problems.append(Problem("--limit", "Ray counts in no one order, so that there are no first documents", fix))
    if problems:
        raise InputError("census", problems)


def _units(source: str, hub: HubSet, *, but: tuple[Path, ...], download: bool) -> tuple[Unit, ...]:
    """The files of a source on disk, or the one unit of a hub set."""
    from babeltune.data.census.corpus import file_units, hub_unit
    from babeltune.data.sources import Source

    if Source(source).hub is not None:
        return (hub_unit(hub, download=download),)
    asked = {"--revision": hub.revision, "--config": hub.config, "--split": hub.splits}
    fix = "Leave it out."
    problems = [Problem(name, f"'{source}' is no hub set", fix) for name, value in asked.items() if value]
    if problems:
        raise InputError("census", problems)
    return file_units(Path(source).expanduser(), but)


def _table(rows: list[shares.Share], source: str) -> Table:
    from babeltune.data.census import shares

    table = listed(*shares.HEADINGS, title=f"Table 1: {source}", words=("Language",))
    for row in rows[:_MOST]:
        table.add_row(*shares.cells(row))
    return table


def _bar() -> Progress:
    return Progress(
        TextColumn("[bold]census"),
        BarColumn(bar_width=20),
        TextColumn("{task.description}"),
        console=errors,
        disable=not errors.is_terminal,
    )


class _Shown:
    """The progress of a census: a bar in a terminal, and a line at intervals in a log."""

    def __init__(self, bar: Progress, units: tuple[Unit, ...], limit: int | None) -> None:
        self.bar, self.units, self.limit = bar, len(units), limit
        self.size = sum(unit.size or 0 for unit in units)
        # Within a file nobody knows how far it is, so that a single one only shows that something goes on.
        self.task = bar.add_task("", total=limit or (self.size if self.units > 1 else None))
        self.before: int | None = None
        """Documents of earlier runs."""
        self.documents = 0
        self.problems = 0
        self.began = self.said = time.monotonic()

    def __call__(self, progress: counting.Progress) -> None:
        """Show how far it is."""
        if self.before is None:
            self.before = progress.documents
        elif self.before and self.documents == self.before:
            errors.say(f"Going on after {self.before:,} documents.")
        self.documents = progress.documents
        line = f"{self.documents:,} documents  {self._rate():,.0f}/s"
        if self.units > 1:
            line += f"  {progress.units}/{self.units} files"
            line += f"  {progress.size / 1e9:.1f}/{self.size / 1e9:.1f} GB" if self.size > 1e8 else ""
        self.bar.update(self.task, completed=self.documents if self.limit else progress.size, description=line)
        if self.bar.disable and time.monotonic() - self.said >= _SECONDS:
            self.said = time.monotonic()
            errors.say(f"census: {line}")
        for problem in progress.problems[: max(0, _PROBLEMS - self.problems)]:
            errors.say(f"Left out: {problem}")
        self.problems += len(progress.problems)

    def _rate(self) -> float:
        return (self.documents - (self.before or 0)) / max(1e-9, time.monotonic() - self.began)

    def speed(self) -> str:
        """What this run did."""
        now = self.documents - (self.before or 0)
        if not now:
            return "Nothing was left to do."
        some = f"{now:,} of them in" if self.before else "In"
        return f"{some} {time.monotonic() - self.began:.1f} s: {self._rate():,.0f} documents/s."
