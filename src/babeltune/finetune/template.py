"""Template: a chat -> the exact training string, its tokens, and which of them carry loss; and what is wrong with them.

The string is Guanaco's own (paper, section 3.3): ``### Human: …### Assistant: …``, turns joined without a newline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from babeltune.errors import Problem, TemplateError
from babeltune.finetune.recipe import LoraRecipe
from babeltune.records import ASSISTANT, HUMAN, Chat, chat_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""Label of a token that carries no loss (PyTorch's ``ignore_index``)."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A chat as tokens. ``labels[i]`` is ``input_ids[i]`` or ``IGNORED``."""

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]


def render(chat: Chat) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The training string without its end token, and the [start, end) character spans of the answers in it."""
    text = ""
    spans: list[tuple[int, int]] = []
    for turn in chat.turns:
        text += HUMAN if turn.role == "user" else ASSISTANT
        start = len(text)
        text += f" {turn.content}"
        if turn.role == "assistant":
            spans.append((start, len(text)))
    return text, tuple(spans)


def encode(chat: Chat, tokenizer: PreTrainedTokenizerBase, recipe: LoraRecipe) -> Encoded:
    """Tokens and labels of a chat, cut at the recipe's ``max_tokens``.

    The end token follows the last answer and always carries loss, also where it doubles as the padding token: padding
    is added later and labelled apart. A chat that is cut has no end token.
    """
    text, spans = render(chat)
    encoding = tokenizer(text, return_offsets_mapping=True)
    ids: list[int] = list(encoding["input_ids"])
    offsets: list[tuple[int, int]] = list(encoding["offset_mapping"])
    if ids and ids[-1] == tokenizer.eos_token_id:
        ids, offsets = ids[:-1], offsets[:-1]
    labels = [
        token if recipe.loss_on == "all" or any(end > first and start < last for first, last in spans) else IGNORED
        for token, (start, end) in zip(ids, offsets, strict=True)
    ]
    if recipe.teach_eos and tokenizer.eos_token_id is not None:
        ids.append(tokenizer.eos_token_id)
        labels.append(tokenizer.eos_token_id)
    return Encoded(tuple(ids[: recipe.max_tokens]), tuple(labels[: recipe.max_tokens]))


def unanswered(chats: Sequence[Chat], tokenizer: PreTrainedTokenizerBase, recipe: LoraRecipe) -> list[str]:
    """Ids of the chats that are cut before their first answer begins."""
    answers = replace(recipe, loss_on="answers", teach_eos=False)
    return [chat.id for chat in chats if set(encode(chat, tokenizer, answers).labels) <= {IGNORED}]


def lint(chats: Sequence[Chat], tokenizer: PreTrainedTokenizerBase, recipe: LoraRecipe) -> None:
    """Refuse what would train something other than what it says.

    Raises:
        TemplateError: the tokenizer has no end token though it is to be taught; chats that are cut before their first
            answer (all of them where the recipe leaves some out); or a tokenizer that splits the prompt differently in
            training (where an answer follows) and at test time (where it ends), so that the model is asked in a form it
            never saw.
    """
    problems: list[Problem] = []
    end = tokenizer.eos_token_id
    if recipe.teach_eos and end in (None, tokenizer.unk_token_id):
        what = "the tokenizer has no end-of-sequence token" if end is None else "the end token is the unknown token"
        problems.append(Problem("recipe.teach_eos", what, "Set teach_eos: false."))
    cut = unanswered(chats, tokenizer, recipe)
    split: list[str] = []
    for chat in chats:
        prompt = _without_eos(tokenizer, chat_prompt(chat.turns[0].content))
        if _without_eos(tokenizer, render(chat)[0])[: len(prompt)] != prompt:
            split.append(chat.id)
    if cut and (recipe.unanswered == "refuse" or len(cut) == len(chats)):
        problems.append(
            Problem(
                "recipe.max_tokens",
                f"{len(cut)} chats have no answer left after {recipe.max_tokens} tokens ({_some(cut)})",
                "Raise max_tokens, remove them, or set unanswered: leave-out.",
            )
        )
    if split:
        problems.append(
            Problem(
                "tokenizer",
                f"{len(split)} prompts are split differently where an answer follows ({_some(split)})",
                f"This tokenizer merges across '{ASSISTANT}'; a model tuned on it is asked in a form it never saw.",
            )
        )
    if problems:
        raise TemplateError("training template", problems)


def _without_eos(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = list(tokenizer(text)["input_ids"])
    return ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
