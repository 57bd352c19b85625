"""The page: one self-contained HTML file that opens from disk, with the verdict first and every response in it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import yaml

from babeltune import __version__
from babeltune.languages import LANGUAGES
from babeltune.report import tables
from babeltune.report.inline import policy_hash, script_json, source, template
from babeltune.report.results import TITLES, Board, Results


def page(results: Results, figures: Mapping[str, str], curves: str = "") -> str:
    """The HTML. ``figures``: model -> SVG of its Figure 1. ``curves``: SVG of the training losses."""
    script, style = source("page.js"), source("page.css")
    return template("page.html.j2").render(
        results=results,
        figures={model: base64.b64encode(svg.encode()).decode() for model, svg in figures.items()},
        curves=base64.b64encode(curves.encode()).decode(),
        boards={model: _boards(results, model) for model in results.models()},
        missing=[row for row in results.rows if row["unscored"]],
        recipe=yaml.safe_dump(dict(results.recipe), sort_keys=False, allow_unicode=True),
        data=script_json(_browser(results)),
        script=script,
        style=style,
        script_hash=policy_hash(script),
        style_hash=policy_hash(style),
        version=__version__,
    )


def _boards(results: Results, model: str) -> list[tuple[Board, tuple[list[str], list[list[str]]], list[Any]]]:
    """The main tables of each task and prompting; behind the first of them those of the other metrics."""
    found = []
    mains = results.main_boards(model)
    told: set[tuple[str, str]] = set()
    for main in mains:
        kind = main.task, main.prompting
        others = [
            (board, tables.grid(results, model, board))
            for board in results.boards(model)
            if (board.task, board.prompting) == kind and board not in mains and kind not in told
        ]
        told.add(kind)
        found.append((main, tables.grid(results, model, main), others))
    return found


def _browser(results: Results) -> dict[str, Any]:
    """What the item browser needs: per model, task, language and item the prompt once and each mix's response."""
    # The first board of a task is its main one.
    mains = {
        (model, board.task): board.metric for model in results.models() for board in reversed(results.boards(model))
    }
    entries: dict[tuple[str, str, str, str, str], dict[str, Any]] = {}
    for item in results.items:
        metric = _shown(mains[item["model"], item["task"]], item)
        key = item["model"], item["task"], item["prompting"], item["language"], item["item"]
        fields = ("model", "task", "prompting", "language", "item", "subject", "prompt", "references")
        entry = entries.setdefault(key, {**{name: item[name] for name in fields}, "answers": []})
        entry["answers"].append(
            {
                "mix": item["mix"],
                "seed": f"tuning {item['tuning_seed']}, sampling {item['seed']}",
                "text": item["response"],
                "metric": metric,
                "value": item["values"].get(metric),
                "notes": item["notes"],
                "finish": item["finish"],
                "unscored": item["unscored"].get(metric, ""),
                **_judged(item),
            }
        )
    names = {code: row.name for code, row in LANGUAGES.items()}
    return {"names": names, "tasks": TITLES, "entries": list(entries.values())}


def _judged(item: Mapping[str, Any]) -> dict[str, Any]:
    """What the judge said of an answer, in words for the page; nothing where it was not to be judged."""
    said = []
    for ending, as_ in (("", ""), ("-translated", ", translated")):
        name, notes = f"helpfulness{ending}", item["notes"]
        state = notes.get(f"judge{as_}")
        if state is None:
            continue
        scores = (item["values"].get(f"helpfulness{middle}{ending}") for middle in ("-raw", ""))
        raw, counted = (None if score is None else f"{score:.0f}" for score in scores)
        mark = f"{raw} of 6" if raw else item["unscored"].get(name) or state
        if counted and counted != raw:
            mark = f"{f'{raw} of 6, ' if raw else ''}counts as {counted}: in another language"
        said.append({"how": as_.removeprefix(", "), "mark": mark, "why": notes.get(f"reasoning{as_}", "")})
    return {"judge": said} if said else {}


def _shown(main: str, item: Mapping[str, Any]) -> str:
    """The metric that an answer's mark, right or wrong, is of: the main one, or what of it a single answer has."""
    if not main.startswith("helpfulness") and (main in item["values"] or main in item["unscored"]):
        return main
    return "agreement" if "agreement" in item["values"] or "agreement" in item["unscored"] else main
