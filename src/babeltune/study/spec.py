"""The spec: what a study file may say, as frozen models. ``studyfile`` reads it, ``check`` asks what it cannot know."""

from __future__ import annotations

import dataclasses
import difflib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)

from babeltune.data import makeup
from babeltune.data.makeup import LanguageCode, Makeup, Mixing, Protocol
from babeltune.data.sources import Source
from babeltune.finetune.recipe import PRESETS, LoraRecipe
from babeltune.languages import LANGUAGES
from babeltune.measure.tasks.items import SEED as SAMPLE_SEED
from babeltune.measure.tasks.prompt import Variant
from babeltune.measure.tasks.simplification import SAMPLE
from babeltune.records import Prompting
from babeltune.study.findings import StatisticsSpec, VerdictSpec
from babeltune.study.served import JudgeSpec, PriceSpec, TranslatorSpec

BASE = "base"
"""Reserved mix name: the model without an adapter."""


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
Count = Annotated[int, Field(ge=1)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=1), AfterValidator(_once)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class ModelSpec(_Model):
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


class LabelSpec(_Model):
    """How chats get their language."""

    identifier: str = "lid176"
    """``lid176`` (bundled), ``openlid`` (the paper's), ``openlid-quantised``, or the path of a fastText model."""
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Least confidence of a usable chat (paper, Limitations)."""
    protocol: Protocol = "as-paper"
    """What the identifier reads: what was said, or (``as-run``) with the role marks that the authors' code leaves in."""


class MultiMix(_Model):
    """The main language and the first others of an order, such as ``{multi: 3, budget: 400}``."""

    multi: Annotated[int, Field(ge=1, le=99)]
    """Languages in all."""
    each: Count | None = None
    """Chats of each other language; ``mixing.each`` where neither this nor a budget is given."""
    budget: Count | None = None
    """Chats of all other languages together."""
    order: tuple[LanguageCode, ...] | None = None
    """In place of ``mixing.order``."""


class WithoutMix(_Model):
    """Leave-one-out, such as ``{without: es}``."""

    without: LanguageCode
    pool: tuple[LanguageCode, ...] = ()
    """The other languages; ``mixing.order`` where it is left out."""
    each: Count | None = None


class TwinMix(_Model):
    """The translated twin of a multi mix, such as ``{translated: 3}``: one mix's chats, some of them translated."""

    translated: Annotated[int, Field(ge=2, le=99)]
    """Languages in all."""
    each: Count | None = None
    """As of a multi mix; so is all that follows."""
    budget: Count | None = None
    order: tuple[LanguageCode, ...] | None = None
    of: MixName = "mono"
    """The mix whose chats are translated: all in ``mixing.main``."""


class AllMix(_Model):
    """Every chat of the source: ``{all: true}``."""

    all: Literal[True]


Share = Annotated[float, Field(gt=0, le=1)]
MIX_FORMS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("by name", "by counts", "by shares", "mistyped"), ()),
    "multi": tuple(MultiMix.model_fields),
    "without": tuple(WithoutMix.model_fields),
    "translated": tuple(TwinMix.model_fields),
    "all": tuple(AllMix.model_fields),
}
"""Form of a mix -> its fields."""


def _near(key: object) -> str | None:
    """The field of a form that a key comes near to, without being a language or a field itself."""
    names = [name for fields in MIX_FORMS.values() for name in fields]
    if not isinstance(key, str) or key in LANGUAGES or key in names:
        return None
    return next(iter(difflib.get_close_matches(key, names, n=1, cutoff=0.75)), None)


def _not_near(key: str) -> str:
    if near := _near(key):
        raise ValueError(f"unknown field. Did you mean '{near}'?")
    return key


def _form(value: object) -> str:
    """How a mix is given; whatever fits no form is taken for counts, which say what is wrong."""
    if value is None:
        return "by name"
    if isinstance(value, dict):
        for form in ("multi", "without", "translated", "all"):
            if form in value:
                return form
        if any(map(_near, value)):
            return "mistyped"
        if any(isinstance(share, float) for share in value.values()):
            return "by shares"
    return "by counts"


MixSpec = Annotated[
    Annotated[None, Tag("by name")]
    | Annotated[dict[LanguageCode, Count], Field(min_length=1), Tag("by counts")]
    | Annotated[dict[LanguageCode, Share], Field(min_length=1), Tag("by shares")]
    | Annotated[MultiMix, Tag("multi")]
    | Annotated[WithoutMix, Tag("without")]
    | Annotated[TwinMix, Tag("translated")]
    | Annotated[AllMix, Tag("all")]
    | Annotated[dict[Annotated[str, AfterValidator(_not_near)], object], Tag("mistyped")],
    Discriminator(_form),
]


def makeup_of(name: str, given: MixSpec, mixing: Mixing) -> Makeup:
    """What a mix of the study file is to hold.

    Raises:
        ValueError: it cannot be made so; says why and what to do.
    """
    match given:
        case None:
            return makeup.named(name, mixing)
        case MultiMix():
            inner = mixing if given.order is None else dataclasses.replace(mixing, order=given.order)
            return makeup.multi(given.multi, inner, each=given.each, budget=given.budget)
        case WithoutMix():
            return makeup.without(given.without, mixing, pool=given.pool, each=given.each)
        case TwinMix():
            inner = mixing if given.order is None else dataclasses.replace(mixing, order=given.order)
            made = makeup.multi(given.translated, inner, each=given.each, budget=given.budget)
            return dataclasses.replace(made, of=given.of)
        case AllMix():
            return Makeup(everything=True)
        case dict():
            numbers = {code: n for code, n in given.items() if isinstance(n, int | float)}
            if all(isinstance(n, int) for n in numbers.values()):
                return makeup.counted({code: int(n) for code, n in numbers.items()}, mixing)
            return makeup.shared(numbers, mixing)


def as_mixes(value: object) -> object:
    """A bare list names mixes that are known by their names."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return value
    twice = [name for at, name in enumerate(value) if name in value[:at]]
    if twice:
        raise ValueError(f"the mix '{twice[0]}' stands twice. Remove one")
    return dict.fromkeys(value)


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


class SamplingSpec(_Model):
    """How answers are sampled; defaults as in section 4.1 of the paper."""

    temperature: Annotated[float, Field(ge=0, le=5)] = 0.8
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.9
    max_tokens: Annotated[int, Field(ge=1)] = 1024


class TaskSamplingSpec(_Model):
    """What a task samples otherwise; what is left out is as the study has it."""

    temperature: Annotated[float, Field(ge=0, le=5)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Count | None = None

    def over(self, given: SamplingSpec) -> SamplingSpec:
        """The study's sampling with these in place of its own."""
        return given.model_copy(update=self.model_dump(exclude_none=True))


class QuestionSamplingSpec(TaskSamplingSpec):
    """Questions with one answer are all but decoded greedily (authors' code)."""

    temperature: Annotated[float, Field(ge=0, le=5)] | None = 0.001


def _each_once(promptings: tuple[Prompting, ...]) -> tuple[Prompting, ...]:
    if len(set(promptings)) < len(promptings):
        raise ValueError("a prompting stands twice. Remove one")
    return promptings


Promptings = Annotated[tuple[Prompting, ...], Field(min_length=1), AfterValidator(_each_once)]


class TaskSpec(_Model):
    """What every task has."""

    languages: Annotated[tuple[LanguageCode, ...], Field(min_length=1)]
    items: Annotated[str, Field(min_length=1)] = "pocket"
    """``pocket`` (bundled), ``hub`` (the task's own set, pinned), a folder, a file, or a hub id."""
    revision: str | None = None
    """Commit, branch or tag of a hub id."""
    sample: Count | None = None
    """So many items a language, drawn by ``sample_seed``; all where it is left out."""
    sample_seed: Annotated[int, Field(ge=0, lt=2**32)] = SAMPLE_SEED
    sampling: TaskSamplingSpec = TaskSamplingSpec()


class DialogueSpec(TaskSpec):
    """Single-turn dialogue."""

    split: str = "test"
    """Rows of another split are left out; rows without one stay."""
    protocol: Protocol = "as-paper"
    """``as-run`` keeps the quotes that machine translation left round prompts."""


class SimplificationSpec(TaskSpec):
    """Sentence simplification."""

    promptings: Promptings = ("xx:xx", "en:xx")
    sample: Count | None = SAMPLE
    protocol: Protocol = "as-paper"
    """``as-run`` draws as the authors' code does, with its white space round the model's marker."""


class XQuadSpec(TaskSpec):
    """Extractive question answering."""

    promptings: Promptings = ("xx:xx", "en:xx")
    sampling: QuestionSamplingSpec = QuestionSamplingSpec()


class XCsqaSpec(TaskSpec):
    """Commonsense questions with five choices."""

    protocol: Protocol = "as-paper"
    """``as-run`` has the authors' white space before the model's marker."""
    sampling: QuestionSamplingSpec = QuestionSamplingSpec()


class XnliSpec(_Model):
    """Natural language inference by rank classification: nothing is sampled."""

    languages: Annotated[tuple[LanguageCode, ...], Field(min_length=1)]
    items: Annotated[str, Field(min_length=1)] = "pocket"
    """As of the other tasks."""
    revision: str | None = None
    sample: Count | None = None
    sample_seed: Annotated[int, Field(ge=0, lt=2**32)] = SAMPLE_SEED
    words: Variant = "harness"
    """Those of lm-evaluation-harness, as the paper has, or ``corrected`` ones."""


class TasksSpec(_Model):
    """The tasks to evaluate, one or more."""

    dialogue: DialogueSpec | None = None
    simplification: SimplificationSpec | None = None
    xquad: XQuadSpec | None = None
    xcsqa: XCsqaSpec | None = None
    xnli: XnliSpec | None = None

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        if not self.asked:
            raise ValueError(f"no task. Name at least one of {', '.join(TasksSpec.model_fields)}")
        return self

    @property
    def asked(self) -> dict[str, AnyTaskSpec]:
        """Name -> spec of those that are asked for, in the order of the paper."""
        found = (self.dialogue, self.simplification, self.xquad, self.xcsqa, self.xnli)
        return {name: spec for name, spec in zip(TASK_SPECS, found, strict=True) if spec is not None}


AnyTaskSpec = DialogueSpec | SimplificationSpec | XQuadSpec | XCsqaSpec | XnliSpec
TASK_SPECS: dict[str, type[AnyTaskSpec]] = {
    "dialogue": DialogueSpec,
    "simplification": SimplificationSpec,
    "xquad": XQuadSpec,
    "xcsqa": XCsqaSpec,
    "xnli": XnliSpec,
}
"""Name of a task -> its spec."""


class ExecutionSpec(_Model):
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


class Study(_Model):
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
    prices: dict[str, PriceSpec] = {}
    """Model of judge or translator -> its price."""
    verdict: VerdictSpec = VerdictSpec()
    statistics: StatisticsSpec = StatisticsSpec()
    execution: ExecutionSpec = ExecutionSpec()
