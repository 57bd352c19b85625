"""The verb ``judge``: what the judge says of a study's answers, what it says of planted ones, and whether people agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from babeltune.cli.agreement import WIDE, scored_rows, table_of
from babeltune.cli.loading import Download, MaxCost, Runs, SkipBadRows, StudyFile, needs_all, open_
from babeltune.cli.outcome import answer, finished
from babeltune.cli.terminal import Shown, console, counted, errors, listed, progress
from babeltune.errors import EngineError, InputError, Problem, StudyError

if TYPE_CHECKING:
    from babeltune.measure.judge.grade import State
    from babeltune.measure.judge.planted import Reliability
    from babeltune.measure.raters.ratings import Rating
    from babeltune.study.check import MayLack, Opened


_ENOUGH = 0.9
"""Share of the planted answers that must have a lower score than the right one."""


def judge(
    study: StudyFile,
    runs: Runs = Path("runs"),
    check: Annotated[
        bool, typer.Option("--check", help="Ask it of planted answers first: can it be relied on, in which languages?")
    ] = False,
    reparse: Annotated[
        bool, typer.Option("--reparse", help="Read all kept replies again, asking nobody, and score by them.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="RATINGS",
            help="How it agrees with others: people's ratings in a CSV, or the study file of another judge.",
        ),
    ] = None,
    max_cost: MaxCost = None,
    skip_bad_rows: SkipBadRows = False,
    download: Download = False,
) -> None:
    """Ask the judge of all answers that are there, and score by what it says.

    The study file names it: `judge: {model: …}`, a server's model or one that
    runs here. Every reply is kept in the study's ledger: stopped by whatever,
    the same command asks for what is missing. `babeltune run` does the same
    after the answers are generated.

    Before it costs anything, see what it will come to (`babeltune plan`) and
    whether it can be relied on (`--check`).

    babeltune judge studies/native-vs-translated.yaml --check

    babeltune judge studies/native-vs-translated.yaml --max-cost 5

    babeltune judge studies/native-vs-translated.yaml --against ratings.csv
    """
    asked = [name for name, given in (("--check", check), ("--reparse", reparse), ("--against", against)) if given]
    problems = []
    if len(asked) > 1:
        problems.append(Problem(" and ".join(asked), "are too much at once", "Give one of them."))
    if max_cost is not None and (reparse or against):
        problems.append(Problem("--max-cost", f"given with {asked[0]}, which asks nobody", "Leave it out."))
    if problems:
        raise InputError("judge", problems)
    lacking: MayLack = "anything" if check else "models"
    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack=lacking)
    if opened.plan.study.judge is None:
        problem = Problem("judge", "there is none", "Add judge: {model: …} (docs/judge.md).")
        raise StudyError(str(study), [problem])
    if check:
        _check(opened, study, max_cost)
    elif reparse:
        _reparse(opened, study)
    elif against is not None:
        _against(opened, study, against, runs)
    else:
        _judge(opened, study, max_cost)


def _judge(opened: Opened, study: Path, max_cost: float | None) -> None:
    from babeltune.study.executors.local import JUDGING, run

    needs_all(opened, study, but=JUDGING)
    with progress() as bars:
        ran = run(opened, Shown(bars), JUDGING, most_cost=max_cost)
    _states(_counted(opened))
    finished(opened, ran)


def _reparse(opened: Opened, study: Path) -> None:
    from babeltune.study.executors.local import SCORING, rescore

    needs_all(opened, study, but=SCORING)
    with progress() as bars:
        ran = rescore(opened, Shown(bars))
    _states(_counted(opened))
    console.say(f"{counted(ran.steps, 'step')} done again in {ran.seconds:.0f} s, from the kept replies.")
    answer(opened)


def _counted(opened: Opened) -> dict[str, Counter[State]]:
    """Language -> verdicts by state, over all cells and readings."""
    from babeltune.study.session import Session
    from babeltune.study.steps.judging import states

    session = Session(opened, lambda event: None)
    found: dict[str, Counter[State]] = {}
    for step in opened.plan.of("judge"):
        if step.cell is not None:
            found.setdefault(step.cell.language, Counter()).update(states(step, session))
    return found


def _states(found: dict[str, Counter[State]]) -> None:
    from babeltune.measure.judge.grade import STATES

    shown = [state for state in STATES if any(count[state] for count in found.values())]
    table = listed("language", *shown)
    for code, count in found.items():
        table.add_row(code, *(f"{count[state]:,}" for state in shown))
    if shown:
        console.say("What the judge's replies say:")
        console.print(table)


def _check(opened: Opened, study: Path, max_cost: float | None) -> None:
    """Ask the judge of planted answers in every language of the study that has them, and show what it makes of them."""
    from babeltune.measure.judge.planted import languages
    from babeltune.study.planting import ask

    spec = opened.plan.study.tasks.asked["dialogue"]
    codes = [code for code in spec.languages if code in languages()]
    lacking = [code for code in spec.languages if code not in codes]
    if lacking:
        errors.say(f"No planted answers in {', '.join(lacking)}: not checked.")
    if not codes:
        there = ", ".join(languages())
        problem = Problem("--check", "no language of this study has planted answers", f"They are in: {there}.")
        raise InputError("judge", [problem])
    with progress() as bars:
        rows = ask(opened, codes, Shown(bars), max_cost)
    _reliability(rows)
    lost = sum(row.states["failed"] + row.states["unsent"] for row in rows if row.language != "all")
    if lost:
        raise EngineError(f"{counted(lost, 'planted answer')} without a verdict. Run again; what came back is kept.")


def _reliability(rows: Sequence[Reliability]) -> None:
    from babeltune.measure.judge.planted import ALL, EXPECTED

    console.say("Planted answers, and what the judge makes of them (docs/judge.md says what to look at):")
    numbers = ("expected", "mean", "in range", "scored", "below the right one")
    table = listed("language", "answer", *numbers, words=("answer",))
    last = ""
    for row in rows:
        expected = EXPECTED[row.kind]
        order = "" if row.order is None else f"{row.ordered} of {row.pairs}"
        table.add_row(
            row.language if row.language != last else "",
            row.kind,
            f"{expected.low} to {expected.high}" if expected.high > expected.low else str(expected.low),
            "-" if row.mean is None else f"{row.mean:.1f}",
            f"{row.in_range} of {row.n}",
            f"{row.scored} of {row.n}",
            order,
        )
        last = row.language
    console.print(table)
    each = [row for row in rows if row.language != ALL]
    beaten, pairs = sum(row.ordered for row in each), sum(row.pairs for row in each)
    said = [f"{sum(row.in_range for row in each)} of {sum(row.n for row in each)} verdicts are as expected."]
    if pairs:
        said.insert(0, f"The right answer has the higher score in {beaten} of {pairs} pairs.")
    doubtful = []
    for code in dict.fromkeys(row.language for row in each):
        ours = [row for row in each if row.language == code]
        if sum(row.ordered for row in ours) < _ENOUGH * sum(row.n for row in ours if row.kind != "right"):
            doubtful.append(code)
    if doubtful:
        said.append(f"Do not rely on it in {', '.join(doubtful)}: there it tells too few of them apart.")
    console.say(" ".join(said), "bold")


def _against(opened: Opened, study: Path, other: str, runs: Path) -> None:
    """Agreement with ratings of a CSV, or with the judge of another study that has the same answers."""
    from babeltune.measure.raters.agreement import agreement
    from babeltune.measure.raters.ratings import read_ratings

    needs_all(opened, study, but=("summary", "report"))
    assert opened.plan.study.judge is not None
    name = Path(other).name
    if Path(other).suffix in (".yaml", ".yml"):
        second = open_(Path(other), runs, skip_bad_rows=False, download=False, may_lack="models")
        if second.plan.study.judge is None:
            raise StudyError(other, [Problem("judge", "there is none", "Name the study file of another judge.")])
        needs_all(second, Path(other), but=("summary", "report"))
        theirs, name = _judged(second, by_cell=False), f"{second.plan.study.judge.model} ({name})"
    else:
        theirs = read_ratings(Path(other))
    # An answer is known by its id, or else by the cell that it is of.
    ours = _judged(opened, by_cell=not all(one.id for one in theirs))
    found = agreement(ours, theirs)
    between = f"{opened.plan.study.judge.model} and {name}"
    console.print(table_of(found, between, two_lines=console.width < WIDE))


def _judged(opened: Opened, *, by_cell: bool) -> list[Rating]:
    """The judge's own scores of all answers; of one that several cells gave once, unless they are told apart ``by_cell``."""
    from babeltune.measure.judge.helpfulness import HELPFULNESS_RAW
    from babeltune.measure.raters.answers import answers, judged
    from babeltune.measure.raters.ratings import Rating

    rows = [row for code in opened.plan.study.tasks.asked["dialogue"].languages for row in scored_rows(opened, code)]
    if not by_cell:
        return judged(answers(rows))
    return [
        Rating(cell.language, row["item"], int(row["values"][HELPFULNESS_RAW]), model=cell.model, mix=cell.mix,
               seed=str(cell.seed))
        for cell, row in rows
        if HELPFULNESS_RAW in row["values"]
    ]  # fmt: skip
