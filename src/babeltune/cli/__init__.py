"""The command line: parse, call, print."""

from __future__ import annotations

import sys

import typer

from babeltune.cli import (
    annotate,
    census,
    chat,
    compare,
    export,
    figures,
    import_,
    judge,
    ledger,
    lid,
    lint_prompts,
    mix,
    score,
    scorecard,
    study,
    translate,
)
from babeltune.cli.terminal import errors
from babeltune.errors import BabeltuneError

app = typer.Typer(
    name="babeltune",
    help="In how many languages must a language model be instruction-tuned before it answers people in theirs?\n\n"
    "A study file names a grid: models, mixes of chats, tasks, languages. See it with `plan`, fill it with `run`, look "
    "at it with `status`, and read the answer with `report`. Start with studies/pocket.yaml.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
for verb in (
    study.plan, mix.mix, study.run, study.status, study.report, figures.figures, compare.compare, chat.chat, export.export, score.score, lid.lid,
    census.census, judge.judge, ledger.ledger, translate.translate, annotate.annotate,
):  # fmt: skip
    app.command()(verb)
app.command("lint-prompts")(lint_prompts.lint_prompts)
app.command("import")(import_.import_)
app.command()(scorecard.scorecard)


def main() -> None:
    """Entry point. Errors that we raise on purpose are printed, not traced; see ``errors`` for the exit codes."""
    try:
        app()
    except BabeltuneError as error:
        errors.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == 130:  # what typer makes of Ctrl-C
            errors.print("Stopped. Nothing finished is lost: the same command goes on.", markup=False)
        raise
