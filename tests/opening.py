"""Studies as the check opens them, or refuses to, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from babeltune.data.sources import POCKET
from babeltune.errors import Problem, StudyError
from babeltune.study.check import Opened, open_study
from doubles import study_file

ROWS = (POCKET / "chats" / "en.jsonl").read_text(encoding="utf-8").splitlines()


def chats_file(folder: Path, *rows: str, count: int = 5) -> Path:
    """Bundled English chats, then more rows."""
    path = folder / "mine.jsonl"
    path.write_text("\n".join([*ROWS[:count], *rows]) + "\n", encoding="utf-8")
    return path


def few(folder: Path) -> dict[str, Any]:
    """Chats so few that they are labelled at once."""
    return {"chats": str(chats_file(folder)), "mixes": {"mono": {"en": 5}}}


def opened(folder: Path, model: Path | str, **changes: Any) -> Opened:
    return open_study(study_file(folder, model, **changes), folder / "runs")


def prints(opened: Opened) -> dict[str, str]:
    """Key of each step -> fingerprint."""
    return {step.key: step.fingerprint for step in opened.plan.steps}


def moved(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """What of the steps before is to be redone."""
    return {key for key in before if after.get(key, before[key]) != before[key]}


def refused(path: Path, **how: Any) -> list[Problem]:
    """All problems of a study file; ``how``: as of ``open_study``."""
    with pytest.raises(StudyError) as caught:
        open_study(path, path.parent / "runs", **how)
    assert (caught.value.subject, caught.value.exit_code) == (str(path), 2)
    return list(caught.value.problems)


def problems(folder: Path, model: Path | str, *, skip_bad_rows: bool = False, **changes: Any) -> list[Problem]:
    return refused(study_file(folder, model, **changes), skip_bad_rows=skip_bad_rows)


def silent(event: object) -> None:
    """Nobody listens to a run."""


def only(found: list[Problem]) -> Problem:
    (problem,) = found
    return problem
