"""One call of a server over HTTP: what it said, or what went wrong.

OpenAI's client sets up address and headers, aiohttp makes the calls. The client's own way to aiohttp, through a second
HTTP client between them, takes as long as all the rest of a call (openai 3.54).
"""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from babeltune.generate.asking import reply as replies
from babeltune.generate.asking.address import Endpoint
from babeltune.generate.asking.pace import retry_after
from babeltune.generate.asking.reply import Fault, Reply
from babeltune.generate.ledger.hiding import forms_of, hidden

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from yarl import URL


_LONGEST_CONNECT = 10.0
"""Seconds to wait for a connection."""


class Wire:
    """Connections to a server, as many as may be in flight. Belongs to one event loop; retries nothing."""

    def __init__(self, endpoint: Endpoint, key: str) -> None:
        """Connects with the first call. ``key`` stands in no text that is given back."""
        self._endpoint = endpoint
        self._key = key
        self._secrets = forms_of(key)
        self._http: ClientSession | None = None
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
        import yarl

        http = self._http or self._opened()
        if path not in self._urls:
            self._urls[path] = yarl.URL(self._base + path)
        try:
            async with asyncio.timeout(self._endpoint.timeout) as deadline:
                self._deadlines.add(deadline)
                try:
                    # A redirect is not followed: the key is for nobody else.
                    async with http.post(self._urls[path], data=content, allow_redirects=False) as response:
                        body = await response.read()
                finally:
                    self._deadlines.discard(deadline)
        except (aiohttp.ClientError, ssl.SSLError) as error:
            unreached = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
            what = "no connection" if unreached else "the connection broke"
            why = hidden(f"{what} ({type(error).__name__}{f': {error}' if str(error) else ''})", self._secrets)
            return Fault("again", why, maybe_paid=not unreached, unreached=unreached), ""
        except TimeoutError:
            return Fault("again", f"no whole reply within {self._endpoint.timeout:g} s", maybe_paid=True), ""
        raw = hidden(body.decode("utf-8", "replace"), self._secrets)
        if response.status >= 300:
            return replies.fault(response.status, raw, retry_after(response.headers)), raw
        try:
            return replies.read(raw, stop), raw
        except replies.UnreadableError as error:
            return Fault("again", str(error), raw, response.status, maybe_paid=True), raw

    def extend(self, seconds: float) -> None:
        """Give all calls so much longer: nobody listened meanwhile."""
        for deadline in self._deadlines:
            due = deadline.when()
            if due is not None and not deadline.expired():
                deadline.reschedule(due + seconds)

    async def close(self) -> None:
        """Hang up."""
        if self._http is not None:
            await self._http.close()
            self._http = None
            await asyncio.sleep(0)  # connections are closed in the loop's next turn

    def _opened(self) -> ClientSession:
        import aiohttp
        import httpx2
        from openai import AsyncOpenAI

        unused = httpx2.AsyncClient(verify=False)  # connects nowhere; one of the client's own would load certificates
        client = AsyncOpenAI(api_key=self._key, base_url=self._endpoint.base_url, http_client=unused)
        headers = {**client.default_headers, **client.auth_headers}
        self._base = str(client.base_url).rstrip("/")
        secure = urlsplit(self._base).scheme != "http"  # loading certificates takes a tenth of a second
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._endpoint.concurrency, ssl=httpx2.create_ssl_context() if secure else True
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # The deadline of the whole is kept here.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_LONGEST_CONNECT),
            proxy=self._proxy(),
            headers={
                name: value
                for name, value in headers.items()
                if isinstance(value, str) and not name.lower().startswith("x-stainless-")  # what this machine is: nobody's
            },
        )  # fmt: skip
        return self._http

    def _proxy(self) -> str | None:
        """What the environment names for the server; a proxy for the world does not know this machine's servers."""
        address = urlsplit(self._base)
        if self._endpoint.local or proxy_bypass(address.netloc):
            return None
        found = getproxies()
        proxy = found.get(address.scheme) or found.get("all")
        return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def encode(body: dict[str, Any]) -> bytes:
    """JSON as it is sent; half a character, for which UTF-8 has no bytes, as an escape."""
    return _PLAIN.encode(body).encode(errors="backslashreplace")


_PLAIN = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
