"""How likely a model finds whole texts: beginnings that several of them share are read once.

A text is scored as lm-evaluation-harness 0.4.13 scores it with an empty context: its tokens, without special ones, after
one prefix token (the beginning-of-text token, else the end-of-text one), and the log-softmax in float32 of each token
given those before it, summed. A text that begins with the prefix token lends that one: it is read and not scored.

The texts of a batch are merged into one tree of tokens, the prefix token its root; a model reads the tree as one row in
which every token sees its ancestors and itself alone, at the position of its depth. Leaves are only predicted, so they
are not read at all. A model that cannot read a tree reads plain rows, which gives the same sums.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

Tokens = tuple[int, ...]

NODES = 512
"""A batch ends with the request that brings its tree to so many tokens; plain rows are read so many at a time."""
_ROWS = 64
"""Rows of logits that are normalised at a time."""
_LENGTHS = ("n_positions", "max_position_embeddings", "n_ctx")
"""Where configurations state the context, in the order in which the harness asks."""
_WINDOWS = ("sliding_window", "attention_chunk_size", "window_size")
"""Where they state that a token sees only so many before it."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Texts merged where they begin alike. Node 0 is the prefix token; a parent comes before its children."""

    tokens: NDArray[np.int64]
    """Of each node, shape (nodes,)."""
    sees: NDArray[np.bool_]
    """Whether node i attends to node j, its ancestor or itself, shape (nodes, nodes)."""
    paths: tuple[tuple[int, ...], ...]
    """Of each text, the nodes from which its tokens are predicted, one for one."""

    @property
    def depths(self) -> NDArray[np.int64]:
        """Position of each node in the texts that it is in, shape (nodes,)."""
        depths: NDArray[np.int64] = self.sees.sum(axis=1) - 1
        return depths


def prefix_token(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """What stands before a text; None where the tokenizer has no such token."""
    token = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return None if token is None else int(token)


def encode(tokenizer: PreTrainedTokenizerBase, prefix: int, texts: Sequence[str]) -> list[Tokens]:
    """The tokens of each text that are scored."""
    if not texts:
        return []
    ids = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return [tuple(row[1:] if row[:1] == [prefix] else row) for row in ids]


def context(config: PretrainedConfig) -> int | None:
    """Most tokens that a model reads at once; None where its configuration states no limit."""
    stated = _stated(config, _LENGTHS)
    return stated[0] if stated else None


def reads_trees(model: PreTrainedModel, prefix: int) -> bool:
    """Whether the model takes a mask of its own and gives the same sums from a tree as from plain rows.

    transformers hands a mask of shape (1, 1, nodes, nodes) through to sdpa and eager attention, and to none other. That
    an architecture heeds it, and the positions, is tried once with made-up tokens. ALiBi, which counts a token's
    distance in the row, and recurrent layers fail here, by an exception or by other sums.
    """
    if getattr(model.config, "_attn_implementation", None) not in ("sdpa", "eager"):
        return False
    vocabulary = model.get_input_embeddings().num_embeddings
    made = tuple((prefix + 7 + 37 * at) % vocabulary for at in range(48))
    texts = [made[:16], made[:12] + made[16:28], made[:4] + made[28:40], made[40:]]
    tolerance = 1e-4 if model.dtype == torch.float32 else 5e-2  # nats a token
    try:
        merged = score_tree(model, grow(prefix, texts), texts)
    except (TypeError, ValueError, RuntimeError, IndexError, NotImplementedError):
        return False
    plain = score_rows(model, prefix, texts)
    return all(abs(one - two) <= tolerance * len(text) for one, two, text in zip(merged, plain, texts, strict=True))


def batches(requests: Sequence[Sequence[Tokens]], size: int) -> list[list[int]]:
    """Requests that are read together, as indices: at most ``size``, neighbours by how they begin."""
    found: list[list[int]] = []
    edges: dict[tuple[int, int], int] = {}
    for at in sorted(range(len(requests)), key=lambda at: tuple(requests[at][:1])):
        if not found or len(found[-1]) == size or len(edges) >= NODES:
            found.append([])
            edges = {}
        found[-1].append(at)
        for text in requests[at]:
            _walk(edges, text)
    return found


def score(model: PreTrainedModel, prefix: int, texts: Sequence[Tokens], trees: bool) -> list[float]:
    """Log-likelihood of each text [nats]; 0 for one without tokens.

    A tree that reaches farther than the model's context or sliding window is not read as one: rows are longer than any
    text of theirs, and a mask of ours takes the place of the model's window.
    """
    if trees:
        tree = grow(prefix, texts)
        if len(tree.tokens) <= min(_stated(model.config, (*_LENGTHS, *_WINDOWS)), default=len(tree.tokens)):
            return score_tree(model, tree, texts)
    return score_rows(model, prefix, texts)


def grow(prefix: int, texts: Sequence[Tokens]) -> Tree:
    """Merge texts."""
    edges: dict[tuple[int, int], int] = {}
    paths = tuple(_walk(edges, text) for text in texts)
    sees = np.eye(len(edges) + 1, dtype=np.bool_)
    for (parent, _), node in edges.items():
        sees[node] |= sees[parent]
    return Tree(np.array([prefix, *(token for _, token in edges)], dtype=np.int64), sees, paths)


def _walk(edges: dict[tuple[int, int], int], text: Tokens) -> tuple[int, ...]:
    """The nodes from which the tokens of a text are predicted; ``edges`` (parent, token) -> node grows by those missing."""
    if not text:
        return ()
    path = [0]
    for token in text[:-1]:
        path.append(edges.setdefault((path[-1], token), len(edges) + 1))
    return tuple(path)


def score_tree(model: PreTrainedModel, tree: Tree, texts: Sequence[Tokens]) -> list[float]:
    """One reading of the tree."""
    unseen = torch.finfo(model.dtype).min
    mask = torch.zeros(tree.sees.shape, dtype=model.dtype).masked_fill_(~torch.from_numpy(tree.sees), unseen)
    positions = torch.from_numpy(tree.depths)
    logits = _logits(model, torch.from_numpy(tree.tokens)[None], mask[None, None], {"position_ids": positions[None]})
    return _read(logits[0], tree.paths, texts)


def score_rows(model: PreTrainedModel, prefix: int, texts: Sequence[Tokens]) -> list[float]:
    """Texts of similar length side by side, padded on the right, where nothing that counts looks."""
    found = [0.0] * len(texts)
    waiting = sorted((at for at in range(len(texts)) if texts[at]), key=lambda at: len(texts[at]))
    while waiting:
        longest = len(texts[waiting[-1]])
        count = max(1, NODES // longest)
        waiting, chosen = waiting[:-count], waiting[-count:]
        batch = [texts[at] for at in chosen]
        rows = torch.full((len(batch), longest), prefix)
        for row, text in zip(rows, batch, strict=True):
            row[1 : len(text)] = torch.tensor(text[:-1])
        logits = _logits(model, rows, torch.ones_like(rows), {})
        paths = [range(row * longest, row * longest + len(text)) for row, text in enumerate(batch)]
        for at, value in zip(chosen, _read(logits.flatten(0, 1), paths, batch), strict=True):
            found[at] = value
    return found


def _logits(
    model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, more: dict[str, torch.Tensor]
) -> torch.Tensor:
    """Shape (rows, tokens, vocabulary)."""
    inputs = {"input_ids": ids, "attention_mask": mask, **more}
    with torch.inference_mode():
        result: Any = model(**{name: value.to(model.device) for name, value in inputs.items()}, use_cache=False)
    logits: torch.Tensor = result.logits
    return logits


def _read(logits: torch.Tensor, paths: Sequence[Sequence[int]], texts: Sequence[Tokens]) -> list[float]:
    """Sum the log-probabilities along each path; ``logits`` (nodes, vocabulary), path i predicts the tokens of text i."""
    nodes = torch.tensor([node for path in paths for node in path], dtype=torch.long, device=logits.device)
    tokens = torch.tensor([token for text in texts for token in text], dtype=torch.long, device=logits.device)
    starts = range(0, len(logits), _ROWS)
    total = torch.cat([logits[start : start + _ROWS].float().logsumexp(dim=-1) for start in starts])
    values = iter((logits[nodes, tokens].float() - total[nodes]).tolist())
    return [math.fsum(itertools.islice(values, len(text))) for text in texts]


def _stated(config: PretrainedConfig, names: Sequence[str]) -> list[int]:
    text = config.get_text_config()
    return [value for name in names if isinstance(value := getattr(text, name, None), int) and value > 0]
