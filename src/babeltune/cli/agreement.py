"""How far raters agree, people or judges: the answers that they rated, and the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from babeltune.languages import LANGUAGES

if TYPE_CHECKING:
    from babeltune.measure.raters.agreement import Agreement
    from babeltune.measure.statistics.intervals import Interval
    from babeltune.records import Cell
    from babeltune.study.check import Opened

WIDE = 110
"""Columns from which on a value and its interval stand on one line."""


def scored_rows(opened: Opened, language: str) -> Iterator[tuple[Cell, Mapping[str, Any]]]:
    """The scored answers of the dialogue task in one language, with the cells that they are of."""
    from babeltune.study.artefacts import SCORES, read_lines
    from babeltune.study.step import JUDGED_TASK

    for step in opened.plan.of("score"):
        if step.cell is not None and (step.cell.task, step.cell.language) == (JUDGED_TASK, language):
            yield from ((step.cell, row) for row in read_lines(opened.store.open(step) / SCORES))


def table_of(found: Sequence[Agreement], between: str, *, two_lines: bool) -> Table:
    """How two sides agree, a line a language; ``two_lines`` puts each interval below its value, for narrow terminals."""
    notes = ["kappa: quadratic weights; 95 % intervals over prompts"]
    title = Text(f"agreement of {between}")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("language", no_wrap=True)
    for heading in ("n", "exact", "within one", "kappa", "Spearman"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found:
        named = LANGUAGES[row.language].name if row.language in LANGUAGES else row.language
        numbers = [_number(value, two_lines) for value in (row.exact, row.within_one, row.kappa, row.spearman)]
        table.add_row(named, f"{row.n:,}", *numbers)
        for why in dict.fromkeys(row.reasons.values()):
            lacking = ", ".join(name.replace("_", " ") for name, reason in row.reasons.items() if reason == why)
            notes.append(f"{named}: no {lacking}: {why}")
    table.caption = Text("\n".join(notes))
    table.caption_justify = "left"
    return table


def _number(value: Interval | None, two_lines: bool) -> Text:
    between = "\n" if two_lines else " "
    return Text("-" if value is None else f"{value.value:.2f}{between}[{value.low:.2f}, {value.high:.2f}]")
