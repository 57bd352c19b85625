"""What ends a run: a fault that no other request would survive, told with what to do about it."""

from __future__ import annotations

from babeltune.errors import EngineError
from babeltune.generate.asking.address import Endpoint
from babeltune.generate.asking.reply import Fault


def dead_end(fault: Fault, endpoint: Endpoint) -> EngineError:
    """The error to raise: what, where, why, and what to do next."""
    return EngineError(
        f"{endpoint.model} at {endpoint.base_url}: {fault.reason}. {_advice(fault, endpoint)} What came back is kept; the"
        " next run sends only what is missing."
    )


def _advice(fault: Fault, endpoint: Endpoint) -> str:
    key = f"${endpoint.key_variable}"
    if fault.status == 401:
        return f"The server does not accept the key in {key}: put a valid one there."
    if fault.status == 402 or fault.code == "insufficient_quota":
        return f"The account of the key in {key} has no credit left: add some, or use another account's key."
    if fault.status == 403:
        return f"The key in {key} may not ask for this: use another key, or another model."
    if fault.code == "model_not_found" or (fault.status == 404 and "model" in fault.reason.lower()):
        return f"The server has no such model: name one that {endpoint.base_url}/models lists."
    if fault.status in (404, 405) or (fault.status is not None and fault.status < 400):
        return "Nobody speaks OpenAI's protocol there: check base_url, which most servers have end in /v1."
    if fault.unreached:
        return "Start the server, or correct base_url."
    if fault.means in ("failed", "refused"):
        return "The server refuses even a plain request: correct what it names, or ask another model."
    return "The server gave no answer in all tries: wait until it does, and run again."
