"""What was edited, torn or deleted behind a run's back is found by its hash when it is next read, named, and refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from processes import Forked
from stages import Whole, content, published

from babeltune.errors import StoreError
from babeltune.study.check import Opened, open_study
from calls import Call
from faultserver import Server

ARTEFACTS = {
    "data/chats-*/chats.jsonl": "label",
    "data/mono-????????/chats.jsonl": "mix",
    "data/*-card-*/card.json": "card",
    "finetune/*/adapter_model.safetensors": "tune",
    "finetune/*/adapter_config.json": "tune",
    "generate/*/outputs.jsonl": "generate",
    "measure/direct-*/replies.jsonl": "judge",
    "measure/tiny-*/scores.jsonl": "score",
    "measure/summary-*/rows.jsonl": "summary",
}


def edited(path: Path) -> None:
    """One bit is another; size and all else are as they were."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def torn(path: Path) -> None:
    """The end is missing."""
    path.write_bytes(path.read_bytes()[:-7])


def power_cut(path: Path) -> None:
    """As long as it was, and zeros at the end: what some file systems leave."""
    content = path.read_bytes()
    path.write_bytes(content[:-40] + bytes(40))


def deleted(path: Path) -> None:
    path.unlink()


@pytest.fixture
def runs(whole: Whole, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole.runs, tmp_path / "runs"))


@pytest.fixture
def babeltune(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.setenv("COLUMNS", "400")
    return Call(monkeypatch, capsys)


def opened(whole: Whole, runs: Path) -> Opened:
    return open_study(whole.study, runs)


def test_an_artefact_of_any_kind_that_is_not_as_it_was_left_is_named_and_not_served(whole: Whole, runs: Path):
    for place, kind in ARTEFACTS.items():
        (path, *_) = sorted((runs / "tiny").glob(place))
        kept = path.read_bytes()
        for harm in (edited, emptied, torn, power_cut, deleted):
            harm(path)
            found = opened(whole, runs)
            (step,) = [one for one in found.plan.of(kind) if found.store.path(one) == path.parent]  # type: ignore[arg-type]
            with pytest.raises(StoreError) as caught:
                found.store.open(step)
            said = str(caught.value)
            what = "is gone" if harm is deleted else "is not as the step left it"
            assert said.startswith(f"{path.parent}: {path.name} {what}."), said
            assert "Put it back, or delete the folder; its step runs again." in said
            path.write_bytes(kept)
        assert opened(whole, runs).store.open(step) == path.parent


def test_edited_scores_are_told_in_one_line_by_whatever_would_read_them(whole: Whole, runs: Path, babeltune: Call):
    (path, *_) = sorted((runs / "tiny").glob("measure/tiny-*/scores.jsonl"))
    path.write_text(path.read_text().replace('"agreement": 0.0', '"agreement": 1.0'))
    for verb in ("report", "figures"):
        said = babeltune(verb, whole.study, "--runs", runs)
        assert said.code == 1
        assert said.err.strip().endswith(
            f"{path.parent}: scores.jsonl is not as the step left it. Put it back, or delete the folder; its step runs again."
        )


def test_what_nothing_reads_again_is_not_looked_at(whole: Whole, runs: Path, babeltune: Call):
    """The promise ends here: a finished study is not hashed to say that there is nothing to do."""
    edited(sorted((runs / "tiny").glob("generate/*/outputs.jsonl"))[0])
    said = babeltune("run", whole.study, "--runs", runs)
    assert said.code == 0
    assert "Nothing to do" in said.out


def test_edited_results_of_a_report_are_not_compared(whole: Whole, runs: Path, babeltune: Call):
    edited(runs / "tiny" / "report" / "results.json")
    said = babeltune("compare", runs / "tiny" / "report", runs / "tiny" / "report")
    assert said.code == 1
    assert "results.json is not as the step left it" in said.err
    assert babeltune("report", whole.study, "--runs", runs).code == 0
    assert content(runs) == whole.content


def test_a_record_that_was_edited_is_named(whole: Whole, runs: Path, babeltune: Call):
    (folder,) = (runs / "tiny" / "measure").glob("summary-*")
    record = json.loads((folder / "record.json").read_text())
    record["facts"]["rows"] += 1
    (folder / "record.json").write_text(json.dumps(record))
    said = babeltune("run", whole.study, "--runs", runs)
    assert said.code == 1
    assert (
        f"{folder / 'record.json'}: cannot be read (it was changed). Delete the folder; its step runs again."
        in said.err
    )


def test_what_is_deleted_is_done_again_to_the_same_bytes_and_nobody_is_asked(
    whole: Whole, judge: Server, forked: Forked, runs: Path
):
    """A folder of every kind at once."""
    gone: set[str] = set()
    for folder in published(runs):
        kind = json.loads((folder / "record.json").read_text())["kind"]
        if kind not in gone:
            gone.add(kind)
            shutil.rmtree(folder)
    assert len(gone) == 10
    run = forked("run", whole.study, "--runs", runs)
    assert run.code() == 0, run.said
    assert content(runs) == whole.content
    assert judge.asked == 0


def test_a_record_or_a_journal_that_a_power_cut_left_is_worked_around(
    whole: Whole, judge: Server, forked: Forked, tmp_path: Path
):
    """Partial folders with a torn record, a journal that ends in zeros, a checkpoint of which half is there."""
    runs = whole.before("generate", tmp_path / "runs")
    for number, folder in enumerate(sorted((whole.runs / "tiny" / "generate").iterdir())):
        partial = runs / "tiny" / "generate" / f"{folder.name}.partial"
        partial.mkdir(parents=True)
        lines = (folder / "outputs.jsonl").read_bytes().splitlines(keepends=True)
        ends = (b"", lines[5][:20], bytes(64), b'{"id": ')
        (partial / "journal.jsonl").write_bytes(b"".join(lines[:5]) + ends[number % len(ends)])
        (partial / "record.json").write_bytes((b"", b"{", bytes(512))[number % 3])
    (runs / "tiny" / "generate" / f"{folder.name}.partial" / "journal.jsonl").write_bytes(b"")
    run = forked("run", whole.study, "--runs", runs)
    assert run.code() == 0, run.said
    assert content(runs) == whole.content
