"""Rendering: results -> everything in the report folder."""

from __future__ import annotations

from pathlib import Path

from babeltune.report import figures, page, tables
from babeltune.report.results import Results

METRIC = "agreement"


def render(results: Results, folder: Path) -> None:
    """Write ``results.csv``, Figure 1 and a Markdown table of each model, and ``index.html``.

    ``exposure.csv`` is beside them where the study says what its models were pretrained on.

    The figure is ``figure-1.svg`` and ``.png``; of several models each but the first has its name behind the number.
    """
    results.table().write_csv(folder / "results.csv")
    if results.exposure:
        results.exposures().write_csv(folder / "exposure.csv")
    drawn: dict[str, str] = {}
    texts: list[str] = []
    for at, model in enumerate(results.models()):
        name = "figure-1" if at == 0 else f"figure-1-{model}"
        figures.save(figures.figure_1(results, model, METRIC), folder, name)
        drawn[model] = (folder / f"{name}.svg").read_text(encoding="utf-8")
        texts.append(f"## {model}\n\n{tables.markdown(results, model, METRIC)}")
    (folder / "tables.md").write_text("\n".join(texts), encoding="utf-8")
    (folder / "index.html").write_text(page.page(results, drawn, METRIC), encoding="utf-8")
