"""The files of an Inspect log: one JSON, or a zip of JSON files, which newer releases compress with Zstandard.

Python's own reader of zips lacks that method; the bytes are found by the zip's index and unpacked by pyarrow. Nothing is
written anywhere, so the names in a zip may be what they will.
"""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from babeltune.study.importing.found import whole

_MOST = 1 << 29
"""Bytes that a file of a log may unpack to: half a GiB, more than any real one."""
_ZSTD = 93
"""Number of Zstandard among a zip's compression methods."""


class UnreadableError(ValueError):
    """A log that cannot be read; the message says why."""


def header(path: Path) -> dict[str, Any]:
    """What a log says of itself.

    Raises:
        UnreadableError: it cannot be read.
    """
    if not zipfile.is_zipfile(path):
        return _object(path.read_bytes(), path.name)
    with path.open("rb") as file:
        for name in ("header.json", "_journal/start.json"):
            for info in _listed(file):
                if info.filename == name:
                    return _object(_unpacked(file, info), name)
    raise UnreadableError("is a zip without a header.json")


def samples(path: Path) -> Iterator[dict[str, Any]]:
    """The samples of a log, one at a time from a zip.

    Raises:
        UnreadableError: one of them cannot be read.
    """
    if not zipfile.is_zipfile(path):
        for sample in _object(path.read_bytes(), path.name).get("samples") or []:
            if isinstance(sample, dict):
                yield whole(sample)
        return
    with path.open("rb") as file:
        for info in _listed(file):
            if info.filename.startswith("samples/") and info.filename.endswith(".json"):
                yield whole(_object(_unpacked(file, info), info.filename))


def _listed(file: IO[bytes]) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableError(f"is no whole zip ({error})") from error


def _unpacked(file: IO[bytes], info: zipfile.ZipInfo) -> bytes:
    """The bytes of one file in a zip."""
    if info.file_size > _MOST:
        raise UnreadableError(f"{info.filename[:80]}: unpacks to {info.file_size:,} bytes")
    try:
        if info.compress_type != _ZSTD:
            with zipfile.ZipFile(file) as archive, archive.open(info) as inner:
                raw = inner.read(_MOST + 1)
        else:
            raw = _zstandard(file, info)
    except (zipfile.BadZipFile, zlib.error, struct.error, OSError, ValueError, RuntimeError) as error:
        raise UnreadableError(f"{info.filename[:80]}: cannot be unpacked ({error})") from error
    if len(raw) > _MOST:
        raise UnreadableError(f"{info.filename[:80]}: unpacks to more than it says")
    return raw


def _zstandard(file: IO[bytes], info: zipfile.ZipInfo) -> bytes:
    import pyarrow

    file.seek(info.header_offset)
    head = file.read(30)
    if head[:4] != b"PK\x03\x04":
        raise ValueError("no local header")
    name, extra = struct.unpack("<HH", head[26:30])
    file.seek(name + extra, 1)
    packed = pyarrow.BufferReader(file.read(info.compress_size))
    with pyarrow.CompressedInputStream(packed, "zstd") as stream:
        return bytes(stream.read(_MOST + 1))


def _object(raw: bytes, name: str) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{name[:80]}: broken JSON ({error})") from error
    if not isinstance(found, dict):
        raise UnreadableError(f"{name[:80]}: a {type(found).__name__} in place of an object")
    return found
