"""Artefacts: the files that steps leave in their folders, and how they are written and read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from babeltune.data.card import Card, Part
from babeltune.data.label import Dropped, Labelled
from babeltune.records import Chat, Turn
from babeltune.study.store import write_atomically

CHATS = "chats.jsonl"
DROPPED = "dropped.jsonl"
CARD = "card.json"
JOURNAL = "journal.jsonl"
OUTPUTS = "outputs.jsonl"
SCORES = "scores.jsonl"
PROOF = "proof.jsonl"
ROWS = "rows.jsonl"
VERDICTS = "verdicts.jsonl"
REPLIES = "replies.jsonl"
TEXTS = "texts.jsonl"
AUDIT = "audit.jsonl"
SHIFTS = "shifts.jsonl"
HISTOGRAM = "histogram.jsonl"
SPLITS = "splits.jsonl"
CORPORA = "corpora.jsonl"
LEDGER = "ledger.sqlite"
"""In the folder of the study."""


def write_lines(path: Path, rows: Iterable[object]) -> None:
    """One JSON value a line."""
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """What ``write_lines`` wrote, of objects."""
    # Split at line feeds only: a text may hold other characters that `splitlines` takes for line ends.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def read_chats(path: Path) -> list[Chat]:
    """Chats as a mix or the labelling left them."""
    return [_chat(row) for row in read_lines(path)]


def read_labelled(folder: Path) -> Labelled:
    """All chats of the source as the labelling left them."""
    dropped = tuple(Dropped(_chat(row["chat"]), row["reason"]) for row in read_lines(folder / DROPPED))
    return Labelled(tuple(read_chats(folder / CHATS)), dropped)


def read_card(path: Path) -> Card:
    """A card as its step left it."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return Card(**{**found, "parts": tuple(Part(**part) for part in found["parts"])})


def _chat(row: dict[str, Any]) -> Chat:
    return Chat(row["id"], tuple(Turn(**turn) for turn in row["turns"]), row["language"], row["confidence"])
