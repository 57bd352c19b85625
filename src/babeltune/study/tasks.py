"""Tasks: what a study file says of them -> tasks that give items and scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from babeltune import hub
from babeltune.data.sources import POCKET, Source
from babeltune.errors import ItemsError, Problem, RowsError
from babeltune.hub import HubSet
from babeltune.measure.tasks import xcsqa, xnli, xquad
from babeltune.measure.tasks.dialogue import Dialogue
from babeltune.measure.tasks.items import Place
from babeltune.measure.tasks.simplification import Simplification
from babeltune.measure.tasks.xcsqa import XCsqa
from babeltune.measure.tasks.xnli import Xnli
from babeltune.measure.tasks.xquad import XQuad
from babeltune.records import STOP, Identifier, Item, Prompting, Sampling, Task
from babeltune.study.spec.tasks import (
    AnyTaskSpec,
    DialogueSpec,
    SamplingSpec,
    SimplificationSpec,
    XCsqaSpec,
    XnliSpec,
    XQuadSpec,
)

_HUB = {"xquad": xquad.HUB, "xcsqa": xcsqa.HUB, "xnli": xnli.HUB}
"""Task -> its own set on the hub."""
_HUB_FILES = {"xquad": xquad.hub_files, "xcsqa": xcsqa.hub_files, "xnli": xnli.hub_files}
"""Task -> what gives the glob pattern of its hub files in a language; of all others they are named by language and split."""


@dataclass(frozen=True, slots=True)
class ItemSet:
    """The items of a task in one language and prompting, as a plan knows them."""

    asked: str
    """SHA-256 over what is sent to an engine."""
    scored: str
    """SHA-256 over what outputs are scored against."""
    count: int


def make(name: str, spec: AnyTaskSpec, identifier: Identifier, sampling: SamplingSpec) -> Task:
    """The task as the study sets it.

    Raises:
        ItemsError: its items are to come from the hub, where the task has no set of its own.
    """
    at = place(name, spec)
    draw = Sampling(sampling.temperature, sampling.top_p, sampling.max_tokens, STOP)
    sample, seed = spec.sample, spec.sample_seed
    match spec:
        case DialogueSpec():
            strip = spec.protocol == "as-paper"
            return Dialogue(
                at, identifier, draw, split=spec.split, sample=sample, seed=seed, strip_quotes=strip
            )  # fmt: skip
        case SimplificationSpec():
            as_run = spec.protocol == "as-run"
            return Simplification(at, identifier, draw, sample=sample, seed=seed, as_run=as_run)
        case XQuadSpec():
            return XQuad(at, draw, sample=sample, seed=seed)
        case XCsqaSpec():
            return XCsqa(at, draw, sample=sample, seed=seed, as_run=spec.protocol == "as-run")
        case XnliSpec():
            return Xnli(at, words=spec.words, sample=sample, seed=seed)


def sampling(spec: AnyTaskSpec, study: SamplingSpec) -> SamplingSpec:
    """How a task's answers are sampled: the study's sampling with the task's own settings over it."""
    return study if isinstance(spec, XnliSpec) else spec.sampling.over(study)


def promptings(spec: AnyTaskSpec, language: str) -> tuple[Prompting, ...]:
    """The promptings of a language; in English both are one."""
    asked = spec.promptings if isinstance(spec, SimplificationSpec | XQuadSpec) else ("xx:xx",)
    return asked if language != "en" else ("xx:xx",)


def place(name: str, spec: AnyTaskSpec) -> Place:
    """Where the items of a task are.

    Raises:
        ItemsError: on the hub, where the task has no set of its own; or of a revision, but not on the hub.
    """
    at = _place(name, spec)
    if spec.revision is not None and not isinstance(at, HubSet):
        what = f"given, but '{spec.items}' is no hub set"
        raise ItemsError(f"items of {name}", [Problem(f"tasks.{name}.revision", what, "Leave it out.")])
    return at


def _place(name: str, spec: AnyTaskSpec) -> Place:
    if spec.items == "pocket":
        return POCKET / name
    own = _HUB.get(name)
    if spec.items == "hub":
        if own is None:
            fix = "Give a folder or a hub id."
            raise ItemsError(f"items of {name}", [Problem("items", f"{name} has no set on the hub", fix)])
        return HubSet(own.id, spec.revision or own.revision)
    found = Source(spec.items).hub
    if found is None:
        return Path(spec.items).expanduser()
    if name == "simplification":
        what, fix = f"'{spec.items}' is no folder here", "Give a folder: MultiSim has no set on the hub that is read."
        raise ItemsError(f"items of {name}", [Problem(f"tasks.{name}.items", what, fix)])
    pinned = own.revision if own and found.id == own.id else None
    return HubSet(found.id, spec.revision or pinned)


def fetched(name: str, spec: AnyTaskSpec, language: str, *, download: bool) -> str | None:
    """What of the hub is to be fetched before the items of a language can be read, in words; None if nothing is.

    Raises:
        ItemsError: it is not on the hub, or cannot be fetched.
    """
    at = place(name, spec)
    if not isinstance(at, HubSet):
        return None
    files = _HUB_FILES.get(name)
    split = spec.split if isinstance(spec, DialogueSpec) else "test"
    pattern = files(language) if files else f"{language}/{split}-*.parquet"
    try:
        hub.snapshot(at.id, at.revision, download=download, files=[pattern])
    except RowsError as error:
        if download:
            raise ItemsError(f"items of {name}, {language}", error.problems) from error
        revision = f"at {at.revision[:12]}" if at.revision else "at its newest revision (pin one with `revision:`)"
        return f"{at.id} {revision}"
    return None


def item_set(task: Task, items: Sequence[Item]) -> ItemSet:
    """What a plan knows of the items."""
    requests = [task.request(item) for item in items]
    asked = [[one.id, one.prompt, one.prefix, list(one.candidates)] for one in requests]
    scored = [[item.id, item.language, item.subject, list(item.references)] for item in items]
    return ItemSet(_hash(asked), _hash(scored), len(items))


def _hash(rows: object) -> str:
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()
