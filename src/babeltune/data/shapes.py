"""Shapes: a row -> a chat, told by its columns. What a chat must be is checked here, once for all shapes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

from babeltune.data import trees
from babeltune.errors import Problem
from babeltune.languages import LANGUAGES, code_of
from babeltune.records import ASSISTANT, HUMAN, Chat, Role, Turn
from babeltune.rows import Row

Shape = Literal["guanaco", "messages", "sharegpt", "alpaca", "openassistant-trees", "openassistant-messages"]

_SHAPES = (
    'Known shapes: messages {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}; '
    f'guanaco {{"text": "{HUMAN} …{ASSISTANT} …"}}; '
    'sharegpt {"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}]}; '
    'alpaca {"instruction": "…", "input": "…", "output": "…"}; '
    'openassistant-trees {"message_tree_id": "…", "prompt": {"text": "…", "replies": […]}}; '
    'openassistant-messages {"message_id": "…", "parent_id": "…", "message_tree_id": "…", "role": "…", "text": "…"}; '
    '"id" and "language" are optional. For any other, name the columns: `columns: {prompt: …, answer: …}`.'
)
_MARKERS = re.compile(f"({re.escape(HUMAN)}|{re.escape(ASSISTANT)})")
_ROLES: dict[str, dict[str, Role | Literal["system"]]] = {
    "role": {"user": "user", "assistant": "assistant", "system": "system"},
    "from": {
        **{"human": "user", "user": "user", "system": "system"},
        **{"gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant", "bing": "assistant"},
    },
}


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a single-turn set of no known shape."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    prompt: str
    answer: str
    context: str | None = None
    """What the prompt is about; it follows the prompt after a blank line, as Alpaca's input does."""
    language: str | None = None
    id: str | None = None


def tell(row: Row) -> Shape | Problem:
    """The shape of a row by the names of its columns. Columns that are None count only where no others tell."""
    shape = _told({name for name, value in row.fields.items() if value is not None}) or _told(row.fields.keys())
    return shape or Problem(row.where, f"no known shape has the columns {sorted(row.fields)}", _SHAPES)


def _told(names: Collection[str]) -> Shape | None:
    # Columns of several shapes: Alpaca's own set also has a text, a set of messages often also the first prompt.
    if "messages" in names:
        return "messages"
    if "conversations" in names:
        return "sharegpt"
    if {"message_tree_id", "prompt"} <= set(names):
        return "openassistant-trees"
    if {"message_id", "role", "text"} <= set(names):
        return "openassistant-messages"
    if {"instruction", "output"} <= set(names):
        return "alpaca"
    return "guanaco" if "text" in names else None


def chats(
    rows: Iterable[Row | Problem], shape: Shape | None = None, columns: Columns | None = None
) -> Iterator[Chat | Problem]:
    """The chats of a source's rows, one at a time; shape or columns hold for all rows, else each is told by itself.

    A chat's id is that of its row or tree, else the row's 0-based number; broken rows count, so that mending one moves
    no other. Its language is ``language``, or ``lang`` where that is a code or label of ours. Messages of OpenAssistant
    are gathered tree by tree, so the rows of a tree must follow each other, as they do in the published files.
    """
    seen: dict[str, str] = {}
    for number, row, told in _gathered(rows, shape, columns):
        made = row if isinstance(row, Problem) else _chat(row, str(number), told, columns)
        if isinstance(row, Row) and isinstance(made, Chat):
            if made.id in seen:
                what = f"id '{made.id}' is already that of {seen[made.id]}"
                made = Problem(row.where, what, "Give each chat its own id.")
            else:
                seen[made.id] = row.where
        yield made


def _gathered(
    rows: Iterable[Row | Problem], shape: Shape | None, columns: Columns | None
) -> Iterator[tuple[int, Row | Problem, Shape | None]]:
    """Number, row and shape, with the messages of each OpenAssistant tree as one row."""
    tree: list[Row] = []
    start = 0
    for number, row in enumerate(rows):
        if isinstance(row, Problem) or columns:
            yield number, row, None
            continue
        told = shape or tell(row)
        if tree and (told != "openassistant-messages" or trees.tree_id(row) != trees.tree_id(tree[0])):
            yield start, trees.planted(tree), "openassistant-trees"
            tree = []
        if isinstance(told, Problem):
            yield number, told, None
        elif told != "openassistant-messages":
            yield number, row, told
        else:
            start = start if tree else number
            tree.append(row)
    if tree:
        yield start, trees.planted(tree), "openassistant-trees"


def _chat(row: Row, default_id: str, shape: Shape | None, columns: Columns | None) -> Chat | Problem:
    where, fields = row.where, row.fields
    turns = _from_columns(row, columns) if columns else _turns(row, shape)
    if isinstance(turns, Problem):
        return turns
    if shape == "openassistant-trees":
        fields = {"id": fields.get("message_tree_id"), "lang": fields["prompt"].get("lang"), **fields}
    at, said = (columns.id or "id", columns.language or "language") if columns else ("id", "language")
    name, language = fields.get(at), fields.get(said)
    if name is None or name == "":
        name = default_id
    if not isinstance(name, str | int) or isinstance(name, bool):
        return Problem(where, f"field '{at}' is {name!r}", "Give a string or a whole number, or leave it out.")
    if language is not None and not isinstance(language, str):
        return Problem(where, f"field '{said}' is {language!r}", 'Give an ISO code such as "de", or leave it out.')
    code = (_code(language) or language) if language else _code(fields.get("lang"))
    try:
        "".join([str(name), code or "", *(turn.content for turn in turns)]).encode()
    except UnicodeEncodeError:
        return Problem(where, "half a character (a lone surrogate such as \\ud83d)", "Write the whole character.")
    return Chat(str(name), turns, code)


def _code(tag: object) -> str | None:
    """Our code for a label (``deu_Latn``) or a tag (``pt-BR``), or None."""
    if not isinstance(tag, str):
        return None
    first = tag.partition("-")[0]
    return code_of(tag) or (first if first in LANGUAGES else None)


def _turns(row: Row, shape: Shape | None) -> tuple[Turn, ...] | Problem:
    match shape:
        case "messages":
            return _from_list(row, "messages", "role", "content")
        case "sharegpt":
            return _from_list(row, "conversations", "from", "value")
        case "alpaca":
            return _from_columns(row, Columns("instruction", "output", "input" if "input" in row.fields else None))
        case "openassistant-trees":
            found = trees.best_path(row)
            return found if isinstance(found, Problem) else _checked(found, row.where)
        case _:
            return _from_text(row)


def _from_columns(row: Row, columns: Columns) -> tuple[Turn, ...] | Problem:
    """A prompt, what it is about after a blank line, and an answer."""
    named = [name for name in (columns.prompt, columns.context, columns.answer) if name is not None]
    said = {}
    for name in named:
        if name not in row.fields:
            what = f"there is no column '{name}' among {sorted(row.fields)}"
            return Problem(row.where, what, "Name the columns as the file does.")
        said[name] = row.fields[name]
        if said[name] is None and name == columns.context:
            said[name] = ""
        if not isinstance(said[name], str):
            return Problem(row.where, f"field '{name}' is {said[name]!r}", "Prompt, context and answer are strings.")
    context = said[columns.context].strip() if columns.context is not None else ""
    prompt = said[columns.prompt].strip()
    asked = f"{prompt}\n\n{context}" if prompt and context else prompt
    return _checked([Turn("user", asked), Turn("assistant", said[columns.answer].strip())], row.where)


def _from_list(row: Row, field: str, speaker: str, words: str) -> tuple[Turn, ...] | Problem:
    """A list of messages. Chats keep to two roles: what a system message says begins the first question."""
    where, messages = row.where, row.fields.get(field)
    if not isinstance(messages, list) or not messages:
        return Problem(where, f"field '{field}' is not a list of messages", _SHAPES)
    turns: list[Turn] = []
    system = ""
    for number, message in enumerate(messages, 1):
        if not isinstance(message, Mapping):
            return Problem(where, f"message {number} is not an object", _SHAPES)
        missing = [key for key in (speaker, words) if not isinstance(message.get(key), str)]
        if missing:
            return Problem(where, f"message {number} lacks the field '{missing[0]}'", _SHAPES)
        role, said = _ROLES[speaker].get(message[speaker]), message[words].strip()
        if role == "system" and number == 1:
            system = said
        elif role == "user" or role == "assistant":
            turns.append(Turn(role, f"{system}\n\n{said}" if system and number == 2 and role == "user" else said))
        else:
            fix = f"Roles are {', '.join(_ROLES[speaker])}; system's stands first."
            return Problem(where, f"message {number} has the role '{message[speaker]}'", fix)
    return _checked(turns, where)


def _from_text(row: Row) -> tuple[Turn, ...] | Problem:
    """Guanaco's shape: one string with role markers (https://huggingface.co/datasets/timdettmers/openassistant-guanaco)."""
    text = row.fields.get("text")
    if not isinstance(text, str):
        return Problem(row.where, "field 'text' is not a string", _SHAPES)
    before, *parts = _MARKERS.split(text)
    if before.strip() or not parts:
        return Problem(row.where, f"field 'text' does not start with '{HUMAN}'", _SHAPES)
    roles: dict[str, Role] = {HUMAN: "user", ASSISTANT: "assistant"}
    return _checked(
        [Turn(roles[mark], said.strip()) for mark, said in zip(parts[::2], parts[1::2], strict=True)], row.where
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
