"""Rank classification: the candidate that a model finds likeliest is its answer (paper, section 4.5, for XNLI)."""

from __future__ import annotations

import math
from collections.abc import Sequence


def choose(
    loglikelihoods: Sequence[Sequence[float]],
    tokens: Sequence[Sequence[int]] | None = None,
) -> list[int]:
    """Index of each item's likeliest candidate; of equals the first.

    ``loglikelihoods[i][j]`` is the sum over the tokens of candidate ``j`` of item ``i``, in nats, at most 0. The
    authors' harness compares the sums, with the whole sequence scored from an empty context; so does this without
    ``tokens``. With ``tokens[i][j]``, as many as were summed, the means per token are compared, so that a long
    candidate is not the less likely for its length; the paper does not.

    The paper's Table 7 calls these negative log-likelihoods; its numbers are log-likelihoods, and the highest wins.

    Raises:
        ValueError: an item without candidates, a value that is no finite number, a candidate without tokens, or
            not as many counts as values; says which.
    """
    if tokens is None:
        return [_first_highest(_finite(values, item)) for item, values in enumerate(loglikelihoods)]
    if len(tokens) != len(loglikelihoods):
        raise ValueError(f"{len(loglikelihoods)} items have log-likelihoods, {len(tokens)} have numbers of tokens")
    return [
        _first_highest(_per_token(_finite(values, item), counts, item))
        for item, (values, counts) in enumerate(zip(loglikelihoods, tokens, strict=True))
    ]


def _finite(values: Sequence[float], item: int) -> Sequence[float]:
    if not len(values):
        raise ValueError(f"item {item} has no candidates to choose from")
    for candidate, value in enumerate(values):
        if not math.isfinite(value):
            raise ValueError(f"item {item}, candidate {candidate}: its log-likelihood is {value}, no finite number")
    return values


def _per_token(values: Sequence[float], counts: Sequence[int], item: int) -> list[float]:
    if len(counts) != len(values):
        raise ValueError(f"item {item} has {len(values)} log-likelihoods, but {len(counts)} numbers of tokens")
    for candidate, count in enumerate(counts):
        if count < 1:
            raise ValueError(
                f"item {item}, candidate {candidate}: {count} tokens; it takes at least one to have a mean"
            )
    return [value / count for value, count in zip(values, counts, strict=True)]


def _first_highest(values: Sequence[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)
