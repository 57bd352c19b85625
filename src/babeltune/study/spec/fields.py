"""Fields that several parts of a study file have, and what all its parts have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Letters, digits, dot, dash, underscore: names become folder names."""


class Spec(BaseModel):
    """A part of a study file: immutable, and without a field that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def each_once(entry: str, fix: str = "Remove one") -> AfterValidator:
    """Refuses a list with the same ``entry``, as it is called, twice."""

    def checked(entries: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(entries)) < len(entries):
            raise ValueError(f"a {entry} stands twice. {fix}")
        return entries

    return AfterValidator(checked)
