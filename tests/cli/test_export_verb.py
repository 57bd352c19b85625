"""export: what is asked is checked before the work, and what is written is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from babeltune.study.check import open_study
from babeltune.study.executors.local import run
from calls import Call
from doubles import study_file


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A tiny study, tuned on both of its mixes."""
    folder = tmp_path_factory.mktemp("study")
    path = study_file(folder, model_folder)
    run(open_study(path, folder / "runs"), lambda event: None, ("label", "mix", "proof", "card", "tune"))
    return path


def arguments(study: Path, *more: str | Path) -> tuple[str | Path, ...]:
    return ("export", study, *more, "--runs", study.parent / "runs")


def test_an_adapter_is_written_to_a_folder_of_its_name(
    babeltune: Call, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = babeltune(*arguments(study, "multi-2"))
    assert said.code == 0
    folder = tmp_path / "export" / "tiny-multi-2-t0"
    assert "Written: export/tiny-multi-2-t0 (" in said.out
    assert {line.strip() for line in said.out.splitlines()[1:]} == {path.name for path in folder.iterdir()}
    said = babeltune(*arguments(study, "multi-2"))
    assert said.code == 2
    assert "'export/tiny-multi-2-t0' is there already. Add --force" in said.words
    assert babeltune(*arguments(study, "multi-2", "--force")).code == 0
    # Both forms may stand side by side.
    assert babeltune(*arguments(study, "multi-2", "--merged", "--dtype", "float16")).code == 0
    config = json.loads((tmp_path / "export" / "tiny-multi-2-t0-merged" / "config.json").read_text())
    assert config["dtype"] == "float16"


def test_a_mistyped_adapter_is_asked_back(babeltune: Call, study: Path, tmp_path: Path) -> None:
    said = babeltune(*arguments(study, "multy-2", "--out", tmp_path / "out"))
    assert said.code == 2
    assert "there is no adapter 'multy-2'. Did you mean 'multi-2'?" in said.words
    assert not (tmp_path / "out").exists()


def test_an_adapter_that_is_not_tuned_yet_says_how(babeltune: Call, model_folder: Path, tmp_path: Path) -> None:
    path = study_file(tmp_path, model_folder)
    said = babeltune("export", path, "mono", "--runs", tmp_path / "runs", "--out", tmp_path / "out")
    assert said.code == 1
    assert f"tiny-mono-t0: is not tuned yet. Run: babeltune run {path}" in said.words


def test_options_that_do_not_go_together_are_told_all_at_once(babeltune: Call, study: Path) -> None:
    said = babeltune(*arguments(study, "mono", "--dtype", "float16", "--public"))
    assert said.code == 2
    assert "2 problems" in said.words
    assert "Add --merged" in said.words
    assert "Add --push OWNER/NAME" in said.words


def test_a_push_that_cannot_be_is_refused_before_anything_is_written(
    babeltune: Call, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    said = babeltune(*arguments(study, "mono", "--push", "nobody", "--out", out))
    assert (said.code, out.exists()) == (2, False)
    assert "Give it as OWNER/NAME" in said.words
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    said = babeltune(*arguments(study, "mono", "--push", "me/mine", "--out", out))
    assert (said.code, out.exists()) == (1, False)
    assert "Run `hf auth login`" in said.words


def test_a_pushed_folder_is_called_by_its_name_on_the_hub(
    babeltune: Call, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from babeltune.study.exporting import export

    pushed: list[tuple[Path, str, bool]] = []

    def push(folder: Path, repository: str, *, public: bool) -> str:
        pushed.append((folder, repository, public))
        return f"https://hub/{repository}"

    monkeypatch.setattr(export, "check_push", lambda repository: None)
    monkeypatch.setattr(export, "push", push)
    said = babeltune(*arguments(study, "mono", "--push", "me/mine", "--out", tmp_path / "out"))
    assert said.code == 0
    assert "On the hub: https://hub/me/mine" in said.words
    assert pushed == [(tmp_path / "out", "me/mine", False)]
    assert 'here = "me/mine"' in (tmp_path / "out" / "README.md").read_text()


def test_the_help_of_export_teaches(babeltune: Call) -> None:
    words = babeltune("export", "--help").words
    for part in ("--merged", "--push", "private otherwise", "chat template", "model card", "--force"):
        assert part in words
