"""Findings: what a study file may say of its intervals and verdicts."""

from __future__ import annotations

import difflib
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from babeltune.data.makeup import Protocol
from babeltune.measure.margins import SPANS
from babeltune.measure.statistics.intervals import RESAMPLES, SEED, Method, Resampling, Unit


def _judged(name: str) -> str:
    if name not in SPANS:
        near = difflib.get_close_matches(name, SPANS, n=1)
        fix = f"Did you mean '{near[0]}'?" if near else f"Verdicts are on {', '.join(SPANS)}"
        raise ValueError(f"no verdict is on '{name}'. {fix}")
    return name


def _within(margins: dict[str, float]) -> dict[str, float]:
    for name, margin in margins.items():
        if not 0 < margin < SPANS[name]:
            raise ValueError(f"{margin:g} for '{name}'. It should be above 0 and below {SPANS[name]:g}")
    return margins


class VerdictSpec(BaseModel):
    """What counts as an answer to the study's question."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """A gain below this does not count: in agreement, and as a share of the span of any other metric (``SPANS``)."""
    margins: Annotated[dict[Annotated[str, AfterValidator(_judged)], float], AfterValidator(_within)] = {}
    """Metric -> margin in its own units, in place of that share."""
    in_kind: Annotated[float, Field(gt=0, le=1)] = 0.8
    """From this agreement on a language counts as answered in kind."""

    def margin_of(self, metric: str) -> float:
        """The margin of a metric, in its own units."""
        return self.margins.get(metric, self.margin * SPANS.get(metric, 1.0))


class StatisticsSpec(BaseModel):
    """How intervals come about. All are of 95 %."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Protocol = "as-paper"
    """Items are resampled, and the outputs of an item under all seeds move together; or (``as-run``) all outputs, as
    if they were independent, as the authors' code does."""
    method: Method = "percentile"
    """Or ``bca``, which corrects for bias and skew (Efron 1987)."""
    resamples: Annotated[int, Field(ge=1000, le=1_000_000)] = RESAMPLES
    """The authors' code has 1,000."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = SEED

    @property
    def how(self) -> Resampling:
        """As the bootstrap takes it."""
        unit: Unit = "rows" if self.protocol == "as-run" else "items"
        return Resampling(method=self.method, unit=unit, resamples=self.resamples, seed=self.seed)
