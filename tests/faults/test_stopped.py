"""Told to stop once, a run ends in order and says how to go on; told twice, at once. Nothing published is torn."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
from processes import Forked, Started, until
from stages import STAGES, Whole, few, go_on_to_the_end_of, holds, nothing_false

from babeltune.study.step import Kind
from faultserver import Server

GO_ON = "Stopped. Nothing finished is lost: the same command goes on."
_SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
_EACH = [(kind, number) for kind in STAGES for number in _SIGNALS]
_FEW = {("generate", signal.SIGTERM), ("judge", signal.SIGINT)}


def at_work(start: Forked, kind: Kind, whole: Whole, runs: Path, share: float) -> Started:
    """A run in the middle of a kind of step."""
    run = start("run", whole.study, "--runs", whole.before(kind, runs))
    assert until(run, lambda: holds(run, runs)), run.said
    time.sleep(share * whole.seconds[kind])
    return run


@pytest.mark.parametrize(
    ("kind", "number"),
    [pytest.param(*one, marks=[] if one in _FEW else [pytest.mark.slow]) for one in _EACH],
)
def test_told_once_it_ends_in_order_and_says_how_to_go_on(
    kind: Kind, number: signal.Signals, whole: Whole, judge: Server, forked: Forked, tmp_path: Path
):
    run = at_work(forked, kind, whole, tmp_path / "runs", random.Random(f"{kind} {number}").uniform(0.1, 0.6))
    run.send(number)
    assert run.code() == _SIGNALS[number], run.said
    assert GO_ON in run.err
    assert "Traceback" not in run.err
    nothing_false(whole, tmp_path / "runs")
    assert (tmp_path / "runs" / "tiny" / "lock").read_text() == ""
    go_on_to_the_end_of(kind, forked, whole, tmp_path / "runs")
    nothing_false(whole, tmp_path / "runs")


@pytest.mark.parametrize("kind", few(STAGES, "judge"))
def test_told_twice_it_ends_at_once_and_nothing_is_torn(
    kind: Kind, whole: Whole, judge: Server, forked: Forked, tmp_path: Path
):
    judge.latency = 0.5  # what is in flight does not end it
    run = at_work(forked, kind, whole, tmp_path / "runs", 0.3)
    run.send(signal.SIGINT)
    time.sleep(0.02)
    run.send(signal.SIGINT)
    assert run.code() in (130, -signal.SIGINT), run.said
    judge.latency = 0.0
    nothing_false(whole, tmp_path / "runs")
    go_on_to_the_end_of(kind, forked, whole, tmp_path / "runs")
    nothing_false(whole, tmp_path / "runs")


def test_stopped_before_it_is_at_its_steps_it_says_so_too(whole: Whole, forked: Forked, tmp_path: Path):
    from instants import slow_to_open

    run = forked.but(slow_to_open)("run", whole.study, "--runs", tmp_path / "runs")
    until(run, lambda: "opening" in run.out)
    run.send(signal.SIGINT)
    assert run.code() == 130, run.said
    assert GO_ON in run.err


def test_what_runs_in_the_background_is_stopped_too(whole: Whole, forked: Forked, tmp_path: Path):
    """A shell has such a process ignore Ctrl-C."""
    from instants import deaf_to_ctrl_c

    run = forked.but(deaf_to_ctrl_c)("run", whole.study, "--runs", tmp_path / "runs")
    until(run, lambda: "opening" in run.out)
    run.send(signal.SIGTERM)
    assert run.code() == 143, run.said
    assert GO_ON in run.err
