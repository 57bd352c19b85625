"""Base models: whether they are there, whether their names can be told apart, and what their pretraining data was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast, get_args

from babeltune.errors import BabeltuneError, InputError
from babeltune.languages import Corpus, published
from babeltune.study import models
from babeltune.study.checks.notes import Notes
from babeltune.study.spec.study import ModelSpec, as_model
from babeltune.study.spec.studyfile import Parsed, fragment


def _listed(parsed: Parsed) -> Iterator[tuple[int, ModelSpec]]:
    """Place in the list and spec of the models that have no structural problem."""
    listed = parsed.raw.get("models")
    for index, raw in enumerate(listed if isinstance(listed, list) else []):
        spec = fragment(ModelSpec, as_model(raw))
        if spec is not None:
            yield index, spec


def located(notes: Notes) -> dict[str, models.Located]:
    """Model id -> where it is."""
    found: dict[str, models.Located] = {}
    names: dict[str, str] = {}
    for index, spec in _listed(notes.parsed):
        if spec.name in names:
            what = f"'{spec.id}' has the same name as '{names[spec.name]}'"
            notes.problem(what, "Keep one of them.", "models", index)
            continue
        names[spec.name] = spec.id
        locate(spec, found, notes, "models", index)
    _clashes(names, notes)
    return found


def locate(spec: ModelSpec, found: dict[str, models.Located], notes: Notes, *place: str | int) -> None:
    """Find one model that is named at a place."""
    try:
        found[spec.id] = models.locate(spec, download=notes.download)
        if need := found[spec.id].download:
            notes.absent(need, *place)
    except BabeltuneError as error:
        notes.refused(error, *place)


def _clashes(names: dict[str, str], notes: Notes) -> None:
    """Two pairs of model and mix whose names read the same when joined (``a`` + ``b-c``, ``a-b`` + ``c``)."""
    asked = notes.parsed.raw.get("mixes")
    seen: dict[str, str] = {}
    for name in names:
        for mix in asked if isinstance(asked, dict) else ():
            first = seen.setdefault(f"{name}-{mix}", name)
            if first != name:
                what = f"with the model '{name}' it reads like another mix with the model '{first}' ('{name}-{mix}')"
                notes.problem(what, "Give it another name.", "mixes", mix)


def exposure(notes: Notes) -> dict[str, dict[str, float]]:
    """Name of a model -> language -> share of its pretraining data [%], where the study file says what that was."""
    found: dict[str, dict[str, float]] = {}
    for index, spec in _listed(notes.parsed):
        if spec.pretraining in get_args(Corpus):
            found[spec.name] = published(cast(Corpus, spec.pretraining))
        elif spec.pretraining is not None:
            from babeltune.data.census.shares import read_shares

            try:
                found[spec.name] = read_shares(Path(spec.pretraining).expanduser())
            except InputError as error:
                for one in error.problems:
                    notes.problem(f"{one.where}: {one.what}", one.fix, "models", index, "pretraining")
    return found
