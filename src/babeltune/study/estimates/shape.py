"""Shapes: how large the parts of a model are, counted from its ``config.json`` alone, to the last parameter."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babeltune.errors import ModelError
from babeltune.finetune.recipe import LoraRecipe


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer; a model has one of each name in every block."""

    name: str
    inputs: int
    outputs: int

    @property
    def weights(self) -> int:
        """Parameters, without a bias."""
        return self.inputs * self.outputs


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder of equal blocks."""

    layers: int
    hidden: int
    """Width of what one block hands to the next."""
    vocabulary: int
    tied: bool
    """Whether the output head is the embedding."""
    heads: int
    kv_width: int
    """Width of the keys of a token in a block; values have the same."""
    linears: tuple[Linear, ...]
    """Of a block."""
    small: int
    """Parameters of a block's norms and biases."""
    final: int
    """Parameters of the norm before the head."""

    @property
    def block(self) -> int:
        """Weights of a block's linear layers."""
        return sum(linear.weights for linear in self.linears)

    @property
    def embedding(self) -> int:
        """Parameters of the embedding, and of the head."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All of them; a tied head counts once."""
        return self.embedding * (1 if self.tied else 2) + self.layers * (self.block + self.small) + self.final

    @property
    def multiplied(self) -> int:
        """Weights that every token is multiplied with: the linear layers and the head."""
        return self.layers * self.block + self.embedding

    def adapted(self, recipe: LoraRecipe) -> tuple[Linear, ...]:
        """The linear layers of a block that the recipe adapts."""
        if recipe.targets == "all-linear":
            return self.linears
        return tuple(linear for linear in self.linears if linear.name in recipe.targets)

    def lora_parameters(self, recipe: LoraRecipe) -> int:
        """Parameters of an adapter: rank x (inputs + outputs) of each adapted layer."""
        return self.layers * sum(recipe.rank * (one.inputs + one.outputs) for one in self.adapted(recipe))


def of_config(config: Mapping[str, Any]) -> Shape:
    """The shape that a ``config.json`` describes.

    Raises:
        ModelError: its family is not known here, or a field is missing.
    """
    family = str(config.get("model_type", "no family"))
    count = _FAMILIES.get(family)
    if count is None:
        raise ModelError(f"models of the family '{family}' are not counted. Say `parameters:` in the study file")
    try:
        return count(config)
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise ModelError(f"its config.json lacks what the count needs ({error}). Say `parameters:`") from error


def of_folder(folder: Path) -> Shape:
    """The shape of a model folder.

    Raises:
        ModelError: as ``of_config``; or no config.json that can be read.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / 'config.json'} cannot be read ({error}). Say `parameters:`") from error
    if not isinstance(config, dict):
        raise ModelError(f"{folder / 'config.json'} holds no fields. Say `parameters:`")
    return of_config(config)


def of_parameters(parameters: float) -> Shape:
    """A Llama of about so many parameters in the usual proportions: 128 times as wide as it has blocks."""
    layers = max(1, round((parameters / (12 * 128**2)) ** (1 / 3)))
    hidden = 128 * max(1, round(math.sqrt(parameters / (12 * layers)) / 128))
    vocabulary = 32_000
    left = parameters - 2 * vocabulary * hidden - 4 * hidden**2 * layers
    return _llama(
        {
            "num_hidden_layers": layers,
            "hidden_size": hidden,
            "intermediate_size": max(128, round(left / (3 * hidden * layers))),
            "num_attention_heads": hidden // 128,
            "vocab_size": vocabulary,
        }
    )


def _llama(
    config: Mapping[str, Any], *, tied: bool = False, qkv_biases: bool = False, head_norms: bool = False
) -> Shape:
    """Queries, keys, values and output; gate, up and down; two norms. ``tied``: where the config does not say."""
    hidden, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    width = config.get("head_dim") or hidden // heads
    queries, keys = heads * width, (config.get("num_key_value_heads") or heads) * width
    all_biases = bool(config.get("attention_bias"))
    small = 2 * hidden
    small += (queries + 2 * keys) * (qkv_biases or all_biases) + hidden * all_biases + 2 * width * head_norms
    small += (2 * inner + hidden) * bool(config.get("mlp_bias"))
    return Shape(
        layers=config["num_hidden_layers"],
        hidden=hidden,
        vocabulary=config["vocab_size"],
        tied=bool(config.get("tie_word_embeddings", tied)),
        heads=heads,
        kv_width=keys,
        linears=(
            Linear("q_proj", hidden, queries),
            Linear("k_proj", hidden, keys),
            Linear("v_proj", hidden, keys),
            Linear("o_proj", queries, hidden),
            Linear("gate_proj", hidden, inner),
            Linear("up_proj", hidden, inner),
            Linear("down_proj", inner, hidden),
        ),
        small=small,
        final=hidden,
    )


def _falcon(config: Mapping[str, Any]) -> Shape:
    """Queries, keys and values in one; an inner layer without a gate; one norm a block, of weight and bias."""
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    width, new = hidden // heads, bool(config.get("new_decoder_architecture"))
    keys = width if config.get("multi_query", True) and not new else (config.get("num_kv_heads") or heads) * width
    inner = config.get("ffn_hidden_size") or 4 * hidden
    linears = (
        Linear("query_key_value", hidden, hidden + 2 * keys),
        Linear("dense", hidden, hidden),
        Linear("dense_h_to_4h", hidden, inner),
        Linear("dense_4h_to_h", inner, hidden),
    )
    norms = 2 if (new and config.get("num_ln_in_parallel_attn") != 1) or not config.get("parallel_attn", True) else 1
    biases = sum(linear.outputs for linear in linears) if config.get("bias") else 0
    return Shape(
        layers=config["num_hidden_layers"],
        hidden=hidden,
        vocabulary=config["vocab_size"],
        tied=bool(config.get("tie_word_embeddings", True)),
        heads=heads,
        kv_width=keys,
        linears=linears,
        small=2 * hidden * norms + biases,
        final=2 * hidden,
    )


_FAMILIES: Mapping[str, Callable[[Mapping[str, Any]], Shape]] = {
    "llama": _llama,
    "mistral": _llama,
    "qwen2": lambda config: _llama(config, qkv_biases=True),
    "qwen3": lambda config: _llama(config, head_norms=True),
    "smollm3": lambda config: _llama(config, tied=True),
    "gemma": lambda config: _llama(config, tied=True),
    "falcon": _falcon,
}
"""``model_type`` of transformers -> what counts it."""

PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "smollm2-135m": {
        "model_type": "llama",
        "num_hidden_layers": 30,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49152,
        "tie_word_embeddings": True,
    },
    "meta-llama/Llama-2-7b-hf": {
        "model_type": "llama",
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_attention_heads": 32,
        "vocab_size": 32000,
    },
    "meta-llama/Llama-2-70b-hf": {
        "model_type": "llama",
        "num_hidden_layers": 80,
        "hidden_size": 8192,
        "intermediate_size": 28672,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "vocab_size": 32000,
    },
    "meta-llama/Meta-Llama-3-8B": {
        "model_type": "llama",
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
    },
    "tiiuae/falcon-7b": {
        "model_type": "falcon",
        "num_hidden_layers": 32,
        "hidden_size": 4544,
        "num_attention_heads": 71,
        "multi_query": True,
        "vocab_size": 65024,
    },
}
"""The bundled model's and the paper's, as their makers published them: known before they are fetched."""
