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

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from babeltune.languages import Exposure
from babeltune.measure.metrics.agreement import AGREEMENT
from babeltune.measure.pools import Pool
from babeltune.measure.statistics.correction import holm
from babeltune.measure.statistics.intervals import LEVEL, PLAIN, Difference, Interval, Resampling
from babeltune.measure.statistics.trend import Fit, fit
from babeltune.measure.verdict.contrasts import Asked, Board, Pair, board
from babeltune.measure.verdict.sentence import sentence
from babeltune.measure.verdict.verdict import ByLanguage, Contrast, Finding, Step, Supervised, Verdict

BASE = "base"
"""The model without an adapter: no mix of any number of languages, but shown beside them."""


def verdicts(
    pools: Iterable[Pool],
    boards: Sequence[Asked],
    members: Mapping[str, Sequence[str]],
    *,
    margin: Callable[[str], float],
    in_kind: float,
    exposure: Mapping[str, Mapping[str, Exposure]] | None = None,
    how: Resampling = PLAIN,
) -> list[Verdict]:
    """One verdict a model and board, model after model; none where mixes and languages allow no contrast.

    A mix without any score on a board takes no part in its verdict, and a language only with an item that was scored
    under every mix of it.

    Args:
        pools: all scores.
        boards: what verdicts are on.
        members: mix -> languages of its chats, of the mixes that are of one size.
        margin: metric -> a gain below it does not count, in its units.
        in_kind: from this agreement on a language counts as answered in kind.
        exposure: model -> language -> what it saw in pretraining.
        how: of the intervals.
    """
    groups: dict[tuple[str, str, str], list[Pool]] = defaultdict(list)
    models: dict[str, None] = {}
    for pool in pools:
        models[pool.key.model] = None
        if pool.key.mix in members or pool.key.mix == BASE:
            groups[pool.key.model, pool.key.task, pool.key.prompting].append(pool)
    found = []
    for model, (task, prompting, metric) in itertools.product(models, boards):
        scores = board(groups[model, task, prompting], metric, how)
        if scores is None:
            continue
        there = {mix: codes for mix, codes in members.items() if mix in scores.mixes}
        seen = {code for codes in there.values() for code in codes}
        if len({len(set(codes)) for codes in there.values()}) >= 2 and set(scores.languages) - seen:
            found.append(
                verdict(
                    (model, task, prompting),
                    scores,
                    there,
                    margin=margin(metric.name),
                    in_kind=in_kind if metric.name == AGREEMENT else None,
                    exposure=(exposure or {}).get(model),
                )
            )
    return found


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
    if len(set(count.values())) < 2 or not unseen:
        raise ValueError("a verdict needs mixes of different numbers of languages, and a language in none of them")
    pairs = [
        (first, second)
        for at, second in enumerate(mixes)
        for first in mixes[at + 1 :]
        if count[first] > count[second]
    ]  # fmt: skip
    asked = [Pair(*pair, codes) for codes in (unseen, *((code,) for code in board.languages)) for pair in pairs]
    gains: dict[tuple[str, ...], dict[tuple[str, str], Difference]] = defaultdict(dict)
    for pair, gain in zip(asked, board.differences(asked), strict=True):
        gains[pair.codes][pair.first, pair.second] = gain
    averages = dict(zip(board.mixes, board.averages([(mix, unseen) for mix in board.mixes]), strict=True))
    overall = _Curve(count, gains[unseen])
    each = {code: _Curve(count, gains[code,]) for code in board.languages}
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
        _contrast(*english, each["en"].gains[english]) if "en" in each else None,
        "",
        _by_language(each, members, margin, exposure or {}),
        _supervised(board, mixes, members),
        _fit(each, members, exposure or {}),
    )
    return replace(found, sentence=sentence(found, members))


@dataclass(frozen=True, slots=True)
class _Curve:
    """The differences between mixes of different numbers of languages, in one language or averaged over several."""

    count: Mapping[str, int]
    """Mix -> number of languages, fewest first."""
    gains: Mapping[tuple[str, str], Difference]

    @property
    def levels(self) -> list[int]:
        """The numbers of languages that there are."""
        return sorted(set(self.count.values()))

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

    def between(self, first: str | None, second: str | None) -> Contrast | None:
        """One mix minus another; None where either is, or the other has as many languages."""
        if first is None or second is None or (first, second) not in self.gains:
            return None
        return _contrast(first, second, self.gains[first, second])


def _contrast(first: str, second: str, gain: Difference) -> Contrast:
    return Contrast(first, second, _interval(gain))


def _interval(found: Interval) -> Interval:
    """Without the p of a difference."""
    return Interval(found.value, found.low, found.high, found.n)


def _in_kind(board: Board, mixes: Sequence[str], unseen: Sequence[str], least: float) -> dict[str, tuple[str, ...]]:
    groups = [(mix, (code,)) for mix in mixes for code in unseen]
    values = dict(zip(groups, (one.value for one in board.averages(groups)), strict=True))
    return {mix: tuple(code for code in unseen if values[mix, (code,)] >= least) for mix in mixes}


def _by_language(
    curves: Mapping[str, _Curve],
    members: Mapping[str, Sequence[str]],
    margin: float,
    exposure: Mapping[str, Exposure],
) -> tuple[ByLanguage, ...]:
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
        count = curve.count
        entered = next((mix for mix in count if code in members[mix]), None)
        # The widest of the mixes of fewer languages, and the narrowest.
        before = [mix for mix in count if entered is not None and count[mix] < count[entered]]
        about = exposure.get(code)
        sufficient = curve.sufficient(margin)
        narrowest, last = (before[0], before[-1]) if before else (None, None)
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
                curve.between(entered, last),
                curve.between(last, narrowest),
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
    curves: Mapping[str, _Curve], members: Mapping[str, Sequence[str]], exposure: Mapping[str, Exposure]
) -> Fit | None:
    """The line through the step of each language that neither of its mixes holds; None where no exposure is known."""
    if not exposure:
        return None
    pair = next(iter(next(iter(curves.values())).steps()))
    held = {code for mix in pair for code in members[mix]}
    return fit(
        [
            (code, exposure[code].share if code in exposure else None, curve.gains[pair].value)
            for code, curve in curves.items()
            if code not in held
        ]
    )
