"""How far raters agree, as a table: people, judges, or both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from babeltune.cli.terminal import console, visible
from babeltune.languages import LANGUAGES

if TYPE_CHECKING:
    from babeltune.measure.intervals import Interval
    from babeltune.measure.raters import Agreement
    from babeltune.records import Cell
    from babeltune.study.check import Opened

_WIDE = 120
"""Columns from which on a value and its interval stand on one line."""


def scored_rows(opened: Opened, language: str) -> Iterator[tuple[Cell, Mapping[str, Any]]]:
    """Cell and score row of every dialogue answer in a language."""
    from babeltune.study.artefacts import SCORES, read_lines
    from babeltune.study.plan import JUDGED_TASK

    for step in opened.plan.of("score"):
        if step.cell is not None and (step.cell.task, step.cell.language) == (JUDGED_TASK, language):
            yield from ((step.cell, row) for row in read_lines(opened.store.open(step) / SCORES))


def show(compared: Mapping[tuple[str, str], Sequence[Agreement]]) -> None:
    """Print a row a language for each pair of raters, and why a statistic is missing."""
    wide = console.width >= _WIDE
    table = Table(box=box.SIMPLE_HEAD, caption="kappa: quadratic weights. 95 % intervals over prompts.")
    table.add_column("between")
    for heading in ("language", "n", "exact", "within one", "kappa", "Spearman"):
        table.add_column(heading, justify="left" if heading == "language" else "right", no_wrap=True)
    reasons: dict[str, None] = {}
    for (one, two), rows in compared.items():
        between = f"{visible(one)}, {visible(two)}"
        for index, row in enumerate(rows):
            numbers = [_number(value, wide) for value in (row.exact, row.within_one, row.kappa, row.spearman)]
            named = LANGUAGES[row.language].name if row.language in LANGUAGES else row.language
            table.add_row(Text(between if index == 0 else ""), named, f"{row.n:,}", *numbers)
            for why in dict.fromkeys(row.reasons.values()):
                lacking = ", ".join(name.replace("_", " ") for name, reason in row.reasons.items() if reason == why)
                reasons[f"{between}, {named}: no {lacking}: {why}."] = None
        table.add_section()
    console.print(table)
    for line in reasons:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _number(value: Interval | None, wide: bool) -> str:
    if value is None:
        return "-"
    return f"{value.value:.2f}{' ' if wide else chr(10)}\\[{value.low:.2f}, {value.high:.2f}]"
