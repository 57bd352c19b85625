"""Out of memory: halved and gone on with where it can be, and else said, with the setting that mends it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from instants import no_memory_beyond, out_of_memory_beyond
from processes import Forked
from stages import Whole, go_on_to_the_end_of, nothing_false

from babeltune.study.step import Kind
from faultserver import Server


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        pytest.param("tune", "execution.gradient_checkpointing: true|recipe.max_tokens", marks=pytest.mark.slow),
        ("generate", "Lower sampling.max_tokens"),
    ],
)
def test_a_gpu_without_room_for_one_is_said_with_what_to_lower(
    kind: Kind, names: str, whole: Whole, judge: Server, forked: Forked, tmp_path: Path
):
    runs = whole.before(kind, tmp_path / "runs")
    run = forked.but(out_of_memory_beyond, 0)("run", whole.study, "--runs", runs)
    assert run.code() == 1, run.said
    assert "memory" in run.err
    assert re.search(names, run.err), run.said
    assert "Traceback" not in run.err
    go_on_to_the_end_of(kind, forked, whole, runs)
    nothing_false(whole, runs)


@pytest.mark.slow
def test_a_machine_without_memory_says_so(whole: Whole, judge: Server, forked: Forked, tmp_path: Path):
    """Of a tuning: to answer, the tiny model needs no memory that could be cut.

    What the kernel ends (its OOM killer) is as kill -9: tests/faults/test_kills.py.
    """
    runs = whole.before("tune", tmp_path / "runs")
    run = forked.but(no_memory_beyond, 24 << 20)("run", whole.study, "--runs", runs)
    assert run.code() != 0
    assert "memory" in run.err.lower(), run.said
    assert "Traceback" not in run.err
    nothing_false(whole, runs)
    go_on_to_the_end_of("tune", forked, whole, runs)
    nothing_false(whole, runs)
