"""Killed with SIGKILL at any instant of any kind of step, the same command goes on and ends with the same bytes."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from instants import (
    die_at_a_record,
    die_before_publishing,
    die_between_renames,
    die_within_a_line,
    die_within_a_write,
)
from processes import Command, Forked, Starts, until
from stages import CONCURRENCY, STAGES, Whole, content, few, go_on_to_the_end_of, holds, nothing_false, of_kind

from babeltune.study.step import Kind
from faultserver import Server

CHAINS, KILLS = 4, 5
"""Of the slow tests: twenty kills of each kind of step."""


def kill_at(start: Starts, whole: Whole, runs: Path, seconds: float, *, group: bool) -> None:
    """Kill a run so long after it has begun with its steps."""
    run = start("run", whole.study, "--runs", runs)
    if until(run, lambda: holds(run, runs)):
        time.sleep(seconds)
    run.kill(group=group)


def nothing_paid_twice(whole: Whole, judge: Server, kills: int) -> None:
    """Beyond what was in flight at a kill, and the one question that finds out what the server can."""
    asked = sum(count for prompt, count in judge.counts.items() if "[BEGIN DATA]" in prompt)
    assert asked <= len(whole.judgements) + kills * CONCURRENCY


@pytest.mark.parametrize("kind", few(STAGES, "tune", "generate", "judge"))
def test_killed_in_each_kind_of_step_it_goes_on(
    kind: Kind, whole: Whole, judge: Server, forked: Forked, tmp_path: Path
):
    rng, runs = random.Random(f"once {kind}"), whole.before(kind, tmp_path / "runs")
    kill_at(forked, whole, runs, rng.uniform(0, whole.seconds[kind]), group=rng.random() < 0.5)
    nothing_false(whole, runs)
    go_on_to_the_end_of(kind, forked, whole, runs)
    nothing_false(whole, runs)
    if kind == "judge":
        nothing_paid_twice(whole, judge, kills=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", STAGES)
def test_killed_twenty_times_in_each_kind_of_step_it_goes_on(
    kind: Kind, whole: Whole, judge: Server, forked: Forked, tmp_path: Path
):
    """Four times a folder is killed five times: at first as users start it, then forked, group and main process in turn."""
    command = Command(tmp_path / "command")
    within, seen = 0, set()
    for chain in range(CHAINS):
        rng, runs = random.Random(f"{kind} {chain}"), whole.before(kind, tmp_path / f"runs-{chain}")
        judge.counts.clear()
        for kill in range(KILLS):
            start: Starts = command if kill == 0 else forked
            kill_at(start, whole, runs, rng.uniform(0, whole.seconds[kind]), group=kill % 2 == 0)
            nothing_false(whole, runs)
            left = len(of_kind(whole.content, kind, whole.runs) - set(content(runs)))
            within += left > 0
            seen.add(left)
            if kind == "judge":
                nothing_paid_twice(whole, judge, kills=KILLS)
            if not left and kill < KILLS - 1:
                whole.before(kind, runs)
                judge.counts.clear()
        if chain == 0:
            run = forked("run", whole.study, "--runs", runs)
            assert run.code() == 0, run.said
            assert content(runs) == whole.content
            assert not [path for path in (runs / "tiny").rglob("*") if path.name.endswith((".partial", ".new"))]
        else:
            go_on_to_the_end_of(kind, forked, whole, runs)
        nothing_false(whole, runs)
        if kind == "judge":
            nothing_paid_twice(whole, judge, kills=KILLS + 1)
    print(f"{kind}: {CHAINS * KILLS} kills, {within} before its last step was published, {len(seen)} states seen")
    assert within >= CHAINS


AWKWARD: tuple[tuple[Callable[[int], None], int], ...] = (
    (die_within_a_write, 1),  # of the labelled chats
    (die_at_a_record, 1),  # of the labelling
    (die_before_publishing, 2),  # a mix
    (die_within_a_write, 9),
    (die_at_a_record, 4),
    (die_within_a_line, 7),  # of a journal
    (die_before_publishing, 2),  # a cell that is answered
    (die_within_a_line, 20),
    (die_at_a_record, 5),  # of a cell that is judged or scored
    (die_within_a_write, 7),
    (die_before_publishing, 4),
)


def test_killed_at_every_awkward_instant_it_ends_with_the_same_bytes(
    whole: Whole, judge: Server, forked: Forked, tmp_path: Path
):
    """One after the other on the same folder, then one that ends."""
    runs = tmp_path / "runs"
    for fault, count in AWKWARD:
        run = forked.but(fault, count)("run", whole.study, "--runs", runs)
        assert run.code() == -signal.SIGKILL, (fault, run.said)
        nothing_false(whole, runs)
    run = forked("run", whole.study, "--runs", runs)
    assert run.code() == 0, run.said
    assert content(runs) == whole.content
    assert not list(runs.rglob("*.partial"))
    run = forked.but(die_between_renames, 1)("report", whole.study, "--runs", runs)
    assert run.code() == -signal.SIGKILL, run.said
    assert not (runs / "tiny" / "report").exists()
    assert forked("run", whole.study, "--runs", runs).code() == 0
    assert content(runs) == whole.content
