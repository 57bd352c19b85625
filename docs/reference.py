"""Writes two pages of the docs from the code: the command line, and what a study file may say.

    python docs/reference.py            # writes docs/commands.md and docs/study-file.md; `make reference`

A test holds the pages to the code (tests/test_docs.py).
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import itertools
import re
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import typer
from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from babeltune import errors
from babeltune.cli import application
from babeltune.languages import known
from babeltune.study.spec import study

DOCS = Path(__file__).parent
_WRITTEN = "<!-- Written by docs/reference.py from the code; `make reference` writes it again. -->"
_WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false", Path: "path", object: "anything"}


def commands() -> str:
    """The page of the command line: every verb with its help, arguments and options."""
    verbs = typer.main.get_command(application()).commands  # type: ignore[attr-defined]
    lines = [_WRITTEN, "# The command line", "", *_paragraphs(application().info.help), ""]
    lines += ["The same text is in `babeltune VERB --help`.", ""]
    lines += ["| | |", "|---|---|"]
    lines += [f"| [`{name}`](#{name}) | {_paragraphs(verb.help)[0]} |" for name, verb in verbs.items()]
    for name, verb in verbs.items():
        arguments = [one for one in verb.params if not one.opts[0].startswith("-")]
        options = [one for one in verb.params if one.opts[0].startswith("-") and one.name != "help"]
        usage = " ".join(["babeltune", name, *map(_shown, arguments), *(["[OPTIONS]"] if options else [])])
        lines += ["", f"## {name}", "", f"    {usage}", ""]
        lines += [line for paragraph in _paragraphs(verb.help) for line in (paragraph, "")]
        lines += ["| | |", "|---|---|"]
        lines += [f"| {_named(one)} | {_cell(one.help)}{_default(one)} |" for one in arguments + options]
    lines += ["", "## Exit codes", "", "| code | it means |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in exit_codes().items()]
    lines += ["", "## Completion", "", *_COMPLETION]
    return "\n".join(lines) + "\n"


def exit_codes() -> dict[int, str]:
    """Exit code -> what it means, as the docstring of ``babeltune.errors`` has them."""
    rows = re.findall(r"^    (\d+) +(\S.*)$", errors.__doc__ or "", re.MULTILINE)
    return {int(code): _plain(meaning) for code, meaning in rows}


_COMPLETION = (
    "    babeltune --install-completion",
    "",
    "in bash, zsh or fish; then start the shell anew. (`--show-completion` prints what it would install.) The tab key then",
    "completes verbs, options, study files, a study's adapters and mixes, figures, languages, tasks and GPUs.",
)


def study_file() -> str:
    """The page of the study file: every field of every part, with its type, its default and what it says."""
    lines = [_WRITTEN, "# The study file", ""]
    lines += [
        "YAML. A field that is not here is refused, with the nearest that is. All problems are told at once, each with"
    ]
    lines += ["its line (`babeltune plan STUDY`). `studies/` has ten to begin with.", ""]
    for kind in _parts(study.Study):
        said = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0]
        lines += [
            "",
            f"## {_title(kind)}",
            "",
            *said.replace("``", "`").splitlines(),
            "",
            "| field | type; what holds where it is left out | |",
            "|---|---|---|",
        ]
        lines += [
            f"| `{name}` | {what}{_given(default)} | {_cell(doc)} |" for name, what, default, doc in _fields(kind)
        ]
    return "\n".join(lines) + "\n"


PAGES = {"commands.md": commands, "study-file.md": study_file}
"""File in docs/ -> what it holds."""


def _paragraphs(help_text: str) -> list[str]:
    """Those of a docstring; lists stay together, commands become blocks of code."""
    found: list[str] = []
    kinds: list[str] = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(help_text).replace("\b\n", "")):
        text = _plain(" ".join(line.strip() for line in block.splitlines()))
        kind = "list" if text.startswith("- ") else "code" if text.startswith("babeltune ") else "prose"
        text = f"    {text}" if kind == "code" else text
        if kinds and kind == kinds[-1] != "prose":
            found[-1] += f"\n{text}"
        else:
            found.append(text)
            kinds.append(kind)
    return found


def _plain(text: str) -> str:
    """Without what the terminal's markup escapes, and with what Markdown would take for a tag escaped."""
    parts = text.replace("\\[", "[").replace("``", "`").split("`")
    return "`".join(part if at % 2 else part.replace("<", "&lt;") for at, part in enumerate(parts))


def _cell(text: str | None) -> str:
    """A text as the cell of a table."""
    return " ".join(_plain(text or "").replace("|", "\\|").split())


def _shown(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _named(parameter: Any) -> str:
    if not parameter.opts[0].startswith("-"):
        return f"`{_shown(parameter)}`"
    metavar = f" {parameter.metavar}" if parameter.metavar else "" if isinstance(parameter.default, bool) else " …"
    return f"`{', '.join(sorted(parameter.opts + parameter.secondary_opts))}{metavar}`"


def _default(parameter: Any) -> str:
    value = parameter.default.value if isinstance(parameter.default, enum.Enum) else parameter.default
    if isinstance(value, bool) or value in (None, (), []) or not parameter.show_default:
        return ""
    return f" Default: `{value}`."


def _title(kind: type) -> str:
    return kind.__name__.removesuffix("Spec")


def _parts(kind: type) -> list[type]:
    """A part of the study file and all that are in it, each once, in the order in which they are named."""
    found: dict[type, None] = {kind: None}
    for hint in typing.get_type_hints(kind, include_extras=True).values():
        for inner in _inside(hint):
            found |= dict.fromkeys(_parts(inner))
    return list(found)


def _inside(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and (issubclass(hint, BaseModel) or dataclasses.is_dataclass(hint)):
        yield hint
    for inner in typing.get_args(hint):
        if typing.get_origin(hint) is not Literal:
            yield from _inside(inner)


def _fields(kind: type) -> list[tuple[str, str, Any, str]]:
    """Name, type in words, default (``...`` where it must be given) and what it says, of every field of a part."""
    hints = typing.get_type_hints(kind, include_extras=True)
    docs = {name: text for one in reversed(kind.__mro__) for name, text in _docs(one).items()}
    found = []
    if issubclass(kind, BaseModel):
        for name, info in kind.model_fields.items():
            default = ... if info.is_required() else info.get_default(call_default_factory=True)
            found.append((name, _words(hints[name]), default, docs.get(name, "")))
        return found
    for one in dataclasses.fields(kind):  # type: ignore[arg-type]
        default = ... if one.default is dataclasses.MISSING else one.default
        found.append((one.name, _words(hints[one.name]), default, docs.get(one.name, "")))
    return found


def _docs(kind: type) -> dict[str, str]:
    """Field -> the string below it, of a class of ours."""
    if not kind.__module__.startswith("babeltune"):
        return {}
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    body = tree.body  # type: ignore[attr-defined]
    return {
        first.target.id: second.value.value
        for first, second in itertools.pairwise(body)
        if isinstance(first, ast.AnnAssign)
        and isinstance(first.target, ast.Name)
        and isinstance(second, ast.Expr)
        and isinstance(second.value, ast.Constant)
    }


def _words(hint: Any) -> str:
    """A type in words, with its bounds."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        if any(getattr(extra, "func", None) is known for extra in inner[1:]):
            return "language code"
        return _words(inner[0]) + _bounds([one for extra in inner[1:] for one in _constraints(extra)])
    if origin in (Union, types.UnionType):
        words = dict.fromkeys(_words(one) for one in inner)
        said = [word for word in words if "anything" not in word]
        return ", ".join(said[:-1]) + f" or {said[-1]}"
    if origin is Literal:
        return " or ".join(f"`{str(one).lower() if isinstance(one, bool) else one}`" for one in inner)
    if origin is tuple:
        return f"list of {_words(inner[0])}"
    if origin is dict:
        return f"mapping from {_words(inner[0])} to {_words(inner[1])}"
    if isinstance(hint, type) and (issubclass(hint, BaseModel) or dataclasses.is_dataclass(hint)):
        return f"[{_title(hint)}](#{_title(hint).lower()})"
    return _WORDS.get(hint, "null" if hint is type(None) else str(hint))


def _constraints(extra: Any) -> list[Any]:
    return list(extra.metadata) if isinstance(extra, FieldInfo) else [extra]


def _bounds(constraints: list[Any]) -> str:
    said = []
    for one in constraints:
        match one:
            case Ge(ge):
                said.append(f"from {_number(ge)}" if isinstance(ge, int | float) else "")
            case Gt(gt):
                said.append(f"above {_number(gt)}" if isinstance(gt, int | float) else "")
            case Le(le):
                said.append(f"to {_number(le)}" if isinstance(le, int | float) else "")
            case Lt(lt) if lt != 2**32:
                said.append(f"below {_number(lt)}" if isinstance(lt, int | float) else "")
            case MinLen(length) if length > 1:
                said.append(f"at least {length}")
    return "".join(f" {one}" for one in said if one)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _given(default: Any) -> str:
    """What holds where the field is left out."""
    match default:
        case None:
            return ""
        case e if e is ...:
            return "; must be given"
        case bool():
            return f"; `{str(default).lower()}`"
        case tuple():
            return f"; `[{', '.join(map(str, default))}]`" if default else ""
        case str() | int() | float():
            return f"; `{default}`"
    return ""


if __name__ == "__main__":
    for page, written in PAGES.items():
        (DOCS / page).write_text(written(), encoding="utf-8")
