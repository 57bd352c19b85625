"""Tuning: the only file that knows trl and peft. One base model in memory serves all mixes of a model.

A run that was killed goes on from its last whole checkpoint and ends with the same bytes: the order of the chats is
fixed before training starts (``arrange``), and the trainer restores weights, optimizer, schedule and random state.

The low-rank matrices are kept in float32 under a base of any type: peft makes them so, and where trl narrows them to
bfloat16 (under a quantised base) they are widened again, as steps of 1e-5 would be lost in eight bits of a weight.
Without autocast they are multiplied in float32 too, which is slow on a GPU; ``autocast`` in the base's own type is not.
"""

from __future__ import annotations

import dataclasses
import functools
import gc
import json
import logging
import math
import os
import random
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from babeltune.errors import ModelError, Problem, TemplateError
from babeltune.finetune.hardware import Hardware, unfit
from babeltune.finetune.launch import NoMemoryError, Workers
from babeltune.finetune.packing import LEAST_SAVING, Cost, deal, micro_batch, saving
from babeltune.finetune.recipe import LoraRecipe
from babeltune.finetune.template import IGNORED, Encoded, encode, lint, unanswered
from babeltune.records import Chat

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Progress = Callable[[int, int, int], None]
"""Told after each update: updates done, updates in all, tokens seen in this process."""

log = logging.getLogger(__name__)

_GROUPED_BATCHES = 8
"""Length-grouped order sorts the chats of this many batches at a time."""


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
    """Tunes adapters on one base model, which is loaded at the first and kept for the next.

    With several processes it is they who load it (``launch.py``), and ``tune_here`` is what each of them does. A base
    that they share between them (FSDP) is loaded for each adapter, as it cannot be put together again.
    """

    def __init__(self, folder: Path, hardware: Hardware) -> None:
        """``folder``: base model and tokenizer, as ``transformers`` saves them."""
        self.folder = folder
        self.hardware = hardware
        self._loaded: tuple[int, PreTrainedModel] | None = None
        self._workers: Workers | None = None
        self._fits = hardware.micro_batch
        self._apart = True

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

    def _base(self, recipe: LoraRecipe) -> PreTrainedModel:
        if self._loaded is None or self._loaded[0] != recipe.base_bits:
            import torch
            from transformers import AutoModelForCausalLM

            self._loaded = None
            attention = self.hardware.attention
            quantised = recipe.base_bits < 16
            try:
                model = AutoModelForCausalLM.from_pretrained(
                    self.folder,
                    dtype=getattr(torch, self.hardware.dtype),
                    local_files_only=True,
                    use_safetensors=True,
                    attn_implementation=None if attention == "auto" else attention,
                    quantization_config=_quantised(recipe, self.hardware) if quantised else None,
                    device_map={"": self._place} if quantised else None,
                )
                if not quantised and self.hardware.sharding == "none":
                    model = model.to(self._place)
            except torch.OutOfMemoryError as error:
                raise ModelError(
                    f"{self.folder}: its weights do not fit into the memory of {self._place} in {self.hardware.dtype}."
                    " Set dtype: bfloat16 or recipe.base_bits: 4, or share it: execution.processes and sharding: fsdp."
                ) from error
            except (OSError, ValueError, ImportError) as error:
                hint = (
                    "" if attention == "auto" else f" Was that execution.attention: {attention}? auto runs everywhere."
                )
                raise ModelError(
                    f"{self.folder}: cannot be loaded as a causal language model ({error}).{hint}"
                ) from error
            self._loaded = recipe.base_bits, model
        return self._loaded[1]

    @property
    def _place(self) -> str:
        """The device of this process."""
        rank = os.environ.get("LOCAL_RANK")
        return f"cuda:{rank}" if rank and self.hardware.device == "cuda" else self.hardware.device

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
            lint(
                chats,
                self.tokenizer,
                max_tokens=recipe.max_tokens,
                teach_eos=recipe.teach_eos,
                may_leave_out=recipe.unanswered == "leave-out",
            )
        except TemplateError as error:
            problems += error.problems
        if recipe.teach_eos and self.tokenizer.eos_token_id is not None:
            problems += self._untaught_ends(chats, recipe)
        if problems:
            raise TemplateError("training template", problems)

    def _untaught_ends(self, chats: Sequence[Chat], recipe: LoraRecipe) -> list[Problem]:
        """Two chats of different length as the trainer sees them: does each end token still carry loss?"""
        encoded = sorted((self._encode(chat, recipe) for chat in chats), key=lambda row: len(row.input_ids))
        whole = [row for row in encoded if row.input_ids and row.input_ids[-1] == self.tokenizer.eos_token_id]
        pair = [whole[0], whole[-1]] if whole else []
        for packed in (False, True):
            labels = (
                _collator(self.tokenizer, packed=packed)([_features(row) for row in pair])["labels"] if pair else ()
            )
            taught = sum(int((row == self.tokenizer.eos_token_id).sum()) for row in labels)
            # A first token is never asked for, be it an end token or not.
            if taught < sum(row.labels[1:].count(self.tokenizer.eos_token_id) for row in pair):
                what = f"padding with '{self.tokenizer.pad_token}' takes the loss from the end token"
                return [Problem("tokenizer.pad_token", what, "Give the tokenizer a padding token of its own.")]
        return []

    def _encode(self, chat: Chat, recipe: LoraRecipe) -> Encoded:
        return encode(
            chat,
            self.tokenizer,
            max_tokens=recipe.max_tokens,
            loss_on=recipe.loss_on,
            teach_eos=recipe.teach_eos,
        )

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
            try:
                if self.hardware.processes == 1:
                    return self.tune_here(chats, recipe, seed, folder, progress, micro)
                return self._tune_there(chats, recipe, seed, folder, progress, micro)
            except NoMemoryError:
                pass  # the traceback holds what filled the memory, until this block is left
            _free()
            if micro == 1:
                raise ModelError(
                    f"{self.folder}: memory does not suffice to tune on one chat at a time. Set"
                    " execution.gradient_checkpointing: true, recipe.base_bits: 4 or a smaller recipe.max_tokens, or"
                    " take more devices with execution.processes and execution.sharding: fsdp."
                )
            self._fits = micro_batch(recipe.batch, micro // 2, self.hardware.processes)
            log.warning(
                "memory ran out with %d chats at a time: going on from the last checkpoint with %d", micro, self._fits
            )

    def _tune_there(
        self, chats: Sequence[Chat], recipe: LoraRecipe, seed: int, folder: Path, progress: Progress, micro: int
    ) -> Tuned:
        import torch

        if self._workers is None:
            self._workers = Workers(self.folder, dataclasses.asdict(self.hardware), torch.get_num_threads())
        job = {
            "chats": [dataclasses.asdict(chat) for chat in chats],
            "recipe": dataclasses.asdict(recipe),
            "seed": seed,
            "folder": str(folder.resolve()),
            "micro": micro,
        }
        return Tuned(**self._workers.tune(job, progress))

    def tune_here(
        self, chats: Sequence[Chat], recipe: LoraRecipe, seed: int, folder: Path, progress: Progress, micro: int
    ) -> Tuned:
        """``tune`` in this process, alone or as one of several, with so many chats per forward pass.

        Raises:
            NoMemoryError: memory ran out.
            ModelError: as ``tune``.
        """
        left_out = frozenset(unanswered(chats, self.tokenizer, recipe.max_tokens))
        encoded = [self._encode(chat, recipe) for chat in chats if chat.id not in left_out]
        work = _Work(encoded, arrange(encoded, recipe, seed), recipe, seed, folder, micro, len(left_out))
        try:
            if self._worth_packing(work):
                try:
                    return self._train(work, progress, packed=True)
                except _MingledError as error:
                    self._apart = False
                    if self.hardware.packing == "on":
                        raise ModelError(f"{self.folder}: {error} Set execution.packing: off.") from None
                    log.warning("%s It is padded instead.", error)
            return self._train(work, progress, packed=False)
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
            raise NoMemoryError from error

    def _worth_packing(self, work: _Work) -> bool:
        wanted = self.hardware.packing
        if wanted != "auto" or not self._apart:
            return wanted == "on"
        lengths = [len(row.input_ids) for row in work.encoded]
        saved = saving(work.order, lengths, work.recipe.batch, work.micro, _cost(self._base(work.recipe)))
        return saved >= LEAST_SAVING

    def _train(self, work: _Work, progress: Progress, *, packed: bool) -> Tuned:
        from accelerate import PartialState
        from peft import get_peft_model
        from transformers import set_seed

        model = self._base(work.recipe)
        set_seed(work.seed)
        adapted = get_peft_model(model, _lora(work.recipe))
        checkpoints = work.folder / "checkpoints"
        alone = self.hardware.sharding == "none"
        try:
            trainer = self._trainer(adapted, work, checkpoints, packed=packed)
            leads = trainer.is_world_process_zero()
            if leads:
                lengths = [len(work.encoded[index].input_ids) for index in work.order]
                trainer.add_callback(_reporter(progress, lengths, work.recipe.batch))
            if packed:
                trainer.add_callback(_prober(trainer, self.tokenizer, work.encoded))
            last = _last_whole(checkpoints, self.hardware.processes, self.hardware.sharding)
            if trainer.args.process_index and last is None:
                set_seed(work.seed + trainer.args.process_index)  # dropout of its own
            trainer.train(resume_from_checkpoint=str(last) if last else None)
            state = None if alone else _gathered(adapted)
            if leads:
                adapted.save_pretrained(work.folder, state_dict=state)
            losses = [(row["step"], row["loss"]) for row in trainer.state.log_history if "loss" in row]
        finally:
            self._loaded = (work.recipe.base_bits, _unwrapped(adapted)) if alone else None
        if leads:
            with (work.folder / "losses.jsonl").open("w", encoding="utf-8") as file:
                file.writelines(json.dumps({"step": step, "loss": loss}) + "\n" for step, loss in losses)
            shutil.rmtree(checkpoints, ignore_errors=True)
            (work.folder / "README.md").unlink(missing_ok=True)
        if self.hardware.processes > 1:
            PartialState().wait_for_everyone()
        ending = [loss for _, loss in losses[-10:]]
        tokens = sum(len(work.encoded[index].input_ids) for index in work.order)
        return Tuned(trainer.state.global_step, tokens, sum(ending) / max(1, len(ending)), work.left_out)

    def _trainer(self, adapted: Any, work: _Work, checkpoints: Path, *, packed: bool) -> Any:
        from datasets import Dataset
        from transformers import PrinterCallback
        from trl import SFTConfig, SFTTrainer

        recipe, hardware = work.recipe, self.hardware
        recompute = hardware.gradient_checkpointing
        config = SFTConfig(
            output_dir=str(checkpoints),
            num_train_epochs=1,  # `arrange` has laid all epochs in line
            train_sampling_strategy="sequential",
            per_device_train_batch_size=work.micro,
            gradient_accumulation_steps=recipe.batch // (work.micro * hardware.processes),
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
            seed=work.seed,
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
            rows.append(Encoded((self.tokenizer.pad_token_id or 0,), (IGNORED,)))
            order += [len(rows) - 1] * (-len(order) % recipe.batch)
        if packed:
            order = deal(order, [len(row.input_ids) for row in rows], recipe.batch, work.micro)
        features = [_features(row) for row in rows]
        dataset = Dataset.from_dict({key: [row[key] for row in features] for key in ("input_ids", "labels")})
        trainer = SFTTrainer(
            model=adapted,
            args=config,
            train_dataset=dataset.select(order),
            processing_class=self.tokenizer,
            data_collator=_collator(self.tokenizer, packed=packed),
        )
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        trainer.remove_callback(PrinterCallback)  # our own progress is shown instead
        return trainer


@dataclass(frozen=True, slots=True)
class _Work:
    """One adapter to tune."""

    encoded: Sequence[Encoded]
    order: Sequence[int]
    """Indices into ``encoded``, all epochs in line."""
    recipe: LoraRecipe
    seed: int
    folder: Path
    micro: int
    left_out: int


class _MingledError(Exception):
    """A chat saw another in its row."""


def _quantised(recipe: LoraRecipe, hardware: Hardware) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of each layer's type at each pass
    if recipe.base_bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    computed = hardware.dtype if recipe.autocast == "none" else recipe.autocast
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, computed),
    )


def _features(row: Encoded) -> dict[str, list[int]]:
    return {"input_ids": list(row.input_ids), "labels": list(row.labels)}


def _collator(tokenizer: PreTrainedTokenizerBase, *, packed: bool) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """The one of trl: rows padded on the right, or one row without a mask whose positions begin anew at each chat."""
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    collator: Callable[[list[dict[str, Any]]], dict[str, Any]] = DataCollatorForLanguageModeling(
        pad_token_id=tokenizer.pad_token_id, padding_free=packed
    )
    return collator


def _cost(model: PreTrainedModel) -> Cost:
    import torch

    config = model.config.get_text_config()
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    heads = config.num_attention_heads
    width = heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)
    return Cost(
        position=sum(module.in_features * module.out_features for module in linear),
        pair=2 * width * config.num_hidden_layers,
        blocks=config._attn_implementation in ("flex_attention", "flash_attention_2"),
    )


def _unwrapped(adapted: Any) -> PreTrainedModel:
    model: PreTrainedModel = adapted.unload()
    # trl patches the forward of the base it is given; the next trainer wraps it anew.
    model.__dict__.pop("forward", None)
    return model


def _gathered(adapted: Any) -> dict[str, Any]:
    """The low-rank matrices whole, of a model that processes share. Asked by every process."""
    return {
        name: (value.full_tensor() if hasattr(value, "full_tensor") else value).cpu()
        for name, value in adapted.state_dict().items()
        if "lora_" in name
    }


def _out_of_memory(error: RuntimeError) -> bool:
    import torch
    from accelerate.utils.memory import should_reduce_batch_size

    return isinstance(error, torch.OutOfMemoryError) or bool(should_reduce_batch_size(error))


def _free() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


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


_PROBED, _PROBE_TOKENS, _LEAST_NOISE = 3, 64, 1e-5
"""Chats of a probe, tokens of each, and a difference [nats] that no type's rounding is below."""
_MORE_NOISE = 4
"""How many times as far as the padded layout's the packed one's losses may be from those of each chat alone."""


def _prober(trainer: Any, tokenizer: PreTrainedTokenizerBase, encoded: Sequence[Encoded]) -> Any:
    """Tries the packed layout on the model as it stands when training begins, before the first update.

    A few chats are scored token by token: each alone, padded, and packed. Padded and alone are the same but for
    rounding, in whatever type the model computes; packed must be as near as that.
    """
    import torch
    from transformers import TrainerCallback

    pad, pack = _collator(tokenizer, packed=False), _collator(tokenizer, packed=True)
    longest = sorted(encoded, key=lambda row: -len(row.input_ids))
    # Of different length, so that the padded layout has padding.
    chats = [list(row.input_ids[: _PROBE_TOKENS - 8 * at]) for at, row in enumerate(longest[:_PROBED])]

    def score(batch: dict[str, Any]) -> Any:
        model = trainer.model_wrapped
        model.eval()
        inputs = trainer._prepare_inputs(batch)
        with torch.no_grad(), trainer.compute_loss_context_manager():
            return model(**inputs, use_cache=False, fused_lm_head=True).log_probs.float()

    def farthest(found: Sequence[Any], alone: Sequence[Any]) -> float:
        # The mean over tokens of all but the first chat, which has nobody before it.
        apart = torch.cat([(one - two).abs() for one, two in zip(found, alone, strict=True)][1:])
        return float(apart.mean())

    class Prober(TrainerCallback):  # type: ignore[misc]  # transformers is read untyped
        def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            rows = [{"input_ids": ids, "labels": ids} for ids in chats if len(ids) > 1]
            if len(rows) < 2:
                return
            lengths = [len(row["input_ids"]) for row in rows]
            alone = [score(pad([row]))[0] for row in rows]
            padded = [one[: length - 1] for one, length in zip(score(pad(rows)), lengths, strict=True)]
            kernel = trainer.accelerator.unwrap_model(trainer.model).config._attn_implementation
            try:
                whole = score(pack(rows))[0]
            except TypeError as error:
                raise _MingledError(f"this model cannot be packed ({error}).") from error
            starts = [sum(lengths[:at]) for at in range(len(lengths))]
            packed = [whole[start : start + length - 1] for start, length in zip(starts, lengths, strict=True)]
            noise, found = farthest(padded, alone), farthest(packed, alone)
            if not math.isfinite(noise):
                raise ModelError(
                    f"attention '{kernel}' gives losses that are no numbers, packed or not."
                    " Set execution.attention: sdpa."
                )
            if not found <= max(_LEAST_NOISE, _MORE_NOISE * noise):
                raise _MingledError(
                    f"packed chats see each other under attention '{kernel}': losses of tokens are {found:.1e} nats off"
                    f" on the mean, where padding has them {noise:.1e} off."
                )

    return Prober()


def _last_whole(checkpoints: Path, processes: int = 1, sharding: Literal["none", "fsdp"] = "none") -> Path | None:
    """The newest checkpoint that was written to its end, by as many processes.

    Process 0 writes the trainer's state last; random states of the others may be under way still, but the files of
    torch.save have their directory at the end.
    """
    random_states = ["rng_state.pth"] if processes == 1 else [f"rng_state_{at}.pth" for at in range(processes)]
    shards = ["pytorch_model_fsdp_0/.metadata", "optimizer_0/.metadata"]
    files = shards if sharding == "fsdp" else ["adapter_model.safetensors", "optimizer.pt"]

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
