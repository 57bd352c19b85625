"""The signature: the recipe that travels beside each number, one short line, as sacreBLEU's do."""

from __future__ import annotations

from babeltune import __version__
from babeltune.measure.statistics.intervals import LEVEL, PLAIN, Resampling


def signature(
    *, identifier: str, items: str, seeds: int, tuning_seeds: int, adapter: str, how: Resampling = PLAIN
) -> str:
    """``items`` and ``adapter``: short hashes of what was answered, and of what the answering model was tuned on."""
    parts = {
        "lid": identifier,
        "items": items,
        "adapter": adapter,
        "seeds": f"{seeds}x{tuning_seeds}",
        "ci": f"{LEVEL:.0%}-{how.method}-by-{how.unit.removesuffix('s')}-r{how.resamples}-s{how.seed}",
        "version": __version__,
    }
    return "|".join(f"{key}:{value}" for key, value in parts.items())
