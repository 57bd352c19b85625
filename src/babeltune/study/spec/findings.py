"""Findings: what a study file may say of its intervals and verdicts."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from babeltune.data.makeup import Protocol
from babeltune.errors import instead
from babeltune.measure.statistics.intervals import RESAMPLES, SEED, Method, Resampling, Unit
from babeltune.measure.verdict.margins import SPANS
from babeltune.study.spec.fields import Seed, Spec


def _judged(name: str) -> str:
    if name not in SPANS:
        raise ValueError(f"no verdict is on '{name}'. {instead(name, SPANS, 'Verdicts are on', 0.6)}")
    return name


def _within(margins: dict[str, float]) -> dict[str, float]:
    for name, margin in margins.items():
        if not 0 < margin < SPANS[name]:
            raise ValueError(f"{margin:g} for '{name}'. It should be above 0 and below {SPANS[name]:g}")
    return margins


class VerdictSpec(Spec):
    """What counts as an answer to the study's question."""

    margin: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """A gain below this does not count: in agreement, and as a share of the span of any other metric (``SPANS``)."""
    margins: Annotated[dict[Annotated[str, AfterValidator(_judged)], float], AfterValidator(_within)] = Field(
        default_factory=dict
    )
    """Metric -> margin in its own units, in place of that share."""
    in_kind: Annotated[float, Field(gt=0, le=1)] = 0.8
    """From this agreement on a language counts as answered in kind."""

    def margin_of(self, metric: str) -> float:
        """The margin of a metric, in its own units."""
        return self.margins.get(metric, self.margin * SPANS.get(metric, 1.0))


class StatisticsSpec(Spec):
    """How intervals come about. All are of 95 %."""

    protocol: Protocol = "as-paper"
    """Items are resampled, and the outputs of an item under all seeds move together; or (``as-run``) all outputs, as
    if they were independent, as the authors' code does."""
    method: Method = "percentile"
    """Or ``bca``, which corrects for bias and skew (Efron 1987)."""
    resamples: Annotated[int, Field(ge=1000, le=1_000_000)] = RESAMPLES
    """The authors' code has 1,000."""
    seed: Seed = SEED

    @property
    def how(self) -> Resampling:
        """As the bootstrap takes it."""
        unit: Unit = "rows" if self.protocol == "as-run" else "items"
        return Resampling(method=self.method, unit=unit, resamples=self.resamples, seed=self.seed)
