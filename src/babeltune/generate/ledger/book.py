"""The ledger: one SQLite file in which every reply that a server was asked for is kept, and what it cost.

``entries`` has one row for what was sent (its key): the answer, or how far it came without one. ``calls`` has one row for
every reply that was written, and loses none: what was paid stays in the sum, whatever becomes of the entry. ``pledges``
and ``batches`` hold what is under way, so that it counts against a cap even if nobody hears of it again.

A reply is committed before ``write`` returns, to a write-ahead log: a process that is killed loses none. A machine that
loses power may lose those of the last second, as the disk is told to keep them once a second (an answer that is lost is
bought again, for a fraction of a cent; asking the disk for each would let it set the pace). What would be dear to lose,
that a batch was submitted, is on the disk before anything else is done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, fields, replace
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any, Final, Literal

from babeltune.generate.ledger.database import Database
from babeltune.generate.ledger.entries import KEPT, Batch, Entry, Spent, State, Waiting
from babeltune.generate.ledger.hiding import forms_of, hidden


class Ledger:
    """One file. One process writes, any number read, at the same time; threads of a process may share it."""

    def __init__(self, path: Path, *, patience: float = 10.0) -> None:
        """Open a ledger, or make it.

        Args:
            path: the file; its folder is made if missing.
            patience: seconds to wait for another process that is writing.

        Raises:
            StoreError: it cannot be opened, is no ledger, or is of a newer version.
        """
        self.path = path
        self._secrets: tuple[str, ...] = ()
        self._base = Database(path, patience)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; everything is in it."""
        self._base.close()

    def hide(self, secret: str) -> None:
        """From now on write no text with this account key in it: a server may echo what it was sent."""
        self._secrets = (*self._secrets, *forms_of(secret))

    def write(self, entry: Entry) -> None:
        """Keep a reply; it is committed when this returns."""
        self.write_many((entry,))

    def write_many(self, entries: Iterable[Entry]) -> None:
        """Keep replies, all or none; they are committed when this returns.

        Each counts as a call. It becomes the entry of its key unless that has an answer, or a refusal, already.

        Raises:
            StoreError: no space left, the file is damaged, or (LockedError) another process writes.
        """
        with self._base.writing() as db:
            self._put(db, entries)

    def answers(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Entries that need not be sent again, answered or refused; keys without one are left out."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Entry] = {}
        with self._base.reading() as db:
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                marks = ",".join("?" * len(part))
                rows = db.execute(f"SELECT {_COLUMNS} FROM entries WHERE {_IS_KEPT} AND key IN ({marks})", part)
                found.update((row[0], _entry(row)) for row in rows)
        return found

    def entries(
        self, *, model: str | None = None, state: State | None = None, purpose: str | None = None, key: str = ""
    ) -> Iterator[Entry]:
        """Entries in the order in which they were first written, of any state unless one is named.

        They are those of one moment, however long the reading takes. ``key``: how the keys begin.
        """
        where, values = _filter((model,), (state,), (purpose,))
        if key:
            where, values = f"{where} AND key >= ? AND key < ?", [*values, key, key + "g"]  # after every hex digit
        with self._base.snapshot() as db:
            for row in db.execute(f"SELECT {_COLUMNS} FROM entries WHERE {where} ORDER BY number", values):
                yield _entry(row)

    def counts(self) -> dict[tuple[str, State, str], int]:
        """(model, state, purpose) -> entries."""
        with self._base.reading() as db:
            rows = db.execute(
                "SELECT model, state, purpose, count(*) FROM entries GROUP BY 1, 2, 3 ORDER BY min(number)"
            )
            return {(model, state, purpose): count for model, state, purpose, count in rows}

    def spent(self) -> Spent:
        """What all replies ever written came to; what calls of which nothing was written may have cost is unsure."""
        spent = next(iter(self._spent("''").values()), Spent())
        with self._base.reading() as db:
            (pledged,) = db.execute("SELECT total(dollars) FROM pledges").fetchone()
        return replace(spent, unsure=spent.unsure + pledged)

    def committed(self) -> float:
        """Dollars that may be gone already, at most: spent, unsure, and what open batches can cost."""
        spent = self.spent()
        return spent.dollars + spent.unsure + sum(batch.reserve for batch in self.batches())

    def spent_by(self, by: Literal["model", "purpose"]) -> dict[str, Spent]:
        """The same for each model asked for, or for each purpose."""
        return self._spent(by)

    def prune(
        self,
        states: Sequence[State] = ("failed", "empty"),
        *,
        model: str | None = None,
        purpose: str | None = None,
    ) -> int:
        """Forget entries of these states, and how many they were; what they cost stays in the sum.

        Answers and refusals only go where their state is named.
        """
        where, values = _filter((model,), tuple(states), (purpose,))
        with self._base.writing(durable=True) as db:
            return db.execute(f"DELETE FROM entries WHERE {where}", values).rowcount

    def pledge(self, token: str, dollars: float) -> None:
        """Keep that the calls under way of a run may cost so much, so that it counts if none comes back.

        ``token`` names the run; its last pledge counts, and 0 takes it back.
        """
        with self._base.writing(durable=True) as db:
            if dollars > 0:
                db.execute("INSERT OR REPLACE INTO pledges VALUES (?, ?)", (token, dollars))
            else:
                db.execute("DELETE FROM pledges WHERE token = ?", (token,))

    def begin_batch(self, batch: Batch, waiting: Iterable[Waiting]) -> None:
        """Keep that a batch is about to be sent, and with what; on the disk when this returns."""
        with self._base.writing(durable=True) as db:
            db.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", astuple(batch))
            db.executemany(
                "INSERT INTO waiting VALUES (?, ?, ?, ?, ?)",
                (
                    (batch.token, one.key, _bind(hidden(one.sent, self._secrets)), one.purpose, one.item)
                    for one in waiting
                ),
            )

    def update_batch(self, batch: Batch) -> None:
        """Keep what the provider said of a batch; on the disk when this returns."""
        with self._base.writing(durable=True) as db:
            db.execute("UPDATE batches SET file = ?, id = ? WHERE token = ?", (batch.file, batch.id, batch.token))

    def end_batch(self, batch: Batch, entries: Iterable[Entry]) -> None:
        """Keep what came of a batch and forget that it is open, both or neither: it is never paid for twice."""
        with self._base.writing(durable=True) as db:
            self._put(db, entries)
            db.execute("DELETE FROM waiting WHERE token = ?", (batch.token,))
            db.execute("DELETE FROM batches WHERE token = ?", (batch.token,))

    def batches(self) -> list[Batch]:
        """Those that were begun and not ended, the oldest first."""
        with self._base.reading() as db:
            return [Batch(*row) for row in db.execute("SELECT * FROM batches ORDER BY rowid")]

    def waiting(self, batch: Batch) -> dict[str, Waiting]:
        """Key -> request of an open batch, in its order."""
        with self._base.reading() as db:
            rows = db.execute(
                "SELECT key, sent, purpose, item FROM waiting WHERE token = ? ORDER BY rowid", (batch.token,)
            )
            return {row[0]: Waiting(*map(_read, row)) for row in rows}

    def _spent(self, by: str) -> dict[str, Spent]:
        with self._base.reading() as db:
            rows = db.execute(
                f"SELECT {by}, total({_IS_REPLY}), sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), "
                f"total(cost), total(cost IS NULL AND {_IS_REPLY}), total(unsure) FROM calls "
                f"WHERE {_IS_REPLY} OR unsure > 0 GROUP BY 1 ORDER BY min(number)"
            )
            return {
                name: Spent(int(calls), read, cached, written, dollars, int(unpriced), unsure)
                for name, calls, read, cached, written, dollars, unpriced, unsure in rows
            }

    def _put(self, db: sqlite3.Connection, entries: Iterable[Entry]) -> None:
        for entry in entries:
            clean = self._redacted(entry) if self._secrets else entry
            values = _VALUES(clean)
            try:
                db.execute(_INSERT, values)
            except UnicodeEncodeError:
                values = tuple(_bind(value) if isinstance(value, str) else value for value in values)
                db.execute(_INSERT, values)
            db.execute(_COUNT, _COUNTS(values))

    def _redacted(self, entry: Entry) -> Entry:
        text, raw, sent, by = (
            hidden(one, self._secrets) for one in (entry.text, entry.raw, entry.sent, entry.answered_by)
        )
        return replace(entry, text=text, raw=raw, sent=sent, answered_by=by)


_AT_ONCE = 900
"""Keys a query; every SQLite takes 999 values."""
_COLUMNS: Final = ", ".join(field.name for field in fields(Entry))
_VALUES: Final = attrgetter(*(field.name for field in fields(Entry)))
_IS_KEPT: Final = f"state IN {KEPT}"
_IS_REPLY: Final = "(state IN ('answered', 'empty') OR prompt_tokens + completion_tokens > 0 OR cost > 0)"
_INSERT: Final = (
    f"INSERT INTO entries ({_COLUMNS}) VALUES ({', '.join('?' for _ in fields(Entry))}) ON CONFLICT (key) DO UPDATE "
    f"SET {', '.join(f'{field.name} = excluded.{field.name}' for field in fields(Entry) if field.name != 'key')} "
    f"WHERE NOT entries.{_IS_KEPT}"
)
_COUNTED: Final = (
    "key", "model", "purpose", "state", "prompt_tokens", "cached_tokens", "completion_tokens", "cost", "unsure", "at"
)  # fmt: skip
_COUNTS: Final = itemgetter(*([field.name for field in fields(Entry)].index(name) for name in _COUNTED))
_COUNT: Final = f"INSERT INTO calls ({', '.join(_COUNTED)}) VALUES ({', '.join('?' for _ in _COUNTED)})"


def _filter(
    models: Sequence[str | None], states: Sequence[str | None], purposes: Sequence[str | None]
) -> tuple[str, list[Any]]:
    """A WHERE clause and its values; None filters nothing."""
    clauses, values = ["1"], []
    for column, wanted in (("model", models), ("state", states), ("purpose", purposes)):
        named = [one for one in wanted if one is not None]
        if len(named) == len(wanted):
            clauses.append(f"{column} IN ({','.join('?' * len(named))})")
            values += named
    return " AND ".join(clauses), values


def _bind(text: str) -> str | bytes:
    """Text as SQLite takes it; what holds half a character, for which UTF-8 has no bytes, as bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _read(value: Any) -> Any:
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def _entry(row: Sequence[Any]) -> Entry:
    return Entry(*map(_read, row))
