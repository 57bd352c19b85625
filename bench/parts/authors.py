"""The authors' way to tune, in trl: the base in float32, random rows padded on the right, checkpointed activations."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from babeltune.finetune.recipe import LoraRecipe
from babeltune.finetune.template import Encoded


def tune(
    folder: Path, tokenizer: Any, rows: Sequence[Encoded], recipe: LoraRecipe, work: Path,
    *, seed: int, micro: int, gpu: bool, tick: Callable[[], None],
) -> list[float]:  # fmt: skip
    """Tune the base of a folder on rows, in their order; gives the loss of each update.

    ``micro``: rows of a forward pass. ``gpu``: float16 autocast, and the paged optimizer where bitsandbytes is installed.
    ``tick`` hears of the end of each update.
    """
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    paged = gpu and importlib.util.find_spec("bitsandbytes") is not None
    config = SFTConfig(
        output_dir=str(work),
        num_train_epochs=1,
        train_sampling_strategy="sequential",  # the rows come in random order
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=recipe.batch // micro,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=recipe.warmup_ratio,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        **({"optim": "paged_adamw_32bit"} if paged else {}),
        max_length=None,
        gradient_checkpointing=True,
        fp16=gpu,
        bf16=False,
        use_cpu=not gpu,
        seed=seed,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    lora = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout, bias="none", task_type="CAUSAL_LM",
        target_modules="all-linear",
    )  # fmt: skip

    class Ticks(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: object, **__: object) -> None:
            tick()

    ids = [list(row.input_ids) for row in rows]
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        args=config,
        train_dataset=Dataset.from_dict({"input_ids": ids, "labels": ids}),
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[Ticks()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model(str(work))
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]
