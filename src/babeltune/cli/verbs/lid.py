"""The verb ``lid``: say what language each text of a file is in."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from babeltune.cli.files import beside, line_of
from babeltune.cli.loading import Download, online
from babeltune.cli.terminal import console, counted, errors, listed
from babeltune.errors import InputError, Problem
from babeltune.languages import code_of

if TYPE_CHECKING:
    from babeltune.records import Identified

_SHOWN = 100
"""Characters of a text that go with its label."""


@dataclass
class _Tally:
    """What was found so far."""

    labels: Counter[str] = field(default_factory=Counter)
    certain: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Label -> sum of probabilities."""
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(label, other label) -> texts on which the two detectors disagree."""
    examples: dict[tuple[str, str], str] = field(default_factory=dict)
    texts: int = 0

    def add(self, text: str, found: Identified, other: Identified | None, threshold: float) -> bool:
        """Count a text; whether the two detectors disagree on it."""
        known = _known(found, threshold)
        rival = _known(other, threshold) if other else known
        self.texts += 1
        self.labels[known] += 1
        self.certain[known] += found.probability
        if known == rival or (code_of(known) or known) == (code_of(rival) or rival):
            return False
        self.pairs[known, rival] += 1
        self.examples.setdefault((known, rival), text[:_SHOWN])
        return True


def lid(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Text (a line each), JSONL, CSV or Parquet; also .gz, .zst.")
    ],
    field: Annotated[
        str | None, typer.Option(help="Column that holds the text; `text` if left out, or whole chats.")
    ] = None,
    identifier: Annotated[
        str, typer.Option(help="lid176 (bundled), openlid, openlid-quantised, or a fastText file.")
    ] = "lid176",
    against: Annotated[str | None, typer.Option(help="A second identifier: lists where the two disagree.")] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Below this probability a text is `unknown`.")] = 0.0,
    summary: Annotated[
        bool, typer.Option("--summary", help="Print a table of counts, not a line for each text.")
    ] = False,
    disagreements: Annotated[
        bool, typer.Option("--disagreements", help="Only texts on which the two identifiers disagree.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the lines to this file and print the table.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads; all cores if left out. Changes no label.")
    ] = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Count malformed rows and go on without them.")
    ] = False,
    download: Download = False,
) -> None:
    """Say what language each text is in: a line of JSON for each, or a table.

    A text is judged whole, as one line. Text without letters is abstained on, with the reason. In a file of chats of a
    known shape the whole chat is judged, without role markers, as `mix` and `run` do.

    babeltune lid answers.txt --summary

    babeltune lid chats.jsonl --against openlid --disagreements
    """
    from babeltune.data.identify import identifier as named
    from babeltune.data.texts import batches

    if disagreements and not against:
        fix = "Name a second identifier with --against."
        raise InputError("lid", [Problem("--disagreements", "there is nothing to disagree with", fix)])
    online(download)
    first = named(identifier, threads=workers, download=download)
    second = named(against, threads=workers, download=download) if against else None
    tally = _Tally()
    skipped: list[Problem] = []
    with contextlib.ExitStack() as stack:
        to = stack.enter_context(beside(out)) if out is not None else None if summary else sys.stdout
        bar = stack.enter_context(_progress())
        task = bar.add_task("texts", total=None)
        for batch in batches(files, field, skipped=skipped if skip_bad_rows else None):
            said = [text for _, text in batch]
            others = second.identify(said) if second else itertools.repeat(None)
            for (where, text), found, other in zip(batch, first.identify(said), others, strict=False):
                differ = tally.add(text, found, other, threshold)
                if to is None or (disagreements and not differ):
                    continue
                row = {"where": where, **_row(found, threshold), "text": text[:_SHOWN]}
                if other:
                    row["against"] = _row(other, threshold)
                to.write(f"{line_of(row)}\n")
            bar.update(task, completed=tally.texts)
    if summary or out is not None:
        _print(tally, identifier, against)
    if skipped:
        errors.say(f"Left out: {counted(len(skipped), 'malformed row')}.")


def _known(found: Identified, threshold: float) -> str:
    """The label, or why there is none."""
    if found.label is None:
        return f"({found.reason})"
    return found.label if found.probability >= threshold else "unknown"


def _row(found: Identified, threshold: float) -> dict[str, object]:
    sure = found.label is not None and found.probability >= threshold
    reason = found.reason or (None if sure else f"below {threshold:g}")
    code = code_of(found.label) if sure and found.label else None
    return {"label": found.label, "language": code, "probability": round(found.probability, 6), "reason": reason}


def _print(tally: _Tally, identifier: str, against: str | None) -> None:
    title = f"{counted(tally.texts, 'text')} by {identifier}"
    table = listed("label", "texts", "share", "mean probability", title=title)
    for label, n in tally.labels.most_common():
        mean = f"{tally.certain[label] / n:.3f}" if not label.startswith("(") else "-"
        table.add_row(label, f"{n:,}", f"{100 * n / tally.texts:.2f} %", mean)
    console.print(table)
    if against is None:
        return
    agree = tally.texts - sum(tally.pairs.values())
    said = f"{identifier} and {against} agree on {agree:,} of {counted(tally.texts, 'text')}."
    console.say(said)
    if tally.pairs:
        pairs = listed(identifier, against, "texts", "for example", words=(against, "for example"))
        for (one, other), n in tally.pairs.most_common(20):
            example = "".join(char if char.isprintable() else " " for char in tally.examples[one, other])
            example = " ".join(example.split())[:60]
            pairs.add_row(one, other, f"{n:,}", example)
        console.print(pairs)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.completed:,.0f} {task.description}"),
        TimeElapsedColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )
