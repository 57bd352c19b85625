"""Letters: which of five choices does the response name? Rules for X-CSQA side by side (paper, section 4.4).

Every value is 0 or 1. A response without a letter is wrong (0) and says why in ``note``; an item whose key is no letter
is unscored.
"""

from __future__ import annotations

import re
import unicodedata

from babeltune.measure.metrics.match import QUOTES, Gold, Match, Matcher, has_case

LETTERS = "ABCDE"
"""X-CSQA's five choices (paper, section 4.4)."""


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


XCSQA: dict[str, Matcher] = {"xcsqa-first": first_letter, "xcsqa-any": any_letter}


def _letter(rule: str, found: str, nothing: str, gold: Gold) -> Match:
    keys = {reference.strip().upper() for reference in gold.references}
    if not keys or not keys <= set(LETTERS):
        return Match(None, found or None, rule, f"the key is none of {', '.join(LETTERS)}")
    return Match(float(found.upper() in keys), found, rule) if found else Match(0.0, None, rule, nothing)


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
    return has_case(char) or unicodedata.category(char).startswith("M")
