"""The requests in flight: read as slots come free, kept the moment they are answered, then yielded.

One event loop, driven from ``outputs`` by whoever takes what it yields. There is no thread, so requests are read, the
ledger is written and Ctrl-C arrives in one place. While the taker is busy nothing is sent, and the time it takes counts
against no deadline.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from babeltune.errors import BabeltuneError
from babeltune.generate.asking.address import Endpoint
from babeltune.generate.asking.dialect import Dialect
from babeltune.generate.asking.exchange import Exchange, dead_end
from babeltune.generate.asking.interrupts import refuse_inside_loop, run
from babeltune.generate.asking.keeping import Keeping
from babeltune.generate.asking.outputs import NoAnswer, kept_output, key_for, without
from babeltune.generate.asking.pace import Pace
from babeltune.generate.asking.purse import Purse
from babeltune.generate.asking.reply import Fault, Reply
from babeltune.generate.asking.wire import Wire
from babeltune.generate.ledger import Ledger
from babeltune.generate.prices import Price
from babeltune.records import Output, Request

_READ_AT_ONCE = 64
"""Requests that are looked up in the ledger together."""
_PROBE_TRIES = 3
_UNANSWERED = 20
"""Requests in a row that came to nothing, all tries of each, after which the server is asked whether it is there."""
_TOGETHER = 64
"""Outputs that are yielded together, as to stop the loop for each takes as long as to ask for it."""
_SOON = 0.02
"""Seconds that fewer wait."""
_SHORT = 0.01
"""Of a deadline: for so much of it the taker may be away before it is put off."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Whom to ask, and on what terms; what is learnt of the server is kept for the next time."""

    endpoint: Endpoint
    connect: Callable[[], str]
    """Gives the key once something is to be sent; raises where the endpoint cannot be asked."""
    dialect: Dialect
    ledger: Ledger
    price: Price | None
    most_cost: float | None


@dataclass(slots=True)
class _Job:
    """One key to be sent, and all requests that it answers."""

    key: str
    requests: list[Request]


class Sending:
    """A context: on leaving, what is in flight is cancelled and what came back is kept."""

    def __init__(self, asking: Asking, requests: Iterator[Request]) -> None:
        """Sends nothing yet.

        Raises:
            EngineError: an event loop runs in this thread already.
        """
        refuse_inside_loop()
        self.asking = asking
        self._requests = requests
        self._loop = asyncio.new_event_loop()
        self._exchange: Exchange | None = None
        self._jobs: deque[_Job] = deque()
        self._known: dict[str, _Job] = {}
        """Key -> job that waits or is in flight."""
        self._lost: dict[str, str] = {}
        """Key -> why it failed in this run."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready: deque[Output] = deque()
        self._news = asyncio.Event()
        self._soon: asyncio.TimerHandle | None = None
        """When what is ready is yielded, however little it is."""
        self._all_read = False
        self._stopped = ""
        """Why nothing more is sent; empty while it is."""
        self._unanswered = 0
        self._fatal: BaseException | None = None

    def __enter__(self) -> Sending:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            run(self._loop, self._end())
        finally:
            self._loop.close()

    def outputs(self, before: Callable[[Request, bool], bool]) -> Iterator[Output]:
        """Yield all outputs.

        Args:
            before: asks once, and says whether to go on. Called with the first request that must be sent, and each time
                that many in a row came to nothing, then with True.
        """
        asked = False
        away = 0.0
        while True:
            while self._ready:
                left = self._loop.time()
                yield self._ready.popleft()
                away += self._loop.time() - left
            if self._fatal is not None:
                raise self._fatal
            self._read()
            silent = self._unanswered >= _UNANSWERED
            if self._jobs and not self._stopped and (silent or not asked):
                asked, self._unanswered = True, 0
                if not before(self._jobs[0].requests[0], silent):
                    self._stop()
            self._launch()
            if self._tasks:
                if self._ready:
                    self._news.set()  # what the ledger has does not wait; what is in flight gets its turn
                run(self._loop, self._wait(away))
                away = 0.0
            elif self._all_read and not self._jobs and not self._ready:
                return

    def probe(self, request: Request) -> Reply | None:
        """Send one request now and return its reply; None where the cap leaves no room.

        Raises:
            EngineError: there is no reply.
        """
        key = key_for(self.asking.endpoint.model, request)
        said = run(self._loop, self._connected().answer(key, request, _PROBE_TRIES))
        if isinstance(said, Fault):
            raise dead_end(said, self.asking.endpoint)
        return said

    def _connected(self) -> Exchange:
        """Made when something is to be sent, not before.

        Raises:
            InputError: the endpoint's ``problems``.
        """
        if self._exchange is None:
            asking = self.asking
            key = asking.connect()
            token = uuid.uuid4().hex
            self._exchange = Exchange(
                endpoint=asking.endpoint,
                price=asking.price,
                wire=Wire(asking.endpoint, key),
                dialect=asking.dialect,
                pace=Pace(asking.endpoint.requests_per_minute, asking.endpoint.tokens_per_minute),
                purse=Purse(
                    asking.ledger.committed(), asking.most_cost, lambda dollars: asking.ledger.pledge(token, dollars)
                ),
                keeping=Keeping(asking.ledger),
            )
        return self._exchange

    def _read(self) -> None:
        """Read requests until a slot's worth of them waits, or there is something to yield."""
        concurrency = self.asking.endpoint.concurrency
        while len(self._jobs) < concurrency and not self._ready and not self._all_read:
            chunk = [
                (key_for(self.asking.endpoint.model, request), request)
                for request in islice(self._requests, _READ_AT_ONCE)
            ]
            self._all_read = len(chunk) < _READ_AT_ONCE
            answers = self.asking.ledger.answers(key for key, _ in chunk)
            for key, request in chunk:
                entry = answers.get(key)
                if entry is not None:
                    self._ready.append(kept_output(entry, request))
                elif key in self._known:
                    self._known[key].requests.append(request)
                elif key in self._lost:
                    self._ready.append(without(request, "failed", self._lost[key]))
                elif self._stopped:
                    self._ready.append(without(request, "unsent", self._stopped))
                else:
                    self._known[key] = job = _Job(key, [request])
                    self._jobs.append(job)

    def _launch(self) -> None:
        """Have as many workers as there are slots and jobs."""
        while self._stopped and self._jobs:
            self._give(self._jobs.popleft(), "unsent", self._stopped)
        for _ in range(min(len(self._jobs), self.asking.endpoint.concurrency - len(self._tasks))):
            task = self._loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._done)

    async def _work(self) -> None:
        """Answer one job after another: a reply is written, and then the next request sent, before anything else."""
        few = self.asking.endpoint.concurrency // 2
        while self._jobs and self._fatal is None and not self._stopped:
            job = self._jobs.popleft()
            if len(self._jobs) < few and not self._all_read:
                self._news.set()
            try:
                await self._answer(job)
            except BabeltuneError as error:
                self._fatal = self._fatal or error
                self._news.set()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fatal = self._fatal or error
        if not self._tasks or self._fatal is not None:
            self._news.set()

    async def _wait(self, away: float) -> None:
        """Until there is something to yield or to read. Time that the taker was ``away`` counts against no deadline."""
        if away > _SHORT * self.asking.endpoint.timeout and self._exchange is not None:
            self._exchange.wire.extend(away)
        await self._news.wait()
        self._news.clear()
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None

    async def _answer(self, job: _Job) -> None:
        """One request from its first try to its outputs."""
        said = await self._connected().answer(job.key, job.requests[0], self.asking.endpoint.tries)
        if said is None:
            self._stop()
            self._give(job, "unsent", self._stopped)
        elif isinstance(said, Fault):
            if said.means == "fatal":
                raise dead_end(said, self.asking.endpoint)
            self._unanswered = self._unanswered + 1 if said.means == "again" else 0
            self._give(job, "refused" if said.means == "refused" else "failed", said.reason)
        elif said.state == "empty":
            self._unanswered = 0
            self._give(job, "failed", said.reason)
        else:
            self._unanswered = 0
            self._yield(
                job,
                [
                    Output(one.id, one.cell, said.text, said.finish, said.completion_tokens, reason=said.reason)
                    for one in job.requests
                ],
            )

    def _give(self, job: _Job, finish: NoAnswer, reason: str) -> None:
        if finish == "failed":
            self._lost[job.key] = reason
        self._yield(job, [without(one, finish, reason) for one in job.requests])

    def _yield(self, job: _Job, outputs: list[Output]) -> None:
        """The job is over: to be yielded, together with others that are over soon."""
        del self._known[job.key]
        self._ready += outputs
        if len(self._ready) >= _TOGETHER:
            self._news.set()
        elif self._soon is None:
            self._soon = self._loop.call_later(_SOON, self._news.set)

    def _stop(self) -> None:
        """Send nothing more: the cap is reached."""
        self._stopped = self._stopped or (
            f"not asked: the spending cap of {self.asking.most_cost:g} dollars would have been passed"
        )

    async def _end(self) -> None:
        """Break off what is in flight, and keep what came back."""
        self._jobs.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._exchange is not None:
            await self._exchange.wire.close()
            self._exchange.keeping.flush()
            self._exchange.purse.close()
        await self._loop.shutdown_asyncgens()
