"""The endpoint at load, and killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from asking import MODEL, PRICE, judge
from babeltune.generate.asking.address import Endpoint
from babeltune.generate.endpoint import EndpointEngine
from babeltune.generate.ledger import Ledger
from killed_asking import prompts

TESTS = Path(__file__).parents[2]
FAULTY = (
    "429,ok", "429:0.02,ok", "429ms:5,ok", "429date:0,ok", "500,ok", "503,ok", "408,ok", "409,ok", "502,500,ok", "reset,ok",
    "reset0,ok", "slow", "truncated,ok", "html,ok", "empty,ok", "null,ok", "fenced", "two", "string", "seven", "cut", "other",
    "refusal", "filter", "400filter", "400", "long", "empty", "null", "503", "truncated", "reset",
)  # fmt: skip
"""What becomes of every third request. Not among them: what ends a run, and silence, of which there is less below."""
REFUSED = {"refusal", "filter", "400filter"}
FAILED = {"400", "long", "empty", "null", "503", "truncated", "reset", "hang", "stall"}


@contextmanager
def served(latency: float = 0.0) -> Iterator[str]:
    """A server in a process of its own; gives its base URL."""
    command = [sys.executable, str(TESTS / "faultserver.py"), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def told(url: str, what: str = "counts") -> dict[str, Any]:
    """What the server counted."""
    ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    with ask(f"{url.removesuffix('/v1')}/{what}") as reply:
        return dict(json.load(reply))


def at_load(tmp_path: Path, count: int) -> None:
    scripts = ["ok" if at % 3 else FAULTY[at // 3 % len(FAULTY)] for at in range(count)]
    for at, script in zip(range(0, 90, 3), ("hang,ok", "stall,ok", "hang", "stall"), strict=False):
        scripts[at] = script
    asked = [judge(f"<<{script}>> {at}") for at, script in enumerate(scripts)]
    with served() as url, Ledger(tmp_path / "ledger.sqlite") as ledger:
        endpoint = Endpoint(MODEL, url, concurrency=64, timeout=2.0, most_wait=0.05, tries=3)
        engine = EndpointEngine(endpoint, ledger, prices={MODEL: PRICE}, most_cost=10_000.0)
        outputs = list(engine.complete(iter(asked)))
        said, spent, entries = told(url), ledger.spent(), [one for one in ledger.entries() if one.purpose != "check"]
    # None lost, none twice, neither yielded nor kept.
    assert sorted(output.id for output in outputs) == sorted(request.id for request in asked)
    assert sorted(entry.item for entry in entries) == sorted(request.id for request in asked)
    # Each in the state that its script leads to.
    states = {"eos": "answered", "length": "answered", "refused": "refused"}
    kept = {entry.item: entry for entry in entries}
    for output in outputs:
        script = output.id.partition(">>")[0].removeprefix("<<")
        expected = (
            "refused" if script in REFUSED else "failed" if script in FAILED else "length" if script == "cut" else "eos"
        )
        assert output.finish == expected, output
        assert kept[output.id].state == states.get(expected, "empty" if script in ("empty", "null") else "failed")
        assert bool(output.text) == (expected in ("eos", "length"))
        assert bool(output.reason) != bool(output.text)
    # The bill is right to the token: every reply counts once, those that were no answers too.
    paid = said["paid"]
    assert (spent.calls, spent.prompt_tokens, spent.completion_tokens) == (
        paid["replies"], paid["prompt"], paid["completion"]
    )  # fmt: skip
    assert spent.dollars == pytest.approx(
        (paid["prompt"] * PRICE.input + paid["completion"] * PRICE.output) / 1e6, rel=1e-9
    )
    assert spent.unpriced == 0


def test_600_requests_with_every_third_one_faulty(tmp_path):
    at_load(tmp_path, 600)


@pytest.mark.slow
def test_5000_requests_with_every_third_one_faulty(tmp_path):
    at_load(tmp_path, 5000)


def test_killed_twenty_times_the_ledger_is_that_of_an_undisturbed_run(tmp_path):
    count, concurrency, draw = 800, 8, random.Random(20)
    script = str(TESTS / "killed_asking.py")

    def process(url: str, path: Path) -> subprocess.Popen[str]:
        command = [sys.executable, script, url, str(path), str(count), str(concurrency)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(asking: subprocess.Popen[str]) -> int:
        assert asking.stdin is not None
        assert asking.stdout is not None
        asking.stdin.write("ask\n")
        asking.stdin.flush()
        return int(asking.stdout.readline())

    def heard(asking: subprocess.Popen[str]) -> int:
        assert asking.stdout is not None
        return int(asking.stdout.readline())

    with served(0.005) as url, process(url, tmp_path / "undisturbed.sqlite") as asking:
        say(asking)
        assert heard(asking) == 0
        undisturbed = told(url)
        asking.stdin.close()  # type: ignore[union-attr]
    kills = 0
    with served(0.005) as url, process(url, tmp_path / "killed.sqlite") as asking:
        while kills < 20:
            before = told(url, "asked")["asked"]
            child = say(asking)
            # At one of the next thirty requests, or a moment after, and not at a time: machines differ.
            moment = before + draw.randrange(30)
            while told(url, "asked")["asked"] < moment:
                os.kill(child, 0)  # raises where it has ended
                time.sleep(0.003)
            time.sleep(draw.random() * 0.01)
            os.kill(child, signal.SIGKILL)
            assert heard(asking) == -signal.SIGKILL
            kills += 1
        say(asking)
        assert heard(asking) == 0
        killed = told(url)
        asking.stdin.close()  # type: ignore[union-attr]
    with Ledger(tmp_path / "killed.sqlite") as ledger, Ledger(tmp_path / "undisturbed.sqlite") as other:
        found = {entry.key: (entry.state, entry.text) for entry in ledger.entries()}
        assert found == {entry.key: (entry.state, entry.text) for entry in other.entries()}
        assert len(found) == count + 1  # the check
        spent = ledger.spent()
        # What was in flight at a kill counts as spent, as it may have been charged.
        assert (
            spent.dollars + spent.unsure
            >= (killed["billed"]["prompt"] * 10 + killed["billed"]["completion"] * 30) / 1e6
        )
        assert other.spent().unsure > 0  # resets, of which nobody knows what they cost
    asked = {name: times for name, times in killed["counts"].items() if "Answer" in name}
    once = {name: times for name, times in undisturbed["counts"].items() if "Answer" in name}
    assert asked.keys() == once.keys()
    twice = sum(max(0, asked[name] - once[name]) for name in once)
    assert twice <= kills * concurrency
    assert set(once) == {f"0|{prompt}" for prompt in prompts(count)}
