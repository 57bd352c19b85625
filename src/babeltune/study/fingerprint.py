"""Fingerprints: canonical JSON -> SHA-256. What changes a number is in it; what cannot be written stably is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


class _UnstableError(Exception):
    """A value without a stable text. The place is gathered on the way up: ten thousand stable cells need none."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.place: list[str] = []


def _plain(value: object) -> Plain:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _UnstableError(f"{value} has no place in a fingerprint")
        return value + 0.0  # -0.0 equals 0.0
    if isinstance(value, list | tuple):
        entries: list[Plain] = []
        for index, entry in enumerate(value):
            try:
                entries.append(_plain(entry))
            except _UnstableError as error:
                error.place.append(f"[{index}]")
                raise
        return entries
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        found: dict[str, Plain] = {}
        for key, entry in value.items():
            if not isinstance(key, str):
                raise _UnstableError(f"key {key!r} is not a string")
            try:
                found[key] = _plain(entry)
            except _UnstableError as error:
                error.place.append(f".{key}")
                raise
        return found
    raise _UnstableError(f"a {type(value).__name__} has no stable text; reduce it to plain data first")


def canonical(value: object) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces: equal values, equal bytes.

    Dataclasses become objects, tuples lists. Sets, functions, paths, NaN and anything else whose text could differ
    between two runs or two machines are refused: a permissive ``str(value)`` would hash an address or a folder.

    Raises:
        TypeError: names the place inside the value.
    """
    try:
        plain = _plain(value)
    except _UnstableError as error:
        raise TypeError(f"value{''.join(reversed(error.place))}: {error}") from None
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def fingerprint(value: object) -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return digest(canonical(value))


def digest(canonical: bytes) -> str:
    """SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(canonical).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
