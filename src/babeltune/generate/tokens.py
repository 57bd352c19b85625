"""Text into and out of a model that runs here: prompts as tokens, tokens as outputs. The same for all such engines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from babeltune.errors import EngineError
from babeltune.generate.likelihood import prefix_token
from babeltune.records import Output, Request

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def tokenizer_of(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer beside a model, with a padding token if it can have one.

    Raises:
        EngineError: it cannot be loaded.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise EngineError(f"{folder}: its tokenizer cannot be loaded ({first_line(error)}).") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def prefix_of(tokenizer: PreTrainedTokenizerBase, folder: Path) -> int:
    """The token that stands before a text to be scored.

    Raises:
        EngineError: there is none.
    """
    prefix = prefix_token(tokenizer)
    if prefix is None:
        raise EngineError(f"{folder}: its tokenizer has neither a bos_token nor an eos_token. Name one of them.")
    return prefix


def to_continue(request: Request, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that a model is to continue: without the end token that some tokenizers put behind every text."""
    ids: list[int] = list(tokenizer(request.prompt + request.prefix)["input_ids"])
    return ids[:-1] if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id else ids


def written(request: Request, ids: list[int], tokenizer: PreTrainedTokenizerBase) -> Output:
    """The output of new tokens, cut at the end token and before the first stop string."""
    ended = ids[-1:] == [tokenizer.eos_token_id]
    ids = ids[: len(ids) - ended]
    text = tokenizer.decode(ids, skip_special_tokens=True)
    starts = [at for at in (text.find(stop) for stop in request.sampling.stop) if at >= 0]
    if starts:
        return Output(request.id, request.cell, request.prefix + text[: min(starts)], "stop", len(ids))
    return Output(request.id, request.cell, request.prefix + text, "eos" if ended else "length", len(ids))


def ranked(request: Request, scores: Sequence[float], lengths: Sequence[int]) -> Output:
    """The output of candidates: of each its log-likelihood [nats] and its tokens."""
    return Output(request.id, request.cell, "", "ranked", sum(lengths), tuple(scores), tuple(lengths))


def first_line(error: Exception) -> str:
    """What an error says first."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
