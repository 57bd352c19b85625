"""Rows: any file of records, or a hub data set -> rows, one at a time, at constant memory.

A kind is told by its suffix: ``.jsonl``, ``.ndjson``, ``.json`` (one array, which is read whole, or one object a line),
``.csv`` and ``.tsv`` (with a header), ``.txt`` (one document a line, in the field ``text``), each also as ``.gz`` or
``.zst``, and ``.parquet``. Lines that hold nothing are passed over and never counted.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from babeltune.errors import Problem, RowsError

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".parquet")
"""What tells the kind of a file; ``.gz`` or ``.zst`` may follow, except upon ``.parquet``."""
_KINDS = f"Known kinds: {', '.join(SUFFIXES)}; all but the last also with .gz or .zst."
_UTF8 = "Save the file as UTF-8."
_JSON = "One JSON object a line."
_FIELD = "A field that holds a {!r}, a quote or a line end stands in quotes."
_BARE = "A row is one line, its fields stand between {!r} and hold none; every other mark is text."
_BLOCK = 1 << 16
"""Bytes read at once."""
_BATCH = 1000
"""Rows of a columnar file or a hub set that are in memory at once."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a source."""

    where: str
    """``chats.jsonl:12`` (1-based line), ``data.parquet row 13`` (1-based row), ``train[3]`` (0-based, a hub set's)."""
    fields: Mapping[str, Any]


def kind_of(path: Path) -> str | None:
    """One of ``SUFFIXES``, or None for a file of no known kind."""
    suffixes = [suffix.lower() for suffix in path.suffixes] or [""]
    packed = suffixes[-1] in (".gz", ".zst")
    kind = suffixes[-2] if packed and len(suffixes) > 1 else suffixes[-1]
    return kind if kind in SUFFIXES and not (packed and kind == ".parquet") else None


def files_of(path: Path) -> list[Path]:
    """The file itself, or the data files of a folder and its folders, sorted by name; nothing hidden.

    Raises:
        RowsError: nothing is there, the file is of no known kind, or the folder holds no file of a known kind.
    """
    if path.is_dir():
        inside = (file.relative_to(path) for file in path.rglob("*") if kind_of(file) and file.is_file())
        files = sorted(path / file for file in inside if not any(part.startswith(".") for part in file.parts))
        if not files:
            raise RowsError(f"folder '{path}'", [Problem(str(path), "holds no data files", _KINDS)])
        return files
    if not path.is_file():
        fix = "Check the path."
        if str(path) == "-" or path.exists():
            fix = "Write what comes through a pipe into a file first: it is read more than once."
        raise RowsError(f"file '{path}'", [Problem(str(path), "there is no such file or folder", fix)])
    if kind_of(path) is None:
        raise _broken(path, "is of no known kind", _KINDS)
    return [path]


def file_rows(
    path: Path, *, skip: int = 0, columns: Sequence[str] | None = None, quoted: bool = True
) -> Iterator[Row | Problem]:
    """The rows of a file, and in the place of a broken one its problem.

    ``skip``: so many records, broken ones included, are passed over without being parsed, as a reader that goes on has
    seen them. ``columns``: no other fields are kept (and of a parquet file none are read). ``quoted``: whether the
    quotes of a table are marks of its fields, or part of the text.

    Raises:
        RowsError: the file cannot be read, or not to its end (cut short, damaged); rows before that were yielded.
    """
    match kind_of(path):
        case ".jsonl" | ".ndjson":
            rows = _json_lines(path, skip)
        case ".json":
            rows = _json(path, skip)
        case ".csv":
            rows = _table(path, ",", skip, quoted)
        case ".tsv":
            rows = _table(path, "\t", skip, quoted)
        case ".txt":
            rows = _text_lines(path, skip)
        case ".parquet":
            yield from _parquet(path, skip, columns)
            return
        case _:
            raise _broken(path, "is of no known kind", _KINDS)
    if columns is None:
        yield from rows
        return
    kept = frozenset(columns)
    for row in rows:
        if isinstance(row, Row):
            row = Row(row.where, {name: value for name, value in row.fields.items() if name in kept})
        yield row


def _broken(path: Path, what: str, fix: str) -> RowsError:
    return RowsError(f"file '{path}'", [Problem(path.name, what, fix)])


def _opened(path: Path) -> IO[bytes]:
    match path.suffix.lower():
        case ".gz":
            return io.BufferedReader(gzip.open(path), _BLOCK)
        case ".zst":
            import pyarrow

            return io.BufferedReader(pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd"), _BLOCK)
        case _:
            return path.open("rb", buffering=_BLOCK)


def _lines(path: Path) -> Iterator[bytes]:
    """Every line with its end, the first without a byte order mark.

    Only a newline ends a line: U+2028 and the like may stand bare inside JSON strings.
    """
    number = 0
    try:
        with _opened(path) as handle:
            for number, raw in enumerate(handle, 1):
                yield raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
    except (OSError, EOFError, zlib.error) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        if number:
            raise _broken(path, f"breaks off after line {number} ({why})", "Fetch or write the file again.") from error
        raise _broken(path, f"cannot be read ({why})", "Check the path, and that the file is whole.") from error


def _filled(path: Path, skip: int) -> Iterator[tuple[str, bytes]]:
    """Place and bytes of the lines that hold anything, from the ``skip``-th of them on."""
    lines = ((number, raw) for number, raw in enumerate(_lines(path), 1) if raw and not raw.isspace())
    for number, raw in itertools.islice(lines, skip, None):
        yield f"{path.name}:{number}", raw


def _json_lines(path: Path, skip: int) -> Iterator[Row | Problem]:
    for where, raw in _filled(path, skip):
        try:
            fields = json.loads(raw.decode().rstrip("\r\n"))
        except UnicodeDecodeError as error:
            yield Problem(where, f"invalid UTF-8 at byte {error.start + 1} of the line", _UTF8)
        except json.JSONDecodeError as error:
            yield Problem(where, f"broken JSON at column {error.colno} ({error.msg})", _JSON)
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
            yield Problem(where, f"JSON beyond all measure ({error})", _JSON)
        else:
            yield _row(where, fields)


def _json(path: Path, skip: int) -> Iterator[Row | Problem]:
    _, first = next(_filled(path, 0), ("", b""))
    if not first.lstrip().startswith(b"["):
        yield from _json_lines(path, skip)
        return
    fix = "One array of objects, or one object a line."
    try:
        records = json.loads(b"".join(_lines(path)).decode())
    except UnicodeDecodeError as error:
        raise _broken(path, f"invalid UTF-8 ({error.reason})", _UTF8) from error
    except json.JSONDecodeError as error:
        raise _broken(path, f"broken JSON at line {error.lineno}, column {error.colno} ({error.msg})", fix) from error
    except (ValueError, RecursionError) as error:
        raise _broken(path, f"JSON beyond all measure ({error})", fix) from error
    for number, fields in enumerate(itertools.islice(records, skip, None), skip + 1):
        yield _row(f"{path.name} row {number}", fields)


def _row(where: str, fields: object) -> Row | Problem:
    if isinstance(fields, dict):
        return Row(where, fields)
    return Problem(where, f"a {type(fields).__name__} in place of an object", _JSON)


def _text_lines(path: Path, skip: int) -> Iterator[Row | Problem]:
    for where, raw in _filled(path, skip):
        try:
            yield Row(where, {"text": raw.decode().rstrip("\r\n")})
        except UnicodeDecodeError as error:
            yield Problem(where, f"invalid UTF-8 at byte {error.start + 1} of the line", _UTF8)


def _table(path: Path, delimiter: str, skip: int, quoted: bool) -> Iterator[Row | Problem]:
    """Quoted as RFC 4180 says, between tabs too. A row may be many lines; it is named by its first."""
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    csv.field_size_limit(sys.maxsize)
    # Bytes that are no UTF-8 pass as half characters, so that they cost no more than their own row.
    text = (raw.decode(errors="surrogateescape") for raw in _lines(path))
    reader = csv.reader(text, delimiter=delimiter, strict=True, quoting=quoting)
    records = _records(reader, path.name, quoted)
    where, header = next(records, ("", []))
    if isinstance(header, Problem):
        raise _broken(path, f"the header cannot be read: {header.what}", header.fix)
    doubled = [name for index, name in enumerate(header) if name in header[:index]]
    if doubled:
        raise _broken(path, f"the column '{doubled[0]}' stands twice in the header", "Give each column its own name.")
    for where, cells in itertools.islice(records, skip, None):
        if isinstance(cells, Problem):
            yield cells
        elif len(cells) != len(header):
            what = f"{len(cells)} field{'s' if len(cells) != 1 else ''} where the header has {len(header)}"
            yield Problem(where, what, _FIELD.format(delimiter) if quoted else _BARE.format(delimiter))
        else:
            yield Row(where, dict(zip(header, cells, strict=True)))


def _records(reader: Any, name: str, quoted: bool) -> Iterator[tuple[str, list[str] | Problem]]:
    """Place and cells of what a CSV reader finds; it goes on behind a broken record."""
    while True:
        where = f"{name}:{reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if quoted:
                fix = "Double each quote inside a quoted field."
                yield where, Problem(where, f"broken quotes ({error})", fix)
            else:
                yield where, Problem(where, "a stray carriage return", "A row is one line; take it out.")
            continue
        if len(cells) < 2 and not "".join(cells).strip():
            continue
        try:
            "".join(cells).encode()
        except UnicodeEncodeError:
            yield where, Problem(where, "invalid UTF-8", _UTF8)
        else:
            yield where, cells


def _parquet(path: Path, skip: int, columns: Sequence[str] | None) -> Iterator[Row | Problem]:
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path, buffer_size=_BLOCK) as file:
            groups = list(range(file.num_row_groups))
            while groups and number + (size := file.metadata.row_group(groups[0]).num_rows) <= skip:
                number += size
                del groups[0]
            wanted = list(columns) if columns is not None else None
            for batch in file.iter_batches(_BATCH, row_groups=groups, columns=wanted):
                seen = min(len(batch), max(0, skip - number))
                for index, fields in enumerate(_decoded(batch.slice(seen)), number + seen + 1):
                    where = f"{path.name} row {index}"
                    yield Row(where, fields) if fields is not None else Problem(where, "invalid UTF-8", _UTF8)
                number += len(batch)
    except (pyarrow.ArrowException, OSError, ValueError) as error:  # ValueError: a date that Python has not
        if number:
            raise _broken(path, f"breaks off after row {number} ({error})", "Fetch or write the file again.") from error
        raise _broken(path, f"cannot be read ({error})", "Check that it is a whole parquet file.") from error


def _decoded(batch: Any) -> Iterator[dict[str, Any] | None]:
    """The rows of an Arrow batch; None for one whose text is no UTF-8."""
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except UnicodeDecodeError:
        if len(batch) == 1:
            yield None
            return
        for index in range(len(batch)):
            yield from _decoded(batch.slice(index, 1))
    else:
        yield from rows
