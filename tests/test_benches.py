"""Benches that measure nothing on this machine still end well, and their logic runs at a tiny size."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCH = Path(__file__).parent.parent / "bench"


def ran(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, BENCH / name, *arguments], capture_output=True, text=True, timeout=600)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_measured_and_said_so():
    said = ran("gpu.py")
    assert (said.returncode, said.stdout) == (
        0,
        "no GPU here: nothing is measured (--tiny tries the logic on a CPU)\n",
    ), said.stderr


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_no_adapter_is_measured_and_said_so():
    said = ran("adapters.py")
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("no vLLM here: nothing is measured")


@pytest.mark.slow
def test_the_bench_of_a_gpu_runs_at_a_tiny_size():
    said = ran("gpu.py", "--tiny")
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    for begin in (
        "the authors' settings: ",
        "ours, as the studies: ",
        "ours, bfloat16 autocast: ",
        "transformers, 12 ",
    ):
        assert any(line.startswith(begin) for line in lines), said.stdout
    assert lines[-3].startswith("tuning, goal 2: ")
    assert lines[-2].startswith("generation, goal 10: ")
    assert float(lines[-1].removeprefix("ratio ")) > 0
