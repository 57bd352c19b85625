"""A corpus: files or a set on the hub, read as batches of documents of bounded size."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from babeltune.errors import ChatsError, InputError, Problem, RowsError
from babeltune.hub import HubSet, hub_rows, snapshot
from babeltune.rows import Row, file_rows, files_of

FIELDS = ("text", "content", "raw_content", "document")
"""Fields that hold the document where none is named: the usual ones of web corpora, the first that is there."""
_DOCUMENTS, _CHARACTERS = 4096, 4_000_000
"""A batch ends with whichever comes first: enough for every thread, few enough to keep memory flat."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What is read in one go, and gone on within: a file, or a set on the hub."""

    source: Path | HubSet
    name: str
    stamp: str
    """Changes where the contents do: size and time of a file; commit, config and splits of a hub set."""
    size: int | None = None
    """Bytes, where they are known."""
    folder: Path | None = None
    """Snapshot of a hub set in the local cache; None where it is streamed."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A stretch of a unit."""

    unit: str
    """Name of the unit."""
    start: int
    """Records of the unit before this batch."""
    done: int
    """Records of the unit up to its end."""
    texts: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    """Records without a document, or why the unit is broken."""
    last: bool = False
    """The unit ends here."""
    broken: bool = False
    """The unit cannot be read any further."""


def file_units(path: Path, but: Collection[Path] = ()) -> tuple[Unit, ...]:
    """A file, or the files of a folder, sorted by name; but not these, such as those that a census writes there.

    Raises:
        ChatsError: there are none.
    """
    units = []
    aside = {file.absolute() for file in but}
    for file in files_of(path):
        if file.absolute() in aside:
            continue
        name = file.relative_to(path) if path.is_dir() else file.name
        stat = file.stat()
        modified = datetime.datetime.fromtimestamp(stat.st_mtime, datetime.UTC).isoformat(" ", "milliseconds")
        units.append(Unit(file.absolute(), str(name), f"{stat.st_size} bytes of {modified}", stat.st_size))
    if not units:
        what = "holds no data files but what a census writes"
        raise ChatsError(f"corpus '{path}'", [Problem(str(path), what, "Give another source, or another --out.")])
    return tuple(units)


def hub_unit(hub: HubSet, *, download: bool) -> Unit:
    """A set on the hub, at one commit: streamed where ``download``, or else read from the local cache.

    Raises:
        RowsError: it is not in the local cache, or cannot be found on the hub.
    """
    folder = None
    if not download:
        folder = snapshot(hub.id, hub.revision, download=False)
        commit: str | None = folder.name
    else:
        import httpx2
        from huggingface_hub import HfApi

        try:
            # A branch may move between two runs; a commit does not.
            commit = HfApi().dataset_info(hub.id, revision=hub.revision).sha
        except (OSError, httpx2.HTTPError) as error:
            what = f"cannot be found ({' '.join(str(error).split())})"
            fix = "Check its id and revision, your access to it, and the network."
            raise ChatsError(f"hub set '{hub.id}'", [Problem(hub.id, what, fix)]) from error
    splits = ", ".join(hub.splits) or "all"
    stamp = f"commit {commit}, config {hub.config or 'default'}, splits {splits}"
    return Unit(replace(hub, revision=commit), hub.id, stamp, folder=folder)


def field_of(units: tuple[Unit, ...], named: str | None = None) -> str:
    """The field that holds the document, told by the first record.

    Raises:
        InputError: there is no record, or the named field, or where none is named each usual one, is missing in it.
    """
    first = next((row for unit in units for row in _rows(unit) if isinstance(row, Row)), None)
    if first is None:
        name = units[0].name if len(units) == 1 else f"{units[0].name} … {units[-1].name}"
        raise InputError("corpus", [Problem(name, "holds no documents", "Give another source.")])
    found = [name for name in ([named] if named else FIELDS) if name in first.fields]
    if not found:
        what = f"no field '{named}'" if named else f"no field {', '.join(FIELDS[:-1])} or {FIELDS[-1]}"
        seen = ", ".join(map(str, first.fields))
        fix = "Name the one that holds the document with --field."
        raise InputError("corpus", [Problem(first.where, f"{what}, but: {seen}", fix)])
    return found[0]


def batches(unit: Unit, field: str, *, skip: int = 0, limit: int | None = None) -> Iterator[Batch]:
    """The documents of a unit, in batches bounded by documents and by characters; the last one may be empty.

    ``skip``: records to pass over. ``limit``: most documents, at least 1; reading ends there, before the last batch.
    """
    texts: list[str] = []
    problems: list[Problem] = []
    size, start, done, left = 0, skip, skip, limit
    try:
        for row in _rows(unit, skip, field):
            done += 1
            text = _text(row, field)
            if isinstance(text, Problem):
                problems.append(text)
            else:
                texts.append(text)
                size += len(text)
            if done - start >= _DOCUMENTS or size >= _CHARACTERS or len(texts) == left:
                yield Batch(unit.name, start, done, tuple(texts), tuple(problems))
                left = None if left is None else left - len(texts)
                if left == 0:
                    return
                size, start, texts, problems = 0, done, [], []
    except RowsError as error:
        if done > start:
            yield Batch(unit.name, start, done, tuple(texts), tuple(problems))
        yield Batch(unit.name, done, done, problems=error.problems, broken=True)
    else:
        yield Batch(unit.name, start, done, tuple(texts), tuple(problems), last=True)


def _rows(unit: Unit, skip: int = 0, field: str | None = None) -> Iterator[Row | Problem]:
    columns = None if field is None else [field]
    if isinstance(unit.source, HubSet):
        return hub_rows(unit.source, folder=unit.folder, skip=skip, columns=columns)
    return file_rows(unit.source, skip=skip, columns=columns)


def _text(row: Row | Problem, field: str) -> str | Problem:
    if isinstance(row, Problem):
        return row
    text = row.fields.get(field)
    if isinstance(text, str):
        return text
    what = f"is {text!r:.40}" if field in row.fields else "is missing"
    return Problem(row.where, f"field '{field}' {what}", "Give a string.")
