"""The survey of what is to be imported: every file is taken for what it is, or told with the reason it is left."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from babeltune.errors import Problem
from babeltune.languages import LANGUAGES
from babeltune.records import Cell
from babeltune.study.importing import authors, harness, inspected
from babeltune.study.importing.archive import UnreadableError
from babeltune.study.importing.found import Aggregate, Source
from babeltune.study.importing.names import MODELS, Kind, Told, Tuned, UnknownNameError, told, tuned
from babeltune.study.importing.numbers import SHARES

_KINDS = (".jsonl", ".json", ".eval", ".llm_eval")
"""Suffixes of files that may hold something; others are only counted."""
_LANGUAGES = {code: at for at, code in enumerate(LANGUAGES)}
_MOST = 1 << 29
"""Bytes of the largest JSON file that is read whole: half a GiB."""
_PROMPTS = 805
"""Rows that the authors' code demands of a dialogue file; their earlier .eval files do not say how many there were."""
_NAMED: tuple[Kind, ...] = ("outputs", "arguments", "agreement", "direct", "translated")


@dataclass
class Survey:
    """What was found."""

    sources: list[Source] = field(default_factory=list)
    """One a cell with outputs, in the order of their names."""
    aggregates: list[Aggregate] = field(default_factory=list)
    """Numbers of cells without."""
    left: list[Problem] = field(default_factory=list)
    """Files that were left out, and why."""
    others: Counter[str] = field(default_factory=Counter)
    """Suffix -> files of kinds that are not looked into."""

    def leave(self, where: str, why: str, fix: str = "Left out.") -> None:
        """Note what is not imported."""
        self.left.append(Problem(where, why, fix))


@dataclass
class _Taken:
    """Files by what they were taken for, until they are put together."""

    named: dict[Cell, dict[Kind, list[tuple[str, Path, Told]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    """The authors'."""
    made: dict[Cell, Tuned] = field(default_factory=dict)
    results: dict[Path, dict[str, Any]] = field(default_factory=dict)
    """Of the harness; so the next."""
    samples: list[tuple[str, Path]] = field(default_factory=list)
    logs: list[tuple[str, Path]] = field(default_factory=list)
    """Of Inspect."""


def survey(places: Sequence[Path], seen: Callable[[int], None] = lambda count: None) -> Survey:
    """Look through files and folders. ``seen`` is told how many files were looked at so far.

    Nothing is followed out of a place: a link that leaves it is left out.
    """
    found, files = Survey(), _Taken()
    for count, (where, path) in enumerate(_files(places, found), 1):
        seen(count)
        if path.suffix not in _KINDS:
            found.others[path.suffix or path.name] += 1
        elif path.suffix == ".eval" and _is_zip(path):
            files.logs.append((where, path))
        elif path.suffix == ".jsonl" and harness.named(path.stem):
            files.samples.append((where, path))
        else:
            _look(where, path, files, found)
    _pair(files, found)
    _harness(files.samples, files.results, found)
    for where, path in files.logs:
        _inspect(where, path, found)
    _once(found)
    return found


def _files(places: Sequence[Path], found: Survey) -> Iterator[tuple[str, Path]]:
    """Name, as it is shown, and path of every file, sorted; hidden ones are passed over."""
    for place in places:
        if place.is_file():
            yield place.name, place
            continue
        root = place.resolve()
        for folder, folders, files in os.walk(root, followlinks=False):
            folders[:] = sorted(one for one in folders if not one.startswith("."))
            for name in sorted(one for one in files if not one.startswith(".")):
                path = Path(folder) / name
                where = path.relative_to(root).as_posix()
                if path.is_symlink() and not path.resolve().is_relative_to(root):
                    found.leave(where, "is a link that leads out of the folder", "Copy the file there.")
                elif path.is_file():
                    yield where, path


def _look(where: str, path: Path, files: _Taken, found: Survey) -> None:
    """A file of the authors' by its name, or a JSON file by what is in it."""
    try:
        said = told(path.stem, path.suffix)
        by = tuned(path.parent.name)
        above = path.parent.parent.name
        if said.kind == "outputs" and "translated" in above:
            raise UnknownNameError("English translations for the judge; its own file brings what is needed of them")
    except UnknownNameError as error:
        if path.suffix == ".json" and (parsed := _parsed(path)) is not None:
            if harness.is_results(parsed):
                files.results[path] = parsed
                return
            if inspected.is_log(parsed):
                files.logs.append((where, path))
                return
        if (task := harness.other_task(path.stem)) is not None:
            why = f"samples of the task '{task}', which is none of {', '.join(harness.TASKS)}"
        else:
            why = str(error)
        found.leave(where, why)
        return
    cell = Cell(by.model, by.mix, 0, said.task, said.language, said.prompting, said.seed)
    files.made[cell] = by
    files.named[cell][said.kind].append((where, path, said))


def _parsed(path: Path) -> Any:
    if path.stat().st_size > _MOST:
        return None
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _pair(files: _Taken, found: Survey) -> None:
    """The files of each cell together; of two of a kind the first counts."""
    for cell, kinds in sorted(files.named.items(), key=lambda one: one[0].name):
        made = files.made[cell]
        parts: list[tuple[str, Path]] = []
        judge = ""
        for kind in _NAMED:
            several = kinds.get(kind, [])
            if kind in ("direct", "translated"):
                several, judge = _of_one_judge(several, judge, found)
            for where, path, said in several[1:]:
                if path.read_bytes() != several[0][1].read_bytes():
                    first, _, theirs = several[0]
                    batch = (
                        "" if said.batch == theirs.batch else f" (batches of {said.batch} in place of {theirs.batch})"
                    )
                    found.leave(where, f"{kind} of a cell that another file has already{batch}", f"{first} counts.")
            if several:
                parts.append((kind, several[0][1]))
        kept = dict(parts)
        if "outputs" in kept or "direct" in kept or "translated" in kept:
            found.sources.append(Source("authors", cell, made, tuple(parts), judge))
        elif "agreement" in kept:
            where = kinds["agreement"][0][0]
            values, problems = authors.agreement(kept["agreement"])
            found.left += [Problem(where, one.what, one.fix) for one in problems]
            n = values.pop("n", None)
            size = round(n) if n else _PROMPTS if cell.task == "dialogue" else None
            for metric, value in values.items():
                if metric in SHARES and size:
                    found.aggregates.append(Aggregate(cell, made, metric, value, size, None, where))
                else:
                    why = f"{metric} alone: without its outputs, or their number, it has no interval"
                    found.leave(where, why, "Give the .jsonl file beside it.")


def _of_one_judge(
    several: list[tuple[str, Path, Told]], judge: str, found: Survey
) -> tuple[list[tuple[str, Path, Told]], str]:
    """A judge's files: of the judge of the other reading if that is known, else of the first; others are told."""
    if not several:
        return several, judge
    by = {path: path.parent.parent.name for _, path, _ in several}
    chosen = judge if judge in by.values() else by[several[0][1]]
    for where, path, _ in several:
        if by[path] != chosen:
            found.leave(where, f"scores of another judge ('{by[path]}')", f"Those of '{chosen}' count.")
    return [one for one in several if by[one[1]] == chosen], chosen


def _harness(samples: Sequence[tuple[str, Path]], results: dict[Path, dict[str, Any]], found: Survey) -> None:
    """Samples with the file of results that stands beside them; what has results alone gives its numbers."""
    there: set[tuple[Path, str, str]] = set()
    for where, path in samples:
        about = harness.named(path.stem)
        assert about is not None
        beside = [one for one in sorted(results) if one.parent == path.parent]
        dated = [
            one
            for one in beside
            if one.stem.removeprefix("results") and path.stem.endswith(one.stem.removeprefix("results"))
        ]
        chosen = (dated or beside)[-1:]
        try:
            made = harness.model_of(results[chosen[0]] if chosen else None, path.parent.name)
        except UnknownNameError as error:
            found.leave(where, f"its model's name {error}")
            continue
        cell = Cell(made.model, made.mix, 0, *about, "xx:xx", 0)
        files = [("outputs", path), *(("results", one) for one in chosen)]
        found.sources.append(Source("lm-eval", cell, made, tuple(files)))
        there |= {(one, *about) for one in chosen}
    for path, parsed in sorted(results.items()):
        where = path.name
        try:
            made = harness.model_of(parsed, path.stem if path.stem not in ("results",) else path.parent.name)
        except UnknownNameError as error:
            found.leave(where, f"its model's name {error}")
            continue
        for one in harness.aggregates(parsed, made, where):
            if isinstance(one, Problem):
                found.left.append(one)
            elif (path, one.cell.task, one.cell.language) not in there:
                found.aggregates.append(one)


def _inspect(where: str, path: Path, found: Survey) -> None:
    try:
        about = inspected.head(path)
    except UnreadableError as error:
        found.leave(where, str(error))
        return
    except UnknownNameError as error:
        found.leave(where, f"its model's name {error}")
        return
    for epoch in about.epochs:
        cell = Cell(about.made.model, about.made.mix, 0, about.task, about.language, "xx:xx", epoch)
        found.sources.append(Source("inspect", cell, about.made, (("outputs", path),)))


def _once(found: Survey) -> None:
    """Of two sources of one cell the first counts, and outputs before numbers."""
    kept: dict[Cell, Source] = {}
    for one in found.sources:
        if one.cell in kept:
            fix = f"{kept[one.cell].files[0][1].name} counts."
            found.leave(one.files[0][1].name, f"outputs of the cell {one.cell.name} a second time", fix)
        else:
            kept[one.cell] = one
    found.sources = list(kept.values())
    numbers: dict[tuple[Cell, str], Aggregate] = {}
    for number in found.aggregates:
        if number.cell not in kept and numbers.setdefault((number.cell, number.metric), number) is not number:
            found.leave(number.source, f"{number.metric} of {number.cell.name} a second time")
    found.aggregates = list(numbers.values())
    found.sources.sort(key=lambda one: _place(one.tuned, one.cell))
    found.aggregates.sort(key=lambda one: _place(one.tuned, one.cell))


def _place(made: Tuned, cell: Cell) -> tuple[object, ...]:
    """Where a cell stands: the paper's models first, then mixes by size, languages as the paper has them."""
    model = MODELS.index(cell.model) if cell.model in MODELS else len(MODELS)
    return model, cell.model, len(made.chats), cell.mix, cell.task, _LANGUAGES[cell.language], cell.prompting, cell.seed
