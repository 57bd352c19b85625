"""The verdict: how many tuning languages are necessary, how many sufficient (paper, sections 4.1 and 6).

All contrasts are paired differences between mixes on the same items. Over all, they are averaged over the languages
that no mix holds, so that what is compared is transfer, not the chats in a language itself; and each language is looked
at by itself.

- Necessary: the mix with the next number of languages is better than the one with the fewest, and the interval
  excludes zero; of a single language also after Holm's correction over the languages.
- Sufficient: no mix of more languages is better by the margin: the upper end of the interval of every difference lies
  below it.
- Not shown: the interval allows both.

Where several mixes have as many languages, as a mix and its translated twin or mixes that differ in how many chats a
language has, a finding holds for all of them: it is decided by the mix that speaks most against it. A mix of every chat
takes no part: it differs from the others in size too. docs/verdict.md has the error rates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from babeltune.languages import Exposure, Tier
from babeltune.measure.contrasts import Board, Pair
from babeltune.measure.sentence import sentence
from babeltune.measure.statistics.correction import holm
from babeltune.measure.statistics.intervals import LEVEL, Difference, Interval
from babeltune.measure.statistics.trend import Fit, fit

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


def verdict(
    about: tuple[str, str, str],
    board: Board,
    members: Mapping[str, Sequence[str]],
    *,
    margin: float,
    in_kind: float | None = None,
    exposure: Mapping[str, Exposure] | None = None,
) -> Verdict:
    """Judge one model on one board.

    Args:
        about: model, task and prompting.
        board: the scores of its mixes, ``base`` perhaps among them.
        members: mix -> languages of its chats; every mix but ``base``.
        margin: a gain below it does not count, in the metric's units, above 0.
        in_kind: from this average on a language counts as answered in kind; None where the metric does not say so.
        exposure: language -> what the model saw of it in pretraining.

    Raises:
        ValueError: all mixes have as many languages, or no language is in none of them.
    """
    mixes = sorted(members, key=lambda mix: len(set(members[mix])))
    count = {mix: len(set(members[mix])) for mix in mixes}
    seen = {code for mix in mixes for code in members[mix]}
    unseen = tuple(code for code in board.languages if code not in seen)
    levels = sorted(set(count.values()))
    if len(levels) < 2 or not unseen:
        raise ValueError("a verdict needs mixes of different numbers of languages, and a language in none of them")
    pairs = [
        (first, second)
        for at, second in enumerate(mixes)
        for first in mixes[at + 1 :]
        if count[first] > count[second]
    ]  # fmt: skip
    asked = [Pair(*pair, unseen) for pair in pairs]
    asked += [Pair(*pair, (code,)) for code in board.languages for pair in pairs]
    gains = dict(zip(asked, board.differences(asked), strict=True))
    averages = dict(zip(board.mixes, board.averages([(mix, unseen) for mix in board.mixes]), strict=True))
    overall = _Curve(levels, count, {pair: gains[Pair(*pair, unseen)] for pair in pairs})
    english = (mixes[-1], mixes[0])
    found = Verdict(
        *about,
        board.metric,
        margin,
        unseen,
        count,
        _in_kind(board, mixes, unseen, in_kind) if in_kind is not None else {},
        averages,
        tuple(_contrast(*pair, gain) for pair, gain in overall.gains.items()),
        overall.necessary(margin),
        overall.sufficient(margin),
        _contrast(*english, gains[Pair(*english, ("en",))]) if "en" in board.languages else None,
        "",
        _by_language(board, levels, count, members, gains, margin, exposure or {}),
        _supervised(board, mixes, members),
        _fit(overall, board, gains, members, exposure or {}),
    )
    return replace(found, sentence=sentence(found, members))


@dataclass(frozen=True, slots=True)
class _Curve:
    """The differences between mixes of different numbers of languages, in one language or averaged over several."""

    levels: Sequence[int]
    count: Mapping[str, int]
    gains: Mapping[tuple[str, str], Difference]

    def steps(self) -> dict[tuple[str, str], Difference]:
        """The next number of languages minus the fewest."""
        ends = self.levels[1], self.levels[0]
        return {pair: gain for pair, gain in self.gains.items() if (self.count[pair[0]], self.count[pair[1]]) == ends}

    def necessary(self, margin: float) -> Finding:
        """Whether the next number of languages is better than the fewest."""
        step = self.steps().values()
        if all(gain.low > 0 for gain in step):
            return "shown"
        return "refuted" if all(gain.high < margin for gain in step) else "not shown"

    def later(self, level: int) -> dict[tuple[str, str], Difference]:
        """Mixes of more languages minus those of so many."""
        return {pair: gain for pair, gain in self.gains.items() if self.count[pair[1]] == level}

    def sufficient(self, margin: float) -> int | None:
        """Fewest languages after which no further mix adds the margin."""
        enough = (level for level in self.levels[:-1] if all(gain.high < margin for gain in self.later(level).values()))
        return next(enough, None)

    def worst_case(self, level: int | None) -> Contrast:
        """Of a number of languages, or else of that which comes nearest to being sufficient: what speaks against it most."""
        tops = [max(self.later(one).items(), key=lambda found: found[1].high) for one in self.levels[:-1]]
        if level is not None:
            pair, gain = tops[self.levels.index(level)]
        else:
            pair, gain = min(tops, key=lambda found: found[1].high)
        return _contrast(*pair, gain)


def _contrast(first: str, second: str, gain: Difference) -> Contrast:
    return Contrast(first, second, _interval(gain))


def _interval(found: Interval) -> Interval:
    return Interval(found.value, found.low, found.high, found.n)


def _in_kind(board: Board, mixes: Sequence[str], unseen: Sequence[str], least: float) -> dict[str, tuple[str, ...]]:
    groups = [(mix, (code,)) for mix in mixes for code in unseen]
    values = dict(zip(groups, (one.value for one in board.averages(groups)), strict=True))
    return {mix: tuple(code for code in unseen if values[mix, (code,)] >= least) for mix in mixes}


def _by_language(
    board: Board,
    levels: Sequence[int],
    count: Mapping[str, int],
    members: Mapping[str, Sequence[str]],
    gains: Mapping[Pair, Difference],
    margin: float,
    exposure: Mapping[str, Exposure],
) -> tuple[ByLanguage, ...]:
    pairs = [(pair.first, pair.second) for pair in gains if pair.codes == (board.languages[0],)]
    curves = {
        code: _Curve(levels, count, {pair: gains[Pair(*pair, (code,))] for pair in pairs}) for code in board.languages
    }
    against = {
        code: max(curve.steps().items(), key=lambda found: (found[1].p, -found[1].low))
        for code, curve in curves.items()
    }  # fmt: skip
    corrected = dict(zip(against, holm([gain.p for _, gain in against.values()]), strict=True))
    found = []
    for code, curve in curves.items():
        pair, gain = against[code]
        necessary = curve.necessary(margin)
        if necessary == "shown" and corrected[code] > 1 - LEVEL:
            necessary = "refuted" if all(one.high < margin for one in curve.steps().values()) else "not shown"
        entered = next((mix for mix in count if code in members[mix]), None)
        # The widest of the mixes of fewer languages, and the narrowest.
        before = [mix for mix in count if entered is not None and count[mix] < count[entered]]
        about = exposure.get(code)
        sufficient = curve.sufficient(margin)

        def told(first: str | None, second: str | None, curve: _Curve = curve) -> Contrast | None:
            gain = curve.gains.get((first or "", second or ""))
            return None if gain is None else _contrast(first or "", second or "", gain)

        last = before[-1] if before else None
        found.append(
            ByLanguage(
                code,
                entered is not None,
                entered,
                about.tier if about else None,
                about.share if about else None,
                necessary,
                Step(*pair, _interval(gain), gain.p, corrected[code]),
                sufficient,
                curve.worst_case(sufficient),
                told(entered, last),
                told(last, before[0] if before else None),
            )
        )
    return tuple(found)


def _supervised(board: Board, mixes: Sequence[str], members: Mapping[str, Sequence[str]]) -> Supervised | None:
    """The widest mix's gains over the narrowest. Of several of either, the first."""
    widest = next(mix for mix in mixes if len(set(members[mix])) == len(set(members[mixes[-1]])))
    held = tuple(code for code in board.languages if code in members[widest] and code not in members[mixes[0]])
    others = tuple(code for code in board.languages if code not in members[widest] and code not in members[mixes[0]])
    if not held or not others:
        return None
    zero_shot, supervised = board.differences([Pair(widest, mixes[0], others), Pair(widest, mixes[0], held)])
    apart = board.apart(Pair(widest, mixes[0], held), Pair(widest, mixes[0], others))
    return Supervised(_interval(zero_shot), _interval(supervised), _interval(apart))


def _fit(
    overall: _Curve,
    board: Board,
    gains: Mapping[Pair, Difference],
    members: Mapping[str, Sequence[str]],
    exposure: Mapping[str, Exposure],
) -> Fit | None:
    pair = next(iter(overall.steps()))
    held = {code for mix in pair for code in members[mix]}
    if not exposure:
        return None
    points = [
        (code, exposure[code].share if code in exposure else None, gains[Pair(*pair, (code,))].value)
        for code in board.languages
        if code not in held
    ]
    return fit(points)
