"""A study with a judge, what an undisturbed run makes of it, and its runs folder as it is before each kind of step."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from processes import Started, Starts, until

from babeltune.study.step import Kind
from doubles import study_file
from faultserver import Server

STAGES: tuple[Kind, ...] = ("label", "mix", "tune", "generate", "judge", "score", "report")
"""Kinds of step that the issue of reliability names, in the order in which they are run."""
_ORDER: tuple[Kind, ...] = get_args(Kind)
CONCURRENCY = 4
"""Requests in flight."""
LATENCY = 0.02
"""Seconds of the judge, so that judging takes a while."""


def judge_server() -> Server:
    return Server(schemas="json", latency=LATENCY)


def study_of(folder: Path, model: Path, url: str, **changes: Any) -> Path:
    """Two mixes, two languages, a judge; every kind of step that is not about translation."""
    judge = {"model": "judge-1", "base_url": url, "off_language": "ask", "sample": 6, "concurrency": CONCURRENCY}
    fields = {
        "tasks": {"dialogue": {"split": "dev", "languages": ["en", "de"]}},
        "judge": {**judge, "timeout": 30},
        "prices": {"judge-1": {"input": 1.0, "output": 2.0}},
        "execution": {"device": "cpu", "batch_size": 5, "checkpoint_every": 2, "threads": 1},
        **changes,
    }
    return study_file(folder, model, **fields)


@dataclass(frozen=True)
class Whole:
    """A study and the runs folder of an undisturbed run."""

    study: Path
    runs: Path
    content: Mapping[str, object]
    seconds: Mapping[str, float]
    """Kind -> how long its steps took, loading included."""
    asked: Mapping[str, int]
    """How often the judge was asked what."""

    @property
    def judgements(self) -> set[str]:
        return {prompt for prompt in self.asked if "[BEGIN DATA]" in prompt}

    def before(self, kind: Kind, runs: Path) -> Path:
        """A runs folder in which all is done that comes before a kind of step, and nothing else."""
        shutil.rmtree(runs, ignore_errors=True)
        for folder in published(self.runs):
            if _ORDER.index(kind_of(folder)) < _ORDER.index(kind):
                shutil.copytree(folder, runs / folder.relative_to(self.runs))
        if _ORDER.index(kind) > _ORDER.index("judge"):
            for file in (self.runs / "tiny").glob("ledger.sqlite*"):
                shutil.copy(file, runs / "tiny" / file.name)
        return runs


def undisturbed(study: Path, runs: Path, start: Starts, server: Server) -> Whole:
    """Run it whole, and take the time of each kind."""
    run = start("run", study, "--runs", runs)
    until(run, lambda: holds(run, runs))
    last = time.time()
    assert run.code() == 0, run.said
    ends: dict[str, float] = {}
    for folder in published(runs):
        kind = kind_of(folder)
        ends[kind] = max(ends.get(kind, 0), (folder / "record.json").stat().st_mtime)
    seconds = {}
    for kind in _ORDER:
        if kind in ends:
            seconds[kind], last = max(0.01, ends[kind] - last), ends[kind]
    return Whole(study, runs, content(runs), seconds, dict(server.counts))


def holds(run: Started, runs: Path) -> bool:
    """Whether a process holds the study, and so is at its steps."""
    try:
        return f"process {run.pid} " in (runs / "tiny" / "lock").read_text()
    except OSError:
        return False


def published(runs: Path) -> Iterator[Path]:
    """The folders of steps that count."""
    for record in sorted(runs.glob("tiny/*/record.json")) + sorted(runs.glob("tiny/*/*/record.json")):
        folder = record.parent
        if not folder.name.endswith((".partial", ".old")):
            yield folder


def kind_of(folder: Path) -> Kind:
    kind: Kind = json.loads((folder / "record.json").read_text())["kind"]
    return kind


def content(runs: Path) -> dict[str, object]:
    """Every byte of every published folder; records without their times."""
    found: dict[str, object] = {}
    for folder in published(runs):
        for path in folder.rglob("*"):
            if path.is_file():
                found[str(path.relative_to(runs))] = (
                    _timeless(path) if path.name == "record.json" else path.read_bytes()
                )
    return found


def _timeless(path: Path) -> object:
    record = json.loads(path.read_text())
    record["facts"].pop("seconds", None)
    return {name: value for name, value in record.items() if name not in ("finished", "seal")}


def of_kind(found: Mapping[str, object], kind: Kind, runs: Path) -> set[str]:
    """Places of the files that steps of a kind left."""
    folders = {str(folder.relative_to(runs)) for folder in published(runs) if kind_of(folder) == kind}
    return {
        place for place in found if str(Path(place).parent) in folders or (kind == "report" and "/report/" in place)
    }


def go_on_to_the_end_of(kind: Kind, start: Starts, whole: Whole, runs: Path) -> None:
    """The same command again, until all steps of a kind are published; then it is killed too."""
    wanted = of_kind(whole.content, kind, whole.runs)
    run = start("run", whole.study, "--runs", runs)
    assert until(run, lambda: all((runs / place).exists() for place in wanted)), run.said
    run.kill()


def nothing_false(whole: Whole, runs: Path) -> None:
    """Whatever is published is what an undisturbed run publishes."""
    for place, found in content(runs).items():
        assert found == whole.content[place], place


def few(all_: Sequence[Any], *kept: Any) -> list[Any]:
    """Cases of which only some are tried by default; the others are slow."""
    return [pytest.param(one, marks=[] if one in kept else [pytest.mark.slow]) for one in all_]
