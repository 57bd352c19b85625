"""The machine that measures, in words, and what else it does meanwhile."""

from __future__ import annotations

import os
import platform
import resource
import time
from pathlib import Path

_BUSY = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_CORES = os.cpu_count() or 1


def described() -> str:
    """Processor, memory, GPU, system and Python."""
    parts = [f"{_CORES} cores of {_processor()}", f"{_memory():.0f} GiB", _gpu()]
    return f"{', '.join(parts)}, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _processor() -> str:
    lines = _read("/proc/cpuinfo").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    has = [shown for flag, shown in (("avx512f", "AVX-512"), ("amx_tile", "AMX")) if flag in flags]
    return (names or [platform.processor() or "an unknown processor"])[0] + (f" ({', '.join(has)})" if has else "")


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _gpu() -> str:
    found = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    names = [line.partition(":")[2].strip() for path in found for line in _read(path).splitlines() if "Model" in line]
    return ", ".join(names) or "no GPU"


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


class Beside:
    """Cores that others kept busy, or a host took away, since this was made; what our ended children used is not counted."""

    def __init__(self) -> None:
        self._began, self._used, self._busy = time.monotonic(), _ours(), _machine()

    def cores(self) -> float | None:
        """On average; None where the system does not tell."""
        busy = _machine()
        if busy is None or self._busy is None:
            return None
        ours = _ours() - self._used
        return max(0.0, (busy - self._busy - ours) / (time.monotonic() - self._began))


def _machine() -> float | None:
    """Seconds that all cores were busy or stolen since the machine began."""
    first = _read("/proc/stat").partition("\n")[0].split()[1 : len(_BUSY) + 1]
    if len(first) < len(_BUSY):
        return None
    told = dict(zip(_BUSY, map(int, first), strict=True))
    return (sum(told.values()) - told["idle"] - told["iowait"]) / os.sysconf("SC_CLK_TCK")


def _ours() -> float:
    """Seconds of processor of this process and its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
