"""The page: one self-contained HTML file that opens from disk, with the verdict first and every response in it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from babeltune import __version__
from babeltune.languages import LANGUAGES
from babeltune.report import tables
from babeltune.report.blocks import blocks
from babeltune.report.figures import palette
from babeltune.report.findings import by_language, called, split_of, verdict_of, verdicts_of
from babeltune.report.inline import policy_hash, script_json, source, template
from babeltune.report.results import METRICS, TITLES, Board, Curve, Results

SCRIPTS = ("dom.js", "chart.js", "figures.js", "findings.js", "cells.js", "items.js", "answers.js", "page.js")
"""Parts of the page's one script, in order."""
_POINTS = 150
"""Most points of a loss curve; of more updates, neighbours are averaged."""
_DARK_PAPER = "#14181C"
"""Of ``page.css``."""
_CONTRAST = 2.2
"""Least contrast of a bar against it, as that of a line against white paper."""
_LACKING = 12
"""Most cells without a row that are named one by one."""


def page(results: Results) -> str:
    """The HTML."""
    style = source("page.css") + colours(results.mixes)
    script = joined(SCRIPTS)
    found = figures(results)
    told = [verdict_of(results, one) for one in results.verdicts]
    heads = [told[results.verdicts.index(one)] for one in results.headlines]
    verdicts = verdicts_of(told, heads)
    stored = blocks(results)
    return template("page.html.j2").render(
        results=results,
        headlines=heads,
        verdicts=verdicts,
        many=len(results.models()) > 1,
        by_language=[one for one in (by_language(at, verdict) for at, verdict in enumerate(told)) if one["lines"]],
        splits=[split_of(results, one) for one in results.splits],
        margin=results.recipe.get("verdict", {}).get("margin", ""),
        in_kind=results.recipe.get("verdict", {}).get("in_kind", 0.0),
        figures=found,
        boards=[figure_tables(results, one) for one in found],
        data_histogram=bool(results.histogram),
        lacking=list(lacking(results)),
        reasons=reasons(results),
        answers_note=answers_note(results),
        recipe=yaml.safe_dump(dict(results.recipe), sort_keys=False, allow_unicode=True),
        data=script_json({**data(results, found), "headline": told.index(heads[0]) if heads else 0}),
        blocks=stored,
        script=script,
        style=style,
        script_hash=policy_hash(script),
        style_hash=policy_hash(style),
        version=__version__,
    )


def joined(scripts: Sequence[str]) -> str:
    """Scripts of this room as one, whose names nothing outside it sees."""
    return '(() => {\n"use strict";\n' + "\n".join(source(name) for name in scripts) + "\n})();"


def data(results: Results, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the script draws: numbers and words, each word once."""
    codes = list(dict.fromkeys(row["language"] for row in results.rows))
    spans = {row["metric"]: [row.get("least", 0.0), row.get("top", 1.0)] for row in results.rows}
    return {
        "study": results.study,
        "names": {code: row.name for code, row in LANGUAGES.items()},
        "tasks": TITLES,
        "metrics": METRICS,
        "models": results.models(),
        "languages": codes,
        "mixes": [{"name": name, "languages": counts} for name, counts in results.mixes.items()],
        "spans": {**spans, **_helpful(spans)},
        "figures": found,
        "verdicts": [_drawn(verdict_of(results, one)) for one in results.verdicts],
        "histogram": [[one[name] for name in ("model", "mix", "language", "reading", "score", "count")] for one in results.histogram],
        "losses": _losses(results),
        "outputs": len(results.items),
        "rows": _rows(results.rows),
    }  # fmt: skip


def _helpful(spans: Mapping[str, Any]) -> dict[str, Any]:
    """Scores of a judge run from 1 to 6 wherever they are."""
    return {name: [1.0, 6.0] for name in METRICS if name.startswith("helpfulness") and name not in spans}


def _drawn(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Of a verdict, what its charts show."""
    return {
        name: verdict[name] for name in ("model", "task", "metric", "prompting", "margin", "span", "by_language", "fit")
    }


def _rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows as columns, for the table and the charts; of words, the place in a list of them."""
    wordy = ("model", "mix", "task", "language", "prompting", "metric", "signature")
    words: dict[str, list[str]] = {}
    columns: dict[str, list[Any]] = {}
    for name in wordy:
        places: dict[str, int] = {}
        columns[name] = [places.setdefault(row[name], len(places)) for row in rows]
        words[name] = list(places)
    for name, default in (("value", None), ("low", None), ("high", None), ("n", 0), ("unscored", 0), ("worst", None), ("best", None), ("least", 0.0), ("top", 1.0), ("seeds", 1), ("tuning_seeds", 1), ("std", None)):  # fmt: skip
        columns[name] = [_short(row.get(name, default)) for row in rows]
    shown: list[dict[str, Any]] = [
        {"key": "model", "title": "model", "kind": "word"},
        {"key": "mix", "title": "mix", "kind": "word"},
        {"key": "task", "title": "task", "kind": "word", "called": TITLES},
        {"key": "language", "title": "language", "kind": "word", "called": {code: row.name for code, row in LANGUAGES.items() if code in words["language"]}},
        {"key": "prompting", "title": "prompting", "kind": "word"},
        {"key": "metric", "title": "metric", "kind": "word"},
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


def _short(value: Any) -> Any:
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
                "title": _capital(f"{TITLES.get(task, task)}: {METRICS.get(metric, metric)}"),
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


def colours(mixes: Iterable[str]) -> str:
    """Colours of the mixes as the style's variables: of a bar, of what is drawn on it, and of a line; light and dark."""
    light, dark = [], []
    for at, (_, shade) in enumerate(palette.colours(list(mixes)).items()):
        light.append(f"--m{at}:{shade};--m{at}-o:{palette.over(shade)};--m{at}-i:{palette.ink(shade)}")
        seen = on_dark(shade)
        dark.append(f"--m{at}:{seen};--m{at}-o:{palette.over(seen)};--m{at}-i:{seen}")
    return f":root{{{';'.join(light)}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{';'.join(dark)}}}}}\n"


def on_dark(shade: str) -> str:
    """The colour, lightened as far as it needs to be seen on dark paper."""
    ground = palette.luminance(_DARK_PAPER) + 0.05
    parts = [int(shade[at : at + 2], 16) for at in (1, 3, 5)]
    while (palette.luminance(lit := "#" + "".join(f"{part:02X}" for part in parts)) + 0.05) / ground < _CONTRAST:
        parts = [min(255, part + 6) for part in parts]
    return lit


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def lacking(results: Results) -> Iterator[str]:
    """What the grid of the study would hold and does not, and what the page does not show, in sentences."""
    for model in results.models():
        there = set(results.mix_names(model))
        gone = [mix for mix in results.mixes if mix not in there]
        if gone:
            yield f"{model} was not evaluated under {', '.join(gone)}."
        holes = [
            f"{mix}, {TITLES.get(board.task, board.task)}{' (en:xx)' if board.prompting == 'en:xx' else ''}, {called(code)}"
            for board in dict.fromkeys(Board(one.task, one.prompting, one.metric) for one in results.main_boards(model))
            for cells in (results.of(model, board),)
            for mix in results.mix_names(model)
            for code in results.languages(model, board)
            if (mix, code) not in cells
        ]
        if holes:
            more = f" and {len(holes) - _LACKING} more" if len(holes) > _LACKING else ""
            yield f"{model} lacks {'a cell' if len(holes) == 1 else f'{len(holes):,} cells'}: {'; '.join(holes[:_LACKING])}{more}."
    if results.judging_stopped:
        yield results.judging_stopped
    if results.items_left_out:
        yield f"{results.items_left_out:,} answers are not on this page, which shows {len(results.items):,}; all are in the score files of the study."


def reasons(results: Results) -> list[dict[str, Any]]:
    """Why answers are unscored, most often first, over the cells of a model, task and metric."""
    counts: Counter[tuple[str, str, str, str]] = Counter()
    cells: Counter[tuple[str, str, str, str]] = Counter()
    for row in results.rows:
        for reason, count in row["reasons"].items():
            key = (
                row["model"],
                f"{TITLES.get(row['task'], row['task'])}{' (en:xx)' if row['prompting'] == 'en:xx' else ''}",
                row["metric"],
                reason,
            )
            counts[key] += count
            cells[key] += 1
    return [
        {"model": key[0], "task": key[1], "metric": key[2], "reason": key[3], "count": count, "cells": cells[key]}
        for key, count in counts.most_common()
    ]


def answers_note(results: Results) -> str:
    """What the browser of answers holds."""
    shown = f"{len(results.items):,} answers, those to one prompt side by side: all mixes and seeds."
    if results.items and not any(item.get("lines") for item in results.items):
        shown += " The languages of their lines were not told."
    if results.items_left_out:
        return f"A sample of {shown} Of an item all are here or none."
    return f"All {shown}"


def _losses(results: Results) -> list[dict[str, Any]]:
    """The losses of each model's tunings, thinned to what can be seen."""
    return [
        {
            "model": model,
            "lines": [
                {"mix": curve.mix, "seed": curve.tuning_seed, "steps": steps, "losses": losses}
                for curve in results.curves
                if curve.model == model
                for steps, losses in (_thinned(curve),)
            ],
        }
        for model in dict.fromkeys(curve.model for curve in results.curves)
    ]


def _thinned(curve: Curve) -> tuple[list[int], list[float]]:
    width = math.ceil(len(curve.losses) / _POINTS)
    bins = [curve.losses[start : start + width] for start in range(0, len(curve.losses), width)]
    return [one[-1][0] for one in bins], [round(sum(loss for _, loss in one) / len(one), 4) for one in bins]
