"""A language for each chat, or the reason for dropping it (paper, sections 3.2 and 9: fastText, confidence of at least 0.8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from babeltune.languages import code_of
from babeltune.records import Chat, Identifier


@dataclass(frozen=True, slots=True)
class Dropped:
    """A chat that no mix may use."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """Chats with language and confidence, and those without, in the order of the source."""

    chats: tuple[Chat, ...]
    dropped: tuple[Dropped, ...]

    def counts(self) -> dict[str, int]:
        """Usable chats per language, most first."""
        return dict(Counter(chat.language for chat in self.chats if chat.language).most_common())

    def reasons(self) -> dict[str, int]:
        """Dropped chats per reason, most first."""
        return dict(Counter(drop.reason for drop in self.dropped).most_common())


def label(chats: Sequence[Chat], identifier: Identifier, threshold: float) -> Labelled:
    """Identify each whole chat; keep it where the confidence reaches the threshold and no declared language objects.

    ``threshold`` is in [0, 1]. The label is the identifier's; a chat that declares another language is dropped rather
    than trusted either way.
    """
    kept: list[Chat] = []
    dropped: list[Dropped] = []
    for chat, found in zip(chats, identifier.identify([chat.text for chat in chats]), strict=True):
        code = code_of(found.label) if found.label else None
        if found.label is None:
            dropped.append(Dropped(chat.id, f"not identified: {found.reason}"))
        elif found.probability < threshold:
            dropped.append(Dropped(chat.id, f"confidence below {threshold:g}"))
        elif code is None:
            dropped.append(Dropped(chat.id, f"language '{found.label}' is not in the table"))
        elif chat.language is not None and chat.language != code:
            dropped.append(Dropped(chat.id, f"declared '{chat.language}', identified '{code}'"))
        else:
            kept.append(replace(chat, language=code, confidence=found.probability))
    return Labelled(tuple(kept), tuple(dropped))
