"""The verdict: how many tuning languages are necessary, how many sufficient (paper, sections 4.1 and 6).

All contrasts are paired differences between mixes over the languages that no mix holds, so that what is compared is
transfer, not the chats in a language itself.

- Necessary: the first mix with one more language is better than the English-only one, and the interval excludes zero.
- Sufficient: after that mix no further one is better by the margin: the interval of the difference lies below it.
- Not shown: the interval allows both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

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
    """Agreement in English, last mix minus English-only; None without English among the languages."""
    sentence: str


def verdict(
    model: str,
    scores: Mapping[str, Mapping[str, Values]],
    members: Mapping[str, Sequence[str]],
    *,
    margin: float,
    in_kind: float,
) -> Verdict:
    """Judge one model.

    Args:
        model: its name, for the sentence.
        scores: mix -> language -> item -> values in [0, 1]. ``base`` may be among the mixes.
        members: mix -> languages of its chats; every mix but ``base``.
        margin: a gain below it does not count, in (0, 1).
        in_kind: from this agreement on a language counts as answered in kind, in (0, 1].

    Raises:
        ValueError: fewer than two mixes, or no language that is in none of them.
    """
    mixes = sorted(members, key=lambda mix: len(set(members[mix])))
    seen = {code for mix in mixes for code in members[mix]}
    evaluated = list(next(iter(scores.values())))
    unseen = tuple(code for code in evaluated if code not in seen)
    if len(mixes) < 2 or not unseen:
        raise ValueError("a verdict needs two mixes and a language that is in none of them")
    transfer = {mix: {code: scores[mix][code] for code in unseen} for mix in scores}
    averages = {mix: average(values) for mix, values in transfer.items()}
    kind = {
        mix: tuple(code for code in unseen if average({code: transfer[mix][code]}).value >= in_kind) for mix in mixes
    }
    count = {mix: len(set(members[mix])) for mix in mixes}

    def contrast(first: str, second: str) -> Contrast:
        return Contrast(first, second, difference(transfer[first], transfer[second]))

    contrasts = tuple(
        contrast(first, second)
        for at, second in enumerate(mixes)
        for first in mixes[at + 1 :]
        if count[first] > count[second]
    )
    from_mono = next(found for found in contrasts if found.second == mixes[0])
    necessary: Finding = (
        "shown" if from_mono.interval.low > 0 else "refuted" if from_mono.interval.high < margin else "not shown"
    )
    sufficient = next(
        (
            count[mix]
            for mix in mixes[:-1]
            if all(found.interval.high < margin for found in contrasts if found.second == mix)
        ),
        None,
    )
    english = None
    if "en" in scores[mixes[0]]:
        pair = difference({"en": scores[mixes[-1]]["en"]}, {"en": scores[mixes[0]]["en"]})
        english = Contrast(mixes[-1], mixes[0], pair)
    told = _sentence(model, mixes, count, kind, len(unseen), necessary, sufficient, contrasts, margin)
    return Verdict(model, unseen, count, kind, averages, contrasts, necessary, sufficient, english, told)


def _sentence(
    model: str,
    mixes: Sequence[str],
    count: Mapping[str, int],
    kind: Mapping[str, Sequence[str]],
    unseen: int,
    necessary: Finding,
    sufficient: int | None,
    contrasts: Sequence[Contrast],
    margin: float,
) -> str:
    """The verdict in plain words, whatever it is."""
    first, second = mixes[0], mixes[1]
    tuned = "English-only tuning" if count[first] == 1 else f"tuning on {_number(count[first])} languages"
    added = count[second] - count[first]
    more = "one language" if added == 1 else f"{_number(added)} languages"
    start = f"{model} answers {len(kind[first])} of {unseen} unseen languages in kind after {tuned}, {len(kind[second])} after adding {more}"
    gain = next(found.interval for found in contrasts if (found.first, found.second) == (second, first))
    enough = _number(count[second])
    if necessary == "shown" and sufficient == count[second]:
        middle = f"{enough} languages are necessary and sufficient"
    elif necessary == "shown":
        middle = f"a second language is necessary ({gain.value:+.2f}, 95 % {gain.low:+.2f} to {gain.high:+.2f})"
    elif necessary == "refuted":
        middle = f"a second language adds less than {margin:g}, so {_number(count[first])} is enough"
    else:
        middle = f"that a second language is necessary is not shown ({gain.value:+.2f}, 95 % {gain.low:+.2f} to {gain.high:+.2f})"
    return f"{start}; {middle}{_ending(mixes, count, necessary, sufficient, contrasts, margin)}."


def _ending(
    mixes: Sequence[str],
    count: Mapping[str, int],
    necessary: Finding,
    sufficient: int | None,
    contrasts: Sequence[Contrast],
    margin: float,
) -> str:
    """What the mixes after the second add."""
    if len(mixes) < 3 or necessary == "refuted":
        return ""
    last = mixes[-1]
    rest = f"{_number(count[mixes[2]])}" + (f" to {_number(count[last])}" if len(mixes) > 3 else "")
    if sufficient == count[mixes[1]]:
        return f", {rest} add nothing measurable"
    gain = next(found.interval for found in contrasts if (found.first, found.second) == (last, mixes[1]))
    range_ = f"{gain.value:+.2f}, 95 % {gain.low:+.2f} to {gain.high:+.2f}"
    if sufficient is not None and sufficient > count[mixes[1]]:
        return f", {_number(sufficient)} are sufficient ({range_})"
    if gain.low > 0:
        return f", and {_number(count[last])} still add to it ({range_})"
    return f"; that two are sufficient is not shown: {_number(count[last])} may add {margin:g} or more ({range_})"


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)
