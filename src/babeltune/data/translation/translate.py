"""Translation of prompts and chats by a model that is asked.

Each reply is held against its original (``check.py``). One that does not pass is asked for again with the next seed;
one that never passes is kept out, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from babeltune.data.translation.audit import Row, State
from babeltune.data.translation.check import Checked, Flag, check
from babeltune.data.translation.prompts import How, MalformedReplyError, Original, original, read, request
from babeltune.records import Chat, Engine, Identifier, Output


@dataclass(frozen=True, slots=True)
class Translated:
    """What became of one text or chat."""

    row: Row
    """For the audit; its id and language are the translation's."""
    turns: tuple[str, ...] = ()
    """Of the translation, a text being one turn; empty unless it is good."""

    @property
    def good(self) -> bool:
        """Whether it can stand in for its original."""
        return self.row.state == "good"

    @property
    def text(self) -> str:
        """The translation of a text."""
        return self.turns[0]

    def chat(self, original: Chat) -> Chat:
        """The original with its turns translated. Its confidence is the identifier's; where that took the translation
        for a neighbour's language, 0.
        """
        checked = self.row.checked
        sure = checked.probability if checked.identified == self.row.language else 0.0
        turns = tuple(replace(turn, content=said) for turn, said in zip(original.turns, self.turns, strict=True))
        return Chat(original.id, turns, self.row.language, sure)


@dataclass(frozen=True, slots=True)
class Translator:
    """Whom to ask, and who holds a translation to its language."""

    engine: Engine
    """What it refuses, fails at or leaves unsent comes out in that state."""
    identifier: Identifier
    how: How = field(default_factory=How)
    purpose: str = "translate"
    """The requests' cell, for people."""

    def texts(
        self, texts: Mapping[str, str], language: str, *, spoken: str | Mapping[str, str] = "en"
    ) -> Iterator[Translated]:
        """Translate texts with Figure 9's prompt; yield each once, as it is finished, in any order.

        A text that is blank, or has no letter, has nothing to translate: it comes back as it is, without a call.

        Args:
            texts: id -> text.
            language: code of the language to translate into.
            spoken: code of the texts' language, or of each, where the identifier is not sure of it.

        Raises:
            EngineError: as of ``engine``.
        """
        each = dict.fromkeys(texts, spoken) if isinstance(spoken, str) else spoken
        return self._translate([Original(name, (text,), (), each[name]) for name, text in texts.items()], language)

    def chats(self, chats: Iterable[Chat], language: str, *, spoken: str = "en") -> Iterator[Translated]:
        """Translate chats with Figure 10's prompt, as ``texts`` does; ``spoken`` is of chats that name no language."""
        return self._translate([original(chat, spoken) for chat in chats], language)

    def _translate(self, originals: Iterable[Original], language: str) -> Iterator[Translated]:
        asked: dict[str, Original] = {}
        for one in originals:
            if any(map(str.isalpha, "".join(one.turns))):
                asked[one.id] = one
            else:
                yield Translated(Row(one.id, language, "good", 0), one.turns)
        earlier: dict[str, tuple[str, ...]] = dict.fromkeys(asked, ())
        for attempt in range(self.how.attempts):
            last = attempt == self.how.attempts - 1
            again: dict[str, Original] = {}
            requests = [
                request(one, language, self.how, purpose=self.purpose, attempt=attempt) for one in asked.values()
            ]
            for output in self.engine.complete(requests) if requests else ():
                turns, state, checked = self._judged(asked[output.id], output, language)
                if state == "bad" and not last:
                    again[output.id] = asked[output.id]
                    earlier[output.id] += (", ".join(dict.fromkeys(flag.kind for flag in checked.flags)),)
                    continue
                row = Row(output.id, language, state, attempt + 1, checked, earlier[output.id], output.reason)
                yield Translated(row, turns)
            asked = {name: again[name] for name in asked if name in again}

    def _judged(self, one: Original, output: Output, language: str) -> tuple[tuple[str, ...], State, Checked]:
        """The turns of a reply, none unless it is good; its state; and what was found in it."""
        if output.finish in ("refused", "failed", "unsent"):
            return (), output.finish, Checked()
        if output.finish == "length":
            return (), "bad", Checked((Flag("truncated", f"it ran into the limit of {output.tokens} tokens"),))
        try:
            turns = read(output.text, one.turns, one.roles) if one.roles else (output.text.strip(),)
        except MalformedReplyError as error:
            return (), "bad", Checked((error.flag,))
        checked = check(one.turns, turns, language, self.identifier, one.language)
        return ((), "bad", checked) if checked.flags else (turns, "good", checked)
