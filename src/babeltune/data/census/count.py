"""The census: documents and characters per language of any corpus, counted as it streams by (paper, appendix A).

Each batch is identified and counted, and the counts are summed: whole numbers, so that neither the number of workers
nor the engine plays a role, and memory stays flat however long the corpus is. What was counted is kept in a small
state file, from which a killed census goes on.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from babeltune.data.census.corpus import Batch, Unit, batches
from babeltune.data.census.tally import Counted, Tally, read_tally
from babeltune.data.identify import fingerprint
from babeltune.errors import InputError, Problem, StoreError
from babeltune.records import Identifier

UNKNOWN = "unknown"
"""Label of documents on which the identifier abstained, or was less sure than the threshold."""
_SECONDS = 2.0
"""Between two writings of the state: what a killed census counts again at most."""
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Job:
    """All that the counts depend on."""

    units: tuple[Unit, ...]
    field: str
    """Name of the field that holds the document."""
    identifier: str
    """Name of the identifier, see ``identify.locate``."""
    threshold: float = 0.5
    """Least probability of a language, in [0, 1]; below it a document is unknown (paper, appendix A)."""

    def recipe(self) -> dict[str, Any]:
        """What a state must agree with to be taken up."""
        return {
            "source": {unit.name: unit.stamp for unit in self.units},
            "field": self.field,
            "identifier": fingerprint(self.identifier),
            "threshold": self.threshold,
        }


@dataclass(frozen=True, slots=True)
class Census:
    """What was counted, per label of the identifier, ``unknown`` among them."""

    documents: Mapping[str, int]
    characters: Mapping[str, int]
    """Unicode code points."""
    problems: int = 0
    """Records that were left out because they hold no document."""

    @property
    def total(self) -> int:
        """All documents."""
        return sum(self.documents.values())

    def shares(self) -> dict[str, float]:
        """Percent of the documents, in [0, 100], per label: most first, equals in the order of their labels."""
        ranked = sorted(self.documents.items(), key=lambda entry: (-entry[1], entry[0]))
        return {label: 100 * number / self.total for label, number in ranked}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a census is."""

    documents: int
    """Counted so far, those of earlier runs included."""
    units: int
    """Units that are read to their end."""
    size: int
    """Bytes of these units, where they are known."""
    problems: tuple[Problem, ...] = ()
    """Records just left out."""


Engine = Callable[[Job, Sequence[tuple[Unit, int]], int | None], Iterator[Counted]]
"""Where the work is done: of a job, units with the records to pass over in each, and the most documents, it yields
what it counted, any unit's batches in their order."""


def count(batch: Batch, identifier: Identifier, threshold: float) -> Counted:
    """Count the documents of a batch: the one way of all engines. At the threshold a document is still known."""
    documents: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for text, found in zip(batch.texts, identifier.identify(batch.texts), strict=True):
        label = found.label if found.label is not None and found.probability >= threshold else UNKNOWN
        documents[label] += 1
        characters[label] += len(text)
    return Counted(replace(batch, texts=()), documents, characters)


def local(identifier: Identifier) -> Engine:
    """The engine of one machine: one thread reads the next batch while the identifier's threads label this one."""

    def engine(job: Job, todo: Sequence[tuple[Unit, int]], limit: int | None) -> Iterator[Counted]:
        for batch in _ahead(_all(job, todo, limit)):
            yield count(batch, identifier, job.threshold)

    return engine


def _all(job: Job, todo: Sequence[tuple[Unit, int]], limit: int | None) -> Iterator[Batch]:
    for unit, skip in todo:
        for batch in batches(unit, job.field, skip=skip, limit=limit):
            yield batch
            if limit is not None:
                limit -= len(batch.texts)
                if limit == 0:
                    return


def _ahead(source: Iterator[Batch]) -> Iterator[Batch]:
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, source, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, source, None)
            yield batch


def take(
    job: Job,
    engine: Engine,
    *,
    state: Path | None = None,
    limit: int | None = None,
    skip_bad_rows: bool = False,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Census:
    """Count a corpus, from where ``state`` says that an earlier run of the same job got to; a finished one is read back.

    ``state``: kept there every two seconds and at the end. ``limit``: most documents in all, in the order of the
    corpus. ``tell`` hears of the beginning and of each batch.

    Raises:
        InputError: a record holds no document, and is not to be skipped; or a file cannot be read to its end.
        StoreError: the state is of another job, holds more than ``limit`` documents, or cannot be read or written.
    """
    tally = read_tally(state, job.recipe()) if state is not None else Tally(job.recipe())
    documents = tally.documents.total()
    if limit is not None and documents > limit:
        raise StoreError(
            f"{state}: holds {documents} documents already, more than the limit of {limit}. Raise --limit, or start "
            "over with --restart"
        )
    left = None if limit is None else limit - documents
    todo = [(unit, tally.done.get(unit.name, 0)) for unit in job.units if unit.name not in tally.finished]
    sizes = {unit.name: unit.size or 0 for unit in job.units}
    size = sum(sizes[name] for name in tally.finished)
    tell(Progress(documents, len(tally.finished), size))
    wrote = time.monotonic()
    for counted in engine(job, todo, left) if todo and left != 0 else ():
        batch = counted.batch
        refused = bool(batch.problems) and (batch.broken or not skip_bad_rows)
        if not refused:
            tally.add(counted)
        if state is not None and (refused or time.monotonic() - wrote >= _SECONDS):
            tally.write(state)
            wrote = time.monotonic()
        if refused:
            raise _refused(batch)
        documents += sum(counted.documents.values())
        size += sizes[batch.unit] if batch.last else 0
        tell(Progress(documents, len(tally.finished), size, batch.problems))
    if state is not None and todo:
        tally.write(state)
    return Census(tally.documents, tally.characters, tally.problems)


def _refused(batch: Batch) -> InputError:
    problems = list(batch.problems[:_SHOWN])
    if len(batch.problems) > _SHOWN:
        problems.append(Problem(batch.unit, f"{len(batch.problems) - _SHOWN} more thereabouts", "Mend them."))
    if not batch.broken:
        problems.append(Problem("to go on without them", "what is counted is kept", "Use --skip-bad-rows."))
    return InputError(f"corpus '{batch.unit}'", problems)
