"""Grids: one metric per language and mix, for a terminal, as Markdown and LaTeX; all rows as Parquet."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from rich.table import Table
from rich.text import Text

from babeltune.languages import LANGUAGES
from babeltune.report.results import COLUMNS, Board, Results
from babeltune.report.tables import table as texts


def number(row: Mapping[str, Any] | None) -> str:
    """``0.92 [0.79, 1.00]``, or ``38.2 [36.9, 39.5]`` of 100; says what is unscored."""
    if row is None:
        return "-"
    if row["value"] is None:
        return f"unscored ({row['unscored']})"
    digits = 1 if row.get("top", 1.0) > 10 else 2
    text = f"{row['value']:.{digits}f} [{row['low']:.{digits}f}, {row['high']:.{digits}f}]"
    return f"{text} ({row['unscored']} unscored)" if row.get("unscored") else text


def grid(results: Results, model: str, board: Board) -> tuple[list[str], list[list[str]]]:
    """Header and lines: a line a language, a column a mix; the last line averages the languages that no mix holds."""
    cells, mixes = results.of(model, board), results.mix_names(model)
    lines = [
        [f"{LANGUAGES[code].name} ({code})", *(number(cells.get((mix, code))) for mix in mixes)]
        for code in results.languages(model, board)
    ]
    for verdict in results.headlines:
        if verdict["model"] == model and board == results.judged(model):
            averages = verdict["averages"]
            lines.append([f"average of {len(verdict['unseen'])} unseen", *(number(averages.get(mix)) for mix in mixes)])
    return ["language", *mixes], lines


def markdown(results: Results, model: str, board: Board) -> str:
    """The grid as a Markdown table."""
    return texts.markdown(_table(results, model, board))


def grids(results: Results) -> list[texts.Table]:
    """Every grid of every model, with captions of their own."""
    return [_table(results, model, board) for model in results.models() for board in results.boards(model)]


def _table(results: Results, model: str, board: Board) -> texts.Table:
    header, lines = grid(results, model, board)
    name = re.sub(r"[^a-zA-Z0-9]+", "-", f"{model}-{board.task}-{board.prompting}-{board.metric}").lower()
    caption = f"{model}: {board.heading}, with 95 % intervals."
    return texts.Table(name, caption, tuple(header), tuple(map(tuple, lines)), pl.DataFrame())


def parquet(results: Results, path: Path) -> None:
    """Write all rows as Parquet: the columns of ``results.csv`` and what a figure needs besides."""
    schema = {name: _TYPES.get(name, pl.String) for name in (*COLUMNS, *_MORE)}
    rows = [{name: row.get(name) for name in schema} for row in results.rows]
    pl.DataFrame(rows, schema=schema).write_parquet(path, compression="zstd")


_MORE = ("worst", "best", "least", "top", "seeds", "tuning_seeds", "std")
_TYPES: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("value", "low", "high", "worst", "best", "least", "top", "std"), pl.Float64),
    **dict.fromkeys(("n", "unscored", "seeds", "tuning_seeds"), pl.Int64),
}


def terminal(results: Results, model: str, board: Board, *, two_lines: bool) -> Table:
    """The grid for a terminal; ``two_lines`` puts each interval below its value, for narrow ones."""
    header, lines = grid(results, model, board)
    n = max((row["n"] for row in results.of(model, board).values()), default=0)
    table = Table(
        title=Text(f"{model}: {board.heading}\n95 % intervals, n = {n} items a language"),
        caption="bold: the mix holds chats in that language" + ("; *: some unscored" if two_lines else ""),
    )
    for name in header:
        table.add_column(Text(name), no_wrap=True)
    for code, line in itertools.zip_longest(results.languages(model, board), lines):
        held = [mix != "base" and code in results.mixes.get(mix, {}) for mix in header[1:]]
        shown = [_below(cell) if two_lines else cell for cell in line[1:]]
        cells = [Text(cell, style="bold" if mark else "") for cell, mark in zip(shown, held, strict=True)]
        if code is None:
            table.add_section()
        table.add_row(Text(line[0].replace(" of ", "\nof ") if two_lines else line[0]), *cells)
    return table


def _below(cell: str) -> str:
    """The interval below the value, and a star for what is unscored: twelve columns wide."""
    value, _, rest = cell.partition(" ")
    interval, unscored, _ = rest.partition(" (")
    return f"{value}{'*' if unscored else ''}\n{interval}"
