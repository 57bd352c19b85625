"""The recipe: what of the tuning changes its result. Every field is hashed; devices and micro-batches are not here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field


@dataclass(frozen=True, slots=True)
class LoraRecipe:
    """LoRA tuning of one mix. Defaults are the paper's (section 3.3, appendix C) or else its authors' code's."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    rank: Annotated[int, Field(ge=1)] = 64
    """LoRA rank r (paper)."""
    alpha: Annotated[int, Field(ge=1)] = 16
    """LoRA alpha; updates are scaled by alpha / rank (paper)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Dropout before the low-rank matrices (code)."""
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """Names of the adapted modules; all linear layers but the output head (code; 160 M parameters of 7 B, as the paper says)."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    """Peak of the cosine schedule (paper)."""
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """Share of the steps over which the rate rises (code)."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    """AdamW's decoupled decay (code)."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 0.3
    """Gradients are clipped to this norm (code)."""
    epochs: Annotated[int, Field(ge=1)] = 10
    """Passes over the mix (code: 10 epochs of 3,200 chats at 16 are the paper's 2,000 steps); unused with ``steps``."""
    steps: Annotated[int, Field(ge=1)] | None = None
    """Updates, over as many epochs as it takes (paper: 2,000); None where ``epochs`` says it."""
    batch: Annotated[int, Field(ge=1)] = 64
    """Chats per update (paper; its authors' scripts run 16)."""
    max_tokens: Annotated[int, Field(ge=8)] = 1024
    """Longer chats are cut at the end (paper)."""
    unanswered: Literal["refuse", "leave-out"] = "refuse"
    """What becomes of chats that are cut before their answer begins: the tuning is refused, or goes on without them."""
    loss_on: Literal["all", "answers"] = "all"
    """Which tokens carry loss (code: all)."""
    teach_eos: bool = True
    """Whether a chat ends with the end-of-sequence token. The authors' code does not teach it
    (https://github.com/huggingface/trl/issues/1623), so its models never learn to stop."""
    order: Literal["random", "length-grouped"] = "random"
    """Random batches, or random batches of chats of similar length (less padding)."""
    base_bits: Literal[16, 8, 4] = 16
    """Bits of the frozen base weights: as the study's ``dtype``, or quantised while tuning (bitsandbytes: LLM.int8, or
    NF4 twice quantised; code: 16)."""
    autocast: Literal["none", "bfloat16", "float16"] = "none"
    """Type that matrix products are computed in where it is not that of the weights (code: float16 on float32 weights)."""

    def updates(self, chats: int) -> int:
        """Updates on a mix of so many chats."""
        return self.steps or -(-chats * self.epochs // self.batch)


PRESETS: Mapping[str, LoraRecipe] = {
    "as-paper": LoraRecipe(steps=2000),
    "as-run": LoraRecipe(steps=2000, batch=16, teach_eos=False, autocast="float16"),
}
"""``as-paper``: section 3.3 and appendix C. ``as-run``: the authors' scripts, which differ in the batch (4 chats on one
process, 4 steps accumulated), never teach the end token, and compute in float16 on float32 weights."""
