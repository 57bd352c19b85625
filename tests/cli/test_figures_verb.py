"""The verb ``figures``: all that the results allow, or what is asked for; wrong numbers, wrong places."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from babeltune.report import stored
from calls import Call
from worlds import study


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return Call(monkeypatch, capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished study's folder, as a run leaves it."""
    (tmp_path / "runs" / "small" / "report").mkdir(parents=True)
    stored.write(
        study(["en", "de"], judge=True, models=("m-7b",), name="small"), tmp_path / "runs" / "small" / "report"
    )
    return tmp_path / "runs" / "small"


def test_all_that_the_results_allow_is_drawn_and_the_rest_says_what_it_needs(
    call: Call, folder: Path, tmp_path: Path
) -> None:
    said = call("figures", folder, "--out", tmp_path / "out", "--format", "svg")
    assert said.code == 0
    there = {path.name for path in (tmp_path / "out").iterdir()}
    assert {
        "figure-1.svg",
        "figure-2.svg",
        "figure-11.svg",
        "losses.svg",
        "figures.md",
        "table-1.tex",
        "table-3.parquet",
    } <= there
    assert not any(name.endswith((".png", ".pdf")) for name in there)
    assert f"Figure 2, m-7b: {tmp_path / 'out' / 'figure-2.svg'}" in said.out
    assert "Not drawn: Figure 5 needs scores of X-CSQA; m-7b has none." in said.out
    assert "Not drawn: Table 2 needs sentence simplification" in said.out


def test_one_figure_in_one_format(call: Call, folder: Path, tmp_path: Path) -> None:
    said = call("figures", folder / "report", "--figure", "2", "--format", "pdf", "--out", tmp_path / "out")
    assert said.code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["figure-2.pdf"]


def test_one_table(call: Call, folder: Path, tmp_path: Path) -> None:
    assert call("figures", folder, "--table", "3", "--out", tmp_path / "out").code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"table-3.{end}" for end in ("md", "tex", "csv", "parquet")
    }
    assert pl.read_parquet(tmp_path / "out" / "table-3.parquet")["total"].unique().to_list() == [3200]


def test_a_figure_that_cannot_be_drawn_ends_with_1_and_the_others_are_there(
    call: Call, folder: Path, tmp_path: Path
) -> None:
    said = call("figures", folder, "--figure", "1", "--figure", "18", "--format", "svg", "--out", tmp_path / "out")
    assert said.code == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["figure-1.svg"]
    assert "Not drawn: Figure 18a needs mixes" in said.out
    assert "Not drawn: Figure 18b needs mixes" in said.out


def test_wrong_numbers_list_those_that_there_are(call: Call, folder: Path) -> None:
    said = call("figures", folder, "--figure", "9", "--figure", "99", "--table", "4")
    assert said.code == 2
    assert "there is no figure 9, 99. There are: 1 input/output language agreement; 2 " in said.words
    assert "18a more languages within one number of chats" in said.words
    assert "there is no table 4. There are: 1, 2, 3." in said.words


def test_a_wrong_model_lists_those_that_there_are(call: Call, folder: Path) -> None:
    said = call("figures", folder, "--model", "m-70b")
    assert said.code == 2
    assert "m-70b is not in these results. There are: m-7b." in said.words


def test_without_a_study_it_says_what_to_give(call: Call) -> None:
    said = call("figures")
    assert said.code == 2
    assert "Give a study file, or the folder of a report." in said.words


def test_a_folder_without_a_report_says_how_to_make_one(call: Call, tmp_path: Path) -> None:
    said = call("figures", tmp_path)
    assert said.code == 1
    assert "babeltune report" in said.words


def test_a_large_model_of_another_study_stands_over_the_small_one(call: Call, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "large"
    other.mkdir()
    stored.write(study(["en", "de"], judge=True, models=("m-70b",), name="large"), other)
    said = call("figures", folder, other, "--figure", "8", "--format", "svg", "--out", tmp_path / "out")
    assert said.code == 0
    assert "Figure 8, m-70b" in said.out
    assert (tmp_path / "out" / "figure-8.svg").exists()
