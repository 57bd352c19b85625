"""A step: one piece of a study's work with a folder of its own, as plain data, and the kinds that there are."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from babeltune.records import Cell
from babeltune.study.fingerprint import canonical, digest

Kind = Literal[
    "label", "mix", "translate", "twin", "proof", "card", "tune", "generate", "english", "judge", "score", "summary", "report"
]  # fmt: skip

_ROLES: dict[Kind, str] = {"translate": "translator", "english": "translator", "judge": "judge"}
"""Kinds of steps that ask judge or translator -> whom."""
JUDGED_TASK = "dialogue"
"""The task whose answers a judge scores."""
_ROOMS: dict[Kind, str] = {
    "label": "data",
    "mix": "data",
    "translate": "data",
    "twin": "data",
    "proof": "data",
    "card": "data",
    "tune": "finetune",
    "generate": "generate",
    "english": "generate",
    "judge": "measure",
    "score": "measure",
    "summary": "measure",
    "report": "report",
}
_VERSIONS: dict[Kind, int] = {
    **dict.fromkeys(_ROOMS, 1),
    "label": 2,
    "mix": 2,
    "proof": 2,
    "score": 3,
    "summary": 3,
    "report": 4,
}
"""Raised by hand where a change to the code changes a step's result for the same recipe."""


class Recipe(dict[str, Any]):
    """What a step's result hangs on beside what it reads. Steps that differ in that alone share one; none changes it."""

    @functools.cached_property
    def canonical(self) -> bytes:
        """As canonical JSON, made once however many steps have it."""
        return canonical(self)


@dataclass(frozen=True)
class Step:
    """One piece of work with a folder of its own. ``recipe`` and ``needs`` say all that its result depends on."""

    kind: Kind
    name: str
    """Readable; with the hash it names the folder."""
    recipe: Mapping[str, Any]
    needs: tuple[str, ...] = ()
    """Keys of the steps whose results it reads."""
    after: tuple[str, ...] = ()
    """Fingerprints of those steps, in the same order."""
    cell: Cell | None = None
    mix: str = ""
    model: str = ""
    work: int = 0
    """Amount of work in the unit of its kind: chats, updates, outputs."""
    fingerprint: str = field(init=False, repr=False, compare=False)
    """SHA-256 over kind, version of the code, recipe, and the fingerprints of all that is needed."""

    def __post_init__(self) -> None:
        recipe = self.recipe.canonical if isinstance(self.recipe, Recipe) else canonical(self.recipe)
        after = ",".join([f'"{one}"' for one in self.after])
        # Canonical JSON of these four, put together by hand: a study has ten thousand cells and a few recipes.
        whole = f'{{"after":[{after}],"kind":"{self.kind}","recipe":'.encode() + recipe
        object.__setattr__(self, "fingerprint", digest(whole + b',"version":%d}' % _VERSIONS[self.kind]))

    @property
    def room(self) -> str:
        """Folder of the study that it belongs to."""
        return _ROOMS[self.kind]

    @property
    def role(self) -> str | None:
        """Who is asked: ``judge``, ``translator`` or nobody."""
        return _ROLES.get(self.kind)

    @property
    def hashed_name(self) -> bool:
        """Whether the folder has the hash in its name; the report has one fixed place, ``report/``."""
        return self.kind != "report"

    @property
    def folder(self) -> str:
        """Folder name within the room: ``<readable-name>-<hash8>``."""
        return f"{self.name}-{self.fingerprint[:8]}"

    @property
    def key(self) -> str:
        """Unique within a plan."""
        return f"{self.kind}:{self.name}"
