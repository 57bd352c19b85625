"""Requests into batch files, answers out of them: written down before they are sent, kept before they are yielded.

A batch is in the ledger before anything of it is sent, and is struck out in the transaction that keeps its replies. In
between, a process that dies leaves it open there, and the next run finds it at the provider: by its id, or, where that
was never heard, by our token in its metadata.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice

from babeltune.errors import EngineError
from babeltune.generate.asking.outputs import NoAnswer, cost_of, entry_of, kept_output, key_for, without
from babeltune.generate.asking.reply import Fault, Reply
from babeltune.generate.asking.wire import encode
from babeltune.generate.endpoint import EndpointEngine
from babeltune.generate.filing.provider import Provider, Terms
from babeltune.generate.filing.requestfile import RequestFile, line_of, worst_of
from babeltune.generate.filing.said import Line, Standing
from babeltune.generate.ledger import Batch, Waiting
from babeltune.generate.prices import upper_bound
from babeltune.records import Output, Request

log = logging.getLogger(__name__)

_READ_AT_ONCE = 256
"""Requests that are looked up in the ledger together."""
_SILENT = 60
"""Looks in a row that came to nothing, after which the provider is given up: an hour, at the longest pauses."""


class Filing:
    """One round of batches. A context: on leaving, files and connections are closed, and open batches stay open."""

    def __init__(self, ordinary: EndpointEngine, terms: Terms) -> None:
        self.ordinary, self.terms = ordinary, terms
        self.endpoint, self.ledger, self.price = ordinary.endpoint, ordinary.ledger, ordinary.price
        self._base_url = self.endpoint.base_url.rstrip("/")
        self._held = ExitStack()
        self._provider: Provider | None = None
        self._file: RequestFile | None = None
        self._wanted: dict[str, list[Request]] = {}
        """Key -> requests that it answers once its batch has ended, without their prompts."""
        self._open: dict[str, Batch] = {}
        """Token -> batch."""
        self._holder: dict[str, str] = {}
        """Key -> token of the batch that it is in, where an earlier run left one open."""
        self._needed: set[str] = set()
        """Tokens of batches that something is wanted of."""
        self._alone: set[str] = set()
        """Tokens of batches that nothing else of ours was under way beside."""
        self._queue: deque[RequestFile] = deque()
        """Those that the provider had no room for."""
        self._told: dict[str, tuple[str, int]] = {}
        """Token -> how far the batch was, as last told."""
        self._kinds: set[tuple[bool, bool]] = set()
        """Of requests, of which one was asked."""
        self._asked: dict[str, Output] = {}
        """Key -> what came of an ordinary call."""
        self._committed = 0.0
        """Dollars that were spent, and that may be for what is open or in the file."""
        self._stopped = ""
        """Why nothing more is sent; empty while it is."""

    def __enter__(self) -> Filing:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def outputs(self, requests: Iterator[Request]) -> Iterator[Output]:
        """Yield all outputs: as of ``BatchFileEngine.complete``."""
        while chunk := [(key_for(self.endpoint.model, one), one) for one in islice(requests, _READ_AT_ONCE)]:
            answers = self.ledger.answers(key for key, _ in chunk)
            for key, request in chunk:
                if key in answers:
                    yield kept_output(answers[key], request)
                elif key in self._wanted:
                    self._wanted[key].append(replace(request, prompt=""))
                elif key in self._asked:
                    yield replace(self._asked[key], id=request.id, cell=request.cell)
                elif (output := self._take(key, request)) is not None:
                    yield output
        if self._file is not None:
            self._submit(self._file)
        yield from self._collected()

    def _take(self, key: str, request: Request) -> Output | None:
        """Find the place of a request without an answer: in a batch; or its output, if there is to be none or at once."""
        self._connected()
        if key in self._holder:
            self._needed.add(self._holder[key])
            self._wanted[key] = [replace(request, prompt="")]
            return None
        if request.system is None:
            raise EngineError(
                f"{request.cell}, request {request.id}: a batch file takes chats, and this continues a text. Leave out"
                " batch_files."
            )
        kind = bool(request.schema), bool(request.sampling.stop)
        ordinary = kind not in self._kinds
        content = encode(self.ordinary.dialect.body(self.endpoint.model, request))
        most = self.ordinary.most_cost
        if not self._stopped and most is not None and self.price is not None:
            worst = upper_bound(self.price, len(content), request.sampling.max_tokens, batch=not ordinary)
            if self._committed + worst > most:
                self._stopped = _capped(most, self._committed)
        if self._stopped:
            return without(request, "unsent", self._stopped)
        if ordinary:
            self._kinds.add(kind)
            (output,) = self.ordinary.complete([request])
            self._asked[key] = output
            self._stopped = output.reason if output.finish == "unsent" else ""
            self._commit()
            return output
        self._add(Waiting(key, content.decode("utf-8"), request.cell, request.id))
        self._wanted[key] = [replace(request, prompt="")]
        return None

    def _connected(self) -> Provider:
        """The provider; the first time, batches that an earlier run left open are found again.

        Raises:
            InputError: the endpoint's ``problems``.
            EngineError: the provider does not say what became of a batch.
        """
        if self._provider is None:
            provider = Provider(self.endpoint, self.ordinary.connect(), self.terms.first_pause)
            self._provider = self._held.enter_context(provider)
            for batch in self.ledger.batches():
                if (batch.base_url, batch.model) == (self._base_url, self.endpoint.model):
                    self._find(batch, provider)
            self._commit()
        return self._provider

    def _find(self, batch: Batch, provider: Provider) -> None:
        """Go on with a batch that an earlier run left; forget it where it was never made."""
        if batch.file and not batch.id and (standing := provider.find(batch)) is not None:
            batch = replace(batch, id=standing.id)
            self.ledger.update_batch(batch)
        if not batch.id:  # without a file there was nothing to make it of
            self.ledger.end_batch(batch, ())
            return
        self._open[batch.token] = batch
        self._holder.update(dict.fromkeys(self.ledger.waiting(batch), batch.token))
        log.info("Batch %s: left open by an earlier run, and gone on with.", batch.id)

    def _commit(self) -> None:
        """Count anew what is spent, and what is under way may cost."""
        self._committed = self.ledger.committed() + (self._file.worst if self._file else 0.0)

    def _add(self, one: Waiting) -> None:
        """Put a request into the file; a full one is sent first."""
        file = self._file
        if file and (len(file) >= self.terms.requests or file.size + len(line_of(one)) > self.terms.bytes):
            self._submit(file)
            self._file = None
        if self._file is None:
            self._file = self._held.enter_context(RequestFile(self.price))
        self._file.add(one)
        self._committed += worst_of(one.sent, self.price)

    def _submit(self, file: RequestFile) -> None:
        """Make a batch of a file: first written down, then sent."""
        provider = self._connected()
        batch = Batch(uuid.uuid4().hex, self._base_url, self.endpoint.model, reserve=file.worst)
        self.ledger.begin_batch(batch, file.waiting())
        batch = replace(batch, file=provider.upload(file.lines, f"babeltune-{batch.token}.jsonl"))
        self.ledger.update_batch(batch)
        batch = replace(batch, id=provider.create(batch).id)
        self.ledger.update_batch(batch)
        file.lines.close()
        if not self._under_way:
            self._alone.add(batch.token)
        self._open[batch.token] = batch
        self._needed.add(batch.token)
        dollars = f", for {batch.reserve:,.4f} dollars at most" if self.price else ""
        log.info("Batch %s: %s requests sent%s.", batch.id, f"{len(file):,}", dollars)

    @property
    def _under_way(self) -> list[str]:
        """Tokens of open batches that something is wanted of."""
        return [token for token in self._open if token in self._needed]

    def _collected(self) -> Iterator[Output]:
        """Wait for the batches that something is wanted of; another that has ended meanwhile is kept in passing."""
        pause = self.terms.first_pause
        silent = 0
        looked_at = list(self._open)
        while looked_at:
            for token in looked_at:
                batch = self._open[token]
                try:
                    standing = self._connected().standing(batch)
                except EngineError as error:
                    if token in self._needed:
                        raise
                    log.warning("%s", error)
                    continue
                if isinstance(standing, Fault):
                    silent += 1
                    if silent >= _SILENT:
                        raise EngineError(
                            f"{self.endpoint.model} at {self._base_url}: does not say how far the batch {batch.id} is"
                            f" ({standing.reason}). It is safe there, and the same command goes on with it: run again"
                            " later."
                        )
                    log.warning("Batch %s: %s; it is looked at again.", batch.id, standing.reason)
                    continue
                silent = 0
                self._tell(batch, standing)
                if standing.ended:
                    pause = self.terms.first_pause
                    del self._open[token]
                    if standing.crowded and token in self._needed:
                        yield from self._put_back(batch, standing)
                    else:
                        yield from self._end(batch, standing)
                        yield from self._next()
            if not self._under_way:
                yield from self._next()
            looked_at = self._under_way
            if looked_at:
                time.sleep(pause)
                pause = min(pause * 1.5, self.terms.longest_pause)

    def _put_back(self, batch: Batch, standing: Standing) -> Iterator[Output]:
        """Keep for later what the provider had no room for; in halves if it had all the room there is."""
        waiting = list(self.ledger.waiting(batch).values())
        alone = batch.token in self._alone
        if alone and len(waiting) == 1:  # there is no room at all
            yield from self._end(batch, standing)
            while self._queue:
                yield from self._given_back(self._queue.popleft(), "failed", _not_begun(standing))
            return
        self.ledger.end_batch(batch, ())
        half = (len(waiting) + 1) // 2 if alone else len(waiting)
        parts = [RequestFile(self.price, part) for part in (waiting[:half], waiting[half:]) if part]
        for part in reversed(parts):
            self._queue.appendleft(self._held.enter_context(part))
        log.info("Batch %s: the account may not have %s requests waiting%s.", batch.id, f"{len(waiting):,}",
                 "; they are sent in halves" if alone else " besides the others; they are sent later")  # fmt: skip

    def _next(self) -> Iterator[Output]:
        """Send the next file that there was no room for."""
        if self._queue:
            file = self._queue.popleft()
            most = self.ordinary.most_cost
            if most is not None and self.ledger.committed() + file.worst > most:
                yield from self._given_back(file, "unsent", _capped(most, self.ledger.committed()))
            else:
                self._submit(file)

    def _given_back(self, file: RequestFile, finish: NoAnswer, reason: str) -> Iterator[Output]:
        for key in file.keys:
            for request in self._wanted.pop(key, ()):
                yield without(request, finish, reason)

    def _tell(self, batch: Batch, standing: Standing) -> None:
        if self._told.get(batch.token) != (standing.status, standing.done):
            self._told[batch.token] = standing.status, standing.done
            log.info("Batch %s: %s, %s of %s requests.", batch.id, standing.status.replace("_", " "),
                     f"{standing.done:,}", f"{standing.total:,}")  # fmt: skip

    def _end(self, batch: Batch, standing: Standing) -> Iterator[Output]:
        """Keep what came of a batch, all of it or nothing, then yield it."""
        lines, whole = self._fetched(standing)
        why = (
            "an answer may be paid for, but its line at the provider is gone or cannot be read"
            if not whole
            else _not_begun(standing)
            if standing.problems
            else f"the batch has {standing.status}, and nothing came back for this"
        )
        said: dict[str, Reply | Fault] = {}
        entries = []
        for key, one in self.ledger.waiting(batch).items():
            line = lines.pop(key, None)
            stop = self._wanted[key][0].sampling.stop if key in self._wanted else json.loads(one.sent).get("stop", ())
            said[key] = line.read(tuple(stop)) if line else Fault("failed", why, maybe_paid=not whole)
            paid, unsure = cost_of(said[key], self.price, worst_of(one.sent, self.price), batch=True)
            entry = entry_of(self.endpoint.model, one, said[key], line.raw if line else why)
            entries.append(replace(entry, seconds=standing.seconds, cost=paid, unsure=unsure))
        self.ledger.end_batch(batch, entries)
        failed = [entry for entry in entries if entry.state in ("failed", "empty")]
        if failed:
            log.warning("Batch %s has %s: %s of %s requests have no answer, as %s. Another run asks them again.",
                        batch.id, standing.status, f"{len(failed):,}", f"{len(entries):,}",
                        said[failed[0].key].reason)  # fmt: skip
        for entry in entries:
            for request in self._wanted.pop(entry.key, ()):
                if entry.state in ("failed", "empty"):
                    yield without(request, "failed", said[entry.key].reason)
                else:
                    yield kept_output(entry, request)

    def _fetched(self, standing: Standing) -> tuple[dict[str, Line], bool]:
        """Key -> what came, the answer where there are two; and whether that is all there was."""
        lines: dict[str, Line] = {}
        came = [self._connected().lines(file) for file in standing.files]
        for line in (line for one in came for line in one.lines):
            if line.key not in lines or line.status == 200:
                lines[line.key] = line
        return lines, all(one.whole for one in came)


def _capped(most: float, committed: float) -> str:
    return (
        f"the spending cap of {most:g} dollars could be passed, as {committed:.4f} are spent or set aside for what is"
        " under way"
    )


def _not_begun(standing: Standing) -> str:
    return f"the provider did not begin the batch: {'; '.join(standing.problems)}"
