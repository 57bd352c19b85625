"""Engine on a provider's batch files: half the price, answers within a day, and nothing paid for twice.

BatchFileEngine  asks                         filing.py  requests into files, answers out of them
provider.py      the provider's side          ledger.py  all that came, and all that is open
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from babeltune.generate.asking.address import Endpoint
from babeltune.generate.endpoint import EndpointEngine
from babeltune.generate.filing.filing import Filing
from babeltune.generate.filing.provider import OPENAI, Terms
from babeltune.generate.ledger import Ledger
from babeltune.generate.prices import Prices
from babeltune.records import Output, Request


class BatchFileEngine:
    """An ``Engine``. Holds no connection between calls."""

    def __init__(
        self,
        endpoint: Endpoint,
        ledger: Ledger,
        *,
        prices: Prices | None = None,
        most_cost: float | None = None,
        terms: Terms = OPENAI,
    ) -> None:
        """As ``EndpointEngine``; the endpoint's limits per minute and its concurrency play no role.

        Raises:
            InputError: a cap without a price of the model.
        """
        self.ordinary = EndpointEngine(endpoint, ledger, prices=prices, most_cost=most_cost)
        """Asks what has to be known before a file is sent, at the full price."""
        self.terms = terms

    def complete(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Yield what the ledger has at once, all else when its batch has ended.

        Batches that an earlier run left open are collected first, and what they hold is not sent again. All requests
        are read before the first batch is waited for, so call this once for many. The first of each kind (with or
        without a schema, with or without stop strings) goes out as an ordinary call at the full price: what the server
        would not take shows at once, and not in every line a day later. Under a cap, requests are sent in their order
        up to the first that could pass it; the others are ``unsent``. What has no answer is ``failed`` and not asked
        again in this call.

        A caller who stops leaves the batches to the provider, and to the next call.

        Raises:
            InputError: the endpoint's ``problems``, where anything has to be sent.
            EngineError: the provider takes no batches, does not know one that is open, or is silent; or a request that
                cannot go into a file (no chat, a forced prefix, an adapter, candidates).
            StoreError: the ledger cannot be written.
        """
        pending = (request for request in requests if (request.cell, request.id) not in done)
        with Filing(self.ordinary, self.terms) as filing:
            yield from filing.outputs(pending)

    def loglikelihood(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Refuse, as ``EndpointEngine`` does.

        Raises:
            EngineError: always.
        """
        return self.ordinary.loglikelihood(requests, done)
