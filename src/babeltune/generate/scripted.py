"""An engine that answers from a function: for tests, dry runs, and to try a task without a model."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator

from babeltune.records import Output, Request


class ScriptedEngine:
    """An ``Engine``. ``answer`` maps a request to the text that follows its prompt and prefix."""

    def __init__(self, answer: Callable[[Request], str]) -> None:
        self.answer = answer

    def complete(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Outputs in the order of the requests; a word counts as a token."""
        for request in requests:
            if (request.cell, request.id) in done:
                continue
            words = self.answer(request).split(" ")
            kept = " ".join(words[: request.sampling.max_tokens])
            starts = [at for at in (kept.find(stop) for stop in request.sampling.stop) if at >= 0]
            text = kept[: min(starts)] if starts else kept
            finish = "stop" if starts else "length" if len(words) > request.sampling.max_tokens else "eos"
            yield Output(request.id, request.cell, request.prefix + text, finish, len(text.split()))  # type: ignore[arg-type]
