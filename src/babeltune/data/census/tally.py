"""The tally: what a census has counted so far, and the file from which a killed one goes on."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from babeltune.data.census.corpus import Batch
from babeltune.errors import StoreError


@dataclass(frozen=True, slots=True)
class Counted:
    """A batch, counted."""

    batch: Batch
    """Without its texts."""
    documents: Mapping[str, int]
    """Per label."""
    characters: Mapping[str, int]
    """Unicode code points per label."""


@dataclass(slots=True)
class Tally:
    """The sums, and how far each unit was read."""

    recipe: dict[str, Any]
    """All that the sums depend on, as plain JSON."""
    documents: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)
    problems: int = 0
    """Records that were left out because they hold no document."""
    done: dict[str, int] = field(default_factory=dict)
    """Unit -> records read."""
    finished: set[str] = field(default_factory=set)
    """Units that were read to their end."""

    def add(self, counted: Counted) -> None:
        """Batches of a unit come in their order."""
        batch = counted.batch
        self.documents.update(counted.documents)
        self.characters.update(counted.characters)
        self.problems += len(batch.problems)
        self.done[batch.unit] = batch.done
        if batch.last:
            self.finished.add(batch.unit)

    def write(self, path: Path) -> None:
        """Atomically: a crash leaves this tally or the one before.

        Raises:
            StoreError: the folder cannot be written to.
        """
        content = {
            "recipe": self.recipe,
            "documents": self.documents,
            "characters": self.characters,
            "problems": self.problems,
            "done": self.done,
            "finished": sorted(self.finished),
        }
        write_whole(path, json.dumps(content, ensure_ascii=False, indent=1))


def write_whole(path: Path, content: str) -> None:
    """Write a file atomically, and its folder if missing; half characters as escapes.

    Raises:
        StoreError: it cannot be written.
    """
    new = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(content, "utf-8", "backslashreplace")
        os.replace(new, path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}). Check --out and the space left") from error


def read_tally(path: Path, recipe: dict[str, Any]) -> Tally:
    """The tally of a file; an empty one where there is no file.

    Raises:
        StoreError: it cannot be read, or is of another recipe; the message says what differs.
    """
    try:
        content = json.loads(path.read_bytes())
        tally = Tally(
            dict(content["recipe"]),
            Counter({str(label): int(number) for label, number in content["documents"].items()}),
            Counter({str(label): int(number) for label, number in content["characters"].items()}),
            int(content["problems"]),
            {str(unit): int(number) for unit, number in content["done"].items()},
            set(content["finished"]),
        )
    except FileNotFoundError:
        return Tally(recipe)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path}: not the state of a census ({error!r}). Start over with --restart") from error
    differing = _differences(tally.recipe, recipe)
    if differing:
        lines = "\n".join(f"  - {line}" for line in differing)
        raise StoreError(
            f"{path}: the state of another census:\n{lines}\n"
            "Ask for the same again to go on with it, give another --out, or start over with --restart"
        )
    return tally


def _differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    lines = []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if isinstance(was, dict) and isinstance(now, dict):
            found = _differences(was, now)
            lines += found[:3] + ([f"and {len(found) - 3} more of the {key}"] if len(found) > 3 else [])
        elif was != now:
            lines.append(f"{key}: was {_said(was)}, is {_said(now)}")
    return lines


def _said(value: object) -> str:
    return "not there" if value is None else f"{value}"
