"""Translation of prompts and chats by a model that is asked (paper, appendix B, Figures 9 and 10).

The speakers' labels of a chat are written as ``<S1>`` and ``<S2>``, a turn a line, which the model is told to leave as
they are, and mapped back after. A chat in which one of them stands already gets ``<S3>`` and ``<S4>``, and so on, so
that whatever it says comes through.

Each reply is held against its original (``data.audit``). One that does not pass is asked for again with the next seed;
one that never passes is kept out, with the reason.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from babeltune.data.audit import Checked, Flag, Row, State, check, likely
from babeltune.data.makeup import Protocol
from babeltune.languages import LANGUAGES
from babeltune.records import Chat, Engine, Identifier, Output, Request, Role, Sampling

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
    seed: int = SEED

    def sampling(self, attempt: int) -> Sampling:
        """Of the first try (0) or a further one."""
        return Sampling(temperature=AGAIN if attempt else 0.0, top_p=1.0, max_tokens=self.max_tokens)


@dataclass(frozen=True, slots=True)
class Translated:
    """What became of one text or chat."""

    row: Row
    """For the audit; its id and language are the translation's."""
    turns: tuple[str, ...] = ()
    """Of the translation, a text being one turn; empty unless it is good."""

    @property
    def good(self) -> bool:
        """Whether it can stand in for its original."""
        return self.row.state == "good"

    @property
    def text(self) -> str:
        """The translation of a text."""
        return self.turns[0]

    def chat(self, original: Chat) -> Chat:
        """The original with its turns translated. Its confidence is the identifier's; where that took the translation
        for a neighbour's language, 0.
        """
        checked = self.row.checked
        sure = checked.probability if checked.identified == self.row.language else 0.0
        turns = tuple(replace(turn, content=said) for turn, said in zip(original.turns, self.turns, strict=True))
        return Chat(original.id, turns, self.row.language, sure)


@dataclass(frozen=True, slots=True)
class _Original:
    id: str
    turns: tuple[str, ...]
    roles: tuple[Role, ...]
    """Of the turns; none of a text."""
    language: str


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


class MalformedReplyError(ValueError):
    """A reply that cannot be read as the turns of its original."""

    def __init__(self, flag: Flag) -> None:
        super().__init__(f"{flag.kind}: {flag.detail}")
        self.flag = flag


def translate_texts(
    texts: Mapping[str, str],
    language: str,
    engine: Engine,
    identifier: Identifier,
    how: How | None = None,
    *,
    purpose: str | None = None,
    source_language: str | Mapping[str, str] = "en",
    done: Container[str] = (),
) -> Iterator[Translated]:
    """Translate texts with Figure 9's prompt; yield each once, as it is finished, in any order.

    A text that is blank, or has no letter, has nothing to translate: it comes back as it is, without a call.

    Args:
        texts: id -> text.
        language: code of the language to translate into.
        engine: is asked; what it refuses, fails at or leaves unsent comes out in that state.
        identifier: holds each translation to its language.
        how: as the paper where it is left out.
        purpose: the requests' cell, for people; ``translate-<language>`` where it is left out.
        source_language: code of the texts' language, or of each, where the identifier is not sure of it.
        done: ids that are passed over.

    Raises:
        EngineError: as of ``engine``.
    """
    spoken = dict.fromkeys(texts, source_language) if isinstance(source_language, str) else source_language
    originals = (_Original(name, (text,), (), spoken[name]) for name, text in texts.items() if name not in done)
    return _translate(originals, language, engine, identifier, how or How(), purpose or f"translate-{language}")


def translate_chats(
    chats: Iterable[Chat],
    language: str,
    engine: Engine,
    identifier: Identifier,
    how: How | None = None,
    *,
    purpose: str | None = None,
    source_language: str = "en",
    done: Container[str] = (),
) -> Iterator[Translated]:
    """Translate chats with Figure 10's prompt; yield each once, as it is finished, in any order.

    Arguments and errors as of ``translate_texts``; ``source_language`` is of chats that name none.
    """
    originals = (
        _Original(
            chat.id,
            tuple(turn.content for turn in chat.turns),
            tuple(turn.role for turn in chat.turns),
            chat.language or source_language,
        )
        for chat in chats
        if chat.id not in done
    )
    return _translate(originals, language, engine, identifier, how or How(), purpose or f"translate-{language}")


def text_request(name: str, text: str, language: str, how: How, *, purpose: str, attempt: int = 0) -> Request:
    """What is asked for a text."""
    quoted = f'"{text}"' if how.protocol == "as-run" else text
    prompt = TEXT.format(language=LANGUAGES[language].in_prompts, text=quoted)
    return Request(name, purpose, prompt, how.sampling(attempt), how.seed + attempt, system=SYSTEM)


def chat_request(chat: Chat, language: str, how: How, *, purpose: str, attempt: int = 0) -> Request:
    """What is asked for a chat."""
    turns = [turn.content for turn in chat.turns]
    roles = [turn.role for turn in chat.turns]
    return _chat_request(chat.id, turns, roles, language, how, purpose, attempt)


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


def _chat_request(
    name: str, turns: Sequence[str], roles: Sequence[Role], language: str, how: How, purpose: str, attempt: int
) -> Request:
    label = labels(turns)
    prompt = CHAT.format(
        language=LANGUAGES[language].in_prompts,
        text=written(turns, roles),
        first=label["user"],
        second=label["assistant"],
    )
    return Request(name, purpose, prompt, how.sampling(attempt), how.seed + attempt, system=SYSTEM)


def _translate(
    originals: Iterable[_Original], language: str, engine: Engine, identifier: Identifier, how: How, purpose: str
) -> Iterator[Translated]:
    asked: dict[str, _Original] = {}
    for original in originals:
        if any(map(str.isalpha, "".join(original.turns))):
            asked[original.id] = original
        else:
            yield Translated(Row(original.id, language, "good", 0), original.turns)
    earlier: dict[str, tuple[str, ...]] = dict.fromkeys(asked, ())
    for attempt in range(how.attempts):
        last = attempt == how.attempts - 1
        again: dict[str, _Original] = {}
        requests = [_request(original, language, how, purpose, attempt) for original in asked.values()]
        for output in engine.complete(requests) if requests else ():
            original = asked[output.id]
            turns, state, checked = _judged(original, output, language, identifier)
            if state == "bad" and not last:
                again[output.id] = original
                earlier[output.id] += (", ".join(dict.fromkeys(flag.kind for flag in checked.flags)),)
                continue
            row = Row(output.id, language, state, attempt + 1, checked, earlier[output.id], output.reason)
            yield Translated(row, turns)
        asked = {name: again[name] for name in asked if name in again}


def _request(original: _Original, language: str, how: How, purpose: str, attempt: int) -> Request:
    if not original.roles:
        return text_request(original.id, original.turns[0], language, how, purpose=purpose, attempt=attempt)
    return _chat_request(original.id, original.turns, original.roles, language, how, purpose, attempt)


def _judged(
    original: _Original, output: Output, language: str, identifier: Identifier
) -> tuple[tuple[str, ...], State, Checked]:
    """The turns of a reply, none unless it is good; its state; and what was found in it."""
    if output.finish in ("refused", "failed", "unsent"):
        return (), output.finish, Checked()
    if output.finish == "length":
        return (), "bad", Checked((Flag("truncated", f"it ran into the limit of {output.tokens} tokens"),))
    try:
        turns = read(output.text, original.turns, original.roles) if original.roles else (output.text.strip(),)
    except MalformedReplyError as error:
        return (), "bad", Checked((error.flag,))
    checked = check(original.turns, turns, language, identifier, original.language)
    return ((), "bad", checked) if checked.flags else (turns, "good", checked)
