"""The rows of a batch while they are written: what they share is read once, and those that have ended are taken out."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from babeltune.generate import batches, likelihood
from babeltune.generate.sampling import draw, uniforms
from babeltune.records import Request

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_STOP_WINDOW = 16
"""Last tokens that are decoded at each step to look for a stop string."""
_ENDED = 8
"""Rows are taken out of a batch once one in so many of it has ended: that copies the keys and values of the others."""


class Rows:
    """Of one batch."""

    cache: Any = None
    """Keys and values of what has been read."""

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        prompts: list[list[int]],
        adapters: list[str] | None,
        device: str,
    ) -> None:
        """``adapters``: of each row, by its name in a model that applies them on the fly."""
        self.model = model
        self.tokenizer = tokenizer
        self.device = device
        self.prompts = prompts
        self.adapters = adapters
        forward = inspect.signature(type(model.get_base_model() if adapters else model).forward)
        self.accepted = frozenset(forward.parameters)
        shared = _shared(prompts) if adapters is None else 0
        ids, mask = _padded(prompts, shared, tokenizer.pad_token_id)
        self.mask = mask.to(device)
        if shared:
            head = torch.tensor([prompts[0][:shared]], device=device)
            self._read(head, torch.ones_like(head))
            self.cache.batch_repeat_interleave(len(prompts))
        self.logits = self._read(ids[:, shared:].to(device), self.mask)

    def _read(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Read tokens behind those in the cache; returns the logits behind the last, shape (rows, vocabulary)."""
        inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "use_cache": True}
        if self.cache is not None:
            inputs["past_key_values"] = self.cache
        if "position_ids" in self.accepted:
            positions = (mask.cumsum(-1) - 1).clamp(min=0)
            inputs["position_ids"] = positions[:, -ids.shape[1] :]
        if "logits_to_keep" in self.accepted:
            inputs["logits_to_keep"] = 1
        if self.adapters:
            inputs["adapter_names"] = self.adapters
        result = self.model(**inputs)
        self.cache = result.past_key_values
        logits: torch.Tensor = result.logits[:, -1]
        return logits

    def write(self, batch: list[Request]) -> list[list[int]]:
        """The tokens that each row is continued with, its end token included."""
        sampling = batch[0].sampling
        room = likelihood.context(self.model.config)
        texts: list[list[int]] = [[] for _ in batch]
        table = np.stack([uniforms(request.id, request.seed, sampling.max_tokens) for request in batch])
        noise = torch.from_numpy(table).to(self.device)
        rows = list(range(len(batch)))
        ended = [False] * len(batch)
        for step in range(sampling.max_tokens):
            chosen = draw(self.logits, noise[rows, step], temperature=sampling.temperature, top_p=sampling.top_p)
            for row, token in zip(rows, chosen.tolist(), strict=True):
                if not ended[row]:
                    texts[row].append(token)
            ended = self._ended(texts, ended, sampling.stop, room)
            left = [at for at, row in enumerate(rows) if not ended[row]]
            if not left or step + 1 == sampling.max_tokens:
                break
            if _ENDED * (len(rows) - len(left)) >= len(rows):
                chosen = chosen[left]
                rows = self._keep(rows, left)
            self.mask = torch.cat([self.mask, self.mask.new_ones((len(rows), 1))], dim=-1)
            self.logits = self._read(chosen[:, None], self.mask)
        return texts

    def _ended(self, texts: list[list[int]], ended: list[bool], stop: tuple[str, ...], room: int | None) -> list[bool]:
        end = self.tokenizer.eos_token_id
        going = [row for row, over in enumerate(ended) if not over]
        tails = self.tokenizer.batch_decode([texts[row][-_STOP_WINDOW:] for row in going]) if stop else []
        now = list(ended)
        for at, row in enumerate(going):
            full = room is not None and len(self.prompts[row]) + len(texts[row]) >= room
            now[row] = texts[row][-1] == end or full or (bool(stop) and any(one in tails[at] for one in stop))
        return now

    def _keep(self, rows: list[int], left: list[int]) -> list[int]:
        """Take out all rows but these."""
        index = torch.tensor(left, device=self.device)
        self.cache.batch_select_indices(index)
        self.mask = self.mask[index]
        if self.adapters:
            self.adapters = [self.adapters[at] for at in left]
        return [rows[at] for at in left]


def _shared(rows: list[list[int]]) -> int:
    """Tokens that all rows begin with and that are worth reading once, such as a task's instruction; else 0."""
    first, last = min(rows), max(rows)
    most = min(len(row) for row in rows) - 1  # each row needs a token of its own to go on from
    count = next((at for at in range(most) if first[at] != last[at]), most)
    return count if len(rows) > 1 and count >= batches.HEAD else 0


def _padded(rows: list[list[int]], shared: int, pad: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, shape (rows, longest row): the shared beginning, padding, the rest of the row."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad or 0)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for at, row in enumerate(rows):
        rest = longest - len(row) + shared
        for part, value in ((ids, torch.tensor(row)), (mask, torch.ones(len(row), dtype=torch.long))):
            part[at, :shared] = value[:shared]
            part[at, rest:] = value[shared:]
    return ids, mask
