"""A provider's files and batches, through the official client.

What costs nothing is tried again by the client itself. A batch is not: where it is unclear whether one was made, it is
looked for.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from babeltune.errors import EngineError
from babeltune.generate.asking import reply as replies
from babeltune.generate.asking.pace import backoff, retry_after
from babeltune.generate.asking.reply import Fault, Reply
from babeltune.generate.asking.requestfile import URL
from babeltune.generate.ledger import HIDDEN, SHORTEST_SECRET, Batch

if TYPE_CHECKING:
    from types import TracebackType

    from openai.types import Batch as Remote

    from babeltune.generate.endpoint import Endpoint

log = logging.getLogger(__name__)

_TOKEN = "babeltune"
"""Key of the metadata that our token rides in."""
_ENDED = frozenset(("completed", "failed", "expired", "cancelled"))
_TRANSFER = 600.0
"""Seconds that a part of a file may take on its way, and the provider to read it (the client's own)."""
_LOOKS = 3
"""Times that a batch is looked for: a list may lag behind."""
_PAGE = 100
"""Batches of a list that come together; no more may be asked for."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a provider takes, and how often it is asked how far it is."""

    requests: int
    """Most of a file."""
    bytes: int
    """Most of a file."""
    first_pause: float = 5.0
    """Seconds before a batch is looked at again; each pause is half as long again as the one before."""
    longest_pause: float = 60.0
    """Seconds between two looks at most."""


OPENAI = Terms(50_000, 200_000_000)
"""https://developers.openai.com/api/docs/guides/batch, and of openai 3.54 ``Batches.create``."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a provider says of a batch."""

    id: str
    status: str
    done: int
    total: int
    files: tuple[str, ...]
    """Ids of what came: of replies, of errors."""
    problems: tuple[str, ...]
    """Why it was not begun."""
    crowded: bool
    """Whether it was not begun because the account has too much waiting already."""
    seconds: float
    """From its making to its end; 0 where the provider does not say."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in _ENDED


@dataclass(frozen=True, slots=True)
class Line:
    """What came for one request of a batch."""

    key: str
    """``custom_id``: ours."""
    status: int
    """Of HTTP; 0 where the provider never asked."""
    body: Any
    """Of the reply, or the error."""

    @property
    def raw(self) -> str:
        """The body as text."""
        return json.dumps(self.body, ensure_ascii=False)

    def read(self, stop: tuple[str, ...]) -> Reply | Fault:
        """What it says."""
        if self.status == 0:
            return Fault("failed", replies.fault(0, self.raw).reason.removeprefix("HTTP 0: "))
        if self.status != 200:
            return replies.fault(self.status, self.raw)
        try:
            return replies.read(self.raw.encode("utf-8", "surrogatepass"), stop)
        except replies.UnreadableError as error:
            return Fault("again", str(error), status=200, maybe_paid=True)


@dataclass(frozen=True, slots=True)
class Came:
    """A file of what came of a batch."""

    lines: list[Line]
    whole: bool
    """False where a line cannot be read, or the provider has deleted the file."""


class _NonsenseError(ValueError):
    """A body that is none of the protocol's."""


class Provider:
    """A context that holds the connections."""

    def __init__(self, endpoint: Endpoint, key: str, pause: float) -> None:
        """``pause``: seconds between two looks for a batch. ``key`` stands in no text that is given back."""
        import openai

        self._openai = openai
        self._where = f"{endpoint.model} at {endpoint.base_url}"
        self._key = key
        self._pause = pause
        self._tries = endpoint.tries
        self._most_wait = endpoint.most_wait
        self._client = openai.OpenAI(
            api_key=key,
            base_url=endpoint.base_url,
            timeout=endpoint.timeout,
            max_retries=endpoint.tries - 1,
            # A proxy for the world does not know this machine's servers.
            http_client=openai.DefaultHttpxClient(timeout=endpoint.timeout, trust_env=not endpoint.local),
        )
        self._slow = self._client.with_options(timeout=_TRANSFER)
        self._once = self._client.with_options(max_retries=0)

    def __enter__(self) -> Provider:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def upload(self, file: IO[bytes], name: str) -> str:
        """Send a file of requests, and give its id.

        Raises:
            EngineError: the provider does not take it.
        """
        file.seek(0)
        with self._told("takes no file of requests"):
            made = self._slow.files.create(file=(name, file), purpose="batch")
            if not isinstance(made, self._openai.types.FileObject) or not made.id:
                raise _NonsenseError("it is no file")
            return made.id

    def create(self, batch: Batch) -> Standing:
        """Have the requests of an uploaded file worked off.

        Raises:
            EngineError: the provider does not, or it is not known whether it does.
        """
        for tries in range(1, self._tries + 1):
            wait = None
            try:
                return _standing(
                    self._once.batches.create(
                        input_file_id=batch.file,
                        endpoint=URL,
                        completion_window="24h",
                        metadata={_TOKEN: batch.token},
                    )
                )
            except self._openai.APIStatusError as error:
                fault = self._fault(error)
                if fault.means != "again":
                    raise self._error("makes no batch of the file", fault) from error
                wait = fault.wait
            except (self._openai.APIConnectionError, ValueError) as error:
                fault = self._fault(error)
            # Whether it was made is not known unless there was no connection or too much is asked for.
            if not fault.unreached and fault.status != 429 and (found := self.find(batch)) is not None:
                return found
            if tries < self._tries:
                log.warning("%s: no batch was made (%s); it is tried again.", self._where, fault.reason)
                time.sleep(min(wait, self._most_wait) if wait is not None else backoff(tries, self._most_wait))
        raise self._error("makes no batch of the file", fault)

    def find(self, batch: Batch) -> Standing | None:
        """A batch whose id was never heard, by our token or its file; None where there is none.

        Raises:
            EngineError: the provider does not list its batches.
        """
        for look in range(_LOOKS):
            if look:
                time.sleep(self._pause)
            with self._told(f"does not say whether it has made a batch of the file {batch.file}"):
                try:
                    for one in self._client.batches.list(limit=_PAGE):
                        if (one.metadata or {}).get(_TOKEN) == batch.token or one.input_file_id == batch.file:
                            return _standing(one)
                except AttributeError as error:  # the client's, of a page that is no JSON
                    raise _NonsenseError("it is no list of batches") from error
        return None

    def standing(self, batch: Batch) -> Standing | Fault:
        """How far a batch has come; a fault where another look may fare better.

        Raises:
            EngineError: the provider does not know it, or does not say.
        """
        try:
            return _standing(self._client.batches.retrieve(batch.id))
        except (self._openai.OpenAIError, ValueError) as error:
            fault = self._fault(error)
            if fault.means == "again":
                return fault
            raise self._error(
                f"does not show the batch {batch.id}, which is paid for; is the key that of the account that sent it?",
                fault,
            ) from error

    def lines(self, file: str) -> Came:
        """What is in a file of replies or errors.

        Raises:
            EngineError: it cannot be fetched now, or is something else.
        """
        doing = f"does not hand over the file {file}"
        try:
            with self._told(doing):
                content = self._slow.files.content(file).content
        except EngineError as error:
            if isinstance(error.__cause__, self._openai.NotFoundError):
                return Came([], whole=False)
            raise
        texts = [text for text in self._clean(content.decode("utf-8", "replace")).split("\n") if text.strip()]
        lines = [line for text in texts if (line := _line(text)) is not None]
        if texts and not lines:  # as a network's own page, which must not be taken for a file without answers
            raise self._error(doing, Fault("again", f"it begins with {texts[0][:40]!r}"))
        return Came(lines, whole=len(lines) == len(texts))

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """What the client says, as an error of ours."""
        try:
            yield
        except (self._openai.OpenAIError, ValueError) as error:
            raise self._error(doing, self._fault(error)) from error

    def _fault(self, error: BaseException) -> Fault:
        """A ``ValueError`` is a body that is none of the protocol's, as that of a hotel's network."""
        import httpx2

        if isinstance(error, self._openai.APIStatusError):
            raw = self._clean(error.response.text)
            return replies.fault(error.status_code, raw, retry_after(error.response.headers))
        if isinstance(error, self._openai.APIConnectionError):
            cause = error.__cause__
            unreached = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout)
            return Fault("again", self._clean(f"no connection: {cause or error}"), unreached=unreached)
        return Fault("again", self._clean(f"the reply is none of the protocol: {error}"))

    def _error(self, doing: str, fault: Fault) -> EngineError:
        without = (
            " A server without batch files is asked with batch_files: false." if fault.status in (404, 405) else ""
        )
        return EngineError(
            f"{self._where}: {doing} ({fault.reason}). What was sent is known: the same command goes on from here.{without}"
        )

    def _clean(self, text: str) -> str:
        """The text without the account's key, which a provider may repeat."""
        return text.replace(self._key, HIDDEN) if len(self._key) >= SHORTEST_SECRET else text


def _standing(remote: Remote) -> Standing:
    from openai.types import Batch

    if not isinstance(remote, Batch) or not remote.id or not isinstance(remote.status, str):
        raise _NonsenseError("it is no batch")
    counts = remote.request_counts
    problems = remote.errors.data or [] if remote.errors else []
    ends = (remote.completed_at, remote.failed_at, remote.expired_at, remote.cancelled_at)
    ended = next((at for at in ends if at), None)
    return Standing(
        id=remote.id,
        status=remote.status,
        done=(counts.completed or 0) + (counts.failed or 0) if counts else 0,
        total=counts.total or 0 if counts else 0,
        files=tuple(file for file in (remote.output_file_id, remote.error_file_id) if file),
        problems=tuple(
            f"{f'line {one.line}: ' if one.line is not None else ''}{one.message or one.code or 'no reason given'}"
            for one in problems
        ),
        crowded=remote.status == "failed" and any("limit_exceeded" in (one.code or "") for one in problems),
        seconds=float(max(0, ended - remote.created_at)) if ended and remote.created_at else 0.0,
    )


def _line(text: str) -> Line | None:
    try:
        said = json.loads(text)
    except ValueError:
        return None
    if not isinstance(said, dict) or not isinstance(said.get("custom_id"), str):
        return None
    response = said.get("response")
    if isinstance(response, dict) and isinstance(status := response.get("status_code"), int):
        return Line(said["custom_id"], status, response.get("body"))
    return Line(said["custom_id"], 0, {"error": said.get("error") or "the provider says nothing of it"})
