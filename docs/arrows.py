"""Draws docs/arrows.svg from the imports of the code: which room uses which.

    python docs/arrows.py        # `make reference`

A test holds the picture to the code (tests/test_docs.py).
"""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parent
SRC = DOCS.parent / "src" / "babeltune"
ROOMS = {
    "data": ("chats in,", "mixes out"),
    "finetune": ("mix + base in,", "adapter out"),
    "generate": ("requests in,", "outputs out"),
    "measure": ("outputs in,", "scores out"),
    "report": ("numbers in,", "pictures out"),
}
"""What each does, in the order of the pipeline; what passes from one to the next is a file, not an import."""
FLOORS = {"study": "the conductor: study file → plan → steps → run", "cli": "the door: parse, call, print"}
_WIDTH, _GAP, _LEFT, _HIGH = 148, 22, 60, 120
_TOP = {"study": 20, "rooms": 140, "cli": 310}
_STYLE = """
text { font: 15px system-ui, sans-serif; fill: #24292f; text-anchor: middle }
.name { font-weight: 600 } .small { font-size: 12px; fill: #57606a } .root { font: 11px ui-monospace, monospace; fill: #57606a }
rect { fill: #f6f8fa; stroke: #57606a; rx: 8 }
path { fill: none; stroke: #0969da; stroke-width: 1.6; marker-end: url(#head) } #head path { fill: #0969da; stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small, .root { fill: #9198a1 } rect { fill: #161b22; stroke: #9198a1 }
  path { stroke: #58a6ff } #head path { fill: #58a6ff }
}"""


def imports(room: str) -> set[str]:
    """All rooms and root files that files of a room import, itself left out."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((SRC / room).rglob("*.py")))
    named = re.findall(r"^\s*from babeltune\.(\w+)", text, re.MULTILINE)
    return {*named, *re.findall(r"^\s*from babeltune import ([a-z]\w*)", text, re.MULTILINE)} - {room}


def picture() -> str:
    """The SVG: arrows go from who imports to what is imported; the files at the root stand in the rooms that use them."""
    across = len(ROOMS) * (_WIDTH + _GAP) - _GAP
    parts = [_box(floor, _LEFT, _TOP[floor], across, (says,), 70) for floor, says in FLOORS.items()]
    for place, (room, says) in enumerate(ROOMS.items()):
        left = _LEFT + place * (_WIDTH + _GAP)
        words = sorted(imports(room) - {*ROOMS, *FLOORS})
        parts.append(_box(room, left, _TOP["rooms"], _WIDTH, says, _HIGH))
        lines = [" ".join(words[at : at + 3]) for at in range(0, len(words), 3)]
        parts += [_text(line, left + _WIDTH / 2, _TOP["rooms"] + 92 + 15 * at, "root") for at, line in enumerate(lines)]
        for other in sorted(imports(room) & set(ROOMS)):  # none, as a test says; drawn if there were one
            parts.append(
                _arrow(left + _WIDTH / 2, _TOP["rooms"], _LEFT + list(ROOMS).index(other) * (_WIDTH + _GAP), 140)
            )
        if room in imports("study"):
            parts.append(_arrow(left + _WIDTH / 2, _TOP["study"] + 70, left + _WIDTH / 2, _TOP["rooms"] - 4))
        if room in imports("cli"):
            parts.append(_arrow(left + _WIDTH / 2, _TOP["cli"], left + _WIDTH / 2, _TOP["rooms"] + _HIGH + 4))
    if "study" in imports("cli"):
        middle, far = _TOP["cli"] + 35, _LEFT - 34
        parts.append(f'<path d="M{_LEFT},{middle} H{far} V{_TOP["study"] + 35} H{_LEFT - 4}"/>')
    head = '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across + 2 * _LEFT - 30} 400" role="img" '
        'aria-label="The rooms of babeltune, and which imports which">\n'
        f'<style>{_STYLE}\n</style>\n<defs>{head}<path d="M0,0 8,4 0,8z"/></marker></defs>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _box(name: str, left: float, top: float, width: float, says: tuple[str, ...], height: int) -> str:
    middle = left + width / 2
    lines = [_text(line, middle, top + 50 + 17 * at, "small") for at, line in enumerate(says)]
    box = f'<rect x="{left}" y="{top}" width="{width}" height="{height}"/>'
    return "\n".join([box, _text(name, middle, top + 29, "name"), *lines])


def _text(text: str, x: float, y: float, style: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{style}">{text}</text>'


def _arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<path d="M{x:g},{y:g} L{to_x:g},{to_y:g}"/>'


if __name__ == "__main__":
    (DOCS / "arrows.svg").write_text(picture(), encoding="utf-8")
