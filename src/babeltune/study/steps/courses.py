"""Courses: the language of each line of the answers that a report shows, so that a reader sees where they flip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from babeltune.data import identify
from babeltune.errors import ModelError
from babeltune.languages import LANGUAGES
from babeltune.measure.metrics.confusion import flips
from babeltune.records import Identifier


def coursed(items: Iterable[Mapping[str, Any]], identifier: str) -> tuple[Mapping[str, Any], ...]:
    """The items, those with a line whose language can be told with ``lines``: a code a line, empty where untold.

    ``identifier``: name of the one that scored them. Where it is gone from this machine no line is told: a report can
    be made again without it.
    """
    try:
        found = identify.identifier(identifier)
    except ModelError:
        return tuple(items)
    return tuple(_told(items, found))


def _told(items: Iterable[Mapping[str, Any]], identifier: Identifier) -> Iterator[Mapping[str, Any]]:
    for item in items:
        lines = codes(item["response"], item["notes"].get("response"), identifier)
        yield {**item, "lines": lines} if any(lines) else item


def codes(response: str, whole: str | None, identifier: Identifier) -> list[str]:
    """The language of each line of a response. ``whole``: that of all of it, which is that of its only line."""
    lines = response.split("\n")
    filled = [at for at, line in enumerate(lines) if line.strip()]
    told = [""] * len(lines)
    if len(filled) == 1 and whole in LANGUAGES:
        told[filled[0]] = str(whole)
    elif len(filled) > 1:
        for line in flips(response, identifier).lines:
            told[response.count("\n", 0, line.start)] = line.language or ""
    return told
