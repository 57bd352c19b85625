"""A match: does a response hold the right answer? What a rule is given, and what it says (paper, sections 4.3 and 4.4).

What counts as right hangs on the rule, so all are kept, and run on the same outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

QUOTES = '"„“”‟«»「」『』＂'
"""Marks that close an answer. Apostrophes are not among them, nor are 《》, which Chinese titles are written in."""


@dataclass(frozen=True, slots=True)
class Gold:
    """What a response is held against."""

    references: tuple[str, ...]
    """Right answers, of which the best counts; for X-CSQA the one letter."""
    language: str
    """ISO code of the language of question and answer."""
    question: str = ""
    """The question as asked, for responses that repeat it. The authors' code finds it in the prompt by its heading."""


@dataclass(frozen=True, slots=True)
class Match:
    """A rule's verdict on one response."""

    value: float | None
    """In [0, 1]; None where there is no verdict."""
    found: str | None
    """What the rule took for the answer; None where it found none."""
    rule: str
    """Name of the rule."""
    note: str = ""
    """Why nothing was found, or why there is no verdict."""


Matcher = Callable[[str, Gold], Match]


def has_case(char: str) -> bool:
    """Part of a word in a script that spaces its words: a digit, or a letter with capital and small form."""
    return char.isdigit() or char.lower() != char.upper()


def matches(rules: Mapping[str, Matcher], responses: Sequence[str], golds: Sequence[Gold]) -> dict[str, list[Match]]:
    """Every rule's verdicts on the same responses, in their order.

    Raises:
        ValueError: not as many responses as golds.
    """
    if len(responses) != len(golds):
        raise ValueError(f"{len(responses)} responses, {len(golds)} golds")
    return {name: [rule(*pair) for pair in zip(responses, golds, strict=True)] for name, rule in rules.items()}
