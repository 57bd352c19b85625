"""A full disk in any kind of step, or in the folders of the system: said, nothing torn is served, and with space it goes on."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from pathlib import Path

import pytest
from disks import disk, enlarge, read_only
from instants import no_file_beyond
from processes import Forked
from stages import STAGES, Whole, content, few, go_on_to_the_end_of, nothing_false, of_kind

from babeltune.study.step import Kind
from faultserver import Server

PLENTY = 64 << 10
"""Kilobytes."""
FOUND_OUT = 2
"""Questions that find out what forms of answer the server holds to."""


def written_by(kind: Kind, whole: Whole) -> int:
    """Bytes that a kind of step leaves."""
    return sum((whole.runs / place).stat().st_size for place in of_kind(whole.content, kind, whole.runs))


@pytest.mark.parametrize("kind", few(STAGES, "tune"))
def test_a_full_disk_is_said_and_with_space_the_same_command_goes_on(
    kind: Kind, whole: Whole, judge: Server, forked: Forked, tmp_path: Path
):
    room = random.Random(f"room {kind}").uniform(0, 0.5) * written_by(kind, whole) / 1024
    with disk(tmp_path / "disk", PLENTY) as small:
        runs = whole.before(kind, small / "runs")
        used = sum(path.stat().st_blocks for path in small.rglob("*")) // 2
        enlarge(small, used + 4 + 4 * round(room / 4))
        run = forked("run", whole.study, "--runs", runs)
        assert run.code() == 1, run.said
        assert re.search("No space left on device|disk is full|disk I/O error", run.err), run.said
        assert str(small) in run.err
        assert "Traceback" not in run.err
        assert re.search(r"run again|Check --runs and the space left|Check the space left|Make space", run.err)
        nothing_false(whole, runs)
        asked = judge.asked
        enlarge(small, PLENTY)
        go_on_to_the_end_of(kind, forked, whole, runs)
        nothing_false(whole, runs)
        if kind == "judge":
            assert judge.asked <= asked + len(whole.judgements) + FOUND_OUT


@pytest.mark.parametrize("kind", few(STAGES, "label"))
def test_a_file_that_cannot_grow_is_said_too(kind: Kind, whole: Whole, judge: Server, forked: Forked, tmp_path: Path):
    """The same wherever the tests run, without a disk of their own."""
    runs = whole.before(kind, tmp_path / "runs")
    largest = max((whole.runs / place).stat().st_size for place in of_kind(whole.content, kind, whole.runs))
    run = forked.but(no_file_beyond, largest // 2)("run", whole.study, "--runs", runs)
    assert run.code() == 1, run.said
    assert re.search("File too large|disk I/O error|database or disk is full", run.err), run.said
    assert "Traceback" not in run.err
    nothing_false(whole, runs)
    go_on_to_the_end_of(kind, forked, whole, runs)
    nothing_false(whole, runs)


def test_full_folders_of_the_system_stop_nothing_or_are_named(whole: Whole, judge: Server, tmp_path: Path):
    with disk(tmp_path / "full", 8) as full:
        (full / "filler").write_bytes(bytes((8 - 4) << 10))  # the folder itself takes a page
        places = dict.fromkeys(
            ("HOME", "TMPDIR", "XDG_CACHE_HOME", "BABELTUNE_CACHE", "HF_HOME", "MPLCONFIGDIR"), str(full)
        )
        runs = whole.before("score", tmp_path / "runs")
        run = Forked(tmp_path / "said", places)("run", whole.study, "--runs", runs)
        assert run.code() == 0, run.said
        assert content(runs) == whole.content


VERBS = {"run": 0, "status": 0, "plan": 0, "figures": 0, "report": 1}


def test_a_read_only_study_that_is_finished_can_be_looked_at(whole: Whole, forked: Forked, tmp_path: Path):
    runs = Path(shutil.copytree(whole.runs, tmp_path / "runs"))
    with read_only(tmp_path / "runs"):
        for verb, code in VERBS.items():
            out = ["--out", tmp_path / "figures"] if verb == "figures" else []
            said = forked(verb, whole.study, "--runs", runs, *out)
            assert said.code() == code, said.said
            assert "Traceback" not in said.err
        assert re.search("cannot be written to|Read-only|cannot be made", said.err), said.said  # as root, or as another
        ledger = forked("ledger", whole.study, "--runs", runs)
        assert ledger.code() == 0, ledger.said
        assert "replies" in ledger.said


def test_a_read_only_study_that_is_not_finished_is_named(whole: Whole, forked: Forked, tmp_path: Path):
    runs = whole.before("score", tmp_path / "runs")
    with read_only(tmp_path / "runs"):
        for verb in ("plan", "status"):
            assert forked(verb, whole.study, "--runs", runs).code() == 0
        run = forked("run", whole.study, "--runs", runs)
        assert run.code() == 1
        assert "cannot be written to" in run.err
        assert "Check --runs" in run.err


def test_a_ledger_on_a_full_disk_keeps_what_it_has(whole: Whole, judge: Server, forked: Forked, tmp_path: Path):
    """Every answer that was written before is there, and only the others are asked again."""
    with disk(tmp_path / "disk", PLENTY) as small:
        runs = whole.before("judge", small / "runs")
        used = sum(path.stat().st_blocks for path in small.rglob("*")) // 2
        enlarge(small, used + 260)
        run = forked("run", whole.study, "--runs", runs)
        assert run.code() == 1, run.said
        assert "ledger.sqlite" in run.err
        enlarge(small, PLENTY)
        with sqlite3.connect(runs / "tiny" / "ledger.sqlite") as kept:
            (before,) = kept.execute(
                "SELECT count(*) FROM entries WHERE state = 'answered' AND purpose <> 'check'"
            ).fetchone()
        kept.close()
        asked = judge.asked
        go_on_to_the_end_of("judge", forked, whole, runs)
        nothing_false(whole, runs)
        assert judge.asked - asked <= len(whole.judgements) + FOUND_OUT - before
