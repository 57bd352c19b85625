"""Devices: what a GPU's maker says of it, and how fast this machine's processor is."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from babeltune.errors import InputError, Problem

GIB = 1 << 30
Span = tuple[float, float]
"""The least and the most."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device."""

    name: str
    memory: float
    """That programs can have [GiB]."""
    half: float
    """Matrix products of bfloat16 with float32 sums, dense, at best [TFLOP/s]."""
    single: float
    """Matrix products of float32 [TFLOP/s]."""
    bandwidth: float
    """Of the memory, at best [GB/s]."""
    utilisation: Span = (0.25, 0.45)
    """Share of the peak that tuning comes to. An assumption; the authors' times (appendix C) come to 0.48 and 0.36."""
    streamed: Span = (0.4, 0.8)
    """Share of the bandwidth that generation comes to. An assumption."""

    def flops(self, dtype: str) -> float:
        """Peak for a type of the weights or of autocast [FLOP/s]."""
        return 1e12 * (self.single if dtype == "float32" else self.half)


GPUS: Mapping[str, Device] = {
    device.name: device
    for device in (
        Device("rtx3090", 24, 71, 35.6, 936),
        Device("rtx4090", 24, 165, 82.6, 1008),
        Device("l40s", 45, 362, 91.6, 864),
        Device("a100-40gb", 40, 312, 19.5, 1555),
        Device("a100-80gb", 80, 312, 19.5, 2039),
        Device("h100", 79, 989, 67, 3350),
        Device("h200", 140, 989, 67, 4800),
    )
}
"""NVIDIA's figures without sparsity: white papers of GA102 (RTX 3090) and of Ada (RTX 4090), data sheets of the L40S, the
A100, the H100 and the H200, the last three as SXM modules; memory as the driver reports it, where that is less."""

_DRIVER = Path("/proc/driver/nvidia/gpus")
_MATRIX, _SECONDS = 1024, 0.15


def gpu_here() -> Device | None:
    """The first NVIDIA GPU of this machine, if its driver tells of one that is in the table. Loads nothing."""
    for file in sorted(_DRIVER.glob("*/information")):
        words = file.read_text(encoding="utf-8", errors="replace").lower().replace(" ", "")
        for name in sorted(GPUS, key=len, reverse=True):
            if all(part in words for part in name.split("-")):
                return GPUS[name]
    return None


def chosen(gpu: str | None, wanted: str) -> tuple[Device, ...]:
    """The devices to estimate for: the GPU that is named, or what this machine has of what the study wants.

    Where it wants a GPU and none in the table is here, all of the table.

    Raises:
        InputError: no GPU of the table has this name.
    """
    if gpu is not None:
        if gpu not in GPUS:
            raise InputError("--gpu", [Problem(gpu, "not in the table", f"Known are {', '.join(GPUS)}.")])
        return (GPUS[gpu],)
    if wanted == "cuda" or (wanted == "auto" and any(_DRIVER.glob("*/information"))):
        here = gpu_here()
        return (here,) if here else tuple(GPUS.values())
    return (processor(),)


def processor() -> Device:
    """The processor here: how fast it multiplies and copies, the best of some tries in a third of a second."""
    import numpy as np

    matrix = np.ones((_MATRIX, _MATRIX), np.float32)
    product = np.ones_like(matrix)
    block = np.ones(1 << 23, np.float32)  # more than caches hold
    target = np.ones_like(block)

    def fastest(work: Callable[[], object]) -> float:
        began, best = time.perf_counter(), math.inf
        while time.perf_counter() - began < _SECONDS:
            start = time.perf_counter()
            work()
            best = min(best, time.perf_counter() - start)
        return best

    tera = 2 * _MATRIX**3 / fastest(lambda: np.matmul(matrix, matrix, out=product)) / 1e12
    bandwidth = 2 * block.nbytes / fastest(lambda: np.copyto(target, block)) / 1e9
    # Utilisation: from the times of the pocket study (docs/scale.md).
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    return Device("this processor", memory, tera, tera, bandwidth, utilisation=(0.25, 0.6))
