"""Translated twins of a mix: the same chats, some of them in another language (paper, section 5.1; appendix B.2).

A native ``multi-3`` has other chats in place of some of Mono's; its twin has Mono's own, of which one block is
translated into the first other language and one into the second. Whatever the number of languages, all twins hold the
same ids. A block is a run of rows in one order of Mono's chats:

- ``as-paper``: the order of the draw. Blocks are taken from its end, the first language's last, so that what stays in
  English is the very part that the native mix of this makeup holds.
- ``as-run``: the authors' order. Of the draw's last rows, as many as all of ``mixing.order`` take (their 1,000), a
  sample of all by the same seed; blocks are taken from its start. The sets of appendix H, of which no code is public,
  are taken to be cut from the same 1,000 rows. What stays in English differs from the native mixes' part, which the
  authors draw once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from babeltune.data.makeup import Makeup, Mixing
from babeltune.data.mixes import Claim, Mix, sampled
from babeltune.data.overlap import Overlap
from babeltune.errors import MixError
from babeltune.records import Chat

MOST_LEFT = 0.05
"""Share of a block that may stay in the main language, as its translation was not good: ten chats of 200. With more, a
twin would differ from its native mix in the number of chats of a language, and no longer in their origin alone."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that are translated into one language, counted in the order of ``lined_up``."""

    language: str
    start: int
    """0-based."""
    count: int

    @property
    def end(self) -> int:
        """The first row after it."""
        return self.start + self.count


@dataclass(frozen=True, slots=True)
class Twin:
    """A mix, and what of it could not be translated."""

    mix: Mix
    left: Mapping[str, tuple[str, ...]]
    """Language of a block -> ids of its chats that stayed in the main language; languages without any are left out."""


def blocks(makeup: Makeup, mixing: Mixing) -> tuple[Block, ...]:
    """What a twin has translated, a block a language.

    Languages take their blocks in the order of ``mixing.order`` (``as-run``: in the makeup's own), any others after
    them by code; a makeup that lacks one of them leaves no gap.

    Raises:
        MixError: the makeup is not of ``mixing.size`` chats, or the blocks are more than the rows to take them from.
    """
    others = [code for code in makeup.counts if code != mixing.main]
    size = sum(makeup.counts.values())
    if makeup.everything or size != mixing.size:
        what = "every chat of the source" if makeup.everything else f"{size} chats"
        raise MixError(
            f"a translated twin has the chats of one mix of mixing.size = {mixing.size}, and this one holds {what}. "
            "Give it that many."
        )
    wanted = sum(makeup.counts[code] for code in others)
    if mixing.protocol == "as-run":
        there = _translatable(mixing)
        if wanted > there:
            raise MixError(
                f"{wanted} chats are to be translated, and as-run has {there}: mixing.each times the languages of "
                "mixing.order, the authors' 1,000. Ask for fewer, raise mixing.each, or take the protocol as-paper."
            )
        at = size - there
    else:
        order = {code: at for at, code in enumerate(mixing.others)}
        others.sort(key=lambda code: (order.get(code, len(order)), code))
        at = size
    found = []
    for code in others:
        count = makeup.counts[code]
        start = at if mixing.protocol == "as-run" else at - count
        at = start + count if mixing.protocol == "as-run" else start
        found.append(Block(code, start, count))
    return tuple(found)


def lined_up(mono: Sequence[Chat], mixing: Mixing) -> list[Chat]:
    """Mono's chats, which are given as ``mixes.build`` drew them, in the order in which blocks are counted.

    Raises:
        MixError: they are not ``mixing.size`` chats, each once and all in the main language.
    """
    foreign = sorted({str(chat.language) for chat in mono} - {mixing.main})
    twice = len(mono) - len({chat.id for chat in mono})
    if len(mono) != mixing.size or foreign or twice:
        seen = f"{len(mono)} chats" + (f" (also in {', '.join(foreign)})" if foreign else "")
        raise MixError(
            f"a translated twin is made of {mixing.size} chats in '{mixing.main}', and this mix holds {seen}"
            f"{f', {twice} of them twice' if twice else ''}. Name another mix with `of`."
        )
    if mixing.protocol == "as-paper":
        return list(mono)
    # The authors' Mono is sampled a second time: `build` gives pool[permutation], and blocks are cut from the pool.
    pool = list(mono)
    for at, chat in zip(np.random.RandomState(mixing.seed).permutation(len(mono)), mono, strict=True):
        pool[at] = chat
    there = _translatable(mixing)
    kept, translated = pool[: len(pool) - there], pool[len(pool) - there :]
    return kept + sampled(translated, there, mixing.seed)


def of_block(mono: Sequence[Chat], block: Block, mixing: Mixing) -> list[Chat]:
    """The chats of a block, still in the main language."""
    return lined_up(mono, mixing)[block.start : block.end]


def assemble(
    name: str,
    mono: Sequence[Chat],
    makeup: Makeup,
    mixing: Mixing,
    translated: Mapping[Block, Mapping[str, Chat]],
) -> Twin:
    """The twin: the main language first, then the blocks in the order of their languages, as native mixes are made.

    A chat whose translation is missing stays in the main language, so that every twin has the same ids.

    Args:
        name: of the mix.
        mono: as of ``lined_up``.
        makeup: how many chats of each language.
        mixing: of the study.
        translated: block -> id -> chat, for each of ``blocks``; chats that could not be translated are left out.

    Raises:
        MixError: a block is missing or has more missing than ``MOST_LEFT``, or a translation is of no chat of its block, of
            another language, or has other turns than its original.
    """
    rows = lined_up(mono, mixing)
    there = blocks(makeup, mixing)
    wrong: list[str] = []
    parts: list[Chat] = []
    left: dict[str, tuple[str, ...]] = {}
    inside: set[str] = set()
    for block in there:
        originals = rows[block.start : block.end]
        inside |= {chat.id for chat in originals}
        if block not in translated:
            wrong.append(f"no translation into '{block.language}' of rows {block.start} to {block.end - 1}")
            continue
        found = translated[block]
        wrong += _unlike(originals, found, block.language)
        missing = tuple(chat.id for chat in originals if chat.id not in found)
        if len(missing) > MOST_LEFT * block.count:
            wrong.append(
                f"{len(missing)} of {block.count} chats have no good translation into '{block.language}', more than "
                f"{MOST_LEFT:.0%}"
            )
        elif missing:
            left[block.language] = missing
        parts += [found.get(chat.id, chat) for chat in originals]
    if wrong:
        raise MixError(
            f"mix '{name}': {'; '.join(wrong)}. Translate them again, or with another model; the audit says what was "
            "wrong."
        )
    return Twin(Mix(name, tuple([chat for chat in rows if chat.id not in inside] + parts)), left)


def prove(mono: Mix, twins: Sequence[Twin], mixing: Mixing, overlap: Overlap) -> list[Claim]:
    """Check what twins promise beside their mix; a claim that does not hold is reported, not raised."""
    originals = {chat.id: chat for chat in mono.chats}
    strange, changed, turned = [], [], []
    for twin in twins:
        if {chat.id for chat in twin.mix.chats} != set(originals) or len(twin.mix.chats) != len(originals):
            strange.append(twin.mix.name)
            continue
        for chat in twin.mix.chats:
            original = originals[chat.id]
            if chat.language == mixing.main and chat != original:
                changed.append(f"{twin.mix.name}:{chat.id}")
            if [turn.role for turn in chat.turns] != [turn.role for turn in original.turns]:
                turned.append(f"{twin.mix.name}:{chat.id}")
    leaking = [
        chat.id for twin in twins for chat in twin.mix.chats if chat.language != mixing.main and overlap.of(chat)
    ]
    left = [f"{twin.mix.name} {len(ids)} of '{code}'" for twin in twins for code, ids in sorted(twin.left.items())]
    return [
        Claim(f"twins hold the chats of '{mono.name}'", not strange, _some(strange, "the same ids in each")),
        Claim(f"twins change no chat in '{mixing.main}'", not changed, _some(changed, "not a letter")),
        Claim("translations have their originals' turns", not turned, _some(turned, "as many, of the same roles")),
        Claim("every chat of a block is translated", not left, _some(left, "none left in its language"), binding=False),
        Claim(
            "no test prompt in translations",
            not leaking,
            f"{overlap.rule}: {_some(leaking, 'none')}",
            binding=mixing.overlap != "allow",
        ),
    ]  # fmt: skip


def _translatable(mixing: Mixing) -> int:
    """``as-run``: rows of which blocks are cut."""
    return min(mixing.size, mixing.each * len(mixing.others))


def _unlike(originals: Sequence[Chat], found: Mapping[str, Chat], language: str) -> list[str]:
    known = {chat.id: chat for chat in originals}
    wrong = [f"'{name}' is no chat of the block for '{language}'" for name in sorted(found.keys() - known.keys())]
    for name, chat in found.items():
        if name not in known:
            continue
        if chat.id != name or chat.language != language:
            wrong.append(f"in place of '{name}' in '{language}' there is '{chat.id}' in '{chat.language}'")
        elif [turn.role for turn in chat.turns] != [turn.role for turn in known[name].turns]:
            wrong.append(f"the translation of '{name}' into '{language}' has other turns")
    return wrong


def _some(found: Sequence[str], whole: str) -> str:
    return ", ".join(found[:3]) + (", …" if len(found) > 3 else "") if found else whole
