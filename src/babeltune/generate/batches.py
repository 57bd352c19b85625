"""Batches: which requests a model answers together. Pure, and the same for a batch by itself as among all requests.

Requests of one adapter are laid together across cells, that is, across languages and tasks: those that begin with the
same instruction, so that it is read once for all, and the others by length, so that little is padding.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from babeltune.records import Request, Sampling

HEAD = 32
"""Tokens from which on a beginning that prompts share is worth reading once for all."""
ON_THE_FLY = 2.2
"""How many times as long a batch takes with its adapters on the fly as with one merged (docs/generation.md)."""


def mixed(adapters: Iterable[str | None], size: int) -> bool:
    """Whether batches across adapters, applied on the fly, take less time than full-speed batches of each adapter.

    They do where the adapters have so few requests each that batches of their own would be all but empty.

    Args:
        adapters: of each request.
        size: most requests of a batch.
    """
    counts = Counter(adapters)
    alone = sum(math.ceil(count / size) for count in counts.values())
    return len(counts) > 1 and ON_THE_FLY * math.ceil(counts.total() / size) <= alone


def split(
    requests: Sequence[Request], prompts: Sequence[Sequence[int]], *, size: int, tokens: int | None, across: bool
) -> list[list[int]]:
    """The batches, as indices; one adapter's after another's, in order of first appearance, the longest prompts first.

    What is sampled differently is apart. A batch that is split by itself is one batch again, row for row.

    Args:
        requests: all that is to be answered.
        prompts: the tokens of each.
        size: most requests of a batch.
        tokens: most tokens of a batch, padding and answers included; None for no limit. One request always fits.
        across: whether a batch may hold several adapters.
    """
    heads = Counter(_head(prompt) for prompt in prompts)
    rank = {adapter: at for at, adapter in enumerate(dict.fromkeys(request.adapter for request in requests))}

    def alike(at: int) -> tuple[int, Sampling, tuple[int, ...]]:
        head = _head(prompts[at])
        instruction = head if 2 * heads[head] >= size else ()
        return 0 if across else rank[requests[at].adapter], requests[at].sampling, instruction

    def order(at: int) -> tuple[int, str, tuple[int, ...], int, str, str, int]:
        adapter, sampling, instruction = alike(at)
        return adapter, repr(sampling), instruction, -len(prompts[at]), requests[at].cell, requests[at].id, at

    found: list[list[int]] = []
    for at in sorted(range(len(requests)), key=order):
        if found and len(found[-1]) < size and alike(found[-1][0]) == alike(at):
            # The first of a batch is its longest.
            longest = len(prompts[found[-1][0]]) + requests[at].sampling.max_tokens
            if tokens is None or (len(found[-1]) + 1) * longest <= tokens:
                found[-1].append(at)
                continue
        found.append([at])
    return found


def _head(prompt: Sequence[int]) -> tuple[int, ...]:
    return tuple(prompt[:HEAD]) if len(prompt) > HEAD else ()
