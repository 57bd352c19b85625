"""The verb ``import``: published outputs and other tools' logs, into a folder that is scored and drawn as a study is."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from babeltune.cli.terminal import Download, Runs, console, errors, online, visible
from babeltune.errors import InputError, Problem

if TYPE_CHECKING:
    from babeltune.study.importing.folder import Folder, Manifest
    from babeltune.study.importing.run import Done
    from babeltune.study.importing.survey import Survey

_MOST = 3
"""Files that are named of each reason, unless all are asked for."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOLERANCE = 0.0015
"""Two shares, one of them rounded to three digits, are told apart from here on."""
Identifier = Annotated[
    str,
    typer.Option(
        "--identifier",
        help="Who says what language a text is in: released (the labels that the rows bring, else lid176), lid176, openlid, "
        "openlid-quantised, or a fastText file.",
    ),
]


def import_(
    places: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="Folders or files: a release, or logs of other tools.")
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Of the folder in --runs; the path's own if left out.")
    ] = None,
    runs: Runs = Path("runs"),
    identifier: Identifier = "released",
    protocol: Annotated[
        str, typer.Option("--protocol", help="Whose helpfulness comes first: as-paper, or as-run (the authors' code).")
    ] = "as-paper",
    look: Annotated[bool, typer.Option("--look", help="Say what is there, and import nothing.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Name every file that is left out, not three a reason.")] = False,
    download: Download = False,
) -> None:
    """Import published outputs, to score and draw them again without a GPU.

    - The outputs that the paper's authors released: dialogue, simplification,
      XQuAD and X-CSQA with their .json and .eval files, and the judge's scores

    - lm-evaluation-harness: results, and samples of XNLI and XQuAD

    - Inspect: .eval and .json logs of multiple choice, XQuAD and dialogue

    Model, mix, language and seed are told from the names of folders and files.
    What comes out is a folder: give it in place of a study to report, figures,
    compare, scorecard and score. An import that was killed goes on with the
    same command.

    babeltune import multilingual-instruction-tuning/data --name kew-2024

    babeltune figures runs/kew-2024
    """
    problems = [
        Problem("PATH", f"there is no '{place}'", "Give a folder or file.") for place in places if not place.exists()
    ]
    if protocol not in ("as-paper", "as-run"):
        problems.append(Problem("--protocol", f"unknown '{protocol}'", "Known are as-paper and as-run."))
    if name is not None and not _NAME.fullmatch(name):
        problems.append(Problem("--name", f"'{name}' makes no folder", "Take letters, digits, dot, dash, underscore."))
    if problems:
        raise InputError("import", problems)
    online(download)
    from babeltune.study.importing.folder import Folder
    from babeltune.study.importing.run import name_of, run
    from babeltune.study.importing.survey import survey

    with errors.status("looking through the files") as status:
        found = survey(places, lambda count: status.update(f"looking through the files: {count:,}"))
    _told(found)
    if look:
        _left([*found.left], found, every)
        return
    folder = Folder(runs / (name or name_of(places)))
    with _bars() as bars:
        done = run(found, places, folder, identifier=identifier, protocol=protocol, tell=Told(bars), download=download)
    _left(list(done.manifest.left), found, every)
    numbers = f", {len(done.manifest.aggregates):,} numbers taken" if done.manifest.aggregates else ""
    said = (
        f"{done.read:,} cells read, {done.scored:,} scored{numbers}"
        if done.new
        else "Nothing to do: all was imported before"
    )
    console.print(f"{said}.", highlight=False)
    ended(folder, done)


class Told:
    """Progress of an import as bars."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, kind: str, what: str, done: int, total: int) -> None:
        """Show what has been done."""
        if kind not in self.tasks:
            self.tasks[kind] = self.bars.add_task(kind, total=total, what=what)
        self.bars.update(self.tasks[kind], completed=done, total=total, what=what)


def _bars() -> Progress:
    return Progress(
        TextColumn("[bold]{task.description:6}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn(
            "{task.fields[what]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", max_width=60)
        ),
        console=errors,
        disable=not errors.is_terminal,
    )


def again(folder: Folder, identifier: str | None, download: bool) -> None:
    """Score an import again, and say what it comes to."""
    from babeltune.study.importing.run import rescore

    online(download)
    with _bars() as bars:
        done = rescore(folder, identifier, tell=Told(bars), download=download)
    console.print(f"{done.scored:,} cells scored by {done.manifest.identifier}.", highlight=False)
    ended(folder, done)


def ended(folder: Folder, done: Done) -> None:
    """Say how the replay agrees with what the files say themselves, the verdicts, and where to read on."""
    _replayed(folder, done.manifest)
    for verdict in done.results.headlines:
        console.print(verdict["sentence"], style="bold", markup=False, highlight=False, soft_wrap=True)
    if not done.results.headlines:
        console.print("No verdict: it takes two mixes, a language that is in none of them, and its agreement.")
    console.print(f"The page:  {folder.report / 'index.html'}", highlight=False, soft_wrap=True, markup=False)
    console.print(
        f"Go on with: babeltune figures {folder.root}, babeltune scorecard {folder.root}",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def _told(found: Survey) -> None:
    """A line a model and mix: tasks, cells, languages, seeds, judged."""
    groups: dict[tuple[str, str, str, str], list[tuple[str, str, bool]]] = defaultdict(list)
    for source in found.sources:
        cell = source.cell
        groups[cell.model, cell.mix, cell.task, "outputs"].append((cell.language, str(cell.seed), bool(source.judge)))
    for one in found.aggregates:
        cell = one.cell
        groups[cell.model, cell.mix, cell.task, "numbers"].append((cell.language, str(cell.seed), False))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    widths = {"mix": 14, "task": 14, "what": 7, "cells": 5, "seeds": 5, "judged": 6, "languages": None}
    for heading, width in widths.items():
        right = heading in ("cells", "judged")
        table.add_column(
            heading, justify="right" if right else "left", no_wrap=True, overflow="ellipsis", min_width=width
        )
    before = None
    for (model, mix, task, what), cells in sorted(groups.items()):
        if model != before:
            table.add_row(f"[bold]{escape(model)}", *[""] * 6)
            before = model
        languages = list(dict.fromkeys(code for code, _, _ in cells))
        seeds = " ".join(sorted({seed for _, seed, _ in cells}, key=int))
        judged = sum(one for _, _, one in cells)
        table.add_row(
            f" {mix}", task, what, f"{len(set(cells)):,}", seeds, f"{judged:,}" if judged else "",
            f"{len(languages)}: {' '.join(languages)}",
        )  # fmt: skip
    if groups:
        console.print(table)
    else:
        console.print("Nothing was found that could be imported.")


def _left(left: Sequence[Problem], found: Survey, every: bool) -> None:
    """What was not understood, reason by reason."""
    if found.others:
        kinds = ", ".join(f"{visible(suffix)} {count:,}" for suffix, count in found.others.most_common(8))
        console.print(f"Files of other kinds, not looked into: {kinds}.", markup=False, highlight=False, soft_wrap=True)
    reasons: dict[str, list[str]] = defaultdict(list)
    for problem in left:
        reasons[problem.what].append(problem.where)
    if not reasons:
        return
    count = sum(map(len, reasons.values()))
    console.print(f"\nNot understood, or left out ({count:,}):", highlight=False)
    for what, places in sorted(reasons.items(), key=lambda one: -len(one[1])):
        shown = places if every else places[:_MOST]
        more = f" and {len(places) - len(shown):,} more (--all names them)" if len(shown) < len(places) else ""
        line = f"  {len(places):,}: {what}: {', '.join(shown)}{more}"
        console.print(visible(line), markup=False, highlight=False, soft_wrap=True)
    console.print()


def _replayed(folder: Folder, manifest: Manifest) -> None:
    """How many of the files' own numbers come out here, and which do not."""
    from babeltune.study.importing.run import replays

    found = replays(folder, manifest)
    by_metric: dict[str, Counter[bool]] = defaultdict(Counter)
    for one in found:
        by_metric[one.metric][one.apart <= _TOLERANCE] += 1
    for metric, counts in by_metric.items():
        total = counts[True] + counts[False]
        console.print(
            f"Replay of {metric}: {counts[True]:,} of {total:,} numbers in the files come out the same from their rows.",
            highlight=False,
        )
    apart = sorted((one for one in found if one.apart > _TOLERANCE), key=lambda one: -one.apart)
    for one in apart[:5]:
        console.print(
            f"  {one.cell.name}: {one.metric} {one.theirs:.3f} in its file, {one.ours:.3f} here",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    if apart:
        why = (
            "another identifier than theirs"
            if manifest.identifier != "released"
            else "rows left out, or labels that are not theirs"
        )
        console.print(f"  {len(apart):,} differ: {why}.", highlight=False, soft_wrap=True)
