"""Doubles that speak the real protocols: a tiny random Llama with a tokenizer of its own, saved as any model folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from babeltune.data.sources import POCKET
from babeltune.records import Output


def tiny_model(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """A two-layer random Llama and a byte-level BPE tokenizer trained on the bundled English and Spanish chats."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = [line for code in ("en", "es") for line in (POCKET / "chats" / f"{code}.jsonl").read_text().splitlines()]
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<unk>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", unk_token="<unk>", pad_token="<eos>")
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def bare_model(folder: Path) -> Path:
    """A model folder with a configuration and nothing in it, for whoever only looks that it is there."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def study_file(folder: Path, model: Path | str, **changes: object) -> Path:
    """A study small enough for a test: two mixes, three languages. ``changes`` replace top-level fields."""
    content: dict[str, object] = {
        "study": "tiny",
        "models": [str(model)],
        "chats": "pocket",
        "mixes": {"mono": {"en": 12}, "multi-2": {"en": 8, "es": 4}},
        "tasks": {"dialogue": {"split": "dev", "languages": ["en", "es", "de"]}},
        "recipe": {"rank": 4, "alpha": 8, "learning_rate": 1e-3, "epochs": 2, "batch": 4, "max_tokens": 200},
        "sampling": {"max_tokens": 8},
        "execution": {"device": "cpu", "batch_size": 5, "checkpoint_every": 2},
    }
    path = folder / "tiny.yaml"
    # JSON is YAML, and one field a line keeps line numbers meaningful.
    path.write_text("\n".join(f"{key}: {json.dumps(value)}" for key, value in {**content, **changes}.items()) + "\n")
    return path


def by_key(outputs: Iterable[Output]) -> dict[tuple[str, str], Output]:
    """(cell, id) -> output, of which there is one each."""
    listed = list(outputs)
    found = {(output.cell, output.id): output for output in listed}
    assert len(found) == len(listed)
    return found
