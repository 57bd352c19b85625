"""Mixes: which chats (paper, section 3.2), and the proof of what they promise.

As in the paper, each language has one order of its chats, fixed by the seed and the ids alone; a mix takes the first n
of it. So mixes of one seed nest by construction: the English part of ``multi-2`` is a part of that of ``mono``, and two
mixes with as many Spanish chats hold the same ones. Neither the order of the file nor that of the languages plays a role.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from babeltune.data.makeup import Makeup, Mixing
from babeltune.data.overlap import Overlap
from babeltune.errors import MixError
from babeltune.records import Chat


@dataclass(frozen=True, slots=True)
class Mix:
    """A named set of chats."""

    name: str
    chats: tuple[Chat, ...]
    everything: bool = False
    """Whether it took every chat of the source: of no set size, and of any confidence."""

    def ids(self, language: str) -> frozenset[str]:
        """Ids of the chats in one language."""
        return frozenset(chat.id for chat in self.chats if chat.language == language)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of the chats, sorted."""
        return tuple(sorted({chat.language for chat in self.chats if chat.language}))

    @property
    def content_hash(self) -> str:
        """SHA-256 over ids and turns, whatever the order of the chats: two mixes of one hash train the same."""
        rows = sorted(repr((chat.id, [(turn.role, turn.content) for turn in chat.turns])) for chat in self.chats)
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Claim:
    """One guarantee, and whether it was found to hold."""

    name: str
    holds: bool
    detail: str
    binding: bool = True
    """Whether a study stops where it does not hold."""


NO_TEST_PROMPT = "no test prompt in training"


def ranked(chats: Iterable[Chat], seed: int) -> list[Chat]:
    """Chats in the order in which mixes of this seed take them: by SHA-256 of seed and id, which knows no file order."""
    return sorted(chats, key=lambda chat: hashlib.sha256(f"{seed}\0{chat.id}".encode()).digest())


def sampled(chats: Sequence[Chat], n: int, seed: int) -> list[Chat]:
    """What ``pandas.DataFrame.sample(n, random_state=seed)`` draws from rows in this order, in the order drawn.

    That is the start of a permutation by numpy's legacy ``RandomState``, so that draws of one seed from the same rows
    nest (https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.sample.html).
    """
    return [chats[at] for at in np.random.RandomState(seed).permutation(len(chats))[:n]]


def shortages(counts: Mapping[str, int], available: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Language -> (asked, available) wherever a mix asks for more than there is."""
    return {code: (n, available.get(code, 0)) for code, n in counts.items() if n > available.get(code, 0)}


def build(name: str, makeup: Makeup, chats: Sequence[Chat], mixing: Mixing) -> Mix:
    """Draw a mix.

    ``chats``: all usable chats in the order of the source, which only ``as-run`` looks at; every chat of the source,
    usable or not, where the makeup takes everything. The mix holds the main language first and, as in the paper, is not
    shuffled: training is.

    Raises:
        MixError: where a language has too few chats.
    """
    if makeup.everything:
        if not chats:
            raise MixError(
                f"mix '{name}': there is no chat left for it. Give other chats, or set mixing.overlap: allow."
            )
        return Mix(name, tuple(chats), everything=True)
    groups: dict[str, list[Chat]] = {code: [] for code in makeup.counts}
    for chat in chats:
        if chat.language in groups:
            groups[chat.language].append(chat)
    short = shortages(makeup.counts, {code: len(group) for code, group in groups.items()})
    if short:
        words = "; ".join(f"{code}: {asked} asked, {there} usable" for code, (asked, there) in short.items())
        raise MixError(f"mix '{name}': too few chats ({words}). Lower the counts, lower the threshold or add chats.")
    picked: list[Chat] = []
    for code, n in makeup.counts.items():
        if mixing.protocol == "as-paper":
            picked += ranked(groups[code], mixing.seed)[:n]
        elif code == mixing.main:
            # The authors draw Mono from all English rows and each mix's English part from Mono.
            pool = sampled(groups[code], max(n, makeup.pool or 0), mixing.seed)
            picked += sampled(pool, n, mixing.seed)
        else:
            picked += sampled(groups[code], n, mixing.seed)
    return Mix(name, tuple(picked))


def prove(mixes: Sequence[Mix], threshold: float, mixing: Mixing, overlap: Overlap) -> list[Claim]:
    """Check what the mixes of a study promise; a claim that does not hold is reported, not raised.

    Mixes that take everything are held to no size, nesting or confidence. A draw ``as-run`` need not nest between
    makeups that the authors drew apart.
    """
    sized = [mix for mix in mixes if not mix.everything]
    sizes = {mix.name: len(mix.chats) for mix in mixes}
    counts = {len(mix.chats) for mix in sized}
    doubled = [mix.name for mix in mixes if len({chat.id for chat in mix.chats}) < len(mix.chats)]
    weak = sum((chat.confidence or 0.0) < threshold for mix in sized for chat in mix.chats)
    others = sorted({code for mix in sized for code in mix.languages} - {mixing.main})
    apart = _apart(sized, [mixing.main])
    unlike = _apart(sized, others)
    leaking = [chat.id for chat in {chat.id: chat for mix in mixes for chat in mix.chats}.values() if overlap.of(chat)]
    drawn = mixing.protocol == "as-paper"
    rest = "".join(f"; {mix.name} takes every chat" for mix in mixes if mix.everything)
    return [
        Claim("equal size", len(counts) <= 1, ", ".join(f"{n}: {size}" for n, size in sizes.items()), binding=False),
        Claim(
            f"'{mixing.main}' parts nest", not apart, ", ".join(apart) or "each within the next larger", binding=drawn
        ),
        Claim(
            "other languages' parts are the same chats",
            not unlike,
            ", ".join(unlike) or f"{', '.join(others) or 'none'}: identical where as many, else nested",
            binding=drawn,
        ),
        Claim("no chat twice in a mix", not doubled, ", ".join(doubled) or "every id once"),
        Claim(f"confidence of at least {threshold:g}", not weak, f"{weak} chats below{rest}"),
        Claim(
            NO_TEST_PROMPT,
            not leaking,
            f"{overlap.rule}: {len(leaking)} chats{_some(leaking)}",
            binding=mixing.overlap != "allow",
        ),
    ]


def _apart(mixes: Sequence[Mix], codes: Iterable[str]) -> list[str]:
    """Pairs of mixes of which neither part in a language lies within the other's."""
    return [
        f"{a.name}/{b.name}:{code}"
        for a, b in itertools.combinations(mixes, 2)
        for code in codes
        if not (a.ids(code) <= b.ids(code) or b.ids(code) <= a.ids(code))
    ]


def _some(ids: Sequence[str]) -> str:
    return f" ({', '.join(ids[:3])}{', …' if len(ids) > 3 else ''})" if ids else ""
