"""The trainer: the only file that knows trl. It tunes one adapter, from its last whole checkpoint on, and saves it.

The low-rank matrices are kept in float32 under a base of any type: peft makes them so, and where trl narrows them to
bfloat16 (under a quantised base) they are widened again, as steps of 1e-5 would be lost in eight bits of a weight.
Without autocast they are multiplied in float32 too, which is slow on a GPU; ``autocast`` in the base's own type is not.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babeltune.finetune.base import Base
from babeltune.finetune.hardware import Hardware
from babeltune.finetune.job import Job, Progress, Tuned
from babeltune.finetune.packing import deal
from babeltune.finetune.probe import Collator, prober
from babeltune.finetune.recipe import LoraRecipe
from babeltune.finetune.template import IGNORED, Encoded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Work:
    """A job with its chats as tokens."""

    job: Job
    encoded: Sequence[Encoded]
    order: Sequence[int]
    """Indices into ``encoded``, all epochs in line."""
    left_out: int
    """Chats that were cut before their answer."""

    @property
    def lengths(self) -> list[int]:
        """Tokens of the chats, in their order."""
        return [len(self.encoded[index].input_ids) for index in self.order]


def run(base: Base, work: Work, progress: Progress, *, packed: bool) -> Tuned:
    """Tune one adapter, alone or as one of several processes; ``packed``: the chats of a forward pass in one row.

    Raises:
        MingledError: packed chats see each other.
    """
    from accelerate import PartialState
    from peft import get_peft_model
    from transformers import set_seed

    job, hardware = work.job, base.hardware
    model = base.model(job.recipe)
    set_seed(job.seed)
    adapted = get_peft_model(model, _lora(job.recipe))
    try:
        trainer = _built(base, adapted, work, packed=packed)
        leads = trainer.is_world_process_zero()
        if leads:
            trainer.add_callback(_reporter(progress, work))
        if packed:
            pad, pack = (collator(base.tokenizer, packed=packs) for packs in (False, True))
            trainer.add_callback(prober(trainer, pad, pack, work.encoded))
        last = _last_whole(job.checkpoints, hardware)
        if trainer.args.process_index and last is None:
            set_seed(job.seed + trainer.args.process_index)  # dropout of its own
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        state = _gathered(adapted) if hardware.sharding == "fsdp" else None
        if leads:
            adapted.save_pretrained(job.folder, state_dict=state)
        losses = [(row["step"], row["loss"]) for row in trainer.state.log_history if "loss" in row]
    finally:
        base.take_back(adapted, job.recipe)
    if leads:
        with (job.folder / "losses.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"step": step, "loss": loss}) + "\n" for step, loss in losses)
        shutil.rmtree(job.checkpoints, ignore_errors=True)
        (job.folder / "README.md").unlink(missing_ok=True)
    if hardware.processes > 1:
        PartialState().wait_for_everyone()
    ending = [loss for _, loss in losses[-10:]]
    return Tuned(trainer.state.global_step, sum(work.lengths), sum(ending) / max(1, len(ending)), work.left_out)


def _built(base: Base, adapted: Any, work: Work, *, packed: bool) -> Any:
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    job, recipe, hardware, tokenizer = work.job, work.job.recipe, base.hardware, base.tokenizer
    recompute = hardware.gradient_checkpointing
    config = SFTConfig(
        output_dir=str(job.checkpoints),
        num_train_epochs=1,  # `arrange` has laid all epochs in line
        train_sampling_strategy="sequential",
        per_device_train_batch_size=job.micro,
        gradient_accumulation_steps=recipe.batch // (job.micro * hardware.processes),
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=recipe.warmup_ratio,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        max_length=None,  # `encode` has cut the chats
        gradient_checkpointing=hardware.device != "cpu" if recompute is None else recompute,
        bf16=recipe.autocast == "bfloat16",  # else the weights have the type that the study names
        fp16=recipe.autocast == "float16",
        use_cpu=hardware.device == "cpu",
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,
        seed=job.seed,
        logging_steps=1,
        save_steps=hardware.checkpoint_every,
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    rows, order = list(work.encoded), list(work.order)
    if hardware.processes > 1 and len(order) % recipe.batch:
        # Else the last update would be filled with chats of the first.
        rows.append(Encoded((tokenizer.pad_token_id or 0,), (IGNORED,)))
        order += [len(rows) - 1] * (-len(order) % recipe.batch)
    if packed:
        order = deal(order, [len(row.input_ids) for row in rows], recipe.batch, job.micro)
    columns = [features(row) for row in rows]
    dataset = Dataset.from_dict({key: [row[key] for row in columns] for key in ("input_ids", "labels")})
    trainer = SFTTrainer(
        model=adapted,
        args=config,
        train_dataset=dataset.select(order),
        processing_class=tokenizer,
        data_collator=collator(tokenizer, packed=packed),
    )
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
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


def features(row: Encoded) -> dict[str, list[int]]:
    """A chat as the trainer takes it."""
    return {"input_ids": list(row.input_ids), "labels": list(row.labels)}


def collator(tokenizer: PreTrainedTokenizerBase, *, packed: bool) -> Collator:
    """The one of trl: rows padded on the right, or one row without a mask whose positions begin anew at each chat."""
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    made: Collator = DataCollatorForLanguageModeling(pad_token_id=tokenizer.pad_token_id, padding_free=packed)
    return made


def _gathered(adapted: Any) -> dict[str, Any]:
    """The low-rank matrices whole, of a model that processes share. Asked by every process."""
    return {
        name: (value.full_tensor() if hasattr(value, "full_tensor") else value).cpu()
        for name, value in adapted.state_dict().items()
        if "lora_" in name
    }


def _reporter(progress: Progress, work: Work) -> Any:
    from transformers import TrainerCallback

    lengths, batch = work.lengths, work.job.recipe.batch

    class Reporter(TrainerCallback):  # type: ignore[misc]  # transformers is read untyped
        first: int | None = None

        def on_step_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            if self.first is None:
                self.first = state.global_step

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            seen = lengths[(self.first or 0) * batch : state.global_step * batch]
            progress(state.global_step, state.max_steps, sum(seen))

    return Reporter()


def _last_whole(checkpoints: Path, hardware: Hardware) -> Path | None:
    """The newest checkpoint that was written to its end, by as many processes.

    Process 0 writes the trainer's state last; random states of the others may be under way still, but the files of
    torch.save have their directory at the end.
    """
    random_states = ["rng_state.pth"]
    if hardware.processes > 1:
        random_states = [f"rng_state_{at}.pth" for at in range(hardware.processes)]
    shards = ["pytorch_model_fsdp_0/.metadata", "optimizer_0/.metadata"]
    files = shards if hardware.sharding == "fsdp" else ["adapter_model.safetensors", "optimizer.pt"]

    def whole(folder: Path) -> bool:
        try:
            json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return all((folder / name).is_file() for name in (*files, "scheduler.pt")) and all(
            zipfile.is_zipfile(folder / name) for name in random_states
        )

    found = [folder for folder in checkpoints.glob("checkpoint-*") if whole(folder)]
    return max(found, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)
