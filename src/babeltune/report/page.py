"""The page: one self-contained HTML file that opens from disk, with the verdict first and every response in it.

Model output is hostile text. It reaches the page in two ways only: through Jinja's autoescape, and as JSON in which
``<``, ``>`` and ``&`` are escaped and which the script shows with ``textContent``. Characters that steer a terminal or
the order of the text around them (controls, bidirectional marks) stand nowhere in the file as themselves. The
content-security policy lets no other script run and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from babeltune import __version__
from babeltune.languages import LANGUAGES
from babeltune.report import tables
from babeltune.report.results import TITLES, Board, Results

_HERE = Path(__file__).parent
_STEERING = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Controls, line separators, bidirectional marks, and lone surrogates, which have no UTF-8."""


def page(results: Results, figures: Mapping[str, str], curves: str = "") -> str:
    """The HTML. ``figures``: model -> SVG of its Figure 1. ``curves``: SVG of the training losses."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, finalize=_visible
    )
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        results=results,
        figures={model: base64.b64encode(svg.encode()).decode() for model, svg in figures.items()},
        curves=base64.b64encode(curves.encode()).decode(),
        boards={model: _boards(results, model) for model in results.models()},
        missing=[row for row in results.rows if row["unscored"]],
        recipe=yaml.safe_dump(dict(results.recipe), sort_keys=False, allow_unicode=True),
        data=_json(_browser(results)),
        script=script,
        style=style,
        script_hash=_csp(script),
        style_hash=_csp(style),
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
            }
        )
    names = {code: row.name for code, row in LANGUAGES.items()}
    return {"names": names, "tasks": TITLES, "entries": list(entries.values())}


def _shown(main: str, item: Mapping[str, Any]) -> str:
    """The metric that an answer's mark is of: the main one, or what of it a single answer has."""
    if main in item["values"] or main in item["unscored"]:
        return main
    return "agreement" if "agreement" in item["values"] or "agreement" in item["unscored"] else main


def _visible(value: object) -> object:
    """Text with steering characters shown by their code points, as the script shows them in answers."""
    if not isinstance(value, str) or hasattr(value, "__html__"):  # ours, and safe
        return value
    return re.sub(f"[{_STEERING}]", lambda found: f"\u27e8U+{ord(found[0]):04X}\u27e9", value)


def _json(value: object) -> str:
    """JSON that can stand inside a script element: no character in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return re.sub(f"[<>&{_STEERING}]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _csp(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
