"""Engine on vLLM: one engine for all adapters, all requests in flight at once.

Prompts are read as ``TransformersEngine`` reads them, and its outputs mean the same: prompts go in as tokens, and tokens
that come out are decoded here. What vLLM finishes is yielded at once; it is fed while it has room, so that hundreds of
thousands of requests need little memory.

An adapter is applied on the fly, beside others, or merged into the weights in memory (``generate.merging``) where so
much is asked of it that this pays: ``estimate``.

Randomness belongs to the item: each request brings a seed made of its id and seed. What is left is rounding: a batch of
another size may round another way, and then a draw on the edge falls to another token (docs/vllm.md says how often).
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import math
import os
import time
import weakref
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from babeltune.errors import EngineError
from babeltune.generate import likelihood, merging
from babeltune.generate.tokens import prefix_of, ranked, to_continue, tokenizer_of, written
from babeltune.generate.ways import CPU, GPU, Costs, Way, estimate, tokens_to_come
from babeltune.records import Output, Request

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

Ask = tuple[Sequence[int], Mapping[str, Any]]
"""Tokens to go on from, and the arguments of vLLM's ``SamplingParams``."""

_QUEUE = 4096
"""Requests that vLLM holds at once, some of them running: more than the most that it runs by default (1,024)."""
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Highest ranks that vLLM can be started for (its ``LoRAConfig``)."""
_COLDEST = 0.01
"""Temperatures below are raised to this by vLLM; greedy is nearer to what was asked."""
_HOTTEST = 2.0
"""Temperatures above are refused by vLLM."""
_CPU_CACHE = 2 << 30
"""Bytes of keys and values that are kept on a CPU."""

_CPU_TOKENS = 512
"""Tokens that are read at once with adapters on a CPU, where their matrices are copied for each (vLLM 0.32)."""


def seed_of(request: Request) -> int:
    """Seed of a request's own generator, in [0, 2**63): of its id and seed alone, so that all adapters share it."""
    digest = hashlib.sha256(f"{request.seed}\0{request.id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def parameters(request: Request) -> dict[str, Any]:
    """Arguments of vLLM's ``SamplingParams`` for a request to be completed, its schema left out.

    Raises:
        EngineError: a temperature that vLLM refuses.
    """
    sampling = request.sampling
    if sampling.temperature > _HOTTEST:
        raise EngineError(
            f"{request.cell}, request {request.id}: vLLM draws at temperatures up to {_HOTTEST:g}, not at"
            f" {sampling.temperature:g}. Lower it, or use engine: transformers."
        )
    return {
        "temperature": sampling.temperature if sampling.temperature >= _COLDEST else 0.0,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "stop": list(sampling.stop),
        "seed": seed_of(request),
    }


_READ: dict[str, Any] = {"temperature": 0.0, "max_tokens": 1, "prompt_logprobs": 0, "detokenize": False}
"""Arguments for a text to be scored: its tokens' own log-probabilities, which no cached keys and values could give."""


@dataclass(eq=False)
class VllmEngine:
    """An ``Engine``. The model is loaded at the first request; ``close`` gives its memory back."""

    folder: Path
    """Base model and tokenizer, as transformers saves them, weights as safetensors."""
    _: KW_ONLY
    dtype: str = "float32"
    """Name of a torch type."""
    tensor_parallel: int = 1
    """Devices that the model is spread over."""
    gpu_memory: float = 0.9
    """Share of each device's memory that vLLM takes, in (0, 1]; on a CPU it takes 2 GiB and the model."""
    context: int | None = None
    """Most tokens of prompt and answer; the model's own, or less where memory holds less."""
    max_rank: int = 64
    """Highest rank of an adapter."""
    max_adapters: int = 8
    """Adapters that are on the fly at once on a GPU, each of which takes memory there."""
    adapters: Literal["auto", "on-the-fly", "merged"] = "auto"
    """How they come to their requests; ``auto`` estimates what is cheaper."""
    costs: Costs | None = None
    """What the estimate rests on; by device where left out."""

    def __post_init__(self) -> None:
        """Takes up no memory yet."""
        self._llm: Any = None
        self._flying: frozenset[str] = frozenset()
        """Adapters that the engine was started for on the fly."""
        self._merged: str | None = None
        """Adapter that the weights hold."""
        self._ids: dict[str, int] = {}
        """Adapter -> the number that vLLM knows it by, from 1."""
        self._fits: dict[str, merging.Fit] = {}
        self._end: Callable[[], object] = lambda: None
        self._count = itertools.count()

    def complete(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Yield outputs as they finish.

        Raises:
            EngineError: vLLM is not installed, cannot start or dies; an adapter does not fit; a prompt fills the context.
        """
        pending = [request for request in requests if (request.cell, request.id) not in done]
        yield from self._answer(pending, self._to_write, self._written)

    def loglikelihood(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Yield how likely candidates are, as ``generate.likelihood`` defines it.

        Raises:
            EngineError: as ``complete``; or the tokenizer has no token to begin with.
        """
        pending = [request for request in requests if (request.cell, request.id) not in done]
        yield from self._answer(pending, self._to_read, self._read)

    def close(self) -> None:
        """End vLLM's processes, and with them give back their memory."""
        if self._llm is not None:
            self._end()
        self._llm = self._merged = None
        self._ids = {}

    def _answer(
        self,
        pending: list[Request],
        ask: Callable[[Request], list[Ask]],
        close: Callable[[Request, list[Any]], Output],
    ) -> Iterator[Output]:
        """All on the base's weights first, then adapter by adapter what is merged."""
        if not pending:
            return
        self._check_adapters(pending)
        totals: dict[str, int] = {}
        for request in pending:
            if request.adapter is not None:
                totals[request.adapter] = totals.get(request.adapter, 0) + tokens_to_come(request)
        merged = self._start(totals)
        self._check_lengths(pending)
        groups: dict[str | None, list[Request]] = {}
        for request in sorted(pending, key=lambda request: request.adapter or ""):  # few adapters in flight at a time
            groups.setdefault(request.adapter if request.adapter in merged else None, []).append(request)
        # The weights that are there come first, the base's own next.
        for adapter in sorted(groups, key=lambda adapter: (adapter != self._merged, adapter is not None)):
            self._merge(adapter)
            yield from self._run(groups[adapter], adapter, ask, close)

    def _run(
        self,
        group: Sequence[Request],
        merged: str | None,
        ask: Callable[[Request], list[Ask]],
        close: Callable[[Request, list[Any]], Output],
    ) -> Iterator[Output]:
        """Feed the engine while it has room, and yield what is finished."""
        engine = self._llm.llm_engine
        waiting = iter(group)
        flying: dict[str, tuple[Request, list[Any], int]] = {}
        try:
            while True:
                while len(flying) < _QUEUE and (request := next(waiting, None)) is not None:
                    asks = ask(request)
                    results: list[Any] = [None] * len(asks)
                    if not asks:
                        yield close(request, results)
                    for at, (tokens, arguments) in enumerate(asks):
                        key = str(next(self._count))
                        self._add(request, key, tokens, arguments, request.adapter != merged)
                        flying[key] = request, results, at
                if not flying:
                    return
                for result in self._step(engine):
                    request, results, at = flying.pop(result.request_id)
                    results[at] = result
                    if all(one is not None for one in results):
                        yield close(request, results)
        finally:
            if flying and self._llm is not None:
                engine.abort_request(list(flying))

    def _add(
        self, request: Request, key: str, tokens: Sequence[int], arguments: Mapping[str, Any], on_the_fly: bool
    ) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        try:
            schema = StructuredOutputsParams(json=request.schema) if request.schema else None
            self._llm.llm_engine.add_request(
                key,
                {"prompt_token_ids": list(tokens)},
                SamplingParams(**arguments, structured_outputs=schema, output_kind=RequestOutputKind.FINAL_ONLY),
                lora_request=self._lora(request.adapter) if on_the_fly and request.adapter else None,
            )
        except ValueError as error:
            raise EngineError(
                f"{request.cell}, request {request.id}: vLLM refuses it ({error}). Correct its sampling or its schema,"
                " or use engine: transformers."
            ) from error

    def _step(self, engine: Any) -> list[Any]:
        """What has finished since the last step."""
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            return [result for result in engine.step() if result.finished]
        except EngineDeadError as error:
            self.close()
            raise EngineError(
                f"{self.folder}: vLLM died ({error}). Its own message stands above. Run again: outputs are kept. Where"
                " memory ran out, lower gpu_memory or raise tensor_parallel."
            ) from error

    def _to_write(self, request: Request) -> list[Ask]:
        return [(to_continue(request, self._tokenizer), parameters(request))]

    def _written(self, request: Request, results: list[Any]) -> Output:
        """The tokens decoded by themselves, as ``TransformersEngine`` decodes them."""
        (answer,) = results[0].outputs
        output = written(request, list(answer.token_ids), self._tokenizer)
        if output.finish != "stop" and isinstance(answer.stop_reason, str):
            return replace(output, text=request.prefix + answer.text, finish="stop")
        return output

    def _to_read(self, request: Request) -> list[Ask]:
        return [((self._prefix, *text), _READ) for text in self._candidates(request)]

    def _read(self, request: Request, results: list[Any]) -> Output:
        scores, lengths = [], []
        for result in results:
            tokens = result.prompt_token_ids[1:]
            found = [given[token].logprob for token, given in zip(tokens, result.prompt_logprobs[1:], strict=True)]
            scores.append(math.fsum(found))
            lengths.append(len(found))
        return ranked(request, scores, lengths)

    def _candidates(self, request: Request) -> list[likelihood.Tokens]:
        return likelihood.encode(self._tokenizer, self._prefix, request.candidates)

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        return tokenizer_of(self.folder)

    @cached_property
    def _prefix(self) -> int:
        return prefix_of(self._tokenizer, self.folder)

    def _check_adapters(self, pending: Sequence[Request]) -> None:
        """Each adapter against the base, before any weight is loaded."""
        for adapter in dict.fromkeys(request.adapter for request in pending):
            if adapter is None or adapter in self._fits:
                continue
            try:
                fit = merging.check(self.folder, Path(adapter))
            except ValueError as error:
                raise EngineError(
                    f"{adapter}: cannot be applied to {self.folder}: {error}. Was it tuned on another base model?"
                    " Delete its folder, and the next run tunes it again."
                ) from error
            if fit.rank > self.max_rank:
                raise EngineError(
                    f"{adapter}: its rank is {fit.rank}, and the engine is for ranks up to {self.max_rank}. Raise"
                    f" max_rank to {fit.rank} (a study takes it from recipe.rank), or tune it again."
                )
            self._fits[adapter] = fit

    def _check_lengths(self, pending: Sequence[Request]) -> None:
        """Every text against the context before the first is read; a token stands for one byte or more."""
        room = self._llm.model_config.max_model_len
        for request in pending:
            texts = request.candidates or (request.prompt + request.prefix,)
            if max(len(text.encode()) for text in texts) + 2 < room:
                continue
            if request.candidates:
                what, longest = "a candidate", 1 + max(map(len, self._candidates(request)))
            else:
                what, longest = "a prompt", len(to_continue(request, self._tokenizer))
            if longest >= room:
                raise EngineError(
                    f"{request.cell}, request {request.id}: {what} of {longest} tokens, and vLLM reads {room} with what"
                    f" it answers, of {self.folder} on this device. Shorten or leave out such items"
                    + (", or raise gpu_memory or tensor_parallel." if self.context is None else ", or raise context.")
                )

    def _start(self, tokens: Mapping[str, int]) -> set[str]:
        """Have an engine; returns the adapters that are to be merged. ``tokens``: to come, of each adapter."""
        vllm, on_cpu, adapts = self._vllm()
        costs = self.costs or (CPU if on_cpu else GPU)
        if not adapts:
            ways: dict[str, Way] = dict.fromkeys(tokens, "merged")
            why = "vLLM applies none on the fly to this model"
        elif self.adapters == "auto":
            ways = estimate(tokens, costs)
            why = (
                f"a merge of {merging.size(self.folder) / 1e9:.2f} GB costs the time of {costs.merge:,.0f} tokens, and"
                f" on the fly each takes {costs.slowdown:g} times as long: merging pays from {costs.crossing:,.0f} on"
            )
        else:
            ways = dict.fromkeys(tokens, self.adapters)
            why = "as told"
        if self._llm is None:
            self._flying = frozenset(adapter for adapter, way in ways.items() if way == "on-the-fly")
            self._llm = self._open(vllm, on_cpu)
            self._end = weakref.finalize(self, self._llm.llm_engine.engine_core.shutdown)
        for adapter, way in ways.items():
            reason = why
            if way == "on-the-fly" and adapter not in self._flying:
                ways[adapter], reason = "merged", "the engine was not started for it on the fly"
            log.info("%s: %s; at most %s tokens to come; %s", adapter, ways[adapter], f"{tokens[adapter]:,}", reason)
        return {adapter for adapter, way in ways.items() if way == "merged"}

    def _vllm(self) -> tuple[Any, bool, bool]:
        """The module, whether it runs on a CPU, and whether it can apply adapters of this model on the fly."""
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # it would report to its makers
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")  # torch has threads already, which no fork has
        try:
            import vllm
            from vllm.model_executor.models.interfaces import supports_lora
            from vllm.model_executor.models.registry import ModelRegistry
            from vllm.platforms import current_platform
        except ImportError as error:
            raise EngineError(
                f"vLLM cannot be imported ({error}). Install it with pip install 'babeltune[vllm]' (on a CPU as"
                " docs/vllm.md says), or use engine: transformers."
            ) from error
        from transformers import AutoConfig

        about = AutoConfig.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
        named = about.architectures or []
        known = [ModelRegistry.models[name] for name in named if name in ModelRegistry.models]
        adapts = any(supports_lora(model.load_model_cls()) for model in known)
        return vllm, current_platform.is_cpu(), adapts

    def _open(self, vllm: Any, on_cpu: bool) -> Any:
        """An engine for the adapters on the fly.

        Modules that no adapter has are not prepared for one: the output head would be, by default, at the cost of a
        product with the whole vocabulary for each token; and there prompt log-probabilities fail (vLLM 0.32, CPU).

        On a CPU, vLLM 0.32 gives requests without an adapter that of the last place: one place more stays empty.
        """
        more: dict[str, Any] = {}
        if on_cpu:
            more |= {"enforce_eager": True, "kv_cache_memory_bytes": _CPU_CACHE}
        if self._flying:
            count = len(self._flying)
            modules = frozenset[str]().union(*(self._fits[adapter].modules for adapter in self._flying))
            more |= {
                "enable_lora": True,
                "max_lora_rank": next((rank for rank in _RANKS if rank >= self.max_rank), self.max_rank),
                "max_loras": count + 1 if on_cpu else min(count, self.max_adapters),
                "max_cpu_loras": count + 1,
                "lora_target_modules": sorted(modules),
            }
            if on_cpu:
                more["max_num_batched_tokens"] = _CPU_TOKENS
        try:
            llm = vllm.LLM(
                str(self.folder),
                dtype=self.dtype,
                load_format="safetensors",  # no pickle
                tensor_parallel_size=self.tensor_parallel,
                gpu_memory_utilization=self.gpu_memory,
                max_model_len=self.context or -1,  # -1: the model's own, or what fits
                enable_prefix_caching=True,
                generation_config="vllm",  # the end is the tokenizer's end token alone
                worker_extension_cls=f"{merging.__name__}.{merging.Merging.__name__}",
                # Else a small model may write white space until its tokens are spent; with "auto" this is refused.
                structured_outputs_config={"backend": "guidance", "disable_any_whitespace": True},
                **more,
            )
            if on_cpu:
                llm.collective_rpc("babeltune_keep_draws")
            return llm
        except (ValueError, RuntimeError, OSError) as error:
            raise EngineError(
                f"{self.folder}: vLLM cannot start ({_told(error)}). Where memory is too small, give it a smaller model"
                " type (dtype: bfloat16), fewer tokens (context), other than its present share of the device"
                f" (gpu_memory: {self.gpu_memory:g}; others may hold the rest), or more devices (tensor_parallel:"
                f" {self.tensor_parallel})."
            ) from error

    def _lora(self, adapter: str) -> Any:
        from vllm.lora.request import LoRARequest

        if adapter not in self._ids:
            number = len(self._ids) + 1
            request = LoRARequest(adapter, number, adapter)
            try:
                self._llm.llm_engine.add_lora(request)  # an error here leaves the engine alive
            except Exception as error:  # vLLM hands on as a bare Exception what its process raised
                raise EngineError(
                    f"{adapter}: vLLM cannot apply it to {self.folder} ({_told(error)}). Merge it (adapters='merged')."
                ) from error
            self._ids[adapter] = number
        return LoRARequest(adapter, self._ids[adapter], adapter)

    def _merge(self, adapter: str | None) -> None:
        """Make the weights the base's with this adapter, and forget the keys and values of others."""
        if adapter == self._merged:
            return
        began = time.perf_counter()
        try:
            self._llm.collective_rpc("babeltune_merge", args=(str(self.folder), adapter))
            forgotten = self._llm.reset_prefix_cache()
        except Exception as error:  # as above; the weights may be of both
            self.close()
            raise EngineError(
                f"{adapter or 'the base'}: vLLM cannot take up its weights ({_told(error)}). Run again: outputs are"
                " kept. Where memory ran out, lower gpu_memory."
            ) from error
        if not forgotten:
            self.close()
            raise EngineError(f"{adapter or 'the base'}: vLLM keeps what it read with other weights. Run again.")
        self._merged = adapter
        log.info("%s: merged in %.1f s", adapter or "the base", time.perf_counter() - began)


def _told(error: BaseException) -> str:
    """The first line of an error and of what caused it."""
    lines = []
    cause: BaseException | None = error
    while cause is not None:
        lines.append(str(cause).strip().partition("\n")[0])
        cause = cause.__cause__
    return "; ".join(dict.fromkeys(filter(None, lines)))
