"""Two at once: who holds a study, what goes on beside a run, and a lock whose owner is dead."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from instants import clock_that_jumps
from processes import Forked, until
from stages import Whole, content, holds

from babeltune.study.store import Store
from faultserver import Server

WRITE = ("run", "judge")


def test_beside_a_run_others_look_and_none_writes(whole: Whole, judge: Server, forked: Forked, tmp_path: Path):
    judge.latency = 2.0  # a run that takes its time
    runs = whole.before("judge", tmp_path / "runs")
    run = forked("run", whole.study, "--runs", runs)
    assert until(run, lambda: holds(run, runs) and (runs / "tiny" / "ledger.sqlite").exists() and judge.asked > 2)
    beside = {verb: forked(verb, whole.study, "--runs", runs) for verb in (*WRITE, "status", "plan", "ledger")}
    codes = {verb: one.code() for verb, one in beside.items()}
    assert run.running, "it was over before it was looked at"
    assert codes == {**dict.fromkeys(WRITE, 3), "status": 0, "plan": 0, "ledger": 0}, {
        v: o.said for v, o in beside.items()
    }
    for verb in WRITE:
        assert f"held by process {run.pid} on " in beside[verb].err
        assert "Wait for it, or stop it, and run again." in beside[verb].err
    judge.latency = 0.0
    assert run.code() == 0, run.said
    assert content(runs) == whole.content


def test_of_two_that_start_at_once_one_runs_and_the_other_says_so(
    whole: Whole, judge: Server, forked: Forked, tmp_path: Path
):
    runs = whole.before("judge", tmp_path / "runs")
    pair = [forked("run", whole.study, "--runs", runs) for _ in range(2)]
    assert sorted(one.code() for one in pair) in ([0, 3], [0, 0])  # [0, 0]: the second came when all was done
    assert content(runs) == whole.content
    assert sum(count for prompt, count in judge.counts.items() if "[BEGIN DATA]" in prompt) == len(whole.judgements)


def test_a_finished_study_that_another_holds_is_not_reported_anew(whole: Whole, forked: Forked, tmp_path: Path):
    runs = Path(shutil.copytree(whole.runs, tmp_path / "runs"))
    with Store(runs / "tiny").locked():
        report = forked("report", whole.study, "--runs", runs)
        assert report.code() == 3
        assert f"held by process {os.getpid()} on " in report.err
    assert content(runs) == whole.content


def test_a_lock_whose_owner_is_dead_or_whose_number_is_another_processs_holds_nobody(
    whole: Whole, judge: Server, forked: Forked, tmp_path: Path
):
    runs = whole.before("report", tmp_path / "runs")
    (runs / "tiny" / "lock").write_text(
        f"process {os.getpid()} on here since 2020-01-01T00:00:00+00:00"
    )  # alive, and not it
    run = forked("run", whole.study, "--runs", runs)
    assert run.code() == 0, run.said
    assert content(runs) == whole.content


def test_a_clock_that_jumps_by_years_changes_nothing(whole: Whole, judge: Server, forked: Forked, tmp_path: Path):
    runs = whole.before("judge", tmp_path / "runs")
    run = forked.but(clock_that_jumps)("run", whole.study, "--runs", runs)
    assert run.code() == 0, run.said
    assert content(runs) == whole.content
    assert " -" not in run.err  # no seconds below zero
