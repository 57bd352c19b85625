"""Scored outputs as they are printed: a table of metrics, what is unscored, and what else the responses show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from babeltune.cli.terminal import console
from babeltune.languages import LANGUAGES, code_of

if TYPE_CHECKING:
    from babeltune.measure.outputs import Answered, Found
    from babeltune.measure.summary import Row
    from babeltune.records import Identifier, Score

_MOST = 5
"""Languages, reasons and places that are shown."""
_WIDEST = 200
"""Columns of a terminal that a table may take."""


def show(rows: Sequence[Row], title: str, n: int) -> None:
    """Print a line a metric: value, interval, items, unscored and its bounds."""
    bounded = any(row.unscored and row.value is not None for row in rows)
    console.say(f"{title}, {n:,} response{'s' if n != 1 else ''}", "italic")
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True)
    table.add_column("metric", no_wrap=True)
    for heading in ("value", "95 % interval", "n", "unscored", *(["bounds"] if bounded else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        digits = 2 if row.top > 1 else 3
        value = f"{row.value:.{digits}f}" if row.value is not None else "-"
        interval = f"[{row.low:.{digits}f}, {row.high:.{digits}f}]" if row.value is not None else "-"
        between = f"{row.worst:.{digits}f} to {row.best:.{digits}f}" if row.unscored and row.value is not None else ""
        table.add_row(
            row.metric, value, interval, f"{row.n:,}", f"{row.unscored:,}" if row.unscored else "",
            *([between] if bounded else []),
        )  # fmt: skip
    # Wider than the terminal it wraps: a number that is cut off cannot be read at all.
    table.width = console.measure(table, options=console.options.update(width=_WIDEST)).maximum
    console.print(table, crop=False)
    for line in _reasons(rows):
        console.say(line)
    if bounded:
        console.say("Bounds: the value if all that is unscored were worth nothing, and if it were perfect.")


def _reasons(rows: Sequence[Row]) -> list[str]:
    """A line a reason: how many responses, and which metrics they lack."""
    lacking: dict[tuple[str, int], list[str]] = {}
    for row in rows:
        for reason, count in row.reasons.items():
            lacking.setdefault((reason, count), []).append(row.metric)
    ranked = sorted(lacking.items(), key=lambda one: -one[0][1])
    return [f"Unscored: {count:,}, {reason} ({', '.join(metrics)})." for (reason, count), metrics in ranked]


def findings(task: str, answered: Sequence[Answered], scored: Sequence[Score], reader: Identifier) -> list[str]:
    """What else the responses show: the languages found in them, or the items on which the rules differ."""
    if task in ("dialogue", "simplification"):
        lines = _languages(scored)
        if task == "dialogue" and answered and not any(one.item.prompt for one in answered):
            lines.append(
                "No row has a prompt (in prompt or instruction): agreement, which compares with its language, is unscored."
            )
        return [*lines, *_turning(answered, reader)] if task == "dialogue" else lines
    if task in ("xquad", "xcsqa"):
        return _differing(scored)
    return []


def _languages(scored: Sequence[Score]) -> list[str]:
    labels = Counter(one.notes["response"] for one in scored if "response" in one.notes)
    names = [f"{_name(label)} {count:,}" for label, count in labels.most_common(_MOST)]
    more = sum(labels.values()) - sum(count for _, count in labels.most_common(_MOST))
    return [f"Languages of the responses: {', '.join(names)}{f', others {more:,}' if more else ''}."] if names else []


def _name(label: str) -> str:
    code = code_of(label)
    return LANGUAGES[code].name if code else label.removeprefix("none ")


def _turning(answered: Sequence[Answered], reader: Identifier) -> list[str]:
    from babeltune.measure.metrics.confusion import flips

    courses = [(one, flips(one.output.text, reader).flips) for one in answered if one.output is not None]
    turned = [(one, found) for one, found in courses if found]
    if not courses:
        return []
    first = f", the first at {turned[0][0].where} ({_path(turned[0][1])})" if turned else ""
    return [f"Responses that change language from line to line: {len(turned):,} of {len(courses):,}{first}."]


def _path(found: Sequence[object]) -> str:
    from babeltune.measure.metrics.confusion import Flip

    steps = [one for one in found if isinstance(one, Flip)]
    codes = [steps[0].before, *(one.after for one in steps)]
    return " to ".join(codes[:_MOST]) + (" …" if len(codes) > _MOST else "")


def _differing(scored: Sequence[Score]) -> list[str]:
    """On how many responses the rules that say right or wrong differ, and which of them say right."""
    judged = [{rule: value for rule, value in one.values.items() if rule != "token-f1"} for one in scored]
    rules = list(dict.fromkeys(rule for values in judged for rule in values))
    apart = [(one, values) for one, values in zip(scored, judged, strict=True) if len(set(values.values())) > 1]
    if not rules:
        return []
    lines = [f"The rules {', '.join(rules)} differ on {len(apart):,} of {sum(map(bool, judged)):,} responses."]
    right: dict[str, list[Score]] = {}
    for one, values in apart:
        right.setdefault(" and ".join(rule for rule, value in values.items() if value), []).append(one)
    for named, some in sorted(right.items(), key=lambda pair: -len(pair[1])):
        lines.append(f"  right by {named} alone: {len(some):,}, such as item {some[0].item}")
    return lines


def told(found: Found) -> list[str]:
    """Rows and items that were not matched, or not as they should be."""

    def some(names: Sequence[str]) -> str:
        return ", ".join(names[:_MOST]) + (" …" if len(names) > _MOST else "")

    lines = []
    if found.foreign:
        lines.append(f"Rows in other languages, left out: {found.foreign:,}.")
    if found.strangers:
        lines.append(f"Rows without an item, left out: {len(found.strangers):,} ({some(found.strangers)}).")
    if found.unanswered:
        lines.append(f"Items without a row: {len(found.unanswered):,} ({some(found.unanswered)}).")
    if found.astray:
        lines.append(
            f"Careful: {len(found.astray):,} rows ask something else than the item that they were matched with "
            f"({some(found.astray)}). Check that --items are the very items, in the same order."
        )
    return lines
