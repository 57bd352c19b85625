"""Ranking of candidates: trees of tokens against lm-evaluation-harness as a library, the same answers.

The peer is the paper's tool, 0.4.13 (`make bench` installs it): `HFLM.loglikelihood` of what its XNLI task asks,
an empty context and the whole text as continuation, 8 requests to a batch: 8 texts. Ours has 8 requests to a batch too, but
a request is an item: its three texts, and those of its neighbours, are one row, in which every beginning that some of
them share stands once. Same model (the bundled one, float32), process
and threads, side by side in alternation. The items are 60 real ones where they lie beside the checkout, else the
bundled ones.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from babeltune.data.sources import POCKET
from babeltune.generate import likelihood
from babeltune.generate.transformers import TransformersEngine
from babeltune.records import Request, Sampling
from babeltune.study.models import BUNDLED, locate, prepare
from babeltune.study.spec.study import ModelSpec
from parts.row import Row, nothing, parser, tell, version

DATA = Path(__file__).parents[2] / "shared" / "data" / "xnli"
ITEMS, ROUNDS, BATCH = 60, 4, 8
GOAL, TOLERANCE = 1.6, 1e-2
WORDS = ("Yes", "Also", "No")
Found = list[tuple[float, ...]]


def candidates() -> list[tuple[str, ...]]:
    """Three texts an item. The space before each is the harness's delimiter between the empty context and a choice."""
    folder = DATA if DATA.is_dir() else POCKET / "xnli"
    lines = (folder / "xnli.en.test.tsv").read_text(encoding="utf-8").splitlines()[1 : ITEMS + 1]
    pairs = [line.split("\t")[:2] for line in lines]
    return [tuple(f" {premise}, right? {word}, {hypothesis}" for word in WORDS) for premise, hypothesis in pairs]


def ours(engine: TransformersEngine, texts: Sequence[tuple[str, ...]]) -> Found:
    """One request an item."""
    requests = [Request(str(at), "xnli", "", Sampling(), 0, candidates=some) for at, some in enumerate(texts)]
    found = {output.id: output.loglikelihoods for output in engine.loglikelihood(requests)}
    return [found[request.id] for request in requests]


def theirs(peer: Any, texts: Sequence[tuple[str, ...]]) -> Found:
    """One request a text."""
    from lm_eval.api.instance import Instance

    flat = [Instance("loglikelihood", {}, ("", text), at) for some in texts for at, text in enumerate(some)]
    values = iter(value for value, _ in peer.loglikelihood(flat, disable_tqdm=True))
    return [tuple(next(values) for _ in some) for some in texts]


def timed(work: Callable[[], Found]) -> tuple[float, Found]:
    """Seconds, and what it gave."""
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def tokens(engine: TransformersEngine, folder: Path, texts: Sequence[tuple[str, ...]]) -> tuple[int, int, int]:
    """Tokens that a model reads: a text at a time, in the batches of the harness with their padding, in our trees."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    prefix = likelihood.prefix_token(tokenizer)
    assert prefix is not None
    ids = [likelihood.encode(tokenizer, prefix, some) for some in texts]
    lengths = sorted((len(text) for some in ids for text in some), reverse=True)
    padded = sum(lengths[at] * len(lengths[at : at + BATCH]) for at in range(0, len(lengths), BATCH))
    batches = likelihood.batches(ids, engine.batch_size)
    trees = [likelihood.grow(prefix, [text for at in batch for text in ids[at]]) for batch in batches]
    return sum(lengths), padded, sum(len(tree.tokens) for tree in trees)


def main() -> int:
    """Alternate the two, compare every log-likelihood, print the ratio of the fastest rounds."""
    parser(__doc__).parse_args()
    if importlib.util.find_spec("lm_eval") is None:
        return nothing("needs lm-evaluation-harness: pip install --no-deps -r requirements-bench.lock")
    from lm_eval.models.huggingface import HFLM

    folder = prepare(locate(ModelSpec(id=BUNDLED)))
    texts = candidates()
    engine = TransformersEngine(folder, batch_size=BATCH)
    peer = HFLM(pretrained=str(folder), tokenizer=str(folder), batch_size=BATCH, device="cpu", dtype="float32")
    ours(engine, texts[:3]), theirs(peer, texts[:3])  # both are warm
    alone, padded, merged = tokens(engine, folder, texts)
    print(f"{len(texts)} items, {sum(map(len, texts))} texts; float32, {torch.get_num_threads()} threads")
    print(
        f"tokens read: {alone:,} a text at a time, {padded:,} by the harness (padding), {merged:,} in trees:"
        f" {padded / merged:.2f} times fewer"
    )
    seconds: dict[str, list[float]] = {"harness": [], "trees": []}
    apart, same = 0.0, True
    for _ in range(ROUNDS):
        slow, expected = timed(lambda: theirs(peer, texts))
        fast, found = timed(lambda: ours(engine, texts))
        seconds["harness"].append(slow)
        seconds["trees"].append(fast)
        for one, two in zip(found, expected, strict=True):
            same &= one.index(max(one)) == two.index(max(two))
            apart = max(apart, *(abs(a - b) for a, b in zip(one, two, strict=True)))
        print(f"harness {slow:.2f} s, trees {fast:.2f} s: {slow / fast:.2f}", flush=True)
    slow, fast = (len(texts) / min(some) for some in seconds.values())
    row = Row("ranking of XNLI's candidates", version("lm_eval"), slow, fast, "items/s", GOAL)
    answers = f"same choices: {same}; log-likelihoods at most {apart:.1e} nats apart (allowed: {TOLERANCE:g})"
    return tell([row], same=same and apart <= TOLERANCE, answers=answers)


if __name__ == "__main__":
    sys.exit(main())
