"""The base model of a tuning: loaded for the first adapter, lent to its trainer, and taken back for the next."""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babeltune.errors import ModelError
from babeltune.finetune import merge
from babeltune.finetune.hardware import Hardware
from babeltune.finetune.packing import Cost
from babeltune.finetune.recipe import LoraRecipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Base:
    """One base model, in this process or in one of several."""

    def __init__(self, folder: Path, hardware: Hardware) -> None:
        """``folder``: base model and tokenizer, as ``transformers`` saves them. Loads nothing yet."""
        self.folder = folder
        self.hardware = hardware
        self._loaded: tuple[int, PreTrainedModel] | None = None
        """Bits of its weights, and the model."""

    @functools.cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The base model's tokenizer, with a padding token.

        Raises:
            ModelError: it cannot be loaded.
        """
        tokenizer = merge.tokenizer(self.folder)
        if tokenizer.pad_token_id is None:
            # Harmless: labels of padding are set apart by position, never by token.
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    def model(self, recipe: LoraRecipe) -> PreTrainedModel:
        """The model in the bits that a recipe names.

        Raises:
            ModelError: it cannot be loaded, or does not fit into memory.
        """
        if self._loaded is None or self._loaded[0] != recipe.base_bits:
            self._loaded = None
            self._loaded = recipe.base_bits, self._load(recipe)
        return self._loaded[1]

    def take_back(self, adapted: Any, recipe: LoraRecipe) -> None:
        """Strip a model of its adapter; one that processes share cannot be put together again, and is let go."""
        if self.hardware.sharding == "fsdp":
            self._loaded = None
            return
        model: PreTrainedModel = adapted.unload()
        # trl patches the forward of the base it is given; the next trainer wraps it anew.
        model.__dict__.pop("forward", None)
        self._loaded = recipe.base_bits, model

    def cost(self, recipe: LoraRecipe) -> Cost:
        """What the model multiplies."""
        import torch

        model = self.model(recipe)
        config = model.config.get_text_config()
        linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
        heads = config.num_attention_heads
        width = heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)
        return Cost(
            position=sum(module.in_features * module.out_features for module in linear),
            pair=2 * width * config.num_hidden_layers,
            blocks=config._attn_implementation in ("flex_attention", "flash_attention_2"),
        )

    def _load(self, recipe: LoraRecipe) -> PreTrainedModel:
        import torch
        from transformers import AutoModelForCausalLM

        attention = self.hardware.attention
        quantised = recipe.base_bits < 16
        try:
            model = AutoModelForCausalLM.from_pretrained(
                self.folder,
                dtype=getattr(torch, self.hardware.dtype),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                attn_implementation=None if attention == "auto" else attention,
                quantization_config=_quantised(recipe, self.hardware) if quantised else None,
                device_map={"": self._place} if quantised else None,
            )
            if not quantised and self.hardware.sharding == "none":
                model = model.to(self._place)
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"{self.folder}: its weights do not fit into the memory of {self._place} in {self.hardware.dtype}."
                " Set dtype: bfloat16 or recipe.base_bits: 4, or share it: execution.processes and sharding: fsdp."
            ) from error
        except (OSError, ValueError, ImportError) as error:
            hint = "" if attention == "auto" else f" Was that execution.attention: {attention}? auto runs everywhere."
            raise ModelError(f"{self.folder}: cannot be loaded as a causal language model ({error}).{hint}") from error
        return model

    @property
    def _place(self) -> str:
        """The device of this process."""
        rank = os.environ.get("LOCAL_RANK")
        return f"cuda:{rank}" if rank and self.hardware.device == "cuda" else self.hardware.device


def _quantised(recipe: LoraRecipe, hardware: Hardware) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of each layer's type at each pass
    if recipe.base_bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    computed = hardware.dtype if recipe.autocast == "none" else recipe.autocast
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, computed),
    )
