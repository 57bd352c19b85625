from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from babeltune import cli
from babeltune.errors import EngineError
from babeltune.study import check
from babeltune.study.check import Opened, open_study
from doubles import study_file

VERBS = ("plan", "run", "status", "report")

NOTHING_LOADED = """
import sys
from babeltune import cli
good, bad, runs = sys.argv[1:]
codes = []
for verb, study in [*((verb, bad) for verb in ("plan", "run", "status", "report")), ("plan", good), ("status", good)]:
    sys.argv = ["babeltune", verb, study, "--runs", runs]
    try:
        cli.main()
    except SystemExit as end:
        codes.append(end.code)
print("codes", codes)
print("loaded", [name for name in ("torch", "transformers", "peft", "trl", "datasets") if name in sys.modules])
"""


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """All that was said, without line breaks and frames."""
        return " ".join((self.out + self.err).replace("│", " ").split())


class Call:
    """The command line in this process, as the console script calls it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: str | Path) -> Said:
        self.monkeypatch.setattr(sys, "argv", ["babeltune", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        code = caught.value.code
        assert code is None or isinstance(code, int)
        return Said(code or 0, *self.capsys.readouterr())


@pytest.fixture
def babeltune(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return Call(monkeypatch, capsys)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return model_folder(tmp_path / "model")


def model_folder(folder: Path) -> Path:
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
            opened.store.record(step, {"counts": {"en": 99, "es": 99}})
            opened.store.publish(step)


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_without_a_verb_the_verbs_are_explained(babeltune: Call) -> None:
    said = babeltune()
    assert said.code == 2
    assert "Start with studies/pocket.yaml" in said.words
    for verb in VERBS:
        assert verb in said.out + said.err


@pytest.mark.parametrize(
    ("verb", "teaching"),
    [
        ("plan", "every problem is listed at once, with its line"),
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
        [sys.executable, "-c", NOTHING_LOADED, good, bad, runs], capture_output=True, text=True, check=True
    )
    assert "codes [2, 2, 2, 2, 0, 0]" in ended.stdout
    assert "loaded []" in ended.stdout
    assert not runs.exists()
    assert "Traceback" not in ended.stderr
    lines = ended.stderr.splitlines()
    assert lines[:6] == lines[6:12] == lines[12:18] == lines[18:]
    assert lines[0] == f"{bad}: 5 problems"
    for line, (start, remedy) in zip(
        lines[1:6],
        [
            ("line 2, models[0]: there is no model", "Give 'smollm2-135m', a folder, or a hub id"),
            ("line 5, mixes.mono.en: 9999 chats asked", "Ask for at most"),
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
    # By hand: 1 + 2 + 1 of data, 2 tunings, (base + 2 mixes) x 3 languages = 9 cells, twice, summary and report: 26.
    assert "26 steps" in said.words
    # 12 chats x 2 epochs in batches of 4: 6 updates.
    assert "model-mono-t0: 6 updates to come" in said.words
    assert tree(tmp_path) == before


def test_the_plan_tells_what_is_done(babeltune: Call, tmp_path: Path, model: Path) -> None:
    study, runs = study_file(tmp_path, model), tmp_path / "runs"
    finish(open_study(study, runs), "label", "mix", "proof", "tune")
    said = babeltune("plan", study, "--runs", runs)
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in said.out.splitlines() if "│" in line]
    assert {row[0]: (row[2], row[3]) for row in rows} == {
        "label": ("1", "0"), "mix": ("2", "0"), "proof": ("1", "0"), "tune": ("2", "0"), "generate": ("0", "9"),
        "score": ("0", "9"), "summary": ("0", "1"), "report": ("0", "1"),
    }  # fmt: skip
    assert "model-mono-t0: done" in said.words


def test_the_status_of_an_unfinished_study_shows_the_grid(babeltune: Call, tmp_path: Path, model: Path) -> None:
    study, runs = study_file(tmp_path, model), tmp_path / "runs"
    opened = open_study(study, runs)
    finish(opened, "label", "mix", "proof", "tune")
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
    # 26 steps, of which 6 and 4 are done.
    assert f"16 steps to come: babeltune run {study}" in said.out
    assert said.code == 0


def test_the_status_of_a_finished_study_says_so(babeltune: Call, tmp_path: Path, model: Path) -> None:
    study, runs = study_file(tmp_path, model), tmp_path / "runs"
    finish(open_study(study, runs), "label", "mix", "proof", "tune", "generate", "score", "summary", "report")
    said = babeltune("status", study, "--runs", runs)
    assert said.code == 0
    assert "All done." in said.out


def test_names_in_brackets_are_printed_as_they_are(babeltune: Call, tmp_path: Path) -> None:
    folder = tmp_path / "[red]"
    folder.mkdir()
    study = study_file(folder, model_folder(folder / "my[bold]model"))
    said = babeltune("status", study, "--runs", tmp_path / "runs")
    assert "my[bold]model" in said.out
    assert f"babeltune run {study}" in said.out
    assert "my[bold]model-mono-t0" in babeltune("plan", study, "--runs", tmp_path / "runs").out


def test_an_unfinished_study_has_no_report_yet(babeltune: Call, tmp_path: Path, model: Path) -> None:
    study, runs = study_file(tmp_path, model), tmp_path / "runs"
    before = tree(tmp_path)
    said = babeltune("report", study, "--runs", runs)
    assert said.code == 1
    assert said.err == f"25 steps are to come first. Run: babeltune run {study}\n"  # all but the report itself
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
    import os

    def note(*args: Any, **kwargs: Any) -> None:
        seen.append((kwargs["download"], os.environ.get("HF_HUB_OFFLINE")))
        raise EngineError("enough")

    monkeypatch.setattr(check, "open_study", note)
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    monkeypatch.delenv("HF_HUB_OFFLINE")
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
    assert "12 chats asked, 0 usable" in skipped.err
