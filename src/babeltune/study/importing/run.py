"""One import: survey, read, score, report; whatever of it stands already is not done again."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from babeltune.errors import Problem, RowsError, StoreError
from babeltune.records import Cell
from babeltune.report import stored
from babeltune.report.results import Results
from babeltune.study.importing import authors, harness, inspected, results, scoring
from babeltune.study.importing.archive import UnreadableError
from babeltune.study.importing.folder import Folder, Manifest, fingerprint
from babeltune.study.importing.found import Content, Source
from babeltune.study.importing.names import Tuned
from babeltune.study.importing.survey import Survey

Tell = Callable[[str, str, int, int], None]
"""Told of progress: what is done (``read``, ``score``, ``report``), on what, how many are done, of how many."""
T = TypeVar("T", Source, Cell)
_READERS: dict[str, Callable[[Source], Content]] = {
    "authors": authors.read,
    "lm-eval": harness.read,
    "inspect": inspected.read,
}


@dataclass(frozen=True, slots=True)
class Done:
    """What an import came to."""

    results: Results
    manifest: Manifest
    read: int
    """Cells that were read now, the others having been."""
    scored: int
    """Cells that were scored now."""
    new: bool
    """Whether anything is otherwise than it was before."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A cell's number as its files give it, and as it is scored here from their rows."""

    cell: Cell
    metric: str
    theirs: float
    ours: float

    @property
    def apart(self) -> float:
        """Distance of the two."""
        return abs(self.theirs - self.ours)


def name_of(places: Sequence[Path]) -> str:
    """What an import is called if nobody says: the last part of its first path that makes a name."""
    for part in reversed(places[0].resolve().parts):
        bare = re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-._")
        if bare and bare not in ("data", "logs", "outputs", "src"):
            return bare[:60]
    return "imported"


def run(
    found: Survey,
    places: Sequence[Path],
    folder: Folder,
    *,
    identifier: str,
    protocol: str,
    tell: Tell = lambda kind, what, done, total: None,
    download: bool = False,
) -> Done:
    """Read and score all cells of a survey, and write the report.

    Raises:
        RowsError: nothing was found that could be imported.
        ModelError: the identifier is not at hand.
        StoreError: the folder cannot be written, or holds a study's runs.
        LockedError: another import of this name is at work.
    """
    if not found.sources and not found.aggregates:
        fix = "Give the authors' output folders, logs of lm-evaluation-harness or of Inspect (docs/import.md)."
        raise RowsError(
            "import", [*found.left[:20], Problem(str(places[0]), "holds nothing that can be imported", fix)]
        )
    scoring.check(identifier, download)
    with folder.locked():
        read = scored = 0
        kept: list[Source] = []
        for source in _each(found.sources, "read", tell):
            print_ = fingerprint(source)
            if not folder.holds(folder.generated(source.cell), print_):
                content = _content(source)
                folder.keep(source, print_, content)
                read += 1
            if folder.record(folder.generated(source.cell)).get("answers"):
                kept.append(source)
            else:
                found.left.append(Problem(source.files[0][1].name, "holds no row that could be used", "Left out."))
        for source in _each(kept, "score", tell):
            if not folder.holds(folder.measured(source.cell), scoring.scored_by(folder, source.cell, identifier)):
                scoring.score(folder, source.cell, identifier, download)
                scored += 1
        manifest = _manifest(found, kept, places, folder, identifier, protocol)
        same = _described(folder) == manifest
        if not same:
            folder.describe(manifest)
        if scored or not same or not (folder.report / "results.json").exists():
            made = _reported(folder, tell)
        else:
            made = stored.read(folder.report)
    return Done(made, manifest, read, scored, not same)


def rescore(
    folder: Folder, identifier: str | None, *, tell: Tell = lambda kind, what, done, total: None, download: bool = False
) -> Done:
    """Score the kept answers of an import again, without what they were imported from, and write its report."""
    with folder.locked():
        manifest = folder.manifest()
        manifest = dataclasses.replace(manifest, identifier=identifier or manifest.identifier)
        scoring.check(manifest.identifier, download)
        for cell in _each(manifest.cells, "score", tell):
            scoring.score(folder, cell, manifest.identifier, download)
        folder.describe(manifest)
        made = _reported(folder, tell)
    return Done(made, manifest, 0, len(manifest.cells), True)


def _each(things: Sequence[T], kind: str, tell: Tell) -> Iterator[T]:
    """Sources or cells one by one, told before and after each."""
    for at, one in enumerate(things):
        name = one.name if isinstance(one, Cell) else one.cell.name
        tell(kind, name, at, len(things))
        yield one
        tell(kind, name, at + 1, len(things))


def _reported(folder: Folder, tell: Tell) -> Results:
    tell("report", "numbers, figures, page", 0, 1)
    made = render(folder)
    tell("report", "numbers, figures, page", 1, 1)
    return made


def render(folder: Folder) -> Results:
    """Write the report of an import, aside first."""
    from babeltune.report import render as rendering  # draws: not for who only reads

    made = results.load(folder)
    with folder.aside(folder.report) as partial:
        rendering.render(made, partial)
    return made


def replays(folder: Folder, manifest: Manifest) -> list[Replay]:
    """Every number that the imported files give of their own rows, beside ours of the same rows."""
    found = []
    for cell in manifest.cells:
        theirs = folder.record(folder.generated(cell)).get("theirs", {})
        ours = folder.record(folder.measured(cell)).get("shares", {})
        found += [Replay(cell, metric, theirs[metric], ours[metric]) for metric in theirs if metric in ours]
    return found


def _content(source: Source) -> Content:
    try:
        return _READERS[source.maker](source)
    except UnreadableError as error:
        return Content((), (Problem(source.files[0][1].name, str(error), "Left out."),))


def _described(folder: Folder) -> Manifest | None:
    try:
        return folder.manifest()
    except StoreError:
        return None


def _manifest(
    found: Survey, kept: Sequence[Source], places: Sequence[Path], folder: Folder, identifier: str, protocol: str
) -> Manifest:
    made: dict[tuple[str, str], Tuned] = {}
    for one in [*(source.tuned for source in kept), *(number.tuned for number in found.aggregates)]:
        made.setdefault((one.model, one.mix), one)
    left = list(found.left)
    for source in found.sources:
        record = folder.record(folder.generated(source.cell))
        left += [Problem(one["where"], one["what"], one["fix"]) for one in record.get("problems", ())]
    judge = next((source.judge for source in kept if source.judge), "")
    return Manifest(
        folder.root.name,
        tuple(str(place) for place in places),
        tuple(source.cell for source in kept),
        tuple(found.aggregates),
        tuple(made.values()),
        tuple(left),
        identifier,
        protocol,
        judge,
    )
