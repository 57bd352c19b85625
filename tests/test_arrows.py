"""The arrows of DESIGN.md, held over the imports as they are written: also those inside functions and for types only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import babeltune

SRC = Path(babeltune.__file__).parent
WORDS = ("errors", "languages", "records")
READERS = {"rows": {"errors"}, "hub": {"errors", "rows"}}
"""Files at the root that two rooms read their inputs with -> what they may import."""
ROOMS = ("data", "finetune", "generate", "measure", "report")
CONDUCTOR, DOOR = "study", "cli"


def imported(source: str, package: str) -> set[str]:
    """Absolute dotted names of all that a file of this package imports, wherever the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def imports_of(path: Path) -> set[str]:
    return imported(path.read_text(encoding="utf-8"), ".".join(("babeltune", *path.relative_to(SRC).parts[:-1])))


def ours(path: Path) -> set[str]:
    """First part below ``babeltune`` of all of ours that a file imports; the version stands for nothing."""
    names = {name.split(".")[1] for name in imports_of(path) if name.startswith("babeltune.")}
    return names - {"__version__"}


def importers(package: str) -> set[str]:
    files = SRC.rglob("*.py")
    return {
        file.relative_to(SRC).as_posix()
        for file in files
        if any(name.split(".")[0] == package for name in imports_of(file))
    }


@pytest.mark.parametrize(
    "source",
    [
        "import babeltune.report.tables",
        "from babeltune import report",
        "from babeltune.report import tables",
        "from ..report import tables",
        "from .. import report",
        "def f():\n    from babeltune.report.tables import terminal",
        "if TYPE_CHECKING:\n    import babeltune.report as r",
    ],
)
def test_every_way_to_import_a_room_is_seen(source: str) -> None:
    found = imported(source, "babeltune.data")
    assert any(name.startswith("babeltune.report") for name in found)


def test_the_house_has_these_rooms_and_no_other() -> None:
    assert {path.parent.name for path in SRC.glob("*/__init__.py")} == {*ROOMS, CONDUCTOR, DOOR}


@pytest.mark.parametrize("word", WORDS)
def test_word_files_import_nothing_of_ours(word: str) -> None:
    assert not {name for name in imports_of(SRC / f"{word}.py") if name.split(".")[0] == "babeltune"}


@pytest.mark.parametrize("reader", READERS)
def test_reader_files_import_what_is_said_here_alone(reader: str) -> None:
    assert ours(SRC / f"{reader}.py") <= READERS[reader]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_itself_the_words_and_to_read_the_readers(room: str) -> None:
    allowed = {room, *WORDS, *(READERS if room in ("data", "measure") else ())}
    for file in (SRC / room).rglob("*.py"):
        assert ours(file) <= allowed, file.relative_to(SRC)


def test_only_the_command_line_imports_the_conductor_and_nobody_the_command_line() -> None:
    for file in SRC.rglob("*.py"):
        inside = file.relative_to(SRC).parts[0]
        assert DOOR not in ours(file) or inside == DOOR, file.relative_to(SRC)
        assert CONDUCTOR not in ours(file) or inside in (CONDUCTOR, DOOR), file.relative_to(SRC)


def test_trl_is_known_to_the_tuning_alone() -> None:
    assert importers("trl") == {"finetune/trainer.py"}


def test_peft_is_known_to_the_tuning_the_merge_and_the_transformers_engine_alone() -> None:
    assert importers("peft") == {"finetune/merge.py", "finetune/trainer.py", "generate/transformers.py"}


def test_ray_is_known_to_the_census_and_the_executor_alone() -> None:
    assert importers("ray") == {
        "data/census/on_ray.py",
        "study/executors/cluster.py",
        "study/executors/ray.py",
        "study/executors/replicas.py",
    }
