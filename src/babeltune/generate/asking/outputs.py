"""Requests as a server is asked them; and what it said, as the ledger keeps it and as it is yielded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from babeltune.errors import EngineError
from babeltune.generate.asking.reply import Fault, Reply, refusal
from babeltune.generate.ledger import Entry, State, Waiting, key_of
from babeltune.generate.prices import Price, cost
from babeltune.records import Output, Request

NoAnswer = Literal["refused", "failed", "unsent"]


def key_for(model: str, request: Request) -> str:
    """The key of a request that is asked of a server.

    Raises:
        EngineError: no server takes it.
    """
    why = (
        "a forced start of the answer cannot be asked of a server"
        if request.prefix
        else "an adapter cannot be asked of a server; name the model that it serves with it"
        if request.adapter is not None
        else "candidates cannot be ranked by a server"
        if request.candidates
        else ""
    )
    if why:
        raise EngineError(f"{request.cell}, request {request.id}: {why}. Use engine: transformers or vllm.")
    return key_of(model, request)


def entry_of(model: str, sent: Waiting, said: Reply | Fault, raw: str) -> Entry:
    """The ledger's entry for what came back just now; how long it took and what it cost is for the caller to add."""
    heard = said if isinstance(said, Reply) else None
    state: State = said.state if isinstance(said, Reply) else "refused" if said.means == "refused" else "failed"
    return Entry(
        key=sent.key,
        model=model,
        answered_by=heard.answered_by if heard else "",
        state=state,
        text=heard.text if heard else "",
        finish=heard.finish if heard else state,
        raw=raw or said.reason,
        prompt_tokens=heard.prompt_tokens if heard else 0,
        cached_tokens=heard.cached_tokens if heard else 0,
        completion_tokens=heard.completion_tokens if heard else 0,
        seconds=0.0,
        tries=1,
        cost=None,
        purpose=sent.purpose,
        item=sent.item,
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        sent=sent.sent,
    )


def cost_of(
    said: Reply | Fault, price: Price | None, worst: float, *, batch: bool = False
) -> tuple[float | None, float]:
    """Dollars that it cost, None without a price; and those that it may have cost besides: 0, or ``worst``."""
    if price is None:
        return None, 0.0
    if isinstance(said, Fault):
        return 0.0, worst if said.maybe_paid else 0.0
    if not said.metered:
        return 0.0, worst
    return cost(price, said.prompt_tokens, said.cached_tokens, said.completion_tokens, batch=batch), 0.0


def kept_output(entry: Entry, request: Request) -> Output:
    """The output that an entry of the ledger, answered or refused, gives for a request."""
    finish: Any = entry.finish
    reason = refusal(entry.raw) if entry.state == "refused" else ""
    return Output(request.id, request.cell, entry.text, finish, entry.completion_tokens, reason=reason)


def without(request: Request, finish: NoAnswer, reason: str) -> Output:
    """An output that says why there is no answer."""
    return Output(request.id, request.cell, "", finish, 0, reason=reason)
