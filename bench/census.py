"""The census: documents per second and peak memory at 10^4, 10^5 and 10^6 documents, which should not differ.

No peer counts a corpus in this way; the ratio is our rate at 10^6 documents over that at 10^4, and the goal is 1. The
documents are the bundled chats (about 320 characters), over and over, in one JSONL file. Each census runs in a process
of its own, with the identifier loaded before the clock starts; of repeated ones the median counts.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from parts import fresh
from parts.row import Row, parser, tell

ORDER = (10**4, 10**4, 10**5, 10**6, 10**5, 10**4, 10**4)
"""Documents of each census; the small ones before and after the long one, as a machine has its moods."""
LINEAR = 0.8
"""Least ratio that is called linear."""
FLAT = 0.8
"""The same of memory that is called flat."""


def corpus(path: Path, documents: int) -> None:
    """Write the corpus."""
    from babeltune.data.sources import read_chats

    lines = [json.dumps({"text": chat.text}, ensure_ascii=False) + "\n" for chat in read_chats("pocket").chats]
    with path.open("w", encoding="utf-8") as file:
        file.writelines(itertools.islice(itertools.cycle(lines), documents))


def count(path: Path) -> None:
    """One census; prints documents and seconds."""
    from babeltune.data.census.corpus import file_units
    from babeltune.data.census.count import Job, local, take
    from babeltune.data.identify import identifier

    found = identifier("lid176")
    found.identify(["warm"])
    began = time.perf_counter()
    taken = take(Job(file_units(path), "text", "lid176"), local(found), state=path.with_suffix(".state.json"))
    took = time.perf_counter() - began
    print(json.dumps([taken.total, took]))


def main() -> int:
    """Count each size; a wrong number of documents is a failure."""
    line = parser(__doc__)
    line.add_argument("--corpus", type=Path, metavar="FILE", help="what a process of its own does: count one corpus")
    given = line.parse_args()
    if given.corpus is not None:
        count(given.corpus)
        return 0
    rates: dict[int, list[float]] = {}
    peaks: dict[int, float] = {}
    same = True
    for documents in ORDER:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "corpus.jsonl"
            corpus(path, documents)
            ended = fresh.run([sys.executable, __file__, "--corpus", path])
        total, seconds = json.loads(ended.last)
        same &= total == documents
        rates.setdefault(documents, []).append(documents / seconds)
        peaks[documents] = max(peaks.get(documents, 0.0), ended.mib)
    medians = {documents: statistics.median(found) for documents, found in rates.items()}
    for documents, rate in medians.items():
        print(f"{documents:>9,} documents: {rate:,.0f} documents/s, peak memory {peaks[documents]:.0f} MiB")
    few, many = min(ORDER), max(ORDER)
    rows = [
        Row(
            f"census of {many:,} documents", f"the same of {few:,}", medians[few], medians[many], "documents/s", LINEAR
        ),
        Row(f"census of {many:,} documents, peak memory", f"the same of {few:,}", peaks[few], peaks[many], "MiB", FLAT),
    ]
    return tell(rows, same=same, answers="every document is counted")


if __name__ == "__main__":
    sys.exit(main())
