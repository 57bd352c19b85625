"""The doctor: what it finds on this machine, and on machines that this one is not."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from babeltune.cli.verbs.doctor import _gpu
from babeltune.study.doctor import machine, packages, trials
from babeltune.study.doctor.packages import Package
from babeltune.study.doctor.trials import Gpu, Torch, Trial, Tried
from calls import Call
from doubles import study_file

CPU = Torch("2.13.0+cpu", None, None, (), False, "")
WORKS = Tried((Trial("torch", True), Trial("endpoint", True, {"openai": "3", "aiohttp": "3"})), CPU)
SECRET = "sk-planted-0123456789"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("HF_TOKEN", "OPENAI_API_KEY", "BABELTUNE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    return tmp_path


@pytest.fixture
def untried(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any] | None]:
    """Every trial works without being made; holds what of a study was to be tried."""
    asked: list[Mapping[str, Any] | None] = []

    def tried(study: Mapping[str, Any] | None = None) -> Tried:
        asked.append(study)
        return WORKS

    monkeypatch.setattr("babeltune.study.doctor.diagnosis.tried", tried)
    return asked


def test_this_machine_is_described_and_nothing_is_missing(babeltune: Call, here: Path, untried: list[object]) -> None:
    said = babeltune("doctor")
    assert (said.code, said.err) == (0, "")
    assert "Nothing is missing." in said.out
    for part in (f"Python {sys.version.split()[0]}", "no GPU", "torch", "smollm2-135m", "lid176", "openlid"):
        assert part in said.words
    assert "Not set: BABELTUNE_CACHE" in said.out
    assert untried == [None]
    assert list(here.iterdir()) == [here / "model"]


def test_programs_get_one_object(babeltune: Call, here: Path, untried: list[object]) -> None:
    said = babeltune("doctor", "--json")
    found = json.loads(said.out)
    assert found["problems"] == []
    assert {"machine", "packages", "trials", "torch", "cached", "places", "variables", "study"} < set(found)
    assert next(one for one in found["packages"] if one["name"] == "torch")["installed"].startswith("2.")


def test_no_key_is_shown(babeltune: Call, here: Path, untried: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "OPENAI_API_KEY", "MY_KEY"):
        monkeypatch.setenv(name, SECRET)
    study = study_file(here, "./model", judge={"model": "m", "key_variable": "MY_KEY"})
    for words in ((), ("--json",), (study,), (study, "--json")):
        said = babeltune("doctor", *words)
        assert SECRET not in said.out + said.err
    assert "MY_KEY (set)" in babeltune("doctor", study).words


def test_all_that_a_study_lacks_is_named_with_what_mends_it(
    babeltune: Call, here: Path, untried: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(here / "hub"))
    installed = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == "vllm" else installed(name, *rest)
    )
    study = study_file(here, "someone/a-model", engine="vllm", judge={"model": "m"})
    said = babeltune("doctor", study)
    assert said.code == 1
    listed = [line for line in said.out.splitlines() if line.startswith("  - ")]
    assert len(listed) == 3
    assert listed[0].endswith('the package vllm, which is not installed. Run: pip install "babeltune[vllm]".')
    assert "OPENAI_API_KEY" in listed[1]
    assert listed[2].startswith("  - hub: not in the local cache: model someone/a-model")
    assert f"Run: babeltune plan {study} --download" in listed[2]
    assert untried[0]["recipe"]["rank"] == 4
    assert untried[0]["hardware"]["device"] == "cpu"


def test_a_wrong_study_file_is_wrong_input(babeltune: Call, here: Path, untried: list[object]) -> None:
    said = babeltune("doctor", study_file(here, "./model", recipe={"rank": -1}))
    assert said.code == 2
    assert "recipe.rank" in said.err
    assert untried == []


def test_a_full_disk_is_told_before_it_is_full(
    babeltune: Call, here: Path, untried: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = machine.shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage)
    folder = here / "model" / "config.json"
    folder.write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 600, "hidden_size": 32,
        "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
    }))  # fmt: skip
    said = babeltune("doctor", study_file(here, "./model"))
    assert said.code == 1
    assert "are to come onto the disk of" in said.words
    assert "Make room" in said.words


def test_a_folder_that_cannot_be_written_to_is_named(babeltune: Call, here: Path, untried: list[object]) -> None:
    (here / "runs").write_text("a file")
    said = babeltune("doctor")
    assert said.code == 1
    assert "runs cannot be written to" in said.words
    assert "--runs FOLDER" in said.words


class Installed:
    """A distribution as its metadata tell of it."""

    version = "1.0"
    requires = ("torch>=99", 'vllm>=1; extra == "vllm"', 'pytest; extra == "dev"', 'winonly; sys_platform == "none"')
    metadata = Message()


def test_packages_are_held_against_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    Installed.metadata = Message()
    for extra in ("vllm", "dev"):
        Installed.metadata["Provides-Extra"] = extra
    monkeypatch.setattr(packages.metadata, "distribution", lambda name: Installed)
    monkeypatch.setattr(packages, "_version", lambda name: {"torch": "2.13.0+cpu"}.get(name))
    ours, torch, vllm = packages.packages()
    assert ours == Package("babeltune", "", "1.0", None)
    assert ours.fits
    assert torch == Package("torch", ">=99", "2.13.0+cpu", None)
    assert not torch.fits
    assert vllm == Package("vllm", ">=1", None, "vllm")


def test_a_package_that_does_not_fit_is_in_the_way_and_a_missing_extra_is_not(
    babeltune: Call, here: Path, untried: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        Package("babeltune", "", "1.0", None),
        Package("trl", ">=1.16", "0.9", None),
        Package("vllm", ">=1", None, "vllm"),
    ]
    monkeypatch.setattr("babeltune.study.doctor.diagnosis.packages", lambda: found)
    said = babeltune("doctor")
    assert said.code == 1
    assert [line for line in said.out.splitlines() if line.startswith("  - ")] == [
        '  - trl: 0.9 is installed, and babeltune asks for >=1.16. Run: pip install "trl>=1.16".'
    ]


@pytest.mark.parametrize(
    ("torch", "told"),
    [
        (None, "GPU unknown, as torch does not work"),
        (CPU, "no GPU"),
        (dataclasses.replace(CPU, mps=True), "Apple's GPU"),
        (
            dataclasses.replace(CPU, built_for="12.8", driver="13.0", gpus=(Gpu("NVIDIA H100", 79.1),) * 2),
            "2 GPUs: NVIDIA H100 with 79.1 GiB, NVIDIA H100 with 79.1 GiB (torch for CUDA 12.8, driver to 13.0)",
        ),
        (dataclasses.replace(CPU, driver="12.4"), "a GPU that torch cannot use (driver up to CUDA 12.4; this torch is"),
        (dataclasses.replace(CPU, built_for="13.0", driver="11.4", said="too old"), "CUDA 11.4; too old)"),
    ],
)
def test_the_gpu_is_told_as_torch_sees_it(torch: Torch | None, told: str) -> None:
    assert told in _gpu(torch)


def test_what_works_is_really_tried_in_a_process_of_its_own() -> None:
    found = trials.tried(together=[("endpoint",)])
    assert found.trials[0].works
    assert set(found.trials[0].versions) == {"openai", "aiohttp"}
    assert found.torch is None


def test_a_trial_that_crashes_or_fails_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = {
        "torch": "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
        "ray": "raise ImportError('libfoo.so: no such file')",
        "vllm": 'print(\'noise\'); print(\'{"trial": "vllm", "versions": {"vllm": "1"}}\')',
    }

    def start(names: tuple[str, ...]) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen([sys.executable, "-c", ends[names[0]]], stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    monkeypatch.setattr(trials, "_start", start)
    found = trials.tried(together=[("torch", "transformers"), ("ray",), ("vllm",)])
    assert found.trials == (
        Trial("torch", False, said="it was ended by SIGILL"),
        Trial("transformers", False, said="it was ended by SIGILL"),
        Trial("ray", False, said="ImportError: libfoo.so: no such file"),
        Trial("vllm", True, {"vllm": "1"}),
    )


def test_an_engine_that_fails_is_in_the_way(babeltune: Call, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Tried((Trial("torch", False, said="it was ended by SIGILL"),), None)
    monkeypatch.setattr("babeltune.study.doctor.diagnosis.tried", lambda study: failed)
    said = babeltune("doctor")
    assert said.code == 1
    assert "torch: does not work: it was ended by SIGILL" in said.words


@pytest.mark.slow
def test_torch_transformers_and_the_tuning_work_and_what_of_a_study_does_not_fit_is_told(here: Path) -> None:
    from babeltune.study.check import open_study
    from babeltune.study.doctor.needs import to_tune

    study = study_file(here, "./model", execution={"device": "cpu", "attention": "flash_attention_2"})
    found = trials.tried(to_tune(open_study(study, here / "runs", may_lack="anything")))
    assert all(one.works for one in found.trials)
    assert found.torch is not None
    assert [one["where"] for one in found.unfit] == ["execution.attention"]
