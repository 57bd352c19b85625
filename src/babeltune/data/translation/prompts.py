"""What a translator is asked, and its reply read (paper, appendix B, Figures 9 and 10).

The speakers' labels of a chat are written as ``<S1>`` and ``<S2>``, a turn a line, which the model is told to leave as
they are, and mapped back after. A chat in which one of them stands already gets ``<S3>`` and ``<S4>``, and so on, so
that whatever it says comes through.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from babeltune.data.makeup import Protocol
from babeltune.data.translation.check import Flag, likely
from babeltune.languages import LANGUAGES
from babeltune.records import Chat, Request, Role, Sampling

SYSTEM = "You are a helpful assistant."
"""System message of both prompts (Figures 9 and 10)."""
_RULES = (
    "Please ensure that your response contains only the translated text. The translation must convey the same meaning "
    "as the original and be natural for native speakers with correct grammar and proper word choices. Your translation "
    "must also use exact terminology to provide accurate information even for the experts in the related fields."
)
TEXT = (
    "Translate the following text into {language}. Keep the structure of the original text and preserve things like "
    f"code and names. {_RULES}\n\nOriginal:\n{{text}}\n\nTranslation into {{language}}:"
)
"""Prompt for a text (Figure 9)."""
CHAT = (
    "Translate the following conversation between a human and an AI assistant into {language}. Keep the structure of "
    "the original text and preserve things like code, names and role labels (e.g. {first}, {second}). "
    f"{_RULES}\n\nOriginal:\n{{text}}\n\nTranslation into {{language}}:"
)
"""Prompt for a chat (Figure 10)."""
SEED = 42
"""Of the first try (authors' code); each further try has the next."""
MAX_TOKENS = 4096
"""Most tokens of a translation: what the paper's translator, gpt-3.5-turbo, writes at most."""
AGAIN = 0.3
"""Temperature of further tries. The first has 0 (authors' code), at which a server that takes the likeliest token would
say the same again, whatever the seed."""
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class How:
    """How translations are asked for; all of it can change them."""

    protocol: Protocol = "as-paper"
    """``as-run`` puts a text, but no chat, into double quotes, as the authors' code does; the quotes that come back
    stay, as they do there (dialogue items are read without them)."""
    attempts: int = ATTEMPTS
    """Tries at most, the first among them; 1 or more."""
    max_tokens: int = MAX_TOKENS

    def sampling(self, attempt: int) -> Sampling:
        """Of the first try (0) or a further one."""
        return Sampling(temperature=AGAIN if attempt else 0.0, top_p=1.0, max_tokens=self.max_tokens)


@dataclass(frozen=True, slots=True)
class Original:
    """A text or a chat that is to be translated."""

    id: str
    turns: tuple[str, ...]
    """Of a chat; a text is one turn."""
    roles: tuple[Role, ...] = ()
    """Of the turns; none of a text."""
    language: str = "en"
    """ISO code, where the identifier is not sure of it."""


def original(chat: Chat, language: str = "en") -> Original:
    """A chat; ``language``: where it names none."""
    turns = tuple(turn.content for turn in chat.turns)
    return Original(chat.id, turns, tuple(turn.role for turn in chat.turns), chat.language or language)


def request(original: Original, language: str, how: How, *, purpose: str = "", attempt: int = 0) -> Request:
    """What is asked for a text (Figure 9) or a chat (Figure 10).

    Args:
        original: the text or chat.
        language: code of the language to translate into.
        how: how it is asked for.
        purpose: the request's cell, for people.
        attempt: 0 of the first try.
    """
    into = LANGUAGES[language].in_prompts
    if original.roles:
        label = labels(original.turns)
        text = written(original.turns, original.roles)
        prompt = CHAT.format(language=into, text=text, first=label["user"], second=label["assistant"])
    else:
        (text,) = original.turns
        prompt = TEXT.format(language=into, text=f'"{text}"' if how.protocol == "as-run" else text)
    return Request(original.id, purpose, prompt, how.sampling(attempt), SEED + attempt, system=SYSTEM)


def labels(turns: Sequence[str]) -> dict[Role, str]:
    """The labels of the two speakers: the first of ``<S1>``, ``<S2>``; ``<S3>``, ``<S4>`` … that stand in no turn."""
    said = "\n".join(turns).upper()
    for number in itertools.count(1, 2):
        first, second = f"<S{number}>", f"<S{number + 1}>"
        if first not in said and second not in said:
            return {"user": first, "assistant": second}
    raise AssertionError("a text is finite")


def written(turns: Sequence[str], roles: Sequence[Role]) -> str:
    """A chat with its labels, a turn a line."""
    label = labels(turns)
    return "\n".join(f"{label[role]} {said}" for role, said in zip(roles, turns, strict=True))


def read(reply: str, turns: Sequence[str], roles: Sequence[Role]) -> tuple[str, ...]:
    """The turns of a reply to a chat, white space round them taken off.

    Raises:
        MalformedReplyError: it does not begin with a label, has other labels than the original or in another order, or
            a turn is empty.
    """
    label = labels(turns)
    before, *parts = re.split(f"({'|'.join(map(re.escape, label.values()))})", reply)
    if before.strip():
        raise MalformedReplyError(Flag("roles", f"it begins with {before.strip()[:30]!r}, not with {label[roles[0]]}"))
    seen, said = parts[::2], [part.strip() for part in parts[1::2]]
    if len(said) != len(turns):
        raise MalformedReplyError(Flag("turns", f"{len(said)} turns, and the original has {len(turns)}"))
    for at, (mark, role) in enumerate(zip(seen, roles, strict=True), 1):
        if mark != label[role]:
            raise MalformedReplyError(Flag("roles", f"turn {at} has the label {mark}, and the original {label[role]}"))
    blank = [str(at) for at, one in enumerate(said, 1) if not one]
    if blank:
        raise MalformedReplyError(Flag("empty", f"turn {', '.join(blank)} of {len(said)} is empty"))
    return tuple(said)


class MalformedReplyError(ValueError):
    """A reply that cannot be read as the turns of its original."""

    def __init__(self, flag: Flag) -> None:
        super().__init__(f"{flag.kind}: {flag.detail}")
        self.flag = flag


@dataclass(frozen=True, slots=True)
class Expected:
    """Tokens of a request and of its reply, before it is sent: a rough figure for any tokenizer.

    Four bytes a token in the prompt, which is English for the most part; three in a reply in any other language, which
    lies between German and Russian (four) and Hindi (two to three).
    """

    prompt: int
    reply: int


_BYTES = {"Latn": 1.05, "Hans": 3.0, "Jpan": 3.0, "Hang": 2.5, "Deva": 2.6, "Thai": 2.9}
"""Bytes of a character in UTF-8, spaces and punctuation counted; of all other scripts 1.8."""


def expected(request: Request, length: int, language: str, source_language: str = "en") -> Expected:
    """What a request comes to. ``length``: characters of the text or chat that it is about."""
    asked = len((SYSTEM + request.prompt).encode())
    said = likely(length, source_language, language) * _BYTES.get(LANGUAGES[language].script, 1.8)
    return Expected(round(asked / 4), round(said / (4 if language == "en" else 3)))
