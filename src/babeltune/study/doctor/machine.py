"""The machine: processor, memory, the folders that babeltune writes to, and the variables that it obeys."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babeltune.study.models import cache_folder

GIB = 1 << 30
_CGROUP = Path("/sys/fs/cgroup/memory.max")
"""What a container may take, in bytes, or ``max`` (cgroup v2)."""
_OBEYED = ("BABELTUNE_CACHE", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES", "RAY_ADDRESS")
_SECRET = ("HF_TOKEN", "OPENAI_API_KEY")


@dataclass(frozen=True, slots=True)
class Machine:
    """What this process may use."""

    system: str
    python: str
    executable: str
    cores: int
    memory: float
    """[GiB]; a container's share where it has less than the whole."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that babeltune writes to; it need not be there yet."""

    what: str
    path: str
    free: int
    """Bytes."""
    writable: bool
    device: int
    """The file system that it is on, or would be."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the environment."""

    name: str
    value: str | None
    """None where it is not set; of a key ``set``, never the key."""


def machine() -> Machine:
    """The one that this process runs on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if _CGROUP.is_file() and (most := _CGROUP.read_text(encoding="ascii").strip()).isdigit():
        memory = min(memory, int(most))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        f"{platform.system()} {platform.release()} {platform.machine()}", platform.python_version(), sys.executable,
        cores, memory / GIB,
    )  # fmt: skip


def places(runs: Path) -> list[Place]:
    """Where runs, converted models and what comes from the hub are written."""
    from huggingface_hub.constants import HF_HUB_CACHE

    named = (("runs", runs), ("babeltune's cache", cache_folder()), ("the hub's cache", Path(HF_HUB_CACHE)))
    return [_place(what, path) for what, path in named]


def _place(what: str, path: Path) -> Place:
    there = path.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    free, device = shutil.disk_usage(there).free, there.stat().st_dev
    return Place(what, str(path), free, there.is_dir() and os.access(there, os.W_OK | os.X_OK), device)


def variables(environment: Mapping[str, str], keys: Sequence[str] = ()) -> list[Variable]:
    """What the environment says, as it was when the command began. ``keys``: more variables that hold a secret."""
    secret = dict.fromkeys((*_SECRET, *keys))
    plain = [Variable(name, environment.get(name)) for name in _OBEYED if name not in secret]
    return plain + [Variable(name, "set" if environment.get(name, "").strip() else None) for name in secret]
