"""Account keys, which stand in nothing that is kept or told: a server may repeat what it was sent."""

from __future__ import annotations

import json
from collections.abc import Iterable

_HIDDEN = "[account key]"
_SHORTEST = 8
"""Characters; a key of fewer (``EMPTY``) is none, and may well be a word of an answer."""


def forms_of(secret: str) -> tuple[str, ...]:
    """The forms in which a key may stand in a text."""
    if len(secret) < _SHORTEST:
        return ()
    return tuple(dict.fromkeys((secret, json.dumps(secret)[1:-1], secret.replace("/", "\\/"))))


def hidden(text: str, forms: Iterable[str]) -> str:
    """A text with other words in place of a key."""
    for form in forms:
        text = text.replace(form, _HIDDEN)
    return text
