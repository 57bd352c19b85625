from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from babeltune.generate.ledger import Batch, Entry, Ledger, Waiting
from calls import Call

KEYS = [f"{at:x}" * 64 for at in range(1, 6)]


def entry(key: str, state: str, **changed: object) -> Entry:
    return Entry(
        **{"key": key, "model": "judge-1", "answered_by": "judge-1-0125", "state": state,
           "text": "A 6." if state == "answered" else "", "finish": "eos" if state == "answered" else state,
           "raw": '{"choices": [{"message": {"content": "A 6."}}]}', "prompt_tokens": 1200, "cached_tokens": 200,
           "completion_tokens": 30, "seconds": 1.5, "tries": 2, "cost": 0.5, "purpose": "judge de", "item": "q1",
           "at": "2026-01-02T03:04:05.678+00:00",
           "sent": '{"model": "judge-1", "messages": [{"role": "user", "content": "Grüße [b]und[/b] \\u001b[31m"}], "seed": 3}',
           **changed}
    )  # fmt: skip


@pytest.fixture
def babeltune(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.setenv("COLUMNS", "200")
    return Call(monkeypatch, capsys)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with an entry of every state, as a run leaves it."""
    path = tmp_path / "runs" / "mine" / "ledger.sqlite"
    with Ledger(path) as made:
        made.write_many([
            entry(KEYS[0], "answered"),
            entry(KEYS[1], "refused", item="q2"),
            entry(KEYS[2], "empty", item="q3"),
            entry(KEYS[3], "failed", item="q4", text="", cost=0.0, prompt_tokens=0, cached_tokens=0, completion_tokens=0,
                  raw="no whole reply within 90 s", unsure=0.25),
            entry(KEYS[4], "answered", model="mt-1", purpose="translate", cost=None),
        ])  # fmt: skip
    return path


def test_it_says_what_was_asked_what_came_back_and_what_it_cost(babeltune, path):
    said = babeltune("ledger", path)
    assert said.code == 0
    assert "judge-1 1 1 1 1 3 3,600 90 1.5000" in said.words
    assert "translate 1 1 1,200 30 -" in said.words
    assert (
        "4 replies, 4,800 tokens read (800 of them cached), 120 written: $1.50, and 1 replies without a price."
        in said.words
    )
    assert "Up to $0.2500 more may be charged" in said.words
    assert "2 have no answer; a run asks them again." in said.words


def test_a_folder_or_a_study_name_it_as_well(babeltune, path, tmp_path):
    assert babeltune("ledger", path.parent).out == babeltune("ledger", path).out
    study = tmp_path / "mine.yaml"
    text = Path("studies/pocket.yaml").read_text(encoding="utf-8")
    study.write_text(text.replace("study: pocket", "study: mine"), encoding="utf-8")
    assert babeltune("ledger", study, "--runs", tmp_path / "runs").out == babeltune("ledger", path).out


def test_an_open_batch_is_told(babeltune, path):
    with Ledger(path) as ledger:
        batch = Batch("t", "https://api.example/v1", "judge-1", "file-1", "batch-7", reserve=1.25)
        ledger.begin_batch(batch, [Waiting("k", "", "c", "i")])
    assert (
        "1 requests of judge-1 wait in batch batch-7 at https://api.example/v1, for $1.25 at most."
        in babeltune("ledger", path).words
    )


def test_nothing_asked_is_told(babeltune, tmp_path):
    Ledger(tmp_path / "new.sqlite").close()
    assert "nothing was asked yet" in babeltune("ledger", tmp_path / "new.sqlite").words


def test_all_entries_are_exported_and_read_back(babeltune, path, tmp_path):
    out = tmp_path / "calls.jsonl"
    assert "(5 entries)" in babeltune("ledger", path, "--export", out).words
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    with Ledger(path) as ledger:
        assert [Entry(**row) for row in rows] == list(ledger.entries())
    table = tmp_path / "calls.csv"
    babeltune("ledger", path, "--export", table, "--model", "judge-1")
    with table.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["item"] for row in found] == ["q1", "q2", "q3", "q4"]
    assert found[0]["sent"] == rows[0]["sent"]


def test_half_a_character_is_exported_too(babeltune, path, tmp_path):
    with Ledger(path) as ledger:
        ledger.write(entry("a" * 64, "answered", text="\ud800 half"))
    for name in ("calls.jsonl", "calls.csv"):
        assert babeltune("ledger", path, "--export", tmp_path / name).code == 0
    last = (tmp_path / "calls.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(last)["text"] == "\ud800 half"


def test_a_call_is_shown_whole_and_as_plain_text(babeltune, path):
    said = babeltune("ledger", path, "--show", "11")
    assert "model judge-1, answered by judge-1-0125" in said.words
    assert "state answered (eos), 2026-01-02T03:04:05.678+00:00, try 2, 1.50 s" in said.words
    assert "cost $0.500000" in said.words
    assert "Grüße [b]und[/b]" in said.out
    assert "\x1b" not in said.out
    assert '"seed": 3' in said.out
    assert "A 6." in said.out
    assert "up to $0.250000 that nobody told of" in babeltune("ledger", path, "--show", "44").words
    assert "no key begins with 77" in babeltune("ledger", path, "--show", "77").words


def test_keys_that_begin_alike_are_listed(babeltune, path):
    with Ledger(path) as ledger:
        ledger.write_many(entry(f"1{at:063x}", "answered", item=f"x{at}") for at in range(30))
    said = babeltune("ledger", path, "--show", "1")
    assert "More than 20 calls. Give more digits." in said.words


def test_pruning_asks_and_tells_what_it_would_cost(babeltune, path, monkeypatch):
    said = babeltune("ledger", path, "--prune", "failed", "--prune", "empty", "--yes")
    assert "Forgotten: 2. What they cost stays in the sum." in said.words
    assert "$1.50" in babeltune("ledger", path).words
    assert "Nothing to forget" in babeltune("ledger", path, "--prune", "failed", "--yes").words
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    said = babeltune("ledger", path, "--prune", "answered", "--model", "judge-1")
    assert said.code != 0
    assert "1 answered. They were paid for, and a run pays for them again." in said.words
    with Ledger(path) as ledger:
        assert len(list(ledger.entries())) == 3


def test_all_that_is_wrong_with_the_options_is_told_at_once(babeltune, path, tmp_path):
    said = babeltune("ledger", path, "--export", tmp_path / "calls.txt", "--prune", "gone", "--show", "xyz")
    assert said.code == 2
    for problem in ("too much at once", "'calls.txt' is of no known kind", "'gone' is no state", "'xyz' begins no key"):
        assert problem in said.words


def test_where_there_is_none_none_is_made(babeltune, tmp_path):
    said = babeltune("ledger", "studies/pocket.yaml", "--runs", tmp_path)
    assert said.code == 1
    assert "there is none. A run with a judge or a translator makes it" in said.words
    assert list(tmp_path.iterdir()) == []
    assert babeltune("ledger", tmp_path / "no.yaml").code == 2


def test_a_file_that_is_no_ledger_is_left_alone(babeltune, tmp_path):
    (tmp_path / "notes.txt").write_text("notes\n" * 100)
    said = babeltune("ledger", tmp_path / "notes.txt")
    assert said.code == 1
    assert "file is not a database" in said.words
