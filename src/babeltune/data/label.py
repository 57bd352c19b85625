"""A language for each chat, or the reason for dropping it (paper, sections 3.2 and 9: fastText, confidence of at least 0.8)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from babeltune.data.makeup import Protocol
from babeltune.data.overlap import Overlap
from babeltune.languages import code_of
from babeltune.records import ASSISTANT, Chat, Identifier

_BELOW = "confidence below"
HELD = "holds a test prompt"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A chat that only a mix of every chat uses."""

    chat: Chat
    """With the language that was identified, where it is in the table, and its probability."""
    reason: str

    @property
    def unsure(self) -> bool:
        """Whether a lower threshold would have kept it."""
        return self.reason.startswith(_BELOW)


@dataclass(frozen=True, slots=True)
class Labelled:
    """Chats with language and confidence, and those that were dropped, each in the order of the source."""

    chats: tuple[Chat, ...]
    dropped: tuple[Dropped, ...]

    def counts(self) -> dict[str, int]:
        """Usable chats per language, most first."""
        return dict(Counter(chat.language for chat in self.chats if chat.language).most_common())

    def reasons(self) -> dict[str, int]:
        """Dropped chats per reason, most first."""
        return dict(Counter(drop.reason for drop in self.dropped).most_common())


def fitting_threshold(n: int, code: str, labelled: Labelled) -> float | None:
    """The highest threshold, in steps of 0.01, under which ``n`` chats of a language would be usable; None without one."""
    sure = [chat.confidence or 0.0 for chat in labelled.chats if chat.language == code]
    sure += [drop.chat.confidence or 0.0 for drop in labelled.dropped if drop.unsure and drop.chat.language == code]
    if not 0 < n <= len(sure):
        return None
    least = sorted(sure, reverse=True)[n - 1]
    step = math.floor(least * 100 + 1e-6)
    return step / 100 if step / 100 <= least else (step - 1) / 100


def label(
    chats: Sequence[Chat],
    identifier: Identifier,
    threshold: float,
    protocol: Protocol = "as-paper",
    overlap: Overlap | None = None,
) -> Labelled:
    """Identify each whole chat; keep it where the confidence reaches the threshold and no declared language objects.

    ``threshold`` is in [0, 1]. The label is the identifier's; a chat that declares another language is dropped rather
    than trusted either way. The identifier reads what was said; ``as-run`` what the authors' code gives it, which takes
    the marker of the person's turn out of the text but leaves the model's in. Chats that hold a prompt of ``overlap`` are
    dropped too.
    """
    texts = [_as_run(chat) if protocol == "as-run" else chat.text for chat in chats]
    kept: list[Chat] = []
    dropped: list[Dropped] = []
    for chat, found in zip(chats, identifier.identify(texts), strict=True):
        code = code_of(found.label) if found.label else None
        seen = replace(chat, language=code, confidence=found.probability)
        if found.label is None:
            dropped.append(Dropped(seen, f"not identified: {found.reason}"))
        elif code is None:
            dropped.append(Dropped(seen, f"language '{found.label}' is not in the table"))
        elif chat.language is not None and chat.language != code:
            dropped.append(Dropped(seen, f"declared '{chat.language}', identified '{code}'"))
        elif overlap is not None and overlap.of(chat) is not None:
            dropped.append(Dropped(seen, HELD))
        elif found.probability < threshold:
            dropped.append(Dropped(seen, f"{_BELOW} {threshold:g}"))
        else:
            kept.append(seen)
    return Labelled(tuple(kept), tuple(dropped))


def _as_run(chat: Chat) -> str:
    said = {"user": " {}", "assistant": f"{ASSISTANT} {{}}"}
    return "".join(said[turn.role].format(turn.content) for turn in chat.turns)
