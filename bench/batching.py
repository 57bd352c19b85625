"""What a batch costs and changes: how often a text hangs on the batch it is in, and what adapters on the fly cost.

No peer: this is where docs/generation.md and `generate.batches.ON_THE_FLY` have their figures from. With the bundled model
in float32: (1) the same sampled requests in batches of 1, 8, 24 and 48, in two orders, and all at once or one third after
another; every text that differs is counted, and where the first differs. (2) The seconds of one batch whose adapters are
merged, and of the same batch with its four adapters on the fly.
"""

from __future__ import annotations

import dataclasses
import random
import sys
import tempfile
import time
from pathlib import Path

from babeltune.data.identify import identifier
from babeltune.generate.transformers import TransformersEngine
from babeltune.records import Output, Request, Sampling
from babeltune.study import tasks
from babeltune.study.models import BUNDLED, locate, prepare
from babeltune.study.spec.study import ModelSpec
from babeltune.study.spec.tasks import DialogueSpec
from parts import adapter
from parts.row import Row, parser, tell, version

LANGUAGES = ("en", "es", "de", "fr", "ru", "zh")
ITEMS, TOKENS, SIZES, RANK = 16, 24, (1, 8, 24, 48), 16
TIES = 0.03
"""Share of texts that may differ: two tokens may be as likely as each other to the last digits."""
Texts = dict[tuple[str, str], str]


def prompts() -> list[Request]:
    """Bundled dialogue prompts."""
    task = tasks.make("dialogue", DialogueSpec(languages=LANGUAGES), identifier("lid176"), Sampling(max_tokens=TOKENS))
    return [
        dataclasses.replace(task.request(item), cell=code)
        for code in LANGUAGES
        for item in task.items(code, "xx:xx")[:ITEMS]
    ]


def texts(outputs: list[Output]) -> Texts:
    """By cell and id."""
    return {(one.cell, one.id): one.text for one in outputs}


def main() -> int:
    """Print both tables."""
    parser(__doc__).parse_args()
    base = prepare(locate(ModelSpec(id=BUNDLED)))
    asked = prompts()
    found: dict[str, Texts] = {}
    for size in SIZES:
        began = time.perf_counter()
        outputs = list(TransformersEngine(base, batch_size=size).complete(asked))
        seconds = time.perf_counter() - began
        found[f"batches of {size}"] = texts(outputs)
        print(f"batches of {size:2}: {sum(one.tokens for one in outputs) / seconds:6.1f} tokens/s")
    engine = TransformersEngine(base)
    shuffled = random.Random(0).sample(asked, len(asked))
    found["batches of 24, another order"] = texts(list(engine.complete(shuffled)))
    found["batches of 24, a third at a time"] = {
        key: text for at in range(3) for key, text in texts(list(engine.complete(shuffled[at::3]))).items()
    }
    expected = found["batches of 24"]
    most = 0
    for name, one in found.items():
        differ = sum(text != one[key] for key, text in expected.items())
        most = max(most, differ)
        print(f"{name}: {differ} of {len(expected)} texts are not those of batches of 24")
    with tempfile.TemporaryDirectory() as made:
        adapters = [adapter.make(base, Path(made) / str(seed), RANK, seed) for seed in range(4)]
        told = []
        for rows in (4, 8, 24):
            some = [
                dataclasses.replace(one, sampling=Sampling(0, 1, TOKENS), adapter=adapters[at % 4])
                for at, one in enumerate(asked[:rows])
            ]
            seconds = {}
            for how, batch in (
                ("merged", [dataclasses.replace(one, adapter=adapters[0]) for one in some]),
                ("on the fly", some),
            ):
                engine._generate(batch)  # has the adapters in place
                began = time.perf_counter()
                engine._generate(batch)
                seconds[how] = time.perf_counter() - began
            began = time.perf_counter()
            engine._use(adapters[1])
            swap = time.perf_counter() - began
            print(
                f"{rows:2} rows: merged {seconds['merged']:.2f} s, on the fly {seconds['on the fly']:.2f} s:"
                f" {seconds['on the fly'] / seconds['merged']:.2f} times; to merge another: {swap:.2f} s"
            )
            what = f"a batch of {rows} of four adapters on the fly, against one merged adapter"
            told.append(Row(what, version("transformers"), seconds["merged"], seconds["on the fly"], "s"))
    answers = f"at most {most} of {len(expected)} texts hang on the batch that they were in"
    return tell(told[::-1], same=most <= TIES * len(expected), answers=answers)


if __name__ == "__main__":
    sys.exit(main())
