"""The nouns, as frozen records, and the three seams as protocols. Imports nothing of ours.

chat -> mix -> adapter -> request -> output -> score; a cell is one combination of all that was varied.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["user", "assistant"]
Prompting = Literal["xx:xx", "en:xx"]
"""Language of the instruction, then of the input: both the target language, or an English instruction (section 4)."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Chat:
    """One training conversation, turns alternating from the user's to the assistant's."""

    id: str
    turns: tuple[Turn, ...]
    language: str | None = None
    """ISO code, as the source declares it or, after labelling, as it was identified; None where neither is known."""
    confidence: float | None = None
    """Probability of ``language`` under the identifier, in [0, 1]; None before labelling."""

    @property
    def text(self) -> str:
        """All turns, one a line: what the identifier reads."""
        return "\n".join(turn.content for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Identified:
    """A detector's verdict on one text."""

    label: str | None
    """The detector's own label without prefix (``de``, ``deu_Latn``); None where it abstains."""
    probability: float
    """In [0, 1]; 0 where it abstains."""
    reason: str | None = None
    """Why it abstained."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One square of a study's grid."""

    model: str
    mix: str
    """Name of the mix; ``base`` is the model without an adapter."""
    tuning_seed: int
    task: str
    language: str
    prompting: Prompting
    seed: int
    """Seed of the sampling."""

    @property
    def name(self) -> str:
        """Readable, unique within a study, safe as a folder name."""
        tuned = self.mix if self.mix == "base" else f"{self.mix}-t{self.tuning_seed}"
        prompting = self.prompting.replace(":", "-")
        return f"{self.model}-{tuned}-{self.task}-{self.language}-{prompting}-s{self.seed}"


@dataclass(frozen=True, slots=True)
class Item:
    """One test instance of a task in one language."""

    id: str
    """The same id in two languages means a translation of the same instance; intervals resample ids."""
    language: str
    prompt: str
    """What the person asks, without any chat format; of an item that is ranked, what its candidates begin with."""
    references: tuple[str, ...] = ()
    """Right answers, of which any will do."""
    source: str = ""
    """What the prompt is about, in ``language``: the sentence to simplify, the question; empty where that is all."""
    prefix: str = ""
    """Start of the response that is forced, as it follows the prompt."""
    candidates: tuple[str, ...] = ()
    """Texts of which the model's likeliest is its answer; empty where it is to write one."""

    @property
    def subject(self) -> str:
        """What the item asks in its language: the source, or else the prompt."""
        return self.source or self.prompt


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn."""

    temperature: float = 0.8
    """Paper, section 4.1. 0 takes the most likely token."""
    top_p: float = 0.9
    """Probability mass of the nucleus, in (0, 1] (paper, section 4.1)."""
    max_tokens: int = 1024
    """Most new tokens of an output (authors' code; the paper does not say)."""
    stop: tuple[str, ...] = ()
    """An output ends before the first of these strings."""


@dataclass(frozen=True, slots=True)
class Request:
    """What goes into an engine."""

    id: str
    """Unique in its cell."""
    cell: str
    """Whose request it is: with ``id`` the name of the output. Requests of several cells may share a batch."""
    prompt: str
    """The exact string the model continues; of a chat, what the user says."""
    sampling: Sampling
    seed: int
    adapter: str | None = None
    """Folder of the adapter; None for the base model."""
    prefix: str = ""
    """Start of the response that is forced, not generated."""
    candidates: tuple[str, ...] = ()
    """Whole texts to be told how likely they are, each from an empty context; then there is nothing to complete."""
    schema: str = ""
    """JSON schema, as text, that the answer should satisfy. An engine that cannot hold an answer to it answers freely,
    so whoever reads the answer checks it."""
    system: str | None = None
    """None where ``prompt`` is continued as it stands. Else the request is a chat with a model that was taught to chat,
    in that model's own format: this system message (none where it is empty), then ``prompt`` as the user's."""


@dataclass(frozen=True, slots=True)
class Output:
    """What comes out of an engine for one request."""

    id: str
    cell: str
    text: str
    """Prefix and continuation, cut before the stop string, not stripped."""
    finish: Literal["eos", "stop", "length", "ranked", "refused", "failed", "unsent"]
    """How it ended. ``refused``: the server's filter would not have it, for good; ``failed``: no answer after all
    tries, which another run asks for again; ``unsent``: not asked, as the spending would have passed its cap."""
    tokens: int
    """Generated tokens, the end token not counted; of candidates, all that were scored."""
    loglikelihoods: tuple[float, ...] = ()
    """Of each candidate, summed over its tokens [nats]; ``text`` is empty then."""
    lengths: tuple[int, ...] = ()
    """Of each candidate, tokens summed over."""
    reason: str = ""
    """Why there is no answer, where there is none."""


@dataclass(frozen=True, slots=True)
class Score:
    """The verdict on one output."""

    item: str
    values: Mapping[str, float] = field(default_factory=dict)
    """Metric -> value; a metric that is missing here is unscored, never zero."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What the verdict rests on (identified languages, reasons), for the reader of the report."""
    unscored: Mapping[str, str] = field(default_factory=dict)
    """Metric -> why it has no value."""
    counts: tuple[int, ...] = ()
    """What a metric of the whole corpus sums over its items; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Metric:
    """How the scores of a cell's items become one number."""

    name: str
    top: float = 1.0
    """Its best value."""
    least: float = 0.0
    """Its worst; of one that has factors or a corpus 0."""
    factors: tuple[str, ...] = ()
    """Values of the items whose means are multiplied; the metric's own where there are none and no corpus."""
    corpus: Callable[[Any], Any] | None = None
    """Summed counts, shape (..., counts) -> value, shape (...); multiplied by the factors."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Values that an item must have to take part."""
        return self.factors or (() if self.corpus else (self.name,))


class Identifier(Protocol):
    """SEAM 1. Names the language of texts."""

    def identify(self, texts: Sequence[str]) -> list[Identified]:
        """One verdict a text, in order. Newlines are handled inside; text without letters is abstained on."""
        ...


class Engine(Protocol):
    """SEAM 2. Completes requests with a model, or says how likely it finds their candidates."""

    def complete(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Yield outputs as they finish, in any order.

        ``done`` holds the (cell, id) of outputs that are already kept. They are not yielded again, but an engine whose
        arithmetic depends on the batch forms its batches over all requests, so that a resumed run repeats the shapes,
        and with them the bytes, of an undisturbed one.
        """
        ...

    def loglikelihood(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Yield, in any order, how likely the candidates of each request are, every token scored from the first on.

        ``done`` as of ``complete``.

        Raises:
            EngineError: the engine cannot, as a chat server that gives no probabilities of a prompt.
        """
        ...


class Task(Protocol):
    """SEAM 3. One benchmark: items, prompt, score."""

    name: str
    metrics: tuple[Metric, ...]
    """What is reported of its scores, the main one first."""
    promptings: tuple[Prompting, ...]
    """Those that it has, ``xx:xx`` first."""
    ranks: bool
    """Whether its requests hold candidates, for ``Engine.loglikelihood``; else they are for ``Engine.complete``."""

    def items(self, language: str, prompting: Prompting) -> list[Item]:
        """The instances in one language, in a fixed order."""
        ...

    def request(self, item: Item) -> Request:
        """What to ask an engine; cell, seed and adapter are filled in by whoever asks."""
        ...

    def score(self, items: Sequence[Item], outputs: Sequence[Output]) -> list[Score]:
        """One verdict an item; ``outputs[i]`` answers ``items[i]``. Needs no model."""
        ...


HUMAN = "### Human:"
"""Marker of the person's turn (paper, section 3.3: Guanaco's own format)."""
ASSISTANT = "### Assistant:"
"""Marker of the model's turn."""
STOP = (HUMAN, ASSISTANT, "### Human", "### Assistant")
"""An answer ends where the model starts to write another turn (authors' code)."""


def chat_prompt(instruction: str) -> str:
    """The string that a model tuned on this format continues: no newline, no trailing space (Guanaco's format)."""
    return f"{HUMAN} {instruction}{ASSISTANT}"
