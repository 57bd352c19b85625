"""The verb ``translate``: prompts or chats into other languages, by a model that is asked, every reply audited."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from babeltune.cli import completing
from babeltune.cli.files import make, write_lines
from babeltune.cli.loading import Download, SkipBadRows, online
from babeltune.cli.terminal import console, errors, listed, progress
from babeltune.errors import EngineError, InputError, Problem
from babeltune.languages import LANGUAGES, suggest

if TYPE_CHECKING:
    from babeltune.cli.originals import Originals
    from babeltune.data.translation.audit import Audit, Row
    from babeltune.data.translation.prompts import How
    from babeltune.data.translation.translate import Translated
    from babeltune.generate.ledger import Ledger
    from babeltune.generate.prices import Price
    from babeltune.records import Engine

_OPENAI = "https://api.openai.com/v1"
_ENGINES = ("endpoint", "transformers")
_PROTOCOLS = ("as-paper", "as-run")


def translate(
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="Prompts (`prompt` or `instruction` a row), or with --chats any chats."),
    ],
    to: Annotated[
        str,
        typer.Option(
            metavar="CODES",
            autocompletion=completing.languages,
            help="Languages to translate into, such as de,fr,zh.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Gets <language>.jsonl for each language.")],
    model: Annotated[str, typer.Option(metavar="NAME", help="As the server names it; of a local engine, its folder.")],
    chats: Annotated[bool, typer.Option("--chats", help="The source holds chats: their turns are translated.")] = False,
    from_: Annotated[
        str, typer.Option("--from", metavar="CODE", autocompletion=completing.languages, help="Language of the source.")
    ] = "en",
    engine: Annotated[
        str, typer.Option(help="endpoint: any server that speaks OpenAI's protocol; or transformers.")
    ] = "endpoint",
    base_url: Annotated[str, typer.Option(metavar="URL", help="Of the server.")] = _OPENAI,
    key_variable: Annotated[
        str, typer.Option(metavar="NAME", help="Environment variable that holds the account's key.")
    ] = "OPENAI_API_KEY",
    concurrency: Annotated[int, typer.Option(min=1, help="Requests under way at a time.")] = 10,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds for one try of a request.")] = 90.0,
    requests_per_minute: Annotated[
        float | None, typer.Option(min=0.001, help="The account's limit; none if left out.")
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(min=0, help="Dollars that all calls of the ledger may come to; needs the prices."),
    ] = None,
    price_input: Annotated[float | None, typer.Option(min=0, help="Dollars per million tokens that are sent.")] = None,
    price_output: Annotated[
        float | None, typer.Option(min=0, help="Dollars per million tokens that come back.")
    ] = None,
    retries: Annotated[int, typer.Option(min=0, help="So often is a bad translation asked for again.")] = 2,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of a translation.")] = 4096,
    protocol: Annotated[
        str, typer.Option(help="as-paper; as-run puts prompts into quotes, as the authors' code does.")
    ] = "as-paper",
    identifier: Annotated[
        str, typer.Option(help="lid176 (bundled), openlid, openlid-quantised, or a fastText file.")
    ] = "lid176",
    ledger: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where replies are kept; FOLDER/ledger.sqlite.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, calls, tokens and money, and send nothing.")
    ] = False,
    skip_bad_rows: SkipBadRows = False,
    download: Download = False,
) -> None:
    """Translate prompts, or chats, into other languages, and audit every reply.

    Each language gets a file with the ids of the source: prompts as the task
    `dialogue` reads them (`items: FOLDER`), chats as `chats:` does. Beside it
    lies what the audit found, id by id, in <language>.audit.

    A reply that is cut off, empty, in another language, as it was, of an
    implausible length or with other turns is asked for again, then kept out.

    Every reply is in the ledger when it has come: stopped by whatever, the same
    command sends only what is missing.

    babeltune translate alpaca_eval.json --to de,fr --out alpaca --model gpt-4o-mini --dry-run

    babeltune translate chats.jsonl --chats --to es --out es --model qwen --base-url http://localhost:8000/v1
    """
    languages = [code.strip() for code in to.split(",") if code.strip()]
    price = _checked(languages, from_, engine, protocol, model, (price_input, price_output), max_cost)
    online(download)
    from babeltune.cli import originals
    from babeltune.data.identify import identifier as named
    from babeltune.data.translation.audit import Audit
    from babeltune.data.translation.prompts import How
    from babeltune.generate.asking.address import Endpoint
    from babeltune.generate.endpoint import EndpointEngine
    from babeltune.generate.ledger import Ledger

    how = How(protocol, retries + 1, max_tokens)  # type: ignore[arg-type]
    with errors.status(f"reading {escape(source.name)}"):
        if chats:
            work = originals.chats(source, from_, skip_bad_rows=skip_bad_rows)
        else:
            work = originals.prompts(source, from_)
    _keep_source(source, out, languages)
    kept = out / "ledger.sqlite" if ledger is None else ledger
    if dry_run:
        _estimate(work, languages, model, how, kept, price)
        return
    reader = named(identifier, download=download)
    make(out)
    audits: list[Audit] = []
    with contextlib.closing(Ledger(kept)) as book, progress() as bars:
        if engine == "transformers":
            asked = _local(model, book)
        else:
            server = Endpoint(
                model=model, base_url=base_url, key_variable=key_variable, concurrency=concurrency, timeout=timeout,
                requests_per_minute=requests_per_minute,
            )  # fmt: skip
            asked = EndpointEngine(server, book, prices={model: price} if price else None, most_cost=max_cost)
        for code in languages:
            bar = bars.add_task(code, total=len(work.ids), kind="translate", unit=work.unit, rate="")
            audits.append(Audit(code))
            tell = functools.partial(bars.advance, bar)
            done = _into(out, code, work, work.translated(code, asked, reader, how), audits[-1], tell)
            if bars.disable:
                errors.say(f"{code}: {done:,} of {len(work.ids):,} {work.unit}")
        spent = book.spent()
    own = out / f"{from_}.jsonl"
    if own.resolve() != source.resolve():
        write_lines(own, work.own_rows())
    _tell(audits, out, work, own)
    told = f", {spent.dollars:.4f} dollars" if price is not None else ""
    console.say(f"Ledger: {kept} ({spent.calls:,} replies, {spent.prompt_tokens:,} tokens sent and {spent.completion_tokens:,} "
        f"received{told}, all runs together)")  # fmt: skip
    _missing(audits)


def _checked(
    languages: Sequence[str], from_: str, engine: str, protocol: str, model: str,
    prices: tuple[float | None, float | None], max_cost: float | None,
) -> Price | None:  # fmt: skip
    """The price, if one is given; options that are wrong or do not go together are refused, all at once."""
    from babeltune.generate.prices import Price

    problems = []
    for option, codes in (("--to", languages), ("--from", [from_])):
        for code in dict.fromkeys(codes):
            if code not in LANGUAGES:
                problems.append(Problem(option, f"unknown language '{code}'", suggest(code)))
    if not languages:
        problems.append(Problem("--to", "names no language", "Give codes, such as de,fr,zh."))
    if len(set(languages)) < len(languages):
        problems.append(Problem("--to", "names a language twice", "Name each once."))
    if from_ in languages:
        problems.append(Problem("--to", f"'{from_}' is the language of the source", "Take it out, or set --from."))
    if engine not in _ENGINES:
        problems.append(Problem("--engine", f"unknown engine '{engine}'", f"There are {' and '.join(_ENGINES)}."))
    if protocol not in _PROTOCOLS:
        problems.append(
            Problem("--protocol", f"unknown protocol '{protocol}'", f"There are {' and '.join(_PROTOCOLS)}.")
        )
    if engine == "transformers" and not (Path(model).expanduser() / "config.json").is_file():
        problems.append(
            Problem("--model", f"'{model}' is no folder of a model", "Give one that transformers has saved.")
        )
    given = [price for price in prices if price is not None]
    if len(given) == 1:
        problems.append(Problem("--price-input, --price-output", "only one is given", "Give both, or none."))
    if max_cost is not None and not given:
        what = "given without the model's price"
        problems.append(
            Problem("--max-cost", what, "Add --price-input and --price-output, dollars per million tokens.")
        )
    if problems:
        raise InputError("translate", problems)
    return Price(*given) if len(given) == 2 else None


def _keep_source(source: Path, out: Path, languages: Sequence[str]) -> None:
    """Refuse to write a translation over what is translated."""
    for code in languages:
        if (out / f"{code}.jsonl").resolve() == source.resolve():
            problem = Problem("--out", f"{out / f'{code}.jsonl'} is the source", "Give another folder.")
            raise InputError("translate", [problem])


def _local(model: str, book: Ledger) -> Engine:
    """A model of this machine, which answers from the ledger likewise."""
    import torch

    from babeltune.generate.chats import LocalChats
    from babeltune.generate.transformers import TransformersEngine

    folder = Path(model).expanduser()
    device: Literal["cuda", "cpu"] = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = "bfloat16" if device == "cuda" else "float32"
    return LocalChats(TransformersEngine(folder, dtype=dtype, device=device), folder, model, book)


def _into(
    out: Path, code: str, work: Originals, translated: Iterator[Translated], audit: Audit, tell: Callable[[], object]
) -> int:
    """Write a language's file, and what the audit found; how many are good."""
    good: dict[str, Translated] = {}
    rows: dict[str, Row] = {}
    for one in translated:
        audit.add(one.row)
        rows[one.row.id] = one.row
        if one.good:
            good[one.row.id] = one
        tell()
    write_lines(out / f"{code}.jsonl", work.rows(code, good))
    # No suffix of a data file: a folder of chats is read whole.
    write_lines(out / f"{code}.audit", (_audited(rows[name]) for name in work.ids if name in rows))
    return len(good)


def _audited(row: Row) -> dict[str, Any]:
    checked = row.checked
    return {
        "id": row.id,
        "state": row.state,
        "tries": row.tries,
        "why": row.why,
        "earlier": list(row.earlier),
        "flags": [dataclasses.asdict(flag) for flag in checked.flags],
        "warnings": [dataclasses.asdict(flag) for flag in checked.warnings],
        "identified": checked.identified,
        "probability": round(checked.probability, 4),
        "length": None if checked.ratio is None else round(checked.ratio, 3),
    }


def _estimate(work: Originals, languages: Sequence[str], model: str, how: How, kept: Path, price: Price | None) -> None:
    """Say what it would take, if no reply had to be asked for again."""
    from babeltune.data.translation.prompts import expected
    from babeltune.generate.ledger import Ledger, key_of
    from babeltune.generate.prices import cost

    table = listed(
        "language", "calls", "in the ledger", "tokens sent", "tokens received", *(["dollars"] if price else []),
        title=f"{len(work.ids):,} {work.unit}, {model}",
    )  # fmt: skip
    totals = [0, 0, 0, 0]
    with contextlib.ExitStack() as stack:
        book = stack.enter_context(contextlib.closing(Ledger(kept))) if kept.exists() else None
        for code in languages:
            asked = {}
            for request, length in work.requests(code, how):
                key = key_of(model, request)
                asked[key] = expected(request, length, code, work.source_language)
            known = book.answers(asked) if book else {}
            missing = [one for key, one in asked.items() if key not in known]
            row = [len(missing), len(known), sum(one.prompt for one in missing), sum(one.reply for one in missing)]
            totals = [total + one for total, one in zip(totals, row, strict=True)]
            table.add_row(*_figures(code, row, None if price is None else cost(price, row[2], 0, row[3])))
    if len(languages) > 1:
        table.add_row(*_figures("all", totals, None if price is None else cost(price, totals[2], 0, totals[3])))
    console.print(table)
    said = "" if price else " For money add --price-input and --price-output."
    console.say("Tokens are estimated from the length of the texts; replies that have to be asked for again come on top."
        f"{said} Nothing was sent.")  # fmt: skip


def _figures(name: str, row: Sequence[int], dollars: float | None) -> list[str]:
    return [name, *(f"{figure:,}" for figure in row), *([] if dollars is None else [f"{dollars:.4f}"])]


def _tell(audits: Sequence[Audit], out: Path, work: Originals, own: Path) -> None:
    from babeltune.data.translation.audit import TABLE, table

    shown = listed(*TABLE, title="what the audit found", words=("kept out for", "warnings"))
    for cells in table(audits):
        shown.add_row(*cells)
    console.print(shown)
    for one in audits:
        first = [row for row in one.rows if row.state != "good"][:3]
        for row in first:
            console.say(f"{one.language}, {row.id}: {row.why}")
        more = len(one.rows) - one.states["good"] - len(first)
        if more > 0:
            console.say(f"{one.language}: {more} more, see {out / f'{one.language}.audit'}")
    console.say(f"Written: {out}/<language>.jsonl; the {work.unit} of the source: {own}")


def _missing(audits: Sequence[Audit]) -> None:
    """End in an error where rows were not asked, or had no answer: the files are not what they are to be."""
    unsent = sum(one.states["unsent"] for one in audits)
    failed = sum(one.states["failed"] for one in audits)
    if not unsent + failed:
        return
    parts = [f"{failed} had no answer: the same command asks for them again"] if failed else []
    if unsent:
        parts.append(f"{unsent} were not sent, as --max-cost would have been passed: raise it and go on")
    raise EngineError(f"The files are not complete. {'; '.join(parts)}.")
