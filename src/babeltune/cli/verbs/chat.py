"""The verb ``chat``: put a prompt to the base model and the adapters of a study, and see the answers side by side."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.text import Text

from babeltune.cli import columns, completing
from babeltune.cli.files import line_of
from babeltune.cli.loading import Download, Runs, SkipBadRows, StudyFile, open_
from babeltune.cli.terminal import console, counted, errors, visible
from babeltune.errors import EngineError, InputError, Problem, StoreError

if TYPE_CHECKING:
    from babeltune.study.conversation import Answer, Conversation, Voices
    from babeltune.study.session import Event

_NARROWEST = 26
"""Least columns of the terminal for each answer, where they stand side by side."""
_QUIT = "/quit"
_HISTORY = 1000
"""Prompts that are remembered."""


def chat(
    study: StudyFile,
    runs: Runs = Path("runs"),
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", "-p", metavar="TEXT", help="Ask this and end; may be given again.")
    ] = None,
    mix: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completing.mixes,
            help="Only this mix, may be given again; `base` is the untuned model.",
        ),
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Only this tuning seed, may be given again.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Which model, where the study has several.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=5, help="In place of the study's; 0 is greedy.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most tokens of an answer, in place of the study's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each answer.")] = False,
    skip_bad_rows: SkipBadRows = False,
    download: Download = False,
) -> None:
    """Ask the base model and all adapters of a study, and see their answers side by side, each with its language.

    Each prompt stands alone: the adapters are tuned and judged on single
    questions, so nothing that was said before is put to them. Asked again, they
    answer the same: the random numbers hang on the prompt and the study's seed,
    and are the same for all, so that what differs is the tuning.

    Ctrl-D, Ctrl-C or /quit ends it. Prompts also come from --prompt or, a line
    each, from a pipe. Before a run has ended, what is tuned already answers.

    babeltune chat studies/pocket.yaml

    babeltune chat studies/pocket.yaml --mix mono --mix multi-2 -p "Was ist Brot?"

    babeltune chat studies/pocket.yaml --json < prompts.txt
    """
    from babeltune.study.conversation import Conversation, sampling, voices, with_changes
    from babeltune.study.session import Session

    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="anything")
    asked = voices(opened, model, mix or (), seed or ())
    _tell_missing(asked, study)
    given = _checked(prompt) if prompt else None
    how = with_changes(sampling(opened.plan.study), temperature, max_tokens)
    typed = given is None and sys.stdin.isatty() and sys.stdout.isatty()
    try:
        with errors.status("loading the model") as status:

            def tell(event: Event) -> None:
                if event.done < event.total:
                    status.update(escape(event.name))

            talk = Conversation(Session(opened, tell), asked, how)
        if typed:
            drawn = "greedy" if how.temperature == 0 else f"temperature {how.temperature:g}, top-p {how.top_p:g}"
            said = f"{asked.model.name}: {', '.join(voice.name for voice in asked.there)}; {drawn}, at most "
            console.say(f"{said}{counted(how.max_tokens, 'token')}.")
            console.say(f"Each prompt stands alone. {_QUIT} or Ctrl-D ends.", "dim")
        for text in given or (_typed() if typed else _piped()):
            if as_json:
                _print_lines(text, talk, asked)
            else:
                _print(text, talk, echo=not typed)
    except KeyboardInterrupt:
        if not typed:
            raise
        console.print()


def _tell_missing(asked: Voices, study: Path) -> None:
    """Say which adapters are left out; an error where it is all that were asked for."""
    if not asked.missing:
        return
    names = ", ".join(asked.missing)
    if not any(voice.adapter for voice in asked.there):
        raise StoreError(f"{asked.model.name}: none of its adapters is tuned yet ({names}). Run: babeltune run {study}")
    said = f"Not tuned yet, left out: {names}. To tune: babeltune run {study}"
    errors.say(said, "yellow")


def _checked(prompts: Sequence[str], what: str = "--prompt") -> list[str]:
    """The prompts that are not blank.

    Raises:
        InputError: none is left, or one is no text.
    """
    found = [text.strip() for text in prompts if text.strip()]
    problems = [] if found else [Problem(what, "is empty", "Give a prompt.")]
    for text in found:
        try:
            text.encode()
        except UnicodeEncodeError:
            problems.append(Problem(what, "is not UTF-8", "Encode it as UTF-8."))
    if problems:
        raise InputError("chat", problems)
    return found


def _piped() -> Iterator[str]:
    """Prompts from standard input, a line each, as they come."""
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            problem = Problem("standard input", "is not UTF-8", "Encode it as UTF-8.", number)
            raise InputError("chat", [problem]) from error
        if text == _QUIT:
            return
        if text:
            yield text


def _typed() -> Iterator[str]:
    """Prompts from the keyboard, with the line editing and history of the shell."""
    with _history():
        while True:
            try:
                text = input("\n> ").strip()
                text.encode()
            except EOFError:
                console.print()
                return
            except UnicodeError:
                errors.say("That was not UTF-8. Ask again.")
                continue
            if text == _QUIT:
                return
            if text:
                yield text


@contextlib.contextmanager
def _history() -> Iterator[None]:
    """The prompts of earlier chats at the arrow keys, where there is readline and a place to keep them."""
    try:
        import readline
    except ImportError:
        yield
        return
    from babeltune.study.models import cache_folder

    path = cache_folder() / "chat-history"
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(_HISTORY)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            readline.write_history_file(path)


def _print_lines(prompt: str, talk: Conversation, asked: Voices) -> None:
    """A line of JSON an answer."""
    asked_in = talk.language(prompt)
    for one in _answers(prompt, talk):
        row = {
            "prompt": prompt,
            "model": asked.model.name,
            "mix": one.voice.mix,
            "tuning_seed": one.voice.tuning_seed if one.voice.adapter else None,
            "answer": one.text,
            "language": columns.code(one.language),
            "probability": round(one.language.probability, 3),
            "prompt_language": columns.code(asked_in),
            "prompt_probability": round(asked_in.probability, 3),
            "tokens": one.tokens,
            "finish": one.finish,
            "seconds": one.seconds,
        }
        sys.stdout.write(f"{line_of(row)}\n")
        sys.stdout.flush()


def _print(prompt: str, talk: Conversation, *, echo: bool) -> None:
    """The answers in columns, or one under the other as they come."""
    began = time.monotonic()
    asked_in = talk.language(prompt)
    if echo:
        console.print()
        console.print(Text(f"> {visible(prompt)}", style="bold"))
    answers = []
    try:
        if console.width // len(talk.voices) >= _NARROWEST:
            answers = list(_answers(prompt, talk))
            # A terminal that turns right-to-left text would turn whole lines, the columns with them.
            if any(columns.turns(one.text) for one in answers):
                for one in answers:
                    columns.show(one, asked_in)
            else:
                console.print(columns.table(answers, asked_in))
        else:
            for one in _answers(prompt, talk):
                answers.append(one)
                columns.show(one, asked_in)
    except EngineError as error:
        if echo:
            raise
        errors.say(str(error), "red")
        return
    tokens, seconds = sum(one.tokens for one in answers), time.monotonic() - began
    said = f"prompt: {columns.named(asked_in)}; {counted(tokens, 'token')} in {seconds:.1f} s"
    console.say(said, "dim")


def _answers(prompt: str, talk: Conversation) -> Iterator[Answer]:
    """The answers, with a spinner for the time of waiting alone."""
    found = talk.ask(prompt)
    for at, voice in enumerate(talk.voices):
        more = f" ({at + 1} of {len(talk.voices)})" if len(talk.voices) > 1 else ""
        with errors.status(f"{escape(voice.name)} answers{more}"):
            one = next(found)
        yield one
