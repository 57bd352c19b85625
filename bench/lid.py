"""Language identification: batches on two threads against one fastText call per text in a Python loop, same labels.

The peer is the authors' way: `model.predict` of the C++ library (the wheel fasttext-predict), text by text, newlines
replaced. Both read the same model file, lid.176.ftz. The texts are real ones where they lie beside the checkout (the
completions of the Language Confusion Benchmark, whole and by line, and chats), else the bundled chats, repeated. Then the command
`babeltune lid` labels a file of them and one ten times as long: its peak memory should be flat.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from pathlib import Path

import fasttext

from babeltune.data.identify import FastText, lid176_path
from babeltune.data.sources import read_chats
from parts import fresh
from parts.row import Row, parser, tell, version

DATA = Path(__file__).parents[2] / "shared" / "data"
GOAL, FLAT = 2.4, 0.9
ROUNDS = 3


def real_texts() -> list[str]:
    """Whole completions, their lines, and whole chats; the bundled chats where those are not at hand."""
    csv.field_size_limit(sys.maxsize)
    texts = []
    for path in sorted((DATA / "lcb").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            whole = [row["completion"] for row in csv.DictReader(file)]
        texts += whole + [line for text in whole for line in text.split("\n") if line.strip()]
    chats = DATA / "chat" / "guanaco_shaped.jsonl"
    if chats.is_file():
        texts += [json.loads(line)["text"] for line in chats.read_text(encoding="utf-8").split("\n") if line]
    return texts or [chat.text for chat in read_chats("pocket").chats] * 20


def peer(model: object, texts: list[str]) -> list[tuple[str | None, float]]:
    """One call a text."""
    found: list[tuple[str | None, float]] = []
    for text in texts:
        labels, probabilities = model.predict(text.replace("\n", " ").replace("\0", " "))  # type: ignore[attr-defined]
        known = bool(labels)
        found.append(
            (labels[0].removeprefix("__label__") if known else None, min(1.0, probabilities[0]) if known else 0.0)
        )
    return found


def timed(work: object, *arguments: object) -> tuple[float, list[object]]:
    """The fastest of several rounds [s], and what it gave."""
    best, found = float("inf"), []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = work(*arguments)  # type: ignore[operator]
        best = min(best, time.perf_counter() - began)
    return best, found


def peak(texts: list[str], times: int, folder: Path) -> float:
    """Peak memory [MiB] of `babeltune lid` over the texts, so many times repeated."""
    path = folder / f"{times}.jsonl"
    block = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(times):
            file.write(block)
    arguments = ["lid", path, "--field", "text", "--workers", "2", "--out", folder / "labels.jsonl"]
    return fresh.babeltune(*arguments).mib


def main() -> int:
    """Time both, compare every label and probability, then look at memory."""
    parser(__doc__).parse_args()
    texts = real_texts()
    spoken = [text for text in texts if any(map(str.isalpha, text))]
    print(f"{len(texts):,} texts, {sum(map(len, texts)):,} characters; {len(spoken):,} have letters")
    loop, expected = timed(peer, fasttext.load_model(str(lid176_path())), spoken)
    print(f"one call per text (fasttext-predict): {len(spoken) / loop:,.0f} texts/s")
    seconds: dict[int, float] = {}
    same = True
    for threads in (1, 2):
        ours = FastText(lid176_path(), threads)
        ours.identify(["warm up"])
        seconds[threads], found = timed(ours.identify, spoken)
        same &= [(one.label, one.probability) for one in found] == expected  # type: ignore[attr-defined]
        print(f"{threads} thread{'s' * (threads > 1)}: {len(spoken) / seconds[threads]:,.0f} texts/s")
    print(f"scaling from 1 to 2 threads: {seconds[1] / seconds[2]:.2f}; same labels and probabilities: {same}")
    with tempfile.TemporaryDirectory() as folder:
        once, tenfold = (peak(texts, times, Path(folder)) for times in (1, 10))
    rate = len(spoken) / loop
    rows = [
        Row("language identification, two threads", f"{version('fasttext-predict')}, one call a text",
            rate, len(spoken) / seconds[2], "texts/s", GOAL),
        Row("language identification, two threads", "ours, one thread",
            len(spoken) / seconds[1], len(spoken) / seconds[2], "texts/s"),
        Row(f"`babeltune lid` of {10 * len(texts):,} texts, peak memory", f"the same of {len(texts):,}",
            once, tenfold, "MiB", FLAT),
    ]  # fmt: skip
    return tell(rows, same=same, answers=f"labels and probabilities of {len(spoken):,} texts, to the last bit: {same}")


if __name__ == "__main__":
    sys.exit(main())
