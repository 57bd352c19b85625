"""Findings: verdicts, what they say of each language, and variance splits, in words and cells of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from babeltune.report.page.inline import signed
from babeltune.report.results import METRICS, TITLES, Board, Results, called

_PARTS = {
    "item": "items",
    "sampling": "sampling seeds",
    "tuning": "tuning seeds",
    "interaction": "items under another tuning",
    "residual": "the rest",
}
"""Part of the variance -> what varies there."""
_COUNTS = {"n_items": "item", "n_sampling": "sampling seed", "n_tuning": "tuning seed"}


def verdict_of(results: Results, verdict: Mapping[str, Any]) -> dict[str, Any]:
    """A verdict with all that the page shows of one, in words where it is shown as words."""
    spans = {row["metric"]: (row.get("least", 0.0), row.get("top", 1.0)) for row in results.rows}
    least, top = spans.get(verdict["metric"], (0.0, 1.0))
    board = Board(verdict["task"], verdict["prompting"], verdict["metric"])
    found = {"by_language": [], "supervised": None, "fit": None, "english": None, "margin": 0.0, **verdict}
    found["span"] = top - least
    found["title"] = titled(board)
    found["tone"] = {"shown": "yes", "refuted": "no"}.get(verdict["necessary"], "")
    step = _step(verdict)
    found["step"] = shown_interval(step["interval"], top - least, sign=True) if step else "–"
    sufficient = verdict["sufficient"]
    found["enough"] = "not shown" if sufficient is None else f"{sufficient} language{'s' if sufficient != 1 else ''}"
    between = found["supervised"]
    found["supervised"] = shown_interval(between["difference"], top - least, sign=True) if between else "–"
    found["facts"] = list(_facts(found, step, top - least))
    return found


def titled(board: Board) -> str:
    """Task, metric in few words, and prompting where it is not the plain one."""
    words = METRICS.get(board.metric, board.metric).split(",")[0].split(";")[0]
    return f"{TITLES.get(board.task, board.task)}, {words}{' (en:xx)' if board.prompting == 'en:xx' else ''}"


def _step(verdict: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The contrast of the two mixes of fewest languages."""
    levels = sorted(set(verdict["languages"].values()))
    if len(levels) < 2:
        return None
    pair = levels[1], levels[0]
    return next(
        (
            one
            for one in verdict["contrasts"]
            if tuple(verdict["languages"].get(one[side]) for side in ("first", "second")) == pair
        ),
        None,
    )


def _facts(verdict: Mapping[str, Any], step: Mapping[str, Any] | None, span: float) -> Iterator[dict[str, str]]:
    """The verdict in figures."""

    def fact(name: str, value: str, detail: str, tone: str = "") -> dict[str, str]:
        return {"name": name, "value": value, "tone": tone, "detail": detail}

    if step:
        detail = f"{step['first']} minus {step['second']}: {verdict['step']}"
        yield fact("A further language is necessary", verdict["necessary"], detail, verdict["tone"])
    enough, widths = verdict["sufficient"], set(verdict["languages"].values())
    if enough is not None:
        detail = "after which none that follows gains the margin"
    elif len(widths) == 2 and verdict["necessary"] == "shown":
        detail = f"no mix of more than {max(widths)} languages was tried"
    else:
        detail = "the intervals allow a further gain"
    yield fact("Sufficient", verdict["enough"], detail, "" if enough is None else "yes")
    kind, names = verdict.get("in_kind") or {}, list(verdict["languages"])
    if any(kind.values()):
        first, last = names[0], names[-1]
        answered = f"{len(kind.get(first, ()))} → {len(kind.get(last, ()))} of {len(verdict['unseen'])}"
        yield fact("Unseen languages answered in kind", answered, f"{first} → {last}")
    if verdict["supervised"] != "–":
        value, _, interval = verdict["supervised"].partition(" ")
        yield fact("Supervised minus zero-shot gain", value, interval)
    if english := verdict["english"]:
        value, _, interval = shown_interval(english["interval"], span, sign=True).partition(" ")
        yield fact("Change in English", value, f"{english['first']} minus {english['second']}: {interval}")


def shown_interval(one: Mapping[str, Any] | None, span: float = 1.0, *, sign: bool = False) -> str:
    """``0.41 [0.38, 0.44]``."""
    if not one or one.get("value") is None:
        return "–"
    value, low, high = (signed(one[name], 1 if span > 10 else 2, sign=sign) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def verdicts_of(told: Sequence[dict[str, Any]], heads: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of a table; none where it would say no more than what stands above it."""
    return [] if len(told) == len(heads) == 1 else list(told)


def by_language(at: int, verdict: Mapping[str, Any]) -> dict[str, Any]:
    """The findings on each language as lines of a table."""
    lines = []
    for one in verdict["by_language"]:
        step, worst = one.get("step"), one.get("worst_case")
        lines.append(
            [
                f"{called(one['language'])} ({one['language']})",
                one.get("tier") or "–",
                "–" if one.get("share") is None else f"{one['share']:g}",
                one.get("entered") or "no mix",
                shown_interval(step and step["interval"], verdict["span"], sign=True),
                "–" if not step or step.get("p_holm") is None else f"{step['p_holm']:.2g}",
                one.get("necessary") or "–",
                "not shown" if one.get("sufficient") is None else str(one["sufficient"]),
                f"{worst['first']}: {shown_interval(worst['interval'], verdict['span'], sign=True)}" if worst else "–",
                shown_interval(one["before"] and one["before"]["interval"], verdict["span"], sign=True) if one.get("before") else "–",
                shown_interval(one["entering"] and one["entering"]["interval"], verdict["span"], sign=True) if one.get("entering") else "–",
            ]
        )  # fmt: skip
    pair = next(
        (f"{one['step']['first']} − {one['step']['second']}" for one in verdict["by_language"] if one.get("step")), ""
    )
    return {"at": at, "name": f"{verdict['model']}: {verdict['title']}", "pair": pair, "lines": lines}


def split_of(results: Results, split: Mapping[str, Any]) -> dict[str, Any]:
    """A variance split in words."""
    spans = {row["metric"]: row.get("top", 1.0) - row.get("least", 0.0) for row in results.rows}
    digits = 2 if spans.get(split["metric"], 1.0) > 1 else 3
    board = Board(split["task"], split["prompting"], split["metric"])
    told = {name: split[part] for part, name in _PARTS.items() if split.get(part) is not None}
    whole = sum(told.values())
    unknown = [_PARTS[part] for part in ("sampling", "tuning") if split.get(part) is None]
    shares = ", ".join(f"{name} {100 * value / whole if whole else 0:.0f} %" for name, value in told.items())
    if len(told) < 2:
        shares = "cannot be told apart: one output an item"
    elif unknown:
        shares += f"; not known: {', '.join(unknown)}"
    options = "; ".join(f"{one['n']:,} {one['add']}: ±{one['width']:.{digits}f}" for one in split.get("options", ()))
    width = split.get("width")
    return {
        **split, "title": titled(board), "width": "–" if width is None else f"±{width:.{digits}f}", "options": options,
        "asked": ", ".join(_counted(split[count], one) for count, one in _COUNTS.items()), "parts": shares, "head": results.judged(split["model"]) == board,
    }  # fmt: skip


def _counted(count: int, one: str) -> str:
    return f"{count:,} {one}{'' if count == 1 else 's'}"
