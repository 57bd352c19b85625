from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaModel

from babeltune.data.sources import read_chats
from babeltune.errors import ModelError, TemplateError
from babeltune.finetune import train
from babeltune.finetune.hardware import Hardware
from babeltune.finetune.job import Progress
from babeltune.finetune.recipe import LoraRecipe
from babeltune.finetune.template import Encoded, encode
from babeltune.finetune.train import Tuner, arrange
from babeltune.records import Chat, Turn

RECIPE = LoraRecipe(
    rank=4, alpha=8, learning_rate=1e-3, epochs=2, batch=4, max_tokens=120, loss_on="answers", dropout=0.1
)
CHATS = [chat for chat in read_chats("pocket").chats if chat.language == "en"][:10]


class KilledError(Exception):
    """Stands for the end of the process at an update."""


def ignore(done: int, total: int, tokens: int) -> None:
    pass


def killed_at(at: int) -> Progress:
    def kill(done: int, total: int, tokens: int) -> None:
        if done == at:
            raise KilledError

    return kill


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
    with pytest.raises(KilledError):
        Tuner(model_folder, Hardware(checkpoint_every=2)).tune(CHATS, RECIPE, 0, tmp_path, killed_at(at))
    seen: list[int] = []
    Tuner(model_folder, Hardware(checkpoint_every=2)).tune(
        CHATS, RECIPE, 0, tmp_path, lambda done, total, tokens: seen.append(done)
    )
    assert seen[0] == at - (at - 1) % 2  # goes on after the last checkpoint of every second update
    assert (tmp_path / "adapter_model.safetensors").read_bytes() == (tuned / "adapter_model.safetensors").read_bytes()
    assert (tmp_path / "losses.jsonl").read_text() == (tuned / "losses.jsonl").read_text()


def test_torn_checkpoint_is_passed_over(model_folder, tuned, tmp_path):
    with pytest.raises(KilledError):
        Tuner(model_folder, Hardware(checkpoint_every=2)).tune(CHATS, RECIPE, 0, tmp_path, killed_at(5))
    newest = tmp_path / "checkpoints" / "checkpoint-4"
    (newest / "trainer_state.json").write_text('{"global_st')
    Tuner(model_folder, Hardware(checkpoint_every=2)).tune(CHATS, RECIPE, 0, tmp_path, ignore)
    assert (tmp_path / "adapter_model.safetensors").read_bytes() == (tuned / "adapter_model.safetensors").read_bytes()


def test_first_loss_is_the_base_models_own(model_folder, tuned):
    """The first update's loss, computed by hand: mean negative log-likelihood of the answer tokens of its batch."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = AutoModelForCausalLM.from_pretrained(model_folder).eval()
    rows = [encode(chat, tokenizer, RECIPE) for chat in CHATS]
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
    after = tuner.base.model(RECIPE)
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


@pytest.mark.parametrize(("steps", "order"), [(1, "random"), (7, "random"), (12, "length-grouped")])
def test_steps_are_full_batches_over_as_many_epochs_as_it_takes(steps, order):
    rows = [Encoded((1,) * (at % 7 + 1), (1,) * (at % 7 + 1)) for at in range(10)]
    recipe = LoraRecipe(batch=4, epochs=3, steps=steps, order=order)
    found = arrange(rows, recipe, 0)
    assert len(found) == steps * 4 == recipe.updates(10) * 4
    epochs = steps * 4 // 10
    assert all(epochs <= found.count(index) <= epochs + 1 for index in range(10))


def test_steps_end_the_tuning(model_folder, tmp_path):
    recipe = dataclasses.replace(RECIPE, steps=7)
    assert Tuner(model_folder, Hardware()).tune(CHATS, recipe, 0, tmp_path, ignore).steps == 7


def test_gradients_computed_again_are_the_same(model_folder, tuned, tmp_path):
    Tuner(model_folder, Hardware(gradient_checkpointing=True)).tune(CHATS, RECIPE, 0, tmp_path, ignore)
    assert all(torch.allclose(one, weights(tuned)[name], atol=1e-6) for name, one in weights(tmp_path).items())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_low_rank_matrices_stay_float32(model_folder, tuned, tmp_path, dtype):
    """Under bfloat16 products and weights; the losses are those of float32 to two digits."""
    recipe = dataclasses.replace(RECIPE, autocast="bfloat16")
    Tuner(model_folder, Hardware(dtype=dtype)).tune(CHATS, recipe, 0, tmp_path, ignore)
    found = weights(tmp_path)
    assert all(one.dtype == torch.float32 for one in found.values())
    assert not same(found, weights(tuned))
    first = [json.loads((folder / "losses.jsonl").read_text().splitlines()[0])["loss"] for folder in (tmp_path, tuned)]
    assert first[0] == pytest.approx(first[1], abs=0.02)
    assert first[0] != first[1]


@pytest.mark.parametrize("bits", [4, 8])
def test_quantised_base_serves_two_mixes_and_low_rank_matrices_stay_float32(model_folder, tuned, tmp_path, bits):
    """trl narrows these to bfloat16 under a quantised base. Runs where the extra ``quantised`` is installed."""
    pytest.importorskip("bitsandbytes")
    tuner = Tuner(model_folder, Hardware())
    recipe = dataclasses.replace(RECIPE, base_bits=bits)
    for name in ("first", "second"):
        tuner.tune(CHATS, recipe, 0, tmp_path / name, ignore)
    first, second = weights(tmp_path / "first"), weights(tmp_path / "second")
    assert same(first, second)
    assert all(one.dtype == torch.float32 for one in first.values())
    assert any(one.abs().sum() > 0 for name, one in first.items() if "lora_B" in name)
    layers = {type(module).__name__ for module in tuner.base.model(recipe).modules()}
    assert {4: "Linear4bit", 8: "Linear8bitLt"}[bits] in layers


def test_all_that_hardware_cannot_do_is_told_at_once(model_folder, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: None)
    recipe = LoraRecipe(batch=64, autocast="float16", base_bits=4)
    hardware = Hardware(processes=3, sharding="fsdp", attention="flash_attention_2")
    with pytest.raises(TemplateError) as told:
        Tuner(model_folder, hardware).tune(CHATS, recipe, 0, Path("nowhere"), ignore)
    assert [problem.where for problem in told.value.problems] == [
        "recipe.autocast",
        "recipe.base_bits",
        "execution.sharding",
        "execution.processes",
        "execution.sharding",
        "execution.attention",
    ]
    assert 'pip install "babeltune[quantised]"' in str(told.value)
    assert "Set 2 or 4" in str(told.value)


@pytest.mark.parametrize(
    ("gpus", "processes", "where", "said"),
    [
        (0, 1, "execution.device", "torch sees no GPU on this machine"),
        (0, 2, "execution.device", "torch sees no GPU on this machine"),
        (1, 2, "execution.processes", "2 processes need as many GPUs; there is 1. Set 1 at most"),
    ],
)
def test_gpus_that_are_not_there_are_told(model_folder, monkeypatch, gpus, processes, where, said):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(TemplateError, match=said) as told:
        Tuner(model_folder, Hardware(device="cuda", processes=processes)).check_recipe(RECIPE)
    assert [problem.where for problem in told.value.problems] == [where]


def test_padding_that_takes_the_loss_from_end_tokens_is_refused_with_all_else(model_folder, monkeypatch):
    """A collator that labels padding by its token, as trl's did (https://github.com/huggingface/trl/issues/1623)."""
    tuner = Tuner(model_folder, Hardware())
    collator = train.collator

    def masking(tokenizer, *, packed):
        def collate(rows):
            batch = collator(tokenizer, packed=packed)(rows)
            batch["labels"][batch["labels"] == tokenizer.pad_token_id] = -100
            return batch

        return collate

    tuner.check(CHATS, RECIPE)
    monkeypatch.setattr(train, "collator", masking)
    unheard = Chat("unheard", (Turn("user", "why? " * 200), Turn("assistant", "So.")))
    with pytest.raises(TemplateError, match=r"takes the loss from the end token") as told:
        tuner.check([*CHATS, unheard], dataclasses.replace(RECIPE, max_tokens=400))
    assert [problem.where for problem in told.value.problems] == ["recipe.max_tokens", "tokenizer.pad_token"]
    tuner.check(CHATS, dataclasses.replace(RECIPE, teach_eos=False))  # nothing to lose


def fails_above(rows: int, monkeypatch, after: int = 0) -> list[int]:
    """A model whose memory holds so many rows; runs out after so many forward passes. Gives the rows of each pass."""
    forward = LlamaModel.forward
    seen: list[int] = []

    def limited(self, input_ids=None, **rest):
        seen.append(input_ids.shape[0])
        if len(seen) > after and input_ids.shape[0] > rows:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, input_ids=input_ids, **rest)

    monkeypatch.setattr(LlamaModel, "forward", limited)
    return seen


def test_memory_that_runs_out_half_way_halves_and_goes_on(model_folder, tmp_path, monkeypatch, caplog):
    recipe = dataclasses.replace(RECIPE, dropout=0.0)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    Tuner(model_folder, Hardware()).tune(CHATS, recipe, 0, whole, ignore)
    done: list[int] = []
    seen = fails_above(1, monkeypatch, after=3)
    tuner = Tuner(model_folder, Hardware(checkpoint_every=2))
    tuner.tune(CHATS, recipe, 0, parts, lambda at, total, tokens: done.append(at))
    assert done == [1, 2, 3, 3, 4, 5]  # from the checkpoint of the second update
    assert seen[:6] == [4, 4, 4, 4, 2, 1]
    assert "going on from the last checkpoint with 2" in caplog.text
    assert "going on from the last checkpoint with 1" in caplog.text
    found, expected = weights(parts), weights(whole)
    assert all(torch.allclose(found[name], expected[name], atol=1e-5) for name in expected)
    seen.clear()
    tuner.tune(CHATS, recipe, 0, tmp_path / "next", ignore)
    assert set(seen) == {1}  # what did not fit is not tried again


def test_memory_too_small_for_one_chat_says_what_to_set(model_folder, tmp_path, monkeypatch):
    fails_above(0, monkeypatch)
    with pytest.raises(
        ModelError, match=r"one chat at a time.*gradient_checkpointing.*base_bits.*max_tokens.*sharding"
    ):
        Tuner(model_folder, Hardware()).tune(CHATS, RECIPE, 0, tmp_path, ignore)


def test_any_other_error_of_the_model_passes(model_folder, tmp_path, monkeypatch):
    def broken(self, **rest):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(LlamaModel, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        Tuner(model_folder, Hardware()).tune(CHATS, RECIPE, 0, tmp_path, ignore)
