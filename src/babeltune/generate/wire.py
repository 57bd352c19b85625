"""One call of a server over HTTP: what it said, or what went wrong."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import TYPE_CHECKING, Any

from babeltune.generate import reply as replies
from babeltune.generate.ledger import HIDDEN, SHORTEST_SECRET
from babeltune.generate.line import Line, reason_of
from babeltune.generate.pace import retry_after
from babeltune.generate.reply import Fault, Reply

if TYPE_CHECKING:
    from babeltune.generate.endpoint import Endpoint


class Wire:
    """Connections to a server, as many as may be in flight. Belongs to one event loop; retries nothing."""

    def __init__(self, endpoint: Endpoint, key: str) -> None:
        """Connects with the first call. ``key`` stands in no text that is given back."""
        self._endpoint = endpoint
        self._key = key
        self._line: Line | None = None
        self._deadlines: set[asyncio.Timeout] = set()

    async def post(self, path: str, content: bytes, stop: tuple[str, ...]) -> tuple[Reply | Fault, str]:
        """Send JSON; the reply or what went wrong, and the body as it came.

        Args:
            path: of the call, after the base URL.
            content: the JSON.
            stop: strings before the first of which the text is cut.
        """
        import anyio
        import httpx2

        if self._line is None:
            self._line = Line(self._endpoint, self._key)
        try:
            async with asyncio.timeout(self._endpoint.timeout) as deadline:
                self._deadlines.add(deadline)
                try:
                    response = await self._line.post(path, content)
                finally:
                    self._deadlines.discard(deadline)
        except TimeoutError:
            return Fault("again", f"no whole reply within {self._endpoint.timeout:g} s", maybe_paid=True), ""
        except (httpx2.RequestError, ssl.SSLError, anyio.EndOfStream) as error:  # the last two: httpx2 lets them through
            unreached, why = reason_of(error)
            return Fault("again", self.clean(why), maybe_paid=not unreached, unreached=unreached), ""
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
        if self._line is not None:
            await self._line.close()
            self._line = None


def encode(body: dict[str, Any]) -> bytes:
    """JSON as it is sent; text with half a character, for which UTF-8 has no bytes, with escapes."""
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(body, separators=(",", ":")).encode("ascii")
