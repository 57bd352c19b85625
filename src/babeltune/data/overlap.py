"""Overlap: chats that hold a test prompt, whole or in part."""

from __future__ import annotations

import re
from collections.abc import Iterable

from babeltune.languages import LANGUAGES
from babeltune.records import Chat, Item

WORDS = 13
"""Words in a row that count as overlap (Brown et al. 2020, appendix C: GPT-3's 13-grams)."""
CHARACTERS = 26
"""The same for languages written without spaces, where a word has about two characters."""
_WORD = re.compile(r"\w+")


class Overlap:
    """Knows the test prompts of a study, and tells which chats hold one.

    A chat holds a prompt if one of its questions is the prompt (without regard to case and spacing), or if any turn has
    13 words in a row with it (26 characters where words are not spaced). Both are looked at as words or characters
    alone: case, spacing and punctuation do not count.
    """

    rule = f"whole prompts and {WORDS} words in a row"

    def __init__(self, items: Iterable[Item]) -> None:
        self._whole: dict[str, Item] = {}
        self._grams: dict[str, Item] = {}
        for item in items:
            self._whole.setdefault(_folded(item.prompt), item)
            spaced = LANGUAGES[item.language].spaced
            for gram in _grams(_tokens(item.prompt, spaced=spaced), WORDS if spaced else CHARACTERS):
                self._grams.setdefault(gram, item)
        # A gram is looked up only where its first token starts one: most places of most chats do not.
        self._firsts = {gram.split(" ", 1)[0] for gram in self._grams}
        self._unspaced = any(not LANGUAGES[item.language].spaced for item in self._grams.values())

    def of(self, chat: Chat) -> Item | None:
        """A test item that the chat holds, or None."""
        for turn in chat.turns:
            if turn.role == "user" and (item := self._whole.get(_folded(turn.content))):
                return item
            for spaced, length in ((True, WORDS), (False, CHARACTERS)) if self._unspaced else ((True, WORDS),):
                tokens = _tokens(turn.content, spaced=spaced)
                for at in range(len(tokens) - length + 1):
                    if tokens[at] in self._firsts and (item := self._grams.get(" ".join(tokens[at : at + length]))):
                        return item
        return None


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _tokens(text: str, *, spaced: bool) -> list[str]:
    words = _WORD.findall(text.casefold())
    return words if spaced else list("".join(words))


def _grams(tokens: list[str], length: int) -> Iterable[str]:
    return (" ".join(tokens[at : at + length]) for at in range(len(tokens) - length + 1))
