"""The verb ``compare``: several studies, or one before and after a change, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from babeltune.cli import completing
from babeltune.cli.files import beside
from babeltune.cli.loading import Download, Runs, SkipBadRows
from babeltune.cli.terminal import console, listed
from babeltune.errors import InputError, Problem

if TYPE_CHECKING:
    from babeltune.report.compare import Studied


def compare(
    studies: Annotated[
        list[Path],
        typer.Argument(
            metavar="STUDY STUDY…",
            autocompletion=completing.studies,
            help="Study files, imports, or folders with a report in them.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The page.")] = Path("compare.html"),
    runs: Runs = Path("runs"),
    skip_bad_rows: SkipBadRows = False,
    download: Download = False,
) -> None:
    """Put studies side by side on one page: verdicts, shared cells with differences, figures, answers, recipes.

    A study before and after a change is two studies: keep the report folder of the first, and give both. Cells are
    compared with those of the first study. Where both asked the same items, differences are paired by item; else each
    value has its study's own interval. Loads no model.

    babeltune compare studies/pocket.yaml kept/report --out compare.html
    """
    if len(studies) < 2:
        fix = "Give another: a study file, an import, or a folder with results.json in it."
        raise InputError("compare", [Problem("STUDY", "there is only one, and nothing to compare it with", fix)])
    from babeltune.cli.loading import load
    from babeltune.report import compare as side_by_side
    from babeltune.report.page import comparison
    from babeltune.study.comparing import paired

    found = side_by_side.named(
        [(str(one), load(one, runs, skip_bad_rows=skip_bad_rows, download=download)) for one in studies]
    )
    first, *others = found
    cells = side_by_side.shared(found, [paired(first.results, other.results) for other in others])
    problems = [
        Problem(
            other.where,
            f"has no cell in common with {first.where}",
            f"Cells are of one model, mix, task, language, prompting and metric. {_said(first)} {_said(other)}",
        )
        for at, other in enumerate(others, 1)
        if not any(cell.other == at for cell in cells)
    ]
    if problems:
        raise InputError("compare", problems)
    text = comparison.page(found, cells)
    with beside(out) as file:
        file.write(text)
    for one in found:
        for verdict in one.results.headlines:
            console.say(f"{one.name}: {verdict['sentence']}", "bold")
    second = others[0].name if len(others) == 1 else "other"
    table = listed(
        "cell", first.name, second, "difference", "paired", title=f"what differs most of {len(cells):,} shared cells"
    )
    table.caption = "paired: 95 % interval of the difference, over the same items"
    for line in side_by_side.lines(found, cells):
        table.add_row(*line)
    console.print(table)
    if all(cell.apart is None for cell in cells):
        console.say("No difference could be paired: the items differ, or not all answers are at hand.")
    console.say(f"The page:  {out}")


def _said(one: Studied) -> str:
    """What a study has, in short."""
    parts = {name: list(dict.fromkeys(row[name] for row in one.results.rows)) for name in ("model", "mix", "task")}
    shown = "; ".join(f"{name} {', '.join(values[:6])}" for name, values in parts.items())
    return f"{one.name} has {shown}."
