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
_CJK = "NotoSansCJK-Regular", "Noto Sans CJK SC", "fonts-noto-cjk"
_CORE = ("Devanagari", "Thai", "Arabic", "Bengali", "Tamil", "Telugu", "Georgian", "Armenian", "Hebrew", "Ethiopic")
_SCRIPTS: dict[str, tuple[str, str, str]] = {
    **dict.fromkeys(("CJK", "HANGUL", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC", "FULLWIDTH"), _CJK),
    **{name.upper(): (f"NotoSans{name}-Regular", f"Noto Sans {name}", "fonts-noto-core") for name in _CORE},
}
"""First word of the names of a script's letters (Unicode) -> the font's file, its family, its Debian package."""
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
    packages = {_SCRIPTS[script][2] for script in map(_script, letters) if script in _SCRIPTS}
    return " ".join(sorted(packages)) or _PACKAGES


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ")[0].split("-")[0]


def _family(letter: str) -> str | None:
    """The family for a letter that the first one lacks; None where this machine has none."""
    file, family, _ = _SCRIPTS.get(_script(letter), ("", "", ""))
    path = _installed().get(file)
    if path is None or ord(letter) not in _letters(path):
        return None
    _add(path)
    return family


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
