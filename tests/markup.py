"""A page as a parser sees it: what is markup, what is script, what is text."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal, or the order of the text around it, would obey."""

MAKERS = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
"""What makes markup of text in a script."""
CALLERS = r"\beval\b|\bFunction\(|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|\bimport\("
"""What runs text, or asks a server."""
OUTWARD = {"src", "href", "srcset", "action", "data", "poster", "background", "formaction", "ping", "target"}
"""Attributes that name something to be fetched."""
EMBEDDING = {"iframe", "object", "embed", "link", "base", "form", "img", "audio", "video"}


class Parsed(HTMLParser):
    """Elements with their attributes, the text of each script and style, and all other text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, str]] = []
        self.comments: list[str] = []
        self.words = ""
        self._raw: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._raw = tag
            self.inside.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == self._raw:
            self._raw = None

    def handle_data(self, data: str) -> None:
        if self._raw:
            self.inside[-1] = self._raw, self.inside[-1][1] + data
        else:
            self.words += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def policy(self) -> dict[str, list[str]]:
        """Directive of the content-security policy -> what it allows."""
        (content,) = [str(attrs["content"]) for attrs in self.of("meta") if attrs.get("http-equiv")]
        return {name: sources for name, *sources in (part.split() for part in content.split(";"))}

    def assert_alone(self) -> None:
        """The policy allows the page's own style and script and nothing else; nothing runs or is fetched otherwise."""
        (_, style), _, (_, script) = self.inside[:3]
        sha = [f"'sha256-{b64encode(sha256(one.encode()).digest()).decode()}'" for one in (script, style)]
        none = {name: ["'none'"] for name in ("default-src", "base-uri", "form-action")}
        assert self.policy == {"script-src": [sha[0]], "style-src": [sha[1]], **none}
        for tag, attrs in self.elements:
            assert tag not in EMBEDDING
            assert not [name for name in attrs if name.startswith("on") or name == "style"]
            assert all(str(attrs[name]).startswith("#") for name in OUTWARD & set(attrs))
        assert not re.search(f"{MAKERS}|{CALLERS}", script)
        assert not re.search(r"url\(|@import|//", style)

    @property
    def data(self) -> Any:
        return json.loads(self.inside[1][1])
