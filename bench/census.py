"""The census: documents per second and peak memory at 10^4, 10^5 and 10^6 documents, which should not differ.

No peer counts a corpus in this way; the ratio is our rate at 10^6 documents over that at 10^4, and the goal is 1. The
documents are the bundled chats (about 320 characters), over and over, in one JSONL file. Each census runs in a process
of its own, with the identifier loaded before the clock starts; of repeated ones the median counts.
"""

from __future__ import annotations

import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ORDER = (10**4, 10**4, 10**5, 10**6, 10**5, 10**4, 10**4)
"""Documents of each census; the small ones before and after the long one, as a machine has its moods."""
LINEAR = 0.8
"""Least ratio that is called linear."""


def corpus(path: Path, documents: int) -> None:
    """Write the corpus."""
    from babeltune.data.sources import read_chats

    lines = [json.dumps({"text": chat.text}, ensure_ascii=False) + "\n" for chat in read_chats("pocket").chats]
    with path.open("w", encoding="utf-8") as file:
        file.writelines(itertools.islice(itertools.cycle(lines), documents))


def count(path: Path) -> None:
    """One census; prints documents, seconds and peak memory in MB."""
    from babeltune.data.census.corpus import file_units
    from babeltune.data.census.count import Job, local, take
    from babeltune.data.identify import identifier

    found = identifier("lid176")
    found.identify(["warm"])
    began = time.perf_counter()
    taken = take(Job(file_units(path), "text", "lid176"), local(found), state=path.with_suffix(".state.json"))
    took = time.perf_counter() - began
    print(json.dumps([taken.total, took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def main() -> int:
    """Count each size; a wrong number of documents is a failure."""
    rates: dict[int, list[float]] = {}
    peaks: dict[int, float] = {}
    for documents in ORDER:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "corpus.jsonl"
            corpus(path, documents)
            arguments = [sys.executable, __file__, str(path)]
            said = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True)
        total, seconds, peak = json.loads(said.stdout)
        if total != documents:
            print(f"{total} documents counted of {documents}")
            return 1
        rates.setdefault(documents, []).append(documents / seconds)
        peaks[documents] = max(peaks.get(documents, 0.0), peak)
    medians = {documents: statistics.median(found) for documents, found in rates.items()}
    for documents, rate in medians.items():
        print(f"{documents:>9,} documents: {rate:,.0f} documents/s, peak memory {peaks[documents]:.0f} MB")
    ratio = medians[10**6] / medians[10**4]
    print(
        "linear"
        if ratio >= LINEAR
        else f"not linear here: a long census has less than {LINEAR:g} of the short one's rate"
    )
    print(f"ratio {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(count(Path(sys.argv[1])) if len(sys.argv) > 1 else main())
