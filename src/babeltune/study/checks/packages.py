"""Packages that a study asks for and that are not installed: found before the tuning, not after it."""

from __future__ import annotations

import importlib.util

from babeltune.study.checks.notes import Notes

_EXTRAS = {
    ("engine", "vllm"): ("vllm", "vllm"),
    ("base_bits", 4): ("bitsandbytes", "quantised"),
    ("base_bits", 8): ("bitsandbytes", "quantised"),
}
"""Field and value -> the package, and the extra of babeltune that brings it."""


def check(notes: Notes) -> None:
    """What is missing on this machine."""
    for *part, name in (("engine",), ("recipe", "base_bits"), ("judge", "engine"), ("translator", "engine")):
        fields: object = notes.parsed.raw.get(part[0]) if part else notes.parsed.raw
        value = fields.get(name) if isinstance(fields, dict) else None
        found = _EXTRAS.get((name, value)) if isinstance(value, str | int) else None
        if found and importlib.util.find_spec(found[0]) is None:
            what = f"'{value}' needs the package {found[0]}, which is not installed"
            notes.problem(what, f'Run: pip install "babeltune[{found[1]}]".', *part, name)
