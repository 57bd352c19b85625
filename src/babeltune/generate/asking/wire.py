"""One call of a server over HTTP: what it said, or what went wrong.

OpenAI's client sets up address, headers and the HTTP client below it, aiohttp's. Each call goes to that one directly, as
the client's own way there takes as long as all the rest of a call (openai 3.54).
"""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from babeltune.generate.asking import reply as replies
from babeltune.generate.asking.pace import retry_after
from babeltune.generate.asking.reply import Fault, Reply
from babeltune.generate.ledger import HIDDEN, SHORTEST_SECRET

if TYPE_CHECKING:
    from httpx2 import URL, AsyncClient

    from babeltune.generate.endpoint import Endpoint

_LONGEST_CONNECT = 10.0
"""Seconds to wait for a connection."""


class Wire:
    """Connections to a server, as many as may be in flight. Belongs to one event loop; retries nothing."""

    def __init__(self, endpoint: Endpoint, key: str) -> None:
        """Connects with the first call. ``key`` stands in no text that is given back."""
        self._endpoint = endpoint
        self._key = key
        self._http: AsyncClient | None = None
        self._headers: Any = None
        self._base = ""
        self._urls: dict[str, URL] = {}
        """Path -> address: taking one apart takes a tenth of a call."""
        self._deadlines: set[asyncio.Timeout] = set()

    async def post(self, path: str, content: bytes, stop: tuple[str, ...]) -> tuple[Reply | Fault, str]:
        """Send JSON; the reply or what went wrong, and the body as it came.

        Args:
            path: of the call, after the base URL.
            content: the JSON.
            stop: strings before the first of which the text is cut.
        """
        import aiohttp
        import httpx2

        http = self._http or self._opened()
        if path not in self._urls:
            self._urls[path] = httpx2.URL(self._base + path)
        request = httpx2.Request(
            "POST", self._urls[path], headers=self._headers, content=content, extensions={"timeout": _TIMEOUT}
        )
        request.headers.encoding = "ascii"  # else it is guessed again with each look at a header
        try:
            async with asyncio.timeout(self._endpoint.timeout) as deadline:
                self._deadlines.add(deadline)
                try:
                    response = await http.send(request)
                finally:
                    self._deadlines.discard(deadline)
        except TimeoutError:
            return Fault("again", f"no whole reply within {self._endpoint.timeout:g} s", maybe_paid=True), ""
        except (httpx2.RequestError, aiohttp.ClientError, ssl.SSLError) as error:
            # httpx2 knows too few kinds: whether a connection came about is for aiohttp to say.
            cause = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error
            unreached = isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
            what = "no connection" if unreached else "the connection broke"
            why = self.clean(f"{what} ({type(cause).__name__}{f': {cause}' if str(cause) else ''})")
            return Fault("again", why, maybe_paid=not unreached, unreached=unreached), ""
        raw = self.clean(response.content.decode("utf-8", "replace"))
        if response.status_code >= 300:
            return replies.fault(response.status_code, raw, retry_after(response.headers)), raw
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
        if self._http is not None:
            await self._http.aclose()
            self._http = None
            await asyncio.sleep(0)  # connections are closed in the loop's next turn

    def _opened(self) -> AsyncClient:
        import httpx2
        from openai import AsyncOpenAI, DefaultAioHttpClient

        most = self._endpoint.concurrency
        self._http = DefaultAioHttpClient(
            limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
            verify=urlsplit(self._endpoint.base_url).scheme != "http",  # loading certificates takes a tenth of a second
            follow_redirects=False,  # the key is for nobody else
            # A proxy for the world does not know this machine's servers.
            trust_env=not self._endpoint.local,
        )
        client = AsyncOpenAI(api_key=self._key, base_url=self._endpoint.base_url, max_retries=0, http_client=self._http)
        headers = {**client.default_headers, **client.auth_headers}
        self._headers = httpx2.Headers({
            name: value
            for name, value in headers.items()
            if isinstance(value, str) and not name.lower().startswith("x-stainless-")  # what this machine is: nobody's
        })  # fmt: skip
        self._base = str(client.base_url).rstrip("/")
        return self._http


_TIMEOUT = {"connect": _LONGEST_CONNECT, "read": None, "write": None, "pool": None}
"""The deadline of the whole is kept here."""


def encode(body: dict[str, Any]) -> bytes:
    """JSON as it is sent; text with half a character, for which UTF-8 has no bytes, with escapes."""
    try:
        return _PLAIN.encode(body).encode()
    except UnicodeEncodeError:
        return json.dumps(body, separators=(",", ":")).encode("ascii")


_PLAIN = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
