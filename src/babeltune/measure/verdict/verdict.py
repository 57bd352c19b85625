"""A verdict: how many tuning languages are necessary and sufficient, over all and in each, as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from babeltune.languages import Tier
from babeltune.measure.statistics.intervals import Interval
from babeltune.measure.statistics.trend import Fit

Finding = Literal["shown", "refuted", "not shown"]


@dataclass(frozen=True, slots=True)
class Contrast:
    """A paired difference between two mixes, in the metric's units."""

    first: str
    second: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class Step(Contrast):
    """The difference that the next number of languages makes in one language."""

    p: float
    """Two-sided, of the bootstrap, in (0, 1]."""
    p_holm: float
    """After Holm's correction over the languages of the verdict."""


@dataclass(frozen=True, slots=True)
class ByLanguage:
    """The answer for one language."""

    language: str
    seen: bool
    """Whether any mix holds it."""
    entered: str | None
    """The first mix, by number of languages, that holds it."""
    tier: Tier | None
    """By what the model saw of it in pretraining; None where the study does not say."""
    share: float | None
    """Of the pretraining data [%]."""
    necessary: Finding
    step: Step
    """Of several, the one that speaks most against a gain."""
    sufficient: int | None
    worst_case: Contrast | None
    """The later mix minus an earlier one that decides whether the earlier is sufficient: its interval reaches highest."""
    entering: Contrast | None
    """The mix with which it enters minus the mix before: what its own chats add."""
    before: Contrast | None
    """The mix before it enters minus the one of the fewest languages: what the chats of others had added."""


@dataclass(frozen=True, slots=True)
class Supervised:
    """What the widest mix gains over the one of the fewest languages, by whether a language entered it."""

    zero_shot: Interval
    """Average over the languages that it does not hold."""
    supervised: Interval
    """Average over those that it holds and the other does not."""
    difference: Interval
    """Supervised less zero-shot."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one model on one task, prompting and metric."""

    model: str
    task: str
    prompting: str
    metric: str
    margin: float
    """A gain below it does not count, in the metric's units."""
    unseen: tuple[str, ...]
    """Languages that no mix holds."""
    languages: Mapping[str, int]
    """Mix -> number of languages in it, fewest first; the base model is not a mix."""
    in_kind: Mapping[str, tuple[str, ...]]
    """Mix -> unseen languages that it answers in kind; empty of another metric than agreement."""
    averages: Mapping[str, Interval]
    """Mix (and base) -> the metric averaged over the unseen languages."""
    contrasts: tuple[Contrast, ...]
    """Every mix minus every mix of fewer languages, averaged over the unseen languages."""
    necessary: Finding
    """Is a second language needed?"""
    sufficient: int | None
    """Fewest languages after which no further mix adds the margin; None where not shown."""
    english: Contrast | None
    """The metric in English, last mix minus first; None without English among the languages."""
    sentence: str
    by_language: tuple[ByLanguage, ...]
    """In the order of the study."""
    supervised: Supervised | None
    """None where no language entered."""
    fit: Fit | None
    """Gain of the next number of languages over the fewest, against the logarithm of the share in pretraining, over the
    languages that neither mix holds; None where the study does not say the shares, or too few are known."""
