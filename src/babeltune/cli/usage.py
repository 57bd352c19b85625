"""A call that is none, told as every other wrong input is: what typer finds wrong with the words of a command line."""

from __future__ import annotations

import re
from typing import Any

import typer

from babeltune.errors import InputError, Problem

WRONG: type[Exception] = typer.BadParameter.__bases__[0]
"""All that typer raises of a call; of these it names only one in public."""


def is_help(error: Exception) -> bool:
    """Whether it stands for no words at all, on which typer has shown the help already."""
    return type(error).__name__ == "NoArgsIsHelpError"


def told(error: Any, verb: str | None) -> InputError:
    """Which word is wrong, why, and what would be right. ``verb``: the one that is called, where there is one."""
    command = error.ctx.command_path if error.ctx else f"babeltune {verb or ''}".rstrip()
    where, what, fix = _read(error)
    problem = Problem(where, what, " ".join([*([fix] if fix else []), f"See: {command} --help."]))
    return InputError(command, [problem])


def _read(error: Any) -> tuple[str, str, str]:
    """Where, what, and what would be right as far as typer knows."""
    message = re.sub(r"^Value error, ", "", error.format_message() if error.message is None else str(error.message))
    option, parameter = getattr(error, "option_name", None), getattr(error, "param", None)
    if option is not None and hasattr(error, "possibilities"):
        near = sorted(error.possibilities or ())
        return option, "there is no such option", f"Did you mean {' or '.join(near)}?" if near else ""
    if option is not None:
        return option, "it needs a value", ""
    if parameter is not None:
        name = parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.metavar or parameter.name
        if type(error).__name__ == "MissingParameter":
            return name, "is missing", (parameter.help or "").replace("\\[", "[")
        return name, re.sub("^Input should", "it should", message.rstrip(".")), ""
    if verb := re.match(r"No such command '(.*)'\.\s*(.*)", message):
        return "VERB", f"there is no '{verb[1]}'", verb[2]
    if extra := re.match(r"Got unexpected extra argument\(s\) \((.*)\)", message):
        return extra[1], "one word too many" if " " not in extra[1] else "too many words", ""
    what, _, fix = message.partition(". ")
    return "VERB", what[:1].lower() + what[1:].rstrip("."), fix
