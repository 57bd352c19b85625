"""The cluster: Ray for the time of a run, what its machines have room for, and what a worker on one of them is told."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from babeltune.errors import BabeltuneError, EngineError, StoreError
from babeltune.study.check import Opened

RETRIES = 4
"""So many times more is a piece of work tried whose worker died."""
_PATIENCE = 300.0
"""Seconds without any machine that could take the work, after some had, until the run gives up."""
_KNOCK = 10.0
"""Seconds for the head of a cluster to answer."""
_STORE = 256 << 20
"""Bytes of shared memory of a Ray of our own: what travels is requests and outputs."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray would send them
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what matters comes as an exception
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # its default warns of a change to come
    "RAY_task_oom_retries": str(RETRIES),  # else what does not fit in memory is tried for ever
}


@contextmanager
def connected(address: str) -> Iterator[None]:
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
            for has in machines()
        )

    def check(self) -> None:
        """Refuse work that no machine can take: Ray would wait for one without a word.

        Raises:
            EngineError: says what is asked and what there is.
        """
        if not self.room():
            alike: dict[tuple[int, int], int] = {}
            for has in machines():
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


def ended(what: str, error: Exception) -> EngineError:
    """What to say where work ended its workers again and again."""
    return EngineError(
        f"{what}: the process that had it ended {RETRIES + 1} times. Ray says: {_first_line(error)}. Look for the reason"
        " in Ray's logs (/tmp/ray/session_latest/logs on its machine); where memory ran out, lower execution.micro_batch"
        " or batch_size. Then run again; nothing finished is lost."
    )


def machines() -> list[Mapping[str, float]]:
    """The resources of each machine that is there."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _amount(cpus: int, gpus: int) -> str:
    return f"{cpus} CPU{'' if cpus == 1 else 's'} and {gpus} GPU{'' if gpus == 1 else 's'}"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")
