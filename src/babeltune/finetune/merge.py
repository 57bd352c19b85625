"""Merge: base and adapter -> one folder that needs neither; and a tokenizer that speaks the format of the tuning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babeltune.errors import ModelError
from babeltune.records import ASSISTANT, HUMAN, Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_OF_THIS_MACHINE = ("local_files_only", "is_local", "name_or_path", "_name_or_path")
"""What transformers writes into saved files of how the model was found here."""


def merge(base: Path, adapter: Path, dtype: str, out: Path, *, stored: str, sampling: Sampling) -> None:
    """Write the base with the adapter merged into it, as ``transformers`` saves models, with generation settings.

    Merged layer by layer in ``dtype``, the type in which the study's answers were given, then rounded to ``stored``:
    beside the model no more than one layer is in memory at a time.

    The settings hold no stop strings: with these, ``generate`` fails wherever the tokenizer is not handed over, in
    transformers' own pipeline too.

    Raises:
        ModelError: the base cannot be loaded, or the adapter is none of its own.
    """
    import torch
    from peft import PeftModel, get_peft_model_state_dict
    from peft.utils import load_peft_weights
    from transformers import AutoModelForCausalLM

    try:
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=getattr(torch, dtype), local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"{base}: cannot be loaded as a causal language model ({error}).") from error
    try:
        if not (adapter / "adapter_model.safetensors").is_file():  # else peft would unpack a pickle
            raise ValueError("it holds no adapter_model.safetensors")
        tuned = PeftModel.from_pretrained(model, adapter)
        if load_peft_weights(str(adapter), device="cpu").keys() != get_peft_model_state_dict(tuned).keys():
            raise ValueError("it adapts other layers than the base has")  # peft passes over what has no place
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"{adapter}: cannot be loaded as an adapter of {base} ({error}).") from error
    merged = tuned.merge_and_unload().to(getattr(torch, stored))
    merged.generation_config = _generation(tokenizer(base), sampling)
    merged.save_pretrained(out)
    _unplaced(out / "config.json")


def save_tokenizer(base: Path, out: Path) -> None:
    """Write the base's tokenizer with the chat template of the tuning in place of its own."""
    found = tokenizer(base)
    found.chat_template = chat_template(found)
    found.save_pretrained(out)
    _unplaced(out / "tokenizer_config.json")


def tokenizer(base: Path) -> PreTrainedTokenizerBase:
    """The base model's tokenizer.

    Raises:
        ModelError: it cannot be loaded.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"{base}: its tokenizer cannot be loaded ({error}).") from error


def chat_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """A Jinja template that renders messages as the training strings (``template.render``, ``records.chat_prompt``).

    Servers tokenize what a template renders without special tokens. So where the tokenizer puts a beginning-of-text
    token before every text, and with it before every chat of the tuning, the template writes it. The tuning knows no
    system message: one is refused, as an unknown role is, not dropped unseen.
    """
    ids = tokenizer("a")["input_ids"]
    begins = tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id]
    return (
        ("{{ bos_token }}" if begins else "")
        + "{% for message in messages %}"
        + "{% if message['role'] == 'user' %}{{ '"
        + HUMAN
        + " ' + message['content'] }}"
        + "{% elif message['role'] == 'assistant' %}{{ '"
        + ASSISTANT
        + " ' + message['content'] }}"
        + "{% else %}{{ raise_exception('This model was tuned on user and assistant messages alone.') }}{% endif %}"
        + "{% endfor %}"
        + "{% if add_generation_prompt %}{{ '"
        + ASSISTANT
        + "' }}{% endif %}"
    )


def _generation(tokenizer: PreTrainedTokenizerBase, sampling: Sampling) -> Any:
    """How a server samples unless told otherwise: as the study did, but for the length."""
    from transformers import GenerationConfig

    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": pad}
    if sampling.temperature == 0:
        return GenerationConfig(do_sample=False, **ends)
    # transformers keeps the 50 likeliest tokens unless it is told 0.
    drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    return GenerationConfig(do_sample=True, **drawn, **ends)


def _unplaced(path: Path) -> None:
    """Take out of a saved configuration where on this machine it came from."""

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: kept(one) for name, one in value.items() if name not in _OF_THIS_MACHINE}
        return [kept(one) for one in value] if isinstance(value, list) else value

    path.write_text(
        json.dumps(kept(json.loads(path.read_text(encoding="utf-8"))), ensure_ascii=False, indent=2) + "\n",
        encoding="utf-8",
    )
