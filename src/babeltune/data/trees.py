"""Trees: OpenAssistant's conversations, in which a message has several replies -> one conversation each.

https://huggingface.co/datasets/OpenAssistant/oasst1 has them as trees and as rows, a message each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from babeltune.errors import Problem
from babeltune.records import Role, Turn
from babeltune.rows import Row

_ROLES: dict[object, Role] = {"prompter": "user", "assistant": "assistant"}


def tree_id(row: Row) -> object:
    """What the rows of one tree have in common."""
    return row.fields.get("message_tree_id")


def planted(rows: list[Row]) -> Row | Problem:
    """One tree of the messages that answer each other, as the trees' file has it."""
    nodes: dict[str, dict[str, Any]] = {
        str(row.fields.get("message_id")): {**row.fields, "replies": []} for row in rows
    }
    roots = []
    for row in rows:
        node, parent = nodes[str(row.fields.get("message_id"))], row.fields.get("parent_id")
        if parent is None:
            roots.append(node)
        elif str(parent) in nodes:
            nodes[str(parent)]["replies"].append(node)
        else:
            what = f"the message answers '{parent}', which is not among the rows of its tree next to it"
            return Problem(row.where, what, "The rows of a tree follow each other: sort them by message_tree_id.")
    if len(roots) != 1 or len(nodes) != len(rows):
        what = f"a tree of {len(rows)} messages has {len(roots)} without a parent and {len(nodes)} ids"
        return Problem(rows[0].where, what, "One message begins a tree, and each has its own message_id.")
    return Row(rows[0].where, {"message_tree_id": tree_id(rows[0]), "prompt": roots[0]})


def best_path(row: Row) -> list[Turn] | Problem:
    """The best-ranked path from the root, as Guanaco takes it: rank 0 is the best, a reply without one comes last.

    Replies that were deleted or failed their review are passed over, with all that follows them.
    """
    node = row.fields.get("prompt")
    turns: list[Turn] = []
    while node is not None:
        text, role = (node.get("text"), node.get("role")) if isinstance(node, Mapping) else (None, None)
        if not isinstance(node, Mapping) or not isinstance(text, str) or role not in ("prompter", "assistant"):
            what = f"message {len(turns) + 1} of the path has no text or no role of prompter or assistant"
            return Problem(row.where, what, 'A message is {"text": "…", "role": "prompter", "replies": […]}.')
        turns.append(Turn(_ROLES[role], text.strip()))
        node = min(_standing(node.get("replies")), key=_rank, default=None)
    return turns


def _standing(replies: object) -> list[object]:
    """Replies that were neither deleted nor failed their review."""
    return [
        reply
        for reply in (replies if isinstance(replies, list) else [])
        if not (isinstance(reply, Mapping) and (reply.get("deleted") or reply.get("review_result") is False))
    ]


def _rank(reply: object) -> float:
    rank = reply.get("rank") if isinstance(reply, Mapping) else None
    return rank if isinstance(rank, int | float) else math.inf
