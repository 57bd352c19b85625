"""The command line: parse, call, print."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module

import typer

from babeltune.cli.terminal import errors
from babeltune.errors import BabeltuneError

VERBS: dict[str, str] = {
    "plan": "study.plan",
    "mix": "mix.mix",
    "run": "study.run",
    "status": "study.status",
    "report": "study.report",
    "figures": "figures.figures",
    "compare": "compare.compare",
    "scorecard": "scorecard.scorecard",
    "import": "import_.import_",
    "judge": "judge.judge",
    "annotate": "annotate.annotate",
    "translate": "translate.translate",
    "ledger": "ledger.ledger",
    "score": "score.score",
    "chat": "chat.chat",
    "export": "export.export",
    "lint-prompts": "lint_prompts.lint_prompts",
    "lid": "lid.lid",
    "census": "census.census",
}
"""Verb -> its file and function, in the order in which they are shown."""


def application(verbs: Iterable[str] = VERBS) -> typer.Typer:
    """The command line with these verbs. Whoever calls one should not wait for the others to be read."""
    app = typer.Typer(
        name="babeltune",
        help="In how many languages must a language model be instruction-tuned before it answers people in theirs?\n\n"
        "A study file names a grid: models, mixes of chats, tasks, languages. See it with `plan`, fill it with `run`, look "
        "at it with `status`, and read the answer with `report`. Start with studies/pocket.yaml.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=True,
    )
    app.callback()(lambda: None)  # with one verb alone, the verb is still to be named
    for verb in verbs:
        file, _, name = VERBS[verb].partition(".")
        app.command(verb)(getattr(import_module(f"babeltune.cli.{file}"), name))
    return app


def main() -> None:
    """Entry point. Errors that we raise on purpose are printed, not traced; see ``errors`` for the exit codes."""
    asked = sys.argv[1:2]
    try:
        application(asked if set(asked) <= VERBS.keys() and asked else VERBS)()
    except BabeltuneError as error:
        errors.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == 130:  # what typer makes of Ctrl-C
            errors.print("Stopped. Nothing finished is lost: the same command goes on.", markup=False)
        raise
