"""Tables: numbers with intervals, what is unscored, the average over unseen languages; the paper's three; four formats."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console
from rich.text import Text

from babeltune.errors import NotDrawnError
from babeltune.languages import PAPER_LANGUAGES, exposure, published
from babeltune.report.results import COLUMNS, Board, Results
from babeltune.report.tables import (
    Table,
    grid,
    grids,
    joined,
    latex,
    markdown,
    number,
    parquet,
    table_1,
    table_2,
    table_3,
    terminal,
    write,
)  # fmt: skip
from worlds import MIXES, study

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


HOSTILE = r"\input{/etc/passwd} & 50% $x_1^2$ #{a} ~|<b>[x](http://a.b) `c` *d*" + "\n\\end{tabular}\u202e"
"""What a name must never do."""


def hostile() -> Table:
    return Table(
        "t", HOSTILE, (HOSTILE, "n"), ((HOSTILE, "1"), ("plain", "0.92 [0.79, 1.00]")), pl.DataFrame({"n": [1]})
    )


def test_no_name_is_a_command_of_latex() -> None:
    text = latex(hostile())
    commands = set(re.findall(r"\\[a-zA-Z]+", text))
    assert commands == {
        r"\begin", r"\end", r"\centering", r"\caption", r"\label", r"\toprule", r"\midrule", r"\bottomrule", r"\textbackslash",
        r"\textasciicircum", r"\textasciitilde", r"\textless", r"\textgreater", r"\textbar", r"\textasciigrave", r"\resizebox",
        r"\linewidth",
    }  # fmt: skip
    assert text.count(r"\end{tabular}") == 1
    bare = re.sub(r"\\[a-zA-Z]+|\\[\\{}$&#%_]", "", text)  # commands and escaped letters taken away
    assert not re.search(r"[#$_^~]", bare)
    assert bare.count("%") == text.count(r"\linewidth}{!}{%")
    assert bare.count("{") == bare.count("}")
    rows = text.split(r"\toprule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [1, 0, 1, 1]


def test_no_name_is_markup_of_markdown() -> None:
    text = markdown_of(hostile())
    header, rule, first, second = text.splitlines()
    assert rule == "| --- | ---: |"
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in (header, first, second)] == [3, 3, 3]
    assert not re.search(r"(?<!\\)[<>`*_$~\[]", first)
    assert second.endswith("| 0.92 [0.79, 1.00] |")
    assert "\u202e" not in text


def markdown_of(table: Table) -> str:
    from babeltune.report.tables.table import markdown

    return markdown(table)


def test_table_1_has_the_papers_shares_and_those_of_the_study() -> None:
    results = study(["en", "de", "el"])
    table = table_1(results)
    # Paper, Table 1.
    assert table.lines[:2] == (
        ("English", "en", "89.7", "95.751", "93.69"), ("German", "de", "0.17", "0.009", "1.2"),
    )  # fmt: skip
    assert ("Greek", "el", "n/a", "0.002", "0.017") in table.lines
    assert {table.lines[at][1] for at in table.bold} == {"en", "de", "el"}
    own = dataclasses.replace(results, exposure={"m": exposure({"de": 40.0, "en": 50.0})})
    assert table_1(own).header[-1] == "m (%)"
    assert table_1(own).lines[:2] == (
        ("English", "en", "89.7", "95.751", "93.69", "50"), ("German", "de", "0.17", "0.009", "1.2", "40"),
    )  # fmt: skip
    frame = table.frame.filter(pl.col("language") == "el")
    assert frame["Llama 2"].to_list() == [None]
    assert frame["GPT-3"].to_list() == [published("gpt3")["el"]]


def test_table_2_has_what_is_available_and_what_was_sampled() -> None:
    rows = (
        {"language": "de", "corpus": "B", "available": 1234, "sampled": 5},
        {"language": "en", "corpus": "A", "available": 459, "sampled": 300},
    )
    table = table_2(dataclasses.replace(study(["en"]), corpora=rows))
    assert table.header == ("language", "corpus", "available", "sampled")
    assert table.lines == (("en", "A", "459", "300"), ("de", "B", "1,234", "5"))
    with pytest.raises(NotDrawnError, match="needs sentence simplification"):
        table_2(study(["en"]))


def test_table_3_is_the_papers_for_the_papers_mixes() -> None:
    results = study(["en"], MIXES)
    # Paper, Table 3.
    shares = ["0.00", "6.25", "12.50", "18.75", "25.00", "31.25"]
    assert [line[2] for line in table_3(results).lines] == shares
    assert {line[3] for line in table_3(results).lines} == {"3,200"}
    assert table_3(results).lines[3][1] == "en, es, ru, de"
    twin = dataclasses.replace(results, twins={"multi-2": "mono"})
    assert table_3(twin).lines[1][0] == "multi-2 (translated)"
    assert table_3(results).frame["chats"].sum() == 6 * 3200
    with pytest.raises(NotDrawnError, match="needs mixes"):
        table_3(dataclasses.replace(results, mixes={}))


def test_a_table_is_written_in_four_formats_that_say_the_same(tmp_path: Path) -> None:
    table = table_3(study(["en"], MIXES))
    assert [path.name for path in write(table, tmp_path)] == [
        f"table-3.{end}" for end in ("md", "tex", "csv", "parquet")
    ]
    rows = pl.read_parquet(tmp_path / "table-3.parquet")
    assert rows.equals(table.frame)
    with (tmp_path / "table-3.csv").open() as file:
        assert [row["mix"] for row in csv.DictReader(file)] == rows["mix"].to_list()
    for name in MIXES:
        assert f"| {name} |" in (tmp_path / "table-3.md").read_text()
        assert f"{name} & " in (tmp_path / "table-3.tex").read_text()


def test_every_grid_is_in_one_latex_file() -> None:
    results = study(["en", "de"], tasks=("dialogue", "xquad"))
    found = grids(results)
    assert len(found) == len(results.boards("llama-2-7b"))
    assert len({table.name for table in found}) == len(found)
    assert joined(found).count(r"\begin{table}") == len(found)


def test_parquet_has_the_columns_of_the_csv_and_what_a_figure_needs(results: Results, tmp_path: Path) -> None:
    parquet(results, tmp_path / "a.parquet")  # rows of an older version lack the seeds
    frame = pl.read_parquet(tmp_path / "a.parquet")
    assert tuple(frame.columns[: len(COLUMNS)]) == COLUMNS
    assert frame.columns[len(COLUMNS) :] == ["worst", "best", "least", "top", "seeds", "tuning_seeds", "std"]
    assert frame.select(COLUMNS).equals(results.table().select(COLUMNS))
    whole = study(PAPER_LANGUAGES[:2], seeds=3)
    parquet(whole, tmp_path / "b.parquet")
    assert pl.read_parquet(tmp_path / "b.parquet")["seeds"].unique().to_list() == [3]
