"""What a run leaves, what a change of its study redoes, and that a finished one loads nothing (killed: tests/faults/)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from babeltune.study.check import open_study
from babeltune.study.executors.local import run
from doubles import study_file

KEPT = (
    "outputs.jsonl",
    "scores.jsonl",
    "chats.jsonl",
    "adapter_model.safetensors",
    "rows.jsonl",
    "results.csv",
    "index.html",
)


def made(runs: Path) -> dict[str, bytes]:
    """Everything that a run makes, by its place; records differ in their times only."""
    return {str(path.relative_to(runs)): path.read_bytes() for path in runs.rglob("*") if path.name in KEPT}


@pytest.fixture(scope="module")
def whole(model_folder, tmp_path_factory) -> tuple[Path, Path]:
    """A study and the runs folder of an undisturbed run of it."""
    folder = tmp_path_factory.mktemp("whole")
    study = study_file(folder, model_folder)
    run(open_study(study, folder / "runs"), lambda event: None)
    return study, folder / "runs"


def test_finished_study_has_nothing_to_run_and_loads_no_model(whole):
    study, runs = whole
    code = (
        "import sys; from babeltune.cli import application\n"
        f"try: application()(['run', {str(study)!r}, '--runs', {str(runs)!r}])\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "Nothing to do: all 28 steps are done." in found.stdout


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"execution": {"device": "cpu", "batch_size": 2, "micro_batch": 1}}, set()),
        ({"verdict": {"margin": 0.2}}, {"summary", "report"}),
        ({"sampling": {"max_tokens": 9}}, {"generate", "score", "summary", "report"}),
        (
            {"mixes": {"mono": {"en": 12}, "multi-2": {"en": 7, "es": 5}}},
            {"mix", "proof", "card", "tune", "generate", "score", "summary", "report"},
        ),
    ],
)
def test_a_change_redoes_only_what_depends_on_it(whole, model_folder, tmp_path, change, again):
    _, runs = whole
    opened = open_study(study_file(tmp_path, model_folder, **change), runs)
    pending = opened.plan.pending(opened.store.done(opened.plan.steps))
    assert {step.kind for step in pending} == again
    if "mixes" in change:  # base and mono stay
        assert {step.mix for step in pending if step.kind in ("mix", "tune", "generate", "score")} == {"multi-2"}


def test_records_say_what_was_run(whole):
    _, runs = whole
    (folder,) = (runs / "tiny" / "finetune").glob("tiny-mono-t0-*")
    record = json.loads((folder / "record.json").read_text())
    assert record["fingerprint"].startswith(folder.name.rpartition("-")[2])
    assert record["recipe"]["recipe"]["rank"] == 4
    assert set(record["files"]) == {"adapter_config.json", "adapter_model.safetensors", "losses.jsonl"}


def test_scores_equal_the_identifier_asked_directly(whole):
    """Independent of our path: fastText on the stored prompt and response, by hand."""
    import fasttext

    from babeltune.data.identify import lid176_path

    model = fasttext.load_model(str(lid176_path()))
    _, runs = whole
    rows = [
        json.loads(line) for path in sorted(runs.rglob("scores.jsonl")) for line in path.read_text().split("\n") if line
    ]
    assert len(rows) == 9 * 12
    for row in rows:
        if "agreement" in row["values"]:
            prompt, response = (model.predict(" ".join(row[key].split()))[0][0] for key in ("prompt", "response"))
            assert row["values"]["agreement"] == float(prompt == response)
