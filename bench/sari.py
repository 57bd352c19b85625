"""SARI: all sentences counted together as arrays, against plain Counters, a sentence at a time.

The peer stands for EASSE's `corpus_sari` (which is timed too where it is importable): the same definition, tokenized by
sacrebleu, counted with one Counter per text and order. Real simplifications where they lie beside the checkout
(TurkCorpus: 359 sentences, 8 references), else the bundled prompts with themselves as references. Then a whole grid in
one call: 1,371 sentences in 7 languages under 6 mixes and 3 seeds.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from babeltune.data.sources import POCKET
from babeltune.measure.metrics.sari import corpus_sari, statistics
from parts.row import Row, parser, tell, version

DATA = Path(__file__).parents[2] / "shared" / "data" / "simplification"
GOAL = 15.0
ROUNDS = 9
Corpus = tuple[list[str], list[str], list[list[str]]]


def corpus() -> Corpus:
    """Sources, outputs, references."""
    if not DATA.is_dir():
        rows = [
            json.loads(line) for line in (POCKET / "dialogue" / "en.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        texts = [row["prompt"] for row in rows] * 10
        return texts, texts[1:] + texts[:1], [texts[at : at + 8] or texts[:8] for at in range(len(texts))]
    read = {path.name: path.read_text(encoding="utf-8").split("\n")[:-1] for path in DATA.glob("turkcorpus.*")}
    references = zip(*(read[f"turkcorpus.ref.{n}"] for n in range(8)), strict=True)
    outputs = (DATA / "systems" / "ACCESS").read_text(encoding="utf-8").split("\n")[:-1]
    return read["turkcorpus.orig"], outputs, [list(some) for some in references]


def f1(right: int, made: int, wanted: int) -> float:
    """0/0 is 0."""
    precision, recall = right / made if made else 0.0, right / wanted if wanted else 0.0
    return 2 * precision * recall / (precision + recall) if right else 0.0


def peer(sources: Sequence[str], outputs: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """The same definition, sentence by sentence."""
    tokenizer = Tokenizer13a()
    totals = [[0] * 9 for _ in range(4)]

    def grams(text: str) -> list[Counter[tuple[str, ...]]]:
        tokens = tokenizer(text.lower()).split()
        return [Counter(tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1)) for n in range(1, 5)]

    for source, output, some in zip(sources, outputs, references, strict=True):
        said, made, wanted = grams(source), grams(output), [grams(one) for one in some]
        for order, row in enumerate(totals):
            r: Counter[tuple[str, ...]] = Counter()
            for one in wanted:
                r += one[order]
            added, new = set(made[order]) - set(said[order]), set(r) - set(said[order])
            s = Counter({gram: n * len(some) for gram, n in said[order].items()})
            o = Counter({gram: n * len(some) for gram, n in made[order].items()})
            kept, deleted, to_delete = s & o, s - o, s - r
            found = (
                *(len(added & new), len(added), len(new)),
                *((kept & r).total(), kept.total(), (s & r).total()),
                *((deleted & to_delete).total(), deleted.total(), to_delete.total()),
            )
            for at, n in enumerate(found):
                row[at] += n
    return 100 * sum(f1(*row[at : at + 3]) for row in totals for at in (0, 3, 6)) / 12


def timed(*works: Callable[[], float]) -> list[tuple[list[float], float]]:
    """Each work's seconds, round after round in turn, and what it gave. The tokenizer's own cache is emptied before."""
    seconds: list[list[float]] = [[] for _ in works]
    found = [0.0 for _ in works]
    for _ in range(ROUNDS):
        for at, work in enumerate(works):
            Tokenizer13a.__call__.cache_clear()
            began = time.perf_counter()
            found[at] = work()
            seconds[at].append(time.perf_counter() - began)
    return list(zip(seconds, found, strict=True))


def main() -> int:
    """Time both on the same sentences, then the grid."""
    parser(__doc__).parse_args()
    sources, outputs, references = corpus()
    corpus_sari(sources[:1], outputs[:1], references[:1])  # what is imported late is not timed
    (theirs, expected), (ours, found) = timed(
        lambda: peer(sources, outputs, references), lambda: corpus_sari(sources, outputs, references)
    )
    print(f"{len(sources)} sentences, {len(references[0])} references, {ROUNDS} rounds in turn:")
    each = [one / other for one, other in zip(theirs, ours, strict=True)]
    print(f"median of the rounds' ratios: {median(each):.2f}")
    same = abs(found - expected) < 1e-9
    what = f"SARI of {len(sources)} sentences, {len(references[0])} references"
    rows = [Row(what, f"Counters, {version('sacrebleu')}", min(theirs), min(ours), "s", GOAL)]
    try:
        from easse.sari import corpus_sari as easse
    except ImportError:
        print("EASSE is not importable here")
    else:
        columns = [list(column) for column in zip(*references, strict=True)]
        (seconds, score), (again, _) = timed(
            lambda: easse(sources, outputs, columns), lambda: corpus_sari(sources, outputs, references)
        )
        same &= abs(found - score) < 1e-9
        rows.insert(0, Row(what, "EASSE's corpus_sari", min(seconds), min(again), "s", GOAL))
    times = 1371 * 7 * 6 * 3 // len(sources)
    began = time.perf_counter()
    grid = statistics(sources * times, outputs * times, references * times)
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    same &= abs(grid.corpus() - found) < 1e-9
    print(f"a grid of {len(sources) * times:,} sentences: {took:.1f} s, peak memory {peak:,.0f} MiB")
    return tell(rows, same=same, answers=f"{found:.6f} both, equal to 1e-9: {same}")


if __name__ == "__main__":
    sys.exit(main())
