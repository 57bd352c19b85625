"""Prompts as data: ``prompts/<task>/<language>.yaml``, loaded strictly.

The English wording follows the paper's Tables 4 to 6; every other language was written for this project.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from babeltune.errors import ItemsError, Problem
from babeltune.languages import LANGUAGES, suggest
from babeltune.records import Prompting

FOLDER = Path(__file__).parent / "prompts"
PLACEHOLDERS: dict[str, tuple[str, ...]] = {
    "simplification": ("sentence",),
    "xquad": ("context", "question"),
    "xcsqa": ("question", "A", "B", "C", "D", "E"),
}
"""Task -> what is filled into its prompt."""
XNLI_PLACEHOLDERS = ("premise", "word", "hypothesis")
RELATIONS = ("entailment", "neutral", "contradiction")
"""XNLI's labels in the order of their numbers."""
Variant = Literal["harness", "corrected"]
_PREFIXED = ("xquad", "xcsqa")


@dataclass(frozen=True, slots=True)
class Template:
    """A task's instruction in one language."""

    language: str
    prompt: str
    """With placeholders in braces."""
    prefix: str = ""
    """Start of the response that is forced, without a space before it."""

    def filled(self, values: Mapping[str, str]) -> str:
        """The prompt with its placeholders filled; braces in the values stay as they are."""
        return filled(self.prompt, values)


@dataclass(frozen=True, slots=True)
class Words:
    """What XNLI's candidates say in one language (paper, Table 7)."""

    language: str
    template: str
    entailment: str
    neutral: str
    contradiction: str

    def candidates(self, premise: str, hypothesis: str) -> tuple[str, str, str]:
        """One text a relation, in the order of their numbers."""
        entailment, neutral, contradiction = (
            filled(self.template, {"premise": premise, "word": word, "hypothesis": hypothesis})
            for word in (self.entailment, self.neutral, self.contradiction)
        )
        return entailment, neutral, contradiction


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template with its placeholders filled, each once, by values that may hold braces themselves."""
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], template)


def languages(task: str) -> list[str]:
    """Codes of the languages that a task has prompts for, in the order of the language table."""
    there = {path.stem for path in (FOLDER / task).glob("*.yaml")}
    return [code for code in LANGUAGES if code in there]


def prompt_language(language: str, prompting: Prompting) -> str:
    """The language that the instruction is in (paper, section 4.2)."""
    return "en" if prompting == "en:xx" else language


@cache
def template(task: str, language: str) -> Template:
    """The instruction of a task in a language.

    Raises:
        ItemsError: the task has no prompt in it (lists those it has), or the file is not as it must be.
    """
    fields = _fields(task, language)
    wanted = ("prompt", "prefix") if task in _PREFIXED else ("prompt",)
    _checked(task, language, fields, wanted)
    found = Template(language, fields["prompt"], fields.get("prefix", ""))
    _placed(task, language, "prompt", found.prompt, PLACEHOLDERS[task])
    return found


@cache
def words(language: str, variant: Variant) -> Words:
    """XNLI's words in a language.

    Raises:
        ItemsError: as ``template``.
    """
    fields = _fields("xnli", language)
    of = fields.get(variant)
    if not isinstance(of, dict):
        raise _wrong("xnli", language, variant, "is missing", f"Add it, with template, {', '.join(RELATIONS)}.")
    _checked("xnli", language, of, ("template", *RELATIONS))
    _placed("xnli", language, f"{variant}.template", of["template"], XNLI_PLACEHOLDERS)
    return Words(language, of["template"], of["entailment"], of["neutral"], of["contradiction"])


def _fields(task: str, language: str) -> dict[str, Any]:
    path = FOLDER / task / f"{language}.yaml"
    if not path.is_file():
        there = languages(task)
        near = "" if language in LANGUAGES else f" {suggest(language)}"
        what = f"{task} has no prompt in '{language}'"
        raise ItemsError(f"prompts of {task}", [Problem(task, what, f"It has: {', '.join(there)}.{near}")])
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(loaded, dict):
        raise _wrong(task, language, "file", "is no mapping of fields", "See en.yaml beside it.")
    return loaded


def _checked(task: str, language: str, fields: Mapping[str, object], wanted: tuple[str, ...]) -> None:
    for name in wanted:
        value = fields.get(name)
        if not isinstance(value, str) or not value.strip():
            raise _wrong(
                task, language, name, "is missing, empty or no text", "Quote it; YAML reads a bare No as false."
            )
    for name in fields:
        if name not in wanted:
            raise _wrong(task, language, str(name), "unknown field", f"Known here: {', '.join(wanted)}.")


def _placed(task: str, language: str, field: str, text: str, wanted: tuple[str, ...]) -> None:
    found = re.findall(r"\{(\w*)\}", text)
    if sorted(found) != sorted(wanted):
        fix = f"It takes each of {', '.join('{' + name + '}' for name in wanted)} once."
        raise _wrong(task, language, field, f"has the placeholders {', '.join(found) or 'none'}", fix)


def _wrong(task: str, language: str, field: str, what: str, fix: str) -> ItemsError:
    return ItemsError(f"prompts of {task}", [Problem(f"prompts/{task}/{language}.yaml, {field}", what, fix)])
