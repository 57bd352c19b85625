from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import release
from babeltune.report import render as rendering
from babeltune.report import stored
from babeltune.study.importing.folder import Folder
from babeltune.study.importing.run import run
from babeltune.study.importing.survey import survey
from calls import Call


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "render", stored.write)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return release.whole(tmp_path / "kew", codes=("de",), seeds=(0,))


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with one import in it."""
    root = tmp_path_factory.mktemp("imported")
    place = release.whole(root / "kew", codes=("de",), seeds=(0,))
    patch = pytest.MonkeyPatch()
    patch.setattr(rendering, "render", stored.write)
    try:
        run(survey([place]), [place], Folder(root / "runs" / "kew"), identifier="released", protocol="as-paper")
    finally:
        patch.undo()
    return root / "runs"


@pytest.fixture
def runs(imported: Path, tmp_path: Path) -> str:
    return str(shutil.copytree(imported, tmp_path / "runs"))


def test_an_import_says_what_was_found_what_was_left_and_the_answer(
    babeltune: Call, place: Path, tmp_path: Path, no_pictures: None
) -> None:
    (place / "notes.jsonl").write_text("{}\n", encoding="utf-8")
    said = babeltune("import", str(place), "--runs", str(tmp_path / "runs"))
    assert said.code == 0, said.err
    assert "multi-2 dialogue outputs 1 0 1 1: de" in said.words
    assert "mono xnli numbers 2" in said.words
    assert "is not named TESTSET-none-PROMPT" in said.words
    assert "Replay of agreement: 3 of 3 numbers in the files come out the same" in said.words
    assert "a second language is necessary" in said.words
    assert (tmp_path / "runs" / "kew" / "report" / "results.json").exists()
    again = babeltune("import", str(place), "--runs", str(tmp_path / "runs"))
    assert "Nothing to do: all was imported before." in again.words


def test_a_look_imports_nothing(babeltune: Call, place: Path, tmp_path: Path) -> None:
    said = babeltune("import", str(place), "--runs", str(tmp_path / "runs"), "--look")
    assert said.code == 0
    assert "Llama-2-7b-hf" in said.out
    assert not (tmp_path / "runs").exists()


def test_a_number_that_does_not_come_out_is_shown(
    babeltune: Call, place: Path, tmp_path: Path, no_pictures: None
) -> None:
    path = next((place / "data" / "alpaca_eval_outputs").rglob("*ml2*/*.eval"))
    release.agreement(path, 0.123, 0.123, 36)
    said = babeltune("import", str(place), "--runs", str(tmp_path / "runs"))
    assert "Replay of agreement: 2 of 3" in said.words
    assert "agreement 0.123 in its file" in said.words


def test_all_that_is_wrong_with_the_call_is_told_at_once(babeltune: Call, tmp_path: Path) -> None:
    said = babeltune("import", str(tmp_path / "none"), "--name", "../x", "--protocol", "as-is")
    assert said.code == 2
    assert "3 problems" in said.err
    assert not (tmp_path / "x").exists()


def test_steering_characters_in_names_and_reasons_are_shown_not_obeyed(
    babeltune: Call, place: Path, tmp_path: Path, no_pictures: None
) -> None:
    (place / "x\x1b[2J.jsonl").write_text("{}\n", encoding="utf-8")
    said = babeltune("import", str(place), "--runs", str(tmp_path / "runs"), "--look")
    assert "\x1b[2J" not in said.out
    assert "U+001B" in said.out


def test_score_report_and_scorecard_take_an_import(
    babeltune: Call, runs: str, tmp_path: Path, no_pictures: None
) -> None:
    scored = babeltune("score", "kew", "--runs", runs, "--identifier", "lid176")
    assert "15 cells scored by lid176" in scored.words, scored.words
    assert "lid:lid176" in (tmp_path / "runs" / "kew" / "report" / "results.json").read_text(encoding="utf-8")
    told = babeltune("report", str(tmp_path / "runs" / "kew"))
    assert told.code == 0, told.err
    assert "a second language is necessary" in told.words
    out = tmp_path / "card.csv"
    card = babeltune("scorecard", "kew", "--runs", runs, "--out", str(out))
    assert card.code == 0, card.err
    assert "of 461 published cells have a counterpart in kew" in card.words
    assert "lid176 here and by OpenLID there" in card.words
    assert len(out.read_text(encoding="utf-8").splitlines()) == 1 + 3 * 4  # two rules of agreement, two accuracies


@pytest.mark.parametrize("verb", ["plan", "run", "status", "mix"])
def test_what_takes_a_study_file_says_so(babeltune: Call, imported: Path, verb: str) -> None:
    said = babeltune(verb, str(imported / "kew"))
    assert said.code == 2
    assert "is an import, in which there is nothing to plan or run" in said.words


def test_an_import_without_its_manifest_is_one_that_has_not_ended(babeltune: Call, runs: str, tmp_path: Path) -> None:
    (tmp_path / "runs" / "kew" / "imported.json").unlink()
    (tmp_path / "runs" / "kew" / "report" / "results.json").unlink()
    said = babeltune("scorecard", "kew", "--runs", runs)
    assert said.code == 2
    assert "an import that has not ended" in said.words


def test_a_scorecard_ends_in_md_or_csv(babeltune: Call, tmp_path: Path) -> None:
    said = babeltune("scorecard", "kew", "--out", str(tmp_path / "card.txt"))
    assert said.code == 2
    assert "neither .md nor .csv" in said.words


def test_a_manifest_that_is_broken_says_what_to_do(babeltune: Call, runs: str) -> None:
    path = Path(runs) / "kew" / "imported.json"
    path.write_text(json.dumps({"name": "kew"}), encoding="utf-8")
    said = babeltune("report", str(path.parent))
    assert said.code == 1
    assert "Import again" in said.words


def test_an_import_is_drawn_and_hostile_answers_are_text_on_its_page(babeltune: Call, tmp_path: Path) -> None:
    place = tmp_path / "kew"
    for folder in ("llama_2_7b_hf_ml1_merged", "llama_2_7b_hf_ml2_merged"):
        path = release.dialogue(place, folder, "de", 0, release.shares)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows[0]["system"] = "</script><script>alert('Ja')</script>"
    release.lines(path, rows)
    said = babeltune("import", str(place), "--runs", str(tmp_path / "runs"))
    assert said.code == 0, said.err
    report = tmp_path / "runs" / "kew" / "report"
    assert (report / "figure-1.svg").exists()
    page = (report / "index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
