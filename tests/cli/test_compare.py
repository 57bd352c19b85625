from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from typer.testing import CliRunner

import worlds
from babeltune.cli import application
from babeltune.errors import InputError, StoreError
from babeltune.report import stored
from babeltune.report.results import Results


def kept(results: Results, folder: Path) -> str:
    folder.mkdir()
    stored.write(results, folder)
    return str(folder)


def study(**shape: object) -> Results:
    return worlds.study(languages=("en", "es", "hi"), items=1, **shape)  # type: ignore[arg-type]


def test_two_reports_are_put_on_one_page(tmp_path: Path) -> None:
    first, second = kept(study(), tmp_path / "first"), kept(study(lift=0.05), tmp_path / "second")
    out = tmp_path / "both.html"
    found = CliRunner().invoke(application(), ["compare", first, second, "--out", str(out)])
    assert found.exit_code == 0, found.output
    assert "what differs most" in found.output
    assert "made-up (2): llama-2-7b answers" in found.output
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_one_study_is_not_compared(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is only one, and nothing to compare it with.*Give another"):
        CliRunner().invoke(application(), ["compare", kept(study(), tmp_path / "one")], catch_exceptions=False)


def test_studies_that_share_no_cell_are_told_apart(tmp_path: Path) -> None:
    other = study()
    other = dataclasses.replace(other, rows=tuple({**row, "mix": "own"} for row in other.rows))
    paths = [kept(study(), tmp_path / "one"), kept(other, tmp_path / "two")]
    with pytest.raises(InputError, match=r"has no cell in common with .*one.*mix base, mono.*mix own"):
        CliRunner().invoke(
            application(), ["compare", *paths, "--out", str(tmp_path / "out.html")], catch_exceptions=False
        )
    assert not (tmp_path / "out.html").exists()


def test_a_folder_that_is_no_report_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match=r"has no results.json"):
        CliRunner().invoke(
            application(), ["compare", kept(study(), tmp_path / "one"), str(tmp_path / "empty")], catch_exceptions=False
        )
