"""The verb ``import``: published outputs and other tools' logs, into a folder that is scored and drawn as a study is."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from babeltune.cli.loading import Download, Runs, online
from babeltune.cli.terminal import Shown, console, counted, errors, progress
from babeltune.errors import InputError, Problem

if TYPE_CHECKING:
    from rich.progress import Progress

    from babeltune.study.importing.folder import Folder, Manifest
    from babeltune.study.importing.run import Done, Tell
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
        str | None, typer.Option(metavar="NAME", help="Of the folder in --runs; the path's own if left out.")
    ] = None,
    runs: Runs = Path("runs"),
    identifier: Identifier = "released",
    protocol: Annotated[
        str, typer.Option(help="Whose helpfulness comes first: as-paper, or as-run (the authors' code).")
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
    with progress() as bars:
        done = run(
            found, places, folder, identifier=identifier, protocol=protocol, tell=_told_by(bars), download=download
        )
    _left(list(done.manifest.left), found, every)
    numbers = f", {len(done.manifest.aggregates):,} numbers taken" if done.manifest.aggregates else ""
    said = (
        f"{counted(done.read, 'cell')} read, {done.scored:,} scored{numbers}"
        if done.new
        else "Nothing to do: all was imported before"
    )
    console.say(f"{said}.")
    ended(folder, done)


def _told_by(bars: Progress) -> Tell:
    """Progress of an import, shown as that of a run is."""
    from babeltune.study.session import Event

    shown = Shown(bars)
    return lambda kind, what, done, total: shown(Event(kind, what, done, total, ""))


def again(folder: Folder, identifier: str | None, download: bool) -> None:
    """Score an import again, and say what it comes to."""
    from babeltune.study.importing.run import rescore

    online(download)
    with progress() as bars:
        done = rescore(folder, identifier, tell=_told_by(bars), download=download)
    console.say(f"{counted(done.scored, 'cell')} scored by {done.manifest.identifier}.")
    ended(folder, done)


def ended(folder: Folder, done: Done) -> None:
    """Say how the replay agrees with what the files say themselves, the verdicts, and where to read on."""
    _replayed(folder, done.manifest)
    for verdict in done.results.headlines:
        console.say(verdict["sentence"], "bold")
    if not done.results.headlines:
        console.say("No verdict: it takes two mixes, a language that is in none of them, and its agreement.")
    console.say(f"The page:  {folder.report / 'index.html'}")
    console.say(f"Go on with: babeltune figures {folder.root}, babeltune scorecard {folder.root}")


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
            table.add_row(Text(model, "bold"), *[""] * 6)
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
        console.say("Nothing was found that could be imported.")


def _left(left: Sequence[Problem], found: Survey, every: bool) -> None:
    """What was not understood, reason by reason."""
    if found.others:
        kinds = ", ".join(f"{suffix} {count:,}" for suffix, count in found.others.most_common(8))
        console.say(f"Files of other kinds, not looked into: {kinds}.")
    reasons: dict[str, list[str]] = defaultdict(list)
    for problem in left:
        reasons[problem.what].append(problem.where)
    if not reasons:
        return
    count = sum(map(len, reasons.values()))
    console.say(f"\nNot understood, or left out ({count:,}):")
    for what, places in sorted(reasons.items(), key=lambda one: -len(one[1])):
        shown = places if every else places[:_MOST]
        more = f" and {len(places) - len(shown):,} more (--all names them)" if len(shown) < len(places) else ""
        line = f"  {len(places):,}: {what}: {', '.join(shown)}{more}"
        console.say(line)
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
        console.say(
            f"Replay of {metric}: {counts[True]:,} of {total:,} numbers in the files come out the same from their rows."
        )
    apart = sorted((one for one in found if one.apart > _TOLERANCE), key=lambda one: -one.apart)
    for one in apart[:5]:
        console.say(f"  {one.cell.name}: {one.metric} {one.theirs:.3f} in its file, {one.ours:.3f} here")  # fmt: skip
    if apart:
        why = (
            "another identifier than theirs"
            if manifest.identifier != "released"
            else "rows left out, or labels that are not theirs"
        )
        console.say(f"  {len(apart):,} differ: {why}.")
