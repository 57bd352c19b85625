"""Overlap: chats that hold a test prompt, whole or in part."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable, Iterator

from babeltune.languages import LANGUAGES
from babeltune.records import Chat, Item

WORDS = 13
"""Words in a row that count as overlap (Brown et al. 2020, appendix C: GPT-3's 13-grams)."""
CHARACTERS = 26
"""The same for languages written without spaces, where a word has about two characters."""


class Overlap:
    """Knows the test prompts of a study, and tells which chats hold one.

    A chat holds a prompt if one of its questions is the prompt, or if any turn has 13 words in a row with it (26
    characters where words are not spaced). Case, spacing and punctuation do not count.
    """

    rule = f"whole prompts and {WORDS} words in a row"

    def __init__(self, items: Iterable[Item]) -> None:
        self._whole: dict[str, Item] = {}
        self._grams: dict[str, Item] = {}
        for item in items:
            spaced = LANGUAGES[item.language].spaced
            words = _words(item.subject)
            self._whole.setdefault((" " if spaced else "").join(words) or item.subject.strip(), item)
            for gram in _grams(words, WORDS) if spaced else _pieces(words):
                self._grams.setdefault(gram, item)
        self._unspaced = any(not LANGUAGES[item.language].spaced for item in self._grams.values())

    def of(self, chat: Chat) -> Item | None:
        """A test item that the chat holds, or None."""
        for turn in chat.turns:
            words = _words(turn.content)
            if turn.role == "user":
                for whole in (" ".join(words), "".join(words), turn.content.strip()):
                    if whole in self._whole:
                        return self._whole[whole]
            for gram in _grams(words, WORDS):
                if gram in self._grams:
                    return self._grams[gram]
            for gram in _pieces(words) if self._unspaced else ():
                if gram in self._grams:
                    return self._grams[gram]
        return None


class _Letters(dict[int, int | str | None]):
    """For ``str.translate``: letters, their marks and digits stay, apostrophes go, all else is a space."""

    def __missing__(self, code: int) -> int | str | None:
        char = chr(code)
        stays = unicodedata.category(char)[0] in "LMN"
        self[code] = code if stays else None if char in "'’ʼ" else " "
        return self[code]


_LETTERS = _Letters()


def _words(text: str) -> list[str]:
    return unicodedata.normalize("NFC", text).casefold().translate(_LETTERS).split()


def _grams(words: list[str], length: int) -> Iterator[str]:
    return (" ".join(words[at : at + length]) for at in range(len(words) - length + 1))


def _pieces(words: list[str]) -> Iterator[str]:
    """Runs of characters of a text without spaces; not those of a Latin name or a number within it."""
    text = "".join(words)
    if text.isascii():
        return
    foreign = list(itertools.accumulate((not char.isascii() for char in text), initial=0))
    for at in range(len(text) - CHARACTERS + 1):
        if 2 * (foreign[at + CHARACTERS] - foreign[at]) >= CHARACTERS:
            yield text[at : at + CHARACTERS]
