"""Chats: whether source and identifier are there, and how many chats of each language are usable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babeltune.data import identify, label, sources
from babeltune.data.makeup import Mixing
from babeltune.data.overlap import Overlap
from babeltune.data.sources import Source
from babeltune.errors import ChatsError, ModelError, RowsError
from babeltune.records import Item
from babeltune.study.artefacts import read_labelled
from babeltune.study.checks.notes import Notes
from babeltune.study.layout import label_step
from babeltune.study.spec.fields import Name
from babeltune.study.spec.study import LabelSpec, as_source
from babeltune.study.spec.studyfile import fragment
from babeltune.study.store import Store


@dataclass(frozen=True, slots=True)
class Origin:
    """What the labelled chats come from."""

    source: Source
    chats: str
    """SHA-256 of the chats."""
    identifier: str
    """SHA-256 of the language identification model."""
    here: bool
    """Whether both are at hand."""


def origin(notes: Notes) -> Origin | None:
    """Where chats and their languages come from; None where something is wrong with it."""
    source = fragment(Source, as_source(notes.parsed.raw.get("chats")))
    absent = len(notes.downloads)
    identifier, chats = _identifier(notes), _chats(source, notes) if source else None
    if source is None or identifier is None or chats is None:
        return None
    return Origin(source, chats, identifier, len(notes.downloads) == absent)


def _identifier(notes: Notes) -> str | None:
    spec = notes.parsed.part(LabelSpec, "label")
    if spec is None:
        return None
    need = identify.missing(spec.identifier)
    try:
        if need is None or notes.download:
            identify.locate(spec.identifier, download=notes.download)
        else:
            notes.absent(f"identifier {need}", "label", "identifier")
        return identify.fingerprint(spec.identifier)
    except ModelError as error:
        notes.refused(error, "label", "identifier")
        return None


def _chats(source: Source, notes: Notes) -> str | None:
    try:
        if source.hub and notes.download:
            sources.fetch(source, download=True)
        elif sources.missing(source):
            notes.absent(f"chats {source.named}", "chats", sure=source.revision is not None)
        return sources.fingerprint(source)
    except RowsError as error:
        for found in error.problems:
            notes.problem(found.what, found.fix, "chats")
        return None


@dataclass(frozen=True)
class Known:
    """What is known of the labelled chats: how many are usable, and on demand all of them."""

    counts: Mapping[str, int]
    total: int
    """Chats that a mix of every chat holds: usable or not, but for those left out as they hold a test prompt."""
    load: Callable[[], label.Labelled]


def labelled(
    origin: Origin, runs: Path, items: Sequence[Item], hashes: Mapping[str, str], notes: Notes, *, skip_bad_rows: bool
) -> Known | None:
    """From an earlier run's record, so that a finished study is opened at once; else by labelling them now.

    ``items``: all test items, and ``hashes`` of them.
    """
    spec, mixing = notes.parsed.part(LabelSpec, "label"), notes.parsed.part(Mixing, "mixing")
    if spec is None or mixing is None:
        return None
    name = fragment(Name, notes.parsed.raw.get("study"))
    if name is not None:
        step, store = label_step(origin.chats, origin.identifier, spec, mixing, hashes), Store(runs / name)
        if step.key in store.done((step,)):
            facts = store.facts(step)
            left = sum(n for reason, n in facts["dropped"].items() if reason != label.HELD)
            total = sum(facts["counts"].values()) + left
            return Known(dict(facts["counts"]), total, lambda: read_labelled(store.open(step)))
    try:
        read = sources.read_chats(origin.source, skip_bad_rows=skip_bad_rows)
        identifier = identify.identifier(spec.identifier)
        overlap = Overlap(items) if mixing.overlap == "leave-out" else None
        done = label.label(read.chats, identifier, spec.threshold, spec.protocol, overlap)
    except ChatsError as error:
        notes.problems.extend(error.problems)
        return None
    except ModelError as error:
        notes.refused(error, "label", "identifier")
        return None
    return Known(done.counts(), len(done.chats) + sum(drop.reason != label.HELD for drop in done.dropped), lambda: done)
