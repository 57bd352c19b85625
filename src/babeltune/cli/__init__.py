"""The command line: parse, call, print."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Annotated, NoReturn

import typer

from babeltune import __version__
from babeltune.cli import completing, stopping, usage
from babeltune.cli.terminal import errors
from babeltune.errors import BabeltuneError, StoreError

VERBS: dict[str, str] = {
    "studies": "studies.studies",
    "doctor": "doctor.doctor",
    "plan": "plan.plan",
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
"""Verb -> its file in ``verbs`` and its function, in the order in which they are shown."""


def application(verbs: Iterable[str] = VERBS) -> typer.Typer:
    """The command line with these verbs. Whoever calls one should not wait for the others to be read."""
    app = typer.Typer(
        name="babeltune",
        help="In how many languages must a language model be instruction-tuned before it answers people in theirs?\n\n"
        "A study file names a grid: models, mixes of chats, tasks, languages. See it with `plan`, fill it with `run`, look "
        "at it with `status`, and read the answer with `report`. Start with `babeltune studies pocket > pocket.yaml`.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=True,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_root)
    for verb in verbs:
        file, _, name = VERBS[verb].partition(".")
        app.command(verb)(getattr(import_module(f"babeltune.cli.verbs.{file}"), name))
    return app


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"babeltune {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """What comes before a verb. With it, the verb is to be named even if the command line has but one."""


def main() -> None:
    """Entry point. Errors that we raise on purpose are printed, not traced; see ``errors`` for the exit codes."""
    if _COMPLETE in os.environ:
        with completing.quietly():
            _called(completing.verb(os.environ))
    else:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
                stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter is shown its code
        with stopping.stoppable() as stopped:
            _called(sys.argv[1] if len(sys.argv) > 1 else None, stopped)


def _called(verb: str | None, stopped: Callable[[], int] = lambda: INTERRUPTED) -> None:
    try:
        code = application([verb] if verb in VERBS else VERBS)(standalone_mode=False)
        sys.stdout.flush()
    except BabeltuneError as error:
        _failed(error)
    except usage.WRONG as error:
        if usage.is_help(error):
            sys.exit(2)
        _failed(usage.told(error, verb if verb in VERBS else None))
    except PermissionError as error:  # of a place that somebody named: pathlib cannot even say whether it is there
        _failed(
            StoreError(f"{error.filename}: {error.strerror}. Name a place that you may read, or have it opened to you.")
        )
    except typer.Abort:  # a question that was not answered
        errors.say("Nothing was done.")
        sys.exit(1)
    except KeyboardInterrupt:  # before the verb was there to be interrupted
        code = INTERRUPTED
    except BrokenPipeError:  # whoever reads, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    if code == INTERRUPTED:
        with contextlib.suppress(OSError):  # the terminal may be what is gone
            errors.say("Stopped. Nothing finished is lost: the same command goes on.")
        code = stopped()
    sys.exit(code)


def _failed(error: BabeltuneError) -> NoReturn:
    errors.say(str(error), "red")
    sys.exit(error.exit_code)


_COMPLETE = "_BABELTUNE_COMPLETE"
"""Set where a shell asks for completions."""
INTERRUPTED = 130
"""What typer makes of Ctrl-C."""
