"""Tuning: a mix in, an adapter out. One base model in memory serves all mixes of a model.

A run that was killed goes on from its last whole checkpoint and ends with the same bytes: the order of the chats is
fixed before training starts (``arrange``), and the trainer restores weights, optimizer, schedule and random state.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import random
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from babeltune.errors import ModelError, Problem, TemplateError
from babeltune.finetune import trainer
from babeltune.finetune.base import Base
from babeltune.finetune.hardware import Hardware, unfit
from babeltune.finetune.job import Job, Progress, Tuned
from babeltune.finetune.launch import NoMemoryError, Workers
from babeltune.finetune.packing import LEAST_SAVING, micro_batch, saving
from babeltune.finetune.probe import MingledError
from babeltune.finetune.recipe import LoraRecipe
from babeltune.finetune.template import Encoded, encode, lint, unanswered
from babeltune.finetune.trainer import Work, collator, features
from babeltune.records import Chat

log = logging.getLogger(__name__)

_GROUPED_BATCHES = 8
"""Length-grouped order sorts the chats of this many batches at a time."""


def arrange(encoded: Sequence[Encoded], recipe: LoraRecipe, seed: int) -> list[int]:
    """Indices of the chats in the order of training, all epochs in line, whole batches only.

    A last batch of an epoch that is not full is filled from the next epoch; the very last one may stay short, unless
    the recipe counts steps: these are full, and the last epoch is cut.
    """
    rng = random.Random(seed)
    order: list[int] = []
    wanted = recipe.updates(len(encoded)) * recipe.batch if recipe.steps else recipe.epochs * len(encoded)
    while encoded and len(order) < wanted:
        epoch = list(range(len(encoded)))
        rng.shuffle(epoch)
        order += epoch
    del order[wanted:]
    if recipe.order == "random":
        return order
    reach = recipe.batch * _GROUPED_BATCHES
    batches: list[list[int]] = []
    for start in range(0, len(order), reach):
        group = sorted(order[start : start + reach], key=lambda index: len(encoded[index].input_ids))
        cut = [group[at : at + recipe.batch] for at in range(0, len(group), recipe.batch)]
        rng.shuffle(cut)
        batches += cut
    # Only a full batch may stand before another, or the trainer's own batching would fall out of step with this one.
    batches.sort(key=lambda batch: len(batch) < recipe.batch)
    return [index for batch in batches for index in batch]


class Tuner:
    """Tunes adapters on one base model.

    With several processes it is they who load it (``launch.py``), and ``tune_here`` is what each of them does. A base
    that they share between them (FSDP) is loaded for each adapter, as it cannot be put together again.
    """

    def __init__(self, folder: Path, hardware: Hardware) -> None:
        """``folder``: base model and tokenizer, as ``transformers`` saves them."""
        self.base = Base(folder, hardware)
        self.hardware = hardware
        self._workers: Workers | None = None
        self._fits = hardware.micro_batch
        """Chats of a forward pass that memory is known to hold."""
        self._apart = True
        """Whether packed chats are not known to see each other."""

    def check_recipe(self, recipe: LoraRecipe) -> None:
        """Refuse a recipe that this hardware or this installation cannot follow; loads nothing.

        Raises:
            TemplateError: all that is in the way.
        """
        problems = unfit(recipe, self.hardware)
        if problems:
            raise TemplateError("tuning", problems)

    def check(self, chats: Sequence[Chat], recipe: LoraRecipe) -> None:
        """Refuse chats that would be trained wrongly; loads the tokenizer only.

        Raises:
            TemplateError: chats and tokenizer that do not go together (see ``template.lint``), or a padding that
                takes the loss from end tokens.
        """
        problems: list[Problem] = []
        try:
            lint(chats, self.base.tokenizer, recipe)
        except TemplateError as error:
            problems += error.problems
        if recipe.teach_eos and self.base.tokenizer.eos_token_id is not None:
            problems += self._untaught_ends(chats, recipe)
        if problems:
            raise TemplateError("training template", problems)

    def _untaught_ends(self, chats: Sequence[Chat], recipe: LoraRecipe) -> list[Problem]:
        """Two chats of different length as the trainer sees them: does each end token still carry loss?"""
        tokenizer = self.base.tokenizer
        encoded = sorted((encode(chat, tokenizer, recipe) for chat in chats), key=lambda row: len(row.input_ids))
        whole = [row for row in encoded if row.input_ids and row.input_ids[-1] == tokenizer.eos_token_id]
        pair = [whole[0], whole[-1]] if whole else []
        for packed in (False, True):
            labels = collator(tokenizer, packed=packed)([features(row) for row in pair])["labels"] if pair else ()
            taught = sum(int((row == tokenizer.eos_token_id).sum()) for row in labels)
            # A first token is never asked for, be it an end token or not.
            if taught < sum(row.labels[1:].count(tokenizer.eos_token_id) for row in pair):
                what = f"padding with '{tokenizer.pad_token}' takes the loss from the end token"
                return [Problem("tokenizer.pad_token", what, "Give the tokenizer a padding token of its own.")]
        return []

    def tune(self, chats: Sequence[Chat], recipe: LoraRecipe, seed: int, folder: Path, progress: Progress) -> Tuned:
        """Tune one adapter into ``folder``; goes on from ``folder/checkpoints`` where an earlier run was killed.

        Where memory runs out it goes on from the last checkpoint with half the chats per forward pass: the same
        updates, accumulated of more parts. Leaves ``adapter_config.json``, ``adapter_model.safetensors`` and
        ``losses.jsonl``; no optimizer state stays.

        Raises:
            TemplateError: a recipe that cannot be followed here (``check_recipe``), or chats and tokenizer that do not
                go together (``check``).
            ModelError: a base that cannot be loaded, that memory does not suffice for, or whose attention cannot pack.
        """
        self.check_recipe(recipe)
        self.check(chats, recipe)
        while True:
            micro = micro_batch(recipe.batch, self._fits, self.hardware.processes)
            job = Job(tuple(chats), recipe, seed, folder, micro)
            try:
                if self.hardware.processes == 1:
                    return self.tune_here(job, progress)
                self._workers = self._workers or Workers(self.base.folder, self.hardware)
                return self._workers.tune(job, progress)
            except NoMemoryError:
                pass  # the traceback holds what filled the memory, until this block is left
            _free()
            if micro == 1:
                raise ModelError(
                    f"{self.base.folder}: memory does not suffice to tune on one chat at a time. Set"
                    " execution.gradient_checkpointing: true, recipe.base_bits: 4 or a smaller recipe.max_tokens, or"
                    " take more devices with execution.processes and execution.sharding: fsdp."
                )
            self._fits = micro_batch(recipe.batch, micro // 2, self.hardware.processes)
            log.warning(
                "memory ran out with %d chats at a time: going on from the last checkpoint with %d", micro, self._fits
            )

    def tune_here(self, job: Job, progress: Progress) -> Tuned:
        """``tune`` in this process, alone or as one of several.

        Raises:
            NoMemoryError: memory ran out.
            OSError: a checkpoint or the adapter cannot be written, as the disk is full.
            ModelError: as ``tune``.
        """
        from safetensors import SafetensorError

        recipe, tokenizer = job.recipe, self.base.tokenizer
        left_out = frozenset(unanswered(job.chats, tokenizer, recipe))
        encoded = [encode(chat, tokenizer, recipe) for chat in job.chats if chat.id not in left_out]
        work = Work(job, encoded, arrange(encoded, recipe, job.seed), len(left_out))
        try:
            if self._worth_packing(work):
                try:
                    return trainer.run(self.base, work, progress, packed=True)
                except MingledError as error:
                    self._apart = False
                    if self.hardware.packing == "on":
                        raise ModelError(f"{self.base.folder}: {error} Set execution.packing: off.") from None
                    log.warning("%s It is padded instead.", error)
            return trainer.run(self.base, work, progress, packed=False)
        except (RuntimeError, SafetensorError) as error:
            if (unwritten := _unwritten(error, job.folder)) is not None:
                raise unwritten from error
            if not isinstance(error, RuntimeError) or not _out_of_memory(error):
                raise
            raise NoMemoryError from error

    def _worth_packing(self, work: Work) -> bool:
        wanted = self.hardware.packing
        if wanted != "auto" or not self._apart:
            return wanted == "on"
        lengths = [len(row.input_ids) for row in work.encoded]
        recipe = work.job.recipe
        return saving(work.order, lengths, recipe.batch, work.job.micro, self.base.cost(recipe)) >= LEAST_SAVING


def _unwritten(error: Exception, folder: Path) -> OSError | None:
    """The error of the system that safetensors or torch met as they wrote, in whose words it is one of their own."""
    told = re.search(r"\(os error (\d+)\)", str(error))
    if told is None and not re.search(r"PytorchStreamWriter|unexpected pos \d+", str(error)):
        return None  # nothing was being written
    full = shutil.disk_usage(folder).free < _NO_SPACE
    number = int(told[1]) if told else errno.ENOSPC if full else errno.EIO
    return OSError(number, os.strerror(number), str(folder))


_NO_SPACE = 1 << 20
"""Bytes: of a disk on which so few are left, little can be written."""


def _out_of_memory(error: RuntimeError) -> bool:
    import torch
    from accelerate.utils.memory import should_reduce_batch_size

    return isinstance(error, torch.OutOfMemoryError) or bool(should_reduce_batch_size(error))


def _free() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
