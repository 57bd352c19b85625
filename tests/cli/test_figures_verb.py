"""The verb ``figures``: all that the results allow, or what is asked for; wrong numbers, wrong places."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from babeltune.report import stored
from calls import Call
from worlds import study


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished study's folder, as a run leaves it."""
    (tmp_path / "runs" / "small" / "report").mkdir(parents=True)
    stored.write(
        study(["en", "de"], judge=True, models=("m-7b",), name="small"), tmp_path / "runs" / "small" / "report"
    )
    return tmp_path / "runs" / "small"


def test_all_that_the_results_allow_is_drawn_and_the_rest_says_what_it_needs(
    babeltune: Call, folder: Path, tmp_path: Path
) -> None:
    said = babeltune("figures", folder, "--out", tmp_path / "out", "--format", "svg")
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


def test_one_figure_in_one_format(babeltune: Call, folder: Path, tmp_path: Path) -> None:
    said = babeltune("figures", folder / "report", "--figure", "2", "--format", "pdf", "--out", tmp_path / "out")
    assert said.code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["figure-2.pdf"]


def test_one_table(babeltune: Call, folder: Path, tmp_path: Path) -> None:
    assert babeltune("figures", folder, "--table", "3", "--out", tmp_path / "out").code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"table-3.{end}" for end in ("md", "tex", "csv", "parquet")
    }
    assert pl.read_parquet(tmp_path / "out" / "table-3.parquet")["total"].unique().to_list() == [3200]


def test_a_figure_that_cannot_be_drawn_ends_with_1_and_the_others_are_there(
    babeltune: Call, folder: Path, tmp_path: Path
) -> None:
    said = babeltune("figures", folder, "--figure", "1", "--figure", "18", "--format", "svg", "--out", tmp_path / "out")
    assert said.code == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["figure-1.svg"]
    assert "Not drawn: Figure 18a needs mixes" in said.out
    assert "Not drawn: Figure 18b needs mixes" in said.out


def test_wrong_numbers_list_those_that_there_are(babeltune: Call, folder: Path) -> None:
    said = babeltune("figures", folder, "--figure", "9", "--figure", "99", "--table", "4")
    assert said.code == 2
    assert "there is no figure 9, 99. There are: 1 input/output language agreement; 2 " in said.words
    assert "18a more languages within one number of chats" in said.words
    assert "there is no table 4. There are: 1, 2, 3." in said.words


def test_a_wrong_model_lists_those_that_there_are(babeltune: Call, folder: Path) -> None:
    said = babeltune("figures", folder, "--model", "m-70b")
    assert said.code == 2
    assert "m-70b is not in these results. There are: m-7b." in said.words


def test_without_a_study_it_says_what_to_give(babeltune: Call) -> None:
    said = babeltune("figures")
    assert said.code == 2
    assert "Give a study file, or the folder of a report." in said.words


def test_a_folder_without_a_report_says_how_to_make_one(babeltune: Call, tmp_path: Path) -> None:
    said = babeltune("figures", tmp_path)
    assert said.code == 1
    assert "babeltune report" in said.words


def test_a_large_model_of_another_study_stands_over_the_small_one(
    babeltune: Call, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "large"
    other.mkdir()
    stored.write(study(["en", "de"], judge=True, models=("m-70b",), name="large"), other)
    said = babeltune("figures", folder, other, "--figure", "8", "--format", "svg", "--out", tmp_path / "out")
    assert said.code == 0
    assert "Figure 8, m-70b" in said.out
    assert (tmp_path / "out" / "figure-8.svg").exists()


def test_a_folder_is_called_after_the_study_and_is_nowhere_else_whatever_the_study_is_called(
    babeltune: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "here").mkdir()
    stored.write(study(["en"], name="../../out of here"), tmp_path / "given")
    monkeypatch.chdir(tmp_path / "here")
    assert babeltune("figures", tmp_path / "given", "--table", "3").code == 0
    assert [path.name for path in (tmp_path / "here" / "figures").iterdir()] == ["out-of-here"]
    assert {path.name for path in tmp_path.iterdir()} == {"given", "here"}


def test_a_folder_that_cannot_be_made_is_told(babeltune: Call, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = babeltune("figures", folder, "--out", tmp_path / "file" / "out")
    assert said.code == 1
    assert "cannot be made (Not a directory). Check --out." in said.words


def test_the_published_values_are_drawn_without_a_study(babeltune: Call, tmp_path: Path) -> None:
    said = babeltune("figures", "--published", "--figure", "1", "--format", "svg", "--out", str(tmp_path / "f"))
    assert said.code == 0, said.err
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["figure-1.svg"]
    assert "a second language is necessary (+0.46, 95 % +0.41 to +0.50), three are sufficient" in said.words
    assert said.words.count("how far another tuning run would fall is not in the intervals") == 1
    assert "(From published" not in said.words


def test_published_values_and_a_study_are_not_drawn_together(babeltune: Call, tmp_path: Path) -> None:
    said = babeltune("figures", "kew", "--published", "--out", str(tmp_path / "f"))
    assert said.code == 2
    assert "babeltune scorecard STUDY" in said.words
    assert not (tmp_path / "f").exists()
