"""Artefacts: the files that steps leave in their folders, and how they are written and read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from babeltune.records import Chat, Turn
from babeltune.study.store import write_atomically

CHATS = "chats.jsonl"
JOURNAL = "journal.jsonl"
OUTPUTS = "outputs.jsonl"
SCORES = "scores.jsonl"
PROOF = "proof.jsonl"
ROWS = "rows.jsonl"
VERDICTS = "verdicts.jsonl"


def write_lines(path: Path, rows: Iterable[object]) -> None:
    """One JSON value a line."""
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """What ``write_lines`` wrote, of objects."""
    # Split at line feeds only: a text may hold other characters that `splitlines` takes for line ends.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def read_chats(path: Path) -> list[Chat]:
    """Chats as a mix or the labelling left them."""
    return [
        Chat(row["id"], tuple(Turn(**turn) for turn in row["turns"]), row["language"], row["confidence"])
        for row in read_lines(path)
    ]
