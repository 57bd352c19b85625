"""What is translated: prompts or chats of a file, and the rows that they become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from babeltune.cli.terminal import counted, errors
from babeltune.errors import Problem

if TYPE_CHECKING:
    from babeltune.data.translation.prompts import How
    from babeltune.data.translation.translate import Translated
    from babeltune.records import Chat, Engine, Identifier, Item, Request
    from babeltune.rows import Row


@dataclass(frozen=True, slots=True)
class Prompt:
    """One of a file."""

    id: str
    text: str
    split: str | None
    """As the file has it; rows of another split than the tested one are no items."""


@dataclass(frozen=True, slots=True)
class Originals:
    """What is translated: prompts or chats, in the order of the source."""

    prompts: tuple[Prompt, ...] = ()
    chats: tuple[Chat, ...] = ()
    source_language: str = "en"

    @property
    def unit(self) -> str:
        """In words."""
        return "chats" if self.chats else "prompts"

    @property
    def ids(self) -> list[str]:
        """In order."""
        return [one.id for one in self.prompts or self.chats]

    def translated(self, language: str, engine: Engine, identifier: Identifier, how: How) -> Iterator[Translated]:
        """As they are finished."""
        from babeltune.data.translation.translate import Translator

        translator = Translator(engine, identifier, how, purpose=f"translate-{language}")
        if self.chats:
            return translator.chats(self.chats, language, spoken=self.source_language)
        return translator.texts({one.id: one.text for one in self.prompts}, language, spoken=self.source_language)

    def requests(self, language: str, how: How) -> Iterator[tuple[Request, int]]:
        """First tries, and the characters of what each is about."""
        from babeltune.data.translation.prompts import Original, original, request

        for chat in self.chats:
            yield request(original(chat), language, how), len(chat.text)
        for one in self.prompts:
            yield request(Original(one.id, (one.text,)), language, how), len(one.text)

    def rows(self, language: str, found: Mapping[str, Translated]) -> Iterator[dict[str, object]]:
        """Rows of the language's file: as `dialogue` reads items, and `chats:` chats."""
        for one in self.prompts:
            if one.id in found:
                split = {} if one.split is None else {"split": one.split}
                yield {"id": one.id, **split, "prompt": found[one.id].text}
        for chat in self.chats:
            if chat.id in found:
                yield _chat_row(found[chat.id].chat(chat), language)

    def own_rows(self) -> Iterator[dict[str, object]]:
        """Rows of the source's own file."""
        for one in self.prompts:
            split = {} if one.split is None else {"split": one.split}
            yield {"id": one.id, **split, "prompt": one.text}
        for chat in self.chats:
            yield _chat_row(chat, chat.language or self.source_language)


def prompts(path: Path, language: str) -> Originals:
    """Prompts of a file, with the ids and numbers that ``dialogue`` gives them.

    Raises:
        ItemsError: there is no such file, or with every row that is no prompt.
    """
    from babeltune.errors import ItemsError, RowsError
    from babeltune.measure.tasks import items
    from babeltune.records import Item
    from babeltune.rows import file_rows

    subject = f"prompts '{path}'"
    splits: dict[str, str | None] = {}
    number = 0

    def make(row: Row) -> Item:
        nonlocal number
        number += 1
        field = "instruction" if "prompt" not in row.fields and "instruction" in row.fields else "prompt"
        prompt = items.text(row.fields, field)
        given = row.fields.get("id")
        named = str(number) if given is None else items.text({"id": str(given)}, "id")
        split = row.fields.get("split")
        splits[named] = None if split is None else str(split)
        return Item(named, language, prompt)

    if not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise ItemsError(
            subject, [Problem(str(path), what, "Give a file with one prompt a row; for chats add --chats.")]
        )
    try:
        found = items.parsed(file_rows(path), make, subject)
    except RowsError as error:
        raise ItemsError(subject, error.problems) from error
    return Originals(tuple(Prompt(one.id, one.prompt, splits[one.id]) for one in found), source_language=language)


def chats(path: Path, language: str, *, skip_bad_rows: bool) -> Originals:
    """Chats of any source on disk.

    Raises:
        ChatsError: as of ``read_chats``.
    """
    from babeltune.data.sources import Source, read_chats

    read = read_chats(Source(str(path)), skip_bad_rows=skip_bad_rows)
    if read.skipped:
        errors.say(f"Left out: {counted(len(read.skipped), 'malformed row')}.")
    return Originals(chats=read.chats, source_language=language)


def _chat_row(chat: Chat, language: str) -> dict[str, object]:
    messages = [{"role": turn.role, "content": turn.content} for turn in chat.turns]
    return {"id": chat.id, "language": language, "messages": messages}
