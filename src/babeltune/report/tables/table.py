"""A table: cells as text for a reader, and as typed columns for a program; as Markdown, LaTeX, CSV and Parquet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "×": r"$\times$", "…": r"\dots{}",
    "[": "{[}", "]": "{]}",
}  # fmt: skip
"""Character -> what LaTeX prints it from. Brackets are wrapped: one at the start of a line is an option of the rule."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~$])")
_PAGE = 80
"""Letters of a line that fit a page; a wider table is shrunk to it."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
"""What would end a line, turn the text around, or has no UTF-8."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table."""

    name: str
    """Of its files: ``table-1``."""
    caption: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    """Cells as they are read, in the order of the header."""
    frame: pl.DataFrame
    """The same numbers, typed; its columns may be more."""
    bold: frozenset[int] = frozenset()
    """Lines whose first cell stands out."""
    words: int = 1
    """Columns from the left that are words, not numbers."""


def markdown(table: Table) -> str:
    """A Markdown table; names in it are text, whatever they hold."""
    rule = [*("---" for _ in table.header[: table.words]), *("---:" for _ in table.header[table.words :])]
    lines = [
        [f"**{escaped(line[0])}**" if at in table.bold else escaped(line[0]), *map(escaped, line[1:])]
        for at, line in enumerate(table.lines)
    ]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [[*map(escaped, table.header)], rule, *lines]) + "\n"


def latex(table: Table) -> str:
    """A LaTeX table, for the packages booktabs and graphicx. Names in it are text: no command of theirs is obeyed."""
    columns = "l" * table.words + "r" * (len(table.header) - table.words)
    lines = [
        [rf"\textbf{{{tex(line[0])}}}" if at in table.bold else tex(line[0]), *map(tex, line[1:])]
        for at, line in enumerate(table.lines)
    ]
    body = [" & ".join(cells) + r" \\" for cells in lines]
    wide = sum(max(map(len, column)) for column in zip(table.header, *table.lines, strict=True)) > _PAGE
    return "\n".join(
        [
            r"\begin{table}[htbp]", r"\centering", rf"\caption{{{tex(table.caption)}}}", rf"\label{{tab:{table.name}}}",
            *([r"\resizebox{\linewidth}{!}{%"] if wide else []), rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(map(tex, table.header)) + r" \\", r"\midrule",
            *body, r"\bottomrule", r"\end{tabular}" + "}" * wide, r"\end{table}", "",
        ]
    )  # fmt: skip


def escaped(text: str) -> str:
    """Text of a Markdown cell: no markup, no tags, one line. Brackets of intervals stay as they are."""
    plain = _CONTROL.sub(" ", text)
    return plain if _NUMBERS.fullmatch(plain) else _MARKDOWN.sub(r"\\\1", plain)


_NUMBERS = re.compile(r"[-–+]?[0-9][0-9.,]*( \[[-0-9., ]+\])?( \([0-9,]+ unscored\))?")
"""What the cells of a grid look like."""


def tex(text: str) -> str:
    """Text as LaTeX prints it."""
    return "".join(_LATEX.get(letter, letter) for letter in _CONTROL.sub(" ", text))


def write(table: Table, folder: Path) -> list[Path]:
    """Write a table as ``.md``, ``.tex``, ``.csv`` and ``.parquet``; returns the files."""
    paths = [folder / f"{table.name}.{ending}" for ending in ("md", "tex", "csv", "parquet")]
    paths[0].write_text(f"{escaped(table.caption)}\n\n{markdown(table)}", encoding="utf-8")
    paths[1].write_text(latex(table), encoding="utf-8")
    table.frame.write_csv(paths[2])
    table.frame.write_parquet(paths[3], compression="zstd")
    return paths


def joined(tables: Sequence[Table]) -> str:
    """Several tables as one LaTeX file."""
    return "\n".join(["% \\usepackage{booktabs,graphicx}", *(latex(table) for table in tables)])
