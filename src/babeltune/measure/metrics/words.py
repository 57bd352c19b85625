"""Words: those of a line, counted with or without spaces between them, and which of them are English."""

from __future__ import annotations

import functools
import re
from collections.abc import Set

from babeltune.errors import BabeltuneError
from babeltune.languages import LANGUAGES

CHARACTERS_A_WORD = 1.5
"""Where there are no spaces. From 1.45 to 1.7 the pass rates of the benchmark's sets stay the same."""
LONGER_THAN = 3
"""Letters: shorter words are words, names or abbreviations of other languages too often (benchmark's script)."""

_UNSPACED = "\u0e00-\u0e7f\u3040-\u309f\u3400-\u9fff"
"""Thai, Hiragana, Chinese characters. Not Katakana: a run of them is most often one word."""
_PIECE = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|(?P<word>[^\W{_UNSPACED}]+)|(?P<space>\s)|(?P<sign>.)")


def words_of(line: str, language: str | None = None) -> list[str]:
    """The words of a line without punctuation, in a language (an ISO code) or, where it is unknown, by its script.

    Where words are written without spaces, one empty string stands for each that is only counted.
    """
    if LANGUAGES[language].spaced if language is not None else not re.search(f"[{_UNSPACED}]", line):
        return line.split()
    words: list[str] = []
    counted = 0.0
    for piece in _PIECE.finditer(line):
        if piece["word"]:
            words.append(piece["word"])
        elif piece["unspaced"]:
            counted += len(piece["unspaced"]) / CHARACTERS_A_WORD
        # jieba gives spaces as words, MeCab does not; without them the Chinese rates are 5 points off.
        elif piece["sign"] or language == "zh":
            counted += 1
    return words + [""] * int(counted + 0.5)


def is_english(word: str, words: Set[str]) -> bool:
    """Whether it is an English word by this list: in lower case (a name is not), and not among the short ones."""
    return len(word) > LONGER_THAN and word.islower() and word in words


@functools.cache
def english_words() -> frozenset[str]:
    """The words of pyspellchecker's English dictionary (https://github.com/barrust/pyspellchecker, MIT).

    It holds the benchmark's own words but for ten with an accent, and about as many others, some of them names or of
    other languages (``koto``): a comparison with published word pass rates wants the benchmark's list.

    Raises:
        BabeltuneError: the package is not installed.
    """
    try:
        from spellchecker import SpellChecker
    except ImportError as error:
        raise BabeltuneError(
            "The word pass rate needs English words. Install pyspellchecker, or give a list of your own as 'words'."
        ) from error
    return frozenset(SpellChecker(language="en").word_frequency.words())
