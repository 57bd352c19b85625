"""The verb ``figures``: the paper's figures and tables, drawn from a study's results."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from babeltune.cli import completing
from babeltune.cli.files import make
from babeltune.cli.loading import Download, Runs, SkipBadRows
from babeltune.cli.terminal import console, errors
from babeltune.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from babeltune.report.figures import Format
    from babeltune.report.figures.catalogue import Drawing, Lacking
    from babeltune.report.results import Results


class Ending(StrEnum):
    """Format of the pictures."""

    PDF = "pdf"
    SVG = "svg"
    PNG = "png"


def figures(
    studies: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="STUDY…",
            autocompletion=completing.studies,
            help="A study file, an import, or a folder with a report in it; several are shown as one.",
        ),
    ] = None,
    figure: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N",
            autocompletion=completing.figures,
            help="Only this one, such as 2, 18a or exposure; may be given again.",
        ),
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N",
            autocompletion=completing.tables,
            help="Only this table: 1, 2, 3; may be given again.",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this model.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where to; figures/STUDY if left out.")] = None,
    formats: Annotated[
        list[Ending] | None, typer.Option("--format", help="Of the pictures; all three if left out.")
    ] = None,
    published: Annotated[
        bool,
        typer.Option(
            "--published", help="Draw the paper's models from the values that its authors published, without any study."
        ),
    ] = False,
    runs: Runs = Path("runs"),
    skip_bad_rows: SkipBadRows = False,
    download: Download = False,
) -> None:
    """Draw the paper's figures and tables from a study's results.

    Without --figure and --table: all that the study's data allow, and what the
    others need. Figures 12 to 16 are Figures 2 to 6 of Falcon, Figure 17 is
    Figure 2 of Llama 3: a model whose name says so has these in place of the
    others. Figure 8 sets a large model over a small one, which may be of two
    studies. Loads no model.

    With --published no study is needed: Figures 1, 6, 16 and 18b of what the
    authors printed, and the verdicts that these numbers allow.

    babeltune figures studies/pocket.yaml

    babeltune figures studies/llama2-7b.yaml --figure 2 --format pdf

    babeltune figures studies/llama2-7b.yaml studies/llama2-70b.yaml --figure 8
    """
    asked = _Asked(figure or [], table or [], model, [one.value for one in formats or Ending], out)
    _check(asked)
    if published and studies:
        fix = "Leave out one of them; `babeltune scorecard STUDY` sets a study beside what was published."
        raise InputError("figures", [Problem("STUDY", "is given, and --published needs none", fix)])
    if published:
        _published(asked)
        return
    if not studies:
        fix = "Give a study file, or the folder of a report."
        raise InputError("figures", [Problem("STUDY", "there is none", fix)])
    from babeltune.cli.loading import load
    from babeltune.report.joined import joined

    _draw(joined([load(one, runs, skip_bad_rows=skip_bad_rows, download=download) for one in studies]), asked)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be drawn, and where."""

    figures: Sequence[str]
    tables: Sequence[str]
    model: str | None
    """None: all."""
    formats: Sequence[Format]
    out: Path | None
    """None: a folder of the study's name."""


def _published(asked: _Asked) -> None:
    """Draw what was published, and say what follows from it."""
    from babeltune.study.importing.numbers import CAVEAT, NOTE
    from babeltune.study.importing.published import load

    results = load()
    _draw(results, asked)
    for verdict in results.verdicts:
        if asked.model in (None, verdict["model"]):
            console.say(verdict["sentence"].removesuffix(CAVEAT), "bold")
    console.say(NOTE)


def _draw(results: Results, asked: _Asked) -> None:
    """Draw what is asked, or all; say where it is, and what could not be drawn and why."""
    from babeltune.report import tables as paper
    from babeltune.report.figures import NotDrawnError, catalogue, save
    from babeltune.report.render import captions

    if asked.model is not None and asked.model not in results.models():
        fix = f"There are: {', '.join(results.models())}."
        raise InputError("figures", [Problem("--model", f"{asked.model} is not in these results", fix)])
    drawn: list[Drawing] = []
    lacking: list[tuple[str, str]] = []
    missing: list[Lacking] = []
    whole = not asked.figures and not asked.tables
    if whole:
        drawn, missing = catalogue.available(results, [asked.model] if asked.model else ())
        lacking = _told(drawn, missing)
    for number in _expanded(asked.figures):
        try:
            drawn.append(catalogue.wanted(results, number, asked.model))
        except NotDrawnError as why:
            lacking.append((catalogue.FIGURES[number].title, str(why)))
    folder = asked.out or Path("figures") / catalogue.file_name(results.study)
    make(folder)
    for one in drawn:
        with errors.status(f"drawing {one.title}"):
            paths = save(one.draw(results), folder, one.file, asked.formats)
        _say(f"{one.title}, {one.model}", paths)
    if drawn and whole:
        (folder / "figures.md").write_text(captions(drawn, missing), encoding="utf-8")
        _say("Captions", [folder / "figures.md"])
    for number in asked.tables or (paper.TABLES if whole else ()):
        try:
            _say(f"Table {number}", paper.write(paper.TABLES[number](results), folder))
        except NotDrawnError as why:
            lacking.append((f"Table {number}", str(why)))
    for title, needs in lacking:
        console.say(f"Not drawn: {title} {needs}.")
    if lacking and not whole:
        raise typer.Exit(1)


def _check(asked: _Asked) -> None:
    """All numbers that are none, at once."""
    from babeltune.report.figures import catalogue
    from babeltune.report.tables import TABLES

    known = catalogue.numbers()
    wrong = [number for number in asked.figures if any(one not in known for one in _expanded([number]))]
    others = [number for number in asked.tables if number not in TABLES]
    problems = []
    if wrong:
        fix = f"There are: {'; '.join(f'{number} {shows}' for number, shows in known.items())}."
        problems.append(Problem("--figure", f"there is no figure {', '.join(wrong)}", fix))
    if others:
        fix = f"There are: {', '.join(TABLES)}."
        problems.append(Problem("--table", f"there is no table {', '.join(others)}", fix))
    if problems:
        raise InputError("figures", problems)


def _expanded(numbers: Sequence[str]) -> list[str]:
    """Figure 18 is 18a and 18b."""
    return [one for number in numbers for one in (("18a", "18b") if number == "18" else (number,))]


def _told(drawn: Sequence[Drawing], lacking: Sequence[Lacking]) -> list[tuple[str, str]]:
    """A line a figure that is not there at all."""
    there = {one.title for one in drawn}
    found: dict[str, str] = {}
    for one in lacking:
        if one.title not in there:
            found.setdefault(one.title, one.why)
    return list(found.items())


def _say(title: str, paths: Sequence[Path]) -> None:
    endings = " ".join(path.suffix for path in paths[1:])
    console.say(f"{title}: {paths[0]} {endings}".rstrip())
