"""Agreement of two sets of ratings from 1 to 6: of judges, of readings of one judge, or of people.

All four statistics are computed from the table of how often one side said i where the other said j; resampling items is
then a matrix product, as of every interval here.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from babeltune.errors import InputError, Problem, RowsError
from babeltune.languages import LANGUAGES, suggest
from babeltune.measure.statistics.intervals import RESAMPLES, SEED, Interval, Resampling, combined
from babeltune.measure.verdict import HIGHEST, LOWEST

Floats = NDArray[np.float64]
ALL = "all"
"""In the place of a language: all of them together."""
POINTS = HIGHEST - LOWEST + 1
OPTIONAL = ("id", "model", "mix", "seed", "rater")
"""Columns that a file of ratings may have, beside ``language``, ``item`` and ``rating``; others are passed over."""
_TOLD_APART = ("id", "model", "mix", "seed")
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


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two sides agree, in one language or over all. A statistic that is None has a reason."""

    language: str
    """ISO code, or ``all``: the ratings of all languages in one table."""
    n: int
    """Answers that both sides rated."""
    exact: Interval | None
    """Share with the same rating, in [0, 1]."""
    within_one: Interval | None
    """Share at most one point apart, in [0, 1]."""
    kappa: Interval | None
    """Quadratic weighted kappa (Cohen 1968, https://doi.org/10.1037/h0026256), in [-1, 1]; 0 is chance."""
    spearman: Interval | None
    """Spearman's rank correlation, ties at their mean rank, in [-1, 1]."""
    reasons: Mapping[str, str]
    """Statistic -> why it is None."""


def agreement(
    first: Sequence[Rating], second: Sequence[Rating], *, seed: int = SEED, resamples: int = RESAMPLES
) -> list[Agreement]:
    """One row a language, then one over all where there are several; answers that one side alone rated are left out.

    Answers are matched by language, item and those of id, model, mix and seed that both sides give. Intervals resample
    items; an item in two languages, or under two mixes, moves together.

    Raises:
        InputError: a side rates an answer twice, as far as can be told; or no answer is rated by both.
    """
    shared = [name for name in _TOLD_APART if all(any(getattr(one, name) for one in side) for side in (first, second))]
    keyed = [_keyed(side, shared, which) for side, which in ((first, "first"), (second, "second"))]
    both = [key for key in keyed[0] if key in keyed[1]]
    if not both:
        fix = "They are matched by language, item, id, model, mix and seed, where both sides give them."
        raise InputError("agreement", [Problem("ratings", "no answer was rated by both sides", fix)])
    pairs = [(keyed[0][key], keyed[1][key]) for key in both]
    codes = [code for code in LANGUAGES if any(one.language == code for one, _ in pairs)]
    groups = {code: [pair for pair in pairs if pair[0].language == code] for code in codes}
    if len(codes) > 1:
        groups[ALL] = pairs
    return [_agreement(language, group, seed, resamples) for language, group in groups.items()]


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


def _keyed(side: Sequence[Rating], shared: Sequence[str], which: str) -> dict[tuple[str, ...], Rating]:
    keyed: dict[tuple[str, ...], Rating] = {}
    problems: list[Problem] = []
    for one in side:
        key = tuple(getattr(one, name) for name in ("language", "item", *shared))
        if key in keyed:
            told = ", ".join(part for part in key if part)
            missing = [name for name in _TOLD_APART if name not in shared]
            fix = f"Give one rater a side, and what tells the answers apart ({', '.join(missing)}) on both."
            problems.append(Problem(f"{which} side", f"rates an answer twice ({told})", fix))
        keyed.setdefault(key, one)
    if problems:
        more = len(problems) - _MOST_SHOWN
        last = [Problem(f"{which} side", f"{more} answers more", "As above.")] if more > 0 else []
        raise InputError("agreement", [*problems[:_MOST_SHOWN], *last])
    return keyed


def _agreement(language: str, pairs: Sequence[tuple[Rating, Rating]], seed: int, resamples: int) -> Agreement:
    tables: dict[str, Floats] = defaultdict(lambda: np.zeros((POINTS, POINTS)))
    for one, two in pairs:
        tables[one.item][one.rating - LOWEST, two.rating - LOWEST] += 1
    stacked = np.array([tables[item].ravel() for item in sorted(tables)])
    whole = stacked.sum(axis=0).reshape(POINTS, POINTS)
    reasons: dict[str, str] = {}
    if len(pairs) < 2:
        reasons = dict.fromkeys(_STATISTICS, "fewer than two answers")
    elif min(np.count_nonzero(whole.sum(axis=0)), np.count_nonzero(whole.sum(axis=1))) < 2:
        reasons = dict.fromkeys(("kappa", "spearman"), "one side gives every answer the same rating")
    found: dict[str, Interval | None] = {
        name: None if name in reasons else _interval(stacked, statistic, lowest, seed, resamples)
        for name, (statistic, lowest) in _STATISTICS.items()
    }
    return Agreement(
        language, len(pairs), found["exact"], found["within_one"], found["kappa"], found["spearman"], reasons
    )


def _interval(
    tables: Floats, statistic: Callable[[Floats], Floats], lowest: float, seed: int, resamples: int
) -> Interval:
    def shaped(sums: Floats) -> Floats:
        return statistic(sums.reshape(*sums.shape[:-1], POINTS, POINTS))

    return combined(tables, shaped, least=lowest, how=Resampling(resamples=resamples, seed=seed))


_APART = np.abs(np.subtract.outer(np.arange(POINTS), np.arange(POINTS))).astype(np.float64)


def _exact(table: Floats) -> Floats:
    """Tables of shape (..., points, points) -> share, shape (...); so all four."""
    return np.asarray((table * (_APART == 0)).sum(axis=(-2, -1)) / table.sum(axis=(-2, -1)))


def _within_one(table: Floats) -> Floats:
    return np.asarray((table * (_APART <= 1)).sum(axis=(-2, -1)) / table.sum(axis=(-2, -1)))


def _kappa(table: Floats) -> Floats:
    """NaN where both sides give everything the same rating."""
    n = table.sum(axis=(-2, -1))
    seen = (table * _APART**2).sum(axis=(-2, -1)) / n
    rows, columns = table.sum(axis=-1), table.sum(axis=-2)
    chance = np.einsum("...i,ij,...j->...", rows, _APART**2, columns) / n**2
    return np.asarray(1 - seen / chance)


def _spearman(table: Floats) -> Floats:
    """Pearson's correlation of mean ranks, which hang on the margins alone; NaN where a side gives all the same."""
    n = table.sum(axis=(-2, -1), keepdims=True)
    rows, columns = table.sum(axis=-1, keepdims=True), table.sum(axis=-2, keepdims=True)
    one = rows.cumsum(axis=-2) - (rows - 1) / 2 - (n + 1) / 2
    two = columns.cumsum(axis=-1) - (columns - 1) / 2 - (n + 1) / 2
    spread = (rows * one**2).sum(axis=(-2, -1)) * (columns * two**2).sum(axis=(-2, -1))
    return np.asarray((table * one * two).sum(axis=(-2, -1)) / np.sqrt(spread))


_STATISTICS: Mapping[str, tuple[Callable[[Floats], Floats], float]] = {
    "exact": (_exact, 0.0),
    "within_one": (_within_one, 0.0),
    "kappa": (_kappa, -1.0),
    "spearman": (_spearman, -1.0),
}


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
