"""A file of requests as providers take it: a line of JSON each, on the disk until it is sent."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from typing import Final

from babeltune.generate.ledger import Waiting
from babeltune.generate.prices import Price, upper_bound

URL: Final = "/v1/chat/completions"
"""What all requests are for."""
_HEAD = '{"custom_id":"%s","method":"POST","url":"' + URL + '","body":'
_LIMITS = ("max_tokens", "max_completion_tokens")
"""Names of the field for the most tokens."""


class RequestFile:
    """A context: on leaving, the file is gone."""

    def __init__(self, price: Price | None, requests: Iterable[Waiting] = ()) -> None:
        """``price``: of the model, None where it is not known."""
        self.lines = tempfile.TemporaryFile()  # noqa: SIM115
        self.size = 0
        """Bytes."""
        self.worst = 0.0
        """Dollars that it can cost at most."""
        self._price = price
        self._asked: list[tuple[str, str, str]] = []
        for one in requests:
            self.add(one)

    def __enter__(self) -> RequestFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.lines.close()

    def __len__(self) -> int:
        """Requests."""
        return len(self._asked)

    @property
    def keys(self) -> list[str]:
        """Of the requests, in order."""
        return [key for key, _, _ in self._asked]

    def add(self, one: Waiting) -> None:
        """Write a line."""
        line = line_of(one)
        self.lines.write(line)
        self._asked.append((one.key, one.purpose, one.item))
        self.size += len(line)
        self.worst += worst_of(one.sent, self._price)

    def waiting(self) -> Iterator[Waiting]:
        """The requests as the ledger keeps them."""
        self.lines.seek(0)
        for line, (key, purpose, item) in zip(self.lines, self._asked, strict=True):
            yield Waiting(key, line[len(_HEAD % key) : -2].decode("utf-8"), purpose, item)


def line_of(one: Waiting) -> bytes:
    """A request as a provider takes it."""
    return f"{_HEAD % one.key}{one.sent}}}\n".encode()


def worst_of(sent: str, price: Price | None) -> float:
    """Dollars that a request can cost at most in a batch; 0 without a price."""
    if price is None:
        return 0.0
    body = json.loads(sent)
    most = next((body[name] for name in _LIMITS if name in body), 0)
    return upper_bound(price, len(sent.encode("utf-8")), most, batch=True)
