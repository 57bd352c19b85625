"""Cards: what a mix holds, by language, for whoever trusts, repeats or publishes it (paper, Table 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from babeltune.data.makeup import Mixing
from babeltune.data.mixes import Claim, Mix
from babeltune.languages import LANGUAGES
from babeltune.records import Chat

OTHER = "other"
"""Chats of a mix of everything in a language that is not in the table, or in none that could be told."""

Counter = Callable[[Sequence[str]], Sequence[int]]
"""Texts -> tokens of each."""


@dataclass(frozen=True, slots=True)
class Part:
    """The chats of a mix in one language. A text is that of the turns, a line each, without role markers."""

    language: str
    """ISO code, or ``other``."""
    chats: int
    turns: int
    characters: int
    """Unicode code points."""
    words: int | None
    """Between spaces; None for a language that is written without them, and for ``other``."""
    tokens: Mapping[str, int]
    """Tokenizer (name of its model) -> tokens."""

    def per_character(self, tokenizer: str) -> float:
        """Tokens per character."""
        return self.tokens[tokenizer] / self.characters

    def per_word(self, tokenizer: str) -> float | None:
        """Tokens per word, the usual fertility; None where words are not told by spaces."""
        return self.tokens[tokenizer] / self.words if self.words else None


@dataclass(frozen=True, slots=True)
class Card:
    """What a mix holds."""

    mix: str
    parts: tuple[Part, ...]
    """The main language first, ``other`` last."""
    main: str
    content_hash: str
    """SHA-256 over ids and turns, whatever their order."""

    @property
    def total(self) -> int:
        """Number of chats."""
        return sum(part.chats for part in self.parts)

    @property
    def others(self) -> float:
        """Share of chats in another language than the main one, in [0, 1]."""
        return 1 - sum(part.chats for part in self.parts if part.language == self.main) / self.total

    @property
    def languages(self) -> str:
        """The languages, as the paper's Table 3 lists them; counted where they are many."""
        codes = [part.language for part in self.parts]
        return ", ".join(codes) if len(codes) <= _MOST_LISTED else f"{', '.join(codes[:6])} and {len(codes) - 6} more"


_MOST_LISTED = 10


def card(mix: Mix, mixing: Mixing, tokenizers: Mapping[str, Counter]) -> Card:
    """Count a mix, language by language: the main one, those of ``mixing.order``, then the others by size."""
    first = (mixing.main, *mixing.order)
    groups: dict[str, list[Chat]] = {}
    for chat in mix.chats:
        groups.setdefault(chat.language or OTHER, []).append(chat)
    rank = {code: at for at, code in enumerate(first)}
    order = sorted(groups, key=lambda code: (code == OTHER, rank.get(code, len(rank)), -len(groups[code]), code))
    parts = tuple(_part(code, groups[code], tokenizers) for code in order)
    return Card(mix.name, parts, mixing.main, mix.content_hash)


def _part(code: str, chats: Sequence[Chat], tokenizers: Mapping[str, Counter]) -> Part:
    texts = [chat.text for chat in chats]
    spaced = code != OTHER and LANGUAGES[code].spaced
    return Part(
        code,
        len(chats),
        sum(len(chat.turns) for chat in chats),
        sum(map(len, texts)),
        sum(len(text.split()) for text in texts) if spaced else None,
        {name: sum(count(texts)) for name, count in tokenizers.items()},
    )


TABLE_3 = ("Dataset", "Languages", "% NE", "Total")
"""The columns of the paper's Table 3; NE is what is not in the main language."""


def table_3(cards: Sequence[Card]) -> list[list[str]]:
    """The paper's Table 3: one row a mix."""
    return [[one.mix, one.languages, f"{100 * one.others:.2f}%", f"{one.total:,}"] for one in cards]


def detail(one: Card) -> tuple[list[str], list[list[str]]]:
    """Header and rows: chats, characters, tokens and fertility of each language, and of all."""
    names = list(one.parts[0].tokens) if one.parts else []
    header = ["language", "chats", "turns", "characters", "words"]
    for name in names:
        header += [f"tokens ({name})", "per character", "per word"]
    rows = []
    for part in one.parts:
        row = [part.language, f"{part.chats:,}", f"{part.turns:,}", f"{part.characters:,}", _count(part.words)]
        for name in names:
            per_word = part.per_word(name)
            row += [
                f"{part.tokens[name]:,}",
                f"{part.per_character(name):.3f}",
                "-" if per_word is None else f"{per_word:.2f}",
            ]
        rows.append(row)
    whole = [
        "all",
        f"{one.total:,}",
        *(f"{sum(getattr(part, what) for part in one.parts):,}" for what in ("turns", "characters")),
        "",
    ]
    for name in names:
        whole += [f"{sum(part.tokens[name] for part in one.parts):,}", "", ""]
    return header, [*rows, whole]


def markdown(one: Card, about: Mapping[str, str], claims: Sequence[Claim]) -> str:
    """The card as a page: makeup, where it comes from, and what was checked."""
    header, rows = detail(one)
    lines = [f"# Mix {one.mix}", "", f"{one.total:,} chats; {100 * one.others:.2f} % not in '{one.main}'.", ""]
    lines += _table(header, rows)
    lines += ["", "## Where it comes from", ""]
    lines += [f"- {what}: {value}" for what, value in about.items()]
    lines += [f"- content hash: `{one.content_hash}`", "", "## What was checked", ""]
    lines += _table(
        ["guarantee", "holds", "detail"],
        [[claim.name, "yes" if claim.holds else "NO", claim.detail] for claim in claims],
    )
    return "\n".join(lines) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [list(header), ["---"] * len(header), *map(list, rows)]
    return [f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in line)} |" for line in lines]


def _count(n: int | None) -> str:
    return "-" if n is None else f"{n:,}"
