"""What the verbs of a study are given, and how they open it: its steps, or the results of whatever STUDY names."""

from __future__ import annotations

import os
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from babeltune.cli import completing
from babeltune.cli.terminal import counted, errors
from babeltune.errors import StoreError

if TYPE_CHECKING:
    from babeltune.report.results import Results
    from babeltune.study.check import MayLack, Opened

StudyFile = Annotated[
    Path,
    typer.Argument(
        metavar="STUDY", help="The study file, such as studies/pocket.yaml.", autocompletion=completing.studies
    ),
]
Runs = Annotated[Path, typer.Option("--runs", metavar="FOLDER", help="Where studies keep their folders.")]
SkipBadRows = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Count malformed rows of a chats file and go on without them.")
]
Download = Annotated[
    bool, typer.Option("--download", help="Fetch hub models that are not in the local cache; else nothing is fetched.")
]

MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        min=0,
        metavar="DOLLARS",
        help="Dollars that judge and translator may come to, earlier runs among them; never passed. Needs `prices:`.",
    ),
]


def online(download: bool) -> None:
    """Keep the hub's client from the network unless it was asked for; before the client is imported.

    Where the hub is not reached it is kept from it too: it would try the same for minutes, file by file.
    """
    if not download:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    elif "HF_HUB_OFFLINE" not in os.environ and (why := _unreached()):
        errors.say(
            f"The hub is not reached ({why}): nothing is fetched, and what is in the local cache is used.", "yellow"
        )
        os.environ["HF_HUB_OFFLINE"] = "1"


def _unreached() -> str | None:
    """Why no connection to the hub can be had; None where one can, or where a proxy is between."""
    import socket
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    if getproxies():
        return None
    hub = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    port = hub.port or (80 if hub.scheme == "http" else 443)
    try:
        socket.create_connection((hub.hostname or "", port), timeout=_PATIENCE).close()
    except OSError as error:
        return f"{hub.hostname}: {error.strerror or error}"
    return None


_PATIENCE = 10
"""Seconds."""


def open_(study: Path, runs: Path, *, skip_bad_rows: bool, download: bool, may_lack: MayLack = "nothing") -> Opened:
    """Open a study; the hub is not asked for anything unless ``download``."""
    online(download)
    from babeltune.study.check import open_study
    from babeltune.study.importing.folder import refuse

    refuse(study, runs)
    with errors.status("reading the study, its models and its chats"):
        return open_study(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack=may_lack)


def needs_all(opened: Opened, study: Path, *, but: Container[str]) -> None:
    """Refuse a study that has steps to come of other kinds than these.

    Raises:
        StoreError: it has.
    """
    there = opened.store.published(opened.plan.steps)
    left = [step for step in opened.plan.pending(there) if step.kind not in but]
    if left:
        first = f"{counted(len(left), 'step')} {'is' if len(left) == 1 else 'are'} to come first"
        raise StoreError(f"{study}: {first}. Run: babeltune run {study}")


def load(study: Path, runs: Path, *, skip_bad_rows: bool = False, download: bool = False) -> Results:
    """The results that a report of it shows. Loads no model.

    ``study``: a study file; the folder of an import, or its name in ``runs``; a folder with ``results.json``, or one
    with such a ``report`` in it.

    Raises:
        InputError: it is an import that has not ended, the folder of a study's runs, or no study file.
        StoreError: a folder has no report, or what it names cannot be read.
    """
    from babeltune.report import stored
    from babeltune.study.importing.folder import of_study, refuse
    from babeltune.study.store import hold

    imported = of_study(study, runs)
    if imported is not None:
        return stored.read(imported / "report")
    if study.is_dir():
        for folder in (study, study / "report"):
            if (folder / stored.RESULTS).is_file():
                hold(folder, (stored.RESULTS, stored.ITEMS))
                return stored.read(folder)
        refuse(study, runs)
        return stored.read(study)  # which says what it lacks
    from babeltune.study.steps.reporting import load_results

    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="models")
    needs_all(opened, study, but=("report",))
    return load_results(opened)
