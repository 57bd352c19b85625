"""Requests into batch files, answers out of them: written down before they are sent, kept before they are yielded.

A batch is in the ledger before anything of it is sent, and is struck out in the transaction that keeps its replies. In
between, a process that dies leaves it open there, and the next run finds it at the provider: by its id, or, where that
was never heard, by our token in its metadata.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from babeltune.errors import EngineError
from babeltune.generate.ledger import Batch, Entry, State, Waiting
from babeltune.generate.prices import cost, upper_bound
from babeltune.generate.provider import URL, Line, Provider, Standing, Terms
from babeltune.generate.reply import Fault, Reply
from babeltune.generate.sending import kept_output, key_for, without
from babeltune.generate.wire import encode
from babeltune.records import Output, Request

if TYPE_CHECKING:
    from babeltune.generate.endpoint import EndpointEngine

log = logging.getLogger(__name__)

_READ_AT_ONCE = 256
"""Requests that are looked up in the ledger together."""
_SILENT = 60
"""Looks in a row that came to nothing, after which the provider is given up: an hour, at the longest pauses."""
_HEAD: Final = '{"custom_id":"%s","method":"POST","url":"' + URL + '","body":'
_LIMITS = ("max_tokens", "max_completion_tokens")
"""Names of the field for the most tokens."""


class _File:
    """Requests on their way into a batch. The lines are on the disk."""

    def __init__(self) -> None:
        self.lines = tempfile.TemporaryFile()  # noqa: SIM115
        self.asked: list[tuple[str, str, str]] = []
        """Key, purpose and item of each line."""
        self.size = 0
        self.worst = 0.0
        """Dollars."""

    def waiting(self) -> Iterator[Waiting]:
        """The lines as the ledger keeps them."""
        self.lines.seek(0)
        for line, (key, purpose, item) in zip(self.lines, self.asked, strict=True):
            yield Waiting(key, line[len(_HEAD % key) : -2].decode("utf-8"), purpose, item)


class Filing:
    """One round of batches. A context: on leaving, files and connections are closed, and open batches stay open."""

    def __init__(self, ordinary: EndpointEngine, terms: Terms) -> None:
        self.ordinary, self.terms = ordinary, terms
        self.endpoint, self.ledger, self.price = ordinary.endpoint, ordinary.ledger, ordinary.price
        self._base_url = self.endpoint.base_url.rstrip("/")
        self._held = ExitStack()
        self._provider: Provider | None = None
        self._file: _File | None = None
        self._wanted: dict[str, list[Request]] = {}
        """Key -> requests that it answers once its batch has ended, without their prompts."""
        self._open: dict[str, Batch] = {}
        """Token -> batch."""
        self._holder: dict[str, str] = {}
        """Key -> token of the batch that it is in, where an earlier run left one open."""
        self._needed: set[str] = set()
        """Tokens of batches that something is wanted of."""
        self._crowded: deque[tuple[Batch, bool]] = deque()
        """Batches that there was no room for at the provider, and whether they had all of it."""
        self._told: dict[str, tuple[str, int]] = {}
        """Token -> how far the batch was, as last told."""
        self._kinds: set[tuple[bool, bool]] = set()
        """Of requests, of which one was asked."""
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
                else:
                    yield from self._take(key, request)
        self._submit()
        yield from self._collected()

    def _take(self, key: str, request: Request) -> Iterator[Output]:
        """Find the place of a request without an answer: in a batch, or, of what is not to wait, among the outputs."""
        self._connected()
        if key in self._holder:
            self._needed.add(self._holder[key])
            self._wanted[key] = [replace(request, prompt="")]
            return
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
                self._stopped = (
                    f"the spending cap of {most:g} dollars could be passed, as {self._committed:.4f} are spent or set"
                    " aside for what is under way"
                )
        if self._stopped:
            yield without(request, "unsent", self._stopped)
        elif ordinary:
            self._kinds.add(kind)
            yield from self.ordinary.complete([request])
            self._commit()
        else:
            self._add(Waiting(key, content.decode("utf-8"), request.cell, request.id))
            self._wanted[key] = [replace(request, prompt="")]

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

    def _worst(self, sent: str) -> float:
        """Dollars that a line can cost at most; 0 without a price."""
        if self.price is None:
            return 0.0
        body = json.loads(sent)
        most = next((body[name] for name in _LIMITS if name in body), 0)
        return upper_bound(self.price, len(sent.encode("utf-8")), most, batch=True)

    def _add(self, one: Waiting) -> None:
        """Put a request into the file; a full one is sent first."""
        line = f"{_HEAD % one.key}{one.sent}}}\n".encode()
        file = self._file
        if file and (len(file.asked) >= self.terms.requests or file.size + len(line) > self.terms.bytes):
            self._submit()
        if self._file is None:
            self._file = _File()
            self._held.enter_context(self._file.lines)
        self._file.lines.write(line)
        self._file.asked.append((one.key, one.purpose, one.item))
        self._file.size += len(line)
        worst = self._worst(one.sent)
        self._file.worst += worst
        self._committed += worst

    def _submit(self) -> None:
        """Make a batch of the file, if there is one: first written down, then sent."""
        if self._file is None:
            return
        file, self._file = self._file, None
        provider = self._connected()
        batch = Batch(uuid.uuid4().hex, self._base_url, self.endpoint.model, reserve=file.worst)
        self.ledger.begin_batch(batch, file.waiting())
        batch = replace(batch, file=provider.upload(file.lines, f"babeltune-{batch.token}.jsonl"))
        self.ledger.update_batch(batch)
        batch = replace(batch, id=provider.create(batch).id)
        self.ledger.update_batch(batch)
        file.lines.close()
        self._open[batch.token] = batch
        self._needed.add(batch.token)
        dollars = f", for {batch.reserve:,.4f} dollars at most" if self.price else ""
        log.info("Batch %s: %s requests sent%s.", batch.id, f"{len(file.asked):,}", dollars)

    def _collected(self) -> Iterator[Output]:
        """Wait for the batches that something is wanted of; another that has ended meanwhile is kept in passing."""
        pause = self.terms.first_pause
        silent = 0
        looked_at = list(self._open)
        while looked_at:
            for token in looked_at:
                batch = self._open[token]
                standing = self._connected().standing(batch)
                silent = silent + 1 if isinstance(standing, Fault) else 0
                if isinstance(standing, Fault):
                    self._bear(batch, standing, given_up=silent >= _SILENT)
                    continue
                self._tell(batch, standing)
                if not standing.ended:
                    continue
                pause = self.terms.first_pause
                del self._open[token]
                if standing.crowded and token in self._needed:
                    self._crowded.append((batch, not self._needed & self._open.keys()))
                else:
                    yield from self._end(batch, standing)
                    self._send_again()
            if not self._needed & self._open.keys():
                self._send_again()
            looked_at = [token for token in self._open if token in self._needed]
            if looked_at:
                time.sleep(pause)
                pause = min(pause * 1.5, self.terms.longest_pause)

    def _bear(self, batch: Batch, fault: Fault, *, given_up: bool) -> None:
        if given_up:
            raise EngineError(
                f"{self.endpoint.model} at {self._base_url}: does not say how far the batch {batch.id} is"
                f" ({fault.reason}). It is safe there, and the same command goes on with it: run again later."
            )
        log.warning("Batch %s: %s; it is looked at again.", batch.id, fault.reason)

    def _tell(self, batch: Batch, standing: Standing) -> None:
        if self._told.get(batch.token) != (standing.status, standing.done):
            self._told[batch.token] = standing.status, standing.done
            log.info("Batch %s: %s, %s of %s requests.", batch.id, standing.status.replace("_", " "),
                     f"{standing.done:,}", f"{standing.total:,}")  # fmt: skip

    def _send_again(self) -> None:
        """Send what there was no room for, one batch of it: in halves where it had all the room that there is."""
        if not self._crowded:
            return
        batch, alone = self._crowded.popleft()
        waiting = list(self.ledger.waiting(batch).values())
        self.ledger.end_batch(batch, ())
        half = (len(waiting) + 1) // 2 if alone else len(waiting)
        log.info("Batch %s: %s requests are more than the account may have waiting%s.", batch.id,
                 f"{len(waiting):,}", "; sent again in halves" if alone else ", and sent again")  # fmt: skip
        for part in (waiting[:half], waiting[half:]):
            for one in part:
                self._add(one)
            self._submit()

    def _end(self, batch: Batch, standing: Standing) -> Iterator[Output]:
        """Keep what came of a batch, all of it or nothing, then yield it."""
        lines, gone = self._fetched(standing)
        why = (
            "its answer may be paid for, but the provider has deleted the file that it was in"
            if gone
            else f"the provider did not begin the batch: {'; '.join(standing.problems)}"
            if standing.problems
            else f"the batch has {standing.status}, and nothing came back for this"
        )
        said: dict[str, Reply | Fault] = {}
        entries = []
        for key, one in self.ledger.waiting(batch).items():
            line = lines.pop(key, None)
            stop = self._wanted[key][0].sampling.stop if key in self._wanted else json.loads(one.sent).get("stop", ())
            said[key] = line.read(tuple(stop)) if line else Fault("failed", why, maybe_paid=gone)
            entries.append(self._entry(one, said[key], line.raw if line else why, standing.seconds))
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
        """Key -> what came, the answer where there are two; and whether a file of them is gone."""
        lines: dict[str, Line] = {}
        gone = False
        for file in standing.files:
            found = self._connected().lines(file)
            gone = gone or found is None
            for line in found or ():
                if line.key not in lines or line.status == 200:
                    lines[line.key] = line
        return lines, gone

    def _entry(self, one: Waiting, said: Reply | Fault, raw: str, seconds: float) -> Entry:
        heard = said if isinstance(said, Reply) else None
        state: State = said.state if isinstance(said, Reply) else "refused" if said.means == "refused" else "failed"
        paid = unsure = 0.0
        if self.price is not None and heard and heard.metered:
            paid = cost(self.price, heard.prompt_tokens, heard.cached_tokens, heard.completion_tokens, batch=True)
        elif heard or (isinstance(said, Fault) and said.maybe_paid):
            unsure = self._worst(one.sent)
        return Entry(
            key=one.key,
            model=self.endpoint.model,
            answered_by=heard.answered_by if heard else "",
            state=state,
            text=heard.text if heard else "",
            finish=heard.finish if heard else state,
            raw=raw,
            prompt_tokens=heard.prompt_tokens if heard else 0,
            cached_tokens=heard.cached_tokens if heard else 0,
            completion_tokens=heard.completion_tokens if heard else 0,
            seconds=seconds,
            tries=1,
            cost=None if self.price is None else paid,
            purpose=one.purpose,
            item=one.item,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            sent=one.sent,
            unsure=unsure,
        )
