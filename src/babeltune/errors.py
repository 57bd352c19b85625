"""Everything that babeltune raises on purpose.

BabeltuneError                 what went wrong, where, why, and what to do next
├── InputError                 the user's input is at fault; carries every problem found, not just the first
│   ├── StudyError             a study file
│   ├── RowsError              a file or hub set of records
│   │   └── ChatsError         one of chats
│   ├── ItemsError             the test items of a task, or its prompts
│   └── TemplateError          chats that would be trained wrongly (no EOS, no answer left, markers split differently)
├── MixError                   a mix does not hold what it promises
├── ModelError                 a base model that cannot be found, read or converted
├── StoreError                 the runs folder: unreadable record, foreign content, no space
│   └── LockedError            another run of the same study holds it
├── NotDrawnError              results from which a figure or a table cannot be drawn
├── EngineError                an engine could not complete its requests
└── PushError                  the hub did not take an exported folder

Exit codes of the command line (the table of docs/commands.md is made of these lines):

    0    done
    1    any other ``BabeltuneError``: it could not be done, or not yet; `doctor`: something is missing
    2    an ``InputError``: the command, the study file or the data are not as they must be; nothing was begun
    3    a ``LockedError``: another run holds the study
    130  stopped with Ctrl-C; the same command goes on
    143  stopped with SIGTERM; the same
    129  stopped with SIGHUP, as its terminal was closed; the same
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass


class BabeltuneError(Exception):
    """Base of the tree. The message says what, where, why, and what to do next."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input."""

    where: str
    """A field (``recipe.rank``) or a line (``chats.jsonl:12``)."""
    what: str
    """What is wrong, with the value seen."""
    fix: str
    """What would be right."""
    line: int | None = None
    """1-based line of the input file, where it is known."""

    def __str__(self) -> str:
        place = f"line {self.line}, {self.where}" if self.line is not None else self.where
        return f"{place}: {self.what}. {self.fix}"


def instead(name: str, names: Collection[str], others: str = "There are", cutoff: float = 0.5) -> str:
    """What to say to somebody who wrote a name that is not among ``names``: the nearest, or else all of them.

    ``cutoff``: how like it the nearest must be, in [0, 1].
    """
    near = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
    return f"Did you mean '{near[0]}'?" if near else f"{others} {', '.join(names)}."


class InputError(BabeltuneError):
    """The user's input is at fault. ``problems`` holds all of them, in the order of the file."""

    exit_code = 2

    def __init__(self, subject: str, problems: Sequence[Problem]) -> None:
        self.subject = subject
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{subject}: {count} problem{'s' if count != 1 else ''}"
        super().__init__("\n".join([head, *(f"  - {problem}" for problem in self.problems)]))

    def __reduce__(self) -> tuple[type[InputError], tuple[str, tuple[Problem, ...]]]:
        """Travels between processes as any exception does."""
        return type(self), (self.subject, self.problems)


class StudyError(InputError):
    """A study file that cannot be run as written."""


class RowsError(InputError):
    """A file or hub set of records that is not there, or cannot be read to its end."""


class ChatsError(RowsError):
    """A chats file with rows that cannot be read."""


class ItemsError(InputError):
    """Test items or prompts of a task that are not there, or not as they must be."""


class TemplateError(InputError):
    """Chats and a tokenizer that together would train something other than what the study says."""


class MixError(BabeltuneError):
    """A mix does not hold what it promises (size, nesting, disjoint ids)."""


class ModelError(BabeltuneError):
    """A base model that cannot be found, read or converted."""


class StoreError(BabeltuneError):
    """The runs folder cannot be used: unreadable record, foreign content, no space left."""


class LockedError(StoreError):
    """Another run of the same study holds it."""

    exit_code = 3


class NotDrawnError(BabeltuneError):
    """Results from which a figure or a table cannot be drawn. The message goes on after its name: "needs …"."""


class EngineError(BabeltuneError):
    """An engine could not complete its requests."""


class PushError(BabeltuneError):
    """The hub did not take an exported folder."""
