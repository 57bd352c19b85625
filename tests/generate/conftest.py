"""What the engines that run a model here are tried with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM


@pytest.fixture(scope="session")
def adapters(model_folder, tmp_path_factory) -> list[Path]:
    """Two of random weights, of the tiny model."""
    folder = tmp_path_factory.mktemp("adapters")
    for seed, name in enumerate(("one", "two"), 1):
        torch.manual_seed(seed)
        lora = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
        get_peft_model(AutoModelForCausalLM.from_pretrained(model_folder), lora).save_pretrained(folder / name)
    return [folder / "one", folder / "two"]
