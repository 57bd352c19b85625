"""Generation over replicas: Ray actors with an engine each. The driver hands out whole batches and keeps the journals.

Each batch is one that the local run would form, and an engine that is given a batch forms it again, so that outputs do
not depend on how many replicas there are or which of them has it. A batch whose replica died goes to the next that is
free; Ray starts the replica again wherever there is room.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any, Self

from babeltune.records import Engine, Output, Request
from babeltune.study.executors.cluster import RETRIES, Order, Watch, ended, fetch
from babeltune.study.session import Session

Split = Callable[[Sequence[Request]], list[list[Request]]]

_AHEAD = 2
"""Batches that a replica has: one in hand, and one so that it need not wait for the driver."""
_CHUNK = 256, 2048
"""Least and most requests that an engine gets at once which forms its batches as it goes: it idles towards the end of
each, and where a replica dies they are asked again."""
_SHARES = 8
"""Chunks of an adapter that a replica gets, where these are within the limits."""
_TICK = 5.0
"""Seconds without an answer until the driver looks whether the cluster has grown, or is gone."""


def chunks(requests: Sequence[Request], replicas: int) -> list[list[Request]]:
    """Requests of one adapter each, for engines that have no batches of their own, of which there are so many."""
    by_adapter: dict[str | None, list[Request]] = {}
    for request in requests:
        by_adapter.setdefault(request.adapter, []).append(request)
    least, most = _CHUNK
    found = []
    for group in by_adapter.values():
        size = max(least, min(most, len(group) // (_SHARES * replicas)))
        found += [group[at : at + size] for at in range(0, len(group), size)]
    return found


class Replica:
    """The actor: an engine on a machine. It writes nothing, so that a batch may be done twice."""

    def __init__(self, order: Order, model: str) -> None:
        self._order = order
        self._model = model
        self._session: Session | None = None

    def ready(self) -> None:
        """Answers as soon as Ray has found a place; loads nothing yet.

        Raises:
            StoreError: this machine does not see what the driver sees.
        """
        if self._session is None:
            self._order.enter()
            self._session = Session(self._order.opened, lambda event: None)

    def complete(self, requests: list[Request]) -> list[Output]:
        """One batch."""
        return list(self._engine().complete(requests))

    def loglikelihood(self, requests: list[Request]) -> list[Output]:
        """One batch."""
        return list(self._engine().loglikelihood(requests))

    def _engine(self) -> Engine:
        self.ready()  # this process may be another than the one that was asked
        assert self._session is not None
        return self._session.engine(self._model)


class Replicas:
    """An ``Engine``. A context: at its end the replicas are gone, and with them what they hold of their devices."""

    def __init__(self, order: Any, model: str, split: Split | None, watch: Watch) -> None:
        """Starts nothing yet.

        Args:
            order: reference to the ``Order``.
            model: id of the base model.
            split: forms batches; None where the engine does not by itself.
            watch: over what a replica needs.
        """
        self._order = order
        self._model = model
        self._split = split
        self._watch = watch
        self._up: set[Any] = set()
        """Replicas that are there."""
        self._calls: dict[Any, tuple[Any, int | None]] = {}
        """Reference to a call -> its replica and the number of its batch; None where it only says that it is there."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        for replica in {*self._up, *(replica for replica, _ in self._calls.values())}:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.kill(replica)
        self._up, self._calls = set(), {}

    def complete(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Yield the outputs batch by batch, as replicas finish them."""
        return self._spread("complete", requests, done)

    def loglikelihood(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Yield the outputs batch by batch, as replicas finish them."""
        return self._spread("loglikelihood", requests, done)

    def _spread(self, method: str, requests: Iterable[Request], done: Container[tuple[str, str]]) -> Iterator[Output]:
        import ray

        asked = list(requests)
        batches = [
            batch
            for batch in (self._split(asked) if self._split else chunks(asked, max(1, self._watch.need.room())))
            if not all((request.cell, request.id) in done for request in batch)
        ]
        waiting = deque(range(len(batches)))
        deaths: Counter[int] = Counter()
        left = len(batches)
        self._calls = {call: one for call, one in self._calls.items() if one[1] is None}  # of a spread left unfinished
        while left:
            self._grow(left)
            self._hand_out(method, batches, waiting)
            if not self._calls:  # the machines went away before the first replica was asked for
                time.sleep(_TICK)
            ready = ray.wait(list(self._calls), timeout=_TICK)[0] if self._calls else []
            if not ready:
                self._watch.look()
            for call in ready:
                replica, at = self._calls[call]
                try:
                    outputs = fetch(call)
                except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
                    if at is None:
                        raise
                    back = self._take_back(replica)
                    waiting.extendleft(reversed(back))
                    deaths[back[0]] += 1
                    if deaths[back[0]] > RETRIES:
                        batch = batches[back[0]]
                        raise ended(f"{batch[0].cell}, a batch of {len(batch)}", error) from error
                    continue
                del self._calls[call]
                if at is None:
                    self._up.add(replica)
                    continue
                left -= 1
                yield from (output for output in outputs if (output.cell, output.id) not in done)

    def _take_back(self, replica: Any) -> list[int]:
        """The batches of a replica that died, in the order in which it got them; the first was in its hands."""
        calls = {call: at for call, (one, at) in self._calls.items() if one == replica and at is not None}
        for call in calls:
            del self._calls[call]
        self._up.remove(replica)
        self._start(replica)
        return list(calls.values())

    def _grow(self, left: int) -> None:
        """As many replicas as the cluster has room for, and no more than there are batches: also where it has grown."""
        import ray

        wanted = min(left, self._watch.need.room())
        there = {*self._up, *(replica for replica, _ in self._calls.values())}
        for _ in range(wanted - len(there)):
            actor = ray.remote(max_restarts=-1, **self._watch.need.options())(Replica)
            self._start(actor.remote(self._order, self._model))

    def _start(self, replica: Any) -> None:
        """Hear of a replica as soon as it is there, for the first time or again."""
        self._calls[replica.ready.options(max_task_retries=-1).remote()] = replica, None

    def _hand_out(self, method: str, batches: Sequence[list[Request]], waiting: deque[int]) -> None:
        """A batch to each replica that has none, then one more to each."""
        has = Counter(replica for replica, at in self._calls.values() if at is not None)
        for most, replica in itertools.product(range(_AHEAD), self._up):
            if waiting and has[replica] <= most:
                at = waiting.popleft()
                self._calls[getattr(replica, method).remote(batches[at])] = replica, at
                has[replica] += 1
