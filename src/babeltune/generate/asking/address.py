"""A model on a server: where it is, how it is asked, and what of that is wrong."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from babeltune.errors import Problem

OPENAI = "https://api.openai.com/v1"
_LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model on a server, and how to ask it. Nothing here but ``model`` changes an answer."""

    model: str
    """As the server names it."""
    base_url: str = OPENAI
    """Up to where ``/chat/completions`` follows; most end in ``/v1``."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the account's key. A server on this machine needs none."""
    concurrency: int = 10
    """Requests in flight at once (the authors' code: 10)."""
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout: float = 90.0
    """Seconds that one try may take, from sending to the last byte (the authors' code: 90)."""
    tries: int = 6
    """Of a request that meets faults that may pass."""
    most_wait: float = 60.0
    """Seconds between two tries at most. A server that asks for more ends the run: it is no use to wait for."""

    @property
    def key(self) -> str | None:
        """The account's key; None where the variable is not set."""
        return os.environ.get(self.key_variable, "").strip() or None

    @property
    def local(self) -> bool:
        """Whether the server runs on this machine."""
        try:
            return urlsplit(self.base_url).hostname in _LOCAL
        except ValueError:
            return False

    def problems(self) -> list[Problem]:
        """All that would keep it from being asked, found without a call."""
        found = _wrong_address(self.base_url, self.key_variable)
        if not self.model.strip():
            found.append(Problem("model", "is empty", "Name the model as the server does."))
        if self.key is None and not self.local:
            found.append(
                Problem(self.key_variable, "the environment variable is not set", "Put the account's key into it:"
                        f" export {self.key_variable}=... (any word, for a server that asks for none); or name the"
                        " variable that holds it (key_variable).")
            )  # fmt: skip
        if self.key is not None and not (self.key.isascii() and self.key.isprintable()):
            what = "the environment variable holds a line end or a letter that no key has"
            found.append(Problem(self.key_variable, what, "Put the account's key into it, and nothing else."))
        for name in ("concurrency", "tries"):
            if getattr(self, name) < 1:
                found.append(Problem(name, f"{getattr(self, name)} is too few", "Write 1 or more."))
        for name in ("requests_per_minute", "tokens_per_minute", "timeout", "most_wait"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                found.append(Problem(name, f"{value} is no limit", "Write a number above 0."))
        return found


def shown(base_url: str) -> str:
    """A base URL as it may be shown: without user, password and query, which may hold a key."""
    return re.sub(r"//.*@", "//", base_url.partition("?")[0])


def _wrong_address(base_url: str, key_variable: str) -> list[Problem]:
    """What is wrong with a base URL."""
    told = shown(base_url)
    good = f"Write one such as {OPENAI} or http://localhost:8000/v1."
    try:
        parts = urlsplit(base_url)
        _ = parts.port
    except ValueError as error:
        return [Problem("base_url", f"'{told}' is no address ({error})", good)]
    found = []
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        found.append(Problem("base_url", f"'{told}' is no address", good))
    if parts.path.rstrip("/").endswith("/completions"):
        found.append(Problem("base_url", "it goes too far", "Leave out /chat/completions, or /completions."))
    if "@" in base_url.partition("?")[0]:
        found.append(Problem("base_url", "it holds a password", f"Put the key into ${key_variable} instead."))
    return found
