"""The Ray executor: the same steps, placed on a cluster. Ray starts, watches and restarts whatever runs elsewhere.

The driver holds the lock of the study and runs what is cheap itself. A tuning is a Ray task; scores are tasks of some
cells each; both go through ``run_steps`` where they are, and publish on the disk that all machines share. Generation is
the same code as ever, with an engine that hands its batches to replicas (``replicas.py``).

A task whose worker or machine dies is done again by Ray; a tuning goes on from its last whole checkpoint.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import logging
import os
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babeltune.errors import BabeltuneError, EngineError, StoreError
from babeltune.study import local
from babeltune.study.check import Opened
from babeltune.study.local import Ran
from babeltune.study.run import run_steps
from babeltune.study.session import Event, Session, Tell
from babeltune.study.step import Step
from babeltune.study.steps import check_tuning
from babeltune.study.store import Store

if TYPE_CHECKING:
    from babeltune.records import Engine

RETRIES = 4
"""So many times more is a piece of work tried whose worker died."""
_PATIENCE = 300.0
"""Seconds without any machine that could take the work, after some had, until the run gives up."""
_TICK = 0.5
"""Seconds between two looks at progress."""
_CHUNKS = 4
"""Scoring tasks a core: few, as each reads its items, and several, so that all cores end together."""
_KNOCK = 10.0
"""Seconds for the head of a cluster to answer."""
_STORE = 256 << 20
"""Bytes of shared memory of a Ray of our own: what travels is requests and outputs."""
_TOLD = ("HF_HUB_OFFLINE", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "BABELTUNE_CACHE")
"""Of the driver's environment, what says where models and data are."""


def run(opened: Opened, tell: Tell, address: str | None = None, most_cost: float | None = None) -> Ran:
    """Run whatever of a study is not done on a cluster.

    ``address``: of its head, ``auto`` for the one on this machine, ``local`` for a Ray of our own on this machine; left
    out, what ``RAY_ADDRESS`` says, else ``local``. ``most_cost``: as of the local run. The runs folder and the models must be at the same paths everywhere.

    Raises:
        EngineError: Ray is not installed or not there; the cluster cannot give what the study asks for; a piece of work
            ended its workers again and again.
        LockedError: another run holds the study.
    """
    if importlib.util.find_spec("ray") is None:
        raise EngineError("the executor 'ray' needs Ray: pip install 'babeltune[ray]'")
    with _connected(address or os.environ.get("RAY_ADDRESS") or "local"):
        return local.run(opened, tell, place=_Cluster(opened), most_cost=most_cost)


@dataclass(frozen=True, slots=True)
class Need:
    """What one worker needs of one machine."""

    what: str
    """The work, in words."""
    cpus: int
    gpus: int = 0
    settings: str = ""
    """Fields of the study file that say so."""

    def options(self) -> dict[str, int]:
        """As Ray wants them."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus}

    def room(self) -> int:
        """How many such workers the machines of the cluster hold together, idle or not."""
        return sum(
            min(int(has.get(name, 0)) // wanted for name, wanted in (("CPU", self.cpus), ("GPU", self.gpus)) if wanted)
            for has in _machines()
        )

    def check(self) -> None:
        """Refuse work that no machine can take: Ray would wait for one without a word.

        Raises:
            EngineError: says what is asked and what there is.
        """
        if not self.room():
            alike: dict[tuple[int, int], int] = {}
            for has in _machines():
                key = int(has.get("CPU", 0)), int(has.get("GPU", 0))
                alike[key] = alike.get(key, 0) + 1
            there = "; ".join(f"{n} with {_amount(*has)}" for has, n in sorted(alike.items(), reverse=True))
            asked = f" ({self.settings})" if self.settings else ""
            raise EngineError(
                f"{self.what} needs a machine with {_amount(self.cpus, self.gpus)}{asked}; the cluster has"
                f" {there or 'none'}. Add such a machine or ask for less, and run again; nothing finished is lost."
            )


class Watch:
    """Gives up where for long no machine of the cluster could take the work."""

    def __init__(self, need: Need) -> None:
        """Refuses at once what no machine can take."""
        need.check()
        self.need = need
        self._seen = time.monotonic()

    def look(self) -> None:
        """To be called now and then while nothing comes back.

        Raises:
            EngineError: see ``Need.check``.
        """
        if self.need.room():
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > _PATIENCE:
            self.need.check()


@dataclass(frozen=True)
class Order:
    """What a worker is told of the run: it travels once to each machine."""

    opened: Opened
    """The study; device and threads are settled, the runs folder is absolute."""
    folder: str
    """Where the driver runs: paths of the study file may be relative."""
    environment: Mapping[str, str]
    number: str
    """Of the run: a worker process keeps its session for the next task of the same one."""

    def enter(self) -> None:
        """Make this process see what the driver sees.

        Raises:
            StoreError: it does not.
        """
        os.environ.update(self.environment)
        root = self.opened.store.root
        try:
            os.chdir(self.folder)
        except OSError as error:
            raise _not_shared(self.folder) from error
        if not (root / "lock").is_file():
            raise _not_shared(str(root))


def _not_shared(path: str) -> StoreError:
    here = os.uname().nodename
    return StoreError(
        f"{path}: is not on the machine {here}. All machines of the cluster must see the runs folder, and the folder"
        " where babeltune is started, at the same path."
    )


def fetch(reference: Any) -> Any:
    """The result of a task; an error of ours as itself."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, BabeltuneError):
            raise error.cause from None
        raise


def _result(task: Any, what: str) -> None:
    """Wait for a task.

    Raises:
        EngineError: it ended its workers again and again; ``what`` it is, in words.
    """
    import ray

    try:
        fetch(task)
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError) as error:
        raise ended(what, error) from error


def ended(what: str, error: Exception) -> EngineError:
    """What to say where work ended its workers again and again."""
    return EngineError(
        f"{what}: the process that had it ended {RETRIES + 1} times. Ray says: {_first_line(error)}. Look for the reason"
        " in Ray's logs (/tmp/ray/session_latest/logs on its machine); where memory ran out, lower execution.micro_batch"
        " or batch_size. Then run again; nothing finished is lost."
    )


class _Cluster:
    """The executor. Connected to Ray as long as it is used."""

    def __init__(self, opened: Opened) -> None:
        import ray

        how = opened.plan.study.execution
        device = how.device
        if device == "auto":
            device = "cuda" if any(has.get("GPU") for has in _machines()) else "cpu"
        threads = how.threads
        if threads is None and device != "cuda":
            import torch

            threads = torch.get_num_threads()  # as the local run has; sums depend on it
        settled = how.model_copy(update={"device": device, "threads": threads})
        study = opened.plan.study.model_copy(update={"execution": settled})
        order = Order(
            dataclasses.replace(
                opened,
                plan=dataclasses.replace(opened.plan, study=study),
                store=Store(opened.store.root.absolute()),
            ),
            str(Path.cwd()),
            {name: os.environ[name] for name in _TOLD if name in os.environ},
            uuid.uuid4().hex,
        )
        self._order = ray.put(order)
        node = ray.get_runtime_context().get_node_id()
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        self._events = ray.remote(num_cpus=0, scheduling_strategy=here)(_Events).remote()
        cuda = device == "cuda"
        cores = (
            "execution.threads" if how.threads else "all cores that the driver has, as execution.threads is left out"
        )
        tensors = settled.tensor_parallel if study.engine == "vllm" else 1
        self._tuning = Need(
            "a tuning",
            threads or settled.processes,
            settled.processes if cuda else 0,
            "execution.processes" if cuda else cores,
        )
        self._generation = Need(
            "generation", threads or 1, tensors if cuda else 0, "execution.tensor_parallel" if cuda else cores
        )
        self._scoring = Need("scoring", 1)

    def __call__(self, steps: Sequence[Step], session: Session) -> None:
        """Run steps of one kind, sorted by model, whose needs are done."""
        kind = steps[0].kind
        if kind == "tune":
            self._generation.check()  # what cannot be generated need not be tuned
            self._tuning.check()
            self._lint(steps)
            self._tasks([(step,) for step in steps], self._tuning, session.tell)
        elif kind == "generate":
            for model, group in itertools.groupby(steps, key=lambda step: step.model):
                assert model is not None
                self._generate(tuple(group), model, session)
        elif kind == "score":
            # Those over replies that were lacking stand already, and a worker would leave them as they are.
            stale = [step for step in steps if session.opened.store.stands(step)]
            if stale:
                local.here(stale, session)
            steps = [step for step in steps if step not in stale]
            if not steps:
                return
            size = -(-len(steps) // max(1, _CHUNKS * self._scoring.room()))
            chunks = [steps[at : at + size] for at in range(0, len(steps), size)]
            self._tasks(chunks, self._scoring, session.tell)
        else:
            local.here(steps, session)

    def _lint(self, steps: Sequence[Step]) -> None:
        """Where it will be tuned: the driver may have no GPU, nor what tuning needs beside one."""
        import ray

        work = ray.remote(max_retries=RETRIES, **self._tuning.options())(_lint)
        _result(work.remote(self._order, tuple(step.key for step in steps)), "the lint of the training chats")

    def _tasks(self, chunks: Sequence[Sequence[Step]], need: Need, tell: Tell) -> None:
        """One Ray task a chunk, which publishes its steps itself."""
        import ray

        watch = Watch(need)
        # A process that has used a GPU holds some of its memory until it ends, so Ray ends it after the task.
        work = ray.remote(max_retries=RETRIES, **need.options())(_work)
        left = {work.remote(self._order, tuple(step.key for step in steps), self._events): steps for steps in chunks}
        total = sum(map(len, chunks))
        finished = 0
        while left:
            ready, _ = ray.wait(list(left), timeout=_TICK)
            for event in ray.get(self._events.take.remote()):
                tell(event)
            for reference in ready:
                steps = left.pop(reference)
                _result(reference, ", ".join(step.name for step in steps))
                finished += len(steps)
                if steps[0].kind == "score" and (cell := steps[-1].cell):
                    tell(Event("score", f"{cell.mix} {cell.task} {cell.language}", finished, total, "steps"))
            if not ready:
                watch.look()

    def _generate(self, steps: Sequence[Step], model: str, session: Session) -> None:
        from babeltune.study.replicas import Replicas

        # The batches of the local run: its engine forms them without loading weights.
        here = session.engine(model) if session.opened.plan.study.engine == "transformers" else None
        with Replicas(self._order, model, getattr(here, "split", None), Watch(self._generation)) as engine:
            run_steps(steps, _Lent(session, engine))


class _Lent(Session):
    """A session with an engine that is made elsewhere."""

    def __init__(self, session: Session, engine: Engine) -> None:
        super().__init__(session.opened, session.tell)
        self._lent = engine

    def engine(self, model: str) -> Engine:
        """The one that was lent."""
        return self._lent


class _Events:
    """What workers tell, until the driver takes it. An actor beside the driver."""

    def __init__(self) -> None:
        self.told: list[Event] = []

    def tell(self, event: Event) -> None:
        self.told.append(event)

    def take(self) -> list[Event]:
        told, self.told = self.told, []
        return told


_KEPT: dict[str, Session] = {}
"""The session of this process, by the number of its run: a base is loaded once for tasks that follow each other."""


def _work(order: Order, keys: tuple[str, ...], events: Any) -> None:
    """Run steps in a worker. What an earlier worker published, and died before it could say so, is left as it is."""
    order.enter()
    if order.number not in _KEPT:
        _KEPT.clear()

        def tell(event: Event) -> None:
            if event.kind != "score":  # counts within the chunk
                events.tell.remote(event)

        _KEPT[order.number] = Session(order.opened, tell)
    session = _KEPT[order.number]
    store, plan = session.opened.store, session.opened.plan
    steps = tuple(plan.by_key[key] for key in keys)
    done = store.done(steps)
    run_steps([step for step in steps if step.key not in done], session)


def _lint(order: Order, keys: tuple[str, ...]) -> None:
    """Refuse, in a worker, chats or a recipe that would be trained wrongly there."""
    order.enter()
    session = Session(order.opened, lambda event: None)
    check_tuning(tuple(order.opened.plan.by_key[key] for key in keys), session)


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """Ray for the time of a run; its errors as ours."""
    if "://" in address:
        raise EngineError(
            f"{address}: a run must be part of the cluster, not a client of it. Start it on a machine of the cluster"
            " with --address auto, or send it there with `ray job submit` (docs/cluster.md)."
        )
    host, _, port = address.rpartition(":")
    if host:
        try:
            socket.create_connection((host, int(port)), _KNOCK).close()  # Ray itself tries for many minutes
        except (OSError, ValueError) as error:
            raise _not_there(address, error) from error
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    ours = not ray.is_initialized()
    if ours:
        alone: dict[str, Any] = {"include_dashboard": False, "object_store_memory": _STORE}
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **(alone if address == "local" else {}))
        except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
            raise _not_there(address, error) from error
    try:
        yield
    except ray.exceptions.RayTaskError:
        raise  # a fault of the program, with the worker's trace
    except ray.exceptions.RayError as error:
        raise EngineError(f"Ray: {_first_line(error)}. Run again; nothing finished is lost.") from error
    finally:
        if ours:
            ray.shutdown()


def _not_there(address: str, error: Exception) -> EngineError:
    return EngineError(
        f"no Ray at '{address}': {_first_line(error)}. Start one there (ray start --head), or give --address local for a"
        " Ray of this run's own."
    )


_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray would send them
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what matters comes as an exception
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # its default warns of a change to come
    "RAY_task_oom_retries": str(RETRIES),  # else what does not fit in memory is tried for ever
}


def _machines() -> list[Mapping[str, float]]:
    """The resources of each machine that is there."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _amount(cpus: int, gpus: int) -> str:
    return f"{cpus} CPU{'' if cpus == 1 else 's'} and {gpus} GPU{'' if gpus == 1 else 's'}"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")
