"""Judge and translator as a study file names them: models that are asked rather than studied."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from babeltune.data.makeup import Protocol
from babeltune.data.translation.prompts import How
from babeltune.measure.tasks.items import SEED
from babeltune.study.spec.fields import Count, Seed, Spec, each_once

JUDGED = 300
"""Judged items of a language (paper, section 4.1)."""
Reading = Literal["direct", "translated"]
"""What a judge reads of an answer: itself, or its English translation (paper, appendix E)."""


_KEY = re.compile(r"(sk|hf|gsk|xai|nvapi)[-_]\S{16,}")
"""How the keys of well-known servers begin."""


def _without_key(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise ValueError(f"is no address ({error}). Write one such as http://localhost:8000/v1") from error
    if "@" in address or parts.query:  # a key with a slash in it ends the part in which a password is looked for
        raise ValueError(
            "holds a name, a password or a query, and would be written into the study's records. Leave them out, and"
            " name the environment variable that holds the key (key_variable)"
        )
    return address


def _no_key(name: str) -> str:
    if _KEY.fullmatch(name):
        raise ValueError(
            "looks like a key itself, where the name of the environment variable that holds it belongs. Name the"
            " variable, and take another key: this one has stood in a file"
        )
    return name


class ServedSpec(Spec):
    """A model that is asked, on a server or here. What changes its answers is hashed: model, engine and protocol."""

    model: Annotated[str, Field(min_length=1)]
    """The server's name of it; of a local engine ``smollm2-135m`` (bundled), a folder or a hub id."""
    engine: Literal["endpoint", "transformers", "vllm"] = "endpoint"
    """``endpoint`` is any server that speaks OpenAI's protocol."""
    revision: str | None = None
    """Of a hub id, where the engine is local."""
    protocol: Protocol = "as-paper"
    attempts: Count = 3
    """So often is the same thing asked, each time with the next seed, until the reply can be used."""
    max_tokens: Count = 1024
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$"), AfterValidator(_without_key)] = (
        "https://api.openai.com/v1"
    )
    key_variable: Annotated[str, AfterValidator(_no_key), StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = (
        "OPENAI_API_KEY"
    )
    """Environment variable that holds the key; a server on this machine needs none."""
    concurrency: Count = 10
    """Requests under way at a time (the authors' ten)."""
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    timeout: Annotated[float, Field(gt=0)] = 90.0
    """Seconds for one try (the authors' ninety)."""
    tries: Count = 6
    """Of one request, where the server is busy, fails or breaks off."""
    batch_files: bool = False
    """The provider's batch-file mode: half the price, an answer within a day."""

    @model_validator(mode="after")
    def _served(self) -> Self:
        if self.engine != "endpoint":
            given = sorted(self.model_fields_set & _OF_SERVERS)
            if given:
                raise ValueError(f"`{given[0]}` is of servers, and the engine is {self.engine}. Leave it out")
        elif self.revision is not None:
            raise ValueError("`revision` is of models that run here, and the engine is endpoint. Leave it out")
        return self

    @property
    def identity(self) -> dict[str, object]:
        """What its answers hang on: hashed."""
        return {"engine": self.engine, "model": self.model, "revision": self.revision, "max_tokens": self.max_tokens,
                "protocol": self.protocol, "attempts": self.attempts}  # fmt: skip


_OF_SERVERS = frozenset(
    ("base_url", "key_variable", "concurrency", "requests_per_minute", "tokens_per_minute", "timeout", "tries",
     "batch_files")
)  # fmt: skip


class JudgeSpec(ServedSpec):
    """Who scores the helpfulness of dialogue answers (paper, section 4.1)."""

    sample: Count | None = JUDGED
    """So many items of each language, the same ones everywhere; all for null."""
    sample_seed: Seed = SEED
    readings: Annotated[tuple[Reading, ...], Field(min_length=1), each_once("reading")] = ("direct",)
    off_language: Literal["ask", "skip"] = "skip"
    """Whether the judge is asked of answers that either rule forces to 1 anyway; skipping them saves their price."""

    @property
    def drawn(self) -> list[int | None]:
        """Which items are judged: hashed."""
        return [self.sample, self.sample_seed]


class TranslatorSpec(ServedSpec):
    """Who translates chats, and answers for the judge (paper, sections 4.1 and 5.1)."""

    @property
    def how(self) -> How:
        """How it is asked."""
        return How(self.protocol, self.attempts, self.max_tokens)


class PriceSpec(Spec):
    """Price of a model [US dollars per million tokens]."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]
    cached_input: Annotated[float, Field(ge=0)] | None = None
    """Of prompt tokens that the server had in its cache; as others where left out."""
    batch: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Factor in batch-file mode."""
