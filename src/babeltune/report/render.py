"""Rendering: results -> everything in the report folder."""

from __future__ import annotations

from pathlib import Path

from babeltune.report import figures, page, stored, tables
from babeltune.report.results import Results


def render(results: Results, folder: Path) -> None:
    """Write ``results.json`` and ``items.parquet``, ``results.csv``, Figure 1 and Markdown tables of each model, and ``index.html``.

    ``exposure.csv`` is beside them where the study says what its models were pretrained on, and ``losses.svg`` and
    ``.png`` where the losses of its tunings were kept.

    Figure 1 is drawn where language agreement was measured. It is ``figure-1.svg`` and ``.png``; of several models each but the first has its name behind the number.
    """
    stored.write(results, folder)
    results.table().write_csv(folder / "results.csv")
    if results.exposure:
        results.exposures().write_csv(folder / "exposure.csv")
    drawn: dict[str, str] = {}
    texts: list[str] = []
    for at, model in enumerate(results.models()):
        name = "figure-1" if at == 0 else f"figure-1-{model}"
        judged = results.judged(model)
        if judged is not None:
            figures.save(figures.figure_1(results, model, judged), folder, name)
            drawn[model] = (folder / f"{name}.svg").read_text(encoding="utf-8")
        shown = [f"### {board.heading}\n\n{tables.markdown(results, model, board)}" for board in results.boards(model)]
        texts.append("\n".join([f"## {model}\n", *shown]))
    curves = ""
    if results.curves:
        figures.save(figures.losses(results), folder, "losses")
        curves = (folder / "losses.svg").read_text(encoding="utf-8")
    (folder / "tables.md").write_text("\n".join(texts), encoding="utf-8")
    (folder / "index.html").write_text(page.page(results, drawn, curves), encoding="utf-8")
