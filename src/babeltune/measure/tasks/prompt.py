"""Prompts as data: ``prompts/<task>/<language>.yaml``, loaded strictly.

The English wording follows the paper's Tables 4 to 6; every other language was written for this project.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

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
    fields, problems = _fields(task, language)
    prompt = _text(fields, "prompt", problems)
    prefix = _text(fields, "prefix", problems) if task in _PREFIXED else ""
    _placed(prompt, "prompt", PLACEHOLDERS[task], problems)
    _known(fields, ("prompt", "prefix") if task in _PREFIXED else ("prompt",), "", problems)
    _raise(task, language, problems)
    return Template(language, prompt, prefix)


@cache
def words(language: str, variant: Variant) -> Words:
    """XNLI's words in a language.

    Raises:
        ItemsError: as ``template``.
    """
    fields, problems = _fields("xnli", language)
    of = fields.get(variant)
    if not isinstance(of, dict):
        problems.append(Problem(variant, "is missing", f"Add it, with template, {', '.join(RELATIONS)}."))
        of = {}
    else:
        _known(of, ("template", *RELATIONS), f"{variant}.", problems)
        for name in RELATIONS:
            _text(of, name, problems, f"{variant}.")
        _placed(_text(of, "template", problems, f"{variant}."), f"{variant}.template", XNLI_PLACEHOLDERS, problems)
    _known(fields, get_args(Variant), "", problems)
    _raise("xnli", language, problems)
    return Words(language, of["template"], of["entailment"], of["neutral"], of["contradiction"])


class _Strict(yaml.SafeLoader):
    """YAML in which no key stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """As the safe loader's."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for at, key in enumerate(keys):
            if key in keys[:at]:
                raise yaml.YAMLError(f"'{key}' stands twice")
        return super().construct_mapping(node, deep)


def _fields(task: str, language: str) -> tuple[dict[str, Any], list[Problem]]:
    path = FOLDER / task / f"{language}.yaml"
    if not path.is_file():
        there = languages(task)
        near = "" if language in LANGUAGES else f" {suggest(language)}"
        what = f"{task} has no prompt in '{language}'"
        raise ItemsError(f"prompts of {task}", [Problem(task, what, f"It has: {', '.join(there)}.{near}")])
    problems: list[Problem] = []
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=_Strict)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problems.append(Problem("file", f"not YAML ({' '.join(str(error).split())})", "See en.yaml beside it."))
        _raise(task, language, problems)
    if not isinstance(loaded, dict):
        problems.append(Problem("file", "is no mapping of fields", "See en.yaml beside it."))
        _raise(task, language, problems)
    return loaded, problems


def _text(fields: Mapping[str, Any], name: str, problems: list[Problem], before: str = "") -> str:
    value = fields.get(name)
    if isinstance(value, str) and value.strip():
        return value
    fix = "Quote it; YAML reads a bare No as false."
    problems.append(Problem(f"{before}{name}", "is missing, empty or no text", fix))
    return ""


def _known(fields: Mapping[str, Any], known: Sequence[str], before: str, problems: list[Problem]) -> None:
    fix = f"Known here: {', '.join(known)}."
    problems += [Problem(f"{before}{name}", "unknown field", fix) for name in fields if name not in known]


def _placed(text: str, field: str, wanted: Sequence[str], problems: list[Problem]) -> None:
    found = re.findall(r"\{(\w*)\}", text)
    if text and sorted(found) != sorted(wanted):
        fix = f"It takes each of {', '.join('{' + name + '}' for name in wanted)} once."
        problems.append(Problem(field, f"has the placeholders {', '.join(found) or 'none'}", fix))


def _raise(task: str, language: str, problems: Sequence[Problem]) -> None:
    if problems:
        at = f"prompts/{task}/{language}.yaml"
        told = [Problem(f"{at}, {one.where}", one.what, one.fix) for one in problems]
        raise ItemsError(f"prompts of {task}", told)
