"""Packing: the chats of an update end to end in rows, in place of rows padded to the longest; and what it saves.

Arithmetic only. That the attention keeps the chats of a row apart is tried on the model itself (``train.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST_SAVING = 0.1
"""Share of the work below which packing is not worth it."""


def micro_batch(batch: int, wanted: int | None, processes: int = 1) -> int:
    """Chats of a forward pass: the largest divisor of a process's part of the batch that is at most ``wanted``.

    A divisor, so that accumulated micro-batches are the recipe's batch and nothing else.
    """
    part = batch // processes
    most = max(1, wanted or part)
    return max(size for size in range(1, part + 1) if part % size == 0 and size <= most)


def deal(order: Sequence[int], lengths: Sequence[int], batch: int, micro: int) -> list[int]:
    """The order of training, the chats of each update dealt anew to its micro-batches, so that these weigh the same.

    Every update holds the chats that it held. ``lengths``: tokens of a chat, by its index. The longest goes first, and
    each to the lightest micro-batch that has room.
    """
    dealt: list[int] = []
    for start in range(0, len(order), batch):
        update = order[start : start + batch]
        room = [min(micro, len(update) - at) for at in range(0, len(update), micro)]
        rows: list[list[int]] = [[] for _ in room]
        weights = [0] * len(room)
        for chat in sorted(update, key=lambda index: -lengths[index]):
            row = min((at for at in range(len(room)) if len(rows[at]) < room[at]), key=lambda at: weights[at])
            rows[row].append(chat)
            weights[row] += lengths[chat]
        dealt += [chat for row in rows for chat in row]
    return dealt


@dataclass(frozen=True, slots=True)
class Cost:
    """What a model multiplies in a forward pass, low-rank matrices apart."""

    position: int
    """Of each position: the weights of all linear layers."""
    pair: int
    """Of each pair of positions that attention scores: twice the width of all heads of all layers."""
    blocks: bool
    """Whether the attention's kernel skips pairs of different chats, rather than scoring and then masking them."""

    def padded(self, lengths: Sequence[int]) -> int:
        """Of a micro-batch in rows of the longest chat's length."""
        longest = max(lengths)
        return len(lengths) * (longest * self.position + longest**2 * self.pair)

    def packed(self, lengths: Sequence[int]) -> int:
        """Of a micro-batch in one row."""
        whole = sum(lengths)
        pairs = sum(length**2 for length in lengths) if self.blocks else whole**2
        return whole * self.position + pairs * self.pair


def saving(order: Sequence[int], lengths: Sequence[int], batch: int, micro: int, cost: Cost) -> float:
    """Share of the forward work of all updates that packing saves; below 0 where it costs more."""
    padded = sum(cost.padded(row) for row in _rows(order, lengths, micro))
    packed = sum(cost.packed(row) for row in _rows(deal(order, lengths, batch, micro), lengths, micro))
    return 1 - packed / padded if padded else 0.0


def _rows(order: Sequence[int], lengths: Sequence[int], micro: int) -> list[list[int]]:
    return [[lengths[index] for index in order[at : at + micro]] for at in range(0, len(order), micro)]
