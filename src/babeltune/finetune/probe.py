"""The probe: whether chats in one row see each other, tried on the model itself before the first update."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from babeltune.errors import ModelError
from babeltune.finetune.template import Encoded

Collator = Callable[[list[dict[str, Any]]], dict[str, Any]]
"""Rows of ``input_ids`` and ``labels`` -> a batch."""


class MingledError(Exception):
    """A chat saw another in its row."""


_PROBED, _PROBE_TOKENS, _LEAST_NOISE = 3, 64, 1e-5
"""Chats of a probe, tokens of each, and a difference [nats] that no type's rounding is below."""
_MORE_NOISE = 4
"""How many times as far as the padded layout's the packed one's losses may be from those of each chat alone."""


def prober(trainer: Any, pad: Collator, pack: Collator, encoded: Sequence[Encoded]) -> Any:
    """Tries the packed layout on the model as it stands when training begins, before the first update.

    A few chats are scored token by token: each alone, padded, and packed, as the two collators lay them out. Padded and
    alone are the same but for rounding, in whatever type the model computes; packed must be as near as that.

    Raises:
        MingledError: from the training, where packed is not.
        ModelError: from the training, where the losses are no numbers.
    """
    import torch
    from transformers import TrainerCallback

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
                raise MingledError(f"this model cannot be packed ({error}).") from error
            starts = [sum(lengths[:at]) for at in range(len(lengths))]
            packed = [whole[start : start + length - 1] for start, length in zip(starts, lengths, strict=True)]
            noise, found = farthest(padded, alone), farthest(packed, alone)
            if not math.isfinite(noise):
                raise ModelError(
                    f"attention '{kernel}' gives losses that are no numbers, packed or not."
                    " Set execution.attention: sdpa."
                )
            if not found <= max(_LEAST_NOISE, _MORE_NOISE * noise):
                raise MingledError(
                    f"packed chats see each other under attention '{kernel}': losses of tokens are {found:.1e} nats off"
                    f" on the mean, where padding has them {noise:.1e} off."
                )

    return Prober()
