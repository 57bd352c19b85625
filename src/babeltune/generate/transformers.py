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
import logging
import warnings
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from babeltune.errors import EngineError
from babeltune.generate import batches, likelihood
from babeltune.generate.tokens import first_line, prefix_of, ranked, to_continue, tokenizer_of, written
from babeltune.generate.writing import Rows
from babeltune.records import Output, Request

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Way:
    """What is done with a batch, and how large one may be: memory tells."""

    answer: Callable[[TransformersEngine, list[Request]], list[Output]]
    size: Callable[[TransformersEngine, list[Request]], int]
    setting: str
    """Where the largest size is set."""
    alone: str
    """What is said of a request that does not fit by itself."""
    help: str
    """What may help then."""
    most: int | None = None
    """Half the size of what did not fit; None as long as all did."""


@dataclass(eq=False)
class TransformersEngine:
    """An ``Engine``. The model is loaded at the first request."""

    folder: Path
    """Base model and tokenizer, as transformers saves them."""
    _: KW_ONLY
    dtype: str = "float32"
    """Name of a torch type."""
    device: str = "cpu"
    """Name of a torch device."""
    batch_size: int = 24
    """Most requests of a batch."""
    batch_tokens: int | None = None
    """Most tokens of a batch, answers included; halved where memory runs out. None: no limit."""

    def __post_init__(self) -> None:
        """Takes up no memory yet."""
        here = type(self)
        self._writing = _Way(
            here._generate, here._tokens, "execution.batch_tokens", "does not fit in the memory of {} by itself",
            "Lower sampling.max_tokens, or use a device with more memory.",
        )  # fmt: skip
        self._scoring = _Way(
            here._score, lambda _, batch: len(batch), "execution.batch_size",
            "its candidates do not fit in the memory of {} by themselves",
            "Use a device with more memory, or dtype: bfloat16.",
        )  # fmt: skip
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
        return self._answers(requests, done, self._writing)

    def loglikelihood(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Yield the outputs batch by batch; ``generate.likelihood`` says how texts are scored and read.

        Raises:
            EngineError: a candidate has more tokens than the model's context (the harness would drop its beginning), the
                tokenizer has no token to begin with, or one request by itself does not fit in memory.
        """
        return self._answers(requests, done, self._scoring)

    def split(self, requests: Sequence[Request]) -> list[list[Request]]:
        """The batches that these requests are answered in; each by itself is split into itself. Loads no weights.

        Raises:
            EngineError: a prompt or a candidate is longer than the model's context.
        """
        found: list[list[Request]] = []
        writing = [request for request in requests if not request.candidates]
        if writing:
            prompts = [to_continue(request, self._tokenizer) for request in writing]
            self._check_lengths(writing, [len(prompt) + 1 for prompt in prompts])
            across = batches.mixed((request.adapter for request in writing), self.batch_size)
            found += [
                [writing[at] for at in batch]
                for batch in batches.split(
                    writing, prompts, size=self.batch_size, tokens=self.batch_tokens, across=across
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
        return tokenizer_of(self.folder)

    @functools.cached_property
    def _prefix(self) -> int:
        return prefix_of(self._tokenizer, self.folder)

    def _load(self) -> PreTrainedModel:
        if self._base is None:
            from transformers import AutoModelForCausalLM

            try:
                model = AutoModelForCausalLM.from_pretrained(
                    self.folder, dtype=getattr(torch, self.dtype), local_files_only=True, use_safetensors=True,
                    trust_remote_code=False,
                )  # fmt: skip
            except (OSError, ValueError) as error:
                raise EngineError(
                    f"{self.folder}: cannot be loaded as a causal language model ({first_line(error)}). It is to be one"
                    " that transformers knows, its weights in safetensors; no code of a model's own is run."
                ) from error
            try:
                self._base = model.to(self.device).eval()
            except torch.OutOfMemoryError as error:
                raise EngineError(
                    f"{self.folder}: its weights do not fit on {self.device} ({first_line(error)}). Use a device with"
                    " more memory, dtype: bfloat16, or engine: vllm with tensor_parallel."
                ) from error
            except (RuntimeError, AssertionError) as error:  # the latter where torch is built without CUDA
                raise EngineError(
                    f"{self.folder}: cannot be put on {self.device} ({first_line(error)}). Set execution.device: auto."
                ) from error
        return self._base

    def _check_lengths(self, requests: Sequence[Request], lengths: Sequence[int]) -> None:
        from transformers import AutoConfig

        about = self._base.config if self._base else AutoConfig.from_pretrained(self.folder, trust_remote_code=False)
        room = likelihood.context(about)
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
        if self._on_the_fly is not None:
            self._base = self._on_the_fly.unload()
            self._on_the_fly, self._names = None, {}
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

    def _tuned(self, model: PreTrainedModel, adapter: str, name: str = "default") -> Any:
        from peft import PeftModel

        with self._belonging(adapter):
            tuned = PeftModel.from_pretrained(model, adapter, name)
            _check_whole(tuned, adapter, name)
        return tuned

    @contextlib.contextmanager
    def _belonging(self, adapter: str) -> Iterator[None]:
        """Loading an adapter: what goes wrong is an error that says so, where peft would warn and go on too.

        The model is let go then, as peft has put parts of the adapter into it.
        """
        try:
            _check_safe(adapter)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Found missing adapter keys", UserWarning)
                yield
        except (OSError, ValueError, RuntimeError) as error:
            self._base = self._adapter = self._on_the_fly = None
            self._pristine, self._names = {}, {}
            raise EngineError(
                f"{adapter}: cannot be loaded as an adapter of {self.folder} ({first_line(error)}). Was it tuned on"
                " another base model? Delete its folder, and the next run tunes it again."
            ) from error

    def _reads_trees(self) -> bool:
        if self._trees is None:
            self._use(None)  # the base is asked, so that a resumed run is told the same
            self._trees = likelihood.reads_trees(self._load(), self._prefix)
        return self._trees

    def _encode(self, requests: Sequence[Request]) -> list[list[likelihood.Tokens]]:
        """The tokens of each request's candidates."""
        texts = iter(
            likelihood.encode(self._tokenizer, self._prefix, [one for some in requests for one in some.candidates])
        )
        return [[next(texts) for _ in request.candidates] for request in requests]

    def _score(self, batch: list[Request]) -> list[Output]:
        trees = self._reads_trees()
        self._use(batch[0].adapter)
        texts = self._encode(batch)
        flat = [text for some in texts for text in some]
        values = iter(likelihood.score(self._load(), self._prefix, flat, trees))
        return [
            ranked(request, [next(values) for _ in some], list(map(len, some)))
            for request, some in zip(batch, texts, strict=True)
        ]

    def _answers(self, requests: Iterable[Request], done: Container[tuple[str, str]], way: _Way) -> Iterator[Output]:
        for batch in self.split(list(requests)):
            if not all((request.cell, request.id) in done for request in batch):
                for output in self._fitting(batch, way):
                    if (output.cell, output.id) not in done:
                        yield output

    def _fitting(self, batch: list[Request], way: _Way) -> Iterator[Output]:
        """Answer a batch, in halves of halves where it does not fit in memory; later ones are not tried larger."""
        size = way.size(self, batch)
        if way.most is None or size <= way.most or len(batch) == 1:
            try:
                yield from way.answer(self, batch)
                return
            except torch.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise EngineError(
                        f"{batch[0].cell}, request {batch[0].id}: {way.alone.format(self.device)} ({first_line(error)})."
                        f" {way.help}"
                    ) from error
            way.most = size // 2
            log.warning(
                "%d requests at once do not fit in memory: going on with half of them; set %s: %d to begin with that",
                len(batch),
                way.setting,
                way.most,
            )
            self._free()
        half = len(batch) // 2
        yield from self._fitting(batch[:half], way)
        yield from self._fitting(batch[half:], way)

    def _free(self) -> None:
        gc.collect()
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()

    def _tokens(self, batch: list[Request]) -> int:
        """Of a batch, padding and answers included."""
        longest = max(len(to_continue(request, self._tokenizer)) for request in batch)
        return len(batch) * (longest + batch[0].sampling.max_tokens)

    def _generate(self, batch: list[Request]) -> list[Output]:
        adapters = {request.adapter for request in batch}
        if len(adapters) == 1:
            self._use(batch[0].adapter)
            names = None
        else:
            names = self._use_together(request.adapter for request in batch)
        prompts = [to_continue(request, self._tokenizer) for request in batch]
        with torch.inference_mode():
            rows = Rows(self._on_the_fly or self._load(), self._tokenizer, prompts, names, self.device)
            texts = rows.write(batch)
        return [written(request, ids, self._tokenizer) for request, ids in zip(batch, texts, strict=True)]


def _check_safe(adapter: str) -> None:
    """Refuse weights that are no safetensors, for which peft would unpack a pickle."""
    if not (Path(adapter) / "adapter_model.safetensors").is_file():
        raise ValueError("it holds no adapter_model.safetensors")


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
