"""The spec: what a study file may say, as frozen models. ``studyfile`` reads it, ``check`` asks what it cannot know."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from babeltune.data.makeup import Mixing, Protocol
from babeltune.data.sources import Source
from babeltune.finetune.recipe import PRESETS, LoraRecipe
from babeltune.study.spec.fields import Count, Name, Seed, Spec, each_once
from babeltune.study.spec.findings import StatisticsSpec, VerdictSpec
from babeltune.study.spec.mixes import MixName, MixSpec, as_mixes
from babeltune.study.spec.served import JudgeSpec, PriceSpec, ServedSpec, TranslatorSpec
from babeltune.study.spec.tasks import SamplingSpec, TasksSpec

Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), each_once("seed", "Each names cells of its own; remove one")]


class ModelSpec(Spec):
    """A base model: ``smollm2-135m`` (bundled), a folder, or a hub id with the revision to pin."""

    id: Annotated[str, Field(min_length=1)]
    revision: str | None = None
    pretraining: str | None = None
    """What it saw of each language: ``llama2``, ``falcon`` or ``gpt3`` (the paper's Table 1), or a census's CSV."""
    parameters: Annotated[float, Field(ge=1e6)] | None = None
    """How many it has, such as 6.7e9: for the estimate of ``plan`` alone, while the model is not at hand. Not hashed."""

    @property
    def name(self) -> str:
        """Last part of the id: readable, used in folder names and figures."""
        path = Path(self.id).expanduser()
        return path.resolve().name if self.id.startswith((".", "~")) else path.name


def as_model(value: object) -> object:
    """A bare model id stands for ``{id: …}``."""
    return {"id": value} if isinstance(value, str) else value


class LabelSpec(Spec):
    """How chats get their language."""

    identifier: str = "lid176"
    """``lid176`` (bundled), ``openlid`` (the paper's), ``openlid-quantised``, or the path of a fastText model."""
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Least confidence of a usable chat (paper, Limitations)."""
    protocol: Protocol = "as-paper"
    """What the identifier reads: what was said, or (``as-run``) with the role marks that the authors' code leaves in."""


def as_source(value: object) -> object:
    """A bare name or path stands for ``{at: …}``."""
    return {"at": value} if isinstance(value, str) else value


def as_recipe(value: object) -> object:
    """A bare name stands for that preset; with ``preset`` in it, a recipe changes some of that one's settings."""
    given = {"preset": value} if isinstance(value, str) else value
    if not isinstance(given, dict) or "preset" not in given:
        return given
    preset = PRESETS.get(str(given["preset"]))
    if preset is None:
        raise ValueError(f"no preset '{given['preset']}'. There are {' and '.join(PRESETS)}")
    return {**dataclasses.asdict(preset), **{key: value for key, value in given.items() if key != "preset"}}


class ExecutionSpec(Spec):
    """Where and how fast it runs. Nothing here changes a fingerprint."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    batch_size: Count = 24
    """Requests a batch in generation."""
    batch_tokens: Count | None = None
    """Most tokens of a batch in generation, prompts and answers; halved where memory runs out. None: no limit."""
    micro_batch: Count | None = None
    """Chats a forward pass in tuning; the whole batch of the recipe where it is left out."""
    checkpoint_every: Count = 200
    """Updates between checkpoints of a tuning."""
    packing: Literal["auto", "on", "off"] = "auto"
    """Chats of an update in one row, each blind to the others, in place of padded rows; ``auto``: where that saves a
    tenth of the work or more and the attention keeps them apart."""
    attention: Literal["auto", "eager", "sdpa", "flex_attention", "flash_attention_2"] = "auto"
    """Kernel of the attention in tuning."""
    gradient_checkpointing: bool | None = None
    """Whether tuning computes activations again rather than keep them; on a GPU where it is left out."""
    processes: Count = 1
    """Data-parallel processes of a tuning, one a device."""
    sharding: Literal["none", "fsdp"] = "none"
    """Whether these share one base model between them: for models that one device cannot hold."""
    tensor_parallel: Count = 1
    """Devices that one vLLM engine spreads a model over."""
    gpu_memory: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of a device's memory that vLLM takes."""
    threads: Count | None = None
    """CPU threads; all cores where it is left out."""


class Study(Spec):
    """A grid of cells: every model under every mix, tuning seed, task, language and sampling seed."""

    study: Name
    models: Annotated[tuple[Annotated[ModelSpec, BeforeValidator(as_model)], ...], Field(min_length=1)]
    chats: Annotated[Source, BeforeValidator(as_source)]
    """``pocket`` (bundled), a file, a folder, or a hub data set with the revision to pin."""
    mixes: Annotated[dict[MixName, MixSpec], BeforeValidator(as_mixes), Field(min_length=1)]
    """Mix -> what it holds: nothing said (``mono``, ``multi-2`` …), counts, shares, or a family's member."""
    tasks: TasksSpec
    label: LabelSpec = LabelSpec()
    mixing: Mixing = Field(default_factory=Mixing)
    recipe: Annotated[LoraRecipe, BeforeValidator(as_recipe)] = Field(default_factory=LoraRecipe)
    """Of the tuning: ``as-paper``, ``as-run``, or settings, over those of a ``preset`` where one is named."""
    base: bool = True
    """Whether the untuned model is evaluated too."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Type of the base model's weights; it changes numbers, so it is hashed."""
    engine: Literal["transformers", "vllm"] = "transformers"
    """What generates. Each draws with random numbers of its own, so it is hashed."""
    tuning_seeds: Seeds = (0,)
    sampling: SamplingSpec = SamplingSpec()
    seeds: Seeds = (0,)
    """Seeds of the sampling."""
    judge: JudgeSpec | None = None
    """Scores the helpfulness of dialogue answers; without one only their language is scored."""
    translator: TranslatorSpec | None = None
    """Translates chats for mixes with ``translated``, and answers for a judge that reads them in English."""
    prices: dict[str, PriceSpec] = Field(default_factory=dict)
    """Model of judge or translator -> its price."""
    verdict: VerdictSpec = VerdictSpec()
    statistics: StatisticsSpec = StatisticsSpec()
    execution: ExecutionSpec = ExecutionSpec()

    @property
    def roles(self) -> dict[str, ServedSpec]:
        """``judge`` and ``translator``, as far as the study has them."""
        found = {"judge": self.judge, "translator": self.translator}
        return {name: spec for name, spec in found.items() if spec is not None}
