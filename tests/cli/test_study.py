from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from babeltune.errors import EngineError
from babeltune.study import check
from babeltune.study.check import Opened, open_study
from calls import Call
from doubles import study_file

VERBS = ("plan", "mix", "run", "status", "report")
LLAMA = Path(__file__).parents[2] / "studies" / "llama2-7b.yaml"
NO_VLLM = importlib.util.find_spec("vllm") is None
"""That study generates with vLLM: a problem of its own where it is not installed."""

NOTHING_LOADED = """
import sys
from babeltune import cli
good, bad, llama, runs = sys.argv[1:]
heavy = ("torch", "transformers", "peft", "trl", "datasets", "pyarrow", "ray", "matplotlib")
codes = []
def call(verb, study):
    sys.argv = ["babeltune", verb, study, "--runs", runs]
    try:
        cli.main()
    except SystemExit as end:
        codes.append(end.code or 0)
calls = [*((verb, bad) for verb in ("plan", "mix", "run", "status", "report")), ("plan", good), ("status", good)]
for verb, study in calls:
    call(verb, study)
print("loaded for what is here", [name for name in (*heavy, "huggingface_hub") if name in sys.modules])
for verb in ("plan", "status", "mix", "run"):
    call(verb, llama)
print("codes", codes)
print("loaded for the hub", [name for name in heavy if name in sys.modules])
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return bare_model(tmp_path / "model")


def bare_model(folder: Path) -> Path:
    """Enough of a model for all that comes before loading it."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def bad_study(folder: Path) -> Path:
    path = folder / "bad.yaml"
    path.write_text(
        "study: bad\nmodels: [./no-such-folder]\nchats: pocket\nmixes:\n  mono: {en: 9999}\n  multi-2: {xq: 4}\n"
        "tasks: {dialogue: {languages: [en]}}\nrecipe: {rank: -4}\nsampler: {}\n"
    )
    return path


def finish(opened: Opened, *kinds: str) -> None:
    """Publish the steps of these kinds, empty."""
    for step in opened.plan.steps:
        if step.kind in kinds:
            opened.store.begin(step)
            opened.store.record(step, {"counts": {"en": 99, "es": 99}, "dropped": {"not identified: no letters": 1}})
            opened.store.publish(step)


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_without_a_verb_the_verbs_are_explained(babeltune: Call) -> None:
    said = babeltune()
    assert said.code == 2
    assert "babeltune studies pocket > pocket.yaml" in said.words
    for verb in (*VERBS, "lid"):
        assert f"│ {verb} " in said.out + said.err


@pytest.mark.parametrize(
    ("verb", "teaching"),
    [
        ("plan", "every problem is listed at once, with its line"),
        ("mix", "Build the training mixes of a study, prove what they promise, and show what they hold"),
        ("run", "goes on with the same command at the first missing piece"),
        ("status", "how many cells are tuned, generated and scored"),
        ("report", "from its scores, and print the answer"),
    ],
)
def test_the_help_of_a_verb_teaches(babeltune: Call, verb: str, teaching: str) -> None:
    said = babeltune(verb, "--help")
    assert said.code == 0
    assert teaching in said.words
    for part in ("STUDY", "studies/pocket.yaml", "--runs", "--skip-bad-rows", "--download", "Where studies keep"):
        assert part in said.words


@pytest.mark.parametrize("arguments", [("plan",), ("plan", "x.yaml", "--zzz"), ("walk", "x.yaml")])
def test_a_call_that_is_none_is_told_how(babeltune: Call, arguments: tuple[str, ...]) -> None:
    said = babeltune(*arguments)
    assert said.code == 2
    assert "--help" in said.err


def test_five_mistakes_are_printed_with_field_line_and_remedy_before_anything_loads(
    tmp_path: Path, model: Path
) -> None:
    good, bad, runs = study_file(tmp_path, model), bad_study(tmp_path), tmp_path / "runs"
    ended = subprocess.run(
        [sys.executable, "-c", NOTHING_LOADED, good, bad, LLAMA, runs],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "hub")},
    )
    assert "codes [2, 2, 2, 2, 2, 0, 0, 0, 0, 2, 2]" in ended.stdout
    assert "loaded for what is here []" in ended.stdout
    assert "loaded for the hub []" in ended.stdout
    assert not runs.exists()
    assert "Traceback" not in ended.stderr
    lines = ended.stderr.splitlines()
    assert lines[:6] == lines[6:12] == lines[12:18] == lines[18:24] == lines[24:30]
    assert [line for line in lines[30:] if not line.startswith("  - ")] == [
        f"{LLAMA}: 5 problems",
        f"{LLAMA}: {6 + NO_VLLM} problems",
    ]
    assert lines[0] == f"{bad}: 5 problems"
    for line, (start, remedy) in zip(
        lines[1:6],
        [
            ("line 2, models[0]: there is no model", "Give 'smollm2-135m', a folder, or a hub id"),
            ("line 5, mixes.mono.en: 9999 English chats asked", "Ask for at most"),
            ("line 6, mixes.multi-2.xq: unknown language 'xq'", "Known languages: en, de"),
            ("line 8, recipe.rank: -4 is not allowed", "It should be greater than or equal to 1"),
            ("line 9, sampler: unknown field", "Did you mean 'sampling'?"),
        ],
        strict=True,
    ):
        assert line.startswith(f"  - {start}")
        assert remedy in line


@pytest.mark.parametrize("verb", VERBS)
def test_a_study_file_that_is_not_there_is_named(babeltune: Call, tmp_path: Path, verb: str) -> None:
    said = babeltune(verb, tmp_path / "none.yaml")
    assert said.code == 2
    assert f"{tmp_path / 'none.yaml'}: 1 problem" in said.err
    assert said.out == ""


def test_the_plan_is_printed_and_nothing_is_written(babeltune: Call, tmp_path: Path, model: Path) -> None:
    study = study_file(tmp_path, model)
    before = tree(tmp_path)
    said = babeltune("plan", study, "--runs", tmp_path / "runs")
    assert (said.code, said.err) == (0, "")
    # By hand: 1 + 2 + 1 + 2 of data, 2 tunings, (base + 2 mixes) x 3 languages = 9 cells, twice, summary and report: 28.
    assert "28 steps" in said.words
    assert "Not in the local cache" not in said.words
    # 12 chats x 2 epochs in batches of 4: 6 updates.
    assert "model-mono-t0: 6 updates to come" in said.words
    assert tree(tmp_path) == before


def test_the_plan_tells_what_is_done(babeltune: Call, tmp_path: Path, model: Path) -> None:
    study, runs = study_file(tmp_path, model), tmp_path / "runs"
    finish(open_study(study, runs), "label", "mix", "proof", "card", "tune")
    said = babeltune("plan", study, "--runs", runs)
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in said.out.splitlines() if "│" in line]
    assert {row[0]: (row[2], row[3]) for row in rows} == {
        "label": ("1", "0"), "mix": ("2", "0"), "proof": ("1", "0"), "card": ("2", "0"), "tune": ("2", "0"),
        "generate": ("0", "9"), "score": ("0", "9"), "summary": ("0", "1"), "report": ("0", "1"),
    }  # fmt: skip
    assert "model-mono-t0: done" in said.words


def test_the_status_of_an_unfinished_study_shows_the_grid(babeltune: Call, tmp_path: Path, model: Path) -> None:
    study, runs = study_file(tmp_path, model), tmp_path / "runs"
    opened = open_study(study, runs)
    finish(opened, "label", "mix", "proof", "card", "tune")
    for step in opened.plan.of("generate")[:4]:  # the three base cells and the first of mono
        opened.store.begin(step)
        opened.store.record(step, {})
        opened.store.publish(step)
    said = babeltune("status", study, "--runs", runs)
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in said.out.splitlines() if "│" in line]
    assert rows == [
        ["model", "base", "-", "3/3", "0/3"],
        ["model", "mono", "1/1", "1/3", "0/3"],
        ["model", "multi-2", "1/1", "0/3", "0/3"],
    ]
    # 28 steps, of which 8 and 4 are done.
    assert f"16 steps to come: babeltune run {study}" in said.out
    assert said.code == 0


def test_the_status_of_a_finished_study_says_so(babeltune: Call, tmp_path: Path, model: Path) -> None:
    study, runs = study_file(tmp_path, model), tmp_path / "runs"
    finish(open_study(study, runs), "label", "mix", "proof", "card", "tune", "generate", "score", "summary", "report")
    said = babeltune("status", study, "--runs", runs)
    assert said.code == 0
    assert "All done." in said.out


def test_names_in_brackets_are_printed_as_they_are(babeltune: Call, tmp_path: Path) -> None:
    folder = tmp_path / "[red]"
    folder.mkdir()
    study = study_file(folder, bare_model(folder / "my[bold]model"))
    said = babeltune("status", study, "--runs", tmp_path / "runs")
    assert "my[bold]model" in said.out
    assert f"babeltune run {study}" in said.out
    assert "my[bold]model-mono-t0" in babeltune("plan", study, "--runs", tmp_path / "runs").out


def test_an_unfinished_study_has_no_report_yet(babeltune: Call, tmp_path: Path, model: Path) -> None:
    study, runs = study_file(tmp_path, model), tmp_path / "runs"
    before = tree(tmp_path)
    said = babeltune("report", study, "--runs", runs)
    assert said.code == 1
    assert (
        said.err == f"{study}: 26 steps are to come first. Run: babeltune run {study}\n"
    )  # all but summary and report
    assert tree(tmp_path) == before


def test_a_study_that_another_run_holds_is_left_alone(babeltune: Call, tmp_path: Path, model: Path) -> None:
    study, runs = study_file(tmp_path, model), tmp_path / "runs"
    with open_study(study, runs).store.locked():
        said = babeltune("run", study, "--runs", runs)
    assert said.code == 3
    assert f"{runs / 'tiny'}: held by process " in said.err
    assert tree(runs) == ["tiny", "tiny/lock"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_runs_folder_that_is_a_file_is_named(babeltune: Call, tmp_path: Path, model: Path, verb: str) -> None:
    study, runs = study_file(tmp_path, model), tmp_path / "runs"
    runs.write_text("")
    said = babeltune(verb, study, "--runs", runs)
    assert said.code == 1
    assert "Check --runs." in said.err


@pytest.mark.parametrize(
    ("raised", "code", "text"),
    [
        (EngineError("the engine fell over"), 1, "the engine fell over\n"),
        (KeyboardInterrupt(), 130, "Stopped. Nothing finished is lost: the same command goes on.\n"),
    ],
    ids=["error", "Ctrl-C"],
)
def test_what_ends_a_run_decides_the_exit_code(
    babeltune: Call, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, text: str
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise raised

    monkeypatch.setattr(check, "open_study", fail)
    said = babeltune("run", "any.yaml")
    assert said.code == code
    assert said.err.endswith(text)


def test_nothing_is_fetched_unless_asked_for(babeltune: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[object, str | None]] = []

    def note(*args: Any, **kwargs: Any) -> None:
        seen.append((kwargs["download"], os.environ.get("HF_HUB_OFFLINE")))
        raise EngineError("enough")

    monkeypatch.setattr(check, "open_study", note)
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("babeltune.cli.loading._unreached", lambda: None)
    babeltune("run", "any.yaml", "--download")
    babeltune("run", "any.yaml")
    assert seen == [(True, None), (False, "1")]


def test_bad_rows_are_skipped_where_asked_for(babeltune: Call, tmp_path: Path, model: Path) -> None:
    chats = tmp_path / "mine.jsonl"
    chats.write_text("{broken\n")
    study = study_file(tmp_path, model, chats=str(chats))
    refused = babeltune("plan", study, "--runs", tmp_path / "runs")
    assert refused.code == 2
    assert "mine.jsonl:1: broken JSON" in refused.err
    skipped = babeltune("plan", study, "--runs", tmp_path / "runs", "--skip-bad-rows")
    assert skipped.code == 2
    assert "broken JSON" not in skipped.err
    assert "12 English chats asked, 0 usable" in skipped.err


NEEDS = (
    "model meta-llama/Llama-2-7b-hf at 01c7f73d771d",
    "identifier laurievb/OpenLID/model.bin at c863ba498d48 (1.2 GB)",
    "chats timdettmers/openassistant-guanaco at 831dabac2283, train only",
    "items google/xquad at 51adfef1c128",
    "items INK-USC/xcsr at its newest revision (pin one with `revision:`)",
    "items facebook/xnli at b8dd5d7af511",
)


@pytest.fixture
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub; the tests are offline as it is."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_the_plan_of_the_papers_study_lists_what_it_would_fetch(babeltune: Call, tmp_path: Path, no_hub: Path) -> None:
    said = babeltune("plan", LLAMA, "--runs", tmp_path / "runs")
    assert (said.code, said.err) == (0, "")
    _, _, listed = said.out.partition("Not in the local cache; a run with --download fetches:\n")
    assert listed.splitlines() == [
        *(f"  {need}" for need in NEEDS),
        "Whether the chats suffice for the mixes is checked as soon as they are here.",
    ]
    # By hand: dialogue 19, XQuAD 2 x 7 - 1, X-CSQA 8 languages, each with 3 seeds, and XNLI 9: 129 cells a model and mix.
    # 1 + 7 + 1 + 7 of data, 7 tunings, 8 x 129 = 1,032 cells, twice, summary and report: 2,089.
    assert "2,089 steps" in said.words
    # Paper, section 3.3: 2,000 updates of every model.
    for mix in ("mono", *(f"multi-{n}" for n in range(2, 7)), "guanaco"):
        assert f"  Llama-2-7b-hf-{mix}-t0: 2,000 updates to come\n" in said.out
    assert not (tmp_path / "runs").exists()
    assert not no_hub.exists()


def test_the_status_of_the_papers_study_shows_its_grid(babeltune: Call, tmp_path: Path, no_hub: Path) -> None:
    said = babeltune("status", LLAMA, "--runs", tmp_path / "runs")
    assert (said.code, said.err) == (0, "")
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in said.out.splitlines() if "│" in line]
    assert rows == [
        ["Llama-2-7b-hf", "base", "-", "0/129", "0/129"],
        *(
            ["Llama-2-7b-hf", mix, "0/1", "0/129", "0/129"]
            for mix in ("mono", "multi-2", "multi-3", "multi-4", "multi-5", "multi-6", "guanaco")
        ),
    ]
    assert f"2,089 steps to come: babeltune run {LLAMA}" in said.out


@pytest.mark.parametrize(("verb", "needed"), [("mix", NEEDS[1:]), ("run", NEEDS)])
def test_what_cannot_do_without_the_hub_names_each_thing_and_the_remedy(
    babeltune: Call, tmp_path: Path, no_hub: Path, verb: str, needed: tuple[str, ...]
) -> None:
    said = babeltune(verb, LLAMA, "--runs", tmp_path / "runs")
    assert (said.code, said.out) == (2, "")
    head, *lines = said.err.splitlines()
    lacking = verb == "run" and NO_VLLM
    assert head == f"{LLAMA}: {len(needed) + lacking} problems"
    assert sum("'vllm' needs the package vllm" in line for line in lines) == lacking
    for need in needed:
        (line,) = [line for line in lines if need in line]
        assert line.startswith("  - line ")
        assert line.endswith(f": not in the local cache: {need}. Run once with --download.")
    assert not (tmp_path / "runs").exists()


def test_a_census_of_the_pretraining_data_stands_beside_the_results_and_redoes_the_summary_and_the_report(
    babeltune: Call, model_folder: Path, tmp_path: Path
) -> None:
    """Our own model, our own corpus, more Spanish than English: a whole run."""
    census, runs = tmp_path / "census.csv", tmp_path / "runs"

    def table() -> str:
        return (runs / "tiny" / "report" / "exposure.csv").read_text()

    census.write_text("rank,label,code,percent\n1,spa_Latn,es,70\n2,eng_Latn,en,29.95\n3,deu_Latn,de,0.05\n")
    study = study_file(
        tmp_path,
        "",
        models=[{"id": str(model_folder), "pretraining": str(census)}],
        mixes={"mostly-es": {"en": 2, "es": 6}},
        base=False,
        tasks={"dialogue": {"split": "dev", "languages": ["de", "fr", "es"]}},
    )
    assert babeltune("mix", study, "--runs", runs).code == 0
    assert babeltune("run", study, "--runs", runs).code == 0
    name = model_folder.name
    assert table() == (f"model,language,share,tier\n{name},de,0.05,medium\n{name},fr,,low\n{name},es,70.0,high\n")
    census.write_text("code,percent\nes,5\n")
    left = open_study(study, runs)
    assert [step.key for step in left.plan.pending(left.store.done(left.plan.steps))] == [
        "summary:summary",
        "report:report",
    ]
    assert babeltune("report", study, "--runs", runs).code == 0
    assert table() == f"model,language,share,tier\n{name},de,,low\n{name},fr,,low\n{name},es,5.0,high\n"
