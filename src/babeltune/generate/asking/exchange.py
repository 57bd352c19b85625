"""All tries of a request: paced, within the purse, each reply handed on the moment it is there."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

from babeltune.errors import EngineError
from babeltune.generate.asking.address import Endpoint
from babeltune.generate.asking.dialect import Dialect
from babeltune.generate.asking.keeping import Keeping
from babeltune.generate.asking.outputs import cost_of, entry_of
from babeltune.generate.asking.pace import Pace, backoff
from babeltune.generate.asking.purse import Purse
from babeltune.generate.asking.reply import Fault, Reply
from babeltune.generate.asking.wire import Wire, encode
from babeltune.generate.ledger import Waiting
from babeltune.generate.prices import Price, upper_bound
from babeltune.records import Request

_EMPTY_TRIES = 3
"""Of a request whose answers are empty: each is paid for."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """With one server, under one account. Belongs to one event loop."""

    endpoint: Endpoint
    price: Price | None
    wire: Wire
    dialect: Dialect
    pace: Pace
    purse: Purse
    keeping: Keeping
    """Is given whatever may have cost something, when it comes, and how a request ended."""

    async def answer(self, key: str, request: Request, most_tries: int) -> Reply | Fault | None:
        """The reply, or the fault that was the last; None where the cap has no room for a first try.

        Raises:
            EngineError: the server asks for a longer pause than ``most_wait``.
        """
        path = "/completions" if request.system is None else "/chat/completions"
        tries = counted = empties = 0
        while True:
            body = self.dialect.body(self.endpoint.model, request)
            content = encode(body)
            most = request.sampling.max_tokens
            worst = upper_bound(self.price, len(content), most) if self.price else 0.0
            if not await self.purse.reserve(worst):
                return None
            unsure = 0.0
            try:
                estimate = self.pace.estimate(len(content), most)
                await self.pace.turn(estimate)
                tries += 1
                began = time.monotonic()
                unsure = worst  # until it is known
                said, raw = await self.wire.post(path, content, request.sampling.stop)
                seconds = time.monotonic() - began
            except BaseException:
                self.purse.lost += unsure
                self.purse.settle(worst, unsure)
                raise
            paid, unsure = cost_of(said, self.price, worst)
            self.purse.settle(worst, (paid or 0.0) + unsure)
            if isinstance(said, Reply):
                counted += 1
                empties += said.state == "empty"
                ended = said.state != "empty" or empties >= _EMPTY_TRIES or counted >= most_tries
                self.pace.learn(estimate, len(content), said.prompt_tokens, said.completion_tokens)
            elif (
                said.status in (400, 422)
                and said.means == "failed"
                and self.dialect.learn(body, said.reason, said.param)
            ):
                continue
            else:
                # To be told to slow down is no fault as long as others get their answers.
                counted += said.status != 429 or not self.pace.answered_within(self.endpoint.most_wait)
                ended = said.means != "again" or counted >= most_tries
            if ended or unsure or isinstance(said, Reply):
                sent = Waiting(key, content.decode(), request.cell, request.id)
                entry = entry_of(self.endpoint.model, sent, said, raw)
                took = round(seconds, 4)
                await self.keeping.keep(replace(entry, seconds=took, tries=tries, cost=paid, unsure=unsure))
            if ended:
                return said
            await asyncio.sleep(self._rest(said, tries))

    def _rest(self, said: Reply | Fault, tries: int) -> float:
        """Seconds before the next try; a pause that the server asks for is everyone's."""
        most = self.endpoint.most_wait
        asked = said.wait if isinstance(said, Fault) else None
        if asked is None:
            return backoff(tries, most)
        if asked > most:
            raise EngineError(
                f"{self.endpoint.model} at {self.endpoint.base_url}: asks to wait {asked:,.0f} s ({said.reason}), longer"
                f" than most_wait, {most:g} s. What came back is kept: run again then."
            )
        self.pace.hold(asked)
        return max(asked, backoff(tries, most))


def dead_end(fault: Fault, endpoint: Endpoint) -> EngineError:
    """What ends a run, a fault that no other request would survive: what, where, why, and what to do next."""
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
