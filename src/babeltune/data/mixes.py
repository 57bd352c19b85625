"""Mixes: which chats, how many in each language (paper, section 3.2).

Each language has one order of its chats, fixed by the seed and the ids alone; a mix takes the first n of it. So mixes
of one seed nest by construction: the English part of ``multi-2`` is a part of that of ``mono``, and two mixes with as
many Spanish chats hold the same ones. Neither the order of the file nor that of the languages plays a role.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from babeltune.errors import MixError
from babeltune.records import Chat


@dataclass(frozen=True, slots=True)
class Mix:
    """A named set of chats."""

    name: str
    chats: tuple[Chat, ...]

    def ids(self, language: str) -> frozenset[str]:
        """Ids of the chats in one language."""
        return frozenset(chat.id for chat in self.chats if chat.language == language)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of the chats, sorted."""
        return tuple(sorted({chat.language for chat in self.chats if chat.language}))


@dataclass(frozen=True, slots=True)
class Claim:
    """One guarantee, and whether it was found to hold."""

    name: str
    holds: bool
    detail: str


def ranked(chats: Iterable[Chat], seed: int) -> list[Chat]:
    """Chats in the order in which mixes of this seed take them: by SHA-256 of seed and id, which knows no file order."""
    return sorted(chats, key=lambda chat: hashlib.sha256(f"{seed}\0{chat.id}".encode()).digest())


def shortages(counts: Mapping[str, int], available: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Language -> (asked, available) wherever a mix asks for more than there is."""
    return {code: (n, available.get(code, 0)) for code, n in counts.items() if n > available.get(code, 0)}


def build(name: str, counts: Mapping[str, int], chats: Sequence[Chat], seed: int) -> Mix:
    """Take the first n chats of each language.

    ``counts``: ISO code -> number of chats. Languages follow each other in the order of their codes; training shuffles.

    Raises:
        MixError: where a language has too few chats.
    """
    available: dict[str, list[Chat]] = {}
    for chat in chats:
        available.setdefault(chat.language or "", []).append(chat)
    short = shortages(counts, {code: len(group) for code, group in available.items()})
    if short:
        words = "; ".join(f"{code}: {asked} asked, {there} usable" for code, (asked, there) in short.items())
        raise MixError(f"mix '{name}': too few chats ({words}). Lower the counts, lower the threshold or add chats.")
    picked = [chat for code in sorted(counts) for chat in ranked(available.get(code, []), seed)[: counts[code]]]
    return Mix(name, tuple(picked))


def prove(mixes: Sequence[Mix], threshold: float, test_prompts: Iterable[str]) -> list[Claim]:
    """Check what the mixes of a study promise; a claim that does not hold is reported, not raised.

    Equal size; English parts nested; other parts identical or nested; no id twice in a mix; every chat above the
    threshold; no test prompt among the instructions (compared without case and spacing).
    """
    sizes = {mix.name: len(mix.chats) for mix in mixes}
    doubled = [mix.name for mix in mixes if len({chat.id for chat in mix.chats}) < len(mix.chats)]
    weak = sum((chat.confidence or 0.0) < threshold for mix in mixes for chat in mix.chats)
    asked = {_folded(turn.content) for mix in mixes for chat in mix.chats for turn in chat.turns if turn.role == "user"}
    leaked = sorted({prompt for prompt in test_prompts if _folded(prompt) in asked})
    codes = sorted({code for mix in mixes for code in mix.languages})
    apart = [
        f"{a.name}/{b.name}:{code}"
        for a, b in itertools.combinations(mixes, 2)
        for code in codes
        if not (a.ids(code) <= b.ids(code) or b.ids(code) <= a.ids(code))
    ]
    return [
        Claim("equal size", len(set(sizes.values())) <= 1, ", ".join(f"{n}: {size}" for n, size in sizes.items())),
        Claim("parts of one language nest", not apart, f"{', '.join(codes)}; {', '.join(apart) or 'none apart'}"),
        Claim("no chat twice in a mix", not doubled, ", ".join(doubled) or "every id once"),
        Claim(f"confidence of at least {threshold:g}", not weak, f"{weak} chats below"),
        Claim("no test prompt in training", not leaked, ", ".join(leaked[:3]) or "none found"),
    ]


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
