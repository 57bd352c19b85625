"""A session: one run's hold on models, and what it tells of its progress."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from babeltune.data import identify
from babeltune.errors import ModelError
from babeltune.records import Identifier, Item, Prompting, Task
from babeltune.study import models, tasks
from babeltune.study.artefacts import LEDGER
from babeltune.study.check import Opened
from babeltune.study.spec.served import JudgeSpec, ServedSpec, TranslatorSpec
from babeltune.study.step import Step

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from babeltune.finetune.hardware import Hardware
    from babeltune.finetune.train import Tuner
    from babeltune.generate.ledger import Ledger
    from babeltune.records import Engine
    from babeltune.study.spec.study import Study


@dataclass(frozen=True, slots=True)
class Event:
    """What a run has come to, for whoever shows it."""

    kind: str
    """Kind of the step."""
    name: str
    done: int
    total: int
    unit: str
    tokens: int = 0
    """Tokens since the last event of this kind, where there are any."""


Tell = Callable[[Event], None]
T = TypeVar("T")


class Session:
    """One run's hold on models: a base is loaded once for all mixes to tune, and once for all cells to generate."""

    def __init__(self, opened: Opened, tell: Tell, most_cost: float | None = None) -> None:
        """``tell`` hears of every piece of progress; ``most_cost``: dollars of judge and translator, earlier runs too."""
        self.opened = opened
        self.plan, self.store, self.study = opened.plan, opened.store, opened.plan.study
        self.most_cost = most_cost
        self.tell = tell
        self._held: tuple[object, Any] | None = None
        self._ledger: Ledger | None = None
        self._servers: dict[ServedSpec, Engine] = {}
        self._tasks: dict[str, Task] = {}
        self._items: dict[tuple[str, str, Prompting], list[Item]] = {}

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ledger is not None:
            self._ledger.close()

    @property
    def judge(self) -> JudgeSpec:
        """The judge, of a study that has one."""
        assert self.study.judge is not None
        return self.study.judge

    @property
    def translator(self) -> TranslatorSpec:
        """The translator, of a study that has one."""
        assert self.study.translator is not None
        return self.study.translator

    @property
    def identifier(self) -> Identifier:
        """The study's."""
        return identify.identifier(self.study.label.identifier)

    def task(self, name: str) -> Task:
        """A task as the study sets it."""
        if name not in self._tasks:
            spec = self.study.tasks.asked[name]
            self._tasks[name] = tasks.make(name, spec, self.identifier, tasks.sampling(spec, self.study.sampling))
        return self._tasks[name]

    def items(self, task: str, language: str, prompting: Prompting) -> list[Item]:
        """The items of a cell, read once."""
        key = task, language, prompting
        if key not in self._items:
            self._items[key] = self.task(task).items(language, prompting)
        return self._items[key]

    def needed(self, step: Step) -> list[Path]:
        """Folders of the steps that a step needs, in order."""
        return [self.store.open(self.plan.by_key[key]) for key in step.needs]

    def tuner(self, model: str) -> Tuner:
        """The tuner of a model; lets go of any other model first."""
        return self._alone(("tuner", model), lambda: self._new_tuner(self._folder(model)))

    def engine(self, model: str) -> Engine:
        """The engine of a model; lets go of any other model first."""
        return self._alone(("engine", model), lambda: self._new_engine(self._folder(model), self.study.engine))

    def _alone(self, what: object, load: Callable[[], T]) -> T:
        """What is loaded: one model at a time, be it to tune, to generate, to judge or to translate."""
        if self._held is None or self._held[0] != what:
            self._held = None
            self._held = what, load()
        return cast(T, self._held[1])

    @property
    def ledger(self) -> Ledger:
        """Every reply of judge and translator, of this run and those before it."""
        if self._ledger is None:
            from babeltune.generate.ledger import Ledger

            self._ledger = Ledger(self.store.root / LEDGER)
        return self._ledger

    def asked(self, spec: ServedSpec) -> Engine:
        """The engine of the judge or the translator, on a server or here."""
        if spec.engine != "endpoint":
            return self._alone(spec, lambda: self._local(spec))
        if spec not in self._servers:
            self._servers[spec] = self._served(spec)
        return self._servers[spec]

    def _served(self, spec: ServedSpec) -> Engine:
        from babeltune.generate.batchfile import BatchFileEngine
        from babeltune.generate.endpoint import EndpointEngine
        from babeltune.study.serving import endpoint, prices

        kind = BatchFileEngine if spec.batch_files else EndpointEngine
        return kind(endpoint(spec), self.ledger, prices=prices(self.study), most_cost=self.most_cost)

    def _local(self, spec: ServedSpec) -> Engine:
        from babeltune.generate.chats import LocalChats

        folder = self._folder(spec.model)
        return LocalChats(self._new_engine(folder, spec.engine), folder, self.local_name(spec), self.ledger)

    def local_name(self, spec: ServedSpec) -> str:
        """Of a model that runs here, as the ledger has it: other weights under this name answer otherwise."""
        return f"{spec.model} {self.opened.located[spec.model].fingerprint[:12]}"

    def _new_tuner(self, folder: Path) -> Tuner:
        from babeltune.finetune.train import Tuner

        return Tuner(folder, hardware(self.study, _device(self.study.execution.device)))

    def _new_engine(self, folder: Path, name: str) -> Engine:
        study = self.study
        how = study.execution
        if name == "vllm":
            from babeltune.generate.vllm import VllmEngine

            return VllmEngine(
                folder,
                dtype=study.dtype,
                tensor_parallel=how.tensor_parallel,
                gpu_memory=how.gpu_memory,
                max_rank=study.recipe.rank,
            )
        from babeltune.generate.transformers import TransformersEngine

        return TransformersEngine(
            folder,
            dtype=study.dtype,
            device=_device(how.device),
            batch_size=how.batch_size,
            batch_tokens=how.batch_tokens,
        )

    @functools.cached_property
    def tokenizers(self) -> dict[str, Callable[[Sequence[str]], list[int]]]:
        """Name of each model that is at hand -> what counts the tokens of texts."""
        from transformers import AutoTokenizer

        found: dict[str, Callable[[Sequence[str]], list[int]]] = {}
        for model in self.study.models:
            if self.opened.located[model.id].download is None:
                folder = self._folder(model.id)
                try:
                    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
                except (OSError, ValueError) as error:
                    why = " ".join(str(error).split())
                    raise ModelError(
                        f"{folder}: its tokenizer cannot be loaded, and no code of its own is run ({why})."
                    ) from error
                found[model.name] = functools.partial(_tokens, tokenizer)
        return found

    def _folder(self, model: str) -> Path:
        import torch
        from transformers.utils import logging

        logging.disable_progress_bar()  # ours are shown instead
        logging.set_verbosity_error()
        _keep_memory()
        threads = self.study.execution.threads
        if threads:
            torch.set_num_threads(threads)
        located = self.opened.located[model]
        if located.folder is None:
            self.tell(Event("model", f"converting {model} (once, about 40 s)", 0, 1, "model"))
        folder = models.prepare(located)
        if located.folder is None:
            self.tell(Event("model", model, 1, 1, "model"))
        return folder


_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
"""Numbers of mallopt's parameters (glibc's malloc.h)."""


def _keep_memory() -> None:
    """Ask glibc to keep freed blocks for the next allocation.

    It gives blocks of more than 128 KiB back at once, and the system clears them anew: each step of generation makes
    and frees keys and values of that size, which took as long as all of its arithmetic. Nothing where there is no glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_MMAP_THRESHOLD, 32 << 20)  # the largest that it takes
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def _tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    return [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]


def hardware(study: Study, device: str) -> Hardware:
    """Where and how a study's tuning runs."""
    from babeltune.finetune.hardware import Hardware

    how = study.execution
    return Hardware(
        device=device,
        dtype=study.dtype,
        micro_batch=how.micro_batch,
        checkpoint_every=how.checkpoint_every,
        packing=how.packing,
        attention=how.attention,
        gradient_checkpointing=how.gradient_checkpointing,
        processes=how.processes,
        sharding=how.sharding,
    )


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
