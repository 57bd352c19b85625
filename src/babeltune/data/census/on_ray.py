"""The census on Ray Data: files are read and batches counted wherever there is room; the sums are made here."""

from __future__ import annotations

import importlib.util
import logging
import os
import pickle
from collections.abc import Callable, Iterator, Sequence

from babeltune.data.census.corpus import Unit, batches
from babeltune.data.census.count import Engine, Job, count
from babeltune.data.census.tally import Counted
from babeltune.data.identify import identifier
from babeltune.errors import EngineError

_Bytes = dict[str, bytes]
_READING = 0.25
"""Cores of a reader: it feeds several identifiers."""
_BLOCK = 16 << 20
"""Bytes that travel at once: small enough that the batches of one long file spread."""


def on_ray(workers: int) -> Engine:
    """The engine on Ray Data, with at most so many identifiers of one core each.

    It runs on the cluster that ``RAY_ADDRESS`` names, or else on a Ray of its own on this machine. The files and the
    identifier must be at the same paths everywhere. The limit of a job is not for it: its batches have no one order.

    Raises:
        EngineError: Ray is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise EngineError("the engine 'ray' needs Ray: pip install 'babeltune[ray]'")

    def engine(job: Job, todo: Sequence[tuple[Unit, int]], limit: int | None) -> Iterator[Counted]:
        if limit is not None:
            raise EngineError(
                "the engine 'ray' counts in no one order, so that a limit has no meaning. Use the engine 'local'"
            )
        import ray

        ours = not ray.is_initialized()
        if ours:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would send them
            os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters comes as an exception
            cores = None if "RAY_ADDRESS" in os.environ else workers + 1
            ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        try:
            yield from _in_order(_counted(job, todo, workers), {unit.name: skip for unit, skip in todo})
        except ray.exceptions.RayError as error:
            why = str(error).strip().splitlines()[-1]
            raise EngineError(f"Ray: {why}. What is counted is kept: the same command goes on") from error
        finally:
            if ours:
                ray.shutdown()

    return engine


def _counted(job: Job, todo: Sequence[tuple[Unit, int]], workers: int) -> Iterator[Counted]:
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = _BLOCK
    counted = (
        ray.data.from_items([{"todo": pickle.dumps(item)} for item in todo], override_num_blocks=len(todo))
        .flat_map(_reader(job.field), num_cpus=_READING)
        .map(_counter(job), num_cpus=1, compute=ActorPoolStrategy(min_size=1, max_size=workers))
    )
    for row in counted.iter_rows():
        yield pickle.loads(row["counted"])


def _reader(field: str) -> Callable[[_Bytes], Iterator[_Bytes]]:
    """Turns a unit, and the records to pass over in it, into batches. Pickled: half a character has no place in Arrow."""

    def read(row: _Bytes) -> Iterator[_Bytes]:
        unit, skip = pickle.loads(row["todo"])
        for batch in batches(unit, field, skip=skip):
            yield {"batch": pickle.dumps(batch)}

    return read


def _counter(job: Job) -> type:
    """Counts batches; an actor of it holds the identifier. It knows the names alone, not the files of the job."""
    name, threshold = job.identifier, job.threshold

    class Counter:
        def __init__(self) -> None:
            self.identifier = identifier(name, threads=1)

        def __call__(self, row: _Bytes) -> _Bytes:
            return {"counted": pickle.dumps(count(pickle.loads(row["batch"]), self.identifier, threshold))}

    return Counter


def _in_order(found: Iterator[Counted], at: dict[str, int]) -> Iterator[Counted]:
    """The batches of each unit in their order. ``at``: unit -> records before its next batch."""
    waiting: dict[tuple[str, int], Counted] = {}
    for counted in found:
        unit = counted.batch.unit
        waiting[unit, counted.batch.start] = counted
        while (ready := waiting.pop((unit, at[unit]), None)) is not None:
            at[unit] = ready.batch.done
            yield ready
