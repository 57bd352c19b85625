"""Ratings: what raters gave answers, as files of theirs have it."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babeltune.errors import Problem, RowsError
from babeltune.languages import LANGUAGES, suggest
from babeltune.measure.judge.grade import HIGHEST, LOWEST

OPTIONAL = ("id", "model", "mix", "seed", "rater")
"""Columns that a file of ratings may have, beside ``language``, ``item`` and ``rating``; others are passed over."""
_DELIMITERS = ",;\t"
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Rating:
    """What one rater gave one answer."""

    language: str
    """ISO code."""
    item: str
    rating: int
    """1 to 6."""
    id: str = ""
    model: str = ""
    mix: str = ""
    seed: str = ""
    rater: str = ""


def read_ratings(path: Path) -> list[Rating]:
    """The ratings of a CSV file with the columns ``language``, ``item``, ``rating`` and any of ``OPTIONAL``.

    Commas, semicolons (Excel in many countries) or tabs; with or without a byte order mark; ``4``, ``4.0`` and ``4,0``
    are the same. Rows without a rating were not rated yet, and are left out.

    Raises:
        RowsError: the file cannot be read, lacks a column, or has rows that are not ratings (all of them).
    """
    subject = f"ratings '{path}'"
    rows = _table(path, subject)
    header = [name.strip().casefold() for name in rows[0][1]]
    needed = ("language", "item", "rating")
    problems = [
        Problem(f"{path.name}, {name}", "the column is missing", f"Columns here: {', '.join(header) or 'none'}.")
        for name in needed
        if name not in header
    ]
    known = [name for name in header if name in (*needed, *OPTIONAL)]
    problems += [
        Problem(f"{path.name}, {name}", "the column stands twice", "Leave one.")
        for name in dict.fromkeys(known)
        if known.count(name) > 1
    ]
    if problems:
        raise RowsError(subject, problems)
    found: list[Rating] = []
    seen: dict[tuple[str, ...], int] = {}
    for line, cells in rows[1:]:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path.name}:{line}"
        if len(cells) != len(header):
            what = f"{len(cells)} fields where the header has {len(header)}"
            problems.append(Problem(where, what, "A field that holds a delimiter stands in quotes."))
            continue
        fields = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if name in known}
        rating = _rating(fields, where, problems)
        if rating is None:
            continue
        key = tuple(getattr(rating, name) for name in ("language", "item", *OPTIONAL))
        if key in seen:
            what = f"rates the answer of line {seen[key]} again"
            fix = f"Leave one, or tell them apart by {', '.join(OPTIONAL)}."
            problems.append(Problem(where, what, fix))
        seen.setdefault(key, line)
        found.append(rating)
    if problems:
        more = len(problems) - _MOST_SHOWN
        last = [Problem(path.name, f"{more} problems more", "Mend them likewise.")] if more > 0 else []
        raise RowsError(subject, [*problems[:_MOST_SHOWN], *last])
    return found


def by_rater(files: Mapping[str, Sequence[Rating]]) -> dict[str, list[Rating]]:
    """Name of a rater -> the ratings.

    ``files``: name of a file without its ending -> what it holds; that name stands for a rater who gives none. Where a
    file names one rater, rows without a name are that rater's too. A rater may have rated in several files.

    Raises:
        RowsError: ratings without an id, or a rater who rates an answer twice.
    """
    found: dict[str, dict[str, Rating]] = defaultdict(dict)
    twice: dict[str, list[str]] = defaultdict(list)
    problems = []
    for file, ratings in files.items():
        nameless = sum(not one.id for one in ratings)
        if nameless:
            what = f"{nameless} ratings without an id"
            problems.append(Problem(file, what, "Give a sheet of babeltune annotate, with its column id as it was."))
        named = {one.rater for one in ratings if one.rater}
        alone = named.pop() if len(named) == 1 else file
        for one in ratings:
            rater = one.rater or alone
            if one.id in found[rater] and one.id:
                twice[rater].append(one.id)
            found[rater][one.id] = one
    for rater, ids in twice.items():
        fix = "Leave the newer of the ratings, or give each person a name of their own in the column rater."
        problems.append(Problem(f"rater '{rater}'", f"rates {_some(ids)} twice", fix))
    if problems:
        raise RowsError("ratings", problems)
    return {rater: list(ratings.values()) for rater, ratings in found.items()}


def _table(path: Path, subject: str) -> list[tuple[int, list[str]]]:
    """Line and cells of each row of a file, the header first; the delimiter is what the header has most of."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        fix = "Save it as UTF-8; in Excel as 'CSV UTF-8'."
        raise RowsError(subject, [Problem(path.name, f"is no UTF-8 ({error.reason})", fix)]) from error
    except OSError as error:
        raise RowsError(subject, [Problem(str(path), error.strerror or str(error), "Check the path.")]) from error
    said = text.partition("\n")[0].strip()
    if said.casefold().startswith("sep=") and len(said) == 5:  # a line that Excel writes and hides
        text = "\n" + text.partition("\n")[2]
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            rows += [(line, cells)] if cells else []
            line = reader.line_num + 1
    except csv.Error as error:
        fix = "Double each quote inside a quoted field."
        raise RowsError(subject, [Problem(f"{path.name}:{line}", f"broken quotes ({error})", fix)]) from error
    if not rows:
        raise RowsError(subject, [Problem(path.name, "is empty", "The first row names the columns.")])
    return rows


def _rating(fields: Mapping[str, str], where: str, problems: list[Problem]) -> Rating | None:
    """The rating of a row; None where it was not rated, or is none (``problems`` says why)."""
    before = len(problems)
    language, item, given = fields["language"], fields["item"], fields["rating"]
    if not given:
        return None
    if language not in LANGUAGES:
        problems.append(Problem(f"{where}, language", f"unknown language '{language}'", suggest(language)))
    if not item:
        problems.append(Problem(f"{where}, item", "is empty", "Give the item's id."))
    try:
        number = float(given.replace(",", "."))
    except ValueError:
        number = 0.5
    if not (number.is_integer() and LOWEST <= number <= HIGHEST):
        fix = f"A whole number from {LOWEST} to {HIGHEST}, or nothing."
        problems.append(Problem(f"{where}, rating", f"'{given[:40]}' is no rating", fix))
    if len(problems) > before:
        return None
    return Rating(language, item, int(number), **{name: fields.get(name, "") for name in OPTIONAL})


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:_MOST_SHOWN])
    return f"{len(ids)} answer{'s' if len(ids) != 1 else ''} ({shown}{' …' if len(ids) > _MOST_SHOWN else ''})"
