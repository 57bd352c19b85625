"""Orthography: how the languages of the table are written, and what of a text is not written so."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from babeltune.errors import Problem
from babeltune.languages import LANGUAGES

STRAIGHT = '""'
"""The typewriter's quotation marks, which every language takes where a file uses no others."""
PAIRS: dict[str, tuple[str, ...]] = {
    # High 6 and 9, of English typography; the languages that took them over with the Latin press or the keyboard.
    "“”": ("en", "es", "it", "pt", "nl", "tr", "vi", "sw", "id", "ko", "hi", "ur", "th", "zh", "ar", "ca"),
    # Guillemets pointing outwards: French and all who followed its printers. In French with no-break spaces inside.
    "«»": ("fr", "es", "it", "pt", "ca", "ru", "uk", "el", "ar", "no"),
    # The same pointing inwards, in German, Slovene, Danish and Czech books.
    "»«": ("de", "sl", "da", "cs"),
    # Low 9 and high 6, by German custom; in Russian and Ukrainian handwriting, and inside «».
    "„“": ("de", "sl", "cs", "bg", "is", "ru", "uk", "da"),
    # Low 9 and high 9, as the Polish, Romanian and Hungarian orthographies have them.
    "„”": ("pl", "ro", "hu"),
    # High 9 at both ends, in Swedish, Finnish and Danish.
    "””": ("sv", "fi", "da"),
    # Corner brackets, Japanese; the double ones are for quotations within quotations.
    "「」": ("ja",),
}
"""Opening and closing mark -> languages that print them. Single ones are left out: they close as an apostrophe looks."""
COLONS = {"zh": "：", "ja": "：", "fr": "\u00a0:"}
"""Colons other than a plain one after no space: full-width where letters are; after a no-break space in French."""
SCRIPTS: dict[str, tuple[str, ...]] = {
    "Latn": ("LATIN", "COMBINING", "FEMININE", "MASCULINE"),
    "Cyrl": ("CYRILLIC", "COMBINING"),
    "Grek": ("GREEK", "COMBINING"),
    "Deva": ("DEVANAGARI",),
    "Arab": ("ARABIC",),
    "Thai": ("THAI",),
    "Hang": ("HANGUL",),
    "Hans": ("CJK",),
    "Jpan": ("CJK", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC"),
}
"""ISO 15924 code -> first words of its letters' and marks' Unicode names (ª and º are FEMININE and MASCULINE)."""
LOOKALIKES: dict[str, dict[str, str]] = {
    "ro": {"ş": "ș", "Ş": "Ș", "ţ": "ț", "Ţ": "Ț"},  # cedillas, of Turkish fonts, for the commas below
    "ur": {"ي": "ی", "ى": "ی", "ك": "ک", "ه": "ہ"},  # Arabic's letters for Urdu's
}
"""Language -> letters of its script that are not its own, and what they stand for."""

HOLE = re.compile(r"\{[^{}]*\}")
"""A placeholder."""
_QUOTE = re.compile("[«»‹›“”„‟‘‚‛「」『』〝〞＂\"]|(?<![^\\W\\d_])['’](?![nst]\\b)")
"""Quotation marks. ' and ’ are apostrophes after a letter (l’eau) and in Dutch 's, 't, 'n."""


def spelling_problems(where: str, text: str, language: str) -> list[Problem]:
    """What is wrong in the language: letters of another script, the Unicode form, colons."""
    found: list[Problem] = []
    plain = HOLE.sub(" ", text)
    script = LANGUAGES[language].script
    own = SCRIPTS[script]
    unnamed = re.sub(r"(?<![^\W\d_])[A-E](?![^\W\d_])", " ", plain)  # the choices keep their letters everywhere
    letters = [char for char in dict.fromkeys(unnamed) if unicodedata.category(char)[0] in "LM"]
    foreign = [char for char in letters if re.split("[ -]", unicodedata.name(char, ""))[0] not in own]
    if foreign:
        fix = f"{LANGUAGES[language].name} is written in {script}; only the choices A to E stand in Latin letters."
        found.append(Problem(where, f"holds {_some(foreign)}", fix))
    taken = [char for char in letters if char in LOOKALIKES.get(language, {})]
    if taken:
        right = ", ".join(named(LOOKALIKES[language][char]) for char in taken)
        fix = f"{LANGUAGES[language].name} has {right}."
        found.append(Problem(where, f"holds {_some(taken)}", fix))
    if not unicodedata.is_normalized("NFC", text):
        parts = next(line for line in text.split("\n") if not unicodedata.is_normalized("NFC", line))
        at = next(a for a, b in enumerate(unicodedata.normalize("NFC", parts)) if parts[a] != b)
        fix = "Save it in Unicode's form NFC, which tokenizers are trained on."
        found.append(Problem(where, f"is not in the form NFC, from '{parts[max(0, at - 10) : at + 2]}' on", fix))
    colon, shown = COLONS.get(language, ":"), HOLE.sub("…", text)
    wrong = [hit for hit in re.finditer(r"\s?[:：﹕]", shown) if hit[0] != colon]
    if wrong:
        near = shown[max(0, wrong[0].start() - 15) : wrong[0].end()].rpartition("\n")[2]
        kinds = {"：": "a full-width colon", ":": "a plain colon after no space"}
        kind = kinds.get(colon, "a colon after a no-break space")
        what = f"{len(wrong)} colon{'s' * (len(wrong) > 1)} of another kind, first after '{near}'"
        found.append(Problem(where, what, f"{LANGUAGES[language].name} has {kind}, all through the file."))
    return found


def quote_problems(parts: Mapping[str, str], language: str, forced: str = "") -> list[Problem]:
    """What is wrong with the quotation marks of a file, place -> text; the place ``forced`` ends in an opened one."""
    own = tuple(pair for pair, codes in PAIRS.items() if language in codes)
    if not own:
        (where, *_) = parts
        return [Problem(where, f"no quotation marks are known of '{language}'", "Add them to PAIRS in orthography.py.")]
    name = LANGUAGES[language].name
    kinds = " or ".join(f"{pair[0]}…{pair[1]}" for pair in own)
    fix = f"{name} has {kinds}; straight ones will do; one kind in a file."
    marks = {where: _QUOTE.findall(text) for where, text in parts.items()}
    strange = {
        where: [mark for mark in dict.fromkeys(some) if mark not in "".join(own) + STRAIGHT]
        for where, some in marks.items()
    }
    foreign = [Problem(where, f"holds {_some(some)}", fix) for where, some in strange.items() if some]
    if foreign:
        return foreign
    used = {mark for some in marks.values() for mark in some}
    # Marks that two kinds share, as those of Danish, belong to the kind that takes in all that are used.
    pair = next((pair for pair in (STRAIGHT, *own) if used <= set(pair)), None)
    if pair is None:
        where = next(where for where, some in marks.items() if some)
        return [Problem(where, f"the file mixes quotation marks: {' '.join(sorted(used))}", fix)]
    found: list[Problem] = []
    for where, text in parts.items():
        left = _opened(marks[where], pair)
        if where == forced and (left != 1 or not text.rstrip().endswith(pair[0])):
            what = f"does not end in an opened quotation mark ('…{text[-12:]}')"
            found.append(Problem(where, what, f"End it in {pair[0]} and nothing behind: the answer follows."))
        elif where != forced and left != 0:
            found.append(
                Problem(where, f"quotation marks {pair[0]}…{pair[1]} that are not in pairs", "Close each one.")
            )
    return found


def _opened(marks: Sequence[str], pair: str) -> int | None:
    """How many quotations are still open at the end; None where one closes that was not open, or opens in another."""
    opened = 0
    for mark in marks:
        opens = not opened if pair[0] == pair[1] else mark == pair[0]
        opened += 1 if opens else -1
        if opened not in (0, 1):
            return None
    return opened


def named(char: str) -> str:
    """A character by its number and name, and by itself where it can be seen."""
    code = f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip()
    return f"'{char}' ({code})" if unicodedata.category(char)[0] not in "CMZ" else code


def _some(chars: Sequence[str]) -> str:
    return ", ".join(map(named, chars[:3])) + (f" and {len(chars) - 3} more" if len(chars) > 3 else "")
