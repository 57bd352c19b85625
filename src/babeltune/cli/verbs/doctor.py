"""The verb ``doctor``: what is installed, what works, what is cached, and what a study would lack here."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from babeltune.cli import completing
from babeltune.cli.files import line_of
from babeltune.cli.loading import Runs, SkipBadRows, online, open_
from babeltune.cli.terminal import console, counted, errors, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from babeltune.study.doctor.diagnosis import Diagnosis
    from babeltune.study.doctor.trials import Torch


def doctor(
    study: Annotated[
        Path | None,
        typer.Argument(
            metavar="STUDY", help="Say what this study would lack here, too.", autocompletion=completing.studies
        ),
    ] = None,
    runs: Runs = Path("runs"),
    skip_bad_rows: SkipBadRows = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object, for programs.")] = False,
) -> None:
    """Say what is installed, which engines work, what is cached, and what a study would lack on this machine.

    Engines are really tried, each in a process of its own; nothing is fetched and no key is shown. Ends with 0 where
    nothing is in the way, and with 1 where something is: each such thing is named, with what mends it.

    babeltune doctor

    babeltune doctor studies/llama2-7b.yaml
    """
    environment = dict(os.environ)
    online(download=False)
    opened = None
    if study is not None:
        opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=False, may_lack="anything")
    with errors.status("trying what is installed"):
        from babeltune.study.doctor.diagnosis import diagnose

        found = diagnose(study, opened, runs, environment)
    if as_json:
        typer.echo(line_of(dataclasses.asdict(found)))
    else:
        _show(found)
    if found.problems:
        raise typer.Exit(1)


def _show(found: Diagnosis) -> None:
    here = found.machine
    console.say(
        f"babeltune {found.packages[0].installed or '(not installed)'}, Python {here.python} ({here.executable})"
    )
    console.say(f"{here.system}, {counted(here.cores, 'core')}, {here.memory:.3g} GiB of memory, {_gpu(found.torch)}")
    console.print(_packages(found))
    console.print(_trials(found))
    console.print(_cached(found))
    console.print(_places(found))
    _variables(found)
    _problems(found)


def _gpu(torch: Torch | None) -> str:
    if torch is None:
        return "GPU unknown, as torch does not work"
    if torch.gpus:
        each = ", ".join(f"{one.name} with {one.memory:.3g} GiB" for one in torch.gpus)
        return f"{counted(len(torch.gpus), 'GPU')}: {each} (torch for CUDA {torch.built_for}, driver to {torch.driver})"
    if torch.mps:
        return "Apple's GPU"
    if torch.driver is None:
        return "no GPU"
    why = torch.said or (
        "this torch is built without CUDA: pip install torch, from the index that has it for CUDA"
        if torch.built_for is None
        else f"this torch is built for CUDA {torch.built_for}"
    )
    return f"a GPU that torch cannot use (driver up to CUDA {torch.driver}; {why})"


def _packages(found: Diagnosis) -> object:
    """Those that are asked for by extras or do not fit, and those that matter most; the others in one row."""
    table = listed("package", "installed", "asked for", "", words=("installed", "asked for", ""))
    others = [one for one in found.packages[1:] if one.fits and one.name not in _SHOWN]
    for one in found.packages[1:]:
        if one not in others:
            note = "" if one.fits else "does not fit" if one.installed else "missing"
            if one.extra and one.installed is None:
                note = f"optional: pip install 'babeltune[{one.extra}]'"
            table.add_row(one.name, one.installed or "-", one.asked, note)
    table.add_row(f"{len(others)} others", "as asked for", "", "")
    return table


def _trials(found: Diagnosis) -> object:
    table = listed("tried", "", "", words=("",))
    for one in found.trials:
        said = _SAID[one.name].format(**one.versions) if one.works else one.said
        table.add_row(one.name, "works" if one.works else "fails", said)
    for name in ("vllm", "ray", "bitsandbytes"):
        if name not in {one.name for one in found.trials}:
            table.add_row(name, "not there", _SAID[name].partition(" {")[0])
    return table


def _cached(found: Diagnosis) -> object:
    table = listed("kept here", "", "size", "", words=("",))
    for one in found.cached:
        table.add_row(one.kind, one.name, _size(one.size) if one.size is not None else "-", one.said)
    return table


def _places(found: Diagnosis) -> object:
    table = listed("folder", "", "free", "", words=("",))
    for one in found.places:
        table.add_row(one.what, one.path, _size(one.free), "" if one.writable else "cannot be written to")
    return table


def _variables(found: Diagnosis) -> None:
    given = [
        f"{one.name}={one.value}" if one.value != "set" else f"{one.name} (set)" for one in found.variables if one.value
    ]
    absent = [one.name for one in found.variables if not one.value]
    console.say(f"Set: {', '.join(given) or 'none of the variables that babeltune obeys'}")
    console.say(f"Not set: {', '.join(absent)}")


def _problems(found: Diagnosis) -> None:
    console.print()
    if not found.problems:
        console.say(f"Nothing is missing{f' for {found.study}' if found.study else ''}.", "bold")
        return
    console.say(
        f"{counted(len(found.problems), 'problem')}{f' with {found.study} here' if found.study else ''}:", "bold"
    )
    for one in found.problems:
        console.say(f"  - {one}")


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e3:,.0f} kB"


_SHOWN: Sequence[str] = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "openai")
"""Packages of which the version matters most."""
_SAID = {
    "torch": "multiplies",
    "transformers": "answers: engine transformers {transformers}, adapters by peft {peft}",
    "tuning": "trl {trl}, peft {peft}, accelerate {accelerate}",
    "endpoint": "asks servers: openai {openai}, aiohttp {aiohttp}",
    "vllm": "engine vllm {vllm}",
    "ray": "clusters {ray}",
    "bitsandbytes": "bases of 4 and 8 bits {bitsandbytes}",
}
