"""Fonts: DejaVu Sans, which matplotlib brings, and for what it lacks the system's Noto fonts, script by script."""

from __future__ import annotations

import functools
import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

FIRST = "DejaVu Sans"
"""Of all text that it has the letters for (Latin, Greek, Cyrillic, Arabic), so that figures do not hang on a machine."""
_SCRIPTS: tuple[tuple[str, str, str, str], ...] = (
    ("CJK", "NotoSansCJK-Regular", "Noto Sans CJK SC", "fonts-noto-cjk"),
    ("HANGUL", "NotoSansCJK-Regular", "Noto Sans CJK SC", "fonts-noto-cjk"),
    ("HIRAGANA", "NotoSansCJK-Regular", "Noto Sans CJK SC", "fonts-noto-cjk"),
    ("KATAKANA", "NotoSansCJK-Regular", "Noto Sans CJK SC", "fonts-noto-cjk"),
    ("IDEOGRAPHIC", "NotoSansCJK-Regular", "Noto Sans CJK SC", "fonts-noto-cjk"),
    ("FULLWIDTH", "NotoSansCJK-Regular", "Noto Sans CJK SC", "fonts-noto-cjk"),
    ("DEVANAGARI", "NotoSansDevanagari-Regular", "Noto Sans Devanagari", "fonts-noto-core"),
    ("THAI", "NotoSansThai-Regular", "Noto Sans Thai", "fonts-noto-core"),
    ("ARABIC", "NotoSansArabic-Regular", "Noto Sans Arabic", "fonts-noto-core"),
    ("BENGALI", "NotoSansBengali-Regular", "Noto Sans Bengali", "fonts-noto-core"),
    ("TAMIL", "NotoSansTamil-Regular", "Noto Sans Tamil", "fonts-noto-core"),
    ("TELUGU", "NotoSansTelugu-Regular", "Noto Sans Telugu", "fonts-noto-core"),
    ("GEORGIAN", "NotoSansGeorgian-Regular", "Noto Sans Georgian", "fonts-noto-core"),
    ("ARMENIAN", "NotoSansArmenian-Regular", "Noto Sans Armenian", "fonts-noto-core"),
    ("HEBREW", "NotoSansHebrew-Regular", "Noto Sans Hebrew", "fonts-noto-core"),
    ("ETHIOPIC", "NotoSansEthiopic-Regular", "Noto Sans Ethiopic", "fonts-noto-core"),
)
"""First word of the names of a script's letters (Unicode), the font's file, its family, its Debian package."""
_PACKAGES = "fonts-noto-core fonts-noto-cjk"


class FontsMissing(UserWarning):
    """Letters that no font on this machine has; each is drawn as an empty frame."""


def families(texts: Iterable[str]) -> list[str]:
    """Families that together have the letters of these texts, as far as this machine has them.

    Warns of letters that none has, once for each, and names the Debian packages that bring their fonts.
    """
    found = [FIRST]
    lacking: dict[str, None] = {}
    for letter in dict.fromkeys("".join(texts)):
        if letter.isspace() or ord(letter) in _letters(_file_of_first()):
            continue
        family = _family(letter)
        if family is None:
            lacking.setdefault(letter)
        elif family not in found:
            found.append(family)
    _warn("".join(lacking))
    return found


@functools.cache
def _warn(lacking: str) -> None:
    if lacking:
        said = (
            f"No font on this machine has {lacking[:20]}: frames stand in the figures for them. Install: apt install "
        )
        warnings.warn(said + _wanted(lacking), FontsMissing, stacklevel=3)


def _wanted(letters: str) -> str:
    packages = {row[3] for letter in letters for row in _SCRIPTS if row[0] == _script(letter)}
    return " ".join(sorted(packages)) or _PACKAGES


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ")[0].split("-")[0]


def _family(letter: str) -> str | None:
    """The family for a letter that the first one lacks; None where this machine has none."""
    for script, file, family, _ in _SCRIPTS:
        if script == _script(letter) and (path := _installed().get(file)):
            if ord(letter) in _letters(path):
                _add(path)
                return family
            return None
    return None


@functools.cache
def _add(path: str) -> None:
    """Make a font known to matplotlib, whose own list may be older than the font."""
    font_manager.fontManager.addfont(path)


@functools.cache
def _installed() -> dict[str, str]:
    """Name of a file without its ending -> path, of all fonts of the system."""
    return {Path(path).stem: path for path in sorted(font_manager.findSystemFonts())}


@functools.cache
def _letters(path: str) -> frozenset[int]:
    return frozenset(FT2Font(path).get_charmap())


@functools.cache
def _file_of_first() -> str:
    return str(font_manager.findfont(FIRST))
