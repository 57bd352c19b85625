"""Engine on any OpenAI-compatible server: many requests in flight, faults survived, every reply kept and paid for once.

    asking/   address.py  where and how to ask      sending.py   the requests in flight
              exchange.py  all tries of one         wire.py      one call
              dialect.py  what is said              reply.py     what comes back     pace.py, purse.py  limits
    ledger/   all that came

What the ledger has answered is never sent again, so a run that was stopped, by whatever, goes on with what is missing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from babeltune.errors import EngineError, InputError, Problem
from babeltune.generate.asking.address import Endpoint, shown
from babeltune.generate.asking.dialect import Dialect, Format
from babeltune.generate.asking.reply import Reply
from babeltune.generate.asking.sending import Asking, Sending
from babeltune.generate.ledger import Ledger
from babeltune.generate.prices import Prices
from babeltune.records import Output, Request, Sampling

log = logging.getLogger(__name__)

CELL = "check"
"""Purpose in the ledger of the requests that find out what a server can, before anything is paid for in bulk."""
_MOST_TOKENS = 256
"""Of an answer: a word takes a few, thought that comes before it more."""
_WORD = "tulip"
"""Nobody says it who is not made to."""
_SCHEMA = json.dumps({
    "type": "object",
    "properties": {"word": {"type": "string", "enum": [_WORD]}},
    "required": ["word"],
    "additionalProperties": False,
})  # fmt: skip
_COLD = Sampling(temperature=0.0, top_p=1.0, max_tokens=_MOST_TOKENS)
PLAIN = Request(id="plain", cell=CELL, prompt="Say a word.", sampling=_COLD, seed=0, system="")
HELD = Request(id="held", cell=CELL, prompt="Say a word, as JSON.", sampling=_COLD, seed=0, system="", schema=_SCHEMA)
TEXT = Request(id="text", cell=CELL, prompt="A word and", sampling=_COLD, seed=0)

IN_WORDS: dict[Format | None, str] = {
    "schema": "it holds answers to a JSON schema",
    "json": "it knows no JSON schema, but JSON mode",
    "text": "it knows neither JSON schema nor JSON mode: answers come as they come",
    None: "it was not asked for JSON",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What asking once has shown."""

    answered_by: str
    """The server's name of the model."""
    format: Format | None
    """Best form that the server holds answers to; None where schemas were not asked for."""


class EndpointEngine:
    """An ``Engine``. Holds no connection between calls."""

    def __init__(
        self, endpoint: Endpoint, ledger: Ledger, *, prices: Prices | None = None, most_cost: float | None = None
    ) -> None:
        """Sends nothing yet.

        Args:
            endpoint: whom to ask.
            ledger: where replies are kept, and looked for first.
            prices: of models; without the model's, costs are not counted.
            most_cost: dollars that the ledger's calls may come to, those of earlier runs among them; None for no cap.

        Raises:
            InputError: a cap without a price of the model.
        """
        self.endpoint = endpoint
        self.ledger = ledger
        self.price = (prices or {}).get(endpoint.model)
        self.most_cost = most_cost
        self.finding: Finding | None = None
        """What asking has shown; None before it was asked."""
        self.dialect = Dialect()
        """What the server is known to take."""
        if most_cost is not None and self.price is None:
            named = ", ".join(sorted(prices or {})) or "none"
            what = f"a cap of {most_cost:g} dollars, and no price of the model (priced: {named})"
            fix = "Add its dollars per million tokens, or take away the cap."
            raise InputError("spending", [Problem(f"prices.{endpoint.model}", what, fix)])

    def connect(self) -> str:
        """The key to ask with, hidden from the ledger from now on; ``none`` for a server here that needs none.

        Raises:
            InputError: the endpoint's ``problems``.
        """
        problems = self.endpoint.problems()
        if problems:
            raise InputError(f"endpoint {shown(self.endpoint.base_url)}", problems)
        key = self.endpoint.key or "none"
        self.ledger.hide(key)
        return key

    def check(self, *, schemas: bool = False) -> Finding:
        """Ask once, before anything is paid for in bulk; the finding is kept, and the next call costs nothing.

        Args:
            schemas: whether answers are to be held to a JSON schema, so that the best form is to be found.

        Raises:
            InputError: the endpoint's ``problems``.
            EngineError: no server, a wrong key, an unknown model, or not a cent left under the cap.
        """
        if not self._found(schemas):
            with self._sending(iter(())) as sending:
                if not self._find(sending, schemas):
                    raise EngineError(
                        f"{self.endpoint.model}: the spending cap of {self.most_cost:g} dollars leaves no room for a"
                        " single call. Raise it."
                    )
        assert self.finding is not None
        return self.finding

    def complete(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Yield outputs as they come, those of the ledger without a call.

        Requests are sent in their order and read as slots come free. Two that ask for the same are sent once. Before the
        first is sent, ``check`` is made. Everything that came back is in the ledger when its output is yielded, and stays
        there if the caller stops.

        Raises:
            InputError: the endpoint's ``problems``, where anything has to be sent.
            EngineError: as ``check``; no request would survive what happened; or a request that no server takes
                (a forced prefix, an adapter, candidates).
            StoreError: the ledger cannot be written.
        """
        pending = (request for request in requests if (request.cell, request.id) not in done)
        with self._sending(pending) as sending:
            yield from sending.outputs(lambda first, again: self._ask(sending, first, again=again))

    def loglikelihood(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Refuse: chat servers do not tell probabilities of a prompt.

        Raises:
            EngineError: always.
        """
        raise EngineError(
            f"{self.endpoint.model} at {self.endpoint.base_url}: a server does not say how likely a text is. Rank"
            " candidates with engine: transformers or vllm."
        )

    def _sending(self, requests: Iterator[Request]) -> Sending:
        return Sending(
            Asking(self.endpoint, self.connect, self.dialect, self.ledger, self.price, self.most_cost), requests
        )

    def _found(self, schemas: bool) -> bool:
        return self.finding is not None and (self.finding.format is not None or not schemas)

    def _ask(self, sending: Sending, first: Request, *, again: bool) -> bool:
        """Ask for something small of the first request's kind; whether the cap left room for it.

        ``again``: whether to ask though the finding is known, as the server may be gone.
        """
        if first.system is None:  # a plain completion, which finds out for itself
            return not again or sending.probe(TEXT) is not None
        if again:
            return sending.probe(PLAIN) is not None
        return self._found(bool(first.schema)) or self._find(sending, bool(first.schema))

    def _find(self, sending: Sending, schemas: bool) -> bool:
        """Find ``finding``; False where the cap leaves no room."""
        while True:
            reply = sending.probe(HELD if schemas else PLAIN)
            if reply is None:
                return False
            form = self.dialect.format  # weaker by now if the server refused it in words
            if not schemas or holds(form, reply):
                break
            self.dialect.weaken()
        self.finding = Finding(reply.answered_by, form if schemas else None)
        log.info("%s at %s answers, as %s; %s.", self.endpoint.model, self.endpoint.base_url, reply.answered_by,
                 IN_WORDS[self.finding.format])  # fmt: skip
        return True


def holds(form: Format, reply: Reply) -> bool:
    """Whether the answer to ``HELD``, asked for in this form, is in it. One without an end shows nothing against it."""
    if form == "text" or reply.state != "answered" or reply.finish == "length":
        return True
    try:
        said = json.loads(reply.text)
    except (ValueError, RecursionError):
        return False
    return said == {"word": _WORD} if form == "schema" else isinstance(said, dict)
