"""The audit of translations: a record of each, id by id, and what became of all of them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from babeltune.data.translation.check import Checked

State = Literal["good", "bad", "refused", "failed", "unsent"]
STATES: tuple[State, ...] = get_args(State)
"""``bad``: flagged at every try. ``refused``: the server's filter would not have it. ``failed`` and ``unsent``: there
was no answer, which another run asks for again."""


@dataclass(frozen=True, slots=True)
class Row:
    """The record of one translation."""

    id: str
    language: str
    state: State
    tries: int
    """Requests that were sent for it, answered from a ledger or not; 0 where nothing had to be translated."""
    checked: Checked = field(default_factory=Checked)
    """Of the last try."""
    earlier: tuple[str, ...] = ()
    """Flags of the tries before it, such as ``length, language``."""
    reason: str = ""
    """Why there is no answer, where there is none."""

    @property
    def why(self) -> str:
        """What kept it out, in words; empty for a good one."""
        if self.state == "good":
            return ""
        return self.reason or "; ".join(f"{flag.kind}: {flag.detail}" for flag in self.checked.flags) or self.state


@dataclass
class Audit:
    """What became of the translations into one language."""

    language: str
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Count a row."""
        self.rows.append(row)

    @property
    def states(self) -> dict[State, int]:
        """State -> rows, all states named."""
        found = Counter(row.state for row in self.rows)
        return {state: found[state] for state in STATES}

    @property
    def flags(self) -> dict[str, int]:
        """Kind of flag -> rows that were kept out with it, most first."""
        return _counted(flag.kind for row in self.rows if row.state == "bad" for flag in row.checked.flags)

    @property
    def mended(self) -> int:
        """Rows that were flagged first and good at a later try."""
        return sum(row.state == "good" and bool(row.earlier) for row in self.rows)

    @property
    def warnings(self) -> dict[str, int]:
        """Kind of warning -> good rows with it, most first."""
        kinds = ({flag.kind for flag in row.checked.warnings} for row in self.rows if row.state == "good")
        return _counted(kind for found in kinds for kind in found)

    @property
    def ratio(self) -> float | None:
        """Median ratio of lengths of the good rows; None without any."""
        found = [row.checked.ratio for row in self.rows if row.state == "good" and row.checked.ratio is not None]
        return statistics.median(found) if found else None


TABLE = ("language", "rows", "good", "mended", *STATES[1:], "length", "kept out for", "warnings")


def table(audits: Iterable[Audit]) -> list[list[str]]:
    """A row a language, the columns of ``TABLE``; ``length`` is the median ratio."""
    return [
        [
            one.language,
            f"{len(one.rows):,}",
            f"{one.states['good']:,}",
            f"{one.mended:,}",
            *(f"{one.states[state]:,}" for state in STATES[1:]),
            "-" if one.ratio is None else f"{one.ratio:.2f}",
            _listed(one.flags),
            _listed(one.warnings),
        ]
        for one in audits
    ]


def _counted(kinds: Iterable[str]) -> dict[str, int]:
    return dict(Counter(kinds).most_common())


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{kind} {n}" for kind, n in counts.items()) or "-"
