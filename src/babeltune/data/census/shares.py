"""Shares: a census as the paper's Table 1, written as CSV and Markdown, and read back as pretraining exposure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from babeltune.data.census.count import UNKNOWN, Census
from babeltune.data.census.tally import write_whole
from babeltune.errors import InputError, Problem
from babeltune.languages import LANGUAGES, code_of, suggest

_PUBLISHED_UNKNOWN = {"llama2": 8.38, "falcon": 3.902}
"""Shares of unknown documents [%] (paper, Table 1); none is given for GPT-3."""
_NEEDED = ("code", "percent")
_FIX = "Give a table as `babeltune census` writes it; its columns 'code' and 'percent' are enough."


@dataclass(frozen=True, slots=True)
class Share:
    """One row of Table 1. Percentages are of documents, in [0, 100]; the published ones are None where none is given."""

    rank: int
    """From 1; equals in the order of their labels."""
    label: str
    """The identifier's, or ``unknown``."""
    code: str
    """ISO code; empty for a language that is not in the table of languages."""
    language: str
    """English name; the label for a language that is not in the table."""
    documents: int
    characters: int
    """Unicode code points."""
    percent: float
    llama2: float | None = None
    falcon: float | None = None
    gpt3: float | None = None


def table(census: Census) -> list[Share]:
    """A row for every label that was found, most documents first; ``unknown`` always has its own.

    Raises:
        InputError: nothing was counted.
    """
    if not census.total:
        raise InputError(
            "census", [Problem("corpus", "holds no documents", "Give another source, or another --field.")]
        )
    documents = {UNKNOWN: 0, **census.documents}
    shares = Census(documents, census.characters).shares()
    return [
        _share(rank, label, documents[label], census.characters.get(label, 0), percent)
        for rank, (label, percent) in enumerate(shares.items(), 1)
    ]


def _share(rank: int, label: str, documents: int, characters: int, percent: float) -> Share:
    if label == UNKNOWN:
        return Share(rank, label, "", label, documents, characters, percent, **_PUBLISHED_UNKNOWN)
    code = code_of(label)
    if code is None:
        return Share(rank, label, "", label, documents, characters, percent)
    row = LANGUAGES[code]
    return Share(rank, label, code, row.name, documents, characters, percent, row.llama2, row.falcon, row.gpt3)


def as_csv(shares: Sequence[Share]) -> str:
    """The table as CSV, a column a field, percentages to eight decimals."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(Share))
    for share in shares:
        writer.writerow(_decimal(cell) if isinstance(cell, float) else cell for cell in astuple(share))
    return text.getvalue()


HEADINGS = ("#", "Language", "Percent", "Llama 2", "Falcon", "GPT-3")
"""The columns of Table 1, the published ones beside ours."""


def cells(share: Share) -> tuple[str, ...]:
    """A row as it is printed, under ``HEADINGS``."""
    published = (share.llama2, share.falcon, share.gpt3)
    return (str(share.rank), share.language, _percent(share.percent), *map(_percent, published))


def as_markdown(shares: Sequence[Share]) -> str:
    """The table in the columns of the paper's Table 1."""
    lines = [HEADINGS, ("--:", ":--", *["--:"] * 4), *map(cells, shares)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write(shares: Sequence[Share], table: Path, text: Path) -> None:
    """Write ``table`` as CSV and ``text`` as Markdown, each whole or not at all.

    Raises:
        StoreError: they cannot be written.
    """
    for path, content in ((table, as_csv(shares)), (text, as_markdown(shares))):
        write_whole(path, content)


def _percent(value: float | None) -> str:
    """Three decimals as in the paper, more for what would vanish."""
    if value is None:
        return ""
    return f"{value:.3f}%" if value >= 0.001 or not value else f"{_decimal(value)}%"


def _decimal(value: float) -> str:
    return f"{value:.8f}".rstrip("0").rstrip(".")


def read_shares(path: Path) -> dict[str, float]:
    """ISO code -> percent of the documents, in [0, 100], of a CSV that a census wrote, or of one with these two columns.

    Rows without a code (``unknown``, languages that are not in the table) are passed over. Labels that share a code
    are summed.

    Raises:
        InputError: the file cannot be read, or is no such table; every problem is named.
    """
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""), strict=True)
        names = list(reader.fieldnames or ())
        rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"shares '{path}'", [Problem(str(path), f"cannot be read ({error})", _FIX)]) from error
    missing = [name for name in _NEEDED if name not in names]
    if missing or not rows:
        what = f"no column '{missing[0]}' among {', '.join(names) or 'none'}" if missing else "holds no rows"
        raise InputError(f"shares '{path}'", [Problem(path.name, what, _FIX)])
    shares: dict[str, float] = {}
    labels: set[str] = set()
    problems: list[Problem] = []
    for line, row in rows:
        where = f"{path.name}:{line}"
        code, label = (row["code"] or "").strip(), row.get("label") or row["code"] or ""
        percent = _number(row["percent"])
        if None in row:
            problems.append(Problem(where, "more fields than the header", _FIX))
        elif percent is None:
            problems.append(Problem(where, f"percent is {row['percent']!r}", "Give a number between 0 and 100."))
        elif code and code not in LANGUAGES:
            problems.append(Problem(where, f"unknown language '{code}'", suggest(code)))
        elif label and label in labels:
            problems.append(Problem(where, f"'{label}' stands there twice", "Give each language one row."))
        elif code:
            shares[code] = shares.get(code, 0.0) + percent
        labels.add(label)
    if not problems and sum(shares.values()) > 100.01:
        what = f"the shares sum to {sum(shares.values()):g} percent"
        problems.append(Problem(path.name, what, "Give percentages of all documents."))
    if problems:
        raise InputError(f"shares '{path}'", problems)
    return shares


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= 100 else None
