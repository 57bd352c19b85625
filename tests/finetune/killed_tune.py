"""A tuning that is killed with SIGKILL at a chosen instant: ``killed_tune.py MODEL FOLDER POINT``.

The product has no hook for this: here the functions that reach the instant are wrapped.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from test_packing import CHATS, RECIPE
from transformers import TrainerState

from babeltune.finetune.hardware import Hardware
from babeltune.finetune.train import Tuner

HARDWARE = Hardware(checkpoint_every=2, packing="on", micro_batch=2)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def tear(path: Path) -> None:
    """Leave the first half of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    die()


def main(model: str, folder: str, point: str) -> None:
    def progress(done: int, total: int, tokens: int) -> None:
        if point == "before the first checkpoint" and done == 1:
            die()

    if point == "in a checkpoint's optimizer":
        save = torch.save

        def torn(what: Any, path: Any, *rest: Any, **named: Any) -> None:
            save(what, path, *rest, **named)
            if str(path).endswith("checkpoint-4/optimizer.pt"):
                tear(Path(path))

        torch.save = torn
    if point == "in a checkpoint's state":
        write = TrainerState.save_to_json

        def torn_state(self: Any, path: str) -> None:
            write(self, path)
            if "checkpoint-4" in path:
                tear(Path(path))

        TrainerState.save_to_json = torn_state
    if point.endswith("the adapter is saved"):
        keep = PeftModel.save_pretrained

        def last(self: Any, path: Any, **named: Any) -> None:
            if "checkpoint-" in str(path):
                keep(self, path, **named)
                return
            if point.startswith("when"):
                keep(self, path, **named)
            die()

        PeftModel.save_pretrained = last
    Tuner(Path(model), HARDWARE).tune(CHATS, RECIPE, 0, Path(folder), progress)


if __name__ == "__main__":
    main(*sys.argv[1:])
