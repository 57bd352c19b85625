"""The verb ``score``: score stored outputs again, a study's or those of any other origin. Loads no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from babeltune.cli import completing
from babeltune.cli.files import write_lines
from babeltune.cli.loading import Download, Runs, SkipBadRows, online, open_
from babeltune.cli.terminal import Shown, console, counted, errors, progress
from babeltune.errors import InputError, Problem, RowsError, instead
from babeltune.languages import LANGUAGES, suggest

if TYPE_CHECKING:
    from babeltune.measure.outputs import Answered, Found
    from babeltune.measure.summary import Row
    from babeltune.records import Prompting, Score, Task
    from babeltune.study.spec.tasks import AnyTaskSpec

TASKS = ("dialogue", "simplification", "xquad", "xcsqa", "xnli")
_PROMPTINGS = ("xx:xx", "en:xx")
_WORDS = ("harness", "corrected")


def score(
    study: Annotated[
        Path | None,
        typer.Argument(
            metavar="STUDY",
            autocompletion=completing.studies,
            help="A study file, or an import: all its stored outputs are scored again.",
        ),
    ] = None,
    runs: Runs = Path("runs"),
    outputs: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Prompts and responses of any origin: JSONL, CSV or Parquet; .gz, .zst."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="TASK", autocompletion=completing.tasks, help=f"One of {', '.join(TASKS)}."),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            autocompletion=completing.languages,
            help="ISO code of the responses' language, such as de.",
        ),
    ] = None,
    prompting: Annotated[
        str | None,
        typer.Option(
            metavar="XX:XX",
            show_default="xx:xx",
            help="xx:xx, or en:xx: the instruction was in English.",
        ),
    ] = None,
    items: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Where the items are, if not in the rows: pocket, hub (the task's own set), a file or folder in the task's "
            "format, or a hub id.",
        ),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Of the hub set: commit, branch or tag.")] = None,
    identifier: Annotated[
        str | None,
        typer.Option(
            help="lid176 (bundled; where nothing is said), openlid, openlid-quantised, or a fastText file. For --outputs "
            "and for imports, where released stands for the labels in the rows.",
        ),
    ] = None,
    words: Annotated[
        str | None, typer.Option(help="Of xnli's items: harness (as the paper has them), or corrected.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of dialogue's items; test if left out.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write each response's scores to this file, as JSONL.")
    ] = None,
    skip_bad_rows: SkipBadRows = False,
    download: Download = False,
) -> None:
    """Score stored outputs without a model: a study's again, or a file of any origin.

    A file has one response a row: in `response`, or in output, completion,
    generation, text or system. Beside it stands what was asked:

    - dialogue: `prompt` (without any, only `agreement` is unscored)

    - simplification: `source` and `references`

    - xquad: `references`, and `question` if it is at hand

    - xcsqa: `answerKey`

    - xnli: `loglikelihoods` (three) and `label`, or a log of lm-evaluation-harness

    With --items the rows need only an `id`, or the order of the items.
    A response that is null is unscored, not wrong.

    babeltune score studies/pocket.yaml

    babeltune score --outputs answers.jsonl --task dialogue --language de

    babeltune score --outputs samples_xnli_de.jsonl --task xnli --language de
    """
    said = {
        "--task": task, "--language": language, "--prompting": prompting, "--items": items, "--revision": revision,
        "--words": words, "--split": split, "--out": out,
    }  # fmt: skip
    given = {name: value for name, value in said.items() if value is not None}
    if study is not None:
        _only_study(study, outputs, list(given))
        _rescored(study, runs, identifier, skip_bad_rows=skip_bad_rows, download=download)
        return
    if outputs is None:
        fix = "Give a study file, whose outputs are scored again, or --outputs FILE with --task and --language."
        raise InputError("score", [Problem("STUDY", "there is nothing to score", fix)])
    _check(outputs, given)
    assert task is not None
    assert language is not None
    prompting = prompting or _PROMPTINGS[0]
    online(download)
    from babeltune.cli import scored as shown
    from babeltune.data.identify import LID176
    from babeltune.data.identify import identifier as named
    from babeltune.measure.outputs import scores
    from babeltune.study import tasks
    from babeltune.study.spec.tasks import SamplingSpec

    identifier = identifier or LID176
    reader = named(identifier, download=download)
    spec = _spec(task, language, {"items": items, "revision": revision, "words": words, "split": split})
    if items is not None and download:
        with errors.status("fetching the items"):
            tasks.fetched(task, spec, language, download=True)
    judge = tasks.make(task, spec, reader, SamplingSpec())
    with errors.status(f"reading {escape(outputs.name)}"):
        found = _found(outputs, judge, items is not None, language, prompting)  # type: ignore[arg-type]
    with errors.status(f"scoring {counted(len(found.answered), 'response')}"):
        scored = scores(judge, found.answered)
        rows = _summed(judge, scored, language, prompting, identifier)  # type: ignore[arg-type]
        seen = shown.findings(task, found.answered, scored, reader)
    shown.show(rows, f"{outputs.name}: {task} in {LANGUAGES[language].name} ({language})", len(found.answered))
    for line in [*seen, *shown.told(found)]:
        console.say(line)
    if out is not None:
        _write(out, found.answered, scored)
        console.say(f"Written: {out}")


def _rescored(study: Path, runs: Path, identifier: str | None, *, skip_bad_rows: bool, download: bool) -> None:
    from babeltune.cli.loading import needs_all
    from babeltune.cli.outcome import answer
    from babeltune.cli.verbs import import_
    from babeltune.study.executors.local import SCORING, rescore
    from babeltune.study.importing.folder import Folder, of_study

    if (imported := of_study(study, runs)) is not None:
        import_.again(Folder(imported), identifier, download)
        return
    if identifier is not None:
        fix = "Leave it out: the study file says who identifies languages."
        raise InputError("score", [Problem("--identifier", "is for --outputs and imports alone", fix)])
    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="models")
    needs_all(opened, study, but=SCORING)
    with progress() as bars:
        ran = rescore(opened, Shown(bars))
    console.say(f"{counted(ran.steps, 'step')} done again in {ran.seconds:.0f} s, from the stored outputs.")
    answer(opened)


def _only_study(study: Path, outputs: Path | None, others: Sequence[str]) -> None:
    """Refuse what is for a file of outputs, where a study is given."""
    from babeltune.rows import kind_of

    problems = []
    if outputs is not None:
        fix = f"Keep one: {study} to score its stored outputs again, or --outputs {outputs}."
        problems.append(Problem("--outputs", "a study is given too", fix))
    elif kind_of(study) not in (None, ".json"):
        problems.append(Problem("STUDY", f"{study} is no study file", f"To score its rows: --outputs {study}."))
    if others:
        fix = "Leave it out: the study file says all that it needs."
        problems.append(Problem(", ".join(others), "is for --outputs alone", fix))
    if problems:
        raise InputError("score", problems)


def _check(outputs: Path, given: Mapping[str, str | Path]) -> None:
    """Refuse options that are wrong or do not go together, all at once."""
    problems = []
    task, language, prompting = (str(given.get(name, "")) for name in ("--task", "--language", "--prompting"))
    if task not in TASKS:
        what = f"unknown task '{task}'" if task else "is missing"
        problems.append(Problem("--task", what, instead(task.lower(), TASKS)))
    if language not in LANGUAGES:
        what = f"unknown language '{language}'" if language else "is missing"
        problems.append(Problem("--language", what, suggest(language)))
    if prompting not in ("", *_PROMPTINGS):
        problems.append(Problem("--prompting", f"unknown prompting '{prompting}'", "There are xx:xx and en:xx."))
    elif prompting == "en:xx" and task in ("dialogue", "xcsqa", "xnli"):
        problems.append(Problem("--prompting", f"{task} has no en:xx", "It has xx:xx, which may be left out."))
    if "--words" in given and (task != "xnli" or given["--words"] not in _WORDS):
        what = f"'{given['--words']}' given for {task}"
        problems.append(Problem("--words", what, "For xnli: harness or corrected."))
    if "--split" in given and task != "dialogue":
        problems.append(Problem("--split", f"'{given['--split']}' given for {task}", "It is for dialogue alone."))
    for name in ("--revision", "--words", "--split"):
        if name in given and "--items" not in given:
            problems.append(Problem(name, "given without --items", "Say where the items are, or leave it out."))
    if "--out" in given and Path(given["--out"]).resolve() == outputs.resolve():
        problems.append(Problem("--out", "is the file that is read", "Give it another name."))
    if problems:
        raise InputError("score", problems)


def _spec(task: str, language: str, given: Mapping[str, str | None]) -> AnyTaskSpec:
    """The task as a study file would name it; items that are in the rows are not looked for."""
    from babeltune.study.spec.tasks import TASK_SPECS

    fields = {name: value for name, value in given.items() if value is not None}
    if "items" in fields and task == "simplification":
        return TASK_SPECS[task].model_validate({"languages": [language], "sample": None, **fields})
    return TASK_SPECS[task].model_validate({"languages": [language], **fields})


def _found(outputs: Path, task: Task, apart: bool, language: str, prompting: Prompting) -> Found:
    """The rows with their items, which the rows hold themselves unless they are ``apart``."""
    from babeltune.measure.outputs import alone, joined
    from babeltune.measure.tasks import prompt
    from babeltune.rows import file_rows

    subject = f"outputs '{outputs}'"
    if not outputs.is_file():
        what = "is a folder" if outputs.is_dir() else "there is no such file"
        raise RowsError(subject, [Problem(str(outputs), what, "Give a file with one response a row.")])
    if apart:
        return joined(file_rows(outputs), task.items(language, prompting), task.name, language, subject)
    prefix = ""
    code = prompt.prompt_language(language, prompting)
    if task.name in ("xquad", "xcsqa") and code in prompt.languages(task.name):
        prefix = prompt.template(task.name, code).prefix
    return alone(file_rows(outputs), task.name, language, subject, prefix)


def _summed(task: Task, scored: Sequence[Score], language: str, prompting: Prompting, identifier: str) -> Sequence[Row]:
    from babeltune.measure.pools import Scored, pools
    from babeltune.measure.summary import rows
    from babeltune.records import Cell

    cell = Cell("outputs", "outputs", 0, task.name, language, prompting, 0)
    return rows(pools([Scored(cell, scored, "-", "-")]), {task.name: task.metrics}, identifier)


def _write(out: Path, answered: Sequence[Answered], scored: Sequence[Score]) -> None:
    write_lines(
        out,
        (
            {
                "item": found.item,
                "values": found.values,
                "notes": found.notes,
                "unscored": found.unscored,
                "response": None if one.output is None else one.output.text or list(one.output.loglikelihoods) or "",
            }
            for one, found in zip(answered, scored, strict=True)
        ),
    )
