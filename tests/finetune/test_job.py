from __future__ import annotations

import pytest

from babeltune.finetune.job import Job, read
from babeltune.finetune.recipe import LoraRecipe
from babeltune.records import Chat, Turn


@pytest.mark.parametrize("targets", ["all-linear", ("q_proj", "v_proj")])
def test_a_job_comes_back_as_it_was_written(tmp_path, targets):
    chats = (Chat("c", (Turn("user", "Grüße\n你好"), Turn("assistant", "\ud83d")), "de", 0.9), Chat("d", ()))
    job = Job(chats, LoraRecipe(targets=targets, steps=7), 3, tmp_path / "adapter", 2)
    job.write(tmp_path / "job.json")
    assert read(tmp_path / "job.json") == job
