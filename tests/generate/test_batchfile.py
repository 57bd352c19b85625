from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from babeltune.errors import EngineError
from babeltune.generate.asking.address import Endpoint
from babeltune.generate.batchfile import BatchFileEngine
from babeltune.generate.filing.provider import OPENAI, Terms
from babeltune.generate.ledger import Batch, Ledger, Waiting
from babeltune.generate.prices import Price, cost
from babeltune.records import Output, Request, Sampling
from batchserver import BatchServer, providing
from faultserver import KEY, answer

PRICE = Price(input=2.0, output=8.0)
SAMPLING = Sampling(temperature=0.0, top_p=1.0, max_tokens=20)
SCHEMA = json.dumps({"type": "object", "properties": {"score": {"type": "integer"}, "reasoning": {"type": "string"}}})
QUICK = Terms(OPENAI.requests, OPENAI.bytes, first_pause=0.005, longest_pause=0.02)


def request(name: str, prompt: str = "", **changed: Any) -> Request:
    made = Request(name, "cell", prompt or f"Judge {name}.", SAMPLING, 42, system="You judge.")
    return dataclasses.replace(made, **changed)


def requests(count: int, word: str = "ok") -> list[Request]:
    return [request(f"i{number}", f"Judge i{number}. <<{word}>>") for number in range(count)]


def right(asked: Request) -> str:
    return answer(asked.prompt, asked.seed)


class Bench:
    """A provider, a ledger, and engines between them."""

    def __init__(self, folder: Path, server: BatchServer, url: str) -> None:
        self.path = folder / "ledger.sqlite"
        self.ledger = Ledger(self.path)
        self.server = server
        self.url = url

    def engine(self, *, terms: Terms = QUICK, most_cost: float | None = None, **endpoint: Any) -> BatchFileEngine:
        whom = Endpoint(**{"model": "judge-1", "base_url": self.url, "key_variable": "TEST_KEY", "tries": 2,
                           "most_wait": 0.02, **endpoint})  # fmt: skip
        return BatchFileEngine(whom, self.ledger, prices={"judge-1": PRICE}, most_cost=most_cost, terms=terms)

    def run(self, asked: list[Request], **how: Any) -> dict[str, Output]:
        outputs = list(self.engine(**how).complete(asked))
        assert len(outputs) == len(asked)
        return {one.id: one for one in outputs}

    def left_open(self) -> Batch:
        """A batch of the first ten requests, of which the provider did not say how far it is."""
        self.server.faults["retrieve"] = ["404"]
        with pytest.raises(EngineError, match="is the key that of the account"):
            self.run(requests(10))
        (left,) = self.ledger.batches()
        return left

    @property
    def ordinary(self) -> int:
        """Requests of the tests' that were asked outside of a batch."""
        return sum(count for name, count in self.server.counts.items() if "|Judge" in name)

    def charged(self) -> float:
        """What the provider asks for, to the token."""
        full, half = self.server.paid, self.server.charged
        return cost(PRICE, full["prompt"], 0, full["completion"]) + cost(
            PRICE, half["prompt"], 0, half["completion"], batch=True
        )


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("TEST_KEY", KEY)
    server = BatchServer(key=KEY)
    with ExitStack() as held:
        made = Bench(tmp_path, server, held.enter_context(providing(server)))
        held.enter_context(made.ledger)
        yield made


def test_a_batch_answers_all_but_the_first_at_half_the_price(bench):
    twins = [request(f"twin {name}", f"Judge {name}. <<ok>>", cell="other") for name in ("i0", "i7")]
    asked = [*requests(30), *twins]
    found = bench.run(asked)
    assert {one.id: right(one) for one in asked} == {name: one.text for name, one in found.items()}
    assert {one.finish for one in found.values()} == {"eos"}
    assert len(bench.server.batches) == 1
    assert bench.server.worked.total() == len(bench.server.worked) == 29
    assert bench.ordinary == 1
    assert bench.ledger.spent().dollars == pytest.approx(bench.charged(), abs=1e-12)
    assert bench.ledger.batches() == []
    entry = next(entry for entry in bench.ledger.entries() if entry.item == "i8")
    assert (entry.state, entry.purpose, entry.answered_by, entry.tries, entry.seconds) == (
        "answered", "cell", "judge-1", 1, 60.0,
    )  # fmt: skip
    assert json.loads(entry.raw)["choices"][0]["message"]["content"] == entry.text
    assert json.loads(entry.sent)["messages"][1]["content"] == "Judge i8. <<ok>>"


def test_what_the_ledger_has_is_not_sent(bench):
    bench.run(requests(10))
    before = bench.server.asked, bench.server.calls.copy()
    assert all(one.text for one in bench.run(requests(10)).values())
    assert (bench.server.asked, bench.server.calls) == before
    bench.run(requests(14))
    assert bench.server.worked.total() == len(bench.server.worked) == 9 + 3


def test_what_is_done_is_not_yielded(bench):
    done = {("cell", "i0"), ("cell", "i2")}
    assert {one.id for one in bench.engine().complete(requests(4), done)} == {"i1", "i3"}


def test_nothing_to_ask_asks_nothing(bench):
    assert bench.run([]) == {}
    assert bench.server.asked == 0


WORDS = {
    "ok": ("eos", "answered"),
    "empty": ("failed", "empty"),
    "null": ("failed", "empty"),
    "refusal": ("refused", "refused"),
    "400filter": ("refused", "refused"),
    "nousage": ("eos", "answered"),
    "400": ("failed", "failed"),
    "429": ("failed", "failed"),
    "500": ("failed", "failed"),
}


def test_every_line_ends_in_a_stated_state(bench):
    asked = [request("first"), *(request(word, f"Judge. <<{word}>>") for word in WORDS)]
    found = bench.run(asked)
    states = {entry.item: entry.state for entry in bench.ledger.entries() if entry.item in WORDS}
    assert {word: (found[word].finish, states[word]) for word in WORDS} == WORDS
    assert all(bool(one.reason) == (one.finish in ("failed", "refused")) for one in found.values())
    assert "The server says 500." in found["500"].reason
    spent = bench.ledger.spent()
    assert spent.dollars == pytest.approx(bench.charged(), abs=1e-12)
    assert spent.unsure > 0  # of the one without usage, at most


def test_another_run_asks_only_what_has_no_answer(bench):
    asked = [request("first"), *(request(word, f"Judge. <<{word}>>") for word in WORDS), *requests(5)]
    bench.run(asked)
    bench.server.worked.clear()
    bench.server.refuses = ()
    bench.run(asked)
    (batch,) = list(bench.server.batches.values())[1:]
    again = {json.loads(line)["body"]["messages"][1]["content"]
             for line in bench.server.files[batch["input_file_id"]].splitlines()}  # fmt: skip
    without = {word for word, (finish, _) in WORDS.items() if finish == "failed"}
    assert again < {f"Judge. <<{word}>>" for word in without}  # one of them was the ordinary call
    assert len(again) == len(without) - 1


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_a_batch_that_is_broken_off_keeps_what_came(bench, status):
    bench.server.ends = [f"{status}:12"]
    found = bench.run(requests(30))
    assert Counter(one.finish for one in found.values()) == {"eos": 13, "failed": 17}
    assert all(f"The batch is {status}." in one.reason for one in found.values() if one.finish == "failed")
    assert bench.ledger.batches() == []
    found = bench.run(requests(30))
    assert {one.finish for one in found.values()} == {"eos"}
    assert set(bench.server.worked.values()) == {1}
    assert bench.ledger.spent().dollars == pytest.approx(bench.charged(), abs=1e-12)


def test_lines_that_are_in_no_file_are_failed(bench):
    bench.server.ends = ["silent:3"]
    found = bench.run(requests(10))
    assert Counter(one.finish for one in found.values()) == {"eos": 4, "failed": 6}
    assert "nothing came back" in found["i9"].reason


def test_a_file_that_is_refused_costs_nothing(bench, caplog):
    bench.server.ends = ["failed:line 2 is no JSON"]
    found = bench.run(requests(5))
    assert Counter(one.finish for one in found.values()) == {"eos": 1, "failed": 4}
    assert all("line 2 is no JSON" in one.reason for one in found.values() if one.finish == "failed")
    assert "line 2 is no JSON" in caplog.text
    assert bench.server.worked.total() == 0
    assert bench.ledger.spent().dollars == pytest.approx(bench.charged(), abs=1e-12)
    assert bench.ledger.committed() == bench.ledger.spent().dollars
    assert {one.finish for one in bench.run(requests(5)).values()} == {"eos"}


@pytest.mark.parametrize(
    ("terms", "files"),
    [
        (dataclasses.replace(QUICK, requests=10), [10, 10, 9]),
        (dataclasses.replace(QUICK, bytes=3_000), None),
    ],
)
def test_a_file_keeps_to_what_the_provider_takes(bench, terms, files):
    all_there_once(bench, requests(30), terms=terms)
    sent = [bench.server.files[one["input_file_id"]] for one in bench.server.batches.values()]
    assert len(sent) > 1
    assert all(len(content) <= terms.bytes for content in sent)
    assert sum(content.count(b"\n") for content in sent) == 29
    assert files is None or [content.count(b"\n") for content in sent] == files


def test_requests_go_out_in_their_order(bench):
    bench.run(requests(30))
    lines = [json.loads(line) for content in bench.server.files.values() for line in content.splitlines()
             if b'"method"' in line]  # fmt: skip
    assert [line["body"]["messages"][1]["content"] for line in lines] == [one.prompt for one in requests(30)[1:]]


def test_under_a_cap_as_many_go_as_fit_and_the_others_are_unsent(bench):
    cap = 0.004
    asked = requests(40)
    found = bench.run(asked, most_cost=cap)
    finishes = [found[one.id].finish for one in asked]
    sent = finishes.count("eos")
    assert 1 < sent < 40
    assert finishes == ["eos"] * sent + ["unsent"] * (40 - sent)
    assert "0.004 dollars" in found["i39"].reason
    (batch,) = bench.server.batches.values()
    assert bench.server.files[batch["input_file_id"]].count(b"\n") == sent - 1
    assert bench.ledger.committed() < cap
    rounds = 1
    while any(one.finish == "unsent" for one in bench.run(asked, most_cost=cap).values()) and rounds < 20:
        rounds += 1
    assert bench.charged() <= cap
    assert set(bench.server.worked.values()) == {1}


def test_a_cap_counts_what_open_batches_may_cost(bench):
    bench.ledger.begin_batch(Batch("t", "http://elsewhere/v1", "judge-1", reserve=0.01), [])
    found = bench.run(requests(3), most_cost=0.01)
    assert {one.finish for one in found.values()} == {"unsent"}
    assert bench.server.asked == 0


def test_without_a_price_no_cost_is_written(bench):
    engine = BatchFileEngine(Endpoint("judge-1", bench.url, "TEST_KEY"), bench.ledger, terms=QUICK)
    assert len(list(engine.complete(requests(3)))) == 3
    assert {entry.cost for entry in bench.ledger.entries()} == {None}


@pytest.mark.parametrize(
    ("room", "looks", "most"), [(10, 3, 8), (5, 1, OPENAI.requests)], ids=["batches wait", "a larger one is halved"]
)
def test_what_the_provider_has_no_room_for_yet_is_sent_later(bench, room, looks, most):
    bench.server.room, bench.server.looks = room, looks
    all_there_once(bench, requests(32), terms=dataclasses.replace(QUICK, requests=most))


def test_without_any_room_requests_fail(bench):
    bench.server.room = 0
    found = bench.run(requests(4))
    assert Counter(one.finish for one in found.values()) == {"eos": 1, "failed": 3}
    assert "Enqueued token limit reached." in found["i3"].reason


CHILD = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from test_batchfile import *
bench = Bench(Path({folder!r}), None, {url!r})
for output in bench.engine(terms=dataclasses.replace(QUICK, requests=12)).complete(requests(30)):
    print(output.id, flush=True)
"""


def killed_at(bench: Bench, call: str, at: int) -> bool:
    """Run a process that is killed when the provider has done a call for the so-manieth time, before it answers.

    Any call counts where ``call`` is empty. Whether it was killed, as it may end before.
    """
    child: list[subprocess.Popen[bytes]] = []
    counted = 0

    def called(name: str) -> None:
        nonlocal counted
        counted += name == call or not call
        if counted == at:
            os.kill(child[0].pid, signal.SIGKILL)
            child[0].wait()

    bench.server.called = called
    code = CHILD.format(path=sys.path, folder=str(bench.path.parent), url=bench.url)
    child.append(subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.DEVNULL))
    ended = child[0].wait(timeout=60)
    assert ended in (0, -signal.SIGKILL)
    bench.server.called = lambda name: None
    return ended != 0


def all_there_once(bench: Bench, asked: list[Request], **how: Any) -> None:
    found = bench.run(asked, **how)
    assert {name: one.text for name, one in found.items()} == {one.id: right(one) for one in asked}
    assert set(bench.server.worked.values()) == {1}
    assert bench.ordinary + bench.server.worked.total() == len(asked)
    assert bench.ledger.batches() == []
    assert bench.ledger.spent().dollars == pytest.approx(bench.charged(), abs=1e-12)


@pytest.mark.parametrize(("call", "at"), [("upload", 2), ("create", 3), ("retrieve", 4), ("content", 2)])
def test_killed_at_any_step_nothing_is_lost_or_paid_twice(bench, call, at):
    bench.server.looks = 2
    assert killed_at(bench, call, at)
    all_there_once(bench, requests(30))


@pytest.mark.slow
def test_killed_at_each_call_in_turn_nothing_is_lost_or_paid_twice(bench):
    """The first process at its first call, the second at its second, on the same ledger."""
    bench.server.looks = 4
    kills = 0
    while killed_at(bench, "", kills + 1):
        kills += 1
    assert kills > 5
    all_there_once(bench, requests(30))


def test_a_caller_who_stops_loses_nothing(bench):
    outputs = bench.engine().complete(requests(20))
    assert [next(outputs).id, next(outputs).id]  # the ordinary one, and the first of the batch
    outputs.close()
    bench.run(requests(20))
    assert set(bench.server.worked.values()) == {1}
    assert len(bench.server.batches) == 1


def test_what_an_open_batch_holds_is_waited_for_and_not_sent(bench):
    assert bench.left_open().id
    found = bench.run(requests(12))
    assert all(one.finish == "eos" for one in found.values())
    assert set(bench.server.worked.values()) == {1}
    assert bench.server.worked.total() == 9 + 1  # one of the two new ones was the ordinary call


def test_another_batch_that_has_ended_is_kept_in_passing(bench):
    bench.left_open()
    bench.run([request("a"), request("b")])
    assert bench.ledger.batches() == []
    bench.server.calls.clear()
    assert all(one.finish == "eos" for one in bench.run(requests(10)).values())
    assert bench.server.calls.total() == 0


def test_another_batch_that_has_not_ended_is_not_waited_for(bench):
    left = bench.left_open()
    bench.server.looks = 3
    bench.server.batches[left.id]["looks"] = -1000
    bench.run([request("a"), request("b")])
    assert bench.ledger.batches() == [left]


def test_another_batch_that_the_provider_does_not_know_stops_nothing(bench, caplog):
    left = Batch("t", bench.url, "judge-1", "file-9", "batch_9")
    bench.ledger.begin_batch(left, [Waiting("k", "{}", "cell", "i")])
    assert {one.finish for one in bench.run(requests(3)).values()} == {"eos"}
    assert "does not show the batch batch_9" in caplog.text
    assert bench.ledger.batches() == [left]


def test_a_batch_at_another_server_is_left_alone(bench):
    left = Batch("t", "http://elsewhere/v1", "judge-1", "file-9", "batch_9")
    bench.ledger.begin_batch(left, [Waiting("k", "{}", "cell", "i")])
    assert len(bench.run(requests(3))) == 3
    assert bench.ledger.batches() == [left]


@pytest.mark.parametrize(
    ("fault", "lag", "forgetful"),
    [
        *((fault, lag, False) for fault in ("reset", "500") for lag in (0, 1)),  # made, and nobody heard of it
        ("reset", 0, True),  # by a provider that loses metadata
        ("503", 0, False),  # not made
        ("429", 0, False),
    ],
)
def test_a_batch_is_made_once_whatever_is_heard_of_it(bench, fault, lag, forgetful):
    bench.server.faults["create"], bench.server.lag, bench.server.forgetful = [fault], lag, forgetful
    all_there_once(bench, requests(10))
    assert len(bench.server.batches) == 1


def test_a_batch_is_found_on_a_later_page(bench):
    bench.server.page = 2
    for number in range(9):
        name = f"old_{number}"
        bench.server.batches[name] = {"id": name, "object": "batch", "created_at": 1, "status": "completed",
                                      "input_file_id": "f", "completion_window": "24h", "endpoint": "e"}  # fmt: skip
    bench.server.faults["create"] = ["reset"]
    bench.server.called = lambda call: (
        bench.server.batches.update(late=bench.server.batches.pop("old_8")) if call == "create" else None
    )
    bench.run(requests(10))
    assert bench.server.calls["create"] == 1


@pytest.mark.parametrize(
    ("call", "fault"),
    [("upload", "503"), ("upload", "reset"), ("retrieve", "reset"), ("retrieve", "html"), ("content", "reset")],
)
def test_calls_that_cost_nothing_are_made_again(bench, call, fault):
    bench.server.faults[call] = [fault]
    assert {one.finish for one in bench.run(requests(10)).values()} == {"eos"}
    assert len(bench.server.batches) == 1


def test_a_silent_provider_is_given_up_and_gone_on_with(bench, monkeypatch):
    monkeypatch.setattr("babeltune.generate.filing.filing._SILENT", 3)
    bench.server.faults["retrieve"] = ["503"] * 3
    with pytest.raises(EngineError, match=r"does not say how far the batch batch_0 is .*run again later"):
        bench.run(requests(10), tries=1)
    bench.run(requests(10))
    assert set(bench.server.worked.values()) == {1}


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"upload": ["404"]}, r"takes no file of requests .*batch_files: false"),
        ({"upload": ["html"]}, "takes no file of requests"),
        ({"upload": ["401"]}, "takes no file of requests"),
        ({"create": ["404"]}, r"makes no batch of the file .*batch_files: false"),
        ({"create": ["html", "html"]}, "makes no batch of the file"),
        ({"create": ["reset"], "list": ["404"]}, "does not say whether it has made a batch"),
        ({"create": ["reset"], "list": ["html"]}, "does not say whether it has made a batch"),
        ({"content": ["503", "503"]}, "does not hand over the file"),
        ({"content": ["html"]}, "does not hand over the file"),
    ],
)
def test_a_provider_that_will_not_is_named_and_the_next_run_goes_on(bench, faults, said):
    bench.server.faults = faults
    with pytest.raises(EngineError, match=said) as caught:
        bench.run(requests(10))
    assert "judge-1 at http://127.0.0.1" in str(caught.value)
    assert KEY not in str(caught.value)
    bench.server.faults = {}
    assert {one.finish for one in bench.run(requests(10)).values()} == {"eos"}
    assert set(bench.server.worked.values()) == {1}
    assert bench.ledger.batches() == []


def test_answers_that_the_provider_has_deleted_count_as_paid(bench):
    bench.server.faults["content"] = ["404"]
    found = bench.run(requests(10))
    assert Counter(one.finish for one in found.values()) == {"eos": 1, "failed": 9}
    assert "is gone" in found["i3"].reason
    assert bench.ledger.spent().unsure > 0
    assert {one.finish for one in bench.run(requests(10)).values()} == {"eos"}


def test_a_line_that_cannot_be_read_counts_as_paid(bench):
    bench.server.ends, bench.server.garbled = ["silent:8"], b'{"custom_id": "a1", "resp\n'
    found = bench.run(requests(10))
    assert Counter(one.finish for one in found.values()) == {"eos": 9, "failed": 1}
    assert "cannot be read" in found["i9"].reason
    assert bench.ledger.spent().unsure > 0


def test_half_a_character_is_asked_for(bench):
    found = bench.run([request("first"), request("half", "Judge \ud800 half. <<refusal>>")])
    assert found["half"].finish == "refused"
    (entry,) = (entry for entry in bench.ledger.entries() if entry.item == "half")
    assert json.loads(entry.sent)["messages"][1]["content"] == "Judge \ud800 half. <<refusal>>"


def test_the_key_is_written_nowhere(bench, caplog, tmp_path):
    caplog.set_level(logging.DEBUG, "babeltune")
    asked = [request("first"), *(request(f"e{number}", f"Judge {number}. <<echo>>") for number in range(3))]
    found = bench.run(asked)
    assert all(KEY not in one.reason for one in found.values())
    assert "[account key]" in found["e0"].reason
    assert KEY not in caplog.text
    bench.ledger.close()
    for path in tmp_path.iterdir():
        assert KEY.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"refuses": ("max_tokens",)}, {"max_completion_tokens"}),
        ({"refuses": ("seed", "temperature")}, {"max_tokens"}),
        ({"schemas": "none"}, {"max_tokens"}),
        ({"schemas": "json"}, {"response_format"}),
        ({}, {"response_format"}),
    ],
)
def test_a_file_speaks_the_servers_dialect(bench, changes, fields):
    for name, value in changes.items():
        setattr(bench.server, name, value)
    engine = bench.engine()
    engine.ordinary.check(schemas=True)
    asked = [dataclasses.replace(one, schema=SCHEMA) for one in requests(5)]
    assert {one.finish for one in engine.complete(asked)} == {"eos"}
    (batch,) = bench.server.batches.values()
    for line in bench.server.files[batch["input_file_id"]].splitlines():
        body = json.loads(line)["body"]
        assert fields <= body.keys()
        assert not body.keys() & set(bench.server.refuses)
        assert (body.get("response_format") or {"type": None})["type"] == {
            "none": None, "json": "json_object", "schema": "json_schema",
        }[bench.server.schemas]  # fmt: skip


def test_each_kind_of_request_is_asked_once_before_it_is_filed(bench):
    bench.server.refuses = ("stop",)
    stops = dataclasses.replace(SAMPLING, stop=("reasoning",))
    asked = requests(5) + [request(f"s{number}", sampling=stops) for number in range(5)]
    found = bench.run(asked)
    assert {one.finish for one in found.values()} == {"eos", "stop"}
    assert all(found[f"s{number}"].text == '{"' for number in range(5))
    assert bench.server.worked.total() == 8


def test_any_text_is_asked_and_answered(bench):
    texts = ["Grüße, 世界", "two\nlines\r\n", "\u2028 \u2029 \x85", '"}]}\\', "\x00"]
    asked = [request("first"), *(request(f"t{number}", text) for number, text in enumerate(texts))]
    found = bench.run(asked)
    assert {one.id: right(one) for one in asked[1:]} == {
        name: one.text for name, one in found.items() if name != "first"
    }


@pytest.mark.parametrize(
    "changed",
    [{"system": None}, {"prefix": "Yes"}, {"adapter": "folder"}, {"candidates": ("a", "b")}],
)
def test_what_no_file_takes_is_refused(bench, changed):
    with pytest.raises(EngineError, match="cell, request odd"):
        bench.run([request("odd", **changed)])


def test_probabilities_are_refused(bench):
    with pytest.raises(EngineError, match="how likely"):
        bench.engine().loglikelihood([request("a")])


def test_progress_is_told(bench, caplog):
    caplog.set_level(logging.INFO, "babeltune.generate")
    bench.server.looks = 3
    bench.run(requests(10))
    assert "Batch batch_0: 9 requests sent, for" in caplog.text
    assert "Batch batch_0: in progress, 0 of 9 requests." in caplog.text
    assert "Batch batch_0: completed, 9 of 9 requests." in caplog.text
