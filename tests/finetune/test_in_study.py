"""What a study hears of its tuning before the first model is loaded."""

from __future__ import annotations

import pytest

from babeltune.errors import TemplateError
from babeltune.finetune.base import Base
from babeltune.study.check import open_study
from babeltune.study.executors.local import run
from doubles import study_file


def test_what_hardware_cannot_do_is_told_once_for_all_mixes_and_chats_for_each(model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Base, "model", lambda *rest: pytest.fail("a model is loaded"))
    study = study_file(
        tmp_path,
        model_folder,
        recipe={"rank": 4, "batch": 4, "max_tokens": 8, "autocast": "float16"},
        execution={"device": "cpu", "processes": 3},
    )
    with pytest.raises(TemplateError) as told:
        run(open_study(study, tmp_path / "runs"), lambda event: None)
    assert [problem.where for problem in told.value.problems] == [
        "recipe.autocast",
        "execution.processes",
        "mix mono, recipe.max_tokens",
        "mix multi-2, recipe.max_tokens",
    ]
