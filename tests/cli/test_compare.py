"""The verb ``compare``: two studies on one page, and what is told where they cannot be."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import worlds
from babeltune.report import stored
from babeltune.report.results import Results
from calls import Call


def kept(results: Results, folder: Path) -> Path:
    folder.mkdir()
    stored.write(results, folder)
    return folder


def study(lift: float = 0.0) -> Results:
    return worlds.study(languages=("en", "es", "hi"), items=1, lift=lift)


def test_two_reports_are_put_on_one_page(babeltune: Call, tmp_path: Path) -> None:
    first, second = kept(study(), tmp_path / "first"), kept(study(lift=0.05), tmp_path / "second")
    said = babeltune("compare", first, second, "--out", tmp_path / "both.html")
    assert said.code == 0, said.err
    assert "what differs most" in said.out
    assert "made-up (2): llama-2-7b answers" in said.out
    assert (tmp_path / "both.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_one_study_is_not_compared(babeltune: Call, tmp_path: Path) -> None:
    said = babeltune("compare", kept(study(), tmp_path / "one"))
    assert said.code == 2
    assert "there is only one, and nothing to compare it with. Give another" in said.words


def test_studies_that_share_no_cell_are_told_apart(babeltune: Call, tmp_path: Path) -> None:
    other = study()
    other = dataclasses.replace(other, rows=tuple({**row, "mix": "own"} for row in other.rows))
    one, two = kept(study(), tmp_path / "one"), kept(other, tmp_path / "two")
    said = babeltune("compare", one, two, "--out", tmp_path / "out.html")
    assert said.code == 2
    assert f"{two}: has no cell in common with {one}." in said.words
    assert "made-up (1) has model llama-2-7b; mix base, mono, multi-2" in said.words
    assert "made-up (2) has model llama-2-7b; mix own;" in said.words
    assert not (tmp_path / "out.html").exists()


def test_a_folder_that_is_no_report_is_told(babeltune: Call, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = babeltune("compare", kept(study(), tmp_path / "one"), tmp_path / "empty")
    assert said.code == 1
    assert "has no results.json" in said.words
