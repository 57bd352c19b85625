from __future__ import annotations

import dataclasses
import json
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.errors import LockedError, StoreError
from babeltune.generate.ledger import KEPT, STATES, Batch, Entry, Ledger, Spent, Waiting, key_of
from babeltune.records import Request, Sampling

COLD = Sampling(temperature=0.0, top_p=1.0, max_tokens=100)
SECRET = "sk-proj-Abc/123-not-a-real-one"


def entry(key: str = "a1", state: str = "answered", **changed: object) -> Entry:
    answer = Entry(
        key=key,
        model="judge",
        answered_by="judge-0125",
        state=state,
        text="4" if state == "answered" else "",
        finish="eos" if state == "answered" else state,
        raw='{"choices": []}',
        prompt_tokens=100,
        cached_tokens=20,
        completion_tokens=10,
        seconds=0.5,
        tries=1,
        cost=0.25,
        purpose="cell",
        item="p1",
        at="2026-01-02T03:04:05+00:00",
        sent='{"messages": []}',
    )
    return dataclasses.replace(answer, **changed)


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "runs" / "ledger.sqlite") as made:
        yield made


def test_entries_come_back_as_they_went_in(ledger):
    first, second = entry("a1"), entry("b2", "refused", cost=None, text="", raw="{}")
    ledger.write_many([first, second])
    assert ledger.answers(["b2", "a1", "c3"]) == {"a1": first, "b2": second}
    assert list(ledger.entries()) == [first, second]


TEXTS = ["", "two\nlines\r\n", "nul \x00 inside", "\ud800 half", "\U0001f600", "'; DROP TABLE entries; --", "\x1b[31m"]


@given(st.lists(st.text() | st.sampled_from(TEXTS), min_size=4, max_size=4))
def test_any_text_comes_back(tmp_path_factory, texts):
    text, raw, purpose, item = texts
    whole = entry(text=text, raw=raw, purpose=purpose, item=item, sent=text + raw)
    with Ledger(tmp_path_factory.mktemp("any") / "ledger.sqlite") as ledger:
        ledger.write(whole)
        assert ledger.answers(["a1"]) == {"a1": whole}


@pytest.mark.parametrize("state", [state for state in STATES if state not in KEPT])
def test_what_is_no_answer_is_never_served_as_one(ledger, state):
    ledger.write(entry(state=state))
    assert ledger.answers(["a1"]) == {}
    assert [one.state for one in ledger.entries()] == [state]


@pytest.mark.parametrize("last", STATES)
@pytest.mark.parametrize("first", STATES)
def test_an_answer_stays_and_a_failure_makes_room(ledger, first, last):
    ledger.write(entry(state=first, raw="first"))
    ledger.write(entry(state=last, raw="last"))
    (kept,) = ledger.entries()
    assert kept.raw == ("first" if first in KEPT else "last")
    assert kept.state == (first if first in KEPT else last)


def test_every_paid_reply_counts_whatever_became_of_it(ledger):
    ledger.write(entry(state="empty", prompt_tokens=7, cached_tokens=1, completion_tokens=2, cost=0.5))
    ledger.write(entry(state="failed", prompt_tokens=0, cached_tokens=0, completion_tokens=0, cost=0.0))  # no reply
    ledger.write(entry(state="failed", prompt_tokens=5, cached_tokens=0, completion_tokens=3, cost=0.125))
    ledger.write(entry(prompt_tokens=11, cached_tokens=4, completion_tokens=6, cost=0.25))
    ledger.write(entry("b2", model="other", cost=None, prompt_tokens=1, cached_tokens=0, completion_tokens=1))
    assert ledger.spent() == Spent(4 - 1 + 1, 24, 5, 12, 0.875, 1)
    assert ledger.spent_by("model") == {"judge": Spent(3, 23, 5, 11, 0.875, 0), "other": Spent(1, 1, 0, 1, 0.0, 1)}
    assert ledger.spent_by("purpose") == {"cell": ledger.spent()}
    assert ledger.prune(STATES) == 2
    assert list(ledger.entries()) == []
    assert ledger.spent() == Spent(4, 24, 5, 12, 0.875, 1)


def test_nothing_written_is_nothing_spent(ledger):
    assert ledger.spent() == Spent() == Spent(0, 0, 0, 0, 0.0, 0)
    assert ledger.spent_by("model") == {}


def test_what_nobody_told_of_is_told_apart_and_counts_as_committed(ledger):
    ledger.write(entry("a1", cost=0.25, unsure=0.125))
    ledger.write(entry("b2", "failed", cost=0.0, unsure=0.5, prompt_tokens=0, cached_tokens=0, completion_tokens=0))
    ledger.write(entry("c3", "failed", cost=0.0, prompt_tokens=0, cached_tokens=0, completion_tokens=0))
    ledger.write(entry("d4", "refused", cost=0.0, prompt_tokens=0, cached_tokens=0, completion_tokens=0))
    spent = ledger.spent()
    assert (spent.calls, spent.dollars, spent.unsure) == (1, 0.25, 0.625)
    ledger.begin_batch(Batch("t1", "http://localhost", "judge", reserve=2.0), [])
    assert ledger.committed() == 2.875


def test_a_pledge_counts_until_it_is_taken_back(ledger):
    ledger.pledge("run 1", 3.0)
    ledger.pledge("run 2", 1.0)
    ledger.pledge("run 1", 4.0)
    assert (ledger.spent().unsure, ledger.committed()) == (5.0, 5.0)
    ledger.pledge("run 1", 0.0)
    ledger.pledge("run 3", 0.0)
    assert ledger.committed() == 1.0
    with Ledger(ledger.path) as another:
        assert another.committed() == 1.0


def test_pruning_spares_answers_unless_they_are_named(ledger):
    ledger.write_many(entry(f"{at}", state) for at, state in enumerate(STATES))
    ledger.write(entry("other", "failed", model="other"))
    ledger.write(entry("cell", "failed", purpose="other cell"))
    assert ledger.prune(purpose="other cell") == 1
    assert ledger.prune(model="other") == 1
    assert ledger.prune() == 2
    assert [one.state for one in ledger.entries()] == ["answered", "refused"]
    assert ledger.prune(["refused"]) == 1
    assert ledger.prune([]) == 0
    assert [one.state for one in ledger.entries()] == ["answered"]


def test_entries_are_found_by_model_state_purpose_and_key(ledger):
    ledger.write_many(
        [entry("aa"), entry("ab", "failed"), entry("fa", model="other"), entry("ff", purpose="translate de")]
    )

    def found(**wanted: str) -> list[str]:
        return [one.key for one in ledger.entries(**wanted)]

    assert found(model="other") == ["fa"]
    assert found(state="failed") == ["ab"]
    assert found(purpose="translate de") == ["ff"]
    assert found(key="a") == ["aa", "ab"]
    assert found(key="f") == ["fa", "ff"]
    assert found(key="ab") == ["ab"]
    assert found(model="judge", state="answered", purpose="cell") == ["aa"]
    assert ledger.counts()["judge", "answered", "cell"] == 1


def test_all_or_none_of_many_are_kept(ledger):
    def broken():
        yield entry("a1")
        raise ValueError("the reply was cut")

    with pytest.raises(ValueError, match="cut"):
        ledger.write_many(broken())
    assert list(ledger.entries()) == []
    assert ledger.spent().calls == 0
    ledger.write(entry("b2"))
    assert list(ledger.answers(["a1", "b2"])) == ["b2"]


def test_many_answers_are_read_in_bulk(ledger):
    keys = [key_of("judge", Request("", "", f"{at}", COLD, 42)) for at in range(20_000)]
    ledger.write_many(entry(key, STATES[at % 4]) for at, key in enumerate(keys))
    found = ledger.answers(keys)
    assert len(found) == 10_000
    assert {one.state for one in found.values()} == set(KEPT)
    assert ledger.spent().calls == 20_000


def test_account_keys_are_never_written(ledger):
    ledger.hide(SECRET)
    echoed = json.dumps({"error": {"headers": {"Authorization": f"Bearer {SECRET}"}}}).replace("/", "\\/")
    ledger.write(entry(raw=echoed, text=f"You said {SECRET}.", sent=f"x {SECRET}"))
    batch = Batch("t1", "http://localhost", "judge")
    ledger.begin_batch(batch, [Waiting("k", f"x {SECRET}", "cell", "p1")])
    (kept,) = ledger.entries()
    assert kept.text == "You said [account key]."
    assert json.loads(kept.raw) == {"error": {"headers": {"Authorization": "Bearer [account key]"}}}
    assert ledger.waiting(batch)["k"].sent == "x [account key]"
    ledger.close()
    for path in ledger.path.parent.iterdir():
        assert b"not-a-real-one" not in path.read_bytes()


def test_a_word_that_stands_for_no_key_is_left_in_answers(ledger):
    ledger.hide("EMPTY")
    ledger.write(entry(text="The box is EMPTY."))
    assert ledger.answers(["a1"])["a1"].text == "The box is EMPTY."


ASKED = Request("p1", "cell", "Grüße", COLD, 42, schema="{}", system="You judge.")


@pytest.mark.parametrize(
    "changed",
    [
        {"system": ""},
        {"system": None},
        {"prompt": "Grüße "},
        {"sampling": dataclasses.replace(COLD, temperature=0.1)},
        {"sampling": dataclasses.replace(COLD, top_p=0.9)},
        {"sampling": dataclasses.replace(COLD, max_tokens=99)},
        {"sampling": dataclasses.replace(COLD, stop=("\n",))},
        {"seed": 43},
        {"schema": ""},
    ],
)
def test_whatever_differs_in_what_is_sent_makes_another_key(changed):
    assert key_of("judge", dataclasses.replace(ASKED, **changed)) != key_of("judge", ASKED) != key_of("other", ASKED)


def test_the_key_is_the_hash_of_canonical_json():
    # Taken with sha256sum of the line written out by hand.
    assert key_of("m", Request("p1", "cell", "p", Sampling(0, 1, 5, ("a",)), 7)) == (
        "f9e673b7e0354df37e78383072f2457a71a254c6ea66cd6523163e36d5863e87"
    )


def test_the_key_does_not_hang_on_how_it_is_written_nor_on_who_asks():
    whole = dataclasses.replace(COLD, temperature=0, top_p=1)
    assert key_of("judge", dataclasses.replace(ASKED, id="p2", cell="other", sampling=whole)) == key_of("judge", ASKED)
    assert len(key_of("judge", dataclasses.replace(ASKED, prompt="\ud800"))) == 64


def test_what_is_no_ledger_is_refused_and_left_alone(tmp_path):
    text, other = tmp_path / "notes.txt", tmp_path / "other.sqlite"
    text.write_text("just some notes\n" * 99)
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE guests (name TEXT)")
    db.close()
    before = other.read_bytes()
    with pytest.raises(StoreError, match=r"notes\.txt: file is not a database\. Name another file"):
        Ledger(text)
    with pytest.raises(StoreError, match="database of something else, no ledger"):
        Ledger(other)
    with pytest.raises(StoreError, match="unable to open"):
        Ledger(tmp_path)
    with pytest.raises(StoreError, match="cannot be made"):
        Ledger(text / "ledger.sqlite")
    assert text.read_text() == "just some notes\n" * 99
    assert other.read_bytes() == before


def test_a_newer_ledger_is_refused(ledger):
    ledger.write(entry())
    with sqlite3.connect(ledger.path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StoreError, match=r"version 99, and this babeltune reads up to 1\. Update babeltune"):
        Ledger(ledger.path)


def test_a_full_disk_loses_nothing_that_was_written(ledger):
    ledger.write(entry("a1"))
    with ledger._base.reading() as db:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match=r"full\. Make space on the disk"):
        ledger.write_many(entry(f"b{at}", raw="x" * 10_000) for at in range(10))
    assert list(ledger.answers(["a1", *(f"b{at}" for at in range(10))])) == ["a1"]
    assert ledger.spent().calls == 1


def test_a_damaged_file_is_told(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.write_many(entry(f"{at}") for at in range(200))
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\x55" * (len(whole) - 8192))
    with pytest.raises(StoreError, match=r"ledger\.sqlite: .*damaged"), Ledger(path) as ledger:
        list(ledger.entries())


def test_two_writers_wait_for_each_other_and_then_say_so(ledger):
    with Ledger(ledger.path, patience=0.05) as other:
        with ledger._base.writing() as db:
            db.execute("DELETE FROM calls")
            with pytest.raises(LockedError, match="another process is writing"):
                other.write(entry())
            assert list(other.entries()) == []  # a reader need not wait
        other.write(entry())
    assert len(list(ledger.entries())) == 1


def in_threads(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(name,)) for name in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_may_share_it(ledger):
    def write(name: int) -> None:
        for at in range(50):
            ledger.write(entry(f"{name}-{at}"))

    in_threads(4, write)
    assert ledger.spent().calls == len(list(ledger.entries())) == 200


def test_reading_goes_on_while_it_is_pruned(ledger):
    ledger.write_many(entry(f"{at}") for at in range(5000))
    reading = ledger.entries()
    first = next(reading)
    assert ledger.prune(STATES) == 5000
    assert len([first, *reading]) == 5000


def test_many_make_the_same_ledger_at_once(tmp_path):
    for at in range(30):
        found = []

        def write(name: int, path: Path = tmp_path / f"{at}.sqlite", found: list[int] = found) -> None:
            with Ledger(path) as ledger:
                ledger.write(entry(f"{name}"))
                found.append(name)

        in_threads(8, write)
        assert sorted(found) == list(range(8))


WRITER = """
    import dataclasses, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from test_ledger import entry
    from babeltune.generate.ledger import Ledger
    ledger = Ledger(Path(sys.argv[1]))
    begin = len(list(ledger.entries()))
    for at in range(begin, begin + 100_000):
        ledger.write(entry(f"{at:06}", raw="x" * 3000))
        print(at, flush=True)
"""


@contextmanager
def writing(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that tells of each reply that it has written."""
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        yield writer


def test_killed_while_it_writes_it_keeps_every_reply_that_was_told(tmp_path):
    path = tmp_path / "ledger.sqlite"
    told = -1
    for kill in range(5):
        with writing(path) as writer:
            for line in writer.stdout:
                told = int(line)
                if told % (137 + 60 * kill) == 136:
                    break
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split()  # what it had written before the signal came
            told = int(rest[-1]) if rest else told
        assert writer.returncode == -signal.SIGKILL
        with Ledger(path) as ledger:
            kept = [one.key for one in ledger.entries()]
            assert kept == [f"{at:06}" for at in range(len(kept))]
            assert told < len(kept) <= told + 2  # one may be committed and not yet told
            assert ledger.spent().calls == len(kept)


def test_another_process_reads_while_one_writes(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with writing(path) as writer:
        seen = []
        for line in writer.stdout:
            if int(line) % 50 == 49:
                with Ledger(path) as ledger:
                    kept = [one.key for one in ledger.entries()]
                    assert len(kept) > int(line)
                    assert kept == [f"{at:06}" for at in range(len(kept))]
                    assert ledger.spent().calls >= len(kept)
                    seen.append(len(kept))
            if len(seen) == 4:
                break
        assert writer.poll() is None
        writer.kill()
    assert seen == sorted(seen)


def test_a_batch_is_kept_from_before_it_is_sent_until_it_is_collected(ledger):
    batch = Batch("t1", "http://localhost", "judge", reserve=1.5)
    asked = [Waiting(key, '{"messages": []}', "cell", key) for key in ("a1", "b2")]
    ledger.begin_batch(batch, asked)
    assert ledger.batches() == [batch]
    sent = dataclasses.replace(batch, file="file-1", id="batch-1")
    ledger.update_batch(sent)
    with Ledger(ledger.path) as another:
        assert another.batches() == [sent]
        assert list(another.waiting(sent).values()) == asked
    ledger.end_batch(sent, [entry("a1"), entry("b2", "failed")])
    assert ledger.batches() == []
    assert ledger.waiting(sent) == {}
    assert list(ledger.answers(["a1", "b2"])) == ["a1"]


def test_a_batch_that_is_half_collected_is_still_open(ledger):
    batch = Batch("t1", "http://localhost", "judge", "file-1", "batch-1")
    ledger.begin_batch(batch, [Waiting("a1", "", "cell", "p")])

    def cut():
        yield entry("a1")
        raise OSError("connection lost")

    with pytest.raises(OSError, match="lost"):
        ledger.end_batch(batch, cut())
    assert ledger.batches() == [batch]
    assert ledger.spent().calls == 0
