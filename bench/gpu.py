"""On a GPU, the paper's size: tuning against the authors' settings in trl, generation against batches of 8.

The model is a Llama 2 7b of its published shape with random weights, so that nothing gated is needed: speed does not hang
on what weights say. Chats are bundled ones, joined and cut to the lengths of a log-normal distribution (about 450 tokens
on average, cut at 1,024, as is assumed of Guanaco); what they say does not matter either.

Tuning. The peer, in trl: float32 weights under float16 autocast, 4 chats a forward pass padded on the right to the
longest, 4 of them an update, gradient checkpointing, the paged optimizer where bitsandbytes is installed. Ours: the
recipe of `studies/llama2-7b.yaml` (bfloat16 weights), packed; once as it stands and once under bfloat16 autocast. Timed
between updates, the first ones left out. Utilisation: FLOPs of real tokens, recomputation not counted, over the maker's
peak for half precision.

Generation. Bundled prompts, answers of 64 to 512 tokens, one engine that is loaded already: 8 requests at a time in file
order, each batch waited for (of an eighth of the requests); then all at once. With vLLM where it is installed, else with
transformers. Random weights hardly ever end an answer before its limit, so that both write as much.

Without a GPU it says so and measures nothing; `--tiny` runs all of it on a CPU with a model of some thousand weights,
whose figures mean nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import importlib.util
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from babeltune.data.sources import Source, read_chats
from babeltune.finetune.hardware import Hardware
from babeltune.finetune.recipe import PRESETS, LoraRecipe
from babeltune.finetune.template import encode
from babeltune.finetune.train import Tuner, arrange
from babeltune.generate.transformers import TransformersEngine
from babeltune.records import Chat, Engine, Request, Sampling, Turn
from babeltune.study.estimates import shape
from babeltune.study.estimates.costs import Way, tuning_flops, tuning_memory
from babeltune.study.estimates.devices import GIB, gpu_here
from parts import authors
from parts.row import Row, nothing, parser, tell, version

MODEL = "meta-llama/Llama-2-7b-hf"
MICRO, BATCH, SEED, SKIPPED = 4, 8, 0, 2
MEDIAN, SPREAD = 360, 0.85
"""Tokens of a chat: cut at 1,024 their mean is about 450."""
ANSWERS = (64, 128, 256, 512)
TUNING_GOAL, GENERATION_GOAL = 2.0, 10.0
TOLERANCE = 0.1
"""Nats that the curves may lie apart: other types, and dropout of their own."""
STUDY = dataclasses.replace(PRESETS["as-run"], autocast="none")
"""As `studies/llama2-7b.yaml` has it."""
Said = Callable[[int, int, int], None]


def build(folder: Path, *, tiny: bool, device: str) -> Path:
    """A Llama of the published shape, or a tiny one, with random weights; its tokenizer is made of the bundled chats."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

    if (folder / "config.json").exists():
        return folder
    known = {key: value for key, value in shape.PUBLISHED[MODEL].items() if key != "model_type"}
    if tiny:
        known |= {"num_hidden_layers": 3, "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4}
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = [turn.content for chat in read_chats(Source("pocket")).chats for turn in chat.turns]
    words = 2000 if tiny else known["vocab_size"]
    special = ["<unk>", "<s>", "</s>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=words, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<unk>"
    )
    if tiny:
        known["vocab_size"] = len(fast)
    torch.manual_seed(SEED)
    config = LlamaConfig(**known, max_position_embeddings=4096, bos_token_id=1, eos_token_id=2)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32 if tiny else torch.bfloat16)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def mix(tokenizer: Any, count: int, longest: int) -> list[Chat]:
    """Chats whose lengths are the distribution's quantiles, each with an answer."""
    rng = random.Random(SEED)
    turns = [turn for chat in read_chats(Source("pocket")).chats for turn in chat.turns]
    pool = [turn.content.split() for turn in turns]
    chats = []
    for at in range(count):
        wanted = min(longest, MEDIAN * math.exp(SPREAD * statistics.NormalDist().inv_cdf((at + 0.5) / count)))
        words: list[str] = []
        while len(tokenizer(" ".join(words))["input_ids"]) + 20 < wanted:
            words += rng.choice(pool)
        while len(words) > 1 and len(tokenizer(" ".join(words))["input_ids"]) + 20 > wanted:
            words = words[: -max(1, len(words) // 20)]
        chats.append(Chat(str(at), (Turn("user", "Tell me more."), Turn("assistant", " ".join(words) or "Yes."))))
    return chats


class Clock:
    """Real tokens per second between updates, the first of them left out."""

    def __init__(self, lengths: Sequence[int], batch: int) -> None:
        """``lengths``: tokens of the chats in the order of training; ``batch``: chats an update."""
        self.lengths, self.batch = lengths, batch
        self.ends: list[float] = []

    def tick(self, *_: object) -> None:
        """An update is done."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())

    @property
    def rate(self) -> float:
        """Tokens a second."""
        first = min(SKIPPED, len(self.ends) - 1) or 1
        seen = self.lengths[first * self.batch : len(self.ends) * self.batch]
        return sum(seen) / (self.ends[-1] - self.ends[first - 1])


def ours(
    folder: Path, chats: Sequence[Chat], recipe: LoraRecipe, hardware: Hardware, work: Path, clock: Clock
) -> list[float]:
    """A tuning of ours; gives the losses."""
    Tuner(folder, hardware).tune(chats, recipe, SEED, work, clock.tick)
    return [json.loads(line)["loss"] for line in (work / "losses.jsonl").read_text().splitlines()]


def memory() -> str:
    """The most that was taken since the last time, in words."""
    if not torch.cuda.is_available():
        return ""
    most = torch.cuda.max_memory_allocated() / GIB
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return f", {most:.1f} GiB"


def tuning(folder: Path, given: argparse.Namespace, work: Path) -> tuple[Row, float]:
    """Print the rates; gives the row and how far the curves lie apart [nats]."""
    gpu = not given.tiny
    hardware = Hardware(
        device="cuda" if gpu else "cpu", dtype="bfloat16" if gpu else "float32", micro_batch=MICRO, packing="on",
        attention=given.attention,
    )  # fmt: skip
    recipe = dataclasses.replace(STUDY, steps=given.updates, max_tokens=1024 if gpu else 96)
    tokenizer = Tuner(folder, hardware).base.tokenizer
    chats = mix(tokenizer, recipe.batch * given.updates, recipe.max_tokens)
    rows = [encode(chat, tokenizer, recipe) for chat in chats]
    rows = [rows[index] for index in arrange(rows, recipe, SEED)]
    lengths = [len(row.input_ids) for row in rows]
    padded = sum(MICRO * max(lengths[at : at + MICRO]) for at in range(0, len(lengths), MICRO))
    print(
        f"{len(rows)} chats, {sum(lengths) / len(rows):.0f} tokens on average; padding {1 - sum(lengths) / padded:.0%}"
    )
    model, device = shape.of_folder(folder), gpu_here()

    def tell(name: str, clock: Clock, losses: Sequence[float]) -> None:
        used = ""
        if gpu and device:
            share = clock.rate * tuning_flops(model, recipe, recompute=False) / device.flops("bfloat16")
            used = f", {share:.0%} of {device.half:,.0f} TFLOP/s"
        print(f"{name}: {clock.rate:,.0f} real tokens/s{used}{memory()}; loss {losses[-1]:.3f}", flush=True)

    peer = Clock(lengths, recipe.batch)
    expected = authors.tune(
        folder, tokenizer, rows, recipe, work / "theirs", seed=SEED, micro=MICRO, gpu=gpu, tick=peer.tick
    )
    tell("the authors' settings", peer, expected)
    rates, apart = [], 0.0
    for name, autocast in (("ours, as the studies", "none"), ("ours, bfloat16 autocast", "bfloat16")):
        clock = Clock(lengths, recipe.batch)
        found = ours(folder, chats, dataclasses.replace(recipe, autocast=autocast), hardware, work / autocast, clock)
        tell(name, clock, found)
        rates.append(clock.rate)
        apart = max(apart, *(abs(one - two) for one, two in zip(found, expected, strict=True)))
    if gpu:
        way = Way(hardware.dtype, MICRO, recompute=True)
        print(
            f"`plan` expects {tuning_memory(model, recipe, way).total / GIB:.1f} GiB of a tuning, chats of full length"
        )
    what = "tuning of a 7b model, real tokens"
    return Row(what, f"{version('trl')}, the authors' settings", peer.rate, rates[0], "tokens/s", TUNING_GOAL), apart


def asked(count: int, tiny: bool) -> list[Request]:
    """Prompts of bundled chats; what each may write is drawn of a few lengths."""
    rng = random.Random(SEED)
    firsts = [chat.turns[0].content for chat in read_chats(Source("pocket")).chats]
    room = [length // 16 for length in ANSWERS] if tiny else list(ANSWERS)
    return [
        Request(str(at), "cell", firsts[at % len(firsts)], Sampling(0.8, 0.9, rng.choice(room)), SEED)
        for at in range(count)
    ]


def written(engine: Engine, groups: Sequence[Sequence[Request]]) -> float:
    """Tokens per second of groups that are answered one after another."""
    began, tokens = time.perf_counter(), 0
    for group in groups:
        tokens += sum(output.tokens for output in engine.complete(group))
    return tokens / (time.perf_counter() - began)


def generation(folder: Path, given: argparse.Namespace) -> Row:
    """Print the rates; gives the row."""
    dtype, device = ("float32", "cpu") if given.tiny else ("bfloat16", "cuda")
    kind = given.engine or ("vllm" if importlib.util.find_spec("vllm") and not given.tiny else "transformers")
    engine: Engine
    if kind == "vllm":
        from babeltune.generate.vllm import VllmEngine

        engine = VllmEngine(folder, dtype=dtype)
    else:
        engine = TransformersEngine(folder, dtype=dtype, device=device, batch_size=given.batch_size)
    requests = asked(given.requests, given.tiny)
    list(engine.complete(requests[:BATCH]))  # loads the model
    some = requests[: max(BATCH, len(requests) // 8)]
    slow = written(engine, [some[at : at + BATCH] for at in range(0, len(some), BATCH)])
    fast = written(engine, [requests])
    print(
        f"{kind}, {len(requests)} answers: {slow:,.0f} tokens/s in batches of {BATCH}, {fast:,.0f} all at once{memory()}"
    )
    what = f"{len(requests):,} answers of a 7b model, all at once"
    return Row(what, f"{version(kind)}, batches of {BATCH}", slow, fast, "tokens/s", GENERATION_GOAL)


def main() -> int:
    """Print both tables and, last, the ratio of tuning."""
    line = parser(__doc__)
    line.add_argument("--tiny", action="store_true", help="on a CPU, a model of some thousand weights: tries the logic")
    line.add_argument("--updates", type=int, default=10, help="updates of each tuning")
    line.add_argument("--requests", type=int, default=1024, help="answers")
    line.add_argument("--batch-size", type=int, default=128, help="requests a batch of ours, with transformers")
    line.add_argument("--engine", choices=("vllm", "transformers"))
    line.add_argument("--attention", default="auto", help="kernel of our tuning, as execution.attention")
    line.add_argument("--model", type=Path, metavar="FOLDER", help="where the model is made, or was made before")
    line.add_argument("--only", choices=("tuning", "generation"))
    given = line.parse_args()
    if not given.tiny and not torch.cuda.is_available():
        return nothing("needs a GPU (--tiny tries the logic on a CPU)")
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    if given.tiny:
        given.updates, given.requests = min(given.updates, 2), min(given.requests, 12)
    else:
        versions = ", ".join(map(version, ("transformers", "trl", "peft")))
        print(f"{torch.cuda.get_device_name()}; torch {torch.__version__}, {versions}")
    rows, same, answers = [], True, "not compared"
    with tempfile.TemporaryDirectory() as made:
        folder = build(given.model or Path(made) / "model", tiny=given.tiny, device="cpu" if given.tiny else "cuda")
        memory()
        if given.only != "generation":
            row, apart = tuning(folder, given, Path(made))
            rows.append(row)
            same = apart <= TOLERANCE
            answers = f"losses at most {apart:.1e} nats apart at any update (allowed: {TOLERANCE:g})"
        if given.only != "tuning":
            rows.append(generation(folder, given))
    return tell(rows, same=same, answers=answers)


if __name__ == "__main__":
    sys.exit(main())
