"""What an adapter costs vLLM: the seconds of a merge, and how much longer a token takes with adapters on the fly.

No peer: this is where `generate.vllm.CPU` has its figures from, and how to have those of another device (docs/vllm.md).
Two adapters with random weights, prompts of the bundled chats, the same requests to an engine that merges and to one that
applies on the fly; what is first read and compiled is not timed. Without vLLM it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from babeltune.data.sources import Source, read_chats
from babeltune.generate.vllm import Costs, VllmEngine
from babeltune.records import Request, Sampling, chat_prompt
from babeltune.study.models import BUNDLED, locate, prepare
from babeltune.study.spec import ModelSpec


def adapter(base: Path, folder: Path, rank: int, seed: int) -> str:
    """One with random weights, small enough that the model still writes words."""
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


def asked(adapters: list[str], count: int, tokens: int) -> list[Request]:
    """So many requests to each adapter."""
    prompts = [chat_prompt(chat.turns[0].content) for chat in read_chats(Source("pocket")).chats[:count]]
    return [
        Request(str(at), Path(one).name, prompt, Sampling(0.8, 0.9, tokens), 0, one)
        for one in adapters
        for at, prompt in enumerate(prompts)
    ]


def rate(engine: VllmEngine, requests: list[Request]) -> float:
    """Tokens per second."""
    began = time.perf_counter()
    tokens = sum(output.tokens for output in engine.complete(requests))
    return tokens / (time.perf_counter() - began)


def main() -> int:
    """Print both, and what follows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="the bundled model where it is left out")
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--answers", type=int, default=24, help="of each adapter")
    parser.add_argument("--tokens", type=int, default=32, help="of an answer, at most")
    parser.add_argument("--dtype", default="float32")
    given = parser.parse_args()
    if importlib.util.find_spec("vllm") is None:
        print("no vLLM here: nothing is measured (docs/vllm.md says how to install it)")
        return 0
    base = given.model or prepare(locate(ModelSpec(id=BUNDLED)))
    with tempfile.TemporaryDirectory() as made:
        adapters = [adapter(base, Path(made) / str(seed), given.rank, seed) for seed in range(2)]
        requests = asked(adapters, given.answers, given.tokens)
        merging = VllmEngine(base, dtype=given.dtype, max_rank=given.rank, adapters="merged")
        list(merging.complete(requests[:2]))
        seconds = []
        for one in (*adapters, *adapters):
            began = time.perf_counter()
            merging._merge(one)
            seconds.append(time.perf_counter() - began)
        merge = statistics.median(seconds)
        fast = rate(merging, [one for one in requests if one.adapter == adapters[1]])
        merging.close()
        flying = VllmEngine(base, dtype=given.dtype, max_rank=given.rank, adapters="on-the-fly")
        list(flying.complete(requests[:: given.answers]))
        slow = rate(flying, requests)
        flying.close()
    costs = Costs(merge=round(merge * fast), slowdown=round(fast / slow, 2))
    print(
        f"rank {given.rank}, {given.dtype}: a merge takes {merge:.2f} s; {fast:,.0f} tokens/s merged, {slow:,.0f} on the fly"
    )
    print(f"{costs}: merging pays from {costs.crossing:,.0f} tokens of an adapter on")
    return 0


if __name__ == "__main__":
    sys.exit(main())
