"""An engine that answers from a function: for tests, dry runs, and to try a task without a model."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence

from babeltune.errors import EngineError
from babeltune.records import Output, Request


class ScriptedEngine:
    """An ``Engine``. ``answer`` maps a request to the text that follows its prompt and prefix.

    ``rank`` maps one to the log-likelihood of each of its candidates [nats].
    """

    def __init__(
        self, answer: Callable[[Request], str], rank: Callable[[Request], Sequence[float]] | None = None
    ) -> None:
        self.answer = answer
        self.rank = rank

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

    def loglikelihood(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Outputs in the order of the requests; a word counts as a token."""
        if self.rank is None:
            raise EngineError("This script does not say how likely candidates are. Give it `rank`.")
        for request in requests:
            if (request.cell, request.id) in done:
                continue
            values = tuple(self.rank(request))
            if len(values) != len(request.candidates):
                raise EngineError(
                    f"{request.cell}, request {request.id}: {len(values)} log-likelihoods for"
                    f" {len(request.candidates)} candidates. Give one for each."
                )
            lengths = tuple(len(candidate.split()) for candidate in request.candidates)
            yield Output(request.id, request.cell, "", "ranked", sum(lengths), values, lengths)
