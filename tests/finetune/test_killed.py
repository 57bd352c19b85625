"""Tunings that are killed with SIGKILL in a process of their own go on and end with the same bytes, packed too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from killed_tune import CHATS, HARDWARE, RECIPE
from test_train import ignore

from babeltune.finetune.train import Tuner

pytestmark = pytest.mark.slow  # each starts a process that reads all libraries anew
TESTS = Path(__file__).parents[1]
FILES = ("adapter_config.json", "adapter_model.safetensors", "losses.jsonl")


@pytest.fixture(scope="module")
def whole(model_folder, tmp_path_factory) -> Path:
    """An undisturbed tuning."""
    folder = tmp_path_factory.mktemp("whole")
    Tuner(model_folder, HARDWARE).tune(CHATS, RECIPE, 0, folder, ignore)
    return folder


@pytest.mark.parametrize(
    ("point", "first"),
    [
        ("before the first checkpoint", 1),
        ("in a checkpoint's optimizer", 3),
        ("in a checkpoint's state", 3),
        ("before the adapter is saved", None),
        ("when the adapter is saved", None),
    ],
)
def test_killed_it_goes_on_and_ends_with_the_same_bytes(model_folder, whole, tmp_path, point, first):
    driver = [sys.executable, str(TESTS / "finetune" / "killed_tune.py"), str(model_folder), str(tmp_path), point]
    paths = os.pathsep.join([str(TESTS), str(TESTS / "finetune")])
    done = subprocess.run(driver, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    updates: list[int] = []
    Tuner(model_folder, HARDWARE).tune(CHATS, RECIPE, 0, tmp_path, lambda at, total, tokens: updates.append(at))
    assert (updates[0] if updates else None) == first
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == {
        name: (whole / name).read_bytes() for name in FILES
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
