"""Mixes as a study file gives them: by name, counts or shares, or as the member of a family."""

from __future__ import annotations

import dataclasses
import difflib
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from babeltune.data import makeup
from babeltune.data.makeup import LanguageCode, Makeup, Mixing
from babeltune.languages import LANGUAGES
from babeltune.study.spec.fields import Count, Name, Spec

BASE = "base"
"""Reserved mix name: the model without an adapter."""


def _not_base(name: str) -> str:
    if name == BASE:
        raise ValueError(
            f"'{BASE}' names the untuned model. Give the mix another name; `base: true` evaluates the model"
        )
    return name


MixName = Annotated[Name, AfterValidator(_not_base)]


class MultiMix(Spec):
    """The main language and the first others of an order, such as ``{multi: 3, budget: 400}``."""

    multi: Annotated[int, Field(ge=1, le=99)]
    """Languages in all."""
    each: Count | None = None
    """Chats of each other language; ``mixing.each`` where neither this nor a budget is given."""
    budget: Count | None = None
    """Chats of all other languages together."""
    order: tuple[LanguageCode, ...] | None = None
    """In place of ``mixing.order``."""


class WithoutMix(Spec):
    """Leave-one-out, such as ``{without: es}``."""

    without: LanguageCode
    pool: tuple[LanguageCode, ...] = ()
    """The other languages; ``mixing.order`` where it is left out."""
    each: Count | None = None


class TwinMix(Spec):
    """The translated twin of a multi mix, such as ``{translated: 3}``: one mix's chats, some of them translated."""

    translated: Annotated[int, Field(ge=2, le=99)]
    """Languages in all."""
    each: Count | None = None
    """As of a multi mix; so is all that follows."""
    budget: Count | None = None
    order: tuple[LanguageCode, ...] | None = None
    of: MixName = "mono"
    """The mix whose chats are translated: all in ``mixing.main``."""


class AllMix(Spec):
    """Every chat of the source: ``{all: true}``."""

    all: Literal[True]


Share = Annotated[float, Field(gt=0, le=1)]
MIX_FORMS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("by name", "by counts", "by shares", "mistyped"), ()),
    "multi": tuple(MultiMix.model_fields),
    "without": tuple(WithoutMix.model_fields),
    "translated": tuple(TwinMix.model_fields),
    "all": tuple(AllMix.model_fields),
}
"""Form of a mix -> its fields."""


def _near(key: object) -> str | None:
    """The field of a form that a key comes near to, without being a language or a field itself."""
    names = [name for fields in MIX_FORMS.values() for name in fields]
    if not isinstance(key, str) or key in LANGUAGES or key in names:
        return None
    return next(iter(difflib.get_close_matches(key, names, n=1, cutoff=0.75)), None)


def _not_near(key: str) -> str:
    if near := _near(key):
        raise ValueError(f"unknown field. Did you mean '{near}'?")
    return key


def _form(value: object) -> str:
    """How a mix is given; whatever fits no form is taken for counts, which say what is wrong."""
    if value is None:
        return "by name"
    if isinstance(value, dict):
        for form in ("multi", "without", "translated", "all"):
            if form in value:
                return form
        if any(map(_near, value)):
            return "mistyped"
        if any(isinstance(share, float) for share in value.values()):
            return "by shares"
    return "by counts"


MixSpec = Annotated[
    Annotated[None, Tag("by name")]
    | Annotated[dict[LanguageCode, Count], Field(min_length=1), Tag("by counts")]
    | Annotated[dict[LanguageCode, Share], Field(min_length=1), Tag("by shares")]
    | Annotated[MultiMix, Tag("multi")]
    | Annotated[WithoutMix, Tag("without")]
    | Annotated[TwinMix, Tag("translated")]
    | Annotated[AllMix, Tag("all")]
    | Annotated[dict[Annotated[str, AfterValidator(_not_near)], object], Tag("mistyped")],
    Discriminator(_form),
]


def makeup_of(name: str, given: MixSpec, mixing: Mixing) -> Makeup:
    """What a mix of the study file is to hold.

    Raises:
        ValueError: it cannot be made so; says why and what to do.
    """
    match given:
        case None:
            return makeup.named(name, mixing)
        case MultiMix():
            inner = mixing if given.order is None else dataclasses.replace(mixing, order=given.order)
            return makeup.multi(given.multi, inner, each=given.each, budget=given.budget)
        case WithoutMix():
            return makeup.without(given.without, mixing, pool=given.pool, each=given.each)
        case TwinMix():
            inner = mixing if given.order is None else dataclasses.replace(mixing, order=given.order)
            made = makeup.multi(given.translated, inner, each=given.each, budget=given.budget)
            return dataclasses.replace(made, of=given.of)
        case AllMix():
            return Makeup(everything=True)
        case dict():
            numbers = {code: n for code, n in given.items() if isinstance(n, int | float)}
            if all(isinstance(n, int) for n in numbers.values()):
                return makeup.counted({code: int(n) for code, n in numbers.items()}, mixing)
            return makeup.shared(numbers, mixing)


def as_mixes(value: object) -> object:
    """A bare list names mixes that are known by their names."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return value
    twice = [name for at, name in enumerate(value) if name in value[:at]]
    if twice:
        raise ValueError(f"the mix '{twice[0]}' stands twice. Remove one")
    return dict.fromkeys(value)
