"""The spec: what a study file may say, as frozen models. ``studyfile`` reads it, ``check`` asks what it cannot know."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from babeltune.finetune.recipe import LoraRecipe
from babeltune.languages import LANGUAGES, suggest

BASE = "base"
"""Reserved mix name: the model without an adapter."""


def _language(code: str) -> str:
    if code not in LANGUAGES:
        raise ValueError(f"unknown language '{code}'. {suggest(code)}")
    return code


def _not_base(name: str) -> str:
    if name == BASE:
        raise ValueError(
            f"'{BASE}' names the untuned model. Give the mix another name; `base: true` evaluates the model"
        )
    return name


def _once(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("a seed stands twice. Each names cells of its own; remove one")
    return seeds


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Letters, digits, dot, dash, underscore: names become folder names."""
MixName = Annotated[Name, AfterValidator(_not_base)]
LanguageCode = Annotated[str, AfterValidator(_language)]
Count = Annotated[int, Field(ge=1)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=1), AfterValidator(_once)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class ModelSpec(_Model):
    """A base model: ``smollm2-135m`` (bundled), a folder, or a hub id with the revision to pin."""

    id: Annotated[str, Field(min_length=1)]
    revision: str | None = None

    @property
    def name(self) -> str:
        """Last part of the id: readable, used in folder names and figures."""
        path = Path(self.id).expanduser()
        return path.resolve().name if self.id.startswith((".", "~")) else path.name


def as_model(value: object) -> object:
    """A bare model id stands for ``{id: …}``."""
    return {"id": value} if isinstance(value, str) else value


class LabelSpec(_Model):
    """How chats get their language."""

    identifier: str = "lid176"
    """``lid176`` (bundled) or the path of a fastText model, such as OpenLID's, which the paper uses."""
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Least confidence of a usable chat (paper, Limitations)."""


class DialogueSpec(_Model):
    """Single-turn dialogue."""

    prompts: str = "pocket"
    """``pocket`` (bundled) or a folder of ``<language>.jsonl`` files with rows of id, split and prompt."""
    split: str = "test"
    languages: Annotated[tuple[LanguageCode, ...], Field(min_length=1)]


class TasksSpec(_Model):
    """The tasks to evaluate."""

    dialogue: DialogueSpec


class SamplingSpec(_Model):
    """How answers are sampled; defaults as in section 4.1 of the paper."""

    temperature: Annotated[float, Field(ge=0, le=5)] = 0.8
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.9
    max_tokens: Annotated[int, Field(ge=1)] = 1024


class VerdictSpec(_Model):
    """What counts as an answer to the study's question."""

    margin: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """A gain in agreement below this does not count."""
    in_kind: Annotated[float, Field(gt=0, le=1)] = 0.8
    """From this agreement on a language counts as answered in kind."""


class ExecutionSpec(_Model):
    """Where and how fast it runs. Nothing here changes a fingerprint."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    batch_size: Count = 24
    """Requests a batch in generation."""
    micro_batch: Count | None = None
    """Chats a forward pass in tuning; the whole batch of the recipe where it is left out."""
    checkpoint_every: Count = 200
    """Updates between checkpoints of a tuning."""
    threads: Count | None = None
    """CPU threads; all cores where it is left out."""


class Study(_Model):
    """A grid of cells: every model under every mix, tuning seed, task, language and sampling seed."""

    study: Name
    models: Annotated[tuple[Annotated[ModelSpec, BeforeValidator(as_model)], ...], Field(min_length=1)]
    chats: Annotated[str, Field(min_length=1)]
    """``pocket`` (bundled) or the path of a JSONL file."""
    mixes: Annotated[dict[MixName, Annotated[dict[LanguageCode, Count], Field(min_length=1)]], Field(min_length=1)]
    """Mix -> language -> number of chats."""
    tasks: TasksSpec
    label: LabelSpec = LabelSpec()
    mix_seed: Annotated[int, Field(ge=0)] = 42
    recipe: LoraRecipe = Field(default_factory=LoraRecipe)
    base: bool = True
    """Whether the untuned model is evaluated too."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Type of the base model's weights; it changes numbers, so it is hashed."""
    tuning_seeds: Seeds = (0,)
    sampling: SamplingSpec = SamplingSpec()
    seeds: Seeds = (0,)
    """Seeds of the sampling."""
    verdict: VerdictSpec = VerdictSpec()
    execution: ExecutionSpec = ExecutionSpec()
