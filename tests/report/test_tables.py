"""Tables: numbers with intervals, what is unscored, and the average over unseen languages."""

from __future__ import annotations

import dataclasses
import io

from rich.console import Console
from rich.text import Text

from babeltune.report.results import Board, Results
from babeltune.report.tables import grid, markdown, number, terminal

AGREEMENT = Board("dialogue", "xx:xx", "agreement")
NOMINAL = Board("dialogue", "xx:xx", "agreement-nominal")


def printed(results: Results, *, two_lines: bool, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(terminal(results, "tiny", AGREEMENT, two_lines=two_lines))
    return console.export_text()


def test_a_number_says_its_interval_and_what_is_unscored() -> None:
    row = {"value": 0.916, "low": 0.79, "high": 1.0, "unscored": 0}
    assert number(row) == "0.92 [0.79, 1.00]"
    assert number({**row, "unscored": 3}) == "0.92 [0.79, 1.00] (3 unscored)"
    assert number({"value": None, "unscored": 4}) == "unscored (4)"
    assert number(None) == "-"


def test_the_grid_has_a_line_a_language_and_the_average_of_the_unseen(results: Results) -> None:
    header, lines = grid(results, "tiny", AGREEMENT)
    assert header == ["language", "base", "mono", "multi-2"]
    assert lines == [
        ["English (en)", "0.50 [0.25, 0.75]", "1.00 [0.51, 1.00]", "1.00 [0.51, 1.00]"],
        ["Spanish (es)", "0.25 [0.00, 0.50]", "0.00 [0.00, 0.49]", "0.75 [0.25, 1.00]"],
        ["German (de)", "unscored (4)", "0.25 [0.00, 0.75] (1 unscored)", "0.50 [0.25, 1.00]"],
        ["average of 1 unseen", "-", "0.25 [0.25, 1.00]", "0.50 [0.25, 1.00]"],
    ]


def test_the_average_belongs_to_the_metric_of_the_verdict(results: Results) -> None:
    assert len(grid(results, "tiny", NOMINAL)[1]) == 3
    assert len(grid(dataclasses.replace(results, verdicts=()), "tiny", AGREEMENT)[1]) == 3


def test_markdown_is_a_table_of_the_same_cells(results: Results) -> None:
    first, rule, *lines = markdown(results, "tiny", AGREEMENT).splitlines()
    header, cells = grid(results, "tiny", AGREEMENT)
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in (first, *lines)] == [header, *cells]
    assert rule == "| --- | ---: | ---: | ---: |"


def test_the_terminal_shows_every_number_with_its_brackets(results: Results) -> None:
    text = printed(results, two_lines=False)
    for line in grid(results, "tiny", AGREEMENT)[1]:
        assert any(all(cell in row for cell in line) for row in text.splitlines())
    assert "n = 4 items a language" in text


def test_a_narrow_terminal_loses_no_number(results: Results) -> None:
    text = printed(results, two_lines=True, width=80)
    for line in grid(results, "tiny", AGREEMENT)[1]:
        for cell in line[1:]:
            value, _, rest = cell.partition(" ")
            # The number of the unscored gives way to a star; the page and the CSV have it.
            assert value + ("*" if "unscored" in rest else "") in text
            assert rest.split(" (")[0] in text
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_bold_marks_exactly_the_languages_that_a_mix_holds(results: Results) -> None:
    table = terminal(results, "tiny", AGREEMENT, two_lines=False)
    bold = [[isinstance(cell, Text) and cell.style == "bold" for cell in column.cells] for column in table.columns[1:]]
    assert bold == [
        [False, False, False, False],  # base
        [True, False, False, False],  # mono: English
        [True, True, False, False],  # multi-2: English and Spanish
    ]
