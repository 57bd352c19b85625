"""Several processes against one, on a CPU; they start once for the whole file."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from test_packing import CHATS, RECIPE
from test_train import ignore, weights

from babeltune.errors import ModelError
from babeltune.finetune.hardware import Hardware
from babeltune.finetune.train import Tuner

pytestmark = pytest.mark.slow
TWO = Hardware(processes=2, checkpoint_every=2)


class KilledError(Exception):
    """Stands for the end of the asking process at an update."""


@pytest.fixture(scope="module")
def two(model_folder) -> Tuner:
    return Tuner(model_folder, TWO)


@pytest.fixture(scope="module")
def alone(model_folder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    Tuner(model_folder, Hardware()).tune(CHATS, RECIPE, 0, folder, ignore)
    return folder


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "losses.jsonl").read_text().splitlines()]


def alike(first: Path, second: Path) -> bool:
    one, two = weights(first), weights(second)
    return one.keys() == two.keys() and all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)


def workers() -> list[int]:
    """Processes of workers that are alive."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "-m babeltune.finetune.worker" in line]


def test_two_processes_end_as_one_and_serve_the_next_mix(two, alone, tmp_path):
    """Ten chats twice in batches of four: the first tuning's updates are full; with nine the last one is not."""
    heard: list[tuple[int, int, int]] = []
    tuned = two.tune(CHATS, RECIPE, 0, tmp_path / "first", lambda *said: heard.append(said))
    assert alike(tmp_path / "first", alone)
    assert losses(tmp_path / "first") == pytest.approx(losses(alone), abs=1e-5)
    assert [done for done, _, _ in heard] == [1, 2, 3, 4, 5]
    assert heard[-1][2] == tuned.tokens
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == sorted(path.name for path in alone.iterdir())
    started = two._workers._running.pid
    one = Tuner(two.base.folder, Hardware()).tune(CHATS[:9], RECIPE, 1, tmp_path / "nine alone", ignore)
    assert two.tune(CHATS[:9], RECIPE, 1, tmp_path / "nine", ignore) == dataclasses.replace(
        one, final_loss=pytest.approx(one.final_loss, abs=1e-5)
    )
    assert alike(tmp_path / "nine", tmp_path / "nine alone")
    assert two._workers._running.pid == started


def test_packed_they_end_as_one(model_folder, alone, tmp_path):
    tuner = Tuner(model_folder, dataclasses.replace(TWO, packing="on", micro_batch=1))
    tuner.tune(CHATS, RECIPE, 0, tmp_path, ignore)
    assert alike(tmp_path, alone)


def test_killed_they_go_on_with_the_same_bytes(two, tmp_path):
    recipe = dataclasses.replace(RECIPE, dropout=0.1)
    two.tune(CHATS, recipe, 0, tmp_path / "whole", ignore)

    def kill(done: int, total: int, tokens: int) -> None:
        if done == 3:
            os.kill(workers()[-1], signal.SIGKILL)

    folder = tmp_path / "killed"
    with pytest.raises(ModelError, match=r"ended with exit code|process \d"):
        two.tune(CHATS, recipe, 0, folder, kill)
    seen: list[int] = []
    two.tune(CHATS, recipe, 0, folder, lambda done, total, tokens: seen.append(done))
    assert seen[0] == 3
    assert (folder / "adapter_model.safetensors").read_bytes() == (
        tmp_path / "whole" / "adapter_model.safetensors"
    ).read_bytes()


def test_an_error_of_a_worker_is_told_without_the_launchers_noise(two, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        two.tune(CHATS, RECIPE, 0, tmp_path / "file", ignore)
    broken = Tuner(tmp_path, TWO)
    broken.base.__dict__["tokenizer"] = two.base.tokenizer
    with pytest.raises(ModelError, match="its tokenizer cannot be loaded") as told:
        broken.tune(CHATS, RECIPE, 0, tmp_path / "out", ignore)
    assert "Traceback" not in str(told.value)


def test_workers_end_with_the_one_that_asked(model_folder, tmp_path):
    code = (
        "import os, signal; from pathlib import Path\n"
        "from babeltune.finetune.train import Tuner\n"
        "from test_launch import CHATS, RECIPE, TWO\n"
        f"Tuner(Path({str(model_folder)!r}), TWO).tune(CHATS, RECIPE, 0, Path({str(tmp_path)!r}),"
        " lambda *said: os.kill(os.getpid(), signal.SIGKILL))"
    )
    before = set(workers())
    tests = Path(__file__).parents[1]
    paths = os.pathsep.join([str(tests), str(tests / "finetune")])
    ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, check=False)
    assert ended.returncode == -signal.SIGKILL
    for _ in range(100):
        if not set(workers()) - before:
            return
        time.sleep(0.2)
    pytest.fail("workers live on")


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="accelerate shares a base between GPUs only")
@pytest.mark.parametrize("packing", ["off", "on"])
def test_a_shared_base_gives_the_same_adapter(model_folder, tmp_path, packing):
    one = Hardware(device="cuda", gradient_checkpointing=True)
    Tuner(model_folder, one).tune(CHATS, RECIPE, 0, tmp_path / "one", ignore)
    tuner = Tuner(model_folder, dataclasses.replace(one, processes=2, sharding="fsdp", packing=packing))
    for name in ("first", "second"):
        tuner.tune(CHATS, RECIPE, 0, tmp_path / name, ignore)
        assert alike(tmp_path / name, tmp_path / "one")
