"""A process that asks a server for verdicts and may be killed; the next one goes on where it was.

    python tests/killed_asking.py URL LEDGER REQUESTS CONCURRENCY

For every line that it reads it asks for all of them, in a process of its own, whose number it prints at the start; then
it prints how that ended: 0, or the signal that killed it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import openai

from asking import MODEL, PRICE, judge
from babeltune.generate.asking.address import Endpoint
from babeltune.generate.endpoint import EndpointEngine
from babeltune.generate.ledger import Ledger

SCRIPTS = ("ok", "ok", "slow", "ok", "429:0.01,ok", "ok", "500,ok", "ok", "reset,ok", "empty,ok", "ok", "refusal", "ok")


def prompts(count: int) -> list[str]:
    """What is asked: every third or so meets a fault."""
    return [f"<<{SCRIPTS[at % len(SCRIPTS)]}>> Answer {at}" for at in range(count)]


def ask(url: str, path: Path, count: int, concurrency: int) -> None:
    endpoint = Endpoint(MODEL, url, concurrency=concurrency, timeout=30, most_wait=0.1)
    with Ledger(path) as ledger:
        engine = EndpointEngine(endpoint, ledger, prices={MODEL: PRICE}, most_cost=1000.0)
        for output in engine.complete(judge(prompt) for prompt in prompts(count)):
            assert output.finish in ("eos", "refused"), output


def main() -> None:
    openai.AsyncOpenAI(api_key="none", http_client=openai.DefaultAioHttpClient(verify=False))  # loads what each would
    url, path, count, concurrency = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            ask(url, path, count, concurrency)
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
