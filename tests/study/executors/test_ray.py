"""The Ray executor on a cluster of two nodes, each a set of real processes, that are killed with SIGKILL.

Driver, cluster and local run are processes of their own: Ray warns where pytest would make errors of it.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from babeltune.errors import EngineError, Problem, StoreError, TemplateError
from babeltune.records import Request, Sampling
from babeltune.study.artefacts import JOURNAL
from babeltune.study.check import open_study
from babeltune.study.executors import cluster
from babeltune.study.executors import ray as on_ray
from babeltune.study.executors.replicas import chunks
from calls import Call
from doubles import study_file
from test_faults import made

# What needs no Ray


def test_without_ray_it_says_what_to_install(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_study(study_file(tmp_path, model_folder), tmp_path / "runs")
    monkeypatch.setattr(on_ray.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"pip install 'babeltune\[ray\]'"):
        on_ray.run(opened, lambda event: None)
    assert not (tmp_path / "runs").exists()


def test_an_address_is_for_a_cluster_alone(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Call(monkeypatch, capsys)("run", study_file(tmp_path, model_folder), "--address", "auto")
    assert said.code == 2
    assert "--address: it is for a Ray cluster" in said.words
    assert "--executor ray" in said.words


def test_an_input_error_travels_between_processes_as_itself() -> None:
    error = TemplateError("training template", [Problem("mix mono", "no EOS", "Teach it.", 3)])
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is TemplateError
    assert (str(back), back.problems, back.exit_code) == (str(error), error.problems, 2)


def test_an_engine_without_batches_gets_chunks_of_one_adapter() -> None:
    def request(at: int) -> Request:
        return Request(str(at), f"cell {at % 3}", "prompt", Sampling(), 0, "ab"[at % 2] if at % 5 else None)

    requests = [request(at) for at in range(1500)]
    found = chunks(requests, 1)
    assert sorted((one for some in found for one in some), key=lambda one: int(one.id)) == requests
    assert all(len(some) <= 256 and len({one.adapter for one in some}) == 1 for some in found)
    assert len(found) == 2 + 3 + 3  # 300 of the base, 600 of either adapter


@pytest.mark.parametrize(
    ("requests", "replicas", "size"), [(10, 1, 10), (2000, 1, 256), (8000, 1, 1000), (8000, 4, 256), (10**5, 1, 2048)]
)
def test_chunks_are_an_eighth_of_what_a_replica_has_to_do_within_limits(requests, replicas, size) -> None:
    found = chunks([Request(str(at), "cell", "prompt", Sampling(), 0) for at in range(requests)], replicas)
    assert len(found[0]) == size
    assert {len(some) for some in found[:-1]} <= {size}


@pytest.mark.parametrize(
    ("cpus", "gpus", "room"), [(1, 0, 20), (8, 0, 2), (1, 1, 4), (4, 1, 4), (5, 1, 3), (1, 4, 1), (1, 5, 0), (17, 0, 0)]
)
def test_room_is_counted_machine_by_machine(monkeypatch: pytest.MonkeyPatch, cpus: int, gpus: int, room: int) -> None:
    monkeypatch.setattr(cluster, "machines", lambda: [{"CPU": 4.0}, {"CPU": 16.0, "GPU": 4.0}, {"memory": 9e9}])
    need = cluster.Need("a tuning", cpus, gpus, "execution.processes")
    assert need.room() == room
    if room:
        need.check()
    else:
        with pytest.raises(EngineError, match="the cluster has 1 with 16 CPUs and 4 GPUs; 1 with 4 CPUs and 0 GPUs;"):
            need.check()


def test_a_machine_that_does_not_see_the_runs_folder_says_so(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BABELTUNE_CACHE", raising=False)
    opened = open_study(study_file(tmp_path, model_folder), tmp_path / "runs")
    (tmp_path / "elsewhere").mkdir()
    environment = {"BABELTUNE_CACHE": str(tmp_path)}
    with pytest.raises(StoreError, match=f"^{tmp_path / 'runs' / 'tiny'}: is not on the machine"):
        cluster.Order(opened, str(tmp_path / "elsewhere"), environment, "1").enter()
    with pytest.raises(StoreError, match="/nowhere: is not on the machine"):
        cluster.Order(opened, "/nowhere", environment, "1").enter()
    with opened.store.locked():
        cluster.Order(opened, str(tmp_path / "elsewhere"), environment, "1").enter()
    assert Path.cwd() == tmp_path / "elsewhere"
    assert os.environ.pop("BABELTUNE_CACHE") == str(tmp_path)


# A cluster

_CLUSTER = """
import sys
from ray.cluster_utils import Cluster
size = {"num_cpus": 1, "object_store_memory": 100 << 20}
cluster = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
second = cluster.add_node(**size)
print(cluster.address, flush=True)
for line in sys.stdin:
    if line == "remove\\n":
        cluster.remove_node(second, allow_graceful=False)
    else:
        second = cluster.add_node(**size)
    print(line, end="", flush=True)
cluster.shutdown()
"""
_BABELTUNE = "from babeltune.cli import main; main()"
_LONGEST = 480
"""Seconds."""


@dataclass(frozen=True)
class Nodes:
    """A head and a second node, of one CPU each."""

    process: subprocess.Popen[str]
    address: str

    def tell(self, what: str) -> None:
        """``remove`` or ``add`` the second node."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == f"{what}\n"

    def workers(self, name: str) -> list[int]:
        """Processes of the cluster that run a task or an actor of this name."""
        return [
            pid
            for pid, words in _processes()
            if words.startswith(f"ray::{name}") and self.address in dict(_processes()).get(_parent(pid), "")
        ]


def _processes() -> list[tuple[int, str]]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found.append((int(folder.name), (folder / "cmdline").read_bytes().decode().replace("\0", " ")))
            except OSError:
                continue
    return found


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    pytest.importorskip("ray")
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
    process = subprocess.Popen(
        [sys.executable, "-c", _CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address
    yield Nodes(process, address)
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


def babeltune(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _BABELTUNE, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(driver: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and what stood on standard error."""
    _, errors = driver.communicate(timeout=_LONGEST)
    return driver.returncode, errors


def until(driver: subprocess.Popen[str], condition: Callable[[], object]) -> None:
    began = time.monotonic()
    while not condition():
        assert driver.poll() is None, end(driver)
        assert time.monotonic() - began < _LONGEST
        time.sleep(0.01)


def half_tuned(runs: Path) -> bool:
    """Whether a tuning has a checkpoint and is not done."""
    return any(runs.glob("*/finetune/*.partial/checkpoints/checkpoint-*/trainer_state.json"))


def half_answered(runs: Path) -> bool:
    """Whether generation is well under way, and a cell has some of its outputs."""
    journals = sum(path.read_bytes().count(b"\n") for path in runs.glob(f"*/generate/*.partial/{JOURNAL}"))
    return journals > 0 and journals + 12 * len(list(runs.glob("*/generate/*/outputs.jsonl"))) >= 20


def tiny(folder: Path, model: Path, **execution: object) -> Path:
    """A study that takes long enough to be killed in the middle."""
    return study_file(
        folder,
        model,
        recipe={"rank": 4, "alpha": 8, "learning_rate": 1e-3, "epochs": 40, "batch": 4, "max_tokens": 200},
        sampling={"max_tokens": 100},
        execution={"device": "cpu", "batch_size": 4, "checkpoint_every": 5, "threads": 1, **execution},
    )


@pytest.fixture(scope="module")
def whole(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A study, and what an undisturbed local run makes of it."""
    pytest.importorskip("ray")
    folder = tmp_path_factory.mktemp("whole")
    study = tiny(folder, model_folder)
    code, errors = end(babeltune("run", study, "--runs", folder / "runs"))
    assert code == 0, errors
    return study, made(folder / "runs")


Start = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def start(nodes: Nodes, whole: tuple[Path, dict[str, bytes]], tmp_path: Path) -> Start:
    """Starts the study on the cluster, in ``tmp_path / "runs"``."""
    study, _ = whole
    return lambda: babeltune("run", study, "--runs", tmp_path / "runs", "--executor", "ray", "--address", nodes.address)


@pytest.mark.slow
def test_two_nodes_give_the_bytes_of_the_local_run(whole: tuple[Path, dict[str, bytes]], start: Start, tmp_path: Path):
    code, errors = end(start())
    assert code == 0, errors
    assert made(tmp_path / "runs") == whole[1]
    assert "Traceback" not in errors
    for line in ("tune tiny-mono-t0: 120/120 updates", "108/108 outputs", "9/9 steps"):
        assert line in errors  # progress came through
    assert not list((tmp_path / "runs").rglob("*.partial"))


@pytest.mark.slow
def test_killed_workers_of_tuning_and_of_generation_lose_nothing(
    whole: tuple[Path, dict[str, bytes]], nodes: Nodes, start: Start, tmp_path: Path
):
    driver = start()
    until(driver, lambda: half_tuned(tmp_path / "runs"))
    os.kill(nodes.workers("_work")[0], signal.SIGKILL)
    until(driver, lambda: half_answered(tmp_path / "runs"))
    replicas = nodes.workers("Replica")
    assert len(replicas) == 2
    os.kill(replicas[0], signal.SIGKILL)
    code, errors = end(driver)
    assert code == 0, errors
    assert made(tmp_path / "runs") == whole[1]


@pytest.mark.slow
def test_the_pocket_model_gives_the_bytes_of_the_local_run_though_workers_die(nodes: Nodes, tmp_path: Path):
    """`studies/pocket.yaml` with fewer chats, languages and prompts."""
    pocket = yaml.safe_load((Path(__file__).parents[3] / "studies" / "pocket.yaml").read_text())
    study = tmp_path / "pocket.yaml"
    pocket["mixes"] = {"mono": {"en": 16}, "multi-2": {"en": 12, "es": 4}}
    pocket["tasks"]["dialogue"] |= {"languages": ["en", "de", "zh"], "sample": 12}
    pocket["sampling"] = {"max_tokens": 12}
    pocket["execution"] = {"checkpoint_every": 1, "threads": 1, "batch_size": 6}
    study.write_text(yaml.safe_dump(pocket))
    code, errors = end(babeltune("run", study, "--runs", tmp_path / "local"))
    assert code == 0, errors
    driver = babeltune("run", study, "--runs", tmp_path / "runs", "--executor", "ray", "--address", nodes.address)
    until(driver, lambda: half_tuned(tmp_path / "runs"))
    os.kill(nodes.workers("_work")[0], signal.SIGKILL)
    until(driver, lambda: half_answered(tmp_path / "runs"))
    os.kill(nodes.workers("Replica")[0], signal.SIGKILL)
    code, errors = end(driver)
    assert code == 0, errors
    local = made(tmp_path / "local")
    assert sum(name.endswith("scores.jsonl") for name in local) == 9
    assert made(tmp_path / "runs") == local


@pytest.mark.slow
@pytest.mark.parametrize("half", [half_tuned, half_answered])
def test_a_node_that_goes_away_for_good_loses_nothing(
    whole: tuple[Path, dict[str, bytes]], nodes: Nodes, start: Start, tmp_path: Path, half: Callable[[Path], bool]
):
    driver = start()
    until(driver, lambda: half(tmp_path / "runs"))
    nodes.tell("remove")
    try:
        code, errors = end(driver)
    finally:
        nodes.tell("add")
    assert code == 0, errors
    assert made(tmp_path / "runs") == whole[1]


@pytest.mark.slow
def test_a_killed_driver_goes_on_with_the_same_command(
    whole: tuple[Path, dict[str, bytes]], nodes: Nodes, start: Start, tmp_path: Path
):
    for half in (half_tuned, half_answered):
        driver = start()
        until(driver, lambda half=half: half(tmp_path / "runs"))
        driver.kill()
        end(driver)
    assert not half_tuned(tmp_path / "runs")
    code, errors = end(start())
    assert code == 0, errors
    assert made(tmp_path / "runs") == whole[1]


@pytest.mark.slow
def test_work_that_ends_each_worker_is_given_up_with_what_to_do(nodes: Nodes, start: Start, tmp_path: Path):
    driver = start()
    killed: set[int] = set()
    while driver.poll() is None:
        for pid in nodes.workers("_work"):
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.01)
    code, errors = end(driver)
    assert code == 1
    assert len(killed) >= 5
    assert "the process that had it ended 5 times" in errors
    assert "run again" in errors
    assert "Traceback" not in errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("execution", "said"),
    [
        ({"device": "cuda", "processes": 4}, "a tuning needs a machine with 4 CPUs and 4 GPUs (execution.processes)"),
        ({"threads": 3}, "generation needs a machine with 3 CPUs and 0 GPUs (execution.threads)"),
    ],
)
def test_what_no_machine_has_is_refused_and_said(
    nodes: Nodes, model_folder: Path, tmp_path: Path, execution: dict[str, object], said: str
):
    study = tiny(tmp_path, model_folder, **execution)
    driver = babeltune("run", study, "--runs", tmp_path / "runs", "--executor", "ray", "--address", nodes.address)
    code, errors = end(driver)
    assert code == 1
    assert "needs a machine with" in errors
    assert "the cluster has 2 with 1 CPU and 0 GPUs" in errors
    assert not list((tmp_path / "runs").rglob("finetune/*"))


@pytest.mark.slow
def test_an_error_of_ours_in_a_worker_comes_back_as_itself(nodes: Nodes, model_folder: Path, tmp_path: Path):
    model = tmp_path / "tiny"
    model.mkdir()
    for file in model_folder.iterdir():
        if file.suffix != ".safetensors":
            (model / file.name).write_bytes(file.read_bytes())
    study = tiny(tmp_path, model)
    driver = babeltune("run", study, "--runs", tmp_path / "runs", "--executor", "ray", "--address", nodes.address)
    code, errors = end(driver)
    assert code == 1
    assert f"{model}: cannot be loaded as a causal language model" in errors
    assert "Traceback" not in errors
    assert "RayTaskError" not in errors


@pytest.mark.slow
def test_no_cluster_at_the_address_is_said(model_folder: Path, tmp_path: Path):
    pytest.importorskip("ray")
    study = tiny(tmp_path, model_folder)
    for address, said in (("127.0.0.1:1", "no Ray at '127.0.0.1:1'"), ("ray://127.0.0.1:1", "not a client of it")):
        driver = babeltune("run", study, "--runs", tmp_path / "runs", "--executor", "ray", "--address", address)
        code, errors = end(driver)
        assert code == 1
        assert said in errors
        assert "Traceback" not in errors
