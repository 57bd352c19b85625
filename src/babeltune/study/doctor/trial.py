"""A trial: something that is really done, in a process of its own, which may end badly. ``trials`` starts it.

``python -m babeltune.study.doctor.trial NAME…`` tries one after the other and writes a line of JSON for each that works;
what does not ends the process, with the reason as the last line on standard error.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module, metadata
from typing import Any

from babeltune.finetune.hardware import Hardware, unfit
from babeltune.finetune.recipe import LoraRecipe


def _torch(study: Mapping[str, Any] | None) -> dict[str, Any]:
    """A product of matrices, on the GPU where there is one; what the GPUs are; what of a study cannot be tuned here."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        there = torch.cuda.is_available()
    mps = torch.backends.mps.is_available()
    matrix = torch.ones(8, 8, device="cuda" if there else "mps" if mps else "cpu")
    assert float((matrix @ matrix).sum()) == 8.0**3
    found = [torch.cuda.get_device_properties(at) for at in range(torch.cuda.device_count() if there else 0)]
    return {
        "torch": torch.__version__,
        "built_for": torch.version.cuda,
        "driver": _driver(),
        "gpus": [{"name": one.name, "memory": one.total_memory / (1 << 30)} for one in found],
        "mps": mps,
        "said": " ".join(str(caught[0].message).split()) if caught else "",
        "unfit": [dataclasses.asdict(one) for one in _unfit(study, there)] if study else [],
    }


def _unfit(study: Mapping[str, Any], there: bool) -> list[Any]:
    hardware = dict(study["hardware"])
    if hardware["device"] == "auto":
        hardware["device"] = "cuda" if there else "cpu"
    targets = study["recipe"]["targets"]
    recipe = {**study["recipe"], "targets": targets if isinstance(targets, str) else tuple(targets)}
    return unfit(LoraRecipe(**recipe), Hardware(**hardware))


def _driver() -> str | None:
    """The CUDA version up to which NVIDIA's driver goes; None where there is no driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    version = ctypes.c_int()
    if driver.cuDriverGetVersion(ctypes.byref(version)) != 0:
        return None
    return f"{version.value // 1000}.{version.value % 1000 // 10}"


def _transformers(_: object) -> dict[str, Any]:
    """A model of one layer answers."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    import_module("babeltune.generate.transformers")
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=8, **shape))
    assert model(torch.zeros(1, 2, dtype=torch.long)).logits.shape == (1, 2, 8)
    return _versions("transformers", "peft")


def _tuning(_: object) -> dict[str, Any]:
    _ = import_module("trl").SFTTrainer, import_module("peft").LoraConfig
    return _versions("trl", "peft", "accelerate")


def _endpoint(_: object) -> dict[str, Any]:
    """The client that would ask; nothing is sent."""
    from openai import AsyncOpenAI

    import_module("aiohttp")
    import_module("babeltune.generate.endpoint")
    AsyncOpenAI(api_key="none", base_url="http://127.0.0.1:9/v1")
    return _versions("openai", "aiohttp")


def _vllm(_: object) -> dict[str, Any]:
    _ = import_module("vllm").SamplingParams
    import_module("babeltune.generate.vllm")
    return _versions("vllm")


def _imported(name: str) -> dict[str, Any]:
    import_module(name)
    return _versions(name)


def _versions(*packages: str) -> dict[str, Any]:
    return {"versions": {name: metadata.version(name) for name in packages}}


TRIALS: Mapping[str, Callable[[Mapping[str, Any] | None], dict[str, Any]]] = {
    "torch": _torch,
    "transformers": _transformers,
    "tuning": _tuning,
    "endpoint": _endpoint,
    "vllm": _vllm,
    "ray": lambda _: _imported("ray"),
    "bitsandbytes": lambda _: _imported("bitsandbytes"),
}


def main() -> None:
    """Try what is named; a study's recipe and hardware may come on standard input."""
    said = sys.stdin.read()
    study = json.loads(said) if said else None
    for name in sys.argv[1:]:
        sys.stdout.write(json.dumps({"trial": name, **TRIALS[name](study)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
