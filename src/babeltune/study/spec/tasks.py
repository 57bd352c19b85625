"""Tasks as a study file gives them, and how their answers are sampled."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from babeltune.data.makeup import LanguageCode, Protocol
from babeltune.measure.tasks.items import SEED
from babeltune.measure.tasks.prompt import Variant
from babeltune.measure.tasks.simplification import SAMPLE
from babeltune.records import Prompting
from babeltune.study.spec.fields import Count, Seed, Spec, each_once


class SamplingSpec(Spec):
    """How answers are sampled; defaults as in section 4.1 of the paper."""

    temperature: Annotated[float, Field(ge=0, le=5)] = 0.8
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.9
    max_tokens: Count = 1024


class TaskSamplingSpec(Spec):
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


Promptings = Annotated[tuple[Prompting, ...], Field(min_length=1), each_once("prompting")]


class TaskSpec(Spec):
    """What every task has."""

    languages: Annotated[tuple[LanguageCode, ...], Field(min_length=1)]
    items: Annotated[str, Field(min_length=1)] = "pocket"
    """``pocket`` (bundled), ``hub`` (the task's own set, pinned), a folder, a file, or a hub id."""
    revision: str | None = None
    """Commit, branch or tag of a hub id."""
    sample: Count | None = None
    """So many items a language, drawn by ``sample_seed``; all where it is left out."""
    sample_seed: Seed = SEED


class WrittenSpec(TaskSpec):
    """What every task has whose answers are written."""

    sampling: TaskSamplingSpec = TaskSamplingSpec()


class DialogueSpec(WrittenSpec):
    """Single-turn dialogue."""

    split: str = "test"
    """Rows of another split are left out; rows without one stay."""
    protocol: Protocol = "as-paper"
    """``as-run`` keeps the quotes that machine translation left round prompts."""


class SimplificationSpec(WrittenSpec):
    """Sentence simplification."""

    promptings: Promptings = ("xx:xx", "en:xx")
    sample: Count | None = SAMPLE
    protocol: Protocol = "as-paper"
    """``as-run`` draws as the authors' code does, with its white space round the model's marker."""


class XQuadSpec(WrittenSpec):
    """Extractive question answering."""

    promptings: Promptings = ("xx:xx", "en:xx")
    sampling: QuestionSamplingSpec = QuestionSamplingSpec()


class XCsqaSpec(WrittenSpec):
    """Commonsense questions with five choices."""

    protocol: Protocol = "as-paper"
    """``as-run`` has the authors' white space before the model's marker."""
    sampling: QuestionSamplingSpec = QuestionSamplingSpec()


class XnliSpec(TaskSpec):
    """Natural language inference by rank classification: nothing is sampled."""

    words: Variant = "harness"
    """Those of lm-evaluation-harness, as the paper has, or ``corrected`` ones."""


class TasksSpec(Spec):
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
