"""What a server said, read strictly: an answer, a refusal, nothing, or a fault and what it means for other requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

_WORDS = 300
"""Most characters of a server's message that are repeated."""
_FILTERS = ("content_filter", "content_policy_violation")
"""Codes of what a server's filter would not have."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply with a body as the protocol has it."""

    state: Literal["answered", "empty", "refused"]
    text: str
    """Empty unless answered."""
    finish: Literal["eos", "stop", "length", "refused", "failed"]
    """As of ``Output``."""
    answered_by: str
    """The server's name of the model."""
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    metered: bool
    """Whether the server said how many tokens it took."""
    reason: str = ""
    """Why there is no answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A try without a reply that can be read."""

    means: Literal["again", "refused", "failed", "fatal"]
    """``again``: another try may fare better; ``refused``: the content filter; ``failed``: this request never will;
    ``fatal``: none will."""
    reason: str
    raw: str = ""
    """Body, as far as there is one."""
    status: int | None = None
    """Of HTTP; None where the connection failed."""
    code: str | None = None
    param: str | None = None
    wait: float | None = None
    """Seconds that the server asks to wait."""
    maybe_paid: bool = False
    """Whether the server may have answered, and charged for it, though nothing came."""
    unreached: bool = False
    """Whether no connection came about."""


class UnreadableError(ValueError):
    """A body that is not what the protocol has."""


def read(raw: str | bytes, stop: tuple[str, ...] = ()) -> Reply:
    """Read the body of a reply with status 200, of a chat or a completion.

    The text is cut before the first of ``stop``, for servers that do not.

    Raises:
        UnreadableError: it is no JSON, or has no choice.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise UnreadableError(f"the reply is no JSON ({error})") from error
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list) or not body["choices"]:
        raise UnreadableError(f"the reply has no choices: {_message(body)[0]}")
    choice = body["choices"][0]
    if not isinstance(choice, dict):
        raise UnreadableError("the reply's first choice is no object")
    message = _mapping(choice.get("message"))
    content = message.get("content") if "message" in choice else choice.get("text")
    if isinstance(content, list):  # of parts, as Mistral's servers have it
        content = "".join(part["text"] for part in map(_mapping, content) if isinstance(part.get("text"), str))
    text = content if isinstance(content, str) else ""
    ended = choice.get("finish_reason")
    if ended == "error":  # OpenRouter, where the model behind it broke off
        raise UnreadableError(f"the answer broke off: {_message(choice)[0]}")
    usage = _mapping(body.get("usage"))
    counted = (
        _count(usage, "prompt_tokens"),
        _count(_mapping(usage.get("prompt_tokens_details")), "cached_tokens"),
        _count(usage, "completion_tokens"),
        all(isinstance(usage.get(name), int) for name in ("prompt_tokens", "completion_tokens")),
    )
    answered_by = body["model"] if isinstance(body.get("model"), str) else ""
    refusal = message.get("refusal")
    if ended == "content_filter" or (isinstance(refusal, str) and refusal):
        why = f"the model declined: {refusal[:_WORDS]}" if refusal else "the server's content filter stopped the answer"
        return Reply("refused", "", "refused", answered_by, *counted, reason=why)
    starts = [at for at in (text.find(mark) for mark in stop) if at >= 0]
    text = text[: min(starts)] if starts else text
    # A completion may end at once; who is asked in a chat and says nothing has not answered.
    if not text.strip() and ("message" in choice or not isinstance(content, str)):
        why = "the answer is empty"
        if ended == "length":
            why += ": all tokens went into thought that is not shown; raise max_tokens"
        return Reply("empty", "", "failed", answered_by, *counted, reason=why)
    if starts:
        return Reply("answered", text, "stop", answered_by, *counted)
    # vLLM names the stop string that was met; others say "stop" for the end token too.
    finish: Literal["eos", "stop", "length"] = (
        "length" if ended == "length" else "stop" if isinstance(choice.get("stop_reason"), str) else "eos"
    )
    return Reply("answered", text, finish, answered_by, *counted)


def fault(status: int, raw: str, wait: float | None = None) -> Fault:
    """Read a reply with an error status."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = raw
    message, code, param = _message(body)
    reason = f"HTTP {status}: {message}" if message else f"HTTP {status}"
    means: Literal["again", "refused", "failed", "fatal"] = "failed"
    if code in _FILTERS or any(mark in raw for mark in ("ResponsibleAIPolicyViolation", "requires moderation")):
        means = "refused"
    elif (
        code in ("insufficient_quota", "model_not_found") or 300 <= status < 400 or status in (401, 402, 403, 404, 405)
    ):
        means = "fatal"
    elif status in (408, 409, 429) or status >= 500:
        means = "again"
    return Fault(means, reason, raw, status, code, param, wait)


def refusal(raw: str) -> str:
    """Why a kept reply is a refusal."""
    try:
        return read(raw).reason
    except UnreadableError:
        return fault(400, raw).reason


def _message(body: Any) -> tuple[str, str | None, str | None]:
    """Message, code and parameter of an error, in the forms of OpenAI, vLLM (top level) and FastAPI (``detail``)."""
    if not isinstance(body, dict):
        return " ".join(str(body).split())[:_WORDS], None, None
    inner = _mapping(body.get("error")) or body
    said = next((inner[name] for name in ("message", "detail", "error") if inner.get(name)), body)
    words = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    code, param = inner.get("code"), inner.get("param")
    return (
        " ".join(words.split())[:_WORDS],
        code if isinstance(code, str) else None,
        param if isinstance(param, str) else None,
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and value > 0 else 0
