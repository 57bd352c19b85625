"""The verb ``lid``: say what language each text of a file is in."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer
from rich import box
from rich.markup import escape
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from babeltune.cli.terminal import Download, console, errors, online
from babeltune.errors import ChatsError, Problem
from babeltune.records import HUMAN, Chat

if TYPE_CHECKING:
    from babeltune.data.rows import Row
    from babeltune.records import Identified

_BATCH = 4096
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
    skipped: int = 0


def lid(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Text (a line each), JSONL, CSV or Parquet; also .gz, .zst.")
    ],
    field: Annotated[
        str | None, typer.Option("--field", help="Column that holds the text; `text` where left out, or whole chats.")
    ] = None,
    identifier: Annotated[
        str, typer.Option("--identifier", help="lid176 (bundled), openlid, openlid-quantised, or a fastText file.")
    ] = "lid176",
    against: Annotated[
        str | None, typer.Option("--against", help="A second identifier: lists where the two disagree.")
    ] = None,
    threshold: Annotated[
        float, typer.Option("--threshold", min=0, max=1, help="Below this probability a text is `unknown`.")
    ] = 0.0,
    summary: Annotated[
        bool, typer.Option("--summary", help="Print a table of counts, not a line for each text.")
    ] = False,
    disagreements: Annotated[
        bool, typer.Option("--disagreements", help="Only texts on which the two identifiers disagree.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write the lines to this file and print the table.")] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Threads; all cores where left out. Changes no label.")
    ] = None,
    skip_bad_rows: Annotated[bool, typer.Option("--skip-bad-rows", help="Pass over malformed rows.")] = False,
    download: Download = False,
) -> None:
    """Say what language each text is in: a line of JSON for each, or a table.

    A text is judged whole, as one line. Text without letters is abstained on, with the reason. In a file of chats of a
    known shape the whole chat is judged, without role markers, as `mix` and `run` do.

    Examples: `babeltune lid answers.txt --summary`, `babeltune lid chats.jsonl --against openlid --disagreements`.
    """
    from babeltune.data.identify import identifier as named
    from babeltune.languages import code_of

    if disagreements and not against:
        raise typer.BadParameter("there is nothing to disagree with: name a second identifier with --against.")
    online(download)
    first = named(identifier, threads=workers, download=download)
    second = named(against, threads=workers, download=download) if against else None
    tally = _Tally()
    with contextlib.ExitStack() as stack:
        to: TextIO = sys.stdout
        if out is not None:
            to = stack.enter_context(out.open("w", encoding="utf-8"))
        bar = stack.enter_context(_progress())
        task = bar.add_task("texts", total=None)
        for batch in _batches(files, field, tally, skip_bad_rows=skip_bad_rows):
            texts = [text for _, text in batch]
            others = second.identify(texts) if second else itertools.repeat(None)
            for (where, text), found, other in zip(batch, first.identify(texts), others, strict=False):
                known = _known(found, threshold)
                rival = _known(other, threshold) if other else known
                tally.texts += 1
                tally.labels[known] += 1
                tally.certain[known] += found.probability
                differ = known != rival and (code_of(known) or known) != (code_of(rival) or rival)
                if differ:
                    tally.pairs[known, rival] += 1
                    tally.examples.setdefault((known, rival), text)
                if (summary and out is None) or (disagreements and not differ):
                    continue
                row = {"where": where, **_row(found, threshold), "text": text[:_SHOWN]}
                if other:
                    row["against"] = _row(other, threshold)
                to.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace").decode() + "\n")
            bar.update(task, completed=tally.texts)
    if summary or out is not None:
        _print(tally, identifier, against)
    if tally.skipped:
        errors.print(f"{tally.skipped} malformed rows were passed over.")


def _known(found: Identified, threshold: float) -> str:
    """The label, or why there is none."""
    if found.label is None:
        return f"({found.reason})"
    return found.label if found.probability >= threshold else "unknown"


def _row(found: Identified, threshold: float) -> dict[str, object]:
    from babeltune.languages import code_of

    sure = found.label is not None and found.probability >= threshold
    reason = found.reason or (None if sure else f"below {threshold:g}")
    code = code_of(found.label) if sure and found.label else None
    return {"label": found.label, "language": code, "probability": round(found.probability, 6), "reason": reason}


def _batches(
    files: list[Path], field: str | None, tally: _Tally, *, skip_bad_rows: bool
) -> Iterator[list[tuple[str, str]]]:
    """Places and texts of all files, malformed rows refused or counted."""
    from babeltune.data import rows, shapes

    def texts() -> Iterator[tuple[str, str] | Problem]:
        for path in files:
            for file in rows.files_of(path):
                source = rows.file_rows(file)
                head = next(source, None)
                if head is None:
                    continue
                whole = itertools.chain([head], source)
                told = shapes.tell(head) if isinstance(head, rows.Row) and field is None else None
                plain = told == "guanaco" and not _marked(head)
                if isinstance(told, str) and not plain:
                    for number, chat in enumerate(shapes.chats(whole)):
                        yield (f"{file.name} chat {chat.id or number}", chat.text) if isinstance(chat, Chat) else chat
                    continue
                for row in whole:
                    if isinstance(row, Problem):
                        yield row
                        continue
                    text = row.fields.get(field or "text")
                    if isinstance(text, str):
                        yield row.where, text
                    else:
                        what = f"no text in the field '{field or 'text'}' (fields: {', '.join(row.fields)})"
                        yield Problem(row.where, what, "Name the column with --field.")

    batch: list[tuple[str, str]] = []
    for found in texts():
        if isinstance(found, Problem):
            if not skip_bad_rows:
                raise ChatsError("texts", [found])
            tally.skipped += 1
            continue
        batch.append(found)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _marked(head: Row | Problem) -> bool:
    """Whether a row with a `text` holds a chat in it, by its role markers."""
    return not isinstance(head, Problem) and str(head.fields.get("text")).lstrip().startswith(HUMAN)


def _print(tally: _Tally, identifier: str, against: str | None) -> None:
    table = Table(title=f"{tally.texts:,} texts by {identifier}", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("label")
    for heading in ("texts", "share", "mean probability"):
        table.add_column(heading, justify="right")
    for label, n in tally.labels.most_common():
        mean = f"{tally.certain[label] / n:.3f}" if not label.startswith("(") else "-"
        table.add_row(escape(label), f"{n:,}", f"{100 * n / tally.texts:.2f} %", mean)
    console.print(table)
    if against is None:
        return
    agree = tally.texts - sum(tally.pairs.values())
    console.print(f"{identifier} and {against} agree on {agree:,} of {tally.texts:,} texts.", highlight=False)
    if tally.pairs:
        pairs = Table(box=box.SIMPLE_HEAD)
        for heading in (identifier, against, "texts", "for example"):
            pairs.add_column(heading, justify="right" if heading == "texts" else "left")
        for (one, other), n in tally.pairs.most_common(20):
            example = " ".join(tally.examples[one, other].split())[:60]
            pairs.add_row(escape(one), escape(other), f"{n:,}", escape(example))
        console.print(pairs)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.completed:,.0f} {task.description}"),
        TimeElapsedColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )
