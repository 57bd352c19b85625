"""The page of several studies, like that of a single one: verdicts, shared cells, figures and answers side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from babeltune import __version__
from babeltune.report.compare import ALIGNED, Shared, Studied
from babeltune.report.page.blocks import blocks
from babeltune.report.page.findings import verdict_of
from babeltune.report.page.inline import document
from babeltune.report.page.numbers import cell_columns, data, figure_tables, figures, indexed, short
from babeltune.report.page.paper import SCRIPTS, style
from babeltune.report.results import Board, Results

MOST = 50_000
"""Answers on the page."""


def page(studies: Sequence[Studied], cells: Sequence[Shared]) -> str:
    """The HTML."""
    merged = _merged(studies)
    drawn = figures(merged)
    for one in drawn:
        one["caption"] = "Bars: one study. Triangles: another. Whiskers are 95 % intervals, each study's own. Striped: the mix has no chats in that language (zero-shot)."  # fmt: skip
    own = _mixes(studies, merged)
    order = {one["name"]: one["languages"] for one in own if "of" in one}
    asked = dataclasses.replace(merged, mixes=order, items=tuple(_items(studies)))
    content = {**data(merged, drawn), "outputs": len(asked.items), "compared": _table(studies, cells), "verdicts": []}
    content |= {"histogram": [], "losses": [], "mixes": own}
    return document(
        "comparison.html.j2",
        style=style(merged.mixes),
        scripts=SCRIPTS,
        data=content,
        studies=studies,
        heads=[
            [verdict_of(one.results, verdict) for verdict in one.results.headlines] for one in studies
        ],
        verdicts=_verdicts(studies),
        figures=drawn,
        boards=[figure_tables(merged, one) for one in drawn],
        cells=len(cells),
        pairs=sum(one.apart is not None for one in cells),
        moved=sum(one.apart is not None and (one.apart.low > 0 or one.apart.high < 0) for one in cells),
        recipes=recipes(studies),
        answers=len(asked.items),
        left_out=[one for one in studies if one.results.items_left_out],
        blocks=blocks(asked),
        version=__version__,
    )  # fmt: skip


def recipes(studies: Sequence[Studied]) -> list[list[str]]:
    """What differs in the study files and in the mixes, a line a field: its name, then its value in each study."""
    flat = [
        {**dict(_flat(one.results.recipe)), **{f"chats of {mix}": _counts(counts) for mix, counts in one.results.mixes.items()}}
        for one in studies
    ]  # fmt: skip
    names = dict.fromkeys(name for one in flat for name in one)
    return [
        [name, *(one.get(name, "–") for one in flat)]
        for name in names
        if len({one.get(name) for one in flat}) > 1
    ]  # fmt: skip


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {code}" for code, count in counts.items())


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of a study file with their paths."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple) and any(isinstance(inner, Mapping) for inner in value):
        for at, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{at}]")
    else:
        yield (
            path,
            ", ".join(map(str, value)) if isinstance(value, list | tuple) else "–" if value is None else str(value),
        )


def _merged(studies: Sequence[Studied]) -> Results:
    """All rows as those of one study, whose models are the studies' models."""
    rows = []
    mixes: dict[str, Mapping[str, int]] = {}
    for one in studies:
        several = len(one.results.models()) > 1
        mixes = {**one.results.mixes, **mixes}
        for row in one.results.rows:
            rows.append({**row, "model": f"{one.name}: {row['model']}" if several else one.name})
    first = studies[0].results
    return dataclasses.replace(
        first, study=" and ".join(one.name for one in studies), rows=tuple(rows), mixes=mixes, verdicts=(), histogram=(), curves=(), items=()
    )  # fmt: skip


def _mixes(studies: Sequence[Studied], merged: Results) -> list[dict[str, Any]]:
    """The mixes, then those of each study as its answers name them, mix after mix."""
    order = {name: at for at, name in enumerate(merged.mixes)}
    plain = [{"name": name, "languages": counts} for name, counts in merged.mixes.items()]
    own = [
        {
            "name": f"{name} · {one.name}", "languages": one.results.mixes.get(name, {}), "colour": order.get(name, -1),
            "of": name, "study": one.name,
        }
        for name in ("base", *merged.mixes)
        for one in studies
    ]  # fmt: skip
    return [*plain, *own]


def _items(studies: Sequence[Studied]) -> Iterator[Mapping[str, Any]]:
    """Answers to the prompts that at least two studies asked, as many as a page holds."""
    model = ALIGNED if len({tuple(one.results.models()) for one in studies}) > 1 and all(len(one.results.models()) == 1 for one in studies) else None  # fmt: skip
    groups: dict[tuple[str, ...], list[tuple[int, Mapping[str, Any]]]] = {}
    for at, one in enumerate(studies):
        for item in one.results.items:
            key = model or item["model"], *(item[name] for name in ("task", "prompting", "language", "item", "prompt"))
            groups.setdefault(key, []).append((at, item))
    left = MOST
    for key, found in groups.items():
        if len({at for at, _ in found}) < 2 or len(found) > left:
            continue
        left -= len(found)
        for at, item in found:
            yield {**item, "model": key[0], "mix": f"{item['mix']} · {studies[at].name}"}


def _table(studies: Sequence[Studied], cells: Sequence[Shared]) -> dict[str, Any]:
    """The shared cells as columns of a table."""
    wordy = ("model", "mix", "task", "language", "prompting", "metric")
    words: dict[str, list[str]] = {}
    columns: dict[str, list[Any]] = {}
    for at, name in enumerate(wordy):
        words[name], columns[name] = indexed(cell.key[at] for cell in cells)
    words["other"] = [one.name for one in studies[1:]]
    columns["other"] = [cell.other - 1 for cell in cells]
    for side in ("first", "second"):
        for name in ("value", "low", "high", "n"):
            columns[f"{side}_{name}"] = [short(getattr(cell, side)[name]) for cell in cells]
    columns["difference"] = [short(cell.difference) for cell in cells]
    columns["apart_low"] = [short(cell.apart.low) if cell.apart else None for cell in cells]
    columns["apart_high"] = [short(cell.apart.high) if cell.apart else None for cell in cells]
    columns["least"] = [cell.first.get("least", 0.0) for cell in cells]
    columns["top"] = [cell.first.get("top", 1.0) for cell in cells]
    second = studies[1].name if len(studies) == 2 else "other"
    shown: list[dict[str, Any]] = [
        {"key": "other", "title": "other study", "kind": "word"},
        *cell_columns(words["language"]),
        {"key": "first_value", "title": studies[0].name, "kind": "number"},
        {"key": "first_low", "to": "first_high", "title": "its 95 % interval", "kind": "interval"},
        {"key": "second_value", "title": second, "kind": "number"},
        {"key": "second_low", "to": "second_high", "title": "its 95 % interval", "kind": "interval"},
        {"key": "difference", "title": "difference", "kind": "number", "sign": True},
        {"key": "apart_low", "to": "apart_high", "title": "paired 95 % interval", "kind": "interval", "sign": True},
        {"key": "first_n", "title": "items", "kind": "count"},
    ]
    single = {name for name in ("other", "model", "task", "prompting") if len(words[name]) < 2}
    return {"words": words, "columns": columns, "shown": [one for one in shown if one["key"] not in single]}


def _verdicts(studies: Sequence[Studied]) -> list[tuple[str, list[dict[str, Any] | None]]]:
    """What each study says of the same model, task and metric."""
    told = [
        {_about(studies, verdict): verdict_of(one.results, verdict) for verdict in one.results.verdicts}
        for one in studies
    ]
    return [
        (about, [one.get(about) for one in told]) for about in dict.fromkeys(about for one in told for about in one)
    ]


def _about(studies: Sequence[Studied], verdict: Mapping[str, Any]) -> str:
    several = any(len(one.results.models()) > 1 for one in studies)
    board = Board(verdict["task"], verdict["prompting"], verdict["metric"])
    return f"{verdict['model']}: {board.heading}" if several else board.heading
