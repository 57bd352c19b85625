"""Rendering: results -> everything in the report folder."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path

from babeltune.report import figures, stored, tables
from babeltune.report.figures import catalogue
from babeltune.report.page import study
from babeltune.report.results import Results
from babeltune.report.tables.table import escaped


def render(results: Results, folder: Path, formats: Sequence[figures.Format] = figures.FORMATS) -> None:
    """Write ``results.json`` and ``items.parquet``, ``results.csv``, figures, tables and ``index.html``.

    Each figure that the results allow is there in these formats (``figure-2.svg``); of several models each but the
    first that has it has its name behind the number. ``figures.md`` has the captions, and what the other figures need.
    ``tables.md`` and ``tables.tex`` have every result; the paper's tables are in ``tables/``. ``exposure.csv`` is
    beside them where the study says what its models were pretrained on.
    """
    stored.write(results, folder)
    results.table().write_csv(folder / "results.csv")
    tables.parquet(results, folder / "results.parquet")
    if results.exposure:
        results.exposures().write_csv(folder / "exposure.csv")
    drawn, lacking = catalogue.available(results)
    for one in drawn:
        figures.save(one.draw(results), folder, one.file, formats)
    (folder / "figures.md").write_text(captions(drawn, lacking), encoding="utf-8")
    texts: list[str] = []
    for model in results.models():
        shown = [f"### {board.heading}\n\n{tables.markdown(results, model, board)}" for board in results.boards(model)]
        texts.append("\n".join([f"## {escaped(model)}\n", *shown]))
    (folder / "tables.md").write_text("\n".join(texts), encoding="utf-8")
    (folder / "tables.tex").write_text(tables.joined(tables.grids(results)), encoding="utf-8")
    (folder / "tables").mkdir(exist_ok=True)
    for table in tables.TABLES.values():
        with contextlib.suppress(figures.NotDrawnError):
            tables.write(table(results), folder / "tables")
    (folder / "index.html").write_text(study.page(results), encoding="utf-8")


def captions(drawn: Sequence[catalogue.Drawing], lacking: Sequence[catalogue.Lacking]) -> str:
    """Figures with their captions, then what the others need, a line a figure, as Markdown."""
    lines = ["# Figures", ""]
    for one in drawn:
        lines += [f"![{one.title}]({one.file}.png)", "", f"**{one.title}.** {escaped(one.caption)}", ""]
    missing = {one.entry.number: one for one in reversed(lacking)}
    there = {one.entry.number for one in drawn}
    if any(number not in there for number in missing):
        lines += ["## Not drawn", ""]
        lines += [
            f"- {one.title} {_spans(one.why)}." for one in reversed(missing.values()) if one.entry.number not in there
        ]
    return "\n".join(lines) + "\n"


def _spans(text: str) -> str:
    """Text for Markdown in which what stands between backticks stays code, but where a name brings marks of its own."""
    if re.search(r"[<\[\]\\]", text):
        return escaped(text)
    return "`".join(part if at % 2 else escaped(part) for at, part in enumerate(text.split("`")))
