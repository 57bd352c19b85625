"""Verdicts: what a judge's reply says, whatever it was wrapped in; never a guess where two readings are possible.

A reply that is not the JSON that was asked for counts only where it names one score, in a place of its own: else an
answer that makes its judge quote a verdict would have given it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from babeltune.measure.judge.refusal import refuses
from babeltune.records import Output

LOWEST, HIGHEST = 1, 6
"""Ends of the scale (paper, Figure 20)."""
State = Literal["ok", "repaired", "unparsable", "refused", "out-of-range", "failed", "unsent"]
STATES: tuple[State, ...] = ("ok", "repaired", "unparsable", "refused", "out-of-range", "failed", "unsent")
"""From the best to the worst; the first two have a score."""


@dataclass(frozen=True, slots=True)
class Grade:
    """What a judge said of one answer."""

    state: State
    """``ok``: the JSON that was asked for. ``repaired``: a score that had to be dug out. ``unparsable``: no score, or
    several that differ. ``refused``: the judge or its server would not judge. ``out-of-range``: a number that is no
    point of the scale. ``failed``: no reply; ``unsent``: not asked."""
    score: int | None = None
    """1 to 6, where the state is ``ok`` or ``repaired``; else None."""
    reasoning: str = ""
    raw_score: str = ""
    """The score as it was written, also where it cannot be used."""
    detail: str = ""
    """What was mended, or why there is no score."""

    @property
    def malformed(self) -> bool:
        """Whether asking again may help: a reply came, and it was not as asked for. A refusal is an answer."""
        return self.state in ("unparsable", "out-of-range")


class _Found(NamedTuple):
    """A JSON object inside a reply."""

    start: int
    end: int
    fields: Mapping[str, Any]


_ASKED = {"reasoning", "score"}
_LONGEST = 50_000
"""Characters; of a reply that is longer nothing is searched, let alone repaired: that takes ever more time."""
_MOST_BRACES = 200
"""That open no JSON object; after so many the search ends, and nothing is repaired. Both take quadratic time."""
_SHOWN = 200
"""Most characters of a refusal that are kept."""
_THOUGHTS = re.compile(r"\A(?:.*</think(?:ing)?>|\s*<think(?:ing)?>.*)", re.DOTALL | re.IGNORECASE)
"""What models that think aloud put before their reply, some without its first mark; without an end it is all of it."""
_KEY = r"""(?<!\w)["'“”‘’]?score["'“”‘’]?\s*[:=：]\s*["'“”‘’]?\s*"""
_NUMBER = r"[-+]?\d+(?:[.,]\d+)?"
_MENTION = re.compile(rf"{_KEY}({_NUMBER})", re.IGNORECASE)
"""``score: 6`` in any quotes. Escaped quotes are those of a text inside of the JSON, and do not count."""
_WRITTEN = re.compile(rf"\s*({_NUMBER})\s*(?:(?:/|out of|of)\s*(\d+))?\s*", re.IGNORECASE)
_OUT_OF = re.compile(rf"\A\s*(?:/|out of|of)\s*{HIGHEST}", re.IGNORECASE)
_OPENING, _CLOSING, _QUOTES = " \t\r\n`{[", " \t\r\n`}].", ",，\"'“”‘’"
"""What may stand before and after a verdict that opens or closes a reply, and after a number in quotes."""


def read(output: Output, response: str = "") -> Grade:
    """The verdict of an engine's output; never raises, and needs no engine, so that kept replies can be read again.

    ``response``: the answer that was judged, whose own words are no verdict.
    """
    match output.finish:
        case "failed" | "refused" | "unsent":
            return Grade(output.finish, detail=output.reason)
        case "length":
            cut = f"cut off after {output.tokens} tokens"
            if output.text.rstrip()[-1:].isdigit():
                return Grade("unparsable", detail=f"{cut}, perhaps in the midst of the score")
            verdict = parse(output.text, response)
            return dataclasses.replace(verdict, detail=f"{verdict.detail}; {cut}" if verdict.detail else cut)
    return parse(output.text, response)


def parse(reply: str, submission: str = "") -> Grade:
    """The verdict of a reply that came; never raises.

    ``submission``: the answer that was judged. A verdict that stands in it word for word is the answer's, not the
    judge's.
    """
    text = reply.strip().lstrip("\ufeff").strip()
    if not text:
        return Grade("unparsable", detail="the reply is empty")
    if not text.startswith("{"):
        text = _THOUGHTS.sub("", text).strip()
        if not text:
            return Grade("unparsable", detail="the reply is all thought")
    if len(text) > _LONGEST:
        return Grade("unparsable", detail=f"more than {_LONGEST:,} characters")
    objects = list(_objects(text))
    verdicts = [one for one in objects if _scored(one.fields)]
    broken = not verdicts and "{" in text
    if broken:
        verdicts = _mended(text)
    if not verdicts:
        return _scoreless(text, objects)
    theirs = {_content(one.fields) for one in _objects(submission) if _scored(one.fields)}
    own = [
        one
        for one in verdicts
        if _content(one.fields) not in theirs and not _stands_in(text[one.start : one.end], submission)
    ]
    if not own:
        return Grade("unparsable", detail="the only verdict in the reply stands in the answer, word for word")
    said = {_compared(one.fields) for one in own} | _mentions(text if broken else _around(text, objects))
    if len(said) > 1:
        return Grade("unparsable", detail=f"scores that disagree: {', '.join(sorted(said))}")
    if broken:
        if _number(own[0].fields) is not None and not _at_edge(text):
            return Grade("unparsable", detail="broken JSON with a score in its midst, which may be a quotation")
        return _judged(own[0].fields, "broken JSON")
    placed = [one for one in own if _stands_out(one, text, objects)]
    if not placed:
        return Grade("unparsable", detail="a verdict in the midst of the text, which may be a quotation")
    if len(own) > 1:
        return _judged(placed[-1].fields, f"{len(own)} verdicts that agree")
    (one,) = placed
    return _judged(one.fields, "" if text[one.start : one.end] == text else "text around the JSON")


def _judged(fields: Mapping[str, Any], mended: str) -> Grade:
    """The verdict of an object that has a score; ``mended``: what was wrong with the reply around it."""
    holder = _scored(fields)
    score, reasoning = holder["score"], holder.get("reasoning")
    text, shown = reasoning if isinstance(reasoning, str) else "", _written(score)
    number = _number(fields)
    if number is None:
        said = score if isinstance(score, str) else text
        if refuses(said):
            return Grade("refused", None, text, shown, said[:_SHOWN])
        return Grade("unparsable", None, text, shown, "the score is no number")
    value, most = number
    if most != HIGHEST:
        return Grade("out-of-range", None, text, shown, f"a score out of {most}, not out of {HIGHEST}")
    if not (value.is_integer() and LOWEST <= value <= HIGHEST):
        return Grade("out-of-range", None, text, shown, f"no point of the scale from {LOWEST} to {HIGHEST}")
    faults = [mended] if mended else []
    faults += ["the score is no integer"] if type(score) is not int else []
    faults += ["not the keys that were asked for"] if set(fields) != _ASKED or reasoning != text else []
    return Grade("repaired" if faults else "ok", int(value), text, shown, "; ".join(faults))


def _scoreless(text: str, objects: Sequence[_Found]) -> Grade:
    """A reply without any score: the judge would not, or did not."""
    said = [value for one in objects for value in one.fields.values() if isinstance(value, str)]
    for part in said or [text]:
        if refuses(part):
            return Grade("refused", detail=" ".join(part.split())[:_SHOWN])
    why = "JSON without a score" if "{" in text else "no JSON"
    return Grade("unparsable", None, max(said, key=len, default=""), detail=why)


def _scored(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object that has the score: itself, or else the only one in it that has one; empty where there is none."""
    if "score" in fields:
        return fields
    inside = [value for value in fields.values() if isinstance(value, dict) and "score" in value]
    return inside[0] if len(inside) == 1 else {}


def _number(fields: Mapping[str, Any]) -> tuple[float, int] | None:
    """The number of an object's score, and what it is out of; None where it is no number."""
    score = _scored(fields)["score"]
    if isinstance(score, str):
        found = _WRITTEN.fullmatch(score[:40])
        return (float(found[1].replace(",", ".")), int(found[2] or HIGHEST)) if found else None
    if isinstance(score, bool) or not isinstance(score, int | float):
        return None
    return (float(score) if abs(score) < 1e9 else 1e9, HIGHEST)  # an integer may be too long for a float


def _compared(fields: Mapping[str, Any]) -> str:
    """A score as it is compared with others: 4, 4.0, "4" and "4/6" are the same."""
    number = _number(fields)
    return f"{number[0]:g}" if number is not None else _written(_scored(fields)["score"])


def _written(score: Any) -> str:
    """A score as it was written; of what holds other things only what it is."""
    return f"a {type(score).__name__}" if isinstance(score, dict | list) else str(score)[:40]


def _mentions(text: str) -> set[str]:
    """Every ``score: N`` of a text, as ``_compared`` writes it."""
    return {f"{float(found[1].replace(',', '.')):g}" for found in _MENTION.finditer(text)}


def _content(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Reasoning, white space aside, and score: the same whatever characters the JSON escapes."""
    reasoning = _scored(fields).get("reasoning")
    return "".join(reasoning.split()) if isinstance(reasoning, str) else "", _compared(fields)


def _stands_in(verdict: str, submission: str) -> bool:
    """Whether a verdict stands in the answer, white space aside."""
    return "".join(verdict.split()) in "".join(submission.split())


def _stands_out(one: _Found, text: str, objects: Sequence[_Found]) -> bool:
    """Whether an object opens the reply, closes it, or is alone in a fence; not so inside of another that is broken."""
    before = _around(text[: one.start], [other for other in objects if other.end <= one.start])
    after = text[one.end :]
    fenced = before.rstrip().casefold().removesuffix("json").rstrip().endswith("```") and after.lstrip().startswith(
        "```"
    )
    return _opens(text[: one.start]) or ("{" not in before and (fenced or not after.strip(_CLOSING)))


def _opens(before: str) -> bool:
    return before.casefold().strip(_OPENING) in ("", "json")


def _at_edge(text: str) -> bool:
    """Whether the first ``score: N`` opens the reply, or the last one closes it."""
    found = list(_MENTION.finditer(text))
    if not found:
        return False
    rest = _OUT_OF.sub("", text[found[-1].end() :], count=1)
    return _opens(text[: found[0].start()]) or not rest.strip(_CLOSING + _QUOTES)


def _around(text: str, objects: Sequence[_Found]) -> str:
    """A text without the objects in it."""
    ends = [0, *(one.end for one in objects)]
    starts = [*(one.start for one in objects), len(text)]
    return " ".join(text[end:start] for end, start in zip(ends, starts, strict=True))


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object, its keys in small letters. A key that stands twice could be read in two ways: such JSON is broken."""
    fields = {key.strip().casefold(): value for key, value in pairs}
    if len(fields) < len(pairs):
        raise ValueError("a key stands twice")
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def _objects(text: str) -> Iterator[_Found]:
    """The JSON objects of a text that are in no other, in order."""
    at, broken = text.find("{"), 0
    while at >= 0 and broken <= _MOST_BRACES:
        try:
            fields, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            end, broken = at + 1, broken + 1
        else:
            yield _Found(at, end, fields)
        at = text.find("{", end)


_BREAKS = (ValueError, RecursionError, AssertionError, AttributeError, LookupError, TypeError)
"""What json-repair may end in; its assertions do fail, as on a fence inside of a key."""


def _mended(text: str) -> list[_Found]:
    """The last object with a score that json-repair makes of a text from its first brace on, if any."""
    import json_repair

    if text.count("{") > _MOST_BRACES or len(text) > _LONGEST:
        return []
    start = text.find("{")
    try:
        made = json_repair.loads(text[start:])
        found = [_folded(one) for one in (made if isinstance(made, list) else [made]) if isinstance(one, dict)]
    except _BREAKS:
        return []
    return [_Found(start, len(text), one) for one in found if _scored(one)][-1:]


def _folded(fields: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        str(key).strip().casefold(): _folded(value) if isinstance(value, dict) else value
        for key, value in fields.items()
    }
