"""What calls of a server cost: US dollars per million tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from babeltune.errors import InputError, Problem

OVERHEAD = 64
"""Tokens that a server may add to a prompt: the marks between its messages, of which no format we know has more."""


@dataclass(frozen=True, slots=True)
class Price:
    """Of one model."""

    input: float
    """Dollars per million prompt tokens."""
    output: float
    """Dollars per million tokens written, those that are thought and not shown among them."""
    cached_input: float | None = None
    """Dollars per million prompt tokens that the server had seen before; None where they cost as much as others."""
    batch: float = 0.5
    """Share of the price that is asked in batch-file mode, in [0, 1]."""

    def __post_init__(self) -> None:
        """Refuse what is no price.

        Raises:
            InputError: with every figure that is none.
        """
        problems = [
            Problem(name, f"{value!r} is no price", "Write dollars per million tokens: 0 or more.")
            for name, value in (("input", self.input), ("output", self.output), ("cached_input", self.cached_input))
            if value is not None and not (math.isfinite(value) and value >= 0)
        ]
        if not 0 <= self.batch <= 1:
            problems.append(Problem("batch", f"{self.batch!r} is no share", "Write the share that is paid: 0 to 1."))
        if problems:
            raise InputError("price", problems)


Prices = Mapping[str, Price]
"""Name of a model, as it is asked for -> its price."""


def cost(price: Price, prompt_tokens: int, cached_tokens: int, completion_tokens: int, *, batch: bool = False) -> float:
    """Dollars that a reply cost.

    Args:
        price: of the model.
        prompt_tokens: all of them, the cached ones too, as servers report them.
        cached_tokens: of the prompt's; more than those there are count as all.
        completion_tokens: those written.
        batch: whether it came in batch-file mode.
    """
    cached = min(cached_tokens, prompt_tokens)
    seen = price.input if price.cached_input is None else price.cached_input
    dollars = ((prompt_tokens - cached) * price.input + cached * seen + completion_tokens * price.output) / 1e6
    return dollars * price.batch if batch else dollars


def upper_bound(price: Price, prompt_bytes: int, max_tokens: int, *, batch: bool = False) -> float:
    """Dollars that a call can cost at most, before it is sent.

    No tokenizer in use makes more tokens than a text has bytes.

    Args:
        price: of the model.
        prompt_bytes: of all that is sent and read by the model, in UTF-8: messages and schema.
        max_tokens: most tokens of the answer.
        batch: whether it goes in batch-file mode.
    """
    dearest = max(price.input, price.cached_input or 0.0)
    dollars = ((prompt_bytes + OVERHEAD) * dearest + max_tokens * price.output) / 1e6
    return dollars * price.batch if batch else dollars
