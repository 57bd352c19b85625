"""An adapter with random weights."""

from __future__ import annotations

from pathlib import Path

import torch


def make(base: Path, folder: Path, rank: int, seed: int) -> str:
    """One whose weights are small enough that the model still writes words; gives its folder."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=2e-3)
    model.save_pretrained(folder)
    return str(folder)
