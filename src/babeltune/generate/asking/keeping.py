"""Replies into the ledger, together with all others that come in the same turn of an event loop."""

from __future__ import annotations

import asyncio

from babeltune.errors import StoreError
from babeltune.generate.ledger import Entry, Ledger


class Keeping:
    """Belongs to one event loop. A transaction for each reply would take longer than all else that is done with it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[tuple[Entry, asyncio.Future[None]]] = []

    async def keep(self, entry: Entry) -> None:
        """Write an entry; it is committed when this returns, and kept even if this is cancelled.

        Raises:
            StoreError: it cannot be.
        """
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._write)
        written: asyncio.Future[None] = loop.create_future()
        self._waiting.append((entry, written))
        await written

    def flush(self) -> None:
        """Write what was handed in and is not yet written.

        Raises:
            StoreError: it cannot be.
        """
        if self._waiting:
            self._ledger.write_many(entry for entry, _ in self._waiting)
            self._waiting.clear()

    def _write(self) -> None:
        waiting = [written for _, written in self._waiting]
        try:
            self.flush()
        except StoreError as error:
            for written in waiting:
                if not written.done():
                    written.set_exception(error)
            return
        for written in waiting:
            if not written.done():
                written.set_result(None)
