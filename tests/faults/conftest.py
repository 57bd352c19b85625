"""The study that faults are tried on, its judge, and an undisturbed run of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Forked
from stages import Whole, judge_server, study_of, undisturbed

from faultserver import Server, running


@pytest.fixture(scope="session")
def judge_and_url() -> Iterator[tuple[Server, str]]:
    server = judge_server()
    with running(server) as url:
        yield server, url


@pytest.fixture(scope="session")
def whole(model_folder: Path, tmp_path_factory: pytest.TempPathFactory, judge_and_url: tuple[Server, str]) -> Whole:
    """An undisturbed run."""
    server, url = judge_and_url
    folder = tmp_path_factory.mktemp("whole")
    return undisturbed(study_of(folder, model_folder, url), folder / "runs", Forked(folder / "said"), server)


@pytest.fixture
def judge(judge_and_url: tuple[Server, str], whole: Whole) -> Iterator[Server]:
    """The judge, of whom nothing was asked yet."""
    server = judge_and_url[0]
    server.counts.clear()
    server.asked = 0
    yield server
    server.latency = 0.02


@pytest.fixture
def forked(tmp_path: Path) -> Iterator[Forked]:
    made = Forked(tmp_path / "said")
    yield made
    for one in made.started:
        if one.running:
            one.kill(group=True)
