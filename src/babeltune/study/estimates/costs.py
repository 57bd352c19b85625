"""Costs: bytes and FLOPs of tuning an adapter and of generating, by a model's shape.

Checked against what autograd really keeps, what peft really makes, and times that were measured (docs/scale.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from babeltune.finetune.recipe import LoraRecipe
from babeltune.study.estimates.devices import GIB, Device, Span
from babeltune.study.estimates.shape import Shape

BYTES: Mapping[str, int] = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Of a number."""
_TRAINED = 16
"""Bytes of an adapter's parameter while it is tuned: float32 weight, gradient and AdamW's two moments."""
_NF4_BITS = 4.127
"""Of a weight in NF4, its constants quantised again (https://arxiv.org/abs/2305.14314, section 3)."""
_TILE = (4096, 32768)
"""Tokens x words of which trl computes the logits at a time."""
_CONTEXT = GIB
"""Bytes of libraries, kernels and fragments on a device. An assumption."""
_SEQUENCES = 256
"""Most requests that vLLM works on at a time (its default)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one device."""

    weights: float
    adapter: float = 0
    """Weights, gradients and optimizer state."""
    activations: float = 0
    """Activations that are kept for the backward pass, and the logits; or keys and values."""

    @property
    def total(self) -> float:
        """With what libraries take."""
        return self.weights + self.adapter + self.activations + _CONTEXT


@dataclass(frozen=True, slots=True)
class Way:
    """How a tuning runs: what its memory depends on beside shape and recipe."""

    dtype: str
    micro: int
    """Chats a forward pass."""
    recompute: bool
    """Gradient checkpointing."""
    shards: int = 1
    """Devices that share one base."""
    eager: bool = False
    """Attention that keeps its scores."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Outputs of a task that are to come."""

    outputs: int
    prompt: int
    """Tokens of a prompt, on average."""
    answer: int
    """Tokens of an output, at most; none where texts are ranked."""


def tuning_memory(model: Shape, recipe: LoraRecipe, way: Way) -> Memory:
    """Bytes on one device while an adapter is tuned, every chat of the batch as long as it may be."""
    size = BYTES[way.dtype]
    block = model.block * {16: size, 8: 1.0, 4: _NF4_BITS / 8}[recipe.base_bits]
    whole = model.layers * block + (model.parameters - model.layers * model.block) * size
    tokens = way.micro * recipe.max_tokens
    width = BYTES[recipe.autocast] if recipe.autocast != "none" else size
    kept = _kept(model, recipe, way)
    activations = tokens * (model.layers * model.hidden * size + kept if way.recompute else model.layers * kept)
    tile = min(tokens, _TILE[0]) * min(model.vocabulary, _TILE[1]) * (4 + width)
    return Memory(
        # Two blocks are whole at a time: the one at work and the one that is fetched.
        weights=whole / way.shards + (2 * block if way.shards > 1 else 0),
        adapter=_TRAINED * model.lora_parameters(recipe) / way.shards,
        activations=activations + tile,
    )


def _kept(model: Shape, recipe: LoraRecipe, way: Way) -> float:
    """Bytes a token that one block keeps for the backward pass: what its frozen layers hand on, and LoRA's own inputs."""
    width = BYTES[recipe.autocast] if recipe.autocast != "none" else BYTES[way.dtype]
    outputs = sum(linear.outputs for linear in model.linears)
    inner = max(linear.outputs for linear in model.linears)
    # Each layer's output, the two norms' inputs and their float32 copies, the inner layer's activation and product.
    frozen = width * (outputs + 2 * model.hidden + 2 * inner) + 2 * 4 * model.hidden
    # Each adapted layer has dropped-out inputs of its own in float32, with a mask; without dropout, a copy in float32.
    copied = 5 if recipe.dropout else 4 if width < 4 else 0
    lora = sum(copied * linear.inputs + 4 * recipe.rank for linear in model.adapted(recipe))
    scores = (4 + width) * model.heads * recipe.max_tokens if way.eager else 0
    return frozen + lora + scores


def tuning_flops(model: Shape, recipe: LoraRecipe, *, recompute: bool) -> float:
    """FLOPs a token: forward and the activations' gradients through everything, the weights' gradients through LoRA.

    The products of attention itself are left out: 2 % of Llama 2 7b's at 1,024 tokens.
    """
    frozen, lora = 2 * model.multiplied, 2 * model.lora_parameters(recipe)
    again = 2 * model.layers * model.block + lora if recompute else 0
    return 2 * frozen + 3 * lora + again


def padded(mean: float, longest: int, rows: int) -> float:
    """Average length of the longest of so many chats: what each is padded to.

    Lengths are taken to spread from nothing to the cut, ever fewer of them, as ``(1 - x / longest) ** b`` are longer than
    x, with the b that gives the mean.
    """
    mean = min(mean, longest)
    if mean >= longest:
        return longest
    b = longest / mean - 1
    return longest * (1 - math.prod(one / (one + 1 / b) for one in range(1, rows + 1)))


def generation_memory(model: Shape, dtype: str, batch: int, tokens: int, shards: int = 1) -> Memory:
    """Bytes on one device with a batch of prompts and answers of so many tokens each."""
    cache = 2 * model.layers * model.kv_width * BYTES[dtype]
    return Memory(model.parameters * BYTES[dtype] / shards, activations=batch * tokens * cache / shards)


def generation_seconds(model: Shape, dtype: str, batch: int, work: Iterable[Answers], device: Device) -> Span:
    """Device seconds, least and most, of outputs at full length.

    A step of a batch reads all weights and the batch's keys and values, or computes, whichever takes longer.
    """
    work = list(work)
    cache = 2 * model.layers * model.kv_width * BYTES[dtype]

    def seconds(share: float, streamed: float) -> float:
        speed, stream, total = share * device.flops(dtype), streamed * device.bandwidth * 1e9, 0.0
        for one in work:
            read = model.parameters * BYTES[dtype] + batch * (one.prompt + one.answer / 2) * cache
            step = max(read / stream, 2 * model.multiplied * batch / speed)
            total += one.outputs * (one.answer / batch * step + one.prompt * 2 * model.multiplied / speed)
        return total

    least, most = (seconds(*shares) for shares in zip(device.utilisation, device.streamed, strict=True))
    return most, least


def vllm_batch(model: Shape, dtype: str, tokens: int, memory: float) -> int:
    """Requests at a time whose keys and values fit beside the weights at full length."""
    one = generation_memory(model, dtype, 1, tokens)
    return max(1, min(_SEQUENCES, int((memory - _CONTEXT - one.weights) / max(1.0, one.activations))))
