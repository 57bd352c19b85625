"""Spans: is the answer of a passage in the response? Rules for XQuAD side by side (paper, section 4.3).

Every value is in [0, 1]. A response without an answer is wrong (0) and says why in ``note``; an item whose reference
is no answer is unscored.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache

from babeltune.languages import LANGUAGES, known
from babeltune.measure.metrics.match import QUOTES, Gold, Match, Matcher, has_case

_KEPT = 1 << 13
"""Texts of which what was read is kept: two rules ask for it, and many cells have the same questions and references."""
CUT = 50
"""Characters of a response that XQuAD's two readings look at (paper, footnote 11)."""
REPEATING = ("de", "ru")
"""Languages in which a repeated question is dropped (paper, footnote 11). The authors' code drops it in all."""
LEAD_INS: dict[str, tuple[str, ...]] = {
    "de": ("auf", "laut dem Text", "im Text heißt es"),
    "hi": ("उत्तर", "उत्तर है"),
    "ru": ("должен быть", "это"),
}
"""What models say before the answer (authors' code). Its ``auf`` and the Russian ones are literal; it also drops a
German quoting phrase and a Hindi answer label, whose wording we do not have: those here are inferred."""
ARTICLES: dict[str, str] = {
    "de": "der die das den dem des ein eine einen einem einer eines",
    "el": "ο η το οι τα του της των τον την τους τις ένας ένα έναν μια μία ενός μιας",
    "en": "a an the",
    "es": "el la lo los las un una unos unas",
}
"""Words that exact match and F1 leave out: English as in SQuAD, the others in its spirit, as MLQA has them for some.
XQuAD's other languages have no such words, or join them to the noun."""


def xquad_paper(response: str, gold: Gold) -> Match:
    """1 if the response begins with a reference, else 0 (paper, section 4.3 and footnote 11).

    "Minimal post-processing": a repeated question is dropped where the item is German or Russian, and what follows is
    cut at its first line break or after 50 characters. Case counts. Leading punctuation is dropped too, of references
    as well (``《圣经》``), which the paper does not say: models open the quotation once more; and texts that Unicode holds
    for the same are (Hindi's ``फ़`` as one character or two). A word's beginning is enough, ``12`` matches ``120``; a
    reference of more than 50 characters never matches.
    """
    text, question, *references = (
        unicodedata.normalize("NFC", part).strip() for part in (response, gold.question, *gold.references)
    )
    if gold.language in REPEATING:
        text = _without_question(text, question)
    text = (_without_head(text).splitlines() or [""])[0][:CUT]
    wanted = [_without_head(reference) or reference for reference in references]
    return _verdict("xquad-paper", text, wanted, text.startswith)


def xquad_code(response: str, gold: Gold, lead_ins: Mapping[str, Sequence[str]] = LEAD_INS) -> Match:
    """1 if a reference is in the first 50 characters of the post-processed response, else 0 (authors' code).

    Its seven steps, in its order; response, question and references pass through Moses's English punctuation rules in
    all languages. Case counts. An apostrophe ends the answer as a quote mark does: ``Queen's Park`` is searched in
    ``Queen``. Ours are: the question is given, not sought in the prompt; of the lead-ins the longest is dropped, once,
    and only as whole words; punctuation is what Unicode calls so, hence ``$`` stays; quotes that the English rules
    leave alone (「」) do not end the answer.
    """
    normalise = _moses()
    text = _without_question(normalise(response), normalise(gold.question))
    for lead_in in sorted(lead_ins.get(gold.language, ()), key=len, reverse=True):
        if text.startswith(lead_in) and not _is_word(text[len(lead_in) : len(lead_in) + 1]):
            text = text[len(lead_in) :]
            break
    text = re.split("[\"'\n]", _without_head(text), maxsplit=1)[0][:CUT]
    references = [normalise(reference) for reference in gold.references]
    return _verdict("xquad-code", text, references, lambda reference: reference in text)


def exact_match(response: str, gold: Gold) -> Match:
    """1 if the answer's tokens are a reference's, else 0: SQuAD's exact match, normalised by language (``tokens``).

    Not in the paper. The answer is what ``answer`` cuts out, since models go on after it.

    Raises:
        ValueError: the language is not in the table.
    """
    found = answer(response, gold.question)
    got = tokens(found, gold.language)
    return _verdict("exact-match", found, gold.references, lambda one: tokens(one, gold.language) == got)


def token_f1(response: str, gold: Gold) -> Match:
    """SQuAD's F1 of the answer's tokens as a bag, in [0, 1], against the best reference; otherwise as ``exact_match``.

    Raises:
        ValueError: the language is not in the table.
    """
    found = answer(response, gold.question)
    got = Counter(tokens(found, gold.language))

    def f1(reference: str) -> float:
        wanted = Counter(tokens(reference, gold.language))
        return 2 * (got & wanted).total() / (got.total() + wanted.total())

    return _verdict("token-f1", found, gold.references, f1)


XQUAD: dict[str, Matcher] = {
    "xquad-paper": xquad_paper,
    "xquad-code": xquad_code,
    "exact-match": exact_match,
    "token-f1": token_f1,
}


def answer(response: str, question: str = "") -> str:
    """The answer in a response that continues an opened quotation, before its first quote mark or line break.

    A repeated question and leading punctuation are dropped; an apostrophe ends nothing. A reference with a quote mark
    inside, under one in a hundred of XQuAD's, can then be matched in part only.
    """
    text = _without_head(_without_question(response.strip(), question.strip()))
    return re.split(f"[{QUOTES}\n\r\u2028\u2029]", text, maxsplit=1)[0].strip()


def tokens(text: str, language: str) -> list[str]:
    """Words without punctuation, case and articles, as SQuAD's evaluation has them.

    By language, in the way of MLQA: punctuation is Unicode's with ASCII's symbols, articles are the language's own, and
    where words are not spaced each character is a token, but for runs of digits and of letters with case. Full-width
    and other compatibility forms are folded, which neither does. A text of articles or punctuation alone keeps them,
    where theirs is left with nothing, and equal to any other such.

    Raises:
        ValueError: the language is not in the table.
    """
    return list(_tokens(text, language))


@lru_cache(maxsize=_KEPT)
def _tokens(text: str, language: str) -> tuple[str, ...]:
    spaced = LANGUAGES[known(language)].spaced
    text = unicodedata.normalize("NFKC", text).lower()
    words = _words(text.translate(_BARE), spaced)
    articles = ARTICLES.get(language, "").split()
    return tuple([word for word in words if word not in articles] or words or _words(text, spaced))


def _verdict(rule: str, found: str, references: Sequence[str], judge: Callable[[str], float]) -> Match:
    """The best of the judge's values; a blank reference is none, for every text holds it."""
    usable = [reference for reference in references if reference.strip()]
    if not usable:
        return Match(None, found or None, rule, "there is no reference")
    if not found:
        return Match(0.0, None, rule, "the response holds no answer")
    return Match(float(max(judge(reference) for reference in usable)), found, rule)


@cache
def _moses() -> Callable[[str], str]:
    from sacremoses import MosesPunctNormalizer

    return lru_cache(maxsize=_KEPT)(MosesPunctNormalizer(lang="en").normalize)


def _without_question(text: str, question: str) -> str:
    return _without_head(text[len(question) :]) if question and text.startswith(question) else text


def _without_head(text: str) -> str:
    """Without the white space and punctuation that it begins with."""
    start = next((at for at, char in enumerate(text) if not char.isspace() and not _is_punctuation(char)), len(text))
    return text[start:]


@cache
def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char).startswith("P")


class _Bare(dict[int, int | None]):
    """Character -> itself, or nothing where it is punctuation; asked of Unicode once for each."""

    def __missing__(self, code: int) -> int | None:
        char = chr(code)
        self[code] = None if _is_punctuation(char) or char in string.punctuation else code
        return self[code]


_BARE = _Bare()


def _is_word(char: str) -> bool:
    """A letter, digit or combining mark; the empty string is none."""
    return bool(char) and unicodedata.category(char)[0] in "LMN"


def _words(text: str, spaced: bool) -> list[str]:
    if spaced:
        return text.split()
    return "".join(char if has_case(char) else f" {char} " for char in text).split()
