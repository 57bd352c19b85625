"""A sheet for people: which answers they are to rate, under ids that tell nothing, and the way back to the answers.

Nothing but the study leads back from an id to its answer: ids are hashes of language, prompt and response, so that they
are the same whenever and wherever they are made, and whoever holds a sheet alone learns no model and no mix from them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babeltune.measure.judge.helpfulness import HELPFULNESS_RAW
from babeltune.measure.raters.ratings import Rating
from babeltune.records import Cell

SEED = 42
"""Of the draw and of the order; as of the study's other samples."""
_LETTERS = 12
"""48 bits: among 100,000 answers the chance that two share an id is one in 50,000."""
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """A prompt and a response to it, once, however many models gave it."""

    id: str
    """Twelve letters; letters alone, for a spreadsheet takes ``12e456789012`` for a number."""
    language: str
    """ISO code of the prompt's language."""
    item: str
    prompt: str
    response: str
    cells: tuple[Cell, ...]
    """Where it was given."""
    judged: int | None
    """The judge's own score, 1 to 6; None where it gave none."""


def answers(scored: Iterable[tuple[Cell, Mapping[str, Any]]]) -> list[Answer]:
    """The distinct answers among rows of score files. A request without an answer (``failed``, ``unsent``) is none."""
    same: dict[str, list[tuple[Cell, Mapping[str, Any]]]] = defaultdict(list)
    for cell, row in scored:
        if row["finish"] not in ("failed", "unsent"):
            same[_id(cell.language, row["prompt"], row["response"])].append((cell, row))
    found = []
    for name, rows in same.items():
        cell, row = rows[0]
        judged = [one["values"][HELPFULNESS_RAW] for _, one in rows if HELPFULNESS_RAW in one["values"]]
        cells = tuple(dict.fromkeys(one for one, _ in rows))
        score = int(judged[0]) if judged else None
        found.append(Answer(name, cell.language, row["item"], row["prompt"], row["response"], cells, score))
    return found


def draw(found: Sequence[Answer], n: int, seed: int = SEED) -> list[Answer]:
    """``n`` answers, or all where there are fewer, shuffled; which they are hangs on the answers and the seed alone.

    Those that the judge scored come first, so that as many as may be have both ratings. Mixes have equal shares as far
    as they have answers, then the cells of a mix; of a cell those are taken whose items were taken least so far.
    """
    per_mix: Counter[str] = Counter()
    per_cell: Counter[Cell] = Counter()
    per_item: Counter[str] = Counter()
    drawn: list[Answer] = []
    for pool in ([one for one in found if one.judged is not None], [one for one in found if one.judged is None]):
        cells = sorted({cell for one in pool for cell in one.cells}, key=lambda cell: _rank(seed, cell.name))
        left: dict[Cell, list[Answer]] = {cell: [] for cell in cells}
        for one in sorted(pool, key=lambda one: _rank(seed, one.id)):
            for cell in one.cells:
                left[cell].append(one)
        while left and len(drawn) < n:
            cell = min(left, key=lambda cell: (per_mix[cell.mix], per_cell[cell]))
            one = min(left[cell], key=lambda one: per_item[one.item])
            drawn.append(one)
            per_item[one.item] += 1
            per_cell.update(one.cells)
            per_mix.update({cell.mix for cell in one.cells})
            for cell in one.cells:
                left[cell].remove(one)
            left = {cell: some for cell, some in left.items() if some}
    return sorted(drawn, key=lambda one: _rank(seed, f"order {one.id}"))


def resolved(ratings: Sequence[Rating], found: Sequence[Answer]) -> tuple[list[Rating], list[str]]:
    """Ratings under language and item as the study has them, whatever became of them in a spreadsheet; unknown ids."""
    known = {one.id: one for one in found}
    resolved_ = [
        Rating(known[one.id].language, known[one.id].item, one.rating, id=one.id, rater=one.rater)
        for one in ratings
        if one.id in known
    ]
    return resolved_, [one.id for one in ratings if one.id not in known]


def judged(found: Sequence[Answer]) -> list[Rating]:
    """The judge's own scores as ratings."""
    return [Rating(one.language, one.item, one.judged, id=one.id) for one in found if one.judged is not None]


def _id(language: str, prompt: str, response: str) -> str:
    digits = _hash([language, prompt, response])[:_LETTERS]
    return "".join(chr(ord("a") + int(digit, 16)) for digit in digits)


def _rank(seed: int, name: str) -> str:
    return _hash([seed, name])


def _hash(parts: Sequence[int | str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()  # ASCII: half a character is escaped
