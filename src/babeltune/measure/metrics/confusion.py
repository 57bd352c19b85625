"""Language confusion: does a response stay in the language it should be in, and where does it flip?

Line and word pass rate of the Language Confusion Benchmark (Marchisio et al. 2024, https://arxiv.org/abs/2406.20052),
by the rules of its script (https://github.com/for-ai/language-confusion): a response is cut before a further question,
loses ASCII punctuation, and is judged by its lines of five words or more. It passes the line check if all of them are
in the language; it passes the word check if there is no English word in them either.

Where words are written without spaces the script counts those of a segmenter (jieba, MeCab), and this counts by
characters, which needs none: both rates are within one point of the script's for Chinese and Japanese, and equal to
them for all other languages. The script judges a line without letters by what fastText makes of it;
here such a line is passed over.
"""

from __future__ import annotations

import string
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

from babeltune.languages import LANGUAGES, code_of, known
from babeltune.measure.metrics.words import english_words, is_english, words_of
from babeltune.records import Identified, Identifier

THRESHOLD = 0.3
"""A line is in a language if the identifier is surer of it than this (benchmark's script)."""
LINE_WORDS = 5
"""Words of the shortest line that is judged (benchmark's script)."""

_NEXT_QUESTION = "\nQ:"
"""Base models go on with one after a few-shot prompt (benchmark's script)."""
_NORMAL = str.maketrans({**dict.fromkeys(string.punctuation + "،"), "—": " "})


@dataclass(frozen=True, slots=True)
class PassRates:
    """The benchmark's two rates over the responses in one language."""

    line: float | None
    """Share of the ``n`` responses whose judged lines are all in the language, in [0, 1]; None where ``n`` is 0."""
    word: float | None
    """Share of the responses that pass the line check and hold no English word, in [0, 1].

    1 where none passes the line check, as the script has it; None for languages in Latin script and where ``n`` is 0.
    """
    n: int
    """Responses with a line that can be judged. Empty ones, those of short lines and those without letters are not."""


@dataclass(frozen=True, slots=True)
class LineCheck:
    """On one response: all that a resample of the rates needs."""

    judged: int
    """Lines that can be judged: five words or more, with letters. Without one the response has no part in a rate."""
    astray: int
    """Of these, lines in another language, or in none that the identifier is sure of."""
    english: tuple[str, ...] = ()
    """English words in the judged lines, in order; none is looked for in Latin script or where a line is astray."""

    @property
    def passes(self) -> bool:
        """Whether it passes the line check."""
        return self.judged > 0 and not self.astray


def pass_rates(
    outputs: Sequence[str], language: str, identifier: Identifier, *, words: Set[str] | None = None
) -> PassRates:
    """Line and word pass rate of the texts of the outputs, which should be in this language (an ISO code).

    ``words``: English ones; those of ``english_words`` where left out, and used for scripts other than Latin alone.

    Raises:
        ValueError: the language is not in the table.
        BabeltuneError: ``words`` is left out, and the package that has them is missing.
    """
    return rates(line_checks(outputs, language, identifier, words=words), language)


def rates(checks: Sequence[LineCheck], language: str) -> PassRates:
    """The rates over these responses in one language."""
    n = sum(check.judged > 0 for check in checks)
    if not n:
        return PassRates(None, None, 0)
    passed = [check for check in checks if check.passes]
    line = len(passed) / n
    if not _has_word_rate(language):
        return PassRates(line, None, n)
    return PassRates(line, 1 - sum(bool(check.english) for check in passed) / max(1, len(passed)), n)


def line_checks(
    outputs: Sequence[str], language: str, identifier: Identifier, *, words: Set[str] | None = None
) -> list[LineCheck]:
    """One a text, in order; all lines are identified in one call. Arguments and errors as of ``pass_rates``."""
    known(language)
    if words is None:
        words = english_words() if _has_word_rate(language) else frozenset()
    long = [[line for line in _lines(text) if len(words_of(line.text, language)) >= LINE_WORDS] for text in outputs]
    found = iter(identifier.identify([line.text for lines in long for line in lines]))
    judgements = []
    for lines in long:
        seen = [(line.text, next(found)) for line in lines]
        judged = [(text, each) for text, each in seen if each.label is not None]
        astray = sum(_language(each) != language for _, each in judged)
        english: tuple[str, ...] = ()
        if not astray and _has_word_rate(language):
            tokens = (word for text, _ in judged for word in words_of(text, language))
            english = tuple(word for word in tokens if is_english(word, words))
        judgements.append(LineCheck(len(judged), astray, english))
    return judgements


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a response."""

    start: int
    """Offset of its first character in the response."""
    end: int
    """Offset after its last; the newline is not part of it."""
    language: str | None
    """ISO code, or the identifier's label where the table has none; None if too short, without letters or unsure."""
    probability: float
    """Of the identifier's first guess, in [0, 1]; 0 where it made none."""


@dataclass(frozen=True, slots=True)
class Flip:
    """Where one language gives way to another."""

    start: int
    """Offset in the response of the first line in the new language."""
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Course:
    """The languages of a response from its beginning to its end."""

    lines: tuple[Line, ...]
    """Those that are not blank, in order."""

    @property
    def flips(self) -> tuple[Flip, ...]:
        """Every change of language, in order. A line without a language changes nothing."""
        told = [(line.start, line.language) for line in self.lines if line.language is not None]
        return tuple(Flip(start, before, after) for (_, before), (start, after) in pairwise(told) if before != after)


def flips(output: str, identifier: Identifier) -> Course:
    """The language of each line of a response, and where it changes; lines and threshold as for the rates."""
    lines = [line for line in _lines(output) if line.text.strip()]
    long = [line for line in lines if len(words_of(line.text)) >= LINE_WORDS]
    found = dict(zip(long, identifier.identify([line.text for line in long]), strict=True))
    unknown = Identified(None, 0.0, "too short")
    return Course(
        tuple(
            Line(line.start, line.end, _language(each), each.probability)
            for line in lines
            for each in (found.get(line, unknown),)
        )
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """A line as it is judged: normalized, with its place in the response."""

    start: int
    end: int
    text: str


def _lines(response: str) -> list[_Piece]:
    body = response.split(_NEXT_QUESTION, 1)[0]
    start = len(body) - len(body.lstrip())
    pieces = []
    for line in body.strip().split("\n"):
        pieces.append(_Piece(start, start + len(line), line.translate(_NORMAL)))
        start += len(line) + 1
    return pieces


def _language(found: Identified) -> str | None:
    if found.label is None or not found.probability > THRESHOLD:
        return None
    return code_of(found.label) or found.label


def _has_word_rate(language: str) -> bool:
    return LANGUAGES[language].script != "Latn"
