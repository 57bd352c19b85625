"""Judging: requests a second against the ideal of a server that takes 50 ms, memory, and a run that the ledger answers.

The ideal is the concurrency over the latency: as if asking, reading and writing took no time. The server is a process of
its own (tests/faultserver.py); it answers each prompt in its own way, so that every answer can be checked. Each figure is
of a fresh process, as peak memory is of a process. The requests are those of the judge, Figure 20 over short answers.
The machine's other cores should be free: the server needs one.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

CONCURRENCY, LATENCY = 64, 0.05
MANY, FEW, CACHED = 10_000, 1_000, 100_000
GOAL, FLAT, MOST_SECONDS = 0.9, 1.2, 10.0
ROUNDS = 3
ANY_SCORE = '{"type": "object", "properties": {"reasoning": {"type": "string"}, "score": {"type": "integer"}}}'
"""A schema without a list of scores: of a list, the server always gives the first."""
NOBODY = "http://localhost:9/v1"
"""Nothing listens there (RFC 863's port)."""
TESTS = Path(__file__).parents[1] / "tests"


def run(url: str, ledger: str, count: str) -> int:
    """What a process of its own does: ask, check every answer, print seconds, peak memory [MiB] and wrong answers."""
    sys.path.insert(0, str(TESTS))
    from babeltune.generate.endpoint import Endpoint, EndpointEngine
    from babeltune.generate.ledger import Ledger
    from babeltune.measure.judge import Judge
    from babeltune.records import Request
    from faultserver import answer

    judge = Judge()

    def request(number: int) -> Request:
        asked = judge.request(str(number), f"What is {number} plus one?", f"It is {number + 1}, as anyone can count.")
        return replace(asked, schema=ANY_SCORE)

    total = int(count)
    came, times = array("Q", bytes(8 * total)), bytearray(total)
    with Ledger(Path(ledger)) as kept:
        engine = EndpointEngine(Endpoint("judge-1", url, concurrency=CONCURRENCY), kept)
        if url != NOBODY:
            engine.check(schemas=True)
        began = time.perf_counter()
        for output in engine.complete(map(request, range(total))):
            number = int(output.id)
            came[number] = zlib.crc32(output.text.encode())
            times[number] += 1
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    wrong = 0
    for number in range(total):
        asked = request(number)
        right = zlib.crc32(answer(asked.prompt, asked.seed).encode())
        wrong += times[number] != 1 or came[number] != right
    print(json.dumps({"seconds": seconds, "peak": peak, "wrong": wrong}))
    return 0


def timed(url: str, ledger: Path, count: int) -> dict[str, float]:
    """The same in a fresh process."""
    command = [sys.executable, __file__, url, str(ledger), str(count)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return told


@contextmanager
def serving(latency: float) -> Iterator[str]:
    """The server as a process; gives its address."""
    command = [sys.executable, str(TESTS / "faultserver.py"), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def main() -> int:
    """Ask few and many, then many more that are all in the ledger."""
    ideal = CONCURRENCY / LATENCY
    wrong = 0.0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with serving(LATENCY) as url:
            runs = {count: [timed(url, folder / f"{count}-{number}.sqlite", count) for number in range(ROUNDS)]
                    for count in (FEW, MANY)}  # fmt: skip
        for count, told in runs.items():
            wrong += sum(one["wrong"] for one in told)
            rates = ", ".join(f"{count / one['seconds']:,.0f}" for one in told)
            peaks = ", ".join(f"{one['peak']:.0f}" for one in told)
            print(f"{count:,} requests, {CONCURRENCY} at a time, {LATENCY * 1e3:.0f} ms each: {rates} a second;"
                  f" peak memory {peaks} MiB")  # fmt: skip
        with serving(0.0) as url:
            wrong += timed(url, folder / "cached.sqlite", CACHED)["wrong"]
        cached = timed(NOBODY, folder / "cached.sqlite", CACHED)
        wrong += cached["wrong"]
    print(f"{CACHED:,} that the ledger has: {cached['seconds']:.1f} s, peak memory {cached['peak']:.0f} MiB")
    seconds = min(one["seconds"] for one in runs[MANY])
    flat = max(one["peak"] for one in runs[MANY]) / max(one["peak"] for one in runs[FEW])
    print(
        f"ideal {ideal:,.0f} a second; memory of {MANY:,} over that of {FEW:,}: {flat:.2f}; wrong answers: {wrong:.0f}"
    )
    print(f"goals: ratio at least {GOAL}, memory at most {FLAT} times, ledger under {MOST_SECONDS:.0f} s")
    print(f"ratio {MANY / seconds / ideal:.2f}")
    return int(wrong > 0 or flat > FLAT or cached["seconds"] > MOST_SECONDS)


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]) if len(sys.argv) > 1 else main())
