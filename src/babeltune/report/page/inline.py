"""Inline: how hostile text comes to stand in a self-contained page, which every page does in the same way.

Model output reaches a page in two ways only: through Jinja's autoescape, and as JSON in which ``<``, ``>`` and ``&`` are
escaped and which the page's script shows with ``textContent``. Characters that steer a terminal or the order of the
text around them (controls, bidirectional marks) stand nowhere in the file as themselves. A content-security policy
made of hashes lets no other script run and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_HERE = Path(__file__).parent
_STEERING = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Controls, line separators, bidirectional marks, and lone surrogates, which have no UTF-8."""


def document(template: str, *, style: str, scripts: Sequence[str], data: object, **more: Any) -> str:
    """The HTML that a template makes of ``more``, with everything that it needs inside.

    Args:
        template: a file of ``templates``. Everything in it is escaped, nothing undefined, nothing that steers.
        style: CSS.
        scripts: files of ``scripts``, which become one; nothing outside it sees their names.
        data: what the script reads.
        more: what the template writes.
    """
    script = '(() => {\n"use strict";\n' + "\n".join(source(f"scripts/{name}") for name in scripts) + "\n})();"
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, finalize=_finalized
    )
    environment.filters["signed"] = signed
    return environment.get_template(template).render(
        **more, style=style, style_hash=policy_hash(style), script=script, script_hash=policy_hash(script),
        data=script_json(data),
    )  # fmt: skip


def visible(text: str) -> str:
    """Steering characters shown by their code points, as the scripts show them in answers."""
    return re.sub(f"[{_STEERING}]", lambda found: f"\u27e8U+{ord(found[0]):04X}\u27e9", text)


def signed(value: float | None, digits: int = 2, *, sign: bool = True) -> str:
    """A number with its sign, a true minus; no sign before a zero."""
    if value is None or not math.isfinite(value):
        return "\u2013"
    text = f"{abs(value):.{digits}f}"
    return ("" if float(text) == 0 else "\u2212" if value < 0 else "+" if sign else "") + text


def script_json(value: object) -> str:
    """JSON that can stand inside a script element: no character in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return re.sub(f"[<>&{_STEERING}]", lambda found: f"\\u{ord(found[0]):04x}", text)


def source(name: str) -> str:
    """A file of this folder: ``styles/page.css``."""
    return (_HERE / name).read_text(encoding="utf-8")


def policy_hash(text: str) -> str:
    """What a content-security policy calls this very style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _finalized(value: object) -> object:
    if not isinstance(value, str) or hasattr(value, "__html__"):  # ours, and safe
        return value
    return visible(value)
