"""Does a response hold the right answer? All rules, run on the same outputs (paper, sections 4.3 and 4.4).

What counts as right hangs on the rule, so all are kept, and the items listed on which they differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from babeltune.measure.metrics.letters import LETTERS as LETTERS
from babeltune.measure.metrics.letters import XCSQA as XCSQA
from babeltune.measure.metrics.letters import any_letter as any_letter
from babeltune.measure.metrics.letters import first_letter as first_letter
from babeltune.measure.metrics.match import QUOTES as QUOTES
from babeltune.measure.metrics.match import Gold as Gold
from babeltune.measure.metrics.match import Match as Match
from babeltune.measure.metrics.match import Matcher as Matcher
from babeltune.measure.metrics.spans import ARTICLES as ARTICLES
from babeltune.measure.metrics.spans import CUT as CUT
from babeltune.measure.metrics.spans import LEAD_INS as LEAD_INS
from babeltune.measure.metrics.spans import REPEATING as REPEATING
from babeltune.measure.metrics.spans import XQUAD as XQUAD
from babeltune.measure.metrics.spans import answer as answer
from babeltune.measure.metrics.spans import exact_match as exact_match
from babeltune.measure.metrics.spans import token_f1 as token_f1
from babeltune.measure.metrics.spans import tokens as tokens
from babeltune.measure.metrics.spans import xquad_code as xquad_code
from babeltune.measure.metrics.spans import xquad_paper as xquad_paper


@dataclass(frozen=True, slots=True)
class Flip:
    """An item on which rules differ."""

    index: int
    """0-based place of the item among the outputs."""
    verdicts: dict[str, Match]
    """What each rule says."""


def matches(rules: Mapping[str, Matcher], responses: Sequence[str], golds: Sequence[Gold]) -> dict[str, list[Match]]:
    """Every rule's verdicts on the same responses, in their order.

    Raises:
        ValueError: not as many responses as golds.
    """
    if len(responses) != len(golds):
        raise ValueError(f"{len(responses)} responses, {len(golds)} golds")
    return {name: [rule(*pair) for pair in zip(responses, golds, strict=True)] for name, rule in rules.items()}


def flips(verdicts: Mapping[str, Sequence[Match]]) -> list[Flip]:
    """The items, in order, on which not all values are equal; unscored differs from any value.

    Raises:
        ValueError: the rules have not as many verdicts each.
    """
    lengths = {name: len(some) for name, some in verdicts.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"verdicts on different outputs: {lengths}")
    rows = [dict(zip(verdicts, row, strict=True)) for row in zip(*verdicts.values(), strict=True)]
    return [Flip(index, row) for index, row in enumerate(rows) if len({one.value for one in row.values()}) > 1]
