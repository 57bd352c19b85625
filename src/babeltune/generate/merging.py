"""Adapters and the base that they belong to: held against it by their headers, and merged into its weights.

``Merging`` runs inside vLLM's workers. A merge reads the base's files again and hands them, each adapted weight with
scale * B @ A added to it, to vLLM's own reloading of weights: that fuses query, key and value, cuts what tensor
parallelism cuts, packs for the kernels, and keeps CUDA graphs. So the base comes back exactly, from its files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

_PREFIX = "base_model.model."
"""What peft puts before the names of the base model's modules."""
_PARTS = (".lora_A.weight", ".lora_B.weight")
_INDEX = "model.safetensors.index.json"
_UNKNOWN = ("use_dora", "lora_bias", "modules_to_save", "alpha_pattern", "layer_replication", "fan_in_fan_out")
"""Settings of peft that make an adapter something else than scale * B @ A."""


@dataclass(frozen=True, slots=True)
class Lora:
    """What an adapter's settings say."""

    rank: int
    alpha: float
    rooted: bool
    """Whether B @ A is scaled by alpha / sqrt(rank) in place of alpha / rank."""
    targets: frozenset[str] = frozenset()
    """Last parts of the names of modules that it adapts in every layer; none where its settings choose otherwise."""

    def scale(self, rank: int) -> float:
        """Of a module of this rank."""
        return self.alpha / (math.sqrt(rank) if self.rooted else rank)


def read(adapter: Path) -> Lora:
    """The settings of an adapter.

    Raises:
        ValueError: it is not a plain LoRA adapter as peft saves it.
    """
    try:
        stated = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
        lora = Lora(int(stated["r"]), float(stated["lora_alpha"]), bool(stated.get("use_rslora")), _targets(stated))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"its adapter_config.json cannot be read ({error})") from error
    odd = [name for name in _UNKNOWN if stated.get(name)] + (["bias"] if stated.get("bias", "none") != "none" else [])
    if odd:
        raise ValueError(f"it is not a plain LoRA adapter: adapter_config.json has {', '.join(odd)}")
    return lora


def _targets(stated: dict[str, Any]) -> frozenset[str]:
    named = stated.get("target_modules")
    if not isinstance(named, list) or stated.get("layers_to_transform") or stated.get("exclude_modules"):
        return frozenset()
    return frozenset(named) if all(isinstance(name, str) and "." not in name for name in named) else frozenset()


@dataclass(frozen=True, slots=True)
class Fit:
    """An adapter that fits its base."""

    rank: int
    """The highest of its modules'."""
    modules: frozenset[str]
    """Last parts of their names, such as ``q_proj``."""


def check(base: Path, adapter: Path) -> Fit:
    """What an adapter needs of an engine, if it fits the base; reads headers, no weights.

    vLLM copies a matrix that is too small into its place without a word, so this is looked at before.

    Raises:
        ValueError: it is no plain LoRA adapter, adapts modules that the base lacks or has in another size, or lacks
            some that the base has.
    """
    lora = read(adapter)
    with ExitStack() as stack:
        weights = _open(stack, base)
        tuned = _open_adapter(stack, adapter)
        modules = _modules(tuned)
        wrong, ranks = [], []
        for module in modules:
            first, second = (tuned.get_slice(f"{_PREFIX}{module}{part}").get_shape() for part in _PARTS)
            name = f"{module}.weight"
            shape = weights[name].get_slice(name).get_shape() if name in weights else None
            if shape != [second[0], first[1]]:
                has = f"is {shape[0]} x {shape[1]}" if shape else "is not there"
                wrong.append(f"{module} {has}, the adapter is for {second[0]} x {first[1]}")
            ranks.append(first[0])
        asked = {name.removesuffix(".weight") for name in weights}
    if wrong:
        raise ValueError(f"{len(wrong)} of its {len(ranks)} modules do not fit: {wrong[0]}")
    lacking = sorted(name for name in asked - set(modules) if name.rpartition(".")[2] in lora.targets)
    if lacking:
        raise ValueError(f"it has {len(ranks)} modules, and the base {len(lacking)} more: {lacking[0]}")
    return Fit(max(ranks), frozenset(module.rpartition(".")[2] for module in modules))


def size(base: Path) -> int:
    """Bytes of a base model's weights on disk."""
    return sum((base / name).stat().st_size for name in _files(base))


def weights(
    base: Path, adapter: Path | None, dtype: torch.dtype, device: torch.device
) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and value of each weight of the base, merged with the adapter; one at a time.

    Rounded as ``peft`` rounds a merge: the base in its own type, B @ A in float32, the sum in the base's type.
    """
    lora = None if adapter is None else read(adapter)
    with ExitStack() as stack:
        opened = _open(stack, base)
        tuned = None if adapter is None else _open_adapter(stack, adapter)
        adapted = set() if tuned is None else set(_modules(tuned))
        for name, file in opened.items():
            weight = file.get_tensor(name)
            module = name.removesuffix(".weight")
            if lora is not None and tuned is not None and module in adapted:
                first, second = (
                    tuned.get_tensor(f"{_PREFIX}{module}{part}").to(device=device, dtype=torch.float32)
                    for part in _PARTS
                )
                change = (second @ first) * lora.scale(len(first))
                weight = (weight.to(device=device, dtype=dtype) + change).to(dtype)
            yield name, weight


class Merging:
    """Methods of a vLLM worker (``worker_extension_cls``), called by name, so that nothing of ours is pickled."""

    def babeltune_merge(self: Any, base: str, adapter: str | None) -> None:
        """Make the weights those of the base, with the adapter merged into them where there is one.

        Nothing may be in flight; keys and values that were kept of other weights are for the caller to drop.
        """
        merged = weights(
            Path(base), Path(adapter) if adapter else None, self.model_config.dtype, torch.device(self.device)
        )
        self.reload_weights(weights_iterator=merged)

    def babeltune_keep_draws(self: Any) -> None:
        """Have no number of a request's own spent on the parts of a prompt that is read in several.

        After each part but the last, vLLM 0.32 draws a token, drops it and winds the generator back. A CPU's cannot be
        wound back, and the engine would die. Here such a row draws from the common generator.
        """
        runner = self.model_runner
        sample, keep = runner._sample, runner._bookkeeping_sync
        held: dict[int, torch.Generator] = {}

        def sample_without(*given: Any, **named: Any) -> Any:
            rows = runner.discard_request_mask.np[: runner.input_batch.num_reqs].nonzero()[0].tolist()
            generators = runner.input_batch.generators
            held.update({row: generators.pop(row) for row in rows if row in generators})
            return sample(*given, **named)

        def keep_and_return(*given: Any, **named: Any) -> Any:
            found = keep(*given, **named)
            runner.input_batch.generators.update(held)
            held.clear()
            return found

        runner._sample, runner._bookkeeping_sync = sample_without, keep_and_return


def _files(base: Path) -> list[str]:
    index = base / _INDEX
    if index.exists():
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    return ["model.safetensors"]


def _open(stack: ExitStack, base: Path) -> dict[str, Any]:
    """Weight -> the open file that holds it, in the order of the files."""
    found: dict[str, Any] = {}
    for name in _files(base):
        file = stack.enter_context(safe_open(base / name, framework="pt"))
        found |= dict.fromkeys(file.keys(), file)
    return found


def _open_adapter(stack: ExitStack, adapter: Path) -> Any:
    try:
        return stack.enter_context(safe_open(adapter / "adapter_model.safetensors", framework="pt"))
    except OSError as error:
        raise ValueError(f"its adapter_model.safetensors cannot be read ({error})") from error


def _modules(tuned: Any) -> list[str]:
    """Names that an adapter's modules have in the base model."""
    names = set(tuned.keys())
    modules = sorted({name.removeprefix(_PREFIX).removesuffix(part) for name in names for part in _PARTS})
    found = [module for module in modules if all(f"{_PREFIX}{module}{part}" in names for part in _PARTS)]
    if not found or len(found) * 2 != len(names):
        raise ValueError(f"it holds {len(names)} tensors, {len(found) * 2} of them in pairs of lora_A and lora_B")
    return found
