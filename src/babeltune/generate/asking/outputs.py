"""Requests as a server is asked them, and outputs that need no asking."""

from __future__ import annotations

from typing import Any, Literal

from babeltune.errors import EngineError
from babeltune.generate.asking.dialect import messages_of
from babeltune.generate.asking.reply import refusal
from babeltune.generate.ledger import Entry, key_of
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
    return key_of(model, messages_of(request), request.sampling, request.seed, request.schema)


def kept_output(entry: Entry, request: Request) -> Output:
    """The output that an entry of the ledger, answered or refused, gives for a request."""
    finish: Any = entry.finish
    reason = refusal(entry.raw) if entry.state == "refused" else ""
    return Output(request.id, request.cell, entry.text, finish, entry.completion_tokens, reason=reason)


def without(request: Request, finish: NoAnswer, reason: str) -> Output:
    """An output that says why there is no answer."""
    return Output(request.id, request.cell, "", finish, 0, reason=reason)
