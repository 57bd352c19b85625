"""A provider's files and batches, through the official client.

What costs nothing is tried again by the client itself. A batch is not: where it is unclear whether one was made, it is
looked for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from babeltune.errors import EngineError
from babeltune.generate.asking import reply as replies
from babeltune.generate.asking.address import Endpoint
from babeltune.generate.asking.pace import backoff, retry_after
from babeltune.generate.asking.reply import Fault
from babeltune.generate.filing.requestfile import URL
from babeltune.generate.filing.said import Came, NonsenseError, Standing, line_of, standing_of
from babeltune.generate.ledger import Batch
from babeltune.generate.ledger.hiding import forms_of, hidden

log = logging.getLogger(__name__)

_TOKEN = "babeltune"
"""Key of the metadata that our token rides in."""
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


class Provider:
    """A context that holds the connections."""

    def __init__(self, endpoint: Endpoint, key: str, pause: float) -> None:
        """``pause``: seconds between two looks for a batch. ``key`` stands in no text that is given back."""
        import openai

        self._openai = openai
        self._where = f"{endpoint.model} at {endpoint.base_url}"
        self._secrets = forms_of(key)
        self._pause = pause
        self._endpoint = endpoint
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

    def __exit__(self, *_: object) -> None:
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
                raise NonsenseError("it is no file")
            return made.id

    def create(self, batch: Batch) -> Standing:
        """Have the requests of an uploaded file worked off.

        Raises:
            EngineError: the provider does not, or it is not known whether it does.
        """
        for tries in range(1, self._endpoint.tries + 1):
            wait = None
            try:
                return standing_of(
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
            if tries < self._endpoint.tries:
                log.warning("%s: no batch was made (%s); it is tried again.", self._where, fault.reason)
                time.sleep(
                    min(wait, self._endpoint.most_wait)
                    if wait is not None
                    else backoff(tries, self._endpoint.most_wait)
                )
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
                            return standing_of(one)
                except AttributeError as error:  # the client's, of a page that is no JSON
                    raise NonsenseError("it is no list of batches") from error
        return None

    def standing(self, batch: Batch) -> Standing | Fault:
        """How far a batch has come; a fault where another look may fare better.

        Raises:
            EngineError: the provider does not know it, or does not say.
        """
        try:
            return standing_of(self._client.batches.retrieve(batch.id))
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
        lines = [line for text in texts if (line := line_of(text)) is not None]
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
        return hidden(text, self._secrets)
