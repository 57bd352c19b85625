"""Engine on transformers and peft: one base model in memory, its adapters merged into it one after the other.

Batches are formed within a cell, of prompts of similar length, by the cell's whole list of requests: what comes out of
a cell depends on that list and the batch size, not on what else was pending or on where an earlier run was killed.

What all prompts of a batch begin with, such as a task's instruction, is read once and its keys and values copied to each
row: half of what simplification reads, 40 % of X-CSQA.

Merging in memory costs a copy of the adapted weights; an adapter applied on the fly made generation 1.5 times as long on
two cores (docs/pocket.md). The weights are put back bit by bit before the next adapter.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from babeltune.errors import EngineError
from babeltune.generate import likelihood
from babeltune.generate.sampling import draw, uniforms
from babeltune.records import Output, Request, Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_WORTH = 32
"""Tokens from which on a beginning that all prompts of a batch share is read once for all."""
_STOP_WINDOW = 16
"""Last tokens that are decoded at each step to look for a stop string."""


class TransformersEngine:
    """An ``Engine``. The model is loaded at the first request."""

    def __init__(
        self,
        folder: Path,
        *,
        dtype: str = "float32",
        device: str = "cpu",
        batch_size: int = 24,
    ) -> None:
        """``folder``: base model and tokenizer. ``dtype``: a torch type's name."""
        self.folder = folder
        self.dtype = dtype
        self.device = device
        self.batch_size = batch_size
        self._loaded: tuple[PreTrainedModel, PreTrainedTokenizerBase] | None = None
        self._trees: bool | None = None
        self._adapter: str | None = None
        self._pristine: dict[str, torch.Tensor] = {}

    def complete(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Yield the outputs batch by batch, cells of one adapter after those of another."""
        for adapter, group in _cells(requests):
            for batch in self._batches(group):
                if all((request.cell, request.id) in done for request in batch):
                    continue
                self._use(adapter)
                outputs = self._generate(batch)
                yield from (output for output in outputs if (output.cell, output.id) not in done)

    def loglikelihood(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Yield the outputs batch by batch, cells as above; ``generate.likelihood`` says how texts are scored and read.

        Raises:
            EngineError: a candidate has more tokens than the model's context (the harness would drop its beginning), or
                the tokenizer has no token to begin with.
        """
        for adapter, group in _cells(requests):
            texts = self._encode(group)
            for batch in likelihood.batches(texts, self.batch_size, self._reads_trees()):
                if all((group[at].cell, group[at].id) in done for at in batch):
                    continue
                self._use(adapter)
                outputs = self._score([group[at] for at in batch], [texts[at] for at in batch])
                yield from (output for output in outputs if (output.cell, output.id) not in done)

    def _load(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        if self._loaded is None:
            from transformers import AutoModelForCausalLM, AutoTokenizer

            model = AutoModelForCausalLM.from_pretrained(
                self.folder, dtype=getattr(torch, self.dtype), local_files_only=True, use_safetensors=True
            )
            tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True, padding_side="left")
            if tokenizer.pad_token_id is None:
                tokenizer.pad_token = tokenizer.eos_token
            self._loaded = model.to(self.device).eval(), tokenizer
        return self._loaded

    def _batches(self, requests: list[Request]) -> list[list[Request]]:
        """Similar lengths together; requests that are sampled differently apart."""
        _, tokenizer = self._load()
        lengths = [
            len(ids) for ids in tokenizer([request.prompt + request.prefix for request in requests])["input_ids"]
        ]
        order = sorted(
            zip(lengths, requests, strict=True), key=lambda pair: (repr(pair[1].sampling), pair[0], pair[1].id)
        )
        batches: list[list[Request]] = []
        for _, alike in itertools.groupby((request for _, request in order), key=lambda request: request.sampling):
            group = list(alike)
            batches += [group[start : start + self.batch_size] for start in range(0, len(group), self.batch_size)]
        return batches

    def _prefix(self) -> int:
        prefix = likelihood.prefix_token(self._load()[1])
        if prefix is None:
            raise EngineError(
                f"{self.folder}: its tokenizer has neither a bos_token nor an eos_token. Name one of them."
            )
        return prefix

    def _reads_trees(self) -> bool:
        if self._trees is None:
            self._use(None)  # the base is asked, so that a resumed run is told the same
            self._trees = likelihood.reads_trees(self._load()[0], self._prefix())
        return self._trees

    def _encode(self, requests: list[Request]) -> list[list[likelihood.Tokens]]:
        """The tokens of each request's candidates."""
        model, tokenizer = self._load()
        texts = iter(
            likelihood.encode(tokenizer, self._prefix(), [one for some in requests for one in some.candidates])
        )
        found = [list(itertools.islice(texts, len(request.candidates))) for request in requests]
        room = likelihood.context(model)
        for request, candidates in zip(requests, found, strict=True):
            longest = max(map(len, candidates), default=0)
            if room is not None and longest > room:
                raise EngineError(
                    f"{request.cell}, request {request.id}: a candidate of {longest} tokens, and {self.folder} reads"
                    f" {room}. Shorten it."
                )
        return found

    def _score(self, batch: list[Request], texts: list[list[likelihood.Tokens]]) -> list[Output]:
        model, _ = self._load()
        flat = [text for some in texts for text in some]
        values = iter(likelihood.score(model, self._prefix(), flat, self._reads_trees()))
        outputs = []
        for request, some in zip(batch, texts, strict=True):
            lengths = tuple(map(len, some))
            scores = tuple(itertools.islice(values, len(some)))
            outputs.append(Output(request.id, request.cell, "", "ranked", sum(lengths), scores, lengths))
        return outputs

    def _use(self, adapter: str | None) -> None:
        """Make the model the base with this adapter, exactly: no trace of the one before stays in the weights."""
        if adapter == self._adapter:
            return
        model, tokenizer = self._load()
        with torch.no_grad():
            for name, weight in self._pristine.items():
                model.get_parameter(name).copy_(weight)
        self._adapter = None
        if adapter is not None:
            from peft import PeftModel

            try:
                tuned = PeftModel.from_pretrained(model, adapter)
            except (OSError, ValueError, RuntimeError) as error:
                raise EngineError(f"{adapter}: cannot be loaded as an adapter of {self.folder} ({error}).") from error
            for name, module in tuned.get_base_model().named_modules():
                layer = getattr(module, "base_layer", None)
                if layer is not None and f"{name}.weight" not in self._pristine:
                    self._pristine[f"{name}.weight"] = layer.weight.detach().clone()
            self._loaded = tuned.merge_and_unload(), tokenizer
            self._adapter = adapter

    def _generate(self, batch: list[Request]) -> list[Output]:
        from transformers import LogitsProcessorList, StoppingCriteriaList

        model, tokenizer = self._load()
        sampling = batch[0].sampling
        rows = [_without_end(request, tokenizer) for request in batch]
        shared = _shared(rows)
        input_ids, attention_mask = _padded(rows, shared, tokenizer.pad_token_id)
        with torch.inference_mode():
            read = {}
            if shared:
                head = torch.tensor([rows[0][:shared]], device=self.device)
                cache = model(input_ids=head, use_cache=True, logits_to_keep=1).past_key_values
                cache.batch_repeat_interleave(len(rows))
                read = {"past_key_values": cache}
            result = model.generate(
                input_ids=input_ids.to(self.device),
                attention_mask=attention_mask.to(self.device),
                **read,
                generation_config=_greedy(sampling, tokenizer),
                logits_processor=LogitsProcessorList([_Draw(batch, self.device)]),
                stopping_criteria=StoppingCriteriaList([_Stop(tokenizer, sampling.stop, input_ids.shape[1])]),
            )
        return [
            _output(request, row.tolist(), tokenizer)
            for request, row in zip(batch, result[:, input_ids.shape[1] :], strict=True)
        ]


def _cells(requests: Iterable[Request]) -> list[tuple[str | None, list[Request]]]:
    """Adapter and requests of each cell; one adapter after the other, in order of first appearance."""
    cells: dict[tuple[str | None, str], list[Request]] = {}
    for request in requests:
        cells.setdefault((request.adapter, request.cell), []).append(request)
    rank = {adapter: index for index, adapter in enumerate(dict.fromkeys(adapter for adapter, _ in cells))}
    # Sorting is stable within an adapter.
    return [(adapter, group) for (adapter, _), group in sorted(cells.items(), key=lambda pair: rank[pair[0][0]])]


def _without_end(request: Request, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that a model is to continue: without the end token that some tokenizers put behind every text."""
    ids: list[int] = list(tokenizer(request.prompt + request.prefix)["input_ids"])
    return ids[:-1] if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id else ids


def _shared(rows: list[list[int]]) -> int:
    """Tokens that all rows begin with and that are worth reading once, such as a task's instruction; else 0."""
    first, last = min(rows), max(rows)
    most = min(len(row) for row in rows) - 1  # each row needs a token of its own to go on from
    count = next((at for at in range(most) if first[at] != last[at]), most)
    return count if len(rows) > 1 and count >= _WORTH else 0


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


def _greedy(sampling: Sampling, tokenizer: PreTrainedTokenizerBase) -> Any:
    """``generate`` takes the most likely token; which one that is has been decided by ``_Draw``."""
    from transformers import GenerationConfig

    return GenerationConfig(
        max_new_tokens=sampling.max_tokens,
        do_sample=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


class _Draw:
    """Logits processor that leaves one token possible: the one drawn with the row's own random number."""

    def __init__(self, batch: list[Request], device: str) -> None:
        self.sampling = batch[0].sampling
        table = np.stack([uniforms(request.id, request.seed, self.sampling.max_tokens) for request in batch])
        self.uniforms = torch.from_numpy(table).to(device)
        self.step = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        chosen = draw(
            scores, self.uniforms[:, self.step], temperature=self.sampling.temperature, top_p=self.sampling.top_p
        )
        self.step += 1
        only = torch.full_like(scores, -torch.inf)
        return only.scatter_(-1, chosen.unsqueeze(-1), 0.0)


class _Stop:
    """Stopping criterion: a row ends once a stop string is in its last tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: tuple[str, ...], prompt_length: int) -> None:
        self.tokenizer = tokenizer
        self.stop = stop
        self.prompt_length = prompt_length

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        tail = input_ids[:, max(self.prompt_length, input_ids.shape[1] - _STOP_WINDOW) :]
        texts = self.tokenizer.batch_decode(tail) if self.stop else [""] * len(input_ids)
        ended = [any(stop in text for stop in self.stop) for text in texts]
        return torch.tensor(ended, device=input_ids.device)


def _output(request: Request, ids: list[int], tokenizer: PreTrainedTokenizerBase) -> Output:
    """Cut the row at its end token and before its first stop string."""
    ended = tokenizer.eos_token_id in ids
    if ended:
        ids = ids[: ids.index(tokenizer.eos_token_id)]
    text = tokenizer.decode(ids, skip_special_tokens=True)
    starts = [at for at in (text.find(stop) for stop in request.sampling.stop) if at >= 0]
    if starts:
        return Output(request.id, request.cell, request.prefix + text[: min(starts)], "stop", len(ids))
    if not ended and tokenizer.pad_token_id in ids:
        ids = ids[: ids.index(tokenizer.pad_token_id)]
    return Output(request.id, request.cell, request.prefix + text, "eos" if ended else "length", len(ids))
