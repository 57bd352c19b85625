"""The verb ``chat``: put a prompt to the base model and the adapters of a study, and see the answers side by side."""

from __future__ import annotations

import contextlib
import math
import sys
import time
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from babeltune.cli.terminal import Download, Runs, SkipBadRows, StudyFile, console, errors, line_of, open_, visible
from babeltune.errors import EngineError, InputError, Problem, StoreError
from babeltune.languages import LANGUAGES, code_of

if TYPE_CHECKING:
    from babeltune.records import Identified
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
        list[str] | None, typer.Option("--prompt", "-p", metavar="TEXT", help="Ask this and end; also several times.")
    ] = None,
    mix: Annotated[
        list[str] | None,
        typer.Option("--mix", metavar="NAME", help="Only this mix, also several times; `base` is the untuned model."),
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option("--seed", metavar="N", help="Only this tuning seed, also several times.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Which model, where the study has several.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", min=0, max=5, help="In place of the study's; 0 is greedy.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Most tokens of an answer, in place of the study's.")
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

    Examples: `babeltune chat studies/pocket.yaml`,
    `babeltune chat studies/pocket.yaml --mix mono --mix multi-2 -p "Was ist Brot?"`,
    `babeltune chat studies/pocket.yaml --json < prompts.txt`.
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
            console.print(f"{said}{how.max_tokens} tokens.", markup=False, highlight=False)
            console.print(f"Each prompt stands alone. {_QUIT} or Ctrl-D ends.", style="dim", highlight=False)
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
    errors.print(said, style="yellow", markup=False, highlight=False, soft_wrap=True)


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
                errors.print("That was not UTF-8. Ask again.")
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
            "language": _code(one.language),
            "probability": round(one.language.probability, 3),
            "prompt_language": _code(asked_in),
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
            if any(_turns(one.text) for one in answers):
                for one in answers:
                    _print_one(one, asked_in)
            else:
                console.print(_columns(answers, asked_in))
        else:
            for one in _answers(prompt, talk):
                answers.append(one)
                _print_one(one, asked_in)
    except EngineError as error:
        if echo:
            raise
        errors.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return
    tokens, seconds = sum(one.tokens for one in answers), time.monotonic() - began
    said = f"prompt: {_named(asked_in)}; {tokens:,} tokens in {seconds:.1f} s"
    console.print(said, style="dim", markup=False, highlight=False)


def _answers(prompt: str, talk: Conversation) -> Iterator[Answer]:
    """The answers, with a spinner for the time of waiting alone."""
    found = talk.ask(prompt)
    for at, voice in enumerate(talk.voices):
        more = f" ({at + 1} of {len(talk.voices)})" if len(talk.voices) > 1 else ""
        with errors.status(f"{escape(voice.name)} answers{more}"):
            one = next(found)
        yield one


def _columns(answers: Sequence[Answer], asked_in: Identified) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    for one in answers:
        table.add_column(escape(one.voice.name), ratio=1, overflow="fold")
    table.add_row(*(Group(_text(one), Text(), _facts(one, asked_in)) for one in answers))
    return table


def _print_one(one: Answer, asked_in: Identified) -> None:
    console.print()
    console.print(Text.assemble((one.voice.name, "bold cyan"), "  ", _facts(one, asked_in)), soft_wrap=False)
    console.print(_text(one))


def _text(one: Answer) -> Text:
    return Text(visible(one.text), overflow="fold") if one.text else Text("(nothing)", style="dim italic")


def _facts(one: Answer, asked_in: Identified) -> Text:
    """The language of an answer, green where it is that of the prompt, then its length and when it was there."""
    same = one.language.label == asked_in.label
    judged = one.language.label is not None and asked_in.label is not None
    cut = " (cut)" if one.finish == "length" else ""
    return Text.assemble(
        (_named(one.language), ("green" if same else "red") if judged else "yellow"),
        ("" if same or not judged else f", not {_language(asked_in)}", "red"),
        (f"; {one.tokens:,} tokens{cut}, {one.seconds:.1f} s", "dim"),
    )


def _named(found: Identified) -> str:
    """A language and how sure the identifier is, rounded down: 1.00 is certainty."""
    if found.label is None:
        return f"no language ({found.reason})"
    return f"{_language(found)} {math.floor(100 * found.probability) / 100:.2f}"


def _language(found: Identified) -> str:
    code = _code(found)
    return LANGUAGES[code].name if code in LANGUAGES else str(code)


def _code(found: Identified) -> str | None:
    """ISO code of a language of the table, else the identifier's own label."""
    return None if found.label is None else code_of(found.label) or found.label


def _turns(text: str) -> bool:
    """Whether a text has letters that run from right to left."""
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)
