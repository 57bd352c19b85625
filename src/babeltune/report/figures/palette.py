"""The palette: what tells one mix from another, on a screen, in print without colours, and to the colour-blind.

Mixes run from dark to light in the order of the study file, so that their order is read without a colour too: steps of
viridis, which was made for the colour-blind and for print (https://bids.github.io/colormap/). The base model is white.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.colors import to_hex, to_rgb

BASE = "#FFFFFF"
"""Of the base model, and only of it."""
EDGE = "#333333"
"""Of a bar, of whiskers and of stripes on light bars."""
STRIPES = "/////"
"""On a bar: the mix lacks the language (zero-shot)."""
DOTS = "....."
"""On a bar, pale: the mix of translated chats."""
ZERO_SHOT, SUPERVISED = "v", "^"
"""Markers of points: the mix lacks the language, the mix holds it (paper, Figure 18a)."""
Dash = Literal["-", "--", "-.", ":"]
DASHES: tuple[Dash, ...] = ("-", "--", "-.", ":")
"""Of the lines of a figure in turn, so that they differ without colours too."""
_LIGHTEST = 0.95
"""Where in viridis the last mix stands; what is beyond is as pale as paper."""
_CONTRAST = 2.2
"""Least contrast of a line against paper (as WCAG 2.2 defines contrast; 1 is none, 21 is black on white)."""


def colours(mixes: Sequence[str]) -> dict[str, str]:
    """Mix -> colour (``#RRGGBB``): white for the base model, the others from dark to light in their order."""
    tuned = [name for name in mixes if name != "base"]
    found = dict(zip(tuned, steps(len(tuned)), strict=True))
    return {name: found.get(name, BASE) for name in mixes}


def steps(count: int) -> list[str]:
    """So many colours, from dark to light."""
    places = [0.3] if count == 1 else [_LIGHTEST * at / (count - 1) for at in range(count)]
    return [to_hex(mpl.colormaps["viridis"](place)).upper() for place in places]


def ink(shade: str) -> str:
    """The colour, darkened as far as a line of it needs to be seen on paper."""
    red, green, blue = to_rgb(shade)
    while 1.05 / (luminance(to_hex((red, green, blue))) + 0.05) < _CONTRAST:
        red, green, blue = 0.95 * red, 0.95 * green, 0.95 * blue
    return to_hex((red, green, blue)).upper()


def over(shade: str) -> str:
    """Colour of stripes and dots that can be seen on this one."""
    return EDGE if luminance(shade) > 0.18 else "#FFFFFF"


def point(shade: str, shape: str, size: float) -> dict[str, Any]:
    """What matplotlib draws a point of so many points by."""
    edge = {"markeredgecolor": EDGE, "markeredgewidth": 0.5}
    return {"linestyle": "", "marker": shape, "markersize": size, "markerfacecolor": shade, **edge}


def pale(shade: str, share: float = 0.45) -> str:
    """The colour as it looks on paper with so much of it left, in [0, 1]."""
    red, green, blue = (1 - share * (1 - part) for part in to_rgb(shade))
    return to_hex((red, green, blue)).upper()


def luminance(shade: str) -> float:
    """Relative luminance in [0, 1] (WCAG 2.2)."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(shade)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
