"""Rendering: which files, the same bytes each time, names for several models."""

from __future__ import annotations

import base64
import csv
import dataclasses
from pathlib import Path

from babeltune.languages import exposure, published
from babeltune.report.render import render
from babeltune.report.results import COLUMNS, Curve, Results


def rendered(results: Results, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    render(results, folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_renderings_are_the_same_to_the_byte(results: Results, tmp_path: Path) -> None:
    once, again = rendered(results, tmp_path / "once"), rendered(results, tmp_path / "again")
    assert set(once) == {
        "results.csv", "results.json", "items.parquet", "figure-1.svg", "figure-1.png", "tables.md", "index.html",
    }  # fmt: skip
    assert once == again


def test_the_csv_has_its_columns_in_order_and_a_row_a_cell_and_metric(results: Results, tmp_path: Path) -> None:
    lines = rendered(results, tmp_path / "report")["results.csv"].decode().splitlines()
    assert tuple(lines[0].split(",")) == COLUMNS
    read = list(csv.DictReader(lines))
    assert len(read) == 18
    keys = {tuple(row[name] for name in ("model", "mix", "task", "language", "prompting", "metric")) for row in read}
    assert len(keys) == 18


def test_a_second_model_has_a_figure_and_a_table_of_its_own(results: Results, tmp_path: Path) -> None:
    second = tuple({**row, "model": "other"} for row in results.rows)
    files = rendered(dataclasses.replace(results, rows=results.rows + second), tmp_path / "report")
    assert {"figure-1.svg", "figure-1-other.svg", "figure-1-other.png"} <= set(files)
    assert files["tables.md"].decode().count("| language |") == 4  # two metrics of each
    assert files["index.html"].count(b"data:image/svg+xml;base64,") == 2


def test_a_response_with_half_a_character_does_not_stop_the_report(results: Results, tmp_path: Path) -> None:
    broken = ({**results.items[0], "response": "half \ud83d"}, *results.items[1:])
    files = rendered(dataclasses.replace(results, items=broken), tmp_path / "report")
    assert rb"half \ud83d" in files["index.html"]


def test_what_the_models_saw_is_beside_the_results_where_it_is_known(results: Results, tmp_path: Path) -> None:
    seen = {"tiny": exposure(published("llama2"))}
    files = rendered(dataclasses.replace(results, exposure=seen), tmp_path / "report")
    # Paper, Table 1: 89.70, 0.13 and 0.17 per cent.
    assert files["exposure.csv"].decode() == (
        "model,language,share,tier\ntiny,en,89.7,high\ntiny,de,0.17,high\ntiny,es,0.13,high\n"
    )
    # Nothing else but the stored results knows of it.
    without = rendered(results, tmp_path / "without")
    changed = {name for name, content in files.items() if without.get(name) != content}
    assert changed == {"exposure.csv", "results.json"}


def test_the_losses_are_drawn_where_they_were_kept(results: Results, tmp_path: Path) -> None:
    curves = tuple(Curve("tiny", mix, 0, ((1, 2.5), (2, 1.25)), 12345) for mix in ("mono", "multi-2"))
    kept = dataclasses.replace(results, curves=curves)
    once, again = rendered(kept, tmp_path / "once"), rendered(kept, tmp_path / "again")
    assert once == again
    assert set(once) - set(rendered(results, tmp_path / "without")) == {"losses.svg", "losses.png"}
    html = once["index.html"].decode()
    assert base64.b64encode(once["losses.svg"]).decode() in html
    row = "<td>tiny</td><td>multi-2</td><td>0</td><td>2</td><td>12,345</td><td>2.500</td><td>1.250</td>"
    assert row in html
