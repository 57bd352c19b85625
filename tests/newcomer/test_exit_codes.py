"""Exit codes: the documented ones, each brought about, and no other."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from babeltune import errors
from babeltune.cli import stopping
from babeltune.errors import BabeltuneError, EngineError, LockedError, StudyError
from calls import Call

ROOT = Path(__file__).parents[2]
DOCUMENTED = [int(code) for code in re.findall(r"^    (\d+) +\S", errors.__doc__ or "", re.MULTILINE)]


def tree(kind: type[BabeltuneError] = BabeltuneError) -> list[type[BabeltuneError]]:
    return [kind, *(below for one in kind.__subclasses__() for below in tree(one))]


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (None, 0),
        (EngineError("the engine fell over"), 1),
        (StudyError("a.yaml", [errors.Problem("models", "are none", "Add one.")]), 2),
        (LockedError("runs/a: held by process 7"), 3),
        (PermissionError(13, "Permission denied", "/home/other/x"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_end_has_its_code(
    babeltune: Call, monkeypatch: pytest.MonkeyPatch, raised: BaseException | None, code: int
) -> None:
    def end(*_: object) -> None:
        if raised is not None:
            raise raised

    monkeypatch.setattr("babeltune.cli.verbs.studies._said", end)
    monkeypatch.setattr("babeltune.cli.verbs.studies.Table.add_row", end)
    assert babeltune("studies").code == code


def test_a_place_that_may_not_be_read_is_named(babeltune: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/home/other/x")

    monkeypatch.setattr("babeltune.cli.verbs.studies._said", end)
    assert (
        babeltune("studies").words
        == "/home/other/x: Permission denied. Name a place that you may read, or have it opened to you."
    )


@pytest.mark.parametrize("words", [(), ("walk",), ("plan",), ("plan", "--walk"), ("plan", "a.yaml", "b.yaml")])
def test_words_that_are_no_command_are_wrong_input(babeltune: Call, words: tuple[str, ...]) -> None:
    assert babeltune(*words).code == StudyError.exit_code == 2


def test_the_table_has_every_code_of_the_tree_and_what_signals_end_with() -> None:
    assert sorted(DOCUMENTED) == sorted(
        {0, 130, *(one.exit_code for one in tree()), *(128 + one for one in stopping._ALIKE)}
    )


def test_the_page_has_the_table() -> None:
    found = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    assert list(module.exit_codes()) == DOCUMENTED
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8").split("## Exit codes")[1]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)] == DOCUMENTED
