from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asking import COLD, MODEL, PATIENCE, PRICE, Bench, bench, judge
from babeltune.errors import EngineError, InputError, StoreError
from babeltune.generate.asking import exchange
from babeltune.generate.asking.address import Endpoint
from babeltune.generate.endpoint import EndpointEngine
from babeltune.generate.ledger import Ledger
from babeltune.generate.prices import Price, upper_bound
from babeltune.records import Request
from faultserver import FAULTS, KEY, answer


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


ANSWERED = {
    "ok": 1, "429,ok": 2, "429:0.04,ok": 2, "429ms:20,ok": 2, "429date:0,ok": 2, "500,502,503,ok": 4, "408,ok": 2,
    "409,ok": 2, "reset,ok": 2, "reset0,ok": 2, "slow": 1, "truncated,ok": 2, "html,ok": 2, "gzip,ok": 2,
    "empty,ok": 2, "null,empty,ok": 3, "cut": 1, "other": 1, "nousage": 1, "fenced": 1, "two": 1, "string": 1, "seven": 1,
}  # fmt: skip
"""Script of a request that is answered -> tries that it takes."""
FAILED = {
    "429": 4, "500": 4, "502": 4, "503": 4, "408": 4, "409": 4, "reset": 4, "reset0": 4,
    "truncated": 4, "html": 4, "gzip": 4, "empty": 3, "null": 3, "400": 1, "long": 1, "echo": 1,
}  # fmt: skip
REFUSED = ("refusal", "filter", "400filter")
FATAL = {
    "301": "check base_url",
    "401": "does not accept the key in $OPENAI_API_KEY: put a valid one",
    "402": "no credit left: add some",
    "403": "may not ask for this",
    "404": "check base_url",
    "quota": "no credit left: add some",
}


SILENT = ("hang,ok", "stall,ok", "drip,ok", "hang", "stall", "drip")
"""For which a try ends at its deadline."""


def test_every_fault_of_the_server_is_asked_for_here():
    scripts = [*ANSWERED, *FAILED, *REFUSED, *FATAL, *SILENT]
    assert set(FAULTS) == {word.partition(":")[0] for script in scripts for word in script.split(",")}


def test_each_fault_ends_in_a_stated_state(asked):
    scripts = [*ANSWERED, *FAILED, *REFUSED]
    said = asked.ask([f"<<{script}>>" for script in scripts])
    entries = asked.entries()
    assert len(entries) == len(scripts)
    for script, tries in ANSWERED.items():
        output, entry = said[f"<<{script}>>"], entries[f"<<{script}>>"]
        assert (output.finish, output.reason, entry.state) == ("length" if script == "cut" else "eos", "", "answered")
        assert output.text == entry.text != ""
        assert (entry.tries, asked.times(f"<<{script}>>")) == (tries, tries)
    for script, tries in FAILED.items():
        output, entry = said[f"<<{script}>>"], entries[f"<<{script}>>"]
        assert (output.finish, output.text, entry.text) == ("failed", "", "")
        assert entry.state == ("empty" if script in ("empty", "null") else "failed")
        assert output.reason
        # Others that are answered meanwhile let a request wait longer for its turn.
        assert (asked.times(f"<<{script}>>") == tries) or (script == "429" and asked.times("<<429>>") > tries)
    for script in REFUSED:
        assert (said[f"<<{script}>>"].finish, entries[f"<<{script}>>"].state) == ("refused", "refused")
        assert said[f"<<{script}>>"].reason
        assert asked.times(f"<<{script}>>") == 1
    assert asked.ledger.spent().dollars == pytest.approx(asked.paid(), abs=1e-12)


def test_silence_ends_at_the_deadline(asked):
    said = asked.ask([f"<<{script}>>" for script in SILENT], timeout=0.4, tries=3)
    for script in SILENT:
        output, entry = said[f"<<{script}>>"], asked.entries()[f"<<{script}>>"]
        assert (output.finish, entry.state) == (("eos", "answered") if script.endswith("ok") else ("failed", "failed"))
        assert 2 <= asked.times(f"<<{script}>>") == entry.tries <= 3
        assert ("no whole reply within 0.4 s" in output.reason) == (output.finish == "failed")
    assert asked.ledger.spent().unsure > 0


def test_what_is_answered_is_answered_as_it_was_said(asked):
    said = asked.ask(["plain", "<<fenced>>", "<<two>>", "<<string>>", "<<seven>>"])
    assert said["plain"].text == answer("plain", 0)
    assert said["plain"].tokens == len(answer("plain", 0).split())
    assert said["<<fenced>>"].text == f"```json\n{answer('<<fenced>>', 0)}\n```"
    assert said["<<two>>"].text.startswith(answer("<<two>>", 0) + "\n{")
    assert json.loads(said["<<string>>"].text)["score"] == "4"
    assert json.loads(said["<<seven>>"].text)["score"] == 7


def test_a_second_run_sends_only_what_has_no_answer(asked):
    prompts = [f"<<{script}>>" for script in ("ok", "refusal", "400filter", "filter", "400", "empty", "null", "503")]
    first = asked.ask(prompts)
    before = dict(asked.server.counts)
    # The next run is another process, for which the failing ones are mended.
    asked.server.counts.clear()
    asked.server.counts.update(before)
    again = asked.ask(prompts)
    for prompt in prompts[:4]:
        assert again[prompt] == first[prompt]
        assert asked.times(prompt) == 1
    for prompt in prompts[4:]:
        assert again[prompt].finish == "failed"
        assert asked.times(prompt) == 2 * before[f"0|{prompt}"]


def test_what_failed_is_answered_once_the_server_is_mended(asked):
    prompts = ["<<503,503,503,503,ok>>", "<<empty,null,empty,ok>>", "<<400,ok>>", "<<html,html,html,html,ok>>"]
    assert {output.finish for output in asked.ask(prompts).values()} == {"failed"}
    assert asked.ledger.answers(entry.key for entry in asked.ledger.entries()).keys() == {
        entry.key for entry in asked.ledger.entries() if entry.purpose == "check"
    }
    assert {output.finish for output in asked.ask(prompts).values()} == {"eos"}
    assert {entry.state for entry in asked.entries().values()} == {"answered"}
    assert asked.ledger.spent().dollars == pytest.approx(asked.paid(), abs=1e-12)  # the empty ones were paid for too


@pytest.mark.parametrize("script", FATAL)
def test_what_no_request_would_survive_ends_the_run(asked, script):
    engine = asked.engine(concurrency=2)
    engine.check(schemas=True)
    prompts = ["first", f"<<{script}>>", *(f"later {at}" for at in range(50))]
    with pytest.raises(EngineError) as told:
        list(engine.complete([judge(prompt) for prompt in prompts]))
    assert FATAL[script] in str(told.value)
    assert "What came back is kept" in str(told.value)
    assert asked.server.asked < len(prompts) / 2  # beside it a slot goes on until its reply is there: some, not all
    assert asked.entries()["first"].state == "answered"


def refused(asked: Bench, **how: object) -> str:
    with pytest.raises(EngineError) as told:
        asked.ask(["a", "b"], **how)
    assert asked.server.paid["replies"] == 0
    assert asked.entries() == {}
    return str(told.value)


def test_a_wrong_key_ends_it_before_the_first_paid_call(tmp_path, monkeypatch):
    monkeypatch.setenv("OTHER_KEY", "sk-wrong-0123456789")
    with bench(tmp_path, key=KEY) as asked:
        told = refused(asked, key_variable="OTHER_KEY")
        assert "does not accept the key in $OTHER_KEY" in told
        assert "sk-wrong" not in told
        assert asked.server.asked == 1
        monkeypatch.setenv("OTHER_KEY", KEY)
        assert asked.ask(["a"], key_variable="OTHER_KEY")["a"].finish == "eos"


def test_a_missing_key_ends_it_before_the_first_call(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        engine = EndpointEngine(Endpoint(MODEL), ledger)
        for ask in (engine.check, lambda: list(engine.complete([judge("a")]))):
            with pytest.raises(
                InputError, match=r"OPENAI_API_KEY: the environment variable is not set.* export OPENAI_API"
            ):
                ask()
        assert list(ledger.entries()) == []


def test_an_unknown_model_ends_it_before_the_first_paid_call(asked):
    with pytest.raises(EngineError, match=r"judge-9 at .*does not exist.*no such model: name one that .*/models lists"):
        asked.ask(["a"], model="judge-9", price=None)
    assert (asked.server.asked, asked.server.paid["replies"]) == (1, 0)


def test_a_wrong_base_url_ends_it_before_the_first_paid_call(asked):
    assert "check base_url" in refused(asked, base_url=asked.url.removesuffix("/v1") + "/v2/x")
    assert "Start the server, or correct base_url" in refused(asked, base_url="http://127.0.0.1:9/v1")


def test_all_that_keeps_an_endpoint_from_being_asked_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_KEY", raising=False)
    wrong = Endpoint(
        " ",
        "ftp://me:secret@host/v1",
        "NO_KEY",
        0,
        requests_per_minute=0,
        tokens_per_minute=-1,
        timeout=0,
        tries=0,
        most_wait=-1,
    )
    where = [problem.where for problem in wrong.problems()]
    assert where == ["base_url", "base_url", "model", "NO_KEY", "concurrency", "tries", "requests_per_minute",
                     "tokens_per_minute", "timeout", "most_wait"]  # fmt: skip
    with Ledger(tmp_path / "ledger.sqlite") as ledger, pytest.raises(InputError) as told:
        EndpointEngine(wrong, ledger).check()
    assert "secret" not in str(told.value)
    assert Endpoint(MODEL, "http://localhost:8000/v1").problems() == []
    for address in (
        "localhost:8000/v1",
        "http://localhost:80000/v1",
        "http://[::1/v1",
        "http:///v1",
        "https://a/v1?key=sk-1234",
    ):
        (problem,) = Endpoint(MODEL, address, "PATH").problems()
        assert "is no address" in problem.what
        assert "sk-1234" not in problem.what
    (problem,) = Endpoint(MODEL, "https://a/v1/chat/completions", "PATH").problems()
    assert "Leave out /chat/completions" in problem.fix


def test_a_cap_needs_a_price(asked):
    with pytest.raises(InputError, match=r"prices\.judge-1: a cap of 5 dollars, and no price of the model"):
        asked.engine(most_cost=5.0, price=None)
    assert asked.server.asked == 0


def test_no_server_is_asked_for_what_none_can_do(asked):
    for changed in ({"prefix": "Sure"}, {"adapter": "folder"}, {"candidates": ("a", "b")}):
        with pytest.raises(EngineError, match="Use engine: transformers or vllm"):
            list(asked.engine().complete([judge("a", **changed)]))
    with pytest.raises(EngineError, match="does not say how likely"):
        asked.engine().loglikelihood([judge("a")])
    assert asked.server.asked == 0


def test_the_key_is_in_nothing_that_stays(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with bench(tmp_path, key=KEY) as asked:
        said = asked.ask(["<<echo>>", "ok"])
        assert said["<<echo>>"].finish == "failed"
        assert "[account key]" in said["<<echo>>"].reason
        assert KEY not in repr(said)
        assert all(KEY not in repr(entry) for entry in asked.ledger.entries())
        with pytest.raises(EngineError) as told:
            asked.ask(["<<401>>"])
        assert KEY not in str(told.value)
    assert KEY not in caplog.text
    for path in tmp_path.iterdir():
        assert KEY.encode() not in path.read_bytes()


def test_as_many_are_in_flight_as_may_be_and_never_more(tmp_path):
    with bench(tmp_path, latency=0.02) as asked:
        asked.ask([f"{at}" for at in range(60)], concurrency=7)
        assert asked.server.most_flying == 7
        assert asked.server.asked == 61


def test_two_that_ask_for_the_same_are_sent_once(asked):
    requests = [judge("same", id=f"{at}", cell=f"cell {at % 3}") for at in range(40)]
    outputs = list(asked.engine(concurrency=4).complete([*requests, judge("other"), *requests[:0]]))
    assert sorted(output.id for output in outputs) == sorted([*(request.id for request in requests), "other"])
    assert {output.text for output in outputs if output.id != "other"} == {answer("same", 0)}
    assert asked.times("same") == 1


def test_what_is_done_is_neither_sent_nor_yielded(asked):
    outputs = list(asked.engine().complete([judge("a"), judge("b")], done={("cell", "a")}))
    assert [output.id for output in outputs] == ["b"]
    assert asked.times("a") == 0


def test_a_request_that_failed_is_not_sent_again_for_another_that_asks_the_same(asked):
    requests = [judge("<<400>>"), *(judge(f"{at}") for at in range(300)), judge("<<400>>", id="again")]
    outputs = {output.id: output for output in asked.engine().complete(requests)}
    assert outputs["again"].finish == "failed"
    assert outputs["again"].reason == outputs["<<400>>"].reason
    assert asked.times("<<400>>") == 1


def test_nothing_is_sent_where_everything_is_known(asked):
    prompts = [f"{at}" for at in range(300)]
    first = asked.ask(prompts)
    with asked.engine().ledger as ledger:
        engine = EndpointEngine(Endpoint(MODEL, "http://127.0.0.1:9/v1"), ledger)  # nobody is there
        assert {output.id: output for output in engine.complete(judge(prompt) for prompt in prompts)} == first


@pytest.mark.parametrize(
    ("limit", "prompts", "first", "seconds"),
    [
        # The check is the first of 13. What is sent in time may be received late.
        ({"requests_per_minute": 3000}, [f"{at}" for at in range(12)], 0, 12 * 0.02 - 0.05),
        # 101 tokens read and some 10 written: a request in 0.11 s, once the first replies have shown it.
        ({"tokens_per_minute": 60_000}, ["word " * 100 + f"{at}" for at in range(10)], 1, 8 * 0.1),
    ],
    ids=["requests", "tokens"],
)
def test_no_minute_has_more_than_the_limit(asked, limit, prompts, first, seconds):
    asked.server.keep = True
    asked.ask(prompts, **limit)
    assert asked.server.times[-1] - asked.server.times[first] >= seconds


def test_a_pause_that_the_server_asks_for_is_everyones(asked):
    asked.server.keep = True
    asked.engine().check(schemas=True)
    prompts = ["<<429:0.3,ok>>", *(f"<<slow>>{at}" for at in range(8)), *(f"{at}" for at in range(30))]
    asked.ask(prompts, concurrency=4, most_wait=1)
    said = [str(body["messages"][-1]["content"]) for body in asked.server.bodies]
    hit = said.index("<<429:0.3,ok>>")
    told = asked.server.times[hit]
    late = [at for at in asked.server.times[hit + 1 :] if at - told > 0.05]
    assert late
    assert min(late) - told >= 0.3


def test_a_server_that_asks_for_too_long_a_pause_ends_the_run(asked):
    with pytest.raises(
        EngineError, match=r"asks to wait 3,600 s .*longer than most_wait, 0\.05 s\. What came back is kept"
    ):
        asked.ask(["a", "<<429:3600>>"])


def test_who_is_told_to_wait_is_not_lost_while_others_are_answered(asked, monkeypatch):
    """A server that is busy says so many times; that is no fault as long as it gives answers."""
    monkeypatch.setattr(exchange, "backoff", lambda tries, most: 0.01)
    script = ",".join(["429:0.01"] * 12)
    said = asked.ask([f"<<{script},ok>>", *(f"<<slow>>{at}" for at in range(30))], concurrency=9, tries=3, most_wait=5)
    assert said[f"<<{script},ok>>"].finish == "eos"


def test_time_that_the_taker_is_away_counts_against_no_deadline(asked):
    engine = asked.engine(timeout=1.0, concurrency=4)
    outputs = []
    for output in engine.complete([judge(f"<<slow>>{at}") for at in range(8)]):
        outputs.append(output)
        if len(outputs) == 1:
            time.sleep(1.2)
    assert {output.finish for output in outputs} == {"eos"}
    assert all(asked.times(f"<<slow>>{at}") == 1 for at in range(8))


def test_who_stops_taking_keeps_what_came_back(tmp_path):
    with bench(tmp_path, latency=0.01) as asked:
        outputs = asked.engine(concurrency=5).complete([judge(f"{at}") for at in range(100)])
        taken = {next(outputs).id for _ in range(20)}
        outputs.close()
        kept = asked.entries()
        assert taken <= kept.keys()
        assert {entry.state for entry in kept.values()} == {"answered"}
        again = asked.ask([f"{at}" for at in range(100)])
        assert {output.finish for output in again.values()} == {"eos"}
        # Sent twice: only what was in flight.
        assert sum(times - 1 for name, times in asked.server.counts.items() if "Say" not in name) <= 5
        assert asked.ledger.spent().calls <= asked.server.paid["replies"]


@pytest.mark.parametrize("after", [1, 7, 30, 61, 99])
def test_ctrl_c_keeps_what_came_back(tmp_path, after):
    with bench(tmp_path, latency=0.003) as asked:

        def press() -> None:
            while asked.server.asked < after:
                time.sleep(0.0005)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=press)
        thread.start()
        taken = []
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012
            for output in asked.engine(concurrency=6).complete(judge(f"{at}") for at in range(5000)):
                taken.append(output.id)
        thread.join()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        kept = asked.entries()
        assert set(taken) <= kept.keys()
        # All but what was in flight is written, and nothing twice.
        assert asked.server.paid["replies"] - 6 <= asked.ledger.spent().calls <= asked.server.paid["replies"]
        assert asked.ledger.spent().calls - len(kept) == len(list(asked.ledger.entries())) - len(kept)


@pytest.mark.parametrize(
    ("schemas", "form", "types"),
    [
        ("schema", "schema", ["json_schema"]),
        ("json", "json", ["json_schema", "json_object"]),
        ("none", "text", ["json_schema", "json_object", None]),
        ("ignored", "text", ["json_schema", "json_object", None]),
    ],
)
def test_the_form_of_answers_is_found_out_by_asking_once(tmp_path, schemas, form, types):
    with bench(tmp_path, schemas=schemas, keep=True) as asked:
        engine = asked.engine()
        assert engine.check(schemas=True).format == form
        assert [(body.get("response_format") or {}).get("type") for body in asked.server.bodies] == types
        assert engine.check(schemas=True) == engine.check() == engine.finding
        assert len(asked.server.bodies) == len(types)
        outputs = list(engine.complete([judge(f"{at}") for at in range(20)]))
        assert {output.finish for output in outputs} == {"eos"}
        after = asked.server.bodies[len(types) :]
        assert len(after) == 20
        assert {(body.get("response_format") or {}).get("type") for body in after} == {types[-1]}
        if form == "schema":
            assert after[0]["response_format"]["json_schema"]["schema"]["required"] == ["reasoning", "score"]
            assert after[0]["response_format"]["json_schema"]["strict"] is True


def test_who_is_not_to_be_held_to_a_schema_is_not_asked_for_one(asked):
    asked.server.keep = True
    assert asked.engine().check().format is None
    list(asked.engine().complete([judge("a", schema="")]))
    assert all("response_format" not in body for body in asked.server.bodies)


def test_fields_that_a_server_refuses_are_left_out(tmp_path, caplog):
    with bench(tmp_path, refuses=("max_tokens", "temperature", "seed"), keep=True) as asked:
        said = asked.ask([f"{at}" for at in range(20)])
        assert {output.finish for output in said.values()} == {"eos"}
        last = asked.server.bodies[-1]
        assert last["max_completion_tokens"] == COLD.max_tokens
        assert not {"max_tokens", "temperature", "seed"} & last.keys()
        assert asked.server.asked <= 1 + 3 + 20
    assert "refuses the field 'seed'" in caplog.text


def test_a_text_is_continued(asked):
    engine = asked.engine()
    (output,) = engine.complete([Request("a", "cell", "Once", COLD, 0)])
    assert output.text.startswith(" and so on after 'Once'")
    assert engine.finding is None
    assert asked.server.asked == 1


def billed_never_passes(asked: Bench, cap: float, price: Price) -> None:
    assert asked.billed(price) <= cap
    assert asked.ledger.committed() <= cap + 1e-12


@pytest.mark.parametrize("calls", [0, 1, 3, 6, 500])
def test_the_cap_is_never_passed(asked, calls):
    price = Price(input=100.0, output=300.0)
    worst = upper_bound(price, 900, COLD.max_tokens)
    cap = worst * calls / 4 + 1e-9
    prompts = [f"{at}" for at in range(60)]
    said = asked.ask(prompts, most_cost=cap, price=price)
    billed_never_passes(asked, cap, price)
    finishes = [output.finish for output in said.values()]
    assert set(finishes) <= {"eos", "unsent"}
    assert (finishes.count("unsent") > 0) == (calls < 500)
    for output in said.values():
        assert ("spending cap" in output.reason) == (output.finish == "unsent")
    if calls == 6:
        assert asked.billed(price) > cap / 2  # what turned out cheaper was spent on others
    # With more money the next run goes on where this one stopped.
    again = asked.ask(prompts, most_cost=1000.0, price=price)
    assert {output.finish for output in again.values()} == {"eos"}
    assert all(asked.times(prompt) == 1 for prompt in prompts)


def test_what_may_have_been_paid_counts_against_the_cap(asked):
    """Answers that were cut off, and replies that do not say their tokens: what they cost is known to the provider alone."""
    price = Price(input=100.0, output=300.0)
    words = ("stall", "reset", "truncated", "nousage", "hang")
    cap = 40 * upper_bound(price, 600, COLD.max_tokens)
    for _ in range(3):
        said = asked.ask([f"<<{words[at % 5]}>>{at}" for at in range(30)], most_cost=cap, price=price, timeout=0.1)
        billed_never_passes(asked, cap, price)
    assert {output.finish for output in said.values()} >= {"unsent"}
    spent = asked.ledger.spent()
    assert spent.dollars == pytest.approx(asked.paid(price), abs=1e-12)  # known to the token
    assert spent.unsure >= asked.billed(price) - spent.dollars


def test_what_was_in_flight_when_it_ended_counts_against_the_next_cap(tmp_path):
    with bench(tmp_path, latency=0.05) as asked:
        outputs = asked.engine(concurrency=6, most_cost=10.0).complete([judge(f"{at}") for at in range(50)])
        next(outputs)
        outputs.close()
        spent = asked.ledger.spent()
        assert spent.unsure > 0
        time.sleep(0.2)  # the server finishes what it was asked
        assert spent.dollars + spent.unsure >= asked.billed()


def test_a_server_that_has_gone_ends_the_run_and_nothing_is_lost(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        with bench(tmp_path / "other") as asked:
            engine = EndpointEngine(
                Endpoint(MODEL, asked.url, **PATIENCE | {"tries": 2}), ledger, prices={MODEL: PRICE}
            )
            outputs = engine.complete(judge(f"{at}") for at in range(10_000))
            taken = [next(outputs) for _ in range(50)]
            asked.server.ratio = 1  # from now on every request fails
            with pytest.raises(
                EngineError, match=r"HTTP 503.*wait until it does, and run again.*What came back is kept"
            ):
                taken += outputs
            failed = [output for output in taken if output.finish == "failed"]
            assert 10 <= len(failed) < 20 + 3 * 8
        assert sum(entry.state == "answered" for entry in ledger.entries()) >= len(taken) - len(failed)


def test_many_that_fail_alone_do_not_end_the_run(asked):
    """As when a rerun has only those left that the server chokes on."""
    said = asked.ask([f"<<503>>{at}" for at in range(70)], tries=2)
    assert {output.finish for output in said.values()} == {"failed"}
    assert asked.ask(["well"])["well"].finish == "eos"


def test_a_full_disk_is_told_and_nothing_is_yielded_that_is_not_kept(asked):
    engine = asked.engine()
    engine.check(schemas=True)
    with asked.ledger._base.reading() as db:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count={pages + 12}")
    taken = []
    with pytest.raises(StoreError, match="Make space on the disk"):  # noqa: PT012
        for output in engine.complete(judge("word " * 200 + f"{at}") for at in range(1000)):
            taken.append(output.id)
    assert set(taken) <= asked.entries().keys()
    assert asked.server.asked < 200


def test_inside_a_running_loop_it_says_so(asked):
    import asyncio

    async def notebook() -> None:
        with pytest.raises(EngineError, match=r"asyncio\.to_thread"):
            list(asked.engine().complete([judge("a")]))
        outputs = await asyncio.to_thread(lambda: list(asked.engine().complete([judge("a")])))
        assert outputs[0].finish == "eos"

    asyncio.run(notebook())


def test_requests_are_read_as_slots_come_free(asked):
    read = []

    def requests() -> Iterator[Request]:
        for at in range(5000):
            read.append(at)
            yield judge(f"{at}")

    outputs = asked.engine(concurrency=4).complete(requests())
    next(outputs)
    assert len(read) <= 2 * 256
    outputs.close()


def test_an_engine_may_be_asked_while_another_is_answering(asked):
    """As a judge that reads translations, which are asked for as it goes."""

    def translated() -> Iterator[Request]:
        for output in asked.engine().complete(judge(f"inner {at}") for at in range(60)):
            yield judge(f"outer {output.id}")

    assert sum(output.finish == "eos" for output in asked.engine().complete(translated())) == 60
