"""What the ledger holds: what came back for a request, what is under way, and their sums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from babeltune.records import Request

State = Literal["answered", "empty", "refused", "failed"]
STATES: tuple[State, ...] = get_args(State)
KEPT: tuple[State, ...] = ("answered", "refused")
"""States of a request that is not sent again."""
Messages = Sequence[Mapping[str, str]] | str
"""A chat's messages, each with its role and content; of a plain completion, the prompt."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What came back for one request."""

    key: str
    """Hash of what was sent: ``key_of``."""
    model: str
    """Asked for."""
    answered_by: str
    """The server's name of the model."""
    state: State
    """``answered`` and ``refused`` (the server's filter) are for good; ``empty`` and ``failed`` are asked again."""
    text: str
    """The content; empty unless answered."""
    finish: str
    """As of ``Output.finish``."""
    raw: str
    """The reply's body as it came, or the error's."""
    prompt_tokens: int
    cached_tokens: int
    """Of the prompt's."""
    completion_tokens: int
    seconds: float
    """Latency of the last try."""
    tries: int
    cost: float | None
    """Dollars; None without a price."""
    purpose: str
    """What asked, for people: the cell, or the like."""
    item: str
    at: str
    """When it came, ISO 8601."""
    sent: str
    """JSON of what was sent, so that a raw reply can be read again beside its request."""
    unsure: float = 0.0
    """Dollars that it may have cost besides, at most: the call broke off, or the reply does not say its tokens."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Sums over replies: each counts once, whether it was an answer or not. A failure that used nothing is none."""

    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    dollars: float = 0.0
    """Of those with a price."""
    unpriced: int = 0
    """Replies without a price."""
    unsure: float = 0.0
    """Dollars that calls may have cost besides, at most: they broke off, or no reply said their tokens."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A file of requests that a provider works off."""

    token: str
    """Ours, made before anything is sent; rides in the batch's metadata."""
    base_url: str
    model: str
    file: str = ""
    """The provider's id of the file of requests; empty before it was taken."""
    id: str = ""
    """The provider's id of the batch; empty before it said one."""
    reserve: float = 0.0
    """Dollars that it can cost at most."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that was sent, or will be: in a batch, or by itself."""

    key: str
    sent: str
    """As of ``Entry.sent``."""
    purpose: str
    item: str


def messages_of(request: Request) -> Messages:
    """A chat's messages; the prompt itself where it is continued as it stands."""
    if request.system is None:
        return request.prompt
    said = [{"role": "system", "content": request.system}] if request.system else []
    return [*said, {"role": "user", "content": request.prompt}]


def key_of(model: str, request: Request) -> str:
    """Hash of what a model is asked, 64 hex digits: two of one key ask for the same.

    SHA-256 of the canonical JSON (keys sorted, no spaces, ASCII) of model, messages, sampling with the seed, schema.
    """
    sampling = request.sampling
    drawn = {
        "temperature": float(sampling.temperature),
        "top_p": float(sampling.top_p),
        "max_tokens": sampling.max_tokens,
        "stop": list(sampling.stop),
        "seed": request.seed,
    }
    content = {"model": model, "messages": messages_of(request), "sampling": drawn, "schema": request.schema}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()
