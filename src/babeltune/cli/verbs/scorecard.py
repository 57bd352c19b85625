"""The verb ``scorecard``: a study's numbers beside the published ones."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from babeltune.cli import completing
from babeltune.cli.files import beside
from babeltune.cli.loading import Runs, SkipBadRows
from babeltune.cli.terminal import console, listed
from babeltune.errors import InputError, Problem

if TYPE_CHECKING:
    from babeltune.report.scorecard import Scorecard

_SHOWN = 40
"""Lines that agree in a terminal; those that differ are all shown, and files hold all."""


def scorecard(
    study: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY",
            autocompletion=completing.studies,
            help="A study file, the folder of an import or of a report.",
        ),
    ],
    runs: Runs = Path("runs"),
    out: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Write all of it to a .md or .csv file; may be given again."),
    ] = None,
    skip_bad_rows: SkipBadRows = False,
) -> None:
    """Set a study against the values that the paper's authors published.

    For every published value that a model, mix, task and language of the study
    has a counterpart to: the two, their difference, and whether it lies within
    the tolerance (the sampling error of both). Names may be spelt otherwise:
    Llama-2-7b-hf or llama2-7b, Multi-2 or multi-2.

    babeltune scorecard studies/llama2-7b.yaml --out scorecard.md

    babeltune scorecard runs/kew-2024
    """
    wrong = [path for path in out or () if path.suffix not in (".md", ".csv")]
    if wrong:
        problems = [
            Problem("--out", f"'{path}' is neither .md nor .csv", "Give it one of these endings.") for path in wrong
        ]
        raise InputError("scorecard", problems)
    from babeltune.cli.loading import load
    from babeltune.report import scorecard as cards

    card = cards.scorecard(load(study, runs, skip_bad_rows=skip_bad_rows))
    _show(card)
    console.say(card.summary, "bold")
    for note in card.notes:
        console.say(note)
    for path in out or ():
        with beside(path) as file:
            file.write(cards.csv_text(card) if path.suffix == ".csv" else cards.markdown(card))
        console.say(f"Written: {path}")


def _show(card: Scorecard) -> None:
    """A table a model, task and metric, those lines first that differ; of many only some that agree."""
    left = _SHOWN
    for (model, task, metric), group in groupby(card.lines, key=lambda one: (one.model, one.task, one.metric)):
        lines = sorted(group, key=lambda one: one.verdict == "agrees")
        shown = [one for one in lines if one.verdict != "agrees"]
        shown += lines[len(shown) : max(len(shown), len(shown) + left)]
        left = max(0, left - len(shown))
        if not shown:
            continue
        table = listed(
            "mix", "language", "published", "ours", "difference", "tolerance", "verdict",
            title=f"{model}, {task}, {metric}", words=("language", "verdict"),
        )  # fmt: skip
        for one in shown:
            tolerance = "-" if one.tolerance is None else f"{one.tolerance:.3f}"
            numbers = f"{one.published:.3f}", f"{one.ours:.3f}", f"{one.difference:+.3f}", tolerance
            style = None if one.verdict == "agrees" else "yellow"
            prompted = "" if one.prompting == "xx:xx" else f" {one.prompting}"
            table.add_row(one.mix, f"{one.language}{prompted}", *numbers, one.verdict, style=style)
        console.print(table)
        if len(shown) < len(lines):
            console.say(f"  and {len(lines) - len(shown)} more that agree (--out scorecard.csv has all)")
