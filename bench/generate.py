"""Generation with several adapters: one session against the authors' way, the same answers.

The peer is what the authors' scripts do, on transformers: for each adapter the base is loaded, the adapter merged into
it and the whole saved, that model is loaded again, and the prompts of each file go through it 8 at a time in their
order, `generate` with temperature 0.8 and top-p 0.9. Ours is one engine that is given everything at once.

Four adapters of the bundled model, tuned here for a few updates each (not timed), and the bundled dialogue prompts of
six languages and sentences to simplify in two; same process, threads, float32 and length of answers. Timed from loading
to the last answer. Then the greedy answers of both to some of the prompts are held against each other, and the share of
the sampled dialogue answers in the language of their prompt.
"""

from __future__ import annotations

import dataclasses
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers.utils import logging

from babeltune.data.identify import identifier
from babeltune.data.sources import Source, read_chats
from babeltune.finetune.hardware import Hardware
from babeltune.finetune.recipe import LoraRecipe
from babeltune.finetune.train import Tuner
from babeltune.generate.transformers import TransformersEngine
from babeltune.measure.statistics.intervals import difference, mean
from babeltune.records import Request, Sampling, Task
from babeltune.study import tasks
from babeltune.study.models import BUNDLED, locate, prepare
from babeltune.study.spec.study import ModelSpec
from babeltune.study.spec.tasks import DialogueSpec, SimplificationSpec
from parts.row import Row, parser, tell, version

GOAL = 2.0
MIXES = {"en": ("en",), "en-es": ("en", "es"), "en-ru": ("en", "ru"), "en-de": ("en", "de")}
RECIPE = LoraRecipe(
    rank=16, alpha=32, dropout=0.0, learning_rate=1.5e-3, steps=12, batch=4, max_tokens=72, unanswered="leave-out",
    loss_on="answers", order="length-grouped",
)  # fmt: skip
DIALOGUE = ("en", "es", "de", "fr", "ru", "zh")
SIMPLIFICATION = ("en", "de")
ITEMS, TOKENS, BATCH = 6, 48, 8
TIES = 0.02
"""Share of greedy answers that may differ: two tokens may be as likely as each other to the last digits."""
GREEDY = 2
"""Items of each file whose greedy answers are compared."""
Texts = dict[tuple[str, str], str]


def adapters(base: Path, folder: Path) -> list[Path]:
    """Tune one for each mix."""
    chats = read_chats(Source("pocket")).chats
    tuner = Tuner(base, Hardware())
    for name, languages in MIXES.items():
        mix = [chat for code in languages for chat in [c for c in chats if c.language == code][: 48 // len(languages)]]
        tuner.tune(mix, RECIPE, 0, folder / name, lambda *_: None)
    return [folder / name for name in MIXES]


def files() -> dict[str, list[Request]]:
    """Task and language -> what to ask, in the order of its file."""
    about = {
        "dialogue": DialogueSpec(languages=DIALOGUE),
        "simplification": SimplificationSpec(languages=SIMPLIFICATION),
    }
    found: dict[str, list[Request]] = {}
    for name, spec in about.items():
        task: Task = tasks.make(name, spec, identifier("lid176"), Sampling(max_tokens=TOKENS))
        for code in spec.languages:
            asked = [task.request(item) for item in task.items(code, "xx:xx")[:ITEMS]]
            found[f"{name} {code}"] = [dataclasses.replace(one, cell=f"{name} {code}") for one in asked]
    return found


def theirs(base: Path, tuned: Sequence[Path], asked: dict[str, list[Request]], greedy: bool) -> tuple[Texts, int]:
    """Adapter after adapter, file after file. Also the tokens that were written."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    texts: Texts = {}
    written = 0
    tokenizer = AutoTokenizer.from_pretrained(base, padding_side="left")
    for adapter in tuned:
        with tempfile.TemporaryDirectory() as merged:
            model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
            model.merge_and_unload().save_pretrained(merged)
            del model
            model = AutoModelForCausalLM.from_pretrained(merged)
            torch.manual_seed(0)
            for requests in asked.values():
                for start in range(0, len(requests), BATCH):
                    batch = requests[start : start + BATCH]
                    inputs = tokenizer([one.prompt + one.prefix for one in batch], return_tensors="pt", padding=True)
                    how = {"do_sample": False} if greedy else {"do_sample": True, "temperature": 0.8, "top_p": 0.9}
                    with torch.inference_mode():
                        out = model.generate(
                            **inputs, **how, max_new_tokens=TOKENS, top_k=None, pad_token_id=tokenizer.pad_token_id,
                            stop_strings=list(batch[0].sampling.stop), tokenizer=tokenizer,
                        )  # fmt: skip
                    for one, row in zip(batch, out[:, inputs["input_ids"].shape[1] :], strict=True):
                        text = tokenizer.decode(row, skip_special_tokens=True)
                        ends = [at for stop in one.sampling.stop if (at := text.find(stop)) >= 0]
                        texts[f"{adapter.name} {one.cell}", one.id] = text[: min(ends, default=len(text))]
                        written += len(tokenizer(texts[f"{adapter.name} {one.cell}", one.id])["input_ids"])
            del model
            gc.collect()
    return texts, written


def ours(
    base: Path, tuned: Sequence[Path], asked: dict[str, list[Request]], greedy: bool, size: int
) -> tuple[Texts, int]:
    """One engine, everything at once."""
    sampling = {"temperature": 0.0} if greedy else {"temperature": 0.8, "top_p": 0.9}
    requests = [
        dataclasses.replace(
            one,
            cell=f"{adapter.name} {one.cell}",
            adapter=str(adapter),
            sampling=dataclasses.replace(one.sampling, **sampling),
        )
        for adapter in tuned
        for some in asked.values()
        for one in some
    ]
    prefixes = {request.id: request.prefix for request in requests}
    outputs = list(TransformersEngine(base, batch_size=size).complete(requests))
    texts = {(one.cell, one.id): one.text.removeprefix(prefixes[one.id]) for one in outputs}
    return texts, sum(one.tokens for one in outputs)


def timed(work: Callable[[], tuple[Texts, int]]) -> tuple[float, Texts, int]:
    """Seconds, answers, tokens."""
    began = time.perf_counter()
    texts, tokens = work()
    return time.perf_counter() - began, texts, tokens


def rates(texts: Texts) -> dict[str, list[float]]:
    """Item -> 1 where a dialogue answer is in the language of its file, of all adapters."""
    rows = [
        (cell.split()[-1], f"{cell.split()[-1]} {item}", text)
        for (cell, item), text in texts.items()
        if " dialogue " in cell
    ]
    found = identifier("lid176").identify([text for _, _, text in rows])
    by_item: dict[str, list[float]] = {}
    for (code, item, _), one in zip(rows, found, strict=True):
        by_item.setdefault(item, []).append(float(one.label == code))
    return by_item


def main() -> int:
    """Print both speeds and, last, their ratio."""
    line = parser(__doc__)
    line.add_argument("--batch-size", type=int, default=24, help="requests a batch of ours (24, as a study's default)")
    line.add_argument("--rounds", type=int, default=1)
    given = line.parse_args()
    logging.disable_progress_bar()
    base = prepare(locate(ModelSpec(id=BUNDLED)))
    with tempfile.TemporaryDirectory() as made:
        tuned = adapters(base, Path(made))
        asked = files()
        some = {name: requests[:GREEDY] for name, requests in asked.items()}
        count = len(tuned) * sum(map(len, asked.values()))
        print(f"{count} answers of at most {TOKENS} tokens, {len(tuned)} adapters, {torch.get_num_threads()} threads")
        rounds = []
        for _ in range(given.rounds):
            slow, peer, peer_tokens = timed(lambda: theirs(base, tuned, asked, greedy=False))
            fast, mine, tokens = timed(lambda: ours(base, tuned, asked, greedy=False, size=given.batch_size))
            print(f"the authors' way: {slow:6.1f} s, {peer_tokens:,} tokens, {peer_tokens / slow:6.1f} tokens/s")
            print(f"one session:      {fast:6.1f} s, {tokens:,} tokens, {tokens / fast:6.1f} tokens/s")
            rounds.append((peer_tokens / slow, tokens / fast))
        expected, _ = theirs(base, tuned, some, greedy=True)
        found, _ = ours(base, tuned, some, greedy=True, size=given.batch_size)
    theirs_in_kind, ours_in_kind = rates(peer), rates(mine)
    apart = difference({"": ours_in_kind}, {"": theirs_in_kind})
    print(f"in the language of the prompt: {mean(theirs_in_kind).value:.3f} and {mean(ours_in_kind).value:.3f}", end="")
    print(f" (difference {apart.value:+.3f} [{apart.low:+.3f}, {apart.high:+.3f}], {apart.n} prompts)")
    others = [key for key, text in expected.items() if found[key] != text]
    same = apart.low <= 0 <= apart.high and len(others) <= TIES * len(expected)
    peer_rate, rate = map(statistics.median, zip(*rounds, strict=True))
    row = Row(f"{count} answers of {len(tuned)} adapters", f"{version('transformers')}, the authors' way",
              peer_rate, rate, "tokens/s", GOAL)  # fmt: skip
    greedy = f"{len(expected) - len(others)} of {len(expected)} greedy answers are equal"
    return tell([row], same=same, answers=f"{greedy}; sampled ones are as often in the language of the prompt")


if __name__ == "__main__":
    sys.exit(main())
