"""The verdict: how many tuning languages are necessary, how many sufficient (paper, sections 4.1 and 6).

All contrasts are paired differences between mixes over the languages that no mix holds, so that what is compared is
transfer, not the chats in a language itself.

- Necessary: the mix with the next number of languages is better than the one with the fewest, and the interval
  excludes zero.
- Sufficient: no mix of more languages is better by the margin: the interval of the difference lies below it.
- Not shown: the interval allows both.

Where several mixes have as many languages, a finding holds for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from babeltune.languages import LANGUAGES
from babeltune.measure.intervals import Interval, Values, average, difference

Finding = Literal["shown", "refuted", "not shown"]
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass(frozen=True, slots=True)
class Contrast:
    """A paired difference between two mixes, averaged over the unseen languages."""

    first: str
    second: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one model."""

    model: str
    task: str
    prompting: str
    metric: str
    unseen: tuple[str, ...]
    """Languages that no mix holds."""
    languages: Mapping[str, int]
    """Mix -> number of languages in it, fewest first; the base model is not a mix."""
    in_kind: Mapping[str, tuple[str, ...]]
    """Mix -> unseen languages that it answers in kind."""
    averages: Mapping[str, Interval]
    """Mix (and base) -> agreement averaged over the unseen languages."""
    contrasts: tuple[Contrast, ...]
    necessary: Finding
    """Is a second language needed?"""
    sufficient: int | None
    """Fewest languages after which no further mix adds the margin; None where not shown."""
    english: Contrast | None
    """Agreement in English, last mix minus first; None without English among the languages."""
    sentence: str


def verdict(
    model: str,
    board: tuple[str, str, str],
    scores: Mapping[str, Mapping[str, Values]],
    members: Mapping[str, Sequence[str]],
    *,
    margin: float,
    in_kind: float,
) -> Verdict:
    """Judge one model.

    Args:
        model: its name, for the sentence.
        board: task, prompting and metric of the scores.
        scores: mix -> language -> item -> values in [0, 1]. ``base`` may be among the mixes.
        members: mix -> languages of its chats; every mix but ``base``.
        margin: a gain below it does not count, in (0, 1).
        in_kind: from this agreement on a language counts as answered in kind, in (0, 1].

    Raises:
        ValueError: all mixes have as many languages, or no language is in none of them.
    """
    mixes = sorted(members, key=lambda mix: len(set(members[mix])))
    seen = {code for mix in mixes for code in members[mix]}
    evaluated = list(next(iter(scores.values())))
    unseen = tuple(code for code in evaluated if code not in seen)
    count = {mix: len(set(members[mix])) for mix in mixes}
    levels = sorted(set(count.values()))
    if len(levels) < 2 or not unseen:
        raise ValueError("a verdict needs mixes of different numbers of languages, and a language in none of them")
    transfer = {mix: {code: scores[mix][code] for code in unseen} for mix in scores}
    averages = {mix: average(values) for mix, values in transfer.items()}
    kind = {
        mix: tuple(code for code in unseen if average({code: transfer[mix][code]}).value >= in_kind) for mix in mixes
    }

    def contrast(first: str, second: str) -> Contrast:
        return Contrast(first, second, difference(transfer[first], transfer[second]))

    contrasts = tuple(
        contrast(first, second)
        for at, second in enumerate(mixes)
        for first in mixes[at + 1 :]
        if count[first] > count[second]
    )
    step = [
        found.interval for found in contrasts if (count[found.first], count[found.second]) == (levels[1], levels[0])
    ]
    necessary: Finding = (
        "shown"
        if all(gain.low > 0 for gain in step)
        else "refuted"
        if all(gain.high < margin for gain in step)
        else "not shown"
    )
    sufficient = next(
        (
            level
            for level in levels[:-1]
            if all(found.interval.high < margin for found in contrasts if count[found.second] == level)
        ),
        None,
    )
    english = None
    if "en" in scores[mixes[0]]:
        pair = difference({"en": scores[mixes[-1]]["en"]}, {"en": scores[mixes[0]]["en"]})
        english = Contrast(mixes[-1], mixes[0], pair)
    found = Verdict(model, *board, unseen, count, kind, averages, contrasts, necessary, sufficient, english, "")
    return replace(found, sentence=_sentence(found, members, margin))


def _sentence(found: Verdict, members: Mapping[str, Sequence[str]], margin: float) -> str:
    """The verdict in plain words, whatever it is; it claims no more than the intervals."""
    count, mixes = found.languages, list(found.languages)
    fewest, more = sorted(set(count.values()))[:2]
    first, second = mixes[0], next(mix for mix in mixes if count[mix] == more)
    tuned = f"{LANGUAGES[members[first][0]].name}-only tuning" if fewest == 1 else f"tuning on {_languages(fewest)}"
    wider = "tuning on " + _languages(more)
    if set(members[first]) < set(members[second]):
        wider = "adding " + _languages(more - fewest)
    told = (
        f"{found.model} answers {len(found.in_kind[first])} of {len(found.unseen)} unseen "
        f"language{'' if len(found.unseen) == 1 else 's'} in kind after {tuned}, "
        f"{len(found.in_kind[second])} after {wider}; "
    )
    step = [one.interval for one in found.contrasts if (count[one.first], count[one.second]) == (more, fewest)]
    gain = _range(min(step, key=lambda interval: interval.low))
    need = "a second language is" if (fewest, more) == (1, 2) else f"more than {_languages(fewest)} {_be(fewest)}"
    if all(interval.high < margin for interval in step):
        adds = "a second language adds" if (fewest, more) == (1, 2) else f"{_languages(more)} add"
        little = f"{adds} {f'measurably ({gain}), but ' if found.necessary == 'shown' else ''}less than {margin:g}"
        if found.sufficient == fewest:
            return f"{told}{little}, so {_number(fewest)} {'does' if fewest == 1 else 'do'} as well."
        return f"{told}{little}{_ending(found, fewest, margin)}."
    if found.necessary == "shown" and found.sufficient == more:
        both = f"{need} necessary and {_number(more)} are sufficient"
        middle = f"{_languages(more)} are necessary and sufficient" if more == fewest + 1 else both
    elif found.necessary == "shown":
        middle = f"{need} necessary ({gain})"
    else:
        middle = f"that {need} necessary is not shown ({gain})"
    return f"{told}{middle}{_ending(found, more, margin)}."


def _ending(found: Verdict, base: int, margin: float) -> str:
    """What the mixes of more languages than the sentence has told of add to those of ``base`` languages."""
    count = found.languages
    levels = sorted(set(count.values()))
    rest = levels[2:]
    if not rest:
        return ""
    over = {level: [one for one in found.contrasts if count[one.second] == level] for level in levels}
    if found.sufficient == base:
        some = any(one.interval.low > 0 for one in over[base])
        span = _number(rest[0]) + (f" to {_number(rest[-1])}" if len(rest) > 1 else "")
        return f", {span} add " + (f"less than {margin:g}" if some else "nothing measurable")
    if found.sufficient is not None:
        most = max(over[found.sufficient], key=lambda one: one.interval.high)
        pair = f"{_number(count[most.first])} minus {_number(found.sufficient)}"
        return f", {_number(found.sufficient)} are sufficient ({pair}: {_range(most.interval)})"
    best = max((one for one in over[base] if one.interval.high >= margin), key=lambda one: one.interval.low)
    further = _number(count[best.first])
    if best.interval.low > 0:
        add = f"but {further} add" if base == levels[0] else f"and {further} still add"
        return f", {add} to {_number(base)} ({_range(best.interval)})"
    unshown = f"that {_number(base)} {_be(base)} sufficient is not shown"
    return f"; {unshown}: {further} may add {margin:g} or more ({_range(best.interval)})"


def _range(gain: Interval) -> str:
    return f"{gain.value:+z.2f}, 95 % {gain.low:+z.2f} to {gain.high:+z.2f}"


def _languages(count: int) -> str:
    return f"{_number(count)} language{'' if count == 1 else 's'}"


def _be(count: int) -> str:
    return "is" if count == 1 else "are"


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)
