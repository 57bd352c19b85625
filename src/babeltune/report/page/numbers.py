"""Numbers: what the script of a page draws and sorts, each word once, and the tables of the figures."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from babeltune.languages import LANGUAGES
from babeltune.report import tables
from babeltune.report.page.findings import verdict_of
from babeltune.report.results import METRICS, TITLES, Board, Results

_POINTS = 150
"""Most points of a loss curve; of more updates, neighbours are averaged."""


def data(results: Results, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the script draws: numbers and words, each word once."""
    codes = list(dict.fromkeys(row["language"] for row in results.rows))
    spans = {row["metric"]: [row.get("least", 0.0), row.get("top", 1.0)] for row in results.rows}
    # Scores of a judge run from 1 to 6 wherever they are.
    helpful = {name: [1.0, 6.0] for name in METRICS if name.startswith("helpfulness") and name not in spans}
    told = [verdict_of(results, one) for one in results.verdicts]
    charted = ("model", "task", "metric", "prompting", "margin", "span", "by_language", "fit")
    return {
        "study": results.study,
        "names": {code: row.name for code, row in LANGUAGES.items()},
        "tasks": TITLES,
        "metrics": METRICS,
        "models": results.models(),
        "languages": codes,
        "mixes": [{"name": name, "languages": counts} for name, counts in results.mixes.items()],
        "spans": {**spans, **helpful},
        "figures": found,
        "verdicts": [{name: verdict[name] for name in charted} for verdict in told],
        "histogram": [[one[name] for name in ("model", "mix", "language", "reading", "score", "count")] for one in results.histogram],
        "losses": _losses(results),
        "outputs": len(results.items),
        "rows": _rows(results.rows),
    }  # fmt: skip


def _rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows as columns, for the table and the charts; of words, the place in a list of them."""
    wordy = ("model", "mix", "task", "language", "prompting", "metric", "signature")
    words: dict[str, list[str]] = {}
    columns: dict[str, list[Any]] = {}
    for name in wordy:
        words[name], columns[name] = indexed(row[name] for row in rows)
    for name, default in (("value", None), ("low", None), ("high", None), ("n", 0), ("unscored", 0), ("worst", None), ("best", None), ("least", 0.0), ("top", 1.0), ("seeds", 1), ("tuning_seeds", 1), ("std", None)):  # fmt: skip
        columns[name] = [short(row.get(name, default)) for row in rows]
    shown: list[dict[str, Any]] = [
        *cell_columns(words["language"]),
        {"key": "value", "title": "value", "kind": "number"},
        {"key": "low", "to": "high", "title": "95 % interval", "kind": "interval"},
        {"key": "n", "title": "items", "kind": "count"},
        {"key": "std", "title": "std of seeds", "kind": "number"},
        {"key": "unscored", "title": "unscored", "kind": "count"},
        {"key": "worst", "to": "best", "title": "bounds", "kind": "interval", "only": "unscored"},
        {"key": "signature", "title": "signature", "kind": "word", "short": True},
    ]  # fmt: skip
    several = {one["key"]: len(words[one["key"]]) > 1 for one in shown if one["kind"] == "word"}
    several["signature"] = several["metric"] = several["mix"] = several["language"] = True
    if not any(value is not None for value in columns["std"]):
        several["std"] = False
    if not any(columns["unscored"]):
        several["unscored"] = several["worst"] = False
    return {"words": words, "columns": columns, "shown": [one for one in shown if several.get(one["key"], True)]}


def cell_columns(codes: Collection[str]) -> list[dict[str, Any]]:
    """The columns of a table that say which cell a row is of. ``codes``: languages that are called by their names."""
    called = {"task": TITLES, "language": {code: row.name for code, row in LANGUAGES.items() if code in codes}}
    named = ("model", "mix", "task", "language", "prompting", "metric")
    return [
        {"key": name, "title": name, "kind": "word", **({"called": called[name]} if name in called else {})}
        for name in named
    ]


def indexed(values: Iterable[str]) -> tuple[list[str], list[int]]:
    """Each word once, and for each value its place among them."""
    places: dict[str, int] = {}
    column = [places.setdefault(value, len(places)) for value in values]
    return list(places), column


def short(value: Any) -> Any:
    """A number with no more digits than are shown or sorted by."""
    return round(value, 5) if isinstance(value, float) else value


def figures(results: Results) -> list[dict[str, Any]]:
    """One a task and main metric: what is drawn, with which other metrics to choose from, and what stands below."""
    boards = list(dict.fromkeys(board for model in results.models() for board in results.boards(model)))
    mains = list(
        dict.fromkeys((board.task, board.metric) for model in results.models() for board in results.main_boards(model))
    )
    found = []
    for task, metric in mains:
        metrics = dict.fromkeys((metric, *(board.metric for board in boards if board.task == task)))
        promptings = dict.fromkeys(board.prompting for board in boards if board.task == task)
        found.append(
            {
                "id": f"{task}-{metric}", "task": task, "metrics": list(metrics), "promptings": list(promptings),
                "title": f"{TITLES.get(task, task)[:1].upper()}{TITLES.get(task, task)[1:]}: {METRICS.get(metric, metric)}",
                "caption": "Whiskers are 95 % intervals over items. Striped: the mix has no chats in that language (zero-shot)."
                + (" Triangles: the second model." if len(results.models()) > 1 else ""),
            }
        )  # fmt: skip
    return found


def figure_tables(results: Results, figure: Mapping[str, Any]) -> list[tuple[str, tuple[list[str], list[list[str]]]]]:
    """The numbers of a figure, a table a model and prompting."""
    found = []
    for model in results.models():
        for prompting in figure["promptings"]:
            board = Board(figure["task"], prompting, figure["metrics"][0])
            if results.of(model, board):
                found.append((f"{model}: {board.heading}", tables.grid(results, model, board)))
    return found


def _losses(results: Results) -> list[dict[str, Any]]:
    """The losses of each model's tunings, thinned to what can be seen."""
    return [
        {
            "model": model,
            "lines": [
                {
                    "mix": curve.mix,
                    "seed": curve.tuning_seed,
                    "steps": [one[-1][0] for one in bins],
                    "losses": [round(sum(loss for _, loss in one) / len(one), 4) for one in bins],
                }
                for curve in results.curves
                if curve.model == model
                for bins in (curve.binned(_POINTS),)
            ],
        }
        for model in dict.fromkeys(curve.model for curve in results.curves)
    ]
