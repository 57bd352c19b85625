"""The verb ``annotate``: sheets on which people rate a study's answers, and how far their ratings agree with its judge."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from babeltune.cli import completing
from babeltune.cli.agreement import WIDE, scored_rows, table_of
from babeltune.cli.files import make
from babeltune.cli.loading import Download, Runs, SkipBadRows, StudyFile, needs_all, open_
from babeltune.cli.terminal import console, counted, errors
from babeltune.errors import InputError, Problem, RowsError
from babeltune.languages import LANGUAGES, suggest

if TYPE_CHECKING:
    from babeltune.measure.raters.ratings import Rating
    from babeltune.records import Cell
    from babeltune.study.check import Opened

N = 50
"""Answers of a sheet."""
_UNKNOWN_SHOWN = 10
_DONE_LATER = ("summary", "report")
"""Steps that a sheet does not wait for."""


def annotate(
    study: StudyFile,
    language: Annotated[
        str | None,
        typer.Option(
            metavar="CODES",
            autocompletion=completing.languages,
            help="Such as de, or de,fr. To read: all of the files if left out.",
        ),
    ] = None,
    n: Annotated[
        int | None, typer.Option(min=1, show_default=str(N), help="Answers of a sheet, one a language.")
    ] = None,
    read: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Ratings to read back; may be given again."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", show_default="annotate", help="Gets <study>-<language>.csv and .html."),
    ] = None,
    seed: Annotated[int | None, typer.Option(show_default="42", help="Another one draws other answers.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace sheets that are there, and ratings in them.")] = False,
    runs: Runs = Path("runs"),
    skip_bad_rows: SkipBadRows = False,
    download: Download = False,
) -> None:
    """Let native speakers rate a study's answers, and see how far they agree with its judge and with each other.

    Without --read: writes a blinded, shuffled sheet of dialogue answers, as a
    page (rate by keyboard, works offline from disk, keeps the ratings, exports
    them as CSV) and as a CSV table for a spreadsheet. Neither tells model, mix
    or score. Each person gets either, and sends back the exported or filled CSV.

    With --read: prints how far people agree with the judge, and with each other
    where several rated: exact, within one point, weighted kappa, Spearman.

    babeltune annotate studies/pocket.yaml --language de --n 50

    babeltune annotate studies/pocket.yaml --language de --read ana.csv --read ben.csv
    """
    asked = [code.strip() for code in (language or "").split(",") if code.strip()]
    _check(asked, read, {"--n": n, "--out": out, "--seed": seed, "--force": force or None})
    if not read:
        opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="models")
        _asked(opened, asked, "--language")
        needs_all(opened, study, but=_DONE_LATER)
        _write(opened, asked, N if n is None else n, seed, out or Path("annotate"), force=force)
        return
    raters = _ratings(read, asked)
    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="models")
    codes = list(dict.fromkeys(one.language for ratings in raters.values() for one in ratings))
    _asked(opened, codes, "--read")
    needs_all(opened, study, but=_DONE_LATER)
    _compare(raters, [row for code in codes for row in scored_rows(opened, code)])


def _check(asked: Sequence[str], read: Sequence[Path] | None, writing: Mapping[str, object]) -> None:
    """Refuse options that are wrong or do not go together, all at once."""
    problems = []
    if not read and not asked:
        problems.append(Problem("--language", "is missing", "Say whose speakers are to rate, such as --language de."))
    problems += [
        Problem("--language", f"unknown language '{code}'", suggest(code)) for code in asked if code not in LANGUAGES
    ]
    for name in (name for name, value in writing.items() if read and value is not None):
        problems.append(Problem(name, "is for writing a sheet, and --read reads ratings", "Leave out one of them."))
    if problems:
        raise InputError("annotate", problems)


def _asked(opened: Opened, codes: Sequence[str], where: str) -> None:
    """Refuse a study that did not ask for answers in these languages."""
    from babeltune.study.step import JUDGED_TASK

    spec = opened.plan.study.tasks.asked.get(JUDGED_TASK)
    if spec is None:
        fix = "People rate what a judge would: add tasks: {dialogue: …} to the study and run it."
        raise InputError("annotate", [Problem("tasks", f"the study has no task {JUDGED_TASK}", fix)])
    problems = [
        Problem(
            where, f"the study asks nothing in {LANGUAGES[code].name} ({code})", f"It has {', '.join(spec.languages)}."
        )
        for code in codes
        if code not in spec.languages
    ]
    if problems:
        raise InputError("annotate", problems)


def _write(opened: Opened, codes: Sequence[str], n: int, seed: int | None, out: Path, *, force: bool) -> None:
    from babeltune.measure.judge.rubric import LEVELS
    from babeltune.measure.raters.answers import SEED, answers, draw
    from babeltune.report.page import sheet as sheets
    from babeltune.study.store import write_atomically

    written: dict[Path, str] = {}
    lines = []
    for code in codes:
        found = answers(scored_rows(opened, code))
        if not found:
            what = f"no model answered anything in {LANGUAGES[code].name} ({code})"
            raise InputError("annotate", [Problem("--language", what, "Look at babeltune status.")])
        drawn = draw(found, n, SEED if seed is None else seed)
        entries = tuple(sheets.Entry(one.id, one.item, one.prompt, one.response) for one in drawn)
        sheet = sheets.Sheet(code, entries, LEVELS)
        at = out / f"{opened.plan.study.study}-{code}"
        files = {
            at.with_name(f"{at.name}.html"): sheets.page(sheet),
            at.with_name(f"{at.name}.csv"): sheets.table(sheet),
        }
        written |= files
        fewer = f", all that there are (--n {n})" if len(drawn) < n else f" of {len(found):,} distinct ones"
        judged = sum(one.judged is not None for one in drawn)
        told = f", {judged} of them judged" if any(one.judged is not None for one in found) else ""
        lines.append(f"{LANGUAGES[code].name} ({code}): {counted(len(drawn), 'answer')}{fewer}{told}.")
        lines += [f"  {path}" for path in files]
    _keep(written, force=force)
    make(out)
    for path, text in written.items():
        write_atomically(path, text)
    for line in lines:
        console.say(line)
    console.say("Give a speaker the page or the table, and read back what comes: --read FILE.")


def _keep(written: Mapping[Path, str], *, force: bool) -> None:
    """Refuse to replace a sheet by another: somebody's ratings may be in it."""
    problems = [
        Problem(str(path), "is there already and differs; it may hold ratings", "Move it away, or add --force.")
        for path, text in written.items()
        if path.exists() and not force and path.read_bytes() != text.encode()
    ]
    if problems:
        raise InputError("annotate", problems)


def _ratings(files: Sequence[Path], asked: Sequence[str]) -> dict[str, list[Rating]]:
    """Rater -> ratings in the languages asked for, or in all; every problem of every file at once."""
    from babeltune.measure.raters.ratings import by_rater, read_ratings

    stems = [path.stem for path in files]
    problems = [
        Problem(str(path), "is given twice", "Give each file once.") for path in {*files} if files.count(path) > 1
    ]
    found: dict[str, list[Rating]] = {}
    for path in dict.fromkeys(files):
        try:
            ratings = read_ratings(path)
        except RowsError as error:
            problems += error.problems
            continue
        kept = [one for one in ratings if not asked or one.language in asked]
        if len(kept) < len(ratings):
            lost = counted(len(ratings) - len(kept), "rating")
            errors.say(f"Left out: {lost} of {path.name} in other languages than {', '.join(asked)}.")
        found[path.stem if stems.count(path.stem) == 1 else str(path.with_suffix(""))] = kept
    if problems:
        raise RowsError("ratings", problems)
    raters = by_rater(found)
    if not raters:
        fix = "The column rating takes 1 to 6; of a page, give the file that it exports."
        what = f"no answer is rated{' in ' + ', '.join(asked) if asked else ''}"
        raise RowsError("ratings", [Problem(", ".join(path.name for path in files), what, fix)])
    return raters


def _compare(raters: Mapping[str, Sequence[Rating]], scored: Sequence[tuple[Cell, Mapping[str, Any]]]) -> None:
    from babeltune.measure.raters.agreement import agreement
    from babeltune.measure.raters.answers import answers, judged, resolved

    found = answers(scored)
    people: dict[str, list[Rating]] = {}
    for rater, ratings in raters.items():
        people[rater], unknown = resolved(ratings, found)
        said = f"{rater}: {counted(len(people[rater]), 'answer')} rated"
        if unknown:
            shown = ", ".join(unknown[:_UNKNOWN_SHOWN]) + (" …" if len(unknown) > _UNKNOWN_SHOWN else "")
            said += f"; left out as no answers of this study: {shown} ({len(unknown)} in all)"
            said += ". It has changed since the sheet was written, or the sheet is another study's"
        console.say(f"{said}.")
    if not any(people.values()):
        fix = "Give the study, and with --runs the folder, that the sheet was written from."
        raise RowsError("ratings", [Problem("id", "no rating is of an answer of this study", fix)])
    theirs = judged(found)
    pairs = [(one, "the judge", ratings, theirs) for one, ratings in people.items() if theirs]
    pairs += [(one, two, people[one], people[two]) for one, two in itertools.combinations(people, 2)]
    if not theirs:
        console.say("The study has no judge's scores of answers in these languages to compare with.")
    if not pairs:
        console.say("With another person's ratings, --read shows how far the two agree.")
    for one, two, first, second in pairs:
        between = f"{one} and {two}"
        if {rating.id for rating in first} & {rating.id for rating in second}:
            console.print(table_of(agreement(first, second), between, two_lines=console.width < WIDE))
        else:
            console.say(f"{between} rated no answer in common.")
