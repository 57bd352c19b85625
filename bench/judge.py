"""Judging: requests a second against the ideal of a server that takes 50 ms, memory, and a run that the ledger answers.

The ideal is the concurrency over the latency: as if asking, reading and writing took no time. The server is a process of
its own (tests/faultserver.py); it answers each prompt in its own way, so that every answer can be checked. Each figure is
of a fresh process, as peak memory is of a process. The requests are those of the judge, Figure 20 over short answers.
The machine's other cores should be free: the server needs one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from parts import fresh
from parts.row import Row, parser, tell, version

CONCURRENCY, LATENCY = 64, 0.05
MANY, FEW, CACHED = 10_000, 1_000, 100_000
GOAL, FLAT, MOST_SECONDS = 0.9, 0.83, 10.0
ROUNDS = 3
ANY_SCORE = '{"type": "object", "properties": {"reasoning": {"type": "string"}, "score": {"type": "integer"}}}'
"""A schema without a list of scores: of a list, the server always gives the first."""
NOBODY = "http://localhost:9/v1"
"""Nothing listens there (RFC 863's port)."""
TESTS = Path(__file__).parents[1] / "tests"


def run(url: str, ledger: str, count: int) -> None:
    """What a process of its own does: ask, check every answer, print seconds and wrong answers."""
    sys.path.insert(0, str(TESTS))
    from babeltune.generate.asking.address import Endpoint
    from babeltune.generate.endpoint import EndpointEngine
    from babeltune.generate.ledger import Ledger
    from babeltune.measure.judge.rubric import Judge
    from babeltune.records import Request
    from faultserver import answer

    judge = Judge()

    def request(number: int) -> Request:
        asked = judge.request(str(number), f"What is {number} plus one?", f"It is {number + 1}, as anyone can count.")
        return replace(asked, schema=ANY_SCORE)

    came, times = array("Q", bytes(8 * count)), bytearray(count)
    with Ledger(Path(ledger)) as kept:
        engine = EndpointEngine(Endpoint("judge-1", url, concurrency=CONCURRENCY), kept)
        if url != NOBODY:
            engine.check(schemas=True)
        began = time.perf_counter()
        for output in engine.complete(map(request, range(count))):
            number = int(output.id)
            came[number] = zlib.crc32(output.text.encode())
            times[number] += 1
        seconds = time.perf_counter() - began
    wrong = 0
    for number in range(count):
        asked = request(number)
        right = zlib.crc32(answer(asked.prompt, asked.seed).encode())
        wrong += times[number] != 1 or came[number] != right
    print(json.dumps({"seconds": seconds, "wrong": wrong}))


@dataclass(frozen=True, slots=True)
class Asked:
    """What a process that asked came to."""

    seconds: float
    """Between the first request and the last answer."""
    mib: float
    wrong: int


def timed(url: str, ledger: Path, count: int) -> Asked:
    """The same in a fresh process."""
    ended = fresh.run([sys.executable, __file__, "--ask", url, ledger, str(count)])
    told = json.loads(ended.last)
    return Asked(told["seconds"], ended.mib, told["wrong"])


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
    line = parser(__doc__)
    line.add_argument("--ask", nargs=3, metavar=("URL", "LEDGER", "COUNT"), help="what a process of its own does")
    line.add_argument("--rounds", type=int, default=ROUNDS)
    given = line.parse_args()
    if given.ask:
        url, ledger, count = given.ask
        run(url, ledger, int(count))
        return 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with serving(LATENCY) as url:
            few, many = (
                [timed(url, folder / f"{count}-{number}.sqlite", count) for number in range(given.rounds)]
                for count in (FEW, MANY)
            )
        with serving(0.0) as url:
            filled = timed(url, folder / "cached.sqlite", CACHED)
        cached = timed(NOBODY, folder / "cached.sqlite", CACHED)
    print(f"{CONCURRENCY} at a time, {LATENCY * 1e3:.0f} ms each")
    for count, found in ((FEW, few), (MANY, many)):
        rates = ", ".join(f"{count / one.seconds:,.0f}" for one in found)
        print(f"{count:,} requests: {rates} a second")
    print(f"{CACHED:,} of a server without latency: {CACHED / filled.seconds:,.0f} a second, {filled.mib:.0f} MiB")
    wrong = sum(one.wrong for one in (*few, *many, filled, cached))
    asking = f"{MANY:,} requests to a judge of {LATENCY * 1e3:.0f} ms, {CONCURRENCY} at a time"
    rows = [
        Row(f"{asking}, {version('openai')}", "ideal", CONCURRENCY / LATENCY, MANY / min(one.seconds for one in many),
            "requests/s", GOAL),
        Row(f"{asking}, peak memory", f"the same of {FEW:,}", max(one.mib for one in few),
            max(one.mib for one in many), "MiB", FLAT),
        Row(f"{CACHED:,} requests that the ledger answers", "goal", MOST_SECONDS, cached.seconds, "s", 1.0),
    ]  # fmt: skip
    total = given.rounds * (FEW + MANY) + 2 * CACHED
    return tell(rows, same=not wrong, answers=f"{wrong} of {total:,} answers are wrong")


if __name__ == "__main__":
    sys.exit(main())
