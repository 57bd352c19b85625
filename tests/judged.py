"""A study of which the answers are there and a judge is to be asked; each test works on a copy of its folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from babeltune.generate.ledger import Ledger
from babeltune.study.check import Opened, open_study
from babeltune.study.executors.local import run
from doubles import study_file

PRICE = {"judge-1": {"input": 1.0, "output": 2.0}}
TASKS = {"dialogue": {"split": "dev", "languages": ["en", "de"]}}
KINDS = ("label", "mix", "proof", "card", "tune", "generate")


def answered(folder: Path, model: Path) -> Path:
    """The runs folder of a study of two cells in two languages, up to its answers."""
    opened = open_study(study_file(folder, model, tasks=TASKS, mixes={"mono": {"en": 12}}), folder / "runs")
    run(opened, lambda event: None, KINDS)
    return folder / "runs"


class Judged:
    """The study with a judge, over those answers."""

    def __init__(self, folder: Path, model: Path, generated: Path, url: str) -> None:
        self.folder, self.model, self.url = folder, model, url
        self.runs = folder / "runs"
        shutil.copytree(generated, self.runs)

    def file(self, judge: dict[str, Any] | None = None, **changes: Any) -> Path:
        spec = {"model": "judge-1", "base_url": self.url, "off_language": "ask", "sample": 8, **(judge or {})}
        fields = {"tasks": TASKS, "mixes": {"mono": {"en": 12}}, "prices": PRICE, **changes}
        return study_file(self.folder, self.model, judge=spec, **fields)

    def open(self, **judge: Any) -> Opened:
        return open_study(self.file(judge), self.runs)

    def scores(self) -> dict[str, bytes]:
        return {path.parent.name: path.read_bytes() for path in self.runs.rglob("scores.jsonl")}

    def unjudged(self, name: str) -> Judged:
        """The same answers in another place, of which nobody was asked."""
        copy = Judged(self.folder / name, self.model, self.runs, self.url)
        shutil.rmtree(copy.runs / "tiny" / "measure")
        for path in (copy.runs / "tiny").glob("ledger.sqlite*"):
            path.unlink()
        return copy

    def ledger(self) -> Ledger:
        return Ledger(self.runs / "tiny" / "ledger.sqlite")
