"""Fingerprints: canonical JSON -> SHA-256. What changes a number is in it; what cannot be written stably is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


def plain(value: object, where: str = "value") -> Plain:
    """Reduce a value to plain JSON data.

    Dataclasses become objects, tuples lists. Sets, functions, paths, NaN and anything else whose text could differ
    between two runs or two machines are refused: a permissive ``str(value)`` would hash an address or a folder.

    Raises:
        TypeError: names the place inside the value.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{where}: {value} has no place in a fingerprint")
        return value + 0.0  # -0.0 equals 0.0
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name), f"{where}.{field.name}") for field in fields}
    if isinstance(value, list | tuple):
        return [plain(entry, f"{where}[{index}]") for index, entry in enumerate(value)]
    if isinstance(value, Mapping):
        odd = [key for key in value if not isinstance(key, str)]
        if odd:
            raise TypeError(f"{where}: key {odd[0]!r} is not a string")
        return {key: plain(entry, f"{where}.{key}") for key, entry in value.items()}
    raise TypeError(f"{where}: a {type(value).__name__} has no stable text; reduce it to plain data first")


def canonical(value: object) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces: equal values, equal bytes."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def fingerprint(value: object) -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
