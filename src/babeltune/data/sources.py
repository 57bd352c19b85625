"""Sources: the bundled set, files, or a hub set -> chats. Malformed rows are named by place, all of them at once."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from babeltune import rows
from babeltune.data import shapes
from babeltune.data.shapes import Columns as Columns
from babeltune.data.shapes import Shape as Shape
from babeltune.errors import ChatsError, Problem, RowsError
from babeltune.hub import HubSet, hub_rows, snapshot
from babeltune.records import Chat
from babeltune.rows import Row

POCKET = Path(__file__).parent / "pocket"
"""The bundled chats and prompts, written for this project."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Source:
    """Where chats come from."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    at: Annotated[str, Field(min_length=1)]
    """``pocket``, which is bundled; the path of a file or a folder; or a hub id such as ``org/name``."""
    revision: str | None = None
    """Commit, branch or tag of a hub set; the newest where it is left out."""
    config: str | None = None
    """Config of a hub set that has several."""
    splits: tuple[str, ...] = ()
    """Splits of a hub set, in this order; all where none is named."""
    shape: Shape | None = None
    """What the rows look like; told by their columns where it is left out."""
    columns: Columns | None = None
    """The columns to read, of a set that has no known shape."""

    def __post_init__(self) -> None:
        if self.shape and self.columns:
            raise ValueError("both shape and columns are given. Keep one of them")

    @property
    def hub(self) -> HubSet | None:
        """The hub set; None for the bundled set and for whatever is on disk, or reads like a path."""
        path = Path(self.at)
        local = self.at == "pocket" or self.at.startswith((".", "/", "~")) or rows.kind_of(path) or path.exists()
        if local or not _HUB_ID.fullmatch(self.at):
            return None
        return HubSet(self.at, self.revision, self.config, self.splits)

    @property
    def named(self) -> str:
        """The source in words."""
        if self.hub is None:
            return self.at
        splits = f", {' and '.join(self.splits)} only" if self.splits else ""
        return f"{self.at} at {self.revision[:12] if self.revision else 'its newest revision'}{splits}"


@dataclass(frozen=True, slots=True)
class Read:
    """What a source held."""

    chats: tuple[Chat, ...]
    skipped: tuple[Problem, ...]
    """Rows that could not be read; empty unless they were to be skipped."""


def fetch(source: Source, *, download: bool) -> Path | None:
    """The folder of a hub set's snapshot, fetched only where ``download``; None for any other source.

    Raises:
        RowsError: it is not in the local cache, or cannot be fetched.
    """
    hub = source.hub
    return snapshot(hub.id, hub.revision, download=download) if hub else None


def missing(source: Source) -> bool:
    """Whether this is a hub set that is not (wholly) in the local cache. Asks no network."""
    try:
        fetch(source, download=False)
    except RowsError:
        return True
    return False


def fingerprint(source: Source) -> str:
    """SHA-256 of what the source holds and how it is read; asks no network.

    Files count by their content in order, not by name. A hub set counts by its commit: the pinned one, or that of the
    cached snapshot; where there is neither, by the revision's name.
    """
    how = {"shape": source.shape, "columns": asdict(source.columns) if source.columns else None}
    hub = source.hub
    if hub is None:
        what: dict[str, object] = {"content": content_hash(_files(source))}
        if not any(how.values()):
            return str(what["content"])
    else:
        what = {"hub": hub.id, "commit": _commit(source, hub), "config": hub.config, "splits": hub.splits}
    return hashlib.sha256(json.dumps({**what, **how}, sort_keys=True).encode()).hexdigest()


def chats(source: Source) -> Iterator[Chat | Problem]:
    """The chats of a source, one at a time, and in the place of a malformed row its problem.

    Raises:
        ChatsError: the source is not there or cannot be read to its end.
    """
    hub = source.hub
    found: Iterator[Row | Problem]
    if hub is None:
        found = itertools.chain.from_iterable(rows.file_rows(file) for file in _files(source))
    else:
        found = hub_rows(hub, folder=fetch(source, download=False))
    yield from shapes.chats(found, source.shape, source.columns)


def read_chats(source: Source | str, *, skip_bad_rows: bool = False) -> Read:
    """Read all chats of a source.

    Raises:
        ChatsError: with every row that is broken JSON, invalid UTF-8, of no known shape, without an answer, or that
            repeats an id (beyond twenty they are counted, not listed); not where ``skip_bad_rows``, which returns them
            as ``skipped`` instead. Also where the source is not there, or breaks off.
    """
    source = Source(source) if isinstance(source, str) else source
    good: list[Chat] = []
    problems: list[Problem] = []
    broken: Sequence[Problem] = ()
    try:
        for read in chats(source):
            if isinstance(read, Problem):
                problems.append(read)
            else:
                good.append(read)
    except RowsError as error:
        broken = error.problems
    if not good and not problems and not broken:
        raise _refused(source.at, "holds no chats", "Give a source with one chat a row.")
    if broken or (problems and not skip_bad_rows):
        shown = problems[:_MOST_SHOWN]
        if len(problems) > len(shown):
            shown.append(Problem(source.at, f"{len(problems) - len(shown)} more", "Mend them"))
        if problems:
            count = f"{len(problems)} of {len(problems) + len(good)} rows"
            shown.append(Problem("to go on without them", count, "Use --skip-bad-rows"))
        raise ChatsError(f"chats '{source.at}'", [*shown, *broken])
    return Read(tuple(good), tuple(problems))


def content_hash(files: Sequence[Path]) -> str:
    """SHA-256 over the digests of the files in order: what identifies their content in a fingerprint."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as handle:
            digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()


def _commit(source: Source, hub: HubSet) -> str:
    if hub.revision and _COMMIT.fullmatch(hub.revision):
        return hub.revision
    try:
        folder = fetch(source, download=False)
    except RowsError:
        folder = None
    return folder.name if folder else hub.revision or "main"


def _files(source: Source) -> list[Path]:
    """Files of a source that is no hub set, all of which are there."""
    if source.revision or source.config or source.splits:
        raise _refused(source.at, "a revision, config or splits are given, but this is no hub set", "Leave them out.")
    return rows.files_of(POCKET / "chats" if source.at == "pocket" else Path(source.at).expanduser())


def _refused(at: str, what: str, fix: str) -> ChatsError:
    return ChatsError(f"chats '{at}'", [Problem(at, what, fix)])
