"""The sentence: a verdict in plain words, whatever it is; it claims no more than the intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from babeltune.languages import LANGUAGES
from babeltune.measure.statistics.intervals import Interval
from babeltune.measure.verdict.verdict import Verdict

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TASKS = {"simplification": "sentence simplification", "xquad": "XQuAD", "xcsqa": "X-CSQA", "xnli": "XNLI"}
_METRICS = {
    "helpfulness": "helpfulness",
    "helpfulness-prompt-lid": "helpfulness",
    "helpfulness-translated": "helpfulness, judged in translation",
    "helpfulness-prompt-lid-translated": "helpfulness, judged in translation",
    "sari-weighted": "weighted SARI",
    "xquad-paper": "right answers",
    "xcsqa-first": "right answers",
    "accuracy": "accuracy",
}


def sentence(found: Verdict, members: Mapping[str, Sequence[str]]) -> str:
    """One verdict. ``members``: mix -> languages of its chats."""
    margin = found.margin
    count, mixes = found.languages, list(found.languages)
    fewest, more = sorted(set(count.values()))[:2]
    first, second = mixes[0], next(mix for mix in mixes if count[mix] == more)
    told = _answered(found, members, first, second) if found.in_kind else _board(found)
    step = [one.interval for one in found.contrasts if (count[one.first], count[one.second]) == (more, fewest)]
    gain = _range(min(step, key=lambda interval: interval.low))
    need = "a second language is" if (fewest, more) == (1, 2) else f"more than {_languages(fewest)} {_be(fewest)}"
    if all(interval.high < margin for interval in step):
        subject, s = ("a second language", "s") if (fewest, more) == (1, 2) else (_languages(more), "")
        if all(interval.high < 0 for interval in step):
            away = _range(max(step, key=lambda interval: interval.high))
            less = f"{subject} take{s} something away ({away})"
            enough = f", so {_number(fewest)} {'does' if fewest == 1 else 'do'} better"
            return f"{told}{less}{enough if found.sufficient == fewest else _ending(found, fewest, margin)}."
        adds = f"{subject} add{s}"
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


def _answered(found: Verdict, members: Mapping[str, Sequence[str]], first: str, second: str) -> str:
    """In how many unseen languages two mixes are answered in kind."""
    fewest, more = found.languages[first], found.languages[second]
    tuned = f"{LANGUAGES[members[first][0]].name}-only tuning" if fewest == 1 else f"tuning on {_languages(fewest)}"
    wider = "tuning on " + _languages(more)
    if set(members[first]) < set(members[second]):
        wider = "adding " + _languages(more - fewest)
    return (
        f"{found.model} answers {len(found.in_kind[first])} of {len(found.unseen)} unseen "
        f"language{'' if len(found.unseen) == 1 else 's'} in kind after {tuned}, "
        f"{len(found.in_kind[second])} after {wider}; "
    )


def _board(found: Verdict) -> str:
    """What the verdict is on."""
    asked = ", English instructions" if found.prompting == "en:xx" else ""
    metric = _METRICS.get(found.metric, found.metric)
    return f"{found.model} on {_TASKS.get(found.task, found.task)}{asked} ({metric}): "


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
