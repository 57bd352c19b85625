"""Tuning: real tokens per second against the authors' settings in trl, on the same chats, updates and machine.

The peer: float32 base loaded for each mix, batches of random rows padded on the right to the longest, 4 chats a forward
pass, gradient checkpointing, loss on all tokens, no end token. Ours: one base for both mixes, the same 4 chats a pass,
packed where it pays, activations kept, as the defaults of a study have it on a CPU. What the authors had besides and a
CPU has not is left out of both: float16 autocast and the paged optimizer. Two passes make an update, not four, as the
machine is slow.

The bundled chats are short and alike in length, so they are joined into ones of many turns, or cut, to the lengths of a
log-normal distribution (median 90 tokens, spread 0.85), long-tailed as those of real chats. Both see the same chats in
the same order from the same first weights, and nothing is dropped out; so the curves must be the same update by update,
but for rounding.
"""

from __future__ import annotations

import json
import logging
import math
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from babeltune.data.sources import read_chats
from babeltune.finetune.hardware import Hardware
from babeltune.finetune.recipe import LoraRecipe
from babeltune.finetune.template import Encoded, encode
from babeltune.finetune.train import Tuner, arrange
from babeltune.records import Chat, Turn
from babeltune.study.models import BUNDLED, locate, prepare
from babeltune.study.spec.study import ModelSpec
from parts import authors
from parts.row import Row, parser, tell, version

MICRO, UPDATES, SEED = 4, 2, 0
MEDIAN, SPREAD = 90, 0.85
GOAL, TOLERANCE = 1.5, 2e-3
RECIPE = LoraRecipe(batch=8, steps=UPDATES, learning_rate=3e-4, dropout=0.0, teach_eos=False)


def mixes(tokenizer: object) -> dict[str, list[Chat]]:
    """Two mixes of 16 chats: of English alone, and of five languages. Lengths are the distribution's quantiles."""
    rng = random.Random(SEED)
    bundled = read_chats("pocket").chats
    made: dict[str, list[Chat]] = {}
    for name, languages in (("mono", ("en",)), ("multi", ("en", "es", "de", "fr", "ru"))):
        pieces = [chat for chat in bundled if chat.language in languages]
        chats: list[Chat] = []
        count = RECIPE.batch * UPDATES
        for at in range(count):
            wanted = MEDIAN * math.exp(SPREAD * statistics.NormalDist().inv_cdf((at + 0.5) / count))
            turns = rng.choice(pieces).turns
            while length(turns, tokenizer) < min(RECIPE.max_tokens, wanted):
                turns += rng.choice(pieces).turns
            while length(turns, tokenizer) > wanted and len(words := turns[-1].content.split()) > 1:
                turns = (*turns[:-1], Turn("assistant", " ".join(words[:-1])))
            chats.append(Chat(f"{name}-{at}", turns))
        made[name] = chats
    return made


def length(turns: tuple[Turn, ...], tokenizer: object) -> int:
    """Tokens of a chat."""
    return len(encoded(Chat("", turns), tokenizer).input_ids)


def encoded(chat: Chat, tokenizer: object) -> Encoded:
    """As both train on it."""
    return encode(chat, tokenizer, RECIPE)


def main() -> int:
    """Mix by mix the peer and then ours, loads of the base included; then tokens over seconds."""
    parser(__doc__).parse_args()
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    logging.basicConfig(format="%(message)s")
    folder = prepare(locate(ModelSpec(id=BUNDLED)))
    tuner = Tuner(folder, Hardware(micro_batch=MICRO, packing="auto"))
    tokenizer = tuner.base.tokenizer
    seconds = {"theirs": 0.0, "ours": 0.0}
    tokens, padded, apart = 0, 0, 0.0
    print(f"{torch.get_num_threads()} threads, float32; rank {RECIPE.rank}, {RECIPE.batch} chats an update")
    with tempfile.TemporaryDirectory() as work:
        for name, chats in mixes(tokenizer).items():
            rows = [encoded(chat, tokenizer) for chat in chats]
            rows = [rows[index] for index in arrange(rows, RECIPE, SEED)]
            sizes = [len(row.input_ids) for row in rows]
            tokens += sum(sizes)
            padded += sum(MICRO * max(sizes[at : at + MICRO]) for at in range(0, len(sizes), MICRO))
            began = time.perf_counter()
            expected = authors.tune(
                folder, tokenizer, rows, RECIPE, Path(work) / "theirs" / name,
                seed=SEED, micro=MICRO, gpu=False, tick=lambda: None,
            )  # fmt: skip
            between = time.perf_counter()
            out = Path(work) / "ours" / name
            tuner.tune(chats, RECIPE, SEED, out, lambda *said: None)
            seconds["theirs"] += between - began
            seconds["ours"] += time.perf_counter() - between
            found = [json.loads(line)["loss"] for line in (out / "losses.jsonl").read_text().splitlines()]
            apart = max(apart, *(abs(one - two) for one, two in zip(found, expected, strict=True)))
            shown = ", ".join(f"{one:.4f} and {two:.4f}" for one, two in zip(expected, found, strict=True))
            print(f"{name}: {sum(sizes):,} tokens, longest {max(sizes)}; losses {shown}", flush=True)
    print(f"padding: {1 - tokens / padded:.0%} of the peer's positions")
    rates = {name: tokens / took for name, took in seconds.items()}
    what = "tuning on two mixes, real tokens"
    row = Row(what, f"{version('trl')}, the authors' settings", rates["theirs"], rates["ours"], "tokens/s", GOAL)
    answers = f"losses at most {apart:.1e} nats apart at any update (allowed: {TOLERANCE:g})"
    return tell([row], same=apart <= TOLERANCE, answers=answers)


if __name__ == "__main__":
    sys.exit(main())
