"""Worlds in which the truth is known: agreement under each mix, with items that are hard or easy under every seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np

from babeltune.measure.statistics.intervals import Resampling, Values
from babeltune.measure.verdict.contrasts import ValueBoard
from babeltune.measure.verdict.plateau import verdict
from babeltune.measure.verdict.verdict import Verdict
from babeltune.records import Metric

MEMBERS = {"mono": ("en",), "multi-2": ("en", "es"), "multi-3": ("en", "es", "ru")}
UNSEEN = ("de", "fr", "it", "pt")
ITEM, MIXED, OUTPUT = 1.0, 1.0, 0.6
"""Standard deviations of what decides an output: the item, the item under one mix, and chance."""


def world(rng: np.random.Generator, curve: Sequence[float], items: int, seeds: int) -> dict[str, dict[str, Values]]:
    """Mix -> language -> item -> one 0 or 1 a seed; each mix has its share of ones by expectation in every language.

    An item is as hard in all its seeds, and in part in all its languages, so that seeds say little that is new.
    """
    scale = (ITEM**2 + MIXED**2 + OUTPUT**2) ** 0.5
    names = [f"p{at}" for at in range(items)]
    common = rng.normal(0, 1, items)
    hardness = {code: ITEM * (0.6 * common + 0.8 * rng.normal(0, 1, items)) for code in UNSEEN}
    found: dict[str, dict[str, Values]] = {}
    for mix, share in zip(MEMBERS, curve, strict=False):
        found[mix] = {}
        for code in UNSEEN:
            ability = scale * NormalDist().inv_cdf(share)
            own = ability + hardness[code] + MIXED * rng.normal(0, 1, items)
            outputs = own[:, np.newaxis] + OUTPUT * rng.normal(0, 1, (items, seeds)) > 0
            found[mix][code] = dict(zip(names, outputs.astype(float).tolist(), strict=True))
    return found


def judged(
    scores: Mapping[str, Mapping[str, Values]], how: Resampling, margin: float = 0.1, metric: str = "agreement"
) -> Verdict:
    """The verdict on a world."""
    board = ValueBoard(Metric(metric), scores, how)
    members = {mix: MEMBERS[mix] for mix in scores}
    return verdict(("simulated", "dialogue", "xx:xx"), board, members, margin=margin, in_kind=0.8)
