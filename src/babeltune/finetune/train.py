"""Tuning: the only file that knows trl and peft. One base model in memory serves all mixes of a model.

A run that was killed goes on from its last whole checkpoint and ends with the same bytes: the order of the chats is
fixed before training starts (``arrange``), and the trainer restores weights, optimizer, schedule and random state.
"""

from __future__ import annotations

import functools
import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from babeltune.errors import ModelError
from babeltune.finetune.recipe import LoraRecipe
from babeltune.finetune.template import Encoded, encode, lint, unanswered
from babeltune.records import Chat

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Progress = Callable[[int, int, int], None]
"""Told after each update: updates done, updates in all, tokens seen in this process."""

_WHOLE = ("adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")
"""Files of a checkpoint; the trainer writes the last one last."""
_GROUPED_BATCHES = 8
"""Length-grouped order sorts the chats of this many batches at a time."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """Where and how the tuning runs; changes no recipe, so it is not hashed."""

    device: str = "cpu"
    dtype: str = "float32"
    micro_batch: int | None = None
    """Most chats per forward pass (the largest divisor of the recipe's batch up to it); None for the whole batch."""
    checkpoint_every: int = 200
    """Updates between checkpoints (authors' code)."""
    packing: Literal["auto", "on", "off"] = "off"
    """Chats of an update in one row, each blind to the others, in place of padded rows: the same loss, less work."""
    attention: Literal["auto", "eager", "sdpa", "flex_attention", "flash_attention_2"] = "auto"
    """Kernel of the attention; ``auto`` is transformers' choice."""
    gradient_checkpointing: bool | None = None
    """Whether activations are computed again rather than kept; None: on a GPU."""
    processes: int = 1
    """Data-parallel processes, one a device."""
    sharding: Literal["none", "fsdp"] = "none"
    """Whether the processes share one base model between them, each with a part of every layer."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a tuning did."""

    steps: int
    tokens: int
    """Real tokens of all epochs, padding not counted."""
    final_loss: float
    """Mean loss of the last ten updates [nats per token]."""
    left_out: int
    """Chats that were cut before their answer, and so not trained on."""


def arrange(encoded: Sequence[Encoded], recipe: LoraRecipe, seed: int) -> list[int]:
    """Indices of the chats in the order of training, all epochs in line, whole batches only.

    A last batch of an epoch that is not full is filled from the next epoch; the very last one may stay short.
    """
    rng = random.Random(seed)
    order: list[int] = []
    for _ in range(recipe.epochs):
        epoch = list(range(len(encoded)))
        rng.shuffle(epoch)
        order += epoch
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
    """Tunes adapters on one base model, which is loaded at the first and kept for the next."""

    def __init__(self, folder: Path, hardware: Hardware) -> None:
        """``folder``: base model and tokenizer, as ``transformers`` saves them."""
        self.folder = folder
        self.hardware = hardware
        self._loaded: PreTrainedModel | None = None

    @functools.cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The base model's tokenizer, with a padding token."""
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise ModelError(f"{self.folder}: its tokenizer cannot be loaded ({error}).") from error
        if tokenizer.pad_token_id is None:
            # Harmless: labels of padding are set apart by position, never by token.
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    def _base(self) -> PreTrainedModel:
        if self._loaded is None:
            import torch
            from transformers import AutoModelForCausalLM

            try:
                model = AutoModelForCausalLM.from_pretrained(
                    self.folder,
                    dtype=getattr(torch, self.hardware.dtype),
                    local_files_only=True,
                    use_safetensors=True,
                )
            except (OSError, ValueError) as error:
                raise ModelError(f"{self.folder}: cannot be loaded as a causal language model ({error}).") from error
            self._loaded = model.to(self.hardware.device)
        return self._loaded

    def check(self, chats: Sequence[Chat], recipe: LoraRecipe) -> None:
        """Refuse chats that would be trained wrongly; loads the tokenizer only.

        Raises:
            TemplateError: chats and tokenizer that do not go together (see ``template.lint``).
        """
        lint(
            chats,
            self.tokenizer,
            max_tokens=recipe.max_tokens,
            teach_eos=recipe.teach_eos,
            may_leave_out=recipe.unanswered == "leave-out",
        )

    def tune(self, chats: Sequence[Chat], recipe: LoraRecipe, seed: int, folder: Path, progress: Progress) -> Tuned:
        """Tune one adapter into ``folder``; goes on from ``folder/checkpoints`` where an earlier run was killed.

        Leaves ``adapter_config.json``, ``adapter_model.safetensors`` and ``losses.jsonl``; no optimizer state stays.

        Raises:
            TemplateError: chats and tokenizer that do not go together (see ``template.lint``).
        """
        from peft import get_peft_model
        from transformers import set_seed

        self.check(chats, recipe)
        model, tokenizer = self._base(), self.tokenizer
        left_out = frozenset(unanswered(chats, tokenizer, recipe.max_tokens))
        encoded = [
            encode(chat, tokenizer, max_tokens=recipe.max_tokens, loss_on=recipe.loss_on, teach_eos=recipe.teach_eos)
            for chat in chats
            if chat.id not in left_out
        ]
        order = arrange(encoded, recipe, seed)
        set_seed(seed)
        adapted = get_peft_model(model, _lora(recipe))
        checkpoints = folder / "checkpoints"
        try:
            trainer = self._trainer(adapted, tokenizer, [encoded[index] for index in order], recipe, seed, checkpoints)
            trainer.add_callback(_reporter(progress, [len(encoded[index].input_ids) for index in order], recipe.batch))
            last = _last_whole(checkpoints)
            trainer.train(resume_from_checkpoint=str(last) if last else None)
            adapted.save_pretrained(folder)
            losses = [(row["step"], row["loss"]) for row in trainer.state.log_history if "loss" in row]
        finally:
            model = adapted.unload()
            # trl patches the forward of the base it is given; the next trainer wraps it anew.
            model.__dict__.pop("forward", None)
            self._loaded = model
        with (folder / "losses.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"step": step, "loss": loss}) + "\n" for step, loss in losses)
        shutil.rmtree(checkpoints, ignore_errors=True)
        (folder / "README.md").unlink(missing_ok=True)
        ending = [loss for _, loss in losses[-10:]]
        tokens = sum(len(encoded[index].input_ids) for index in order)
        return Tuned(trainer.state.global_step, tokens, sum(ending) / max(1, len(ending)), len(left_out))

    def _trainer(
        self,
        adapted: Any,
        tokenizer: PreTrainedTokenizerBase,
        rows: Sequence[Encoded],
        recipe: LoraRecipe,
        seed: int,
        checkpoints: Path,
    ) -> Any:
        from datasets import Dataset
        from transformers import PrinterCallback
        from trl import SFTConfig, SFTTrainer

        wanted = self.hardware.micro_batch or recipe.batch
        # A divisor, so that accumulated micro-batches are the recipe's batch and nothing else.
        micro = max(size for size in range(1, recipe.batch + 1) if recipe.batch % size == 0 and size <= max(1, wanted))
        config = SFTConfig(
            output_dir=str(checkpoints),
            num_train_epochs=1,  # `arrange` has laid all epochs in line
            train_sampling_strategy="sequential",
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=recipe.batch // micro,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=recipe.warmup_ratio,
            weight_decay=recipe.weight_decay,
            max_grad_norm=recipe.max_grad_norm,
            max_length=None,  # `encode` has cut the chats
            gradient_checkpointing=self.hardware.device != "cpu",
            bf16=False,  # the weights have the type that the study names
            fp16=False,
            use_cpu=self.hardware.device == "cpu",
            seed=seed,
            logging_steps=1,
            save_steps=self.hardware.checkpoint_every,
            save_total_limit=2,
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            dataset_kwargs={"skip_prepare_dataset": True},
        )
        dataset = Dataset.from_dict(
            {"input_ids": [list(row.input_ids) for row in rows], "labels": [list(row.labels) for row in rows]}
        )
        trainer = SFTTrainer(model=adapted, args=config, train_dataset=dataset, processing_class=tokenizer)
        trainer.remove_callback(PrinterCallback)  # our own progress is shown instead
        return trainer


def _lora(recipe: LoraRecipe) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        bias="none",
        task_type="CAUSAL_LM",
        target_modules=recipe.targets if isinstance(recipe.targets, str) else list(recipe.targets),
    )


def _reporter(progress: Progress, lengths: Sequence[int], batch: int) -> Any:
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):  # type: ignore[misc]  # transformers is read untyped
        first: int | None = None

        def on_step_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            if self.first is None:
                self.first = state.global_step

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            seen = lengths[(self.first or 0) * batch : state.global_step * batch]
            progress(state.global_step, state.max_steps, sum(seen))

    return Reporter()


def _last_whole(checkpoints: Path) -> Path | None:
    """The newest checkpoint that was written to its end."""

    def whole(folder: Path) -> bool:
        try:
            json.loads((folder / _WHOLE[-1]).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return all((folder / name).is_file() for name in _WHOLE)

    found = [folder for folder in checkpoints.glob("checkpoint-*") if whole(folder)]
    return max(found, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)
