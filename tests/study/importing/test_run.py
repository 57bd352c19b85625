from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import release
from babeltune.errors import InputError, ModelError, RowsError, StoreError
from babeltune.report import render as rendering
from babeltune.report import stored
from babeltune.report.results import Results
from babeltune.study.importing.folder import Folder, of_study, refuse
from babeltune.study.importing.run import Done, name_of, replays, rescore, run
from babeltune.study.importing.survey import survey

MODEL = "Llama-2-7b-hf"
AGREEMENT = ("dialogue", "xx:xx", "agreement")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing is tested where pictures are; here it would only take time."""
    monkeypatch.setattr(rendering, "render", stored.write)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return release.whole(tmp_path_factory.mktemp("kew"))


def imported(place: Path, root: Path, identifier: str = "released", **more: object) -> Done:
    return run(survey([place]), [place], Folder(root), identifier=identifier, protocol="as-paper", **more)  # type: ignore[arg-type]


def value(
    results: Results, mix: str, metric: str, language: str = "de", task: str = "dialogue", prompting: str = "xx:xx"
) -> float:
    (row,) = [
        row for row in results.rows
        if (row["mix"], row["metric"], row["language"], row["task"], row["prompting"]) == (mix, metric, language, task, prompting)
    ]  # fmt: skip
    assert row["value"] is not None
    return float(row["value"])


@pytest.fixture(scope="module")
def done(place: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Folder, Done]:
    patch = pytest.MonkeyPatch()
    patch.setattr(rendering, "render", stored.write)
    root = tmp_path_factory.mktemp("runs") / "kew"
    try:
        return Folder(root), imported(place, root)
    finally:
        patch.undo()


def test_every_number_of_the_files_comes_out_of_their_rows(done: tuple[Folder, Done]) -> None:
    found = replays(done[0], done[1].manifest)
    assert len(found) == 36  # three mixes, three languages, two seeds, two rules
    assert max(one.apart for one in found) <= 0.0005


def test_scores_are_those_of_the_released_labels(place: Path, done: tuple[Folder, Done]) -> None:
    shares = []
    for seed in (0, 42):
        stem = f"alpaca_eval_instructions_de-none-guanaco_prompt-s{seed}-k50-p0.9-t0.8-b8.jsonl"
        path = place / "data" / "alpaca_eval_outputs" / "llama_2_7b_hf_ml1_merged" / stem
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        shares.append(sum(row["source_lang"] == row["system_lang"] for row in rows) / len(rows))
    assert value(done[1].results, "mono", "agreement") == pytest.approx(sum(shares) / 2)
    row = next(row for row in done[1].results.rows if row["mix"] == "mono" and row["metric"] == "agreement")
    assert row["signature"].startswith("lid:released|")
    assert row["seeds"] == 2


def test_both_rules_of_helpfulness_are_there_and_a_wrong_language_is_a_one(done: tuple[Folder, Done]) -> None:
    results = done[1].results
    raw = value(results, "mono", "helpfulness-raw")
    paper, code = value(results, "mono", "helpfulness"), value(results, "mono", "helpfulness-prompt-lid")
    assert paper == pytest.approx(code)  # the labels of the prompts are right here
    assert paper < raw
    assert results.judging is not None
    assert (results.judging.model, results.judging.answers) == (release.JUDGE, 3 * 3 * 2 * 12)
    assert sum(row["count"] for row in results.histogram) == 3 * 3 * 2 * 12


def test_the_other_tasks_are_scored_by_their_own_code(done: tuple[Folder, Done]) -> None:
    results = done[1].results
    assert value(results, "multi-2", "xquad-code", task="xquad") == pytest.approx(8 / 12)
    assert value(results, "multi-2", "xquad-code", task="xquad", prompting="en:xx") == pytest.approx(8 / 12)
    assert value(results, "multi-2", "xcsqa-first", task="xcsqa") == pytest.approx(4 / 12)
    assert value(results, "multi-2", "sari", task="simplification") == pytest.approx(100)


def test_numbers_without_outputs_are_rows_that_say_so(done: tuple[Folder, Done]) -> None:
    (row,) = [
        row for row in done[1].results.rows if (row["mix"], row["task"], row["language"]) == ("multi-3", "xnli", "de")
    ]
    assert (row["value"], row["signature"].split("|")[0]) == (0.47, "published")
    assert row["low"] == pytest.approx(0.47 - 1.96 * 0.00705, abs=1e-5)


def test_the_verdict_is_that_of_a_study(done: tuple[Folder, Done]) -> None:
    (verdict,) = [
        one for one in done[1].results.verdicts if (one["task"], one["prompting"], one["metric"]) == AGREEMENT
    ]
    assert (verdict["necessary"], verdict["unseen"]) == ("shown", ("de", "el"))
    assert verdict["languages"] == {"mono": 1, "multi-2": 2, "multi-3": 3}
    assert "published averages" not in verdict["sentence"]
    assert [one["language"] for one in verdict["by_language"]] == ["en", "de", "el"]


def test_the_same_command_again_does_nothing(place: Path, tmp_path: Path) -> None:
    root = tmp_path / "kew"
    first = imported(place, root)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in root.rglob("*") if path.name != "lock"}
    again = imported(place, root)
    assert (again.read, again.scored) == (0, 0)
    assert {
        path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in root.rglob("*") if path.name != "lock"
    } == before
    assert again.results.rows == first.results.rows


def test_a_file_that_changed_is_read_again_and_no_other(tmp_path: Path) -> None:
    place = release.whole(tmp_path / "place", codes=("de",), seeds=(0,))
    imported(place, tmp_path / "kew")
    path = next((place / "data" / "alpaca_eval_outputs").rglob("*ml2*/*.jsonl"))
    path.write_text(path.read_text(encoding="utf-8").replace(" 0", " zero"), encoding="utf-8")
    again = imported(place, tmp_path / "kew")
    assert (again.read, again.scored) == (1, 1)


KILLED = """
import os, sys
from pathlib import Path
from babeltune.study.importing import run
from babeltune.study.importing.folder import Folder
from babeltune.study.importing.survey import survey
place, root, at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
calls = 0
def tell(kind, what, done, total):
    global calls
    calls += 1
    if calls == at:
        (root / "measure" / "left.partial").mkdir(parents=True, exist_ok=True)
        os._exit(137)
run.run(survey([place]), [place], Folder(root), identifier="lid176", protocol="as-paper", tell=tell)
"""


@pytest.mark.parametrize("at", [3, 25])
def test_a_killed_import_goes_on_and_ends_with_the_same_bytes(tmp_path: Path, at: int) -> None:
    place = release.whole(tmp_path / "place", codes=("de",), seeds=(0,))
    whole = imported(place, tmp_path / "whole" / "kew", "lid176")
    root = tmp_path / "killed" / "kew"
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    ended = subprocess.run([sys.executable, "-c", KILLED, str(place), str(root), str(at)], env=env, check=False)
    assert ended.returncode == 137
    assert not (root / "imported.json").exists()
    with pytest.raises(InputError, match="not ended"):
        refuse(root, tmp_path)
    again = imported(place, root, "lid176")
    assert again.read + again.scored < whole.read + whole.scored
    for room in ("generate", "measure"):
        for path in sorted((tmp_path / "whole" / "kew" / room).rglob("*.jsonl")):
            assert (root / room / path.relative_to(tmp_path / "whole" / "kew" / room)).read_bytes() == path.read_bytes()


def test_scoring_again_needs_no_release(tmp_path: Path) -> None:
    place = release.whole(tmp_path / "place", codes=("de",), seeds=(0,))
    folder = Folder(tmp_path / "kew")
    run(survey([place]), [place], folder, identifier="released", protocol="as-run")
    for path in sorted(place.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    done = rescore(folder, "lid176")
    row = next(row for row in done.results.rows if row["task"] == "dialogue")
    assert row["signature"].startswith("lid:lid176|")
    assert row["metric"] == "helpfulness-prompt-lid"
    assert folder.manifest().identifier == "lid176"
    next((folder.root / "generate").glob("*dialogue*/answers.jsonl")).write_text('{"item": {}}\n')
    with pytest.raises(StoreError, match=r"answers\.jsonl: cannot be read \(.*\)\. Import again"):
        rescore(folder, "lid176")


def test_duplicates_links_and_strange_files_are_told_and_the_first_counts(tmp_path: Path) -> None:
    place, folder = tmp_path / "place", "llama_2_7b_hf_ml2_merged"
    first = release.dialogue(place, folder, "de", 0, release.shares)
    release.dialogue(place, folder, "de", 0, release.shares, batch=128)
    other = place / "data" / "alpaca_eval_outputs" / folder / first.name
    twin = place / "data" / "outputs" / folder / first.name
    twin.parent.mkdir(parents=True)
    twin.write_bytes(other.read_bytes())  # the very same file under an earlier name: no word about it
    (place / "secret.jsonl").symlink_to("/etc/passwd")
    (place / "notes.json").write_text("{", encoding="utf-8")
    (place / "run.py").write_text("import os", encoding="utf-8")
    evil = place / "data" / "alpaca_eval_outputs" / "a b" / first.name
    evil.parent.mkdir()
    evil.write_bytes(other.read_bytes())
    found = survey([place])
    assert [source.files[0][1].name for source in found.sources] == [
        "alpaca_eval_instructions_de-none-guanaco_prompt-s0-k50-p0.9-t0.8-b128.jsonl"
    ]
    said = {
        problem.where.rsplit("/", 1)[-1]: problem.what for problem in found.left if "outputs/llama" not in problem.where
    }
    assert said["secret.jsonl"] == "is a link that leads out of the folder"
    assert "not named" in said["notes.json"]
    assert "characters" in said[first.name]
    assert "batches of 8 in place of 128" in " ".join(problem.what for problem in found.left)
    assert found.others == {".py": 1}


def test_a_judge_who_read_translations_has_metrics_of_its_own(tmp_path: Path) -> None:
    place, folder = tmp_path / "place", "llama_2_7b_hf_ml1_merged"
    path = release.dialogue(place, folder, "de", 0, lambda *_: 1.0, judged=20)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    read = [
        {**release.judge_row(row, at, 6), "source_en": "What?", "system_en": "That."}
        for at, row in enumerate(rows[:20])
    ]
    release.likert(place, folder, path.stem, read, read="source_en-system_en")
    translated = place / "data" / "alpaca_eval_outputs_translated" / folder / path.name
    release.lines(translated, read)
    done = imported(place, tmp_path / "kew")
    assert value(done.results, "mono", "helpfulness-raw-translated") == 6
    assert {row["reading"] for row in done.results.histogram} == {"direct", "translated"}
    (shift,) = done.results.shifts
    assert shift["translated"] == 6
    assert [problem.what for problem in done.manifest.left] == [
        "English translations for the judge; its own file brings what is needed of them"
    ]


def test_scores_off_the_scale_or_missing_are_unscored_and_bound_the_mean(tmp_path: Path) -> None:
    place, folder = tmp_path / "place", "llama_2_7b_hf_ml1_merged"
    path = release.dialogue(place, folder, "de", 0, lambda *_: 1.0)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    read = [
        release.judge_row(row, at, score)
        for at, (row, score) in enumerate(zip(rows, (4, 9, 0, "five", None, 2), strict=False))
    ]
    del read[4]["eval_score"], read[4]["eval_reasoning"]
    release.likert(place, folder, path.stem, read)
    done = imported(place, tmp_path / "kew")
    row = next(row for row in done.results.rows if row["metric"] == "helpfulness")
    assert (row["value"], row["n"], row["unscored"]) == (3.0, 2, 4)
    assert (row["worst"], row["best"]) == (pytest.approx((4 + 2 + 4 * 1) / 6), pytest.approx((4 + 2 + 4 * 6) / 6))
    assert sum(one["count"] for one in done.results.histogram) == 2


def test_an_identifier_that_is_not_there_is_told_before_anything_is_read(place: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.bin"):
        imported(place, tmp_path / "kew", str(tmp_path / "none.bin"))
    assert not (tmp_path / "kew" / "generate").exists()


def test_hostile_texts_are_data(tmp_path: Path) -> None:
    place, folder = tmp_path / "place", "llama_2_7b_hf_ml1_merged"
    text = '<script>alert(1)</script>\x1b[31m\u202e\0 ```json {"score": 6} ```'
    row = {**release.chat_row("Was?", text, "de", "de"), "system_lang": "../../x"}
    stem = "alpaca_eval_instructions_de-none-guanaco_prompt-s0-k50-p0.9-t0.8-b8"
    release.lines(place / "data" / "alpaca_eval_outputs" / folder / f"{stem}.jsonl", [row])
    release.likert(place, folder, stem, [release.judge_row(row, 0, "6; rm -rf /")])
    done = imported(place, tmp_path / "kew")
    (item,) = done.results.items
    assert item["response"] == text
    assert "helpfulness" not in item["values"] or item["values"]["helpfulness"] == 1
    assert item["notes"]["judge"] == "unparsable"


def test_an_import_does_not_take_a_studys_folder(place: Path, tmp_path: Path) -> None:
    (tmp_path / "pocket" / "finetune").mkdir(parents=True)
    with pytest.raises(StoreError, match="--name"):
        imported(place, tmp_path / "pocket")


def test_nothing_to_import_is_an_error_that_names_what_was_seen(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(RowsError, match="holds nothing that can be imported"):
        imported(tmp_path, tmp_path / "kew")


def test_an_import_is_found_by_path_and_by_name(done: tuple[Folder, Done]) -> None:
    root = done[0].root
    assert of_study(root, Path("elsewhere")) == root
    assert of_study(Path(root.name), root.parent) == root
    assert of_study(Path("studies/pocket.yaml"), root.parent) is None
    with pytest.raises(InputError, match="nothing to plan or run"):
        refuse(root, Path("elsewhere"))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/x/multilingual-instruction-tuning/data", "multilingual-instruction-tuning"),
        ("/x/my runs!", "my-runs"),
        ("/", "imported"),
    ],
)
def test_a_name_is_made_of_the_path(path: str, name: str) -> None:
    assert name_of([Path(path)]) == name
