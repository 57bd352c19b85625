"""The SQLite file of a ledger: opened or made, written in transactions, read while it is written; errors in our words."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from babeltune.errors import LockedError, StoreError


class Database:
    """One file. One process writes, any number read, at the same time; threads of a process may share it.

    A transaction is in a write-ahead log before it counts: a process that is killed loses none. The disk is told to
    keep the log once a second, and at transactions that ask for it, so that a machine that loses power may lose those
    of its last second; the file is whole in any case.
    """

    def __init__(self, path: Path, patience: float) -> None:
        """Open a file, or make it and its folder.

        ``patience``: seconds to wait for another process that is writing.

        Raises:
            StoreError: it cannot be opened, is no ledger, or is of a newer version.
        """
        self.path = path
        self._patience = patience
        self._lock = threading.RLock()
        self._synced = -_SYNCED_EVERY
        self._full: bool | None = None
        """Whether the disk is told to keep the next transaction."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path.parent}: cannot be made ({error.strerror}). Name another place.") from error
        with self._told():
            self._db = self._connect()
        try:
            with self._told():
                self._db.execute("BEGIN")
                made = self._version()
                self._db.execute("COMMIT")
                if made == 0:
                    self._make()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Let go of the file; everything is in it."""
        with self._lock, self._told():
            self._db.close()

    @contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction: committed at the end, rolled back where anything goes wrong.

        ``durable``: it outlives a loss of power, which takes as long as the disk takes.

        Raises:
            StoreError: no space left, the file is damaged, or (LockedError) another process writes.
        """
        with self._lock, self._told():
            now = time.monotonic()
            synced = durable or now - self._synced >= _SYNCED_EVERY
            if synced is not self._full:
                self._db.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
                self._full = synced
            with self._transaction():
                yield self._db
            if synced:
                self._synced = now

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """For a read that is over soon: writes of this process wait for it."""
        with self._lock, self._told():
            yield self._db

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """For a read that takes its time: one query sees the file as it is now, and nothing waits for it."""
        with self._told(), closing(self._connect()) as db:
            yield db

    def _connect(self) -> sqlite3.Connection:
        # Beside a file with a log SQLite makes others, unless it is told that nobody writes: where nobody can.
        log = self.path.with_name(f"{self.path.name}-wal")
        fixed = self.path.exists() and not os.access(self.path.parent, os.W_OK)
        fixed = fixed and not (log.exists() and log.stat().st_size)
        name = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1" if fixed else str(self.path)
        return sqlite3.connect(name, timeout=self._patience, isolation_level=None, check_same_thread=False, uri=fixed)

    def _version(self) -> int:
        """Of the schema in the file; 0 where the file is new. In a transaction, so that all of it is of one moment."""
        (mark,) = self._db.execute("PRAGMA application_id").fetchone()
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if mark != _MARK and (version or self._db.execute("SELECT 1 FROM sqlite_master").fetchone()):
            raise StoreError(f"{self.path}: is a database of something else, no ledger. Name another file.")
        if version > _VERSION:
            raise StoreError(
                f"{self.path}: a ledger of version {version}, and this babeltune reads up to {_VERSION}. "
                "Update babeltune, or name another file."
            )
        return int(version)

    def _make(self) -> None:
        """Make the tables, unless another process was quicker."""
        self._log_ahead()
        with self._transaction():
            if self._version() == 0:
                for statement in _SCHEMA:
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA application_id={_MARK}")
                self._db.execute(f"PRAGMA user_version={_VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _log_ahead(self) -> None:
        """Have the file written through a log. SQLite does not wait for another that is doing the same, so this does."""
        given_up = time.monotonic() + self._patience
        while True:
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > given_up:
                    raise
                time.sleep(_AGAIN)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite says, as an error of ours: what is wrong and what to do."""
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise LockedError(
                    f"{self.path}: another process is writing to it. Wait for it, or stop it, and run again."
                ) from error
            fix = next(fix for start, fix in _FIXES.items() if name.startswith(start))
            raise StoreError(f"{self.path}: {error}. {fix}") from error


_VERSION = 1
"""Of the tables."""
_MARK = 0x62746C67  # "btlg"
"""Tells our files from others (SQLite's application id)."""
_SCHEMA = (
    """CREATE TABLE entries (
        number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, model TEXT NOT NULL, answered_by TEXT NOT NULL,
        state TEXT NOT NULL, text TEXT NOT NULL, finish TEXT NOT NULL, raw TEXT NOT NULL,
        prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
        seconds REAL NOT NULL, tries INTEGER NOT NULL, cost REAL, purpose TEXT NOT NULL, item TEXT NOT NULL,
        at TEXT NOT NULL, sent TEXT NOT NULL, unsure REAL NOT NULL)""",
    """CREATE TABLE calls (
        number INTEGER PRIMARY KEY, key TEXT NOT NULL, model TEXT NOT NULL, purpose TEXT NOT NULL, state TEXT NOT NULL,
        prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
        cost REAL, unsure REAL NOT NULL, at TEXT NOT NULL)""",
    """CREATE TABLE batches (
        token TEXT PRIMARY KEY, base_url TEXT NOT NULL, model TEXT NOT NULL, file TEXT NOT NULL, id TEXT NOT NULL,
        reserve REAL NOT NULL)""",
    "CREATE TABLE pledges (token TEXT PRIMARY KEY, dollars REAL NOT NULL)",
    """CREATE TABLE waiting (
        token TEXT NOT NULL, key TEXT NOT NULL, sent TEXT NOT NULL, purpose TEXT NOT NULL, item TEXT NOT NULL)""",
)
_SYNCED_EVERY = 1.0
"""Seconds of transactions that a loss of power may take at most."""
_AGAIN = 0.01
"""Seconds."""
_FIXES: Final = {
    "SQLITE_FULL": "Make space on the disk and run again: what was written before is kept.",
    "SQLITE_NOTADB": "Name another file, or move this one away.",
    "SQLITE_CORRUPT": "The file is damaged. Save what is whole with `sqlite3 FILE .recover`, or move it away.",
    "SQLITE_CANTOPEN": "Check that it is a file, in a folder that may be written to.",
    "SQLITE_READONLY": "Check that the file and its folder may be written to.",
    "SQLITE_IOERR": "Check the disk and the space left, and run again: what was written before is kept.",
    "": "Check the file and the space left.",
}
"""How the name of SQLite's error begins -> what to do."""
