"""The verb ``studies``: what is listed is what is there, what is printed is a study file; and ``--version``."""

from __future__ import annotations

from pathlib import Path

import pytest

from babeltune import __version__
from calls import Call

STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.yaml"))


def test_every_study_of_the_project_is_listed_with_what_it_asks(babeltune: Call) -> None:
    said = babeltune("studies")
    assert said.code == 0
    assert STUDIES
    assert all(path.stem in said.out for path in STUDIES)
    assert "how many tuning languages does it take?" in " ".join(said.out.split())


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_what_is_printed_is_the_file_to_the_byte(babeltune: Call, path: Path) -> None:
    assert babeltune("studies", path.stem).out == path.read_text(encoding="utf-8")


def test_a_mistyped_name_is_met_with_the_names_that_there_are(babeltune: Call) -> None:
    said = babeltune("studies", "pockt")
    assert said.code == 2
    assert "no study 'pockt'" in said.err
    assert "pocket-tasks" in said.err


def test_the_version_is_said_without_a_verb(babeltune: Call) -> None:
    assert babeltune("--version").out == f"babeltune {__version__}\n"
