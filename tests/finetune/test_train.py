from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from babeltune.data.sources import read_chats
from babeltune.finetune.recipe import LoraRecipe
from babeltune.finetune.template import Encoded, encode
from babeltune.finetune.train import Hardware, Tuner, arrange

RECIPE = LoraRecipe(
    rank=4, alpha=8, learning_rate=1e-3, epochs=2, batch=4, max_tokens=120, loss_on="answers", dropout=0.1
)
CHATS = [chat for chat in read_chats("pocket").chats if chat.language == "en"][:10]


class KilledError(Exception):
    """Stands for the end of the process at an update."""


def ignore(done: int, total: int, tokens: int) -> None:
    pass


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.fixture(scope="module")
def tuned(model_folder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tuned")
    Tuner(model_folder, Hardware(checkpoint_every=2)).tune(CHATS, RECIPE, 0, folder, ignore)
    return folder


def test_order_holds_every_chat_once_an_epoch_and_batches_alike_in_length():
    rows = [Encoded((1,) * length, (1,) * length) for length in range(10, 74)]
    recipe = LoraRecipe(batch=4, epochs=3, order="length-grouped")
    order = arrange(rows, recipe, seed=1)
    assert sorted(order) == sorted(list(range(64)) * 3)
    spread = [max(order[at : at + 4]) - min(order[at : at + 4]) for at in range(0, len(order), 4)]
    random = arrange(rows, LoraRecipe(batch=4, epochs=3), seed=1)
    loose = [max(random[at : at + 4]) - min(random[at : at + 4]) for at in range(0, len(random), 4)]
    assert sum(spread) < sum(loose) / 2


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 3), st.integers(0, 9))
def test_order_depends_on_the_seed_alone_and_loses_nothing(chats, batch, epochs, seed):
    rows = [Encoded((1,) * (at % 7 + 1), (1,) * (at % 7 + 1)) for at in range(chats)]
    recipe = LoraRecipe(batch=batch, epochs=epochs, order="length-grouped")
    order = arrange(rows, recipe, seed)
    assert order == arrange(rows, recipe, seed)
    assert sorted(order) == sorted(list(range(chats)) * epochs)


def test_tuning_learns_and_leaves_adapter_and_losses_only(tuned):
    assert sorted(path.name for path in tuned.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "losses.jsonl",
    ]
    losses = [json.loads(line) for line in (tuned / "losses.jsonl").read_text().splitlines()]
    assert [row["step"] for row in losses] == [1, 2, 3, 4, 5]  # 10 chats x 2 epochs in batches of 4
    assert any(tensor.abs().sum() > 0 for name, tensor in weights(tuned).items() if "lora_B" in name)


def test_same_seed_same_bytes_also_after_another_mix_on_the_same_base(model_folder, tuned, tmp_path):
    tuner = Tuner(model_folder, Hardware(checkpoint_every=2))
    other, again = tmp_path / "other", tmp_path / "again"
    tuner.tune(list(reversed(CHATS)), RECIPE, 1, other, ignore)
    tuner.tune(CHATS, RECIPE, 0, again, ignore)
    assert (again / "adapter_model.safetensors").read_bytes() == (tuned / "adapter_model.safetensors").read_bytes()
    assert not same(weights(other), weights(tuned))


@pytest.mark.parametrize("at", [1, 3, 4])
def test_tuning_killed_at_an_update_ends_with_the_same_bytes(model_folder, tuned, tmp_path, at):
    def kill(done: int, total: int, tokens: int) -> None:
        if done == at:
            raise KilledError

    with pytest.raises(KilledError):
        Tuner(model_folder, Hardware(checkpoint_every=2)).tune(CHATS, RECIPE, 0, tmp_path, kill)
    seen: list[int] = []
    Tuner(model_folder, Hardware(checkpoint_every=2)).tune(
        CHATS, RECIPE, 0, tmp_path, lambda done, total, tokens: seen.append(done)
    )
    assert seen[0] == at - (at - 1) % 2  # goes on after the last checkpoint of every second update
    assert (tmp_path / "adapter_model.safetensors").read_bytes() == (tuned / "adapter_model.safetensors").read_bytes()
    assert (tmp_path / "losses.jsonl").read_text() == (tuned / "losses.jsonl").read_text()


def test_torn_checkpoint_is_passed_over(model_folder, tuned, tmp_path):
    def kill(done: int, total: int, tokens: int) -> None:
        if done == 5:
            raise KilledError

    with pytest.raises(KilledError):
        Tuner(model_folder, Hardware(checkpoint_every=2)).tune(CHATS, RECIPE, 0, tmp_path, kill)
    newest = tmp_path / "checkpoints" / "checkpoint-4"
    (newest / "trainer_state.json").write_text('{"global_st')
    Tuner(model_folder, Hardware(checkpoint_every=2)).tune(CHATS, RECIPE, 0, tmp_path, ignore)
    assert (tmp_path / "adapter_model.safetensors").read_bytes() == (tuned / "adapter_model.safetensors").read_bytes()


def test_first_loss_is_the_base_models_own(model_folder, tuned):
    """The first update's loss, computed by hand: mean negative log-likelihood of the answer tokens of its batch."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = AutoModelForCausalLM.from_pretrained(model_folder).eval()
    rows = [encode(chat, tokenizer, max_tokens=120, loss_on="answers", teach_eos=True) for chat in CHATS]
    total, count = 0.0, 0
    for index in arrange(rows, RECIPE, 0)[:4]:
        ids, labels = torch.tensor(rows[index].input_ids), torch.tensor(rows[index].labels)
        with torch.no_grad():
            found = model(ids[None]).logits[0, :-1].log_softmax(-1).gather(-1, ids[1:, None])[:, 0]
        keep = labels[1:] != -100
        total, count = total - float(found[keep].sum()), count + int(keep.sum())
    first = json.loads((tuned / "losses.jsonl").read_text().splitlines()[0])
    assert first["loss"] == pytest.approx(total / count, abs=2e-3)


def test_base_is_untouched_by_tuning(model_folder, tuned):
    before = AutoModelForCausalLM.from_pretrained(model_folder)
    tuner = Tuner(model_folder, Hardware())
    tuner.tune(CHATS[:4], RECIPE, 0, tuned.parent / "untouched", ignore)
    after = tuner._base()
    assert same(dict(before.state_dict()), dict(after.state_dict()))
    assert not isinstance(after, PeftModel)


def test_micro_batches_leave_steps_and_losses_as_they_are(model_folder, tuned, tmp_path):
    """Three does not divide four: micro-batches of two are taken, and two of them are an update."""
    recipe = dataclasses.replace(RECIPE, dropout=0.0)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    Tuner(model_folder, Hardware()).tune(CHATS, recipe, 0, whole, ignore)
    Tuner(model_folder, Hardware(micro_batch=3)).tune(CHATS, recipe, 0, parts, ignore)
    losses = [
        [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()] for folder in (whole, parts)
    ]
    assert [row["step"] for row in losses[0]] == [row["step"] for row in losses[1]]
    assert [row["loss"] for row in losses[1]] == pytest.approx([row["loss"] for row in losses[0]], abs=2e-3)
    tensors = weights(whole), weights(parts)
    assert all(torch.allclose(tensors[0][name], tensors[1][name], atol=1e-4) for name in tensors[0])
