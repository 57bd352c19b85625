"""Hardware: where and how a tuning runs; and what of a recipe cannot be done there."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Literal

from babeltune.errors import Problem
from babeltune.finetune.recipe import LoraRecipe


@dataclass(frozen=True, slots=True)
class Hardware:
    """Where and how the tuning runs; changes no recipe, so it is not hashed."""

    device: str = "cpu"
    dtype: str = "float32"
    micro_batch: int | None = None
    """Most chats per forward pass (the largest divisor of a process's part of the batch up to it); None for all of it.
    Halved where memory runs out."""
    checkpoint_every: int = 200
    """Updates between checkpoints (authors' code)."""
    packing: Literal["auto", "on", "off"] = "off"
    """Chats of an update in one row, each blind to the others, in place of padded rows: the same loss, less work."""
    attention: Literal["auto", "eager", "sdpa", "flex_attention", "flash_attention_2"] = "auto"
    """Kernel of the attention; ``auto`` is transformers' choice."""
    gradient_checkpointing: bool | None = None
    """Whether activations are computed again rather than kept; None: on a GPU."""
    processes: int = 1
    """Data-parallel processes, one a device."""
    sharding: Literal["none", "fsdp"] = "none"
    """Whether the processes share one base model between them, each with a part of every layer."""


def unfit(recipe: LoraRecipe, hardware: Hardware) -> list[Problem]:
    """What of a recipe this hardware or installation cannot do."""
    import torch

    problems: list[Problem] = []

    def add(where: str, what: str, fix: str) -> None:
        problems.append(Problem(where, what, fix))

    if recipe.autocast == "float16" and hardware.device == "cpu":
        add("recipe.autocast", "float16 is for GPUs; a CPU trains wrongly or not at all in it", "Set none or bfloat16.")
    if recipe.base_bits < 16 and importlib.util.find_spec("bitsandbytes") is None:
        what = f"{recipe.base_bits} bits need bitsandbytes, which is not installed"
        add("recipe.base_bits", what, 'Run: pip install "babeltune[quantised]"; or set 16.')
    if recipe.base_bits < 16 and hardware.sharding == "fsdp":
        what = f"weights of {recipe.base_bits} bits cannot be shared between processes"
        add("execution.sharding", what, "Set sharding: none, or base_bits: 16.")
    if recipe.batch % hardware.processes:
        fit = [n for n in range(1, recipe.batch + 1) if recipe.batch % n == 0]
        near = sorted(fit, key=lambda n: abs(n - hardware.processes))[:2]
        what = f"{hardware.processes} processes cannot share a batch of {recipe.batch} chats evenly"
        add("execution.processes", what, f"Set {' or '.join(map(str, sorted(near)))}, or another batch.")
    gpus = torch.cuda.device_count()
    if hardware.device == "cuda" and not gpus:
        build = " (this torch is built without CUDA)" if torch.version.cuda is None else ""
        what = f"torch sees no GPU on this machine{build}"
        add("execution.device", what, "Set auto or cpu, or run it where there is one; no result hangs on it.")
    elif hardware.device == "cuda" and hardware.processes > gpus:
        what = f"{hardware.processes} processes need as many GPUs; there {'is' if gpus == 1 else 'are'} {gpus}"
        add("execution.processes", what, f"Set {gpus} at most.")
    if hardware.device == "mps" and not torch.backends.mps.is_available():
        add("execution.device", "torch sees no Apple GPU on this machine", "Set auto or cpu.")
    if hardware.sharding == "fsdp" and hardware.device == "cpu":
        add("execution.sharding", "accelerate shares a base between GPUs only", "Set sharding: none.")
    if hardware.sharding == "fsdp" and hardware.processes == 1:
        add(
            "execution.sharding", "one process has nobody to share with", "Set processes: 2 or more, or sharding: none."
        )
    if hardware.attention in ("flash_attention_2", "flex_attention") and hardware.device == "cpu":
        add("execution.attention", f"{hardware.attention} cannot be trained on a CPU", "Set auto, sdpa or eager.")
    return problems
