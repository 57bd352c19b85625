"""An engine that answers from a function."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator

from babeltune.errors import EngineError
from babeltune.records import Output, Request


class ScriptedEngine:
    """An ``Engine``. ``answer`` maps a request to the text that follows its prompt and prefix."""

    def __init__(self, answer: Callable[[Request], str]) -> None:
        self.answer = answer

    def complete(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Outputs in the order of the requests; a word counts as a token, and none comes after ``max_tokens``."""
        for request in requests:
            if (request.cell, request.id) not in done:
                words = self.answer(request).split(" ")
                text = " ".join(words[: request.sampling.max_tokens])
                ended = len(words) <= request.sampling.max_tokens
                yield Output(
                    request.id, request.cell, request.prefix + text, "eos" if ended else "length", len(text.split())
                )

    def loglikelihood(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Refuse, as a chat server does."""
        raise EngineError("This script does not say how likely candidates are.")
