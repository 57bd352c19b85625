"""Comparison: several studies, or one before and after a change, on one page like that of a single study."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from babeltune import __version__
from babeltune.languages import LANGUAGES
from babeltune.report.blocks import blocks
from babeltune.report.findings import shown_interval, verdict_of
from babeltune.report.inline import policy_hash, script_json, signed, source, template
from babeltune.report.page import SCRIPTS, colours, data, figure_tables, figures, joined
from babeltune.report.results import TITLES, Board, Results

Key = tuple[str, str, str, str, str, str]
"""Model, mix, task, language, prompting, metric."""
ALIGNED = "each study's model"
"""Stands for the model where each study has one, of different names."""
MOST = 50_000
"""Answers on the page."""


class Paired(Protocol):
    """A paired difference with its interval (``measure.statistics.intervals.Difference``)."""

    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def low(self) -> float: ...  # noqa: D102
    @property
    def high(self) -> float: ...  # noqa: D102
    @property
    def n(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Studied:
    """One of the studies."""

    name: str
    """Unlike that of every other."""
    where: str
    """What it was read from."""
    results: Results


@dataclass(frozen=True, slots=True)
class Shared:
    """A cell that the first study and another have."""

    key: Key
    other: int
    """Place of the other study, from 1 on."""
    first: Mapping[str, Any]
    second: Mapping[str, Any]
    apart: Paired | None
    """Second minus first, paired by item; None where the items are not the same or not known."""

    @property
    def difference(self) -> float | None:
        """Second minus first, of the two means."""
        if self.first["value"] is None or self.second["value"] is None:
            return None
        return float(self.second["value"]) - float(self.first["value"])


def named(results: Sequence[tuple[str, Results]]) -> list[Studied]:
    """Studies with names of their own: those that share one are numbered. ``results``: each with where it is from."""
    counts = Counter(one.study for _, one in results)
    seen: Counter[str] = Counter()
    found = []
    for where, one in results:
        seen[one.study] += 1
        name = f"{one.study} ({seen[one.study]})" if counts[one.study] > 1 else one.study
        found.append(Studied(name, where, one))
    return found


def aligned(first: Results, second: Results) -> str | None:
    """The name for the model of either where each has one and they differ; None where models are told by their names."""
    ours, theirs = first.models(), second.models()
    return ALIGNED if len(ours) == len(theirs) == 1 and ours != theirs else None


def keyed(results: Results, model: str | None) -> dict[Key, Mapping[str, Any]]:
    """Cell and metric -> row. ``model``: stands in place of the model's name."""
    return {
        (
            model or row["model"], row["mix"], row["task"], row["language"], row["prompting"], row["metric"],
        ): row
        for row in results.rows
    }  # fmt: skip


def shared(studies: Sequence[Studied], apart: Sequence[Mapping[Key, Paired]]) -> list[Shared]:
    """The cells that a study has in common with the first. ``apart``: of each but the first its paired differences."""
    first, *others = studies
    found = []
    for at, (other, differences) in enumerate(zip(others, apart, strict=True), 1):
        model = aligned(first.results, other.results)
        ours = keyed(first.results, model)
        for key, row in keyed(other.results, model).items():
            if key in ours:
                found.append(Shared(key, at, ours[key], row, differences.get(key)))
    return found


def page(studies: Sequence[Studied], cells: Sequence[Shared]) -> str:
    """The HTML."""
    merged = _merged(studies)
    style, script = source("page.css") + colours(merged.mixes), joined(SCRIPTS)
    drawn = figures(merged)
    for one in drawn:
        one["caption"] = "Bars: one study. Triangles: another. Whiskers are 95 % intervals, each study's own. Striped: the mix has no chats in that language (zero-shot)."  # fmt: skip
    own = _mixes(studies, merged)
    order = {one["name"]: one["languages"] for one in own if "of" in one}
    asked = dataclasses.replace(merged, mixes=order, items=tuple(_items(studies)))
    content = {**data(merged, drawn), "outputs": len(asked.items), "compared": _table(studies, cells), "verdicts": []}
    content |= {"histogram": [], "losses": [], "mixes": own}
    return template("compare.html.j2").render(
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
        data=script_json(content),
        blocks=blocks(asked),
        script=script,
        style=style,
        script_hash=policy_hash(script),
        style_hash=policy_hash(style),
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
        places: dict[str, int] = {}
        columns[name] = [places.setdefault(cell.key[at], len(places)) for cell in cells]
        words[name] = list(places)
    words["other"] = [one.name for one in studies[1:]]
    columns["other"] = [cell.other - 1 for cell in cells]
    for side in ("first", "second"):
        for name in ("value", "low", "high", "n"):
            columns[f"{side}_{name}"] = [_short(getattr(cell, side)[name]) for cell in cells]
    columns["difference"] = [_short(cell.difference) for cell in cells]
    columns["apart_low"] = [_short(cell.apart.low) if cell.apart else None for cell in cells]
    columns["apart_high"] = [_short(cell.apart.high) if cell.apart else None for cell in cells]
    columns["least"] = [cell.first.get("least", 0.0) for cell in cells]
    columns["top"] = [cell.first.get("top", 1.0) for cell in cells]
    second = studies[1].name if len(studies) == 2 else "other"
    names = {code: row.name for code, row in LANGUAGES.items() if code in words["language"]}
    shown: list[dict[str, Any]] = [
        {"key": "other", "title": "other study", "kind": "word"},
        {"key": "model", "title": "model", "kind": "word"},
        {"key": "mix", "title": "mix", "kind": "word"},
        {"key": "task", "title": "task", "kind": "word", "called": TITLES},
        {"key": "language", "title": "language", "kind": "word", "called": names},
        {"key": "prompting", "title": "prompting", "kind": "word"},
        {"key": "metric", "title": "metric", "kind": "word"},
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


def _short(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value


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


def lines(studies: Sequence[Studied], cells: Sequence[Shared], most: int = 12) -> list[list[str]]:
    """The cells of main metrics that differ most, for a terminal: cell, either value with its interval, difference."""
    mains = {(board.task, board.prompting, board.metric) for one in studies for model in one.results.models() for board in one.results.main_boards(model)}  # fmt: skip
    found = [cell for cell in cells if (cell.key[2], cell.key[4], cell.key[5]) in mains and cell.difference is not None]
    found.sort(
        key=lambda cell: (
            -abs(cell.difference or 0.0) / ((cell.first.get("top", 1.0) - cell.first.get("least", 0.0)) or 1.0)
        )
    )
    return [
        [
            ", ".join(part for part in (studies[cell.other].name if len(studies) > 2 else "", *(cell.key[:2] if cell.key[0] != ALIGNED else cell.key[1:2]), *cell.key[2:4], cell.key[4] if cell.key[4] != "xx:xx" else "", cell.key[5]) if part),
            shown_interval(cell.first, cell.first.get("top", 1.0)),
            shown_interval(cell.second, cell.first.get("top", 1.0)),
            signed(cell.difference, 1 if cell.first.get("top", 1.0) > 10 else 2),
            shown_interval({"value": cell.apart.value, "low": cell.apart.low, "high": cell.apart.high}, cell.first.get("top", 1.0), sign=True).partition(" ")[2] if cell.apart else "–",
        ]
        for cell in found[:most]
    ]  # fmt: skip
