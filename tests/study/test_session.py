from __future__ import annotations

import weakref
from pathlib import Path

import pytest

from babeltune.generate import chats
from babeltune.study.check import open_study
from babeltune.study.session import Session
from doubles import study_file


class Loaded:
    """In place of whatever holds a model."""

    def __init__(self, *of: object) -> None:
        self.of = of


@pytest.mark.parametrize("first", ["tuner", "engine", "judge"])
@pytest.mark.parametrize("second", ["tuner", "engine", "judge"])
def test_one_model_is_in_memory_at_a_time(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    judge = {"model": str(model), "engine": "transformers"}
    opened = open_study(study_file(tmp_path, model, judge=judge), tmp_path / "runs")
    for name in ("_new_tuner", "_new_engine", "_folder"):
        monkeypatch.setattr(Session, name, lambda self, *of: Loaded(*of))
    monkeypatch.setattr(chats, "LocalChats", Loaded)
    opened.store.root.mkdir(parents=True)
    with Session(opened, lambda event: None) as session:
        ask = {
            "tuner": lambda: session.tuner(str(model)),
            "engine": lambda: session.engine(str(model)),
            "judge": lambda: session.asked(session.judge),
        }
        before = weakref.ref(ask[first]())
        assert ask[first]() is before()
        ask[second]()
        assert (before() is None) == (first != second)
