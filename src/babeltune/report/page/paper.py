"""Paper: how the pages of results look and which scripts they have: colours of the mixes, in the light and in the dark."""

from __future__ import annotations

from collections.abc import Iterable

from babeltune.report.figures import palette
from babeltune.report.page.inline import source

SCRIPTS = (
    "text.js",
    "dom.js",
    "chart.js",
    "figures.js",
    "findings.js",
    "cells.js",
    "items.js",
    "answers.js",
    "page.js",
)
"""Parts of the one script, in order."""
_DARK_PAPER = "#14181C"
"""Of ``page.css``."""
_CONTRAST = 2.2
"""Least contrast of a bar against it, as that of a line against white paper."""


def style(mixes: Iterable[str]) -> str:
    """The style, with the colours of these mixes as its variables."""
    return source("styles/page.css") + colours(mixes)


def colours(mixes: Iterable[str]) -> str:
    """Colours of the mixes as the style's variables: of a bar, of what is drawn on it, and of a line; light and dark."""
    light, dark = [], []
    for at, (_, shade) in enumerate(palette.colours(list(mixes)).items()):
        light.append(f"--m{at}:{shade};--m{at}-o:{palette.over(shade)};--m{at}-i:{palette.ink(shade)}")
        seen = on_dark(shade)
        dark.append(f"--m{at}:{seen};--m{at}-o:{palette.over(seen)};--m{at}-i:{seen}")
    return f":root{{{';'.join(light)}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{';'.join(dark)}}}}}\n"


def on_dark(shade: str) -> str:
    """The colour, lightened as far as it needs to be seen on dark paper."""
    ground = palette.luminance(_DARK_PAPER) + 0.05
    parts = [int(shade[at : at + 2], 16) for at in (1, 3, 5)]
    while (palette.luminance(lit := "#" + "".join(f"{part:02X}" for part in parts)) + 0.05) / ground < _CONTRAST:
        parts = [min(255, part + 6) for part in parts]
    return lit
