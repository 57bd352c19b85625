"""What an adapter costs vLLM: the seconds of a merge, and how much longer a token takes with adapters on the fly.

No peer: this is where `generate.vllm.CPU` has its figures from, and how to have those of another device (docs/vllm.md).
Two adapters with random weights, prompts of the bundled chats, the same requests to an engine that merges and to one that
applies on the fly; what is first read and compiled is not timed. Without vLLM it says so and measures nothing.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import tempfile
import time
from pathlib import Path

from babeltune.data.sources import Source, read_chats
from babeltune.generate.vllm import VllmEngine
from babeltune.generate.ways import Costs
from babeltune.records import Request, Sampling, chat_prompt
from babeltune.study.models import BUNDLED, locate, prepare
from babeltune.study.spec.study import ModelSpec
from parts import adapter
from parts.row import Row, nothing, parser, tell, version


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
    line = parser(__doc__)
    line.add_argument("--model", type=Path, metavar="FOLDER", help="the bundled model where it is left out")
    line.add_argument("--rank", type=int, default=64)
    line.add_argument("--answers", type=int, default=24, help="of each adapter")
    line.add_argument("--tokens", type=int, default=32, help="of an answer, at most")
    line.add_argument("--dtype", default="float32")
    given = line.parse_args()
    if importlib.util.find_spec("vllm") is None:
        return nothing("needs vLLM (docs/vllm.md says how to install it)")
    base = given.model or prepare(locate(ModelSpec(id=BUNDLED)))
    with tempfile.TemporaryDirectory() as made:
        adapters = [adapter.make(base, Path(made) / str(seed), given.rank, seed) for seed in range(2)]
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
    what = f"an answer's tokens, adapters on the fly against merged (rank {given.rank}, {given.dtype})"
    row = Row(what, version("vllm"), fast, slow, "tokens/s")
    return tell([row], same=True, answers="not compared")


if __name__ == "__main__":
    sys.exit(main())
