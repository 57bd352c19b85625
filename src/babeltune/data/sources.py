"""Sources: a bundled set or a file -> chats. Malformed rows are named by file and line, all of them at once."""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babeltune.errors import ChatsError, Problem
from babeltune.records import ASSISTANT, HUMAN, Chat, Role, Turn

POCKET = Path(__file__).parent / "pocket"
"""The bundled chats and prompts, written for this project."""

_SHAPES = (
    'Known shapes: {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}, '
    f'and {{"text": "{HUMAN} …{ASSISTANT} …"}}; "id" and "language" are optional.'
)
_MARKERS = re.compile(f"({re.escape(HUMAN)}|{re.escape(ASSISTANT)})")
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Read:
    """What a source held."""

    chats: tuple[Chat, ...]
    skipped: tuple[Problem, ...]
    """Rows that could not be read; empty unless they were to be skipped."""


def chat_files(source: str) -> list[Path]:
    """The files of a source: ``pocket`` is bundled; anything else is the path of a JSONL file."""
    return sorted((POCKET / "chats").glob("*.jsonl")) if source == "pocket" else [Path(source)]


def content_hash(files: list[Path]) -> str:
    """SHA-256 over the bytes of the files in order: what identifies a source in a fingerprint."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def read_chats(source: str, *, skip_bad_rows: bool = False) -> Read:
    """Read all chats of a source.

    Raises:
        ChatsError: with every row that is broken JSON, invalid UTF-8, of no known shape, without an answer, or that
            repeats an id (beyond twenty they are counted, not listed); not where ``skip_bad_rows``, which returns them
            as ``skipped`` instead.
    """
    chats: list[Chat] = []
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for file in chat_files(source):
        for number, row in _rows(file):
            where = f"{file.name}:{number}"
            read = row if isinstance(row, Problem) else _chat(row, where, f"{file.stem}-{number}")
            if isinstance(read, Chat) and read.id in seen:
                read = Problem(
                    where, f"id '{read.id}' is already that of {seen[read.id]}", "Give each chat its own id."
                )
            if isinstance(read, Problem):
                problems.append(read)
            else:
                seen[read.id] = where
                chats.append(read)
    if not chats and not problems:
        problems.append(Problem(source, "holds no chats", "Give a JSONL file with one chat a line."))
        raise ChatsError(f"chats '{source}'", problems)
    if problems and not skip_bad_rows:
        shown = problems[:_MOST_SHOWN]
        if len(problems) > len(shown):
            shown.append(Problem(source, f"{len(problems) - len(shown)} more", "Mend them"))
        shown.append(
            Problem(
                "to go on without them", f"{len(problems)} of {len(problems) + len(chats)} rows", "Use --skip-bad-rows"
            )
        )
        raise ChatsError(f"chats '{source}'", shown)
    return Read(tuple(chats), tuple(problems))


def _rows(file: Path) -> Iterator[tuple[int, Any]]:
    """1-based line number and parsed row, or the problem in its place. Empty lines are passed over."""
    try:
        handle = file.open("rb")
    except OSError as error:
        raise ChatsError(
            f"chats '{file}'", [Problem(str(file), f"cannot be read ({error.strerror})", "Check the path of `chats:`.")]
        ) from error
    with handle:
        for number, raw in enumerate(handle, 1):
            line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            if not line.strip():
                continue
            where = f"{file.name}:{number}"
            try:
                yield number, json.loads(line.decode().rstrip("\r\n"))
            except UnicodeDecodeError as error:
                yield (
                    number,
                    Problem(where, f"invalid UTF-8 at byte {error.start + 1} of the line", "Save the file as UTF-8."),
                )
            except json.JSONDecodeError as error:
                yield (
                    number,
                    Problem(where, f"broken JSON at column {error.colno} ({error.msg})", "One JSON object a line."),
                )
            except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
                yield number, Problem(where, f"JSON beyond all measure ({error})", "One JSON object a line.")


def _chat(row: object, where: str, default_id: str) -> Chat | Problem:
    if not isinstance(row, dict):
        return Problem(where, f"a {type(row).__name__} in place of an object", _SHAPES)
    language = row.get("language")
    if language is not None and not isinstance(language, str):
        return Problem(where, f"field 'language' is {language!r}", 'Give an ISO code such as "de", or leave it out.')
    name = default_id if row.get("id") is None else row["id"]
    if not isinstance(name, str | int) or isinstance(name, bool):
        return Problem(where, f"field 'id' is {name!r}", "Give a string or a whole number, or leave it out.")
    if "messages" in row:
        turns = _from_messages(row["messages"], where)
    elif "text" in row:
        turns = _from_text(row["text"], where)
    else:
        return Problem(where, f"neither 'messages' nor 'text' among the fields {sorted(row)}", _SHAPES)
    if isinstance(turns, Problem):
        return turns
    try:
        "".join([str(name), language or "", *(turn.content for turn in turns)]).encode()
    except UnicodeEncodeError:
        return Problem(where, "half a character (a lone surrogate such as \\ud83d)", "Write the whole character.")
    return Chat(str(name), turns, language)


def _from_messages(messages: object, where: str) -> tuple[Turn, ...] | Problem:
    if not isinstance(messages, list) or not messages:
        return Problem(where, "field 'messages' is not a list of messages", _SHAPES)
    turns = []
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            return Problem(where, f"message {index + 1} is not an object", _SHAPES)
        missing = [key for key in ("role", "content") if not isinstance(message.get(key), str)]
        if missing:
            return Problem(where, f"message {index + 1} lacks the field '{missing[0]}'", _SHAPES)
        if message["role"] not in ("user", "assistant"):
            return Problem(
                where, f"message {index + 1} has the role '{message['role']}'", 'Roles are "user" and "assistant".'
            )
        turns.append(Turn(message["role"], message["content"].strip()))
    return _checked(turns, where)


def _from_text(text: object, where: str) -> tuple[Turn, ...] | Problem:
    """Guanaco's shape: one string with role markers (https://huggingface.co/datasets/timdettmers/openassistant-guanaco)."""
    if not isinstance(text, str):
        return Problem(where, "field 'text' is not a string", _SHAPES)
    before, *parts = _MARKERS.split(text)
    if before.strip() or not parts:
        return Problem(where, f"field 'text' does not start with '{HUMAN}'", _SHAPES)
    roles: dict[str, Role] = {HUMAN: "user", ASSISTANT: "assistant"}
    return _checked(
        [Turn(roles[mark], said.strip()) for mark, said in zip(parts[::2], parts[1::2], strict=True)], where
    )


def _checked(turns: list[Turn], where: str) -> tuple[Turn, ...] | Problem:
    for index, turn in enumerate(turns):
        expected = "user" if index % 2 == 0 else "assistant"
        if turn.role != expected:
            return Problem(where, f"turn {index + 1} is the {turn.role}'s", "Turns alternate, the user's first.")
        if not turn.content:
            return Problem(where, f"turn {index + 1} (the {turn.role}'s) is empty", "Fill it in or remove the chat.")
    if len(turns) < 2:
        return Problem(where, "there is no answer", "A chat needs at least one answer of the assistant.")
    if turns[-1].role == "user":
        # Guanaco has chats that end with a question: what follows the last answer teaches nothing.
        turns = turns[:-1]
    return tuple(turns)
