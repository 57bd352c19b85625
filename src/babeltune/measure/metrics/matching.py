"""Does a response hold the right answer? Rules for XQuAD and X-CSQA side by side (paper, sections 4.3 and 4.4).

What counts as right hangs on the rule, so all are kept, run on the same outputs, and the items listed on which they
differ. Every value is in [0, 1]. A response without an answer is wrong (0) and says why in ``note``; an item whose
reference is no answer is unscored.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from babeltune.languages import LANGUAGES, known

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
QUOTES = '"„“”‟«»「」『』＂'
"""Marks that close an answer. Apostrophes are not among them, nor are 《》, which Chinese titles are written in."""
ARTICLES: dict[str, str] = {
    "de": "der die das den dem des ein eine einen einem einer eines",
    "el": "ο η το οι τα του της των τον την τους τις ένας ένα έναν μια μία ενός μιας",
    "en": "a an the",
    "es": "el la lo los las un una unos unas",
}
"""Words that exact match and F1 leave out: English as in SQuAD, the others in its spirit, as MLQA has them for some.
XQuAD's other languages have no such words, or join them to the noun."""
LETTERS = "ABCDE"
"""X-CSQA's five choices (paper, section 4.4)."""


@dataclass(frozen=True, slots=True)
class Gold:
    """What a response is held against."""

    references: tuple[str, ...]
    """Right answers, of which the best counts; for X-CSQA the one letter."""
    language: str
    """ISO code of the language of question and answer."""
    question: str = ""
    """The question as asked, for responses that repeat it. The authors' code finds it in the prompt by its heading."""


@dataclass(frozen=True, slots=True)
class Match:
    """A rule's verdict on one response."""

    value: float | None
    """In [0, 1]; None where there is no verdict."""
    found: str | None
    """What the rule took for the answer; None where it found none."""
    rule: str
    """Name of the rule."""
    note: str = ""
    """Why nothing was found, or why there is no verdict."""


Matcher = Callable[[str, Gold], Match]


@dataclass(frozen=True, slots=True)
class Flip:
    """An item on which rules differ."""

    index: int
    """0-based place of the item among the outputs."""
    verdicts: dict[str, Match]
    """What each rule says."""


def xquad_paper(response: str, gold: Gold) -> Match:
    """1 if the response begins with a reference, else 0 (paper, section 4.3 and footnote 11).

    "Minimal post-processing": a repeated question is dropped where the item is German or Russian, and what follows is
    cut at its first line break or after 50 characters. Case counts. Leading punctuation is dropped too, which the
    paper does not say: models open the quotation once more. A word's beginning is enough, ``12`` matches ``120``.
    """
    text = response.strip()
    if gold.language in REPEATING:
        text = _without_question(text, gold.question.strip())
    text = (_without_head(text).splitlines() or [""])[0][:CUT]
    references = [reference.strip() for reference in gold.references]
    return _verdict("xquad-paper", text, references, text.startswith)


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


def first_letter(response: str, gold: Gold) -> Match:
    """1 if the first character of the stripped response is the key, in either case, else 0 (authors' code).

    No later letter is sought, ``Auto`` is an A, and ``Ａ`` or a Cyrillic ``А`` is none. An empty response, which would
    stop the authors' code, is wrong.
    """
    text = response.strip()
    return _letter("xcsqa-first", text[:1], "the response is empty", gold)


def any_letter(response: str, gold: Gold) -> Match:
    """1 if the first letter from A to E that stands alone, anywhere in the response, is the key, else 0.

    Not in the paper. Alone means beside no digit, no letter of a script with capitals (``答案是B。`` holds one), and no
    such letter beyond a hyphen, an apostrophe or, before it, a dot (``E-Mail``, ``d'accord``). Compatibility forms are
    letters (``Ａ``, ``Ⓐ``). Small letters (``a`` and ``e`` are words of many languages) and the Cyrillic and Greek
    capitals that look like Latin ones (``В`` and ``С`` are Russian words) count where they begin a line or follow a
    quote or bracket, and a quote, bracket, colon, dot or the line's end follows. An English article that begins an
    answer (``A dog``) and ``vitamin C`` are still taken for letters.
    """
    text = "".join(char for char in unicodedata.normalize("NFKC", response) if unicodedata.category(char) != "Cf")
    candidates = (
        found for at in re.finditer(f"[{LETTERS}{LETTERS.lower()}{_ALIKE}]", text) if (found := _alone(text, at))
    )
    return _letter("xcsqa-any", next(candidates, ""), "no letter stands alone", gold)


XQUAD: dict[str, Matcher] = {
    "xquad-paper": xquad_paper,
    "xquad-code": xquad_code,
    "exact-match": exact_match,
    "token-f1": token_f1,
}
XCSQA: dict[str, Matcher] = {"xcsqa-first": first_letter, "xcsqa-any": any_letter}


def matches(rules: Mapping[str, Matcher], responses: Sequence[str], golds: Sequence[Gold]) -> dict[str, list[Match]]:
    """Every rule's verdicts on the same responses, in their order.

    Raises:
        ValueError: not as many responses as golds.
    """
    if len(responses) != len(golds):
        raise ValueError(f"{len(responses)} responses, {len(golds)} golds")
    return {name: [rule(*pair) for pair in zip(responses, golds, strict=True)] for name, rule in rules.items()}


def flips(verdicts: Mapping[str, Sequence[Match]]) -> list[Flip]:
    """The items, in order, on which not all values are equal; unscored differs from any value.

    Raises:
        ValueError: the rules have not as many verdicts each.
    """
    lengths = {name: len(some) for name, some in verdicts.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"verdicts on different outputs: {lengths}")
    rows = [dict(zip(verdicts, row, strict=True)) for row in zip(*verdicts.values(), strict=True)]
    return [Flip(index, row) for index, row in enumerate(rows) if len({one.value for one in row.values()}) > 1]


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
    spaced = LANGUAGES[known(language)].spaced
    text = unicodedata.normalize("NFKC", text).lower()
    words = _words(
        "".join(char for char in text if not _is_punctuation(char) and char not in string.punctuation), spaced
    )
    articles = ARTICLES.get(language, "").split()
    return [word for word in words if word not in articles] or words or _words(text, spaced)


def _verdict(rule: str, found: str, references: Sequence[str], judge: Callable[[str], float]) -> Match:
    """The best of the judge's values; a blank reference is none, for every text holds it."""
    usable = [reference for reference in references if reference.strip()]
    if not usable:
        return Match(None, found or None, rule, "there is no reference")
    if not found:
        return Match(0.0, None, rule, "the response holds no answer")
    return Match(float(max(judge(reference) for reference in usable)), found, rule)


def _letter(rule: str, found: str, nothing: str, gold: Gold) -> Match:
    keys = {reference.strip().upper() for reference in gold.references}
    if not keys or not keys <= set(LETTERS):
        return Match(None, found or None, rule, f"the key is none of {', '.join(LETTERS)}")
    return Match(float(found.upper() in keys), found, rule) if found else Match(0.0, None, rule, nothing)


@cache
def _moses() -> Callable[[str], str]:
    from sacremoses import MosesPunctNormalizer

    normalise: Callable[[str], str] = MosesPunctNormalizer(lang="en").normalize
    return normalise


def _without_question(text: str, question: str) -> str:
    return _without_head(text[len(question) :]) if question and text.startswith(question) else text


def _without_head(text: str) -> str:
    """Without the white space and punctuation that it begins with."""
    start = next((at for at, char in enumerate(text) if not char.isspace() and not _is_punctuation(char)), len(text))
    return text[start:]


def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char).startswith("P")


def _is_word(char: str) -> bool:
    """A letter, digit or combining mark; the empty string is none."""
    return bool(char) and unicodedata.category(char)[0] in "LMN"


def _has_case(char: str) -> bool:
    """Part of a word in a script that spaces its words: a digit, or a letter with capital and small form."""
    return char.isdigit() or char.lower() != char.upper()


def _words(text: str, spaced: bool) -> list[str]:
    if spaced:
        return text.split()
    return "".join(char if _has_case(char) else f" {char} " for char in text).split()


# None of these is Latin: four Cyrillic capitals, three Greek.
_ALIKE = "АВСЕΑΒΕ"
_LATIN = dict(zip(_ALIKE, "ABCEABE", strict=True))
_OPENING = QUOTES + "'‘’([{<*\n"
_CLOSING = QUOTES + "'‘’)]}>*:.\n"
_JOINTS = "-‐'’"


def _alone(text: str, at: re.Match[str]) -> str:
    """The Latin letter that stands alone there, or nothing."""
    before, after = text[max(at.start() - 2, 0) : at.start()], text[at.end() : at.end() + 2]
    if (before and _joins(before[-1])) or (after and _joins(after[0])):
        return ""
    if len(before) == 2 and before[1] in _JOINTS + "." and _joins(before[0]):
        return ""
    if len(after) == 2 and after[0] in _JOINTS and _joins(after[1]):
        return ""
    letter = at.group()
    marked = (not before or before[-1] in _OPENING) and (not after or after[0] in _CLOSING)
    return _LATIN.get(letter, letter) if letter in LETTERS or marked else ""


def _joins(char: str) -> bool:
    return _has_case(char) or unicodedata.category(char).startswith("M")
