"""What the checks of a study find: problems, and what is to be fetched first."""

from __future__ import annotations

from dataclasses import dataclass, field

from babeltune.errors import Problem
from babeltune.study.spec.studyfile import Parsed, parted
from babeltune.study.spec.written import dotted

_NOT_CACHED = "not in the local cache: "


@dataclass(frozen=True)
class Notes:
    """A study file as it is checked, part by part. A place is the keys and indices that lead to a field."""

    parsed: Parsed
    download: bool
    """Whether what is on the hub and not in the local cache may be fetched."""
    problems: list[Problem] = field(default_factory=list)
    downloads: list[Problem] = field(default_factory=list)
    """Of things that were not fetched."""

    def problem(self, what: str, fix: str, *place: str | int) -> None:
        """What is wrong with a field."""
        self.problems.append(Problem(dotted(place), what, fix, self.parsed.line(*place)))

    def refused(self, error: Exception, *place: str | int) -> None:
        """An error that a field led to; its first sentence says what is wrong, the rest what to do."""
        self.problem(*parted(error), *place)

    def absent(self, what: str, *place: str | int, sure: bool = True) -> None:
        """Something of the hub that is not here. Not ``sure``: it may as well be the name of a folder, mistyped."""
        fix = "Run once with --download." + ("" if sure else " No file or folder here has this name.")
        self.downloads.append(Problem(dotted(place), f"{_NOT_CACHED}{what}", fix, self.parsed.line(*place)))

    @property
    def needs(self) -> tuple[str, ...]:
        """What is to be fetched first, in words, each once."""
        return tuple(dict.fromkeys(one.what.removeprefix(_NOT_CACHED) for one in self.downloads))
