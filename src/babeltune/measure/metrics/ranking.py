"""Rank classification: the candidate that a model finds likeliest is its answer (paper, section 4.5, for XNLI)."""

from __future__ import annotations

from collections.abc import Sequence


def choose(loglikelihoods: Sequence[float], tokens: Sequence[int] | None = None) -> int:
    """Index of an item's likeliest candidate; of equals the first.

    ``loglikelihoods[j]`` is the sum over the tokens of candidate ``j``, in nats: a finite number, at most 0. The authors'
    harness compares the sums, with the whole sequence scored from an empty context; so does this without ``tokens``.
    With ``tokens[j]``, how many were summed, at least 1, the means per token are compared, so that a long candidate is
    not the less likely for its length; the paper does not.

    The paper's Table 7 calls these negative log-likelihoods; its numbers are log-likelihoods, and the highest wins.

    Raises:
        ValueError: there are no candidates, or not as many counts as values.
    """
    if tokens is None:
        return max(range(len(loglikelihoods)), key=loglikelihoods.__getitem__)
    return choose([value / count for value, count in zip(loglikelihoods, tokens, strict=True)])
