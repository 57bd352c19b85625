"""The folder of an import: ``runs/NAME`` with ``imported.json``, answers and scores by cell, and the report.

``generate/CELL/`` holds the answers as they were found, ``measure/CELL/`` their scores. Either is written aside and
renamed when it is whole, with its record in it, so an import that was killed goes on where it was; what a record says
of its files is compared with them, so nothing is read or scored twice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from babeltune import __version__
from babeltune.errors import InputError, Problem, StoreError
from babeltune.records import Cell
from babeltune.study.artefacts import SCORES, read_lines, write_lines
from babeltune.study.importing.found import Aggregate, Answer, Content, Source
from babeltune.study.importing.names import Tuned
from babeltune.study.store import RECORD, Store, put, write_atomically

MANIFEST = "imported.json"
ANSWERS = "answers.jsonl"
_GENERATE, _MEASURE, _PARTIAL = "generate", "measure", ".partial"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an imported folder says of itself."""

    name: str
    places: tuple[str, ...]
    """What was imported, as it was given."""
    cells: tuple[Cell, ...]
    aggregates: tuple[Aggregate, ...]
    tuned: tuple[Tuned, ...]
    """Of every model and mix what is known of it."""
    left: tuple[Problem, ...]
    identifier: str
    """That scored the answers."""
    protocol: str
    """Whose rule makes the first helpfulness metric: ``as-paper`` or ``as-run``."""
    judge: str


def is_imported(folder: Path) -> bool:
    """Whether a folder is one that an import has filled."""
    return (folder / MANIFEST).is_file()


def of_study(study: Path, runs: Path) -> Path | None:
    """The imported folder that a STUDY argument names, by its path or by its name in ``runs``; None if it names none."""
    for folder in (study, runs / study):
        if folder.is_dir() and is_imported(folder):
            return folder
    return None


class Folder:
    """``runs/NAME``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, as a run holds its study's.

        Raises:
            LockedError: another process holds it.
            StoreError: it holds a study's runs, or cannot be written to.
        """
        if (
            self.root.exists()
            and not is_imported(self.root)
            and any((self.root / room).exists() for room in ("data", "finetune"))
        ):
            raise StoreError(f"{self.root}: holds the runs of a study. Give the import another name: --name NAME.")
        with Store(self.root).locked():
            yield

    def generated(self, cell: Cell) -> Path:
        """Where the answers of a cell are."""
        return self.root / _GENERATE / cell.name

    def measured(self, cell: Cell) -> Path:
        """Where the scores of a cell are."""
        return self.root / _MEASURE / cell.name

    @property
    def report(self) -> Path:
        """Where the report is."""
        return self.root / "report"

    def holds(self, folder: Path, fingerprint: str) -> bool:
        """Whether a cell's folder has the record of this very input."""
        return self.record(folder).get("fingerprint") == fingerprint

    def record(self, folder: Path) -> dict[str, Any]:
        """What the record of a cell says; nothing where there is none, or it is broken."""
        try:
            found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def keep(self, source: Source, fingerprint: str, content: Content) -> None:
        """Write the answers of a cell."""
        facts = {
            "cell": dataclasses.asdict(source.cell),
            "maker": source.maker,
            "files": {kind: path.name for kind, path in source.files},
            "answers": len(content.answers),
            "judge": source.judge,
            "theirs": dict(content.theirs),
            "arguments": dict(content.arguments),
            "cost": content.cost,
            "problems": [dataclasses.asdict(problem) for problem in content.problems],
        }
        self._publish(
            self.generated(source.cell), fingerprint, facts, ANSWERS, map(dataclasses.asdict, content.answers)
        )

    def keep_scores(
        self, cell: Cell, fingerprint: str, facts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Write the scores of a cell."""
        self._publish(self.measured(cell), fingerprint, facts, SCORES, rows)

    def _publish(self, folder: Path, fingerprint: str, facts: Mapping[str, Any], name: str, rows: Any) -> None:
        with self.aside(folder) as partial:
            write_lines(partial / name, rows)
            record = {"fingerprint": fingerprint, **facts, "version": __version__}
            write_atomically(partial / RECORD, json.dumps(record, ensure_ascii=False, indent=1))

    @contextlib.contextmanager
    def aside(self, folder: Path) -> Iterator[Path]:
        """An empty folder that takes the place of ``folder`` when it is filled.

        Raises:
            StoreError: the disk refuses.
        """
        partial = folder.with_name(folder.name + _PARTIAL)
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            yield partial
            put(partial, folder)
        except OSError as error:
            raise StoreError(
                f"{folder}: cannot be written ({error.strerror}). Check --runs and the space left."
            ) from error

    def answers(self, cell: Cell) -> list[Answer]:
        """The answers of a cell, as they were found."""
        path = self.generated(cell) / ANSWERS
        try:
            return TypeAdapter(list[Answer]).validate_python(read_lines(path))
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error

    def describe(self, manifest: Manifest) -> None:
        """Write the manifest, by which the folder is known for an import; last of all."""
        write_atomically(
            self.root / MANIFEST, json.dumps(dataclasses.asdict(manifest), ensure_ascii=False, indent=1) + "\n"
        )

    def manifest(self) -> Manifest:
        """What the folder says of itself.

        Raises:
            StoreError: the manifest is not there or cannot be read.
        """
        path = self.root / MANIFEST
        try:
            return TypeAdapter(Manifest).validate_python(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise StoreError(f"{path}: is not there. The import did not end: run it again, and it goes on.") from error
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error


def fingerprint(source: Source) -> str:
    """Of all bytes that a cell is read from, and of the version that reads them."""
    found = hashlib.sha256(f"{__version__} {source.maker} {source.cell.name} {source.judge}".encode())
    for kind, path in source.files:
        with path.open("rb") as file:
            found.update(f"\0{kind}\0{hashlib.file_digest(file, 'sha256').hexdigest()}".encode())
    return found.hexdigest()


def _unreadable(path: Path, error: Exception) -> StoreError:
    return StoreError(f"{path}: cannot be read ({' '.join(str(error).split())}). Import again; what is whole is kept.")


def refuse(study: Path, runs: Path) -> None:
    """Say what to do where a STUDY argument names the folder of an import, or of a study's runs, in place of a study file.

    Raises:
        InputError: it does.
    """
    for folder in (study, runs / study):
        if not folder.is_dir():
            continue
        if (folder / "lock").exists() and any((folder / room).exists() for room in ("data", "finetune")):
            what, fix = "is the folder of a study's runs", "Give the study file in its place."
        elif is_imported(folder):
            fix = "Give it to report, figures, compare, scorecard or score; for all else it takes a study file."
            what = "is an import, in which there is nothing to plan or run"
        elif (folder / _GENERATE).is_dir():
            what, fix = "is an import that has not ended", "Run the same `babeltune import` again; it goes on."
        else:
            continue
        raise InputError(f"study '{study}'", [Problem(str(folder), what, fix)])
