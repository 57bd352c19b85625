"""A session: one run's hold on models, and what it tells of its progress."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from babeltune.data import identify
from babeltune.records import Item, Prompting, Task
from babeltune.study import models, tasks
from babeltune.study.artefacts import LEDGER
from babeltune.study.check import Opened
from babeltune.study.served import ServedSpec
from babeltune.study.step import Step

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from babeltune.finetune.train import Tuner
    from babeltune.generate.ledger import Ledger
    from babeltune.records import Engine


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


class Session:
    """One run's hold on models: a base is loaded once for all mixes to tune, and once for all cells to generate."""

    def __init__(self, opened: Opened, tell: Tell, most_cost: float | None = None) -> None:
        """``tell`` hears of every piece of progress; ``most_cost``: dollars of judge and translator, earlier runs too."""
        self.opened = opened
        self.most_cost = most_cost
        self.tell = tell
        self._tuner: tuple[str, Tuner] | None = None
        self._engine: tuple[str, Engine] | None = None
        self._tokenizers: dict[str, Callable[[Sequence[str]], list[int]]] | None = None
        self._ledger: Ledger | None = None
        self._asked: dict[ServedSpec, Engine] = {}
        self._tasks: dict[str, Task] = {}
        self._items: dict[tuple[str, str, Prompting], list[Item]] = {}

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ledger is not None:
            self._ledger.close()

    def task(self, name: str) -> Task:
        """A task as the study sets it."""
        if name not in self._tasks:
            study = self.opened.plan.study
            spec = study.tasks.asked[name]
            identifier = identify.identifier(study.label.identifier)
            self._tasks[name] = tasks.make(name, spec, identifier, tasks.sampling(spec, study.sampling))
        return self._tasks[name]

    def items(self, task: str, language: str, prompting: Prompting) -> list[Item]:
        """The items of a cell, read once."""
        key = task, language, prompting
        if key not in self._items:
            self._items[key] = self.task(task).items(language, prompting)
        return self._items[key]

    def needed(self, step: Step) -> list[Path]:
        """Folders of the steps that a step needs, in order."""
        return [self.opened.store.open(self.opened.plan.by_key[key]) for key in step.needs]

    def tuner(self, model: str) -> Tuner:
        """The tuner of a model; lets go of any other model first."""
        if self._tuner is None or self._tuner[0] != model:
            from babeltune.finetune.hardware import Hardware
            from babeltune.finetune.train import Tuner

            self._tuner = self._engine = None
            how = self.opened.plan.study.execution
            hardware = Hardware(
                device=_device(how.device),
                dtype=self.opened.plan.study.dtype,
                micro_batch=how.micro_batch,
                checkpoint_every=how.checkpoint_every,
                packing=how.packing,
                attention=how.attention,
                gradient_checkpointing=how.gradient_checkpointing,
                processes=how.processes,
                sharding=how.sharding,
            )
            self._tuner = model, Tuner(self._folder(model), hardware)
        return self._tuner[1]

    def engine(self, model: str) -> Engine:
        """The engine of a model; lets go of any other model first."""
        if self._engine is None or self._engine[0] != model:
            self._tuner = self._engine = None
            self._engine = model, self._new_engine(self._folder(model), self.opened.plan.study.engine)
        return self._engine[1]

    @property
    def ledger(self) -> Ledger:
        """Every reply of judge and translator, of this run and those before it."""
        if self._ledger is None:
            from babeltune.generate.ledger import Ledger

            self._ledger = Ledger(self.opened.store.root / LEDGER)
        return self._ledger

    def asked(self, spec: ServedSpec) -> Engine:
        """The engine of the judge or the translator, on a server or here."""
        if spec not in self._asked:
            self._asked[spec] = self._served(spec) if spec.engine == "endpoint" else self._local(spec)
        return self._asked[spec]

    def _served(self, spec: ServedSpec) -> Engine:
        from babeltune.generate.batchfile import BatchFileEngine
        from babeltune.generate.endpoint import EndpointEngine
        from babeltune.study.serving import endpoint, prices

        kind = BatchFileEngine if spec.batch_files else EndpointEngine
        return kind(endpoint(spec), self.ledger, prices=prices(self.opened.plan.study), most_cost=self.most_cost)

    def _local(self, spec: ServedSpec) -> Engine:
        from babeltune.generate.chats import LocalChats

        self._tuner = self._engine = None
        folder = self._folder(spec.model)
        return LocalChats(self._new_engine(folder, spec.engine), folder, self.local_name(spec), self.ledger)

    def local_name(self, spec: ServedSpec) -> str:
        """Of a model that runs here, as the ledger has it: other weights under this name answer otherwise."""
        return f"{spec.model} {self.opened.located[spec.model].fingerprint[:12]}"

    def _new_engine(self, folder: Path, name: str) -> Engine:
        study = self.opened.plan.study
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

    def tokenizers(self) -> dict[str, Callable[[Sequence[str]], list[int]]]:
        """Name of each model that is at hand -> what counts the tokens of texts."""
        if self._tokenizers is None:
            from transformers import AutoTokenizer

            self._tokenizers = {}
            for model in self.opened.plan.study.models:
                if self.opened.located[model.id].download is None:
                    tokenizer = AutoTokenizer.from_pretrained(self._folder(model.id))
                    self._tokenizers[model.name] = functools.partial(_tokens, tokenizer)
        return self._tokenizers

    def _folder(self, model: str) -> Path:
        import torch
        from transformers.utils import logging

        logging.disable_progress_bar()  # ours are shown instead
        logging.set_verbosity_error()
        _keep_memory()
        threads = self.opened.plan.study.execution.threads
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


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
