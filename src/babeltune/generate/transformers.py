"""Engine on transformers and peft: one base model in memory, and any number of adapters.

Batches are formed over all requests that are given, finished ones too (``generate.batches``), so that a resumed run
repeats the shapes, and with them the bytes, of an undisturbed one. Each request draws its own random numbers: beyond
rounding, its output hangs neither on its batch nor on its place in it (docs/generation.md says how often rounding shows).

An adapter is merged into the base in memory, and the base's weights put back bit by bit before the next; where the
adapters have so few requests that batches of their own would be nearly empty, one batch holds several, on the fly.

What all prompts of a batch begin with, such as a task's instruction, is read once and its keys and values copied to each
row. Rows that have ended are taken out of the batch. A batch that does not fit in memory is halved, and so is what
later batches may hold.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import inspect
import logging
import warnings
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from babeltune.errors import EngineError
from babeltune.generate import batches, likelihood
from babeltune.generate.sampling import draw, uniforms
from babeltune.records import Output, Request

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)

_STOP_WINDOW = 16
"""Last tokens that are decoded at each step to look for a stop string."""
_ENDED = 8
"""Rows are taken out of a batch once one in so many of it has ended: that copies the keys and values of the others."""


class TransformersEngine:
    """An ``Engine``. The model is loaded at the first request."""

    def __init__(
        self,
        folder: Path,
        *,
        dtype: str = "float32",
        device: str = "cpu",
        batch_size: int = 24,
        batch_tokens: int | None = None,
    ) -> None:
        """Takes up no memory yet.

        Args:
            folder: base model and tokenizer, as transformers saves them.
            dtype: name of a torch type.
            device: name of a torch device.
            batch_size: most requests of a batch.
            batch_tokens: most tokens of a batch, answers included; halved where memory runs out. None: no limit.
        """
        self.folder = folder
        self.dtype = dtype
        self.device = device
        self.batch_size = batch_size
        self.batch_tokens = batch_tokens
        self._fits: int | None = None
        """Tokens of a batch that are known to be half of one that did not fit."""
        self._ranks: int | None = None
        """Requests of a batch to score that are known to be half of one that did not fit."""
        self._base: PreTrainedModel | None = None
        self._trees: bool | None = None
        self._adapter: str | None = None
        """The one that is merged into the base."""
        self._pristine: dict[str, torch.Tensor] = {}
        self._on_the_fly: Any = None
        self._names: dict[str | None, str] = {}
        """Adapter -> its name in the model that applies adapters on the fly."""

    def complete(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Yield the outputs batch by batch.

        Raises:
            EngineError: a prompt fills the model's context, an adapter is not one of this base, or one request by
                itself does not fit in memory.
        """
        for batch in self.split(list(requests)):
            if all((request.cell, request.id) in done for request in batch):
                continue
            for output in self._fitting(batch):
                if (output.cell, output.id) not in done:
                    yield output

    def loglikelihood(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Yield the outputs batch by batch; ``generate.likelihood`` says how texts are scored and read.

        Raises:
            EngineError: a candidate has more tokens than the model's context (the harness would drop its beginning), the
                tokenizer has no token to begin with, or one request by itself does not fit in memory.
        """
        for batch in self.split(list(requests)):
            if all((request.cell, request.id) in done for request in batch):
                continue
            trees = self._reads_trees()
            self._use(batch[0].adapter)
            for output in self._scored(batch, trees):
                if (output.cell, output.id) not in done:
                    yield output

    def split(self, requests: Sequence[Request]) -> list[list[Request]]:
        """The batches that these requests are answered in; each by itself is split into itself. Loads no weights.

        Raises:
            EngineError: a prompt or a candidate is longer than the model's context.
        """
        found: list[list[Request]] = []
        written = [request for request in requests if not request.candidates]
        if written:
            prompts = [_without_end(request, self._tokenizer) for request in written]
            self._check_lengths(written, [len(prompt) + 1 for prompt in prompts])
            across = batches.mixed((request.adapter for request in written), self.batch_size)
            found += [
                [written[at] for at in batch]
                for batch in batches.split(
                    written, prompts, size=self.batch_size, tokens=self.batch_tokens, across=across
                )
            ]
        ranked: dict[str | None, list[Request]] = {}
        for request in requests:
            if request.candidates:
                ranked.setdefault(request.adapter, []).append(request)
        for group in ranked.values():
            texts = self._encode(group)
            self._check_lengths(group, [max(map(len, some)) for some in texts])
            found += [[group[at] for at in batch] for batch in likelihood.batches(texts, self.batch_size)]
        return found

    @functools.cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    def _load(self) -> PreTrainedModel:
        if self._base is None:
            from transformers import AutoModelForCausalLM

            model = AutoModelForCausalLM.from_pretrained(
                self.folder, dtype=getattr(torch, self.dtype), local_files_only=True, use_safetensors=True
            )
            try:
                self._base = model.to(self.device).eval()
            except torch.OutOfMemoryError as error:
                raise EngineError(
                    f"{self.folder}: its weights do not fit on {self.device} ({_first_line(error)}). Use a device with"
                    " more memory, dtype: bfloat16, or engine: vllm with tensor_parallel."
                ) from error
            except (RuntimeError, AssertionError) as error:  # the latter where torch is built without CUDA
                raise EngineError(
                    f"{self.folder}: cannot be put on {self.device} ({_first_line(error)}). Set execution.device: auto."
                ) from error
        return self._base

    def _check_lengths(self, requests: Sequence[Request], lengths: Sequence[int]) -> None:
        from transformers import AutoConfig

        room = likelihood.context(self._base.config if self._base else AutoConfig.from_pretrained(self.folder))
        long = [(length, request) for length, request in zip(lengths, requests, strict=True) if room and length > room]
        if long:
            length, request = max(long, key=lambda pair: pair[0])
            what = "a candidate" if request.candidates else "a prompt and one token"
            raise EngineError(
                f"{request.cell}, request {request.id}: {what} of {length} tokens, and {self.folder} reads {room}"
                f" ({len(long)} requests are too long). Shorten or leave out such items."
            )

    def _use(self, adapter: str | None) -> None:
        """Make the model the base with this adapter, exactly: no trace of the one before stays in the weights."""
        self._unload()
        if adapter == self._adapter:
            return
        model = self._load()
        with torch.no_grad():
            for name, weight in self._pristine.items():
                model.get_parameter(name).copy_(weight)
        self._adapter = None
        if adapter is not None:
            tuned = self._tuned(model, adapter)
            for name, module in tuned.get_base_model().named_modules():
                layer = getattr(module, "base_layer", None)
                if layer is not None and f"{name}.weight" not in self._pristine:
                    # Kept off the device, whose memory the batches need.
                    self._pristine[f"{name}.weight"] = layer.weight.detach().to("cpu", copy=True)
            self._base = tuned.merge_and_unload()
            self._adapter = adapter

    def _use_together(self, adapters: Iterable[str | None]) -> list[str]:
        """Have these adapters on the fly; returns the name of each in the model."""
        wanted = list(adapters)
        for adapter in dict.fromkeys(wanted):
            if adapter is None or adapter in self._names:
                continue
            name = f"adapter {len(self._names)}"
            if self._on_the_fly is None:
                self._use(None)
                self._on_the_fly = self._tuned(self._load(), adapter, name).eval()
                self._names[None] = "__base__"
            else:
                with self._belonging(adapter):
                    self._on_the_fly.load_adapter(adapter, name)
                    _check_whole(self._on_the_fly, adapter, name)
            self._names[adapter] = name
        return [self._names[adapter] for adapter in wanted]

    def _unload(self) -> None:
        if self._on_the_fly is not None:
            self._base = self._on_the_fly.unload()
            self._on_the_fly, self._names = None, {}

    def _tuned(self, model: PreTrainedModel, adapter: str, name: str = "default") -> Any:
        from peft import PeftModel

        with self._belonging(adapter):
            tuned = PeftModel.from_pretrained(model, adapter, name)
            _check_whole(tuned, adapter, name)
        return tuned

    @contextlib.contextmanager
    def _belonging(self, adapter: str) -> Iterator[None]:
        """Loading an adapter: what goes wrong is an error that says so, where peft would warn and go on too."""
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Found missing adapter keys", UserWarning)
                yield
        except (OSError, ValueError, RuntimeError) as error:
            raise EngineError(
                f"{adapter}: cannot be loaded as an adapter of {self.folder} ({_first_line(error)}). Was it tuned on"
                " another base model? Delete its folder, and the next run tunes it again."
            ) from error

    def _prefix(self) -> int:
        prefix = likelihood.prefix_token(self._tokenizer)
        if prefix is None:
            raise EngineError(
                f"{self.folder}: its tokenizer has neither a bos_token nor an eos_token. Name one of them."
            )
        return prefix

    def _reads_trees(self) -> bool:
        if self._trees is None:
            self._use(None)  # the base is asked, so that a resumed run is told the same
            self._trees = likelihood.reads_trees(self._load(), self._prefix())
        return self._trees

    def _encode(self, requests: Sequence[Request]) -> list[list[likelihood.Tokens]]:
        """The tokens of each request's candidates."""
        texts = iter(
            likelihood.encode(self._tokenizer, self._prefix(), [one for some in requests for one in some.candidates])
        )
        return [[next(texts) for _ in request.candidates] for request in requests]

    def _score(self, batch: list[Request], trees: bool) -> list[Output]:
        texts = self._encode(batch)
        flat = [text for some in texts for text in some]
        values = iter(likelihood.score(self._load(), self._prefix(), flat, trees))
        outputs = []
        for request, some in zip(batch, texts, strict=True):
            lengths = tuple(map(len, some))
            scores = tuple(next(values) for _ in some)
            outputs.append(Output(request.id, request.cell, "", "ranked", sum(lengths), scores, lengths))
        return outputs

    def _fitting(self, batch: list[Request]) -> Iterator[Output]:
        """Answer a batch, in halves of halves where it does not fit in memory."""
        size = self._size(batch)
        if self._fits is None or size <= self._fits or len(batch) == 1:
            try:
                yield from self._generate(batch)
                return
            except torch.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise EngineError(
                        f"{batch[0].cell}, request {batch[0].id}: does not fit in the memory of {self.device} by itself"
                        f" ({_first_line(error)}). Lower sampling.max_tokens, or use a device with more memory."
                    ) from error
            self._fits = size // 2
            log.warning(
                "a batch of %d requests and %d tokens does not fit in memory: going on with half of it; set"
                " execution.batch_tokens: %d to begin with that",
                len(batch),
                size,
                self._fits,
            )
            self._free()
        half = len(batch) // 2
        yield from self._fitting(batch[:half])
        yield from self._fitting(batch[half:])

    def _scored(self, batch: list[Request], trees: bool) -> Iterator[Output]:
        """Score a batch, in halves of halves where it does not fit in memory; later batches are not tried larger."""
        if self._ranks is None or len(batch) <= self._ranks:
            try:
                yield from self._score(batch, trees)
                return
            except torch.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise EngineError(
                        f"{batch[0].cell}, request {batch[0].id}: its candidates do not fit in the memory of"
                        f" {self.device} by themselves ({_first_line(error)}). Use a device with more memory, or dtype:"
                        " bfloat16."
                    ) from error
            self._ranks = len(batch) // 2
            log.warning(
                "the candidates of %d requests do not fit in memory: going on with %d; set execution.batch_size: %d to"
                " begin with that",
                len(batch),
                self._ranks,
                self._ranks,
            )
            self._free()
        half = len(batch) // 2
        yield from self._scored(batch[:half], trees)
        yield from self._scored(batch[half:], trees)

    def _free(self) -> None:
        gc.collect()
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()

    def _size(self, batch: list[Request]) -> int:
        """Tokens of a batch, padding and answers included."""
        longest = max(len(_without_end(request, self._tokenizer)) for request in batch)
        return len(batch) * (longest + batch[0].sampling.max_tokens)

    def _generate(self, batch: list[Request]) -> list[Output]:
        adapters = {request.adapter for request in batch}
        if len(adapters) == 1:
            self._use(batch[0].adapter)
            names = None
        else:
            names = self._use_together(request.adapter for request in batch)
        prompts = [_without_end(request, self._tokenizer) for request in batch]
        with torch.inference_mode():
            rows = _Rows(self._on_the_fly or self._load(), self._tokenizer, prompts, names, self.device)
            texts = rows.write(batch)
        return [_output(request, ids, self._tokenizer) for request, ids in zip(batch, texts, strict=True)]


class _Rows:
    """The rows of a batch while they are written."""

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


def _check_whole(tuned: Any, adapter: str, name: str) -> None:
    """Refuse an adapter of a base with more or fewer layers: peft passes over what has no place or no weights.

    Raises:
        ValueError: it is one.
    """
    from peft import get_peft_model_state_dict
    from peft.utils import load_peft_weights

    wanted = get_peft_model_state_dict(tuned, adapter_name=name).keys()
    if load_peft_weights(adapter, device="cpu").keys() != wanted:
        raise ValueError("it adapts other layers than the base has")


def _without_end(request: Request, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that a model is to continue: without the end token that some tokenizers put behind every text."""
    ids: list[int] = list(tokenizer(request.prompt + request.prefix)["input_ids"])
    return ids[:-1] if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id else ids


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


def _output(request: Request, ids: list[int], tokenizer: PreTrainedTokenizerBase) -> Output:
    """Cut the row at its end token and before its first stop string."""
    ended = ids[-1:] == [tokenizer.eos_token_id]
    if ended:
        ids = ids[:-1]
    text = tokenizer.decode(ids, skip_special_tokens=True)
    starts = [at for at in (text.find(stop) for stop in request.sampling.stop) if at >= 0]
    if starts:
        return Output(request.id, request.cell, request.prefix + text[: min(starts)], "stop", len(ids))
    return Output(request.id, request.cell, request.prefix + text, "eos" if ended else "length", len(ids))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
