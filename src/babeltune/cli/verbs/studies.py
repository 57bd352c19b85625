"""The verb ``studies``: the study files that come with babeltune."""

from __future__ import annotations

import re
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from babeltune.cli import completing
from babeltune.cli.terminal import console
from babeltune.errors import InputError, Problem


def studies(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", autocompletion=completing.bundled, help="Print this one's file.")
    ] = None,
) -> None:
    """List the study files that come with babeltune, or print one to begin with.

    babeltune studies

    babeltune studies pocket > pocket.yaml
    """
    files = {path.stem: path.read_text(encoding="utf-8") for path in sorted(completing.BUNDLED.glob("*.yaml"))}
    if name is None:
        table = Table("study", "what it asks", box=box.SIMPLE)
        for study, text in files.items():
            table.add_row(study, _said(text))
        console.print(table)
    elif name not in files:
        raise InputError(
            "studies", [Problem("NAME", f"no study '{name}' comes with babeltune", f"Take {', '.join(files)}.")]
        )
    else:
        typer.echo(files[name], nl=False)


def _said(text: str) -> str:
    """The first sentence of the comment that a study file begins with."""
    lines = re.match(r"(?:#.*\n)*", text)
    comment = " ".join(line.lstrip("# ") for line in (lines[0] if lines else "").splitlines())
    return re.split(r"(?<=[.?!]) (?=[A-Z])", comment)[0]
