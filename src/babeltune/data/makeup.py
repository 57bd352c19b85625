"""Makeups: how many chats of each language a mix holds (paper, sections 3.2 and 5.1, Table 3, appendix H).

Every makeup here has one size, so that mixes differ in languages alone: what other languages take, the main one gives.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field

from babeltune.languages import known

LanguageCode = Annotated[str, AfterValidator(known)]
Protocol = Literal["as-paper", "as-run"]


@dataclass(frozen=True, slots=True)
class Mixing:
    """How the mixes of a study are made and drawn. Defaults are the paper's."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    main: LanguageCode = "en"
    """The language that gives place to the others."""
    size: Annotated[int, Field(ge=1)] = 3200
    """Chats of a mix given by name or by shares (paper, section 3.2)."""
    each: Annotated[int, Field(ge=1)] = 200
    """Chats of each other language in a mix given by name (paper, section 3.2)."""
    order: tuple[LanguageCode, ...] = ("es", "ru", "de", "zh", "fr")
    """The order in which ``multi-2``, ``multi-3`` … take other languages in: by their number in Guanaco (paper)."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Of the draw (authors' code)."""
    protocol: Protocol = "as-paper"
    """``as-paper`` draws by a hash of seed and id, so that neither the order of the source nor chats added to another
    language play a role; ``as-run`` draws the rows that the authors' pandas code draws from the same source."""
    overlap: Literal["refuse", "leave-out", "allow"] = "refuse"
    """What becomes of chats that hold a test prompt: the study stops, they are never drawn, or they stay."""

    def __post_init__(self) -> None:
        if len(set(self.order)) < len(self.order):
            raise ValueError("a language stands twice in `order`. Remove one")

    @property
    def others(self) -> tuple[str, ...]:
        """The order without the main language."""
        return tuple(code for code in self.order if code != self.main)


@dataclass(frozen=True, slots=True)
class Makeup:
    """What a mix is to hold."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """ISO code -> number of chats, in the order in which the mix holds them."""
    everything: bool = False
    """Every chat of the source, whatever its language and confidence (Multi-Guanaco: paper, section 3.2)."""
    pool: int | None = None
    """``as-run`` only: the main language's chats are drawn from so many drawn first, as the authors' are."""
    of: str | None = None
    """Of a translated twin: the mix whose chats it holds, some of them translated. None of a mix of native chats."""


def counted(counts: Mapping[str, int], mixing: Mixing, pool: int | None = None) -> Makeup:
    """A makeup given by counts: the main language first; then the others, by code where their order plays no role.

    ``pool``: as of ``Makeup``; ``mixing.size`` where it is left out.
    """
    as_run = mixing.protocol == "as-run"
    others = [code for code in (counts if as_run else sorted(counts)) if code != mixing.main]
    first = [mixing.main] if mixing.main in counts else []
    ordered = {code: counts[code] for code in first + others}
    return Makeup(ordered, pool=(mixing.size if pool is None else pool) if as_run else None)


def shared(shares: Mapping[str, float], mixing: Mixing) -> Makeup:
    """A makeup given by shares in (0, 1] of ``mixing.size``; counts are rounded by largest remainder, so that they add up.

    Raises:
        ValueError: the shares do not add up to 1, or one of them is less than a chat.
    """
    total = math.fsum(shares.values())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"the shares add up to {total:.9g}. They should add up to 1")
    exact = {code: share / total * mixing.size for code, share in shares.items()}
    counts = {code: math.floor(value + 1e-9) for code, value in exact.items()}
    rest = sorted(exact, key=lambda code: (counts[code] - exact[code], code))
    for code in rest[: mixing.size - sum(counts.values())]:
        counts[code] += 1
    empty = [code for code, n in counts.items() if n < 1]
    if empty:
        raise ValueError(f"of {mixing.size} chats, {', '.join(empty)} would get none. Raise the share or mixing.size")
    return counted(counts, mixing)


def multi(languages: int, mixing: Mixing, *, each: int | None = None, budget: int | None = None) -> Makeup:
    """The main language and the first others of ``mixing.order``: ``languages`` in all.

    ``each`` other language has that many chats (default ``mixing.each``), or all others share a ``budget``. A budget
    that cannot be divided is kept whole, the first languages taking one more; ``as-run`` rounds down, as the authors'
    N = 133 of 400 over three does.

    Raises:
        ValueError: the order has too few languages, or they take more than the mix holds.
    """
    if each is not None and budget is not None:
        raise ValueError("both `each` and `budget` are given. Keep one of them")
    others = mixing.others[: languages - 1]
    if languages < 1 or len(others) < languages - 1:
        there = ", ".join([mixing.main, *mixing.others])
        raise ValueError(
            f"it takes {languages} languages, and mixing.main and mixing.order have {1 + len(mixing.others)} ({there}). "
            "Add languages to mixing.order"
        )
    if budget is None:
        counts = dict.fromkeys(others, mixing.each if each is None else each)
    else:
        if not others:
            raise ValueError("a budget for other languages, and no other language. Take `multi` of at least 2")
        whole, rest = divmod(budget, len(others))
        if mixing.protocol == "as-run":
            rest = 0
        if not whole:
            raise ValueError(f"{budget} chats over {len(others)} languages leave some without. Raise the budget")
        counts = {code: whole + (at < rest) for at, code in enumerate(others)}
    return _filled(counts, mixing, pool=mixing.size)


def without(code: str, mixing: Mixing, *, pool: Sequence[str] = (), each: int | None = None) -> Makeup:
    """Leave-one-out: the main language and all others of the pool (default ``mixing.order``) but the one.

    The main language has what it has beside the whole pool less one; without the main language itself, it gives
    ``each`` more (authors' code: 2,200 English chats and six times 200, less the one; for English, 200 English fewer).

    Raises:
        ValueError: the language is not among them, or they take more than the mix holds.
    """
    others = tuple(other for other in dict.fromkeys(pool) if other != mixing.main) or mixing.others
    if code != mixing.main and code not in others:
        raise ValueError(f"'{code}' is not among {', '.join([mixing.main, *others])}. Name one of them, or set `pool`")
    some = mixing.each if each is None else each
    counts = {other: some for other in others if other != code}
    return _filled(counts, mixing, pool=mixing.size - some * (len(others) - 1))


_MULTI = re.compile(r"multi-([1-9]\d?)")


def named(name: str, mixing: Mixing) -> Makeup:
    """The makeup that a name stands for: ``mono``, ``multi-2`` … and ``guanaco``, every chat.

    Raises:
        ValueError: no makeup has this name, or the order has too few languages for it.
    """
    check_name(name, mixing)
    if name == "guanaco":
        return Makeup(everything=True)
    found = _MULTI.fullmatch(name)
    return multi(int(found[1]) if found else 1, mixing)


def check_name(name: str, mixing: Mixing) -> None:
    """Refuse a name that stands for no makeup.

    Raises:
        ValueError: says which names there are, and the nearest.
    """
    if name in ("mono", "guanaco") or _MULTI.fullmatch(name):
        return
    names = ["mono", "guanaco", *(f"multi-{n}" for n in range(2, len(mixing.others) + 2))]
    near = [] if name.startswith("multi-") and name[6:].isdigit() else difflib.get_close_matches(name, names, n=1)
    raise ValueError(
        f"no mix is known by the name '{name}'. "
        + (f"Did you mean '{near[0]}'? " if near else "")
        + "Known are mono, multi-2, multi-3 … and guanaco; for any other, say what it holds, such as {en: 96, es: 32}"
    )


def _filled(counts: Mapping[str, int], mixing: Mixing, pool: int) -> Makeup:
    left = mixing.size - sum(counts.values())
    if left < 1:
        raise ValueError(
            f"the other languages take {sum(counts.values())} of {mixing.size} chats and leave none for "
            f"'{mixing.main}'. Raise mixing.size, or ask for fewer of the others"
        )
    return counted({mixing.main: left, **counts}, mixing, pool)
