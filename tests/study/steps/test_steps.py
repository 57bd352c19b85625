"""The tuning of a study: what is heard before the first model is loaded, and what the report is given of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from babeltune.errors import TemplateError
from babeltune.finetune.base import Base
from babeltune.study.check import open_study
from babeltune.study.executors.local import run
from babeltune.study.steps.reporting import load_results
from doubles import study_file


def test_what_hardware_cannot_do_is_told_once_for_all_mixes_and_chats_for_each(model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Base, "model", lambda *rest: pytest.fail("a model is loaded"))
    recipe = {"rank": 4, "batch": 4, "max_tokens": 8, "autocast": "float16"}
    study = study_file(tmp_path, model_folder, recipe=recipe, execution={"device": "cpu", "processes": 3})
    with pytest.raises(TemplateError) as told:
        run(open_study(study, tmp_path / "runs"), lambda event: None)
    assert [problem.where for problem in told.value.problems] == [
        "recipe.autocast",
        "execution.processes",
        "mix mono, recipe.max_tokens",
        "mix multi-2, recipe.max_tokens",
    ]


def test_the_losses_of_each_adapter_reach_the_report(tmp_path: Path, model_folder: Path) -> None:
    tasks = {"dialogue": {"split": "dev", "languages": ["en"], "sample": 2}}
    mixes = {"mono": {"en": 12}}
    path = study_file(tmp_path, model_folder, tuning_seeds=[0, 3], tasks=tasks, base=False, mixes=mixes)
    opened = open_study(path, tmp_path / "runs")
    run(opened, lambda event: None)
    found = load_results(opened).curves
    assert [(one.model, one.mix, one.tuning_seed) for one in found] == [("tiny", "mono", 0), ("tiny", "mono", 3)]
    for one, step in zip(found, opened.plan.of("tune"), strict=True):
        lines = (opened.store.open(step) / "losses.jsonl").read_text().splitlines()
        assert one.losses == tuple((row["step"], row["loss"]) for row in map(json.loads, lines))
        assert one.updates == step.work == 6  # 12 chats, two epochs, batches of 4
        assert one.tokens == opened.store.facts(step)["tokens"] > 0
    assert (tmp_path / "runs" / "tiny" / "report" / "losses.png").exists()
    first, *_ = opened.plan.of("tune")
    (opened.store.open(first) / "losses.jsonl").unlink()
    assert len(load_results(opened).curves) == 1
