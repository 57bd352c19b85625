"""The verb ``export``: an adapter of a study as a folder of its own, for others to load and serve."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from babeltune.cli import completing
from babeltune.cli.loading import Download, Runs, SkipBadRows, StudyFile, online, open_
from babeltune.cli.terminal import console, errors
from babeltune.errors import InputError, Problem, StoreError


class Dtype(StrEnum):
    """Type of merged weights."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


def export(
    study: StudyFile,
    adapter: Annotated[
        str,
        typer.Argument(
            metavar="ADAPTER",
            autocompletion=completing.adapters,
            help="Its mix, such as multi-2, or its name as `plan` lists it.",
        ),
    ],
    runs: Runs = Path("runs"),
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where to; export/ADAPTER if left out.")] = None,
    merged: Annotated[
        bool, typer.Option("--merged", help="Base and adapter as one model, for vLLM and all that knows no adapters.")
    ] = False,
    dtype: Annotated[Dtype | None, typer.Option(help="Of merged weights; the study's if left out.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
    push: Annotated[str | None, typer.Option(metavar="OWNER/NAME", help="Upload the folder to the hub too.")] = None,
    public: Annotated[
        bool, typer.Option("--public", help="For all to see; a repository is private otherwise.")
    ] = False,
    skip_bad_rows: SkipBadRows = False,
    download: Download = False,
) -> None:
    """Write an adapter as a folder that stands by itself, with a model card.

    The adapter alone, which peft and vLLM load onto its base, or --merged with
    it. The tokenizer's chat template writes the format of the tuning, so any
    OpenAI-compatible server asks it as it was trained. The card says mix,
    recipe, languages, and what of it was scored and what was not.

    babeltune export studies/pocket.yaml multi-2

    babeltune export studies/pocket.yaml multi-2 --merged --dtype bfloat16

    babeltune export studies/pocket.yaml multi-2 --push me/my-model
    """
    problems = []
    if dtype is not None and not merged:
        problems.append(Problem("--dtype", "an adapter is given away as it is", "Add --merged, or leave it out."))
    if public and push is None:
        problems.append(Problem("--public", "there is nothing to upload", "Add --push OWNER/NAME, or leave it out."))
    if problems:
        raise InputError("export", problems)
    online(download or push is not None)
    from babeltune.study.exporting import export as work

    if push is not None:
        work.check_push(push)
    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="anything")
    step = work.find(opened, adapter)
    if step.key not in opened.store.done((step,)):
        raise StoreError(f"{step.name}: is not tuned yet. Run: babeltune run {study}")
    folder = out if out is not None else Path("export") / (f"{step.name}-merged" if merged else step.name)
    with errors.status(f"{'merging' if merged else 'writing'} {escape(step.name)}"):
        work.export(
            opened, step, folder, merged=merged, dtype=dtype.value if dtype else None, force=force, name=push
        )  # fmt: skip
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    console.say(f"Written: {folder} ({_size(size)})")
    for path in sorted(folder.iterdir()):
        console.say(f"  {path.name}")
    if push is not None:
        with errors.status(f"uploading to {escape(push)}"):
            address = work.push(folder, push, public=public)
        console.say(f"On the hub: {address}")


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
