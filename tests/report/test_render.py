"""Rendering: which files, the same bytes each time, names for several models."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from babeltune.languages import exposure, published
from babeltune.report.figures import FORMATS, Format
from babeltune.report.render import render
from babeltune.report.results import Curve, Results
from worlds import study


def rendered(results: Results, folder: Path, *formats: Format) -> dict[str, bytes]:
    folder.mkdir()
    render(results, folder, formats or FORMATS)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


TABLES = {f"tables/table-{number}.{end}" for number in (1, 3) for end in ("md", "tex", "csv", "parquet")}


def test_two_renderings_are_the_same_to_the_byte(results: Results, tmp_path: Path) -> None:
    once, again = rendered(results, tmp_path / "once"), rendered(results, tmp_path / "again")
    assert set(once) == {
        "results.csv", "results.parquet", "results.json", "items.parquet", "figure-1.svg", "figure-1.png", "figure-1.pdf",
        "figures.md", "tables.md", "tables.tex", "index.html", *TABLES,
    }  # fmt: skip
    assert once == again


def test_a_second_model_has_a_figure_and_a_table_of_its_own(results: Results, tmp_path: Path) -> None:
    second = tuple({**row, "model": "other"} for row in results.rows)
    files = rendered(dataclasses.replace(results, rows=results.rows + second), tmp_path / "report", "svg")
    assert {"figure-1.svg", "figure-1-other.svg"} <= set(files)
    assert files["tables.md"].decode().count("| language |") == 4  # two metrics of each
    assert files["figures.md"].decode().count("![Figure 1](figure-1") == 2


def test_a_response_with_half_a_character_does_not_stop_the_report(results: Results, tmp_path: Path) -> None:
    broken = ({**results.items[0], "response": "half \ud83d"}, *results.items[1:])
    files = rendered(dataclasses.replace(results, items=broken), tmp_path / "report", "svg")
    assert files["index.html"]


def test_what_the_models_saw_is_beside_the_results_where_it_is_known(results: Results, tmp_path: Path) -> None:
    seen = {"tiny": exposure(published("llama2"))}
    files = rendered(dataclasses.replace(results, exposure=seen), tmp_path / "report", "svg")
    # Paper, Table 1: 89.70, 0.13 and 0.17 per cent.
    assert files["exposure.csv"].decode() == (
        "model,language,share,tier\ntiny,en,89.7,high\ntiny,de,0.17,high\ntiny,es,0.13,high\n"
    )
    # No number hangs on it.
    without = rendered(results, tmp_path / "without", "svg")
    changed = {name for name, content in files.items() if without.get(name) != content}
    assert changed <= {"exposure.csv", "results.json", "index.html"}


def test_the_losses_are_drawn_where_they_were_kept(results: Results, tmp_path: Path) -> None:
    curves = tuple(Curve("tiny", mix, 0, ((1, 2.5), (2, 1.25)), 12345) for mix in ("mono", "multi-2"))
    kept = dataclasses.replace(results, curves=curves)
    once, again = rendered(kept, tmp_path / "once", "svg"), rendered(kept, tmp_path / "again", "svg")
    assert once == again
    assert set(once) - set(rendered(results, tmp_path / "without", "svg")) == {"losses.svg"}


def test_captions_stand_below_their_pictures_and_what_is_missing_at_the_end(tmp_path: Path) -> None:
    results = study(["en", "de"], tasks=("dialogue", "xnli"), judge=True)
    files = rendered(results, tmp_path / "report", "svg")
    text = files["figures.md"].decode()
    for number in ("1", "2", "6", "11"):
        assert f"![Figure {number}](figure-{number}.png)\n\n**Figure {number}.** " in text
        assert f"figure-{number}.svg" in files
    missing = text.split("## Not drawn")[1]
    assert "- Figure 3 needs scores of sentence simplification" in missing
    assert "- Figure 7 needs mixes and their translated twins" in missing
    assert "Figure 1 " not in missing


def test_a_study_of_which_nothing_was_scored_has_a_report(tmp_path: Path) -> None:
    files = rendered(study(["en", "de"], judge=True, unscored=True), tmp_path / "report", "svg")
    assert {"figure-1.svg", "figure-2.svg", "index.html"} <= set(files)
