"""The verb ``compare``: several studies, or one before and after a change, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from babeltune.cli.terminal import Download, Runs, SkipBadRows, beside, console, visible
from babeltune.errors import InputError, Problem


def compare(
    studies: Annotated[
        list[Path],
        typer.Argument(metavar="STUDY STUDY…", help="Study files, imports, or folders with a report in them."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The page.")] = Path("compare.html"),
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
    text = side_by_side.page(found, cells)
    with beside(out) as file:
        file.write(text)
    for one in found:
        for verdict in one.results.headlines:
            console.print(
                Text.assemble((f"{visible(one.name)}: ", "bold"), visible(verdict["sentence"])), soft_wrap=True
            )
    table = Table(title=Text(f"what differs most of {len(cells):,} shared cells"), caption="paired: 95 % interval of the difference, over the same items")  # fmt: skip
    for heading in (
        "cell",
        visible(first.name),
        visible(others[0].name) if len(others) == 1 else "other",
        "difference",
        "paired",
    ):
        table.add_column(Text(heading), overflow="fold")
    for line in side_by_side.lines(found, cells):
        table.add_row(*(Text(visible(cell)) for cell in line))
    console.print(table)
    if all(cell.apart is None for cell in cells):
        console.print("No difference could be paired: the items differ, or not all answers are at hand.", markup=False)
    console.print(f"The page:  {out}", markup=False, highlight=False, soft_wrap=True)


def _said(one: object) -> str:
    """What a study has, in short."""
    from babeltune.report.compare import Studied

    assert isinstance(one, Studied)
    parts = {name: list(dict.fromkeys(row[name] for row in one.results.rows)) for name in ("model", "mix", "task")}
    shown = "; ".join(f"{name} {visible(', '.join(values[:6]))}" for name, values in parts.items())
    return f"{visible(one.name)} has {shown}."
