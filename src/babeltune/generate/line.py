"""Connections to a server, set up by OpenAI's client and kept open from one call to the next.

The client gives address, headers and the HTTP client below it; each call goes to that one directly, as the client's own
way there takes as long as all the rest of a call (openai 3.54: bench/judge.py).
"""

from __future__ import annotations

import importlib.util
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from httpx2 import AsyncClient, Response

    from babeltune.generate.endpoint import Endpoint

_LONGEST_CONNECT = 10.0
"""Seconds to wait for a connection."""


class Line:
    """To one server, for as many calls at once as may be in flight. Belongs to one event loop."""

    def __init__(self, endpoint: Endpoint, key: str) -> None:
        """Connects with the first call."""
        import httpx2
        from openai import AsyncOpenAI

        self._endpoint = endpoint
        self._timeout = httpx2.Timeout(None, connect=_LONGEST_CONNECT)
        self._shared = _with_aiohttp()
        """Whether all calls share a client. httpx2's own looks at every idle connection before each call: there, each
        slot has one, with a single connection."""
        self._trust = ssl.create_default_context() if endpoint.base_url.startswith("https") else False
        self._all: list[AsyncClient] = []
        self._free: list[AsyncClient] = []
        client = AsyncOpenAI(api_key=key, base_url=endpoint.base_url, max_retries=0, http_client=self._opened())
        headers = {**client.default_headers, **client.auth_headers}
        self._headers = httpx2.Headers({name: value for name, value in headers.items() if isinstance(value, str)})
        self._base = str(client.base_url).rstrip("/")
        self._urls: dict[str, httpx2.URL] = {}
        self._free += self._all

    async def post(self, path: str, content: bytes) -> Response:
        """Send JSON, once; what comes back, whatever its status.

        Raises:
            httpx2.RequestError: nothing came back whole.
        """
        import httpx2

        if path not in self._urls:
            self._urls[path] = httpx2.URL(self._base + path)
        client = self._free.pop() if self._free else self._opened()
        if self._shared:
            self._free.append(client)
        try:
            return await client.send(
                httpx2.Request(
                    "POST",
                    self._urls[path],
                    headers=self._headers,
                    content=content,
                    extensions={"timeout": self._timeout.as_dict()},
                )
            )
        finally:
            if not self._shared:
                self._free.append(client)

    async def close(self) -> None:
        """Hang up."""
        for client in self._all:
            await client.aclose()
        self._all.clear()
        self._free.clear()

    def _opened(self) -> AsyncClient:
        import httpx2
        from openai import DefaultAioHttpClient, DefaultAsyncHttpxClient

        most = self._endpoint.concurrency if self._shared else 1
        client = (DefaultAioHttpClient if self._shared else DefaultAsyncHttpxClient)(
            timeout=self._timeout,
            limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
            verify=self._trust,
            # A proxy for the world does not know this machine's servers.
            trust_env=not self._endpoint.local,
        )
        self._all.append(client)
        return client


def reason_of(error: Exception) -> tuple[bool, str]:
    """Whether no connection came about, so that nothing can have been asked, and what happened."""
    import httpx2

    unreached = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
    cause: BaseException = error
    if error.__cause__ is not None and _with_aiohttp():  # which calls any broken connection a ConnectTimeout
        import aiohttp

        if isinstance(error.__cause__, aiohttp.ClientError):
            cause = error.__cause__
            unreached = isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    what = "no connection" if unreached else "the connection broke"
    return unreached, f"{what} ({type(cause).__name__}{f': {cause}' if str(cause) else ''})"


def _with_aiohttp() -> bool:
    return importlib.util.find_spec("aiohttp") is not None
