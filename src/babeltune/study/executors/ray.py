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
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babeltune.errors import EngineError
from babeltune.study.check import Opened
from babeltune.study.executors import local
from babeltune.study.executors.cluster import RETRIES, Need, Order, Watch, connected, ended, fetch, machines
from babeltune.study.executors.local import Ran
from babeltune.study.executors.replicas import Replicas
from babeltune.study.session import Event, Session, Tell
from babeltune.study.step import Step
from babeltune.study.steps import tuning
from babeltune.study.steps.run import run_steps
from babeltune.study.store import Store

if TYPE_CHECKING:
    from babeltune.records import Engine

_TICK = 0.5
"""Seconds between two looks at progress."""
_CHUNKS = 4
"""Scoring tasks a core: few, as each reads its items, and several, so that all cores end together."""
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
    with connected(address or os.environ.get("RAY_ADDRESS") or "local"):
        return local.run(opened, tell, place=_Cluster(opened), most_cost=most_cost)


class _Cluster:
    """The executor. Connected to Ray as long as it is used."""

    def __init__(self, opened: Opened) -> None:
        import ray

        how = opened.plan.study.execution
        device = how.device
        if device == "auto":
            device = "cuda" if any(has.get("GPU") for has in machines()) else "cpu"
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
                self._generate(tuple(group), model, session)
        elif kind == "score":
            # Those over replies that were lacking stand already, and a worker would leave them as they are.
            stale = [step for step in steps if session.store.stands(step)]
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
        # The batches of the local run: its engine forms them without loading weights.
        here = session.engine(model) if session.study.engine == "transformers" else None
        with Replicas(self._order, model, getattr(here, "split", None), Watch(self._generation)) as engine:
            run_steps(steps, _Lent(session, engine))


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
    store, plan = session.store, session.plan
    steps = tuple(plan.by_key[key] for key in keys)
    done = store.done(steps)
    run_steps([step for step in steps if step.key not in done], session)


def _lint(order: Order, keys: tuple[str, ...]) -> None:
    """Refuse, in a worker, chats or a recipe that would be trained wrongly there."""
    order.enter()
    session = Session(order.opened, lambda event: None)
    tuning.check(tuple(order.opened.plan.by_key[key] for key in keys), session)
