"""What the tests of the endpoint ask, whom, and what is left in the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babeltune.generate.asking.address import Endpoint
from babeltune.generate.endpoint import EndpointEngine
from babeltune.generate.ledger import Entry, Ledger
from babeltune.generate.prices import Price
from babeltune.records import Output, Request, Sampling
from faultserver import Server, running

MODEL = "judge-1"
PRICE = Price(input=10.0, output=30.0)
SCHEMA = (
    '{"type": "object", "properties": {"reasoning": {"type": "string"}, "score": {"type": "integer"}},'
    ' "required": ["reasoning", "score"], "additionalProperties": false}'
)
COLD = Sampling(temperature=0.0, top_p=1.0, max_tokens=40)
PATIENCE: dict[str, Any] = {"timeout": 10.0, "most_wait": 0.05, "tries": 4, "concurrency": 8}


def judge(prompt: str, **changed: Any) -> Request:
    """A request such as the judge makes."""
    return Request(
        **{"id": prompt, "cell": "cell", "prompt": prompt, "sampling": COLD, "seed": 0, "schema": SCHEMA,
           "system": "You judge.", **changed}
    )  # fmt: skip


@dataclass
class Bench:
    """A server, a ledger, and engines between them."""

    server: Server
    url: str
    ledger: Ledger

    def engine(self, *, most_cost: float | None = None, price: Price | None = PRICE, **how: Any) -> EndpointEngine:
        endpoint = Endpoint(**{"model": MODEL, "base_url": self.url, **PATIENCE, **how})
        prices = {MODEL: price} if price else None
        return EndpointEngine(endpoint, self.ledger, prices=prices, most_cost=most_cost)

    def ask(self, prompts: Sequence[str], **how: Any) -> dict[str, Output]:
        """Prompt -> output."""
        outputs = list(self.engine(**how).complete([judge(prompt) for prompt in prompts]))
        assert len(outputs) == len(prompts)
        return {output.id: output for output in outputs}

    def entries(self) -> dict[str, Entry]:
        """Prompt -> entry, those of the check aside."""
        return {entry.item: entry for entry in self.ledger.entries() if entry.purpose != "check"}

    def times(self, prompt: str) -> int:
        """How often the server was asked this."""
        return self.server.counts[f"0|{prompt}"]

    def paid(self, price: Price = PRICE) -> float:
        """Dollars by the server's own count."""
        return (self.server.paid["prompt"] * price.input + self.server.paid["completion"] * price.output) / 1e6

    def billed(self, price: Price = PRICE) -> float:
        """Dollars of all answers, those that never arrived among them."""
        return (self.server.billed["prompt"] * price.input + self.server.billed["completion"] * price.output) / 1e6


@contextmanager
def bench(folder: Path, **server: Any) -> Iterator[Bench]:
    made = Server(**server)
    with running(made) as url, Ledger(folder / "ledger.sqlite") as ledger:
        yield Bench(made, url, ledger)
