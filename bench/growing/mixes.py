"""Mixes: `babeltune mix` on so many chats: read, identified, held against the test prompts, drawn, proved, counted."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path

from babeltune.data.sources import read_chats
from growing.subject import Command, Subject
from parts.fresh import babeltune_command

SHARES = {"mono": (100, 0, 0), "multi-2": (90, 10, 0), "multi-3": (80, 10, 10)}
"""Of a tenth of all chats: English, Spanish, Russian [percent]."""


def prepare(folder: Path, size: int) -> Mapping[str, Command]:
    """The bundled chats over and over, each with a number of its own, and three mixes of a tenth of them."""
    bundled = itertools.cycle(read_chats("pocket").chats)
    with (folder / "chats.jsonl").open("w", encoding="utf-8") as file:
        for number, chat in enumerate(itertools.islice(bundled, size)):
            said = [{"role": turn.role, "content": turn.content} for turn in chat.turns]
            said[-1]["content"] += f" ({number})"
            file.write(json.dumps({"id": f"c{number}", "messages": said}, ensure_ascii=False) + "\n")
    codes = ("en", "es", "ru")
    mixes = {
        name: {code: size // 1000 * share for code, share in zip(codes, shares, strict=True) if share}
        for name, shares in SHARES.items()
    }
    study = {
        "study": "grown",
        "models": ["smollm2-135m"],
        "chats": str(folder / "chats.jsonl"),
        "mixes": mixes,
        "tasks": {"dialogue": {"languages": ["en", "de", "es", "ru", "zh"]}},
    }
    path = folder / "grown.yaml"
    path.write_text(json.dumps(study))
    return {"`mix`": babeltune_command("mix", path, "--runs", folder / "runs")}


MIXES = Subject("chats", (1_000, 1_000_000), prepare)
