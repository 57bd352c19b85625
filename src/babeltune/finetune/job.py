"""A job: one adapter to tune, and what came of it; as JSON between processes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from babeltune.finetune.recipe import LoraRecipe
from babeltune.records import Chat, Turn

Progress = Callable[[int, int, int], None]
"""Told after each update: updates done, updates in all, tokens seen in this process."""


@dataclass(frozen=True, slots=True)
class Job:
    """One adapter to tune."""

    chats: tuple[Chat, ...]
    recipe: LoraRecipe
    seed: int
    folder: Path
    """Where the adapter goes, and its checkpoints are."""
    micro: int
    """Chats per forward pass."""

    @property
    def checkpoints(self) -> Path:
        """Where a killed tuning left off."""
        return self.folder / "checkpoints"

    def write(self, path: Path) -> None:
        """As ``read`` reads it, in a process with another working directory too."""
        fields = {**dataclasses.asdict(self), "folder": str(self.folder.resolve())}
        path.write_text(json.dumps(fields), encoding="utf-8")


def read(path: Path) -> Job:
    """The job of a file."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    chats = tuple(Chat(**{**chat, "turns": tuple(Turn(**turn) for turn in chat["turns"])}) for chat in fields["chats"])
    recipe = fields["recipe"]
    if isinstance(recipe["targets"], list):
        recipe["targets"] = tuple(recipe["targets"])
    return Job(chats, LoraRecipe(**recipe), fields["seed"], Path(fields["folder"]), fields["micro"])


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a tuning did."""

    steps: int
    tokens: int
    """Real tokens of all epochs, padding not counted."""
    final_loss: float
    """Mean loss of the last ten updates [nats per token]."""
    left_out: int
    """Chats that were cut before their answer, and so not trained on."""
