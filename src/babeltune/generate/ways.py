"""How an adapter comes to its requests: on the fly, beside others, or merged into the weights; what is cheaper."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from babeltune.records import Request

Way = Literal["on-the-fly", "merged"]
"""How an adapter comes to its requests."""
_CHARACTERS = 4
"""Characters a token in an estimate."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What adapters cost on a device.

    Both a merge and a token pass over all weights, so that their ratio hangs little on the model's size.
    """

    merge: float
    """Tokens that are generated in the time of one merge."""
    slowdown: float
    """Time of a token with adapters on the fly, over its time without."""

    @property
    def crossing(self) -> float:
        """Tokens of one adapter from which on a merge is the cheaper; infinite where on the fly costs nothing."""
        return self.merge / (self.slowdown - 1) if self.slowdown > 1 else math.inf


CPU = Costs(merge=700, slowdown=5)
"""Reckoned, not measured: 4 s a merge of the pocket model at 175 tokens/s; and a token on the fly copies all matrices of
its adapter (vLLM 0.32 on a CPU), 78 MB at rank 64."""
GPU = Costs(merge=50_000, slowdown=1.25)
"""Reckoned, not measured: 10 s of reading 14 GB against 5,000 tokens/s of a 7b model; users of vLLM report 1.1 to 1.5."""


def estimate(pending: Mapping[str, int], costs: Costs) -> dict[str, Way]:
    """Adapter -> the cheaper way; ``pending`` holds the tokens to come of each."""
    return {adapter: "merged" if tokens >= costs.crossing else "on-the-fly" for adapter, tokens in pending.items()}


def tokens_to_come(request: Request) -> int:
    """At most, of an answer; about, of candidates to be read."""
    if request.candidates:
        return sum(map(len, request.candidates)) // _CHARACTERS
    return request.sampling.max_tokens
