"""Everything that can be wrong with a study, found at once and before any model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from babeltune.errors import Problem, StudyError
from babeltune.study.checks import chats, items, mixes, models, packages, served
from babeltune.study.checks.notes import Notes
from babeltune.study.layout import item_hashes, make
from babeltune.study.models import Located
from babeltune.study.plan import Inputs, Plan
from babeltune.study.spec.studyfile import parse
from babeltune.study.store import Store

MayLack = Literal["nothing", "packages", "models", "anything"]
"""What a command does without: packages that are needed on other machines only, models of the hub, anything of it."""


@dataclass(frozen=True)
class Opened:
    """A study that may be run."""

    plan: Plan
    store: Store
    located: Mapping[str, Located]
    """Model id -> where it is."""
    skip_bad_rows: bool


def open_study(
    path: Path, runs: Path, *, skip_bad_rows: bool = False, download: bool = False, may_lack: MayLack = "nothing"
) -> Opened:
    """Read and check a study file and all that it names.

    ``download`` fetches what is on the hub and not in the local cache. Without it such a thing is a problem, unless it
    ``may_lack``: then it stands in ``Inputs.downloads``, and what depends on it is not checked.

    Raises:
        StudyError: with every problem of the file, its models, its chats and its items.
    """
    parsed = parse(path)
    notes = Notes(parsed, download, list(parsed.problems))
    located = models.located(notes)
    served.located(located, notes)
    exposure = models.exposure(notes)
    if may_lack == "nothing":
        packages.check(notes)
    origin = chats.origin(notes)
    asked = items.found(notes)
    makeups = mixes.makeups(notes)
    served.check_judge(notes)
    known = None
    if origin is not None and origin.here:
        hashes = item_hashes(asked.sets)
        known = chats.labelled(origin, runs, asked.items, hashes, notes, skip_bad_rows=skip_bad_rows)
    if known is not None:
        mixes.shortages(makeups, known, notes)
    notes.problems.extend(_missed(notes, may_lack))
    if parsed.study is not None and origin is not None and not notes.problems:
        inputs = Inputs(
            origin.chats,
            origin.identifier,
            {model: found.fingerprint for model, found in located.items()},
            asked.sets,
            makeups,
            known.counts if known else {},
            known.total if known else 0,
            notes.needs,
            frozenset(model for model, found in located.items() if found.download),
            exposure,
        )
        plan, store = make(parsed.study, inputs), Store(runs / parsed.study.study)
        if may_lack in ("nothing", "packages") and plan.study.roles:
            served.unreachable(plan, plan.pending(store.done(plan.steps)), notes)
        if not notes.problems:
            return Opened(plan, store, located, skip_bad_rows)
    raise StudyError(str(path), sorted(notes.problems, key=lambda problem: problem.line or 0))


def _missed(notes: Notes, may_lack: MayLack) -> list[Problem]:
    """What is to be fetched and may not be lacking."""
    if may_lack == "anything":
        return []
    of_models = ("models", "judge", "translator")
    return [need for need in notes.downloads if may_lack != "models" or not need.where.startswith(of_models)]
