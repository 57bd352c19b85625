"""Trials: whether what is installed works, each tried in a process of its own, which may crash or hang."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_TOGETHER: Sequence[tuple[str, ...]] = (("torch", "transformers", "tuning"), ("endpoint",))
"""What every study may need. The first three stand on each other, and load together what takes long."""
_OPTIONAL = ("vllm", "ray", "bitsandbytes")
"""Tried where the package is there."""
_PATIENCE = 300
"""Seconds: vLLM takes ten on a quiet machine, and a busy one many times as long."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What was tried, and what came of it."""

    name: str
    """``torch``, ``tuning``, ``endpoint``, or the name of a package."""
    works: bool
    versions: Mapping[str, str] = field(default_factory=dict)
    said: str = ""
    """Why it does not work."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU that torch can use."""

    name: str
    memory: float
    """[GiB]"""


@dataclass(frozen=True, slots=True)
class Torch:
    """Where torch computes."""

    version: str
    built_for: str | None
    """CUDA version; None for a build without it."""
    driver: str | None
    """CUDA version up to which NVIDIA's driver goes; None where there is no driver."""
    gpus: tuple[Gpu, ...]
    mps: bool
    """Whether there is an Apple GPU."""
    said: str
    """What torch has to say of a GPU that it cannot use."""


@dataclass(frozen=True, slots=True)
class Tried:
    """All that was tried."""

    trials: tuple[Trial, ...]
    torch: Torch | None
    """None where torch does not work."""
    unfit: tuple[Mapping[str, Any], ...] = ()
    """Fields of the problems with a study's tuning here."""


def tried(study: Mapping[str, Any] | None = None, together: Sequence[tuple[str, ...]] | None = None) -> Tried:
    """Try all that is installed. ``study``: a recipe's and a hardware's fields, to say whether that tuning fits here."""
    groups = together if together is not None else (*_TOGETHER, *((name,) for name in _OPTIONAL if _there(name)))
    started = [(names, _start(names)) for names in groups]
    trials: list[Trial] = []
    facts: dict[str, Any] = {}
    for names, process in started:
        said, why = _ended(process, json.dumps(study) if study else "")
        for name in names:
            if name in said:
                trials.append(Trial(name, True, said[name].get("versions", {})))
            else:
                trials.append(Trial(name, False, said=why))
        facts |= said.get("torch", {})
    known = {one.name for one in dataclasses.fields(Torch)} - {"version", "gpus"}
    gpus = tuple(Gpu(**one) for one in facts.get("gpus", ()))
    found = Torch(facts["torch"], gpus=gpus, **{name: facts[name] for name in known}) if facts else None
    return Tried(tuple(trials), found, tuple(facts.get("unfit", ())))


def _there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _start(names: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.trial", *names],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
        env={**os.environ, "TRANSFORMERS_VERBOSITY": "error", "VLLM_LOGGING_LEVEL": "ERROR"},
    )  # fmt: skip


def _ended(process: subprocess.Popen[str], study: str) -> tuple[dict[str, dict[str, Any]], str]:
    """What a process has said of each of its trials, and why it went no further."""
    with process:
        try:
            out, err = process.communicate(study, timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err = f"it did not end within {_PATIENCE} s"
    if process.returncode < 0 and not err.startswith("it did not"):
        err = f"it was ended by {signal.Signals(-process.returncode).name}"
    found = {}
    for line in out.splitlines():
        if line.startswith('{"trial": '):
            row = json.loads(line)
            found[row.pop("trial")] = row
    return found, (err.strip().splitlines() or ["it ended without a word"])[-1]
