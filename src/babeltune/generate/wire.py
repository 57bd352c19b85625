"""One call of a server over HTTP, by OpenAI's own client: what it said, or what went wrong."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from babeltune.generate import reply as replies
from babeltune.generate.ledger import HIDDEN, SHORTEST_SECRET
from babeltune.generate.pace import retry_after
from babeltune.generate.reply import Fault, Reply

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._types import RequestOptions

    from babeltune.generate.endpoint import Endpoint

_LONGEST_CONNECT = 10.0
"""Seconds to wait for a connection."""
_JSON: RequestOptions = {"headers": {"Content-Type": "application/json"}}


class Wire:
    """Connections to a server, as many as may be in flight. Belongs to one event loop; retries nothing."""

    def __init__(self, endpoint: Endpoint, key: str) -> None:
        """Connects with the first call. ``key`` stands in no text that is given back."""
        self._endpoint = endpoint
        self._key = key
        self._client: AsyncOpenAI | None = None
        self._deadlines: set[asyncio.Timeout] = set()

    async def post(self, path: str, content: bytes, stop: tuple[str, ...]) -> tuple[Reply | Fault, str]:
        """Send JSON; the reply or what went wrong, and the body as it came.

        Args:
            path: of the call, after the base URL.
            content: the JSON.
            stop: strings before the first of which the text is cut.
        """
        import httpx2
        import openai

        client = self._client or self._opened()
        try:
            async with asyncio.timeout(self._endpoint.timeout) as deadline:
                self._deadlines.add(deadline)
                try:
                    # Past the client's typed models, which take longer to build than the call.
                    response = await client.post(path, cast_to=httpx2.Response, content=content, options=_JSON)
                finally:
                    self._deadlines.discard(deadline)
        except TimeoutError:
            return Fault("again", f"no whole reply within {self._endpoint.timeout:g} s", maybe_paid=True), ""
        except openai.APIStatusError as error:
            raw = self.clean(error.response.text)
            return replies.fault(error.status_code, raw, retry_after(error.response.headers)), raw
        except openai.APIConnectionError as error:
            cause = error.__cause__
            unreached = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout)
            what = "no connection" if unreached else "the connection broke"
            why = f"{what} ({type(cause).__name__}{f': {cause}' if str(cause) else ''})"
            return Fault("again", self.clean(why), maybe_paid=not unreached, unreached=unreached), ""
        raw = self.clean(response.content.decode("utf-8", "replace"))
        try:
            return replies.read(raw, stop), raw
        except replies.UnreadableError as error:
            return Fault("again", str(error), raw, response.status_code, maybe_paid=True), raw

    def extend(self, seconds: float) -> None:
        """Give all calls so much longer: nobody listened meanwhile."""
        for deadline in self._deadlines:
            due = deadline.when()
            if due is not None and not deadline.expired():
                deadline.reschedule(due + seconds)

    def clean(self, text: str) -> str:
        """The text without the account's key, which a server may repeat."""
        return text.replace(self._key, HIDDEN) if len(self._key) >= SHORTEST_SECRET and self._key in text else text

    async def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _opened(self) -> AsyncOpenAI:
        import httpx2
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        most = self._endpoint.concurrency
        timeout = httpx2.Timeout(None, connect=_LONGEST_CONNECT)
        self._client = AsyncOpenAI(
            api_key=self._key,
            base_url=self._endpoint.base_url,
            max_retries=0,
            timeout=timeout,
            http_client=DefaultAsyncHttpxClient(
                timeout=timeout,
                limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
                # A proxy for the world does not know this machine's servers.
                trust_env=not self._endpoint.local,
            ),
        )
        return self._client


def encode(body: dict[str, Any]) -> bytes:
    """JSON as it is sent; text with half a character, for which UTF-8 has no bytes, with escapes."""
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(body, separators=(",", ":")).encode("ascii")
