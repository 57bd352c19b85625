"""The verb ``ledger``: what was asked of servers, what came back, and what it cost."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from babeltune.cli import completing
from babeltune.cli.files import beside, line_of
from babeltune.cli.loading import Runs
from babeltune.cli.terminal import console, errors, listed, visible
from babeltune.errors import InputError, Problem, StoreError, StudyError

if TYPE_CHECKING:
    from babeltune.generate.ledger import Entry, Ledger, Spent, State

_NAMED = 16
"""Columns of a name at least, however narrow the terminal: it wraps, and the numbers are cut before it is."""
_MOST = 20
"""Purposes, and entries of one key, that are shown."""


def ledger(
    study: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY",
            autocompletion=completing.studies,
            help="The study file, such as studies/pocket.yaml, or a ledger's own.",
        ),
    ],
    runs: Runs = Path("runs"),
    model: Annotated[str | None, typer.Option(help="Export or prune only what this model was asked.")] = None,
    purpose: Annotated[
        str | None, typer.Option(help="Export or prune only what was asked for this, as the table has it.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all entries to a .jsonl or .csv file.")
    ] = None,
    prune: Annotated[
        list[str] | None,
        typer.Option(metavar="STATE", help="Forget entries of this state: failed, empty, refused, answered."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Prune without a question.")] = False,
    show: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Show one call whole; the first digits of its key suffice."),
    ] = None,
) -> None:
    """Show what judge and translator were asked, what came back, and what it cost.

    Every reply of a server is kept in one file, runs/<study>/ledger.sqlite, with what was sent, so that nothing is paid
    for twice: a run sends only what has no answer there. It may be looked at while a run is on.

    An entry is in one of four states. answered and refused (by the server's filter) are for good. empty and failed are
    never taken for answers: the next run asks again. What was paid for any of them stays in the sum, pruned or not.

    babeltune ledger studies/pocket.yaml

    babeltune ledger studies/pocket.yaml --export calls.jsonl

    babeltune ledger studies/pocket.yaml --show 3f9a

    babeltune ledger studies/pocket.yaml --prune refused --model gpt-4o-mini
    """
    _check(export, prune, show)
    with _opened(study, runs) as found:
        if show is not None:
            _show(found, show)
        elif export is not None:
            count = _export(found.entries(model=model, purpose=purpose), export)
            console.say(f"Written: {export} ({count:,} {'entry' if count == 1 else 'entries'})")
        elif prune:
            _prune(found, prune, model, purpose, sure=yes)  # type: ignore[arg-type]
        else:
            _totals(found)


def _check(export: Path | None, prune: list[str] | None, show: str | None) -> None:
    """Raise what is wrong with the options, all of it."""
    from babeltune.generate.ledger import STATES

    problems = []
    asked = [name for name, given in (("--show", show), ("--export", export), ("--prune", prune)) if given]
    if len(asked) > 1:
        problems.append(Problem(" and ".join(asked), "are too much at once", "Give one of them."))
    if export is not None and export.suffix not in (".jsonl", ".csv"):
        problems.append(Problem("--export", f"{export.name!r} is of no known kind", "End it in .jsonl or .csv."))
    problems += [
        Problem("--prune", f"{state!r} is no state", f"Write one of {', '.join(STATES)}.")
        for state in prune or ()
        if state not in STATES
    ]
    if show is not None and (not show or set(show) - set("0123456789abcdef")):
        problems.append(Problem("--show", f"{show!r} begins no key", "Keys are of the digits 0 to 9 and a to f."))
    if problems:
        raise InputError("ledger", problems)


def _opened(study: Path, runs: Path) -> Ledger:
    """The ledger of a study, or the file itself; none is made."""
    from babeltune.generate.ledger import Ledger
    from babeltune.study.artefacts import LEDGER
    from babeltune.study.spec.studyfile import parse

    path = study
    if study.suffix in (".yaml", ".yml"):
        parsed = parse(study)
        if parsed.study is None:
            raise StudyError(str(study), parsed.problems)
        path = runs / parsed.study.study / LEDGER
    elif study.is_dir():
        path = study / LEDGER
    if not path.exists():
        raise StoreError(f"{path}: there is none. A run with a judge or a translator makes it; or check --runs.")
    return Ledger(path)


def _totals(found: Ledger) -> None:
    from babeltune.generate.ledger import Spent

    counts = found.counts()
    spent = found.spent()
    if spent == Spent() and not counts:
        console.say(f"{found.path}: nothing was asked yet.")
        return
    console.say(str(found.path))
    _table("model", counts, 0, found.spent_by("model"))
    _table("purpose", counts, 2, found.spent_by("purpose"))
    for batch in found.batches():
        count = len(found.waiting(batch))
        place = f"batch {batch.id} at {batch.base_url}" if batch.id else f"a batch that {batch.base_url} may have"
        said = f"{count:,} requests of {batch.model} wait in {place}, for {_dollars(batch.reserve)} at most."
        console.say(said)
    unpriced = f", and {spent.unpriced:,} replies without a price" if spent.unpriced else ""
    console.say(
        f"{spent.calls:,} replies, {spent.prompt_tokens:,} tokens read ({spent.cached_tokens:,} of them cached), "
        f"{spent.completion_tokens:,} written: {_dollars(spent.dollars)}{unpriced}.",
        "bold",
    )
    if spent.unsure > 0:
        console.say(
            f"Up to {_dollars(spent.unsure)} more may be charged for calls that are under way, broke off, or came back"
            " without a count of tokens; a cap counts them."
        )
    again = sum(count for (_, state, _), count in counts.items() if state in ("failed", "empty"))
    if again:
        console.say(f"{again:,} have no answer; a run asks them again.")


def _table(heading: str, counts: Mapping[tuple[str, State, str], int], at: int, spent: Mapping[str, Spent]) -> None:
    """A line for each model or purpose: its entries by state, and what all its replies came to."""
    from babeltune.generate.ledger import STATES, Spent

    states: dict[str, Counter[str]] = {name: Counter() for name in spent}
    for place, count in counts.items():
        states.setdefault(str(place[at]), Counter())[place[1]] += count
    shown = [state for state in STATES if any(count[state] for count in states.values())]
    table = listed(heading, *shown, "replies", "read", "written", "dollars")
    first, *numbers = table.columns
    first.min_width = _NAMED
    for column in numbers:
        column.no_wrap = True
    dearest = sorted(states, key=lambda name: -spent.get(name, Spent()).dollars)
    for name in dearest[:_MOST]:
        sums = spent.get(name, Spent())
        money = f"{sums.dollars:,.4f}" if sums.unpriced < sums.calls or not sums.calls else "-"
        counted = [states[name][state] for state in shown] + [sums.calls, sums.prompt_tokens, sums.completion_tokens]
        table.add_row(name, *(f"{count:,}" if count else "" for count in counted), money)
    if len(dearest) > _MOST:
        table.add_row(f"{len(dearest) - _MOST:,} more")
    console.print(table)


def _dollars(value: float) -> str:
    return f"${value:,.2f}" if value >= 1 else f"${value:.4f}"


def _export(entries: Iterable[Entry], out: Path) -> int:
    from babeltune.generate.ledger import Entry

    count = 0
    with beside(out) as file:
        writer = csv.writer(file, lineterminator="\n") if out.suffix == ".csv" else None
        if writer:
            writer.writerow([field.name for field in dataclasses.fields(Entry)])
        for entry in entries:
            row = dataclasses.asdict(entry)
            count += 1
            if writer:
                writer.writerow([_whole(value) if isinstance(value, str) else value for value in row.values()])
            else:
                whole = all(_whole(value) == value for value in row.values() if isinstance(value, str))
                file.write((line_of(row) if whole else json.dumps(row)) + "\n")
    return count


def _whole(text: str) -> str:
    """Text that UTF-8 has bytes for: half a character becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _prune(found: Ledger, states: list[State], model: str | None, purpose: str | None, *, sure: bool) -> None:
    counts: Counter[str] = Counter()
    for (of_model, state, of_purpose), count in found.counts().items():
        if state in states and model in (None, of_model) and purpose in (None, of_purpose):
            counts[state] += count
    if not counts:
        console.say("Nothing to forget: no entry is so.")
        return
    each = ", ".join(f"{count:,} {state}" for state, count in counts.items())
    if not sure:
        paid = " They were paid for, and a run pays for them again." if counts["answered"] else ""
        errors.say(f"{found.path}: {each}.{paid}")
        typer.confirm("Forget them?", abort=True, err=True)
    gone = found.prune(states, model=model, purpose=purpose)
    console.say(f"Forgotten: {gone:,}. What they cost stays in the sum.")


def _show(found: Ledger, key: str) -> None:
    from itertools import islice

    entries = list(islice(found.entries(key=key), _MOST + 1))
    if not entries:
        raise InputError("ledger", [Problem("--show", f"no key begins with {key}", "See the keys with --export.")])
    if len(entries) > 1:
        for entry in entries[:_MOST]:
            _say(f"{entry.key[:16]}  {entry.state:8}  {entry.purpose}, {entry.item}")
        _say(f"{'More than ' if len(entries) > _MOST else ''}{min(len(entries), _MOST)} calls. Give more digits.")
        return
    (entry,) = entries
    price = "no price" if entry.cost is None else f"${entry.cost:.6f}"
    if entry.unsure > 0:
        price += f", and up to ${entry.unsure:.6f} that nobody told of"
    _say(f"key       {entry.key}")
    _say(f"model     {entry.model}, answered by {entry.answered_by or 'none'}")
    _say(f"state     {entry.state} ({entry.finish}), {entry.at}, try {entry.tries}, {entry.seconds:.2f} s")
    _say(
        f"tokens    {entry.prompt_tokens:,} read ({entry.cached_tokens:,} cached), {entry.completion_tokens:,} written"
    )
    _say(f"cost      {price}")
    _say(f"asked by  {entry.purpose}, {entry.item}")
    sent = _parsed(entry.sent)
    messages = sent.pop("messages", None) if isinstance(sent, dict) else None
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict):
            _part(f"{message.get('role')}", str(message.get("content")))
    _part("sent" if messages is None else "sent with it", _pretty(sent))
    if entry.text:
        _part("answer", entry.text)
    _part("raw reply", _pretty(_parsed(entry.raw)))


def _parsed(text: str) -> Any:
    """JSON as its value; other text as it is."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _pretty(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def _part(title: str, text: str) -> None:
    _say(f"\n--- {title} ---\n{text}")


def _say(text: str) -> None:
    console.say(visible(text))
