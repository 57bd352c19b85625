"""Tables: agreement per language and mix, for a terminal, as Markdown, and as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from babeltune.languages import LANGUAGES
from babeltune.report.results import Results


def number(row: Mapping[str, Any] | None) -> str:
    """``0.92 [0.79, 1.00]``; says what is unscored."""
    if row is None:
        return "-"
    if row["value"] is None:
        return f"unscored ({row['unscored']})"
    text = f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
    return f"{text} ({row['unscored']} unscored)" if row.get("unscored") else text


def grid(results: Results, model: str, metric: str) -> tuple[list[str], list[list[str]]]:
    """Header and lines: a line a language, a column a mix; the last line averages the languages that no mix holds."""
    cells, mixes = results.of(model, metric), results.mix_names(model)
    lines = [
        [f"{LANGUAGES[code].name} ({code})", *(number(cells.get((mix, code))) for mix in mixes)]
        for code in results.languages(model)
    ]
    for verdict in results.verdicts:
        if verdict["model"] == model and metric == "agreement":
            averages = verdict["averages"]
            lines.append([f"average of {len(verdict['unseen'])} unseen", *(number(averages.get(mix)) for mix in mixes)])
    return ["language", *mixes], lines


def markdown(results: Results, model: str, metric: str) -> str:
    """The grid as a Markdown table."""
    header, lines = grid(results, model, metric)
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *lines]) + "\n"


def terminal(results: Results, model: str, metric: str) -> Table:
    """The grid for a terminal."""
    header, lines = grid(results, model, metric)
    n = max((row["n"] for row in results.rows if row["model"] == model), default=0)
    table = Table(
        title=f"{model}: input/output language {metric}, 95 % intervals, n = {n} prompts a language",
        caption="bold: the mix holds chats in that language",
    )
    for name in header:
        table.add_column(name, no_wrap=True)
    for code, line in zip([*results.languages(model), None], lines, strict=False):
        held = [mix != "base" and code in results.mixes[mix] for mix in header[1:]]
        cells = [f"[bold]{cell}[/bold]" if mark else cell for cell, mark in zip(line[1:], held, strict=True)]
        if code is None:
            table.add_section()
        table.add_row(line[0], *cells)
    return table
