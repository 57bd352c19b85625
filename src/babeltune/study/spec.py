"""The study file: YAML -> frozen models, with every structural problem listed at once, each with field and line.

What needs more than the file itself (does the model exist, are there enough chats) is asked in ``check``.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from babeltune.errors import Problem, StudyError
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


@dataclass(frozen=True)
class Parsed:
    """A study file as far as it could be read."""

    path: Path
    raw: Mapping[str, Any]
    lines: Mapping[tuple[str | int, ...], int]
    """Path of keys and indices -> 1-based line."""
    problems: tuple[Problem, ...]
    study: Study | None
    """None where there are problems."""

    def line(self, *place: str | int) -> int | None:
        """Line of the nearest enclosing field that stands in the file."""
        for end in range(len(place), 0, -1):
            if place[:end] in self.lines:
                return self.lines[place[:end]]
        return None


def parse(path: Path) -> Parsed:
    """Read a study file.

    Raises:
        StudyError: only where there is nothing to go on with: no file, no YAML, no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise StudyError(
            str(path),
            [
                Problem(
                    str(path),
                    f"cannot be read ({reason})",
                    "Give the path of a study file, such as studies/pocket.yaml.",
                )
            ],
        ) from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2026-13-01
        mark = getattr(error, "problem_mark", None)
        what = f"not YAML ({getattr(error, 'problem', None) or error})"
        raise StudyError(
            str(path), [Problem("syntax", what, "Mend it and run again.", mark.line + 1 if mark else None)]
        ) from error
    if not isinstance(raw, dict) or node is None:
        raise StudyError(
            str(path), [Problem("file", "is not a mapping of fields", "See studies/pocket.yaml for one that is.")]
        )
    lines: dict[tuple[str | int, ...], int] = {}
    problems: list[Problem] = []
    try:
        _walk(node, (), lines, problems)
    except RecursionError as error:
        raise StudyError(str(path), [Problem("syntax", "an anchor holds itself", "Write it out.")]) from error
    study = None
    try:
        study = Study.model_validate(raw)
    except ValidationError as error:
        found = Parsed(path, raw, lines, (), None)
        problems += [_problem(details, found) for details in error.errors() if not _echo(details)]
    return Parsed(path, raw, lines, tuple(problems), None if problems else study)


def _walk(
    node: yaml.Node, place: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int], problems: list[Problem]
) -> None:
    """Note the line of every field; a key that stands twice is a problem, which YAML itself lets pass."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            # `no` is Norwegian, but YAML 1.1 reads it as false: it must be quoted, and we say so.
            if key.tag == "tag:yaml.org,2002:bool":
                problems.append(
                    Problem(
                        _dotted((*place, key.value)),
                        f"YAML reads a bare `{key.value}` as {str(yaml.SafeLoader.bool_values[key.value.lower()]).lower()}",
                        f'Write "{key.value}" in quotes.',
                        key.start_mark.line + 1,
                    )
                )
            inner = (*place, key.value)
            if inner in lines:
                problems.append(
                    Problem(
                        _dotted(inner),
                        f"stands twice (first in line {lines[inner]})",
                        "Remove one.",
                        key.start_mark.line + 1,
                    )
                )
                for old in [known for known in lines if known[: len(inner)] == inner]:
                    del lines[old]  # of the first; the second may hold the same keys
            lines[inner] = key.start_mark.line + 1
            _walk(value, inner, lines, problems)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*place, index)] = value.start_mark.line + 1
            _walk(value, (*place, index), lines, problems)


def _dotted(place: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def _echo(details: ErrorDetails) -> bool:
    """Whether pydantic only repeats what is listed already: a key that is no text, a list left empty by its entries."""
    bare = isinstance(details["input"], bool) and (details["type"] == "invalid_key" or details["loc"][-1] == "[key]")
    return bare or (details["type"] == "too_short" and len(details["input"]) > 0)


def _problem(details: ErrorDetails, parsed: Parsed) -> Problem:
    place = tuple(part for part in details["loc"] if part != "[key]")
    where, line = _dotted(place), parsed.line(*place)
    kind, seen = details["type"], details["input"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        known = _fields(place[:-1])
        near = difflib.get_close_matches(str(place[-1]), known, n=1)
        return Problem(
            where, "unknown field", f"Did you mean '{near[0]}'?" if near else f"Known here: {', '.join(known)}.", line
        )
    if kind == "missing":
        return Problem(where, "is missing", "Add it; see studies/pocket.yaml for an example.", line)
    if kind == "value_error":
        what, _, fix = str(details["ctx"]["error"]).partition(". ")
        return Problem(where, what, f"{fix.rstrip('.')}." if fix and not fix.endswith("?") else fix, line)
    if isinstance(seen, bool) and "languages" in place:
        return Problem(where, "YAML reads a bare `no` as false", 'Write "no" in quotes.', line)
    if kind == "string_pattern_mismatch":
        return Problem(where, f"{seen!r} cannot be a name", "Use letters, digits, '.', '-' and '_', at most 64.", line)
    fix = details["msg"].replace("Input should", "It should").replace("valid tuple", "list").replace("Tuple", "It")
    return Problem(where, f"{seen!r} is not allowed", f"{fix}.", line)


def _fields(place: tuple[str | int, ...]) -> list[str]:
    """Names of the fields that may stand at a place."""
    nested: dict[tuple[str | int, ...], list[str]] = {
        ("label",): list(LabelSpec.model_fields),
        ("tasks",): list(TasksSpec.model_fields),
        ("tasks", "dialogue"): list(DialogueSpec.model_fields),
        ("sampling",): list(SamplingSpec.model_fields),
        ("verdict",): list(VerdictSpec.model_fields),
        ("execution",): list(ExecutionSpec.model_fields),
        ("recipe",): list(LoraRecipe.__dataclass_fields__),
    }
    if place[:1] == ("models",):
        return list(ModelSpec.model_fields)
    return nested.get(place, list(Study.model_fields))
