"""Reading items: a task's files or hub set -> items, with every row that is wrong named by place and field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from babeltune.errors import ItemsError, Problem, RowsError
from babeltune.hub import HubSet, snapshot
from babeltune.records import Item, Prompting
from babeltune.rows import Row, file_rows

Place = Path | HubSet
"""A file, a folder, or a hub set whose parquet files lie in ``<config>/<split>-*.parquet``."""

SEED = 42
"""Of every draw of items (authors' code)."""
MONOLINGUAL: tuple[Prompting, ...] = ("xx:xx",)
BOTH: tuple[Prompting, ...] = ("xx:xx", "en:xx")
"""Promptings of tasks."""
_MOST_SHOWN, _MOST_ALIKE = 20, 3
_T = TypeVar("_T")


class WrongRowError(ValueError):
    """A row that makes no item."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what, self.fix = what, fix

    def at(self, where: str) -> Problem:
        """The problem that it is, of the row at this place."""
        return Problem(where, self.what, self.fix)


def rows(
    place: Place, names: Sequence[str], hub_files: str, subject: str, *, quoted: bool = True
) -> list[Row | Problem]:
    """The rows of the first file that is there: the place itself, or one of the names in the folder.

    ``hub_files``: glob pattern of the parquet files of a hub set. ``quoted``: as of ``file_rows``.

    Raises:
        ItemsError: there is no such file, or it cannot be read.
    """
    try:
        return [row for file in files(place, names, hub_files, subject) for row in file_rows(file, quoted=quoted)]
    except RowsError as error:
        raise ItemsError(subject, error.problems) from error


def files(place: Place, names: Sequence[str], hub_files: str, subject: str) -> list[Path]:
    """The files that ``rows`` reads.

    Raises:
        ItemsError: there are none, or the hub set is not in the local cache.
    """
    if isinstance(place, HubSet):
        try:
            folder = snapshot(place.id, place.revision, download=False, files=[hub_files])
        except RowsError as error:
            raise ItemsError(subject, error.problems) from error
        return sorted(folder.glob(hub_files))
    if place.is_file():
        return [place]
    for name in names:
        if (place / name).is_file():
            return [place / name]
    what = "there is no such file" if place.is_dir() else "there is no such folder or file"
    where = str(place / names[0]) if place.is_dir() else str(place)
    others = f", or name the file {' or '.join(names[1:])}" if place.is_dir() and names[1:] else ""
    raise ItemsError(subject, [Problem(where, what, f"Add it{others}, or take the language out.")])


def parsed(
    read: Iterable[Row | Problem], make: Callable[[Row], Item | None], subject: str, nothing: str = "there is no item"
) -> list[Item]:
    """The items of rows; ``make`` gives None for a row of another language or split.

    Raises:
        ItemsError: a row is broken or makes no item (all are told, as ``shown`` has it), an id stands twice, or there
            are no items.
    """
    items: dict[str, Item] = {}
    problems: list[Problem] = []
    for row in read:
        if isinstance(row, Problem):
            problems.append(row)
            continue
        try:
            item = make(row)
        except WrongRowError as error:
            problems.append(error.at(row.where))
            continue
        if item is not None and item.id in items:
            problems.append(Problem(row.where, f"the id '{item.id}' stands twice", "Give each item its own id."))
        elif item is not None:
            items[item.id] = item
    if not items and not problems:
        problems.append(Problem(subject, nothing, "Check the file, the language and the split."))
    if problems:
        raise ItemsError(subject, shown(problems, subject))
    return list(items.values())


def shown(problems: Sequence[Problem], subject: str) -> list[Problem]:
    """Problems of rows as they are told: more than three that are alike as one, which names their places (beyond twenty
    counted); and of what is left twenty, the rest counted.
    """
    alike: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.what, problem.fix), []).append(problem)
    groups: list[list[Problem]] = []
    for problem in problems:
        some = alike[problem.what, problem.fix]
        if len(some) <= _MOST_ALIKE:
            groups.append([problem])
        elif some[0] is problem:
            groups.append(some)
    told = [Problem(_places(some), some[0].what, some[0].fix) for some in groups[:_MOST_SHOWN]]
    more = sum(map(len, groups[_MOST_SHOWN:]))
    rest = f"{more} row{'s' if more > 1 else ''} more"
    return [*told, *([Problem(subject, rest, "Mend them likewise.")] if more else [])]


def _places(alike: Sequence[Problem]) -> str:
    """``rows.jsonl:3, 7, 9``, the name of the file once."""
    first = alike[0].where
    file = first[: first.rfind(":") + 1]
    named = [first, *(one.where.removeprefix(file) for one in alike[1:_MOST_SHOWN])]
    more = len(alike) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def text(fields: Mapping[str, Any], name: str, *, blank: bool = False) -> str:
    """The text of a field; ``question.stem`` is a field within a field.

    Raises:
        WrongRowError: there is no such field, it is no text, it is empty (unless ``blank``), or has no UTF-8.
    """
    value = within(fields, name)
    if not isinstance(value, str):
        raise WrongRowError(f"field '{name}': {_kind(value)} in place of a text", "Give it as text.")
    if not blank and not value.strip():
        raise WrongRowError(f"field '{name}': is empty", "Give it a text, or take the row out.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise WrongRowError(f"field '{name}': half a character (a lone surrogate)", "Save it as UTF-8.") from error
    return value


def within(fields: Mapping[str, Any], name: str) -> Any:
    """The value of a field, or of a field within a field.

    Raises:
        WrongRowError: there is none.
    """
    value: Any = fields
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            known = ", ".join(map(str, value)) if isinstance(value, Mapping) else _kind(value)
            raise WrongRowError(f"field '{name}': is missing (here: {known or 'nothing'})", "Add it.")
        value = value[part]
    return value


def sampled(rows: Sequence[_T], n: int | None, seed: int) -> list[_T]:
    """``n`` of the rows as ``pandas.DataFrame.sample(n, random_state=seed)`` draws them, in their order; all for None."""
    if n is None or n >= len(rows):
        return list(rows)
    drawn = np.random.RandomState(seed).permutation(len(rows))[:n]
    return [rows[at] for at in sorted(drawn.tolist())]


def _kind(value: object) -> str:
    names = {"NoneType": "nothing", "int": "a number", "float": "a number", "list": "a list", "dict": "an object"}
    return names.get(type(value).__name__, f"a {type(value).__name__}")
