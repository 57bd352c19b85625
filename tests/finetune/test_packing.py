from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_train import ignore, weights
from transformers import AttentionInterface, AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from babeltune.data.sources import read_chats
from babeltune.errors import ModelError
from babeltune.finetune import trainer
from babeltune.finetune.base import Base
from babeltune.finetune.hardware import Hardware
from babeltune.finetune.packing import Cost, deal, micro_batch, saving
from babeltune.finetune.recipe import LoraRecipe
from babeltune.finetune.template import encode
from babeltune.finetune.train import Tuner
from babeltune.records import Chat

ENGLISH = [chat for chat in read_chats("pocket").chats if chat.language == "en"]
# Every third chat is three joined: lengths as uneven as those of real mixes.
CHATS = [
    Chat(str(at), sum((chat.turns for chat in ENGLISH[at : at + (3 if at % 3 else 1)]), ())) for at in range(0, 20, 2)
]
RECIPE = LoraRecipe(rank=4, alpha=8, learning_rate=1e-3, epochs=2, batch=4, max_tokens=400, dropout=0.0)
UPDATES = st.lists(st.integers(1, 400), min_size=1, max_size=40)


class FirstStepError(Exception):
    """Stands for the end of the test's interest."""


@given(UPDATES, st.integers(1, 9), st.integers(1, 9))
def test_an_update_holds_the_same_chats_dealt_anew(lengths, batch, wanted):
    micro = micro_batch(batch, wanted)
    order = list(range(len(lengths)))
    dealt = deal(order, lengths, batch, micro)
    for start in range(0, len(order), batch):
        assert sorted(dealt[start : start + batch]) == order[start : start + batch]


def test_micro_batches_weigh_the_same():
    """Sorted as they come: two of the longest would stand together."""
    lengths = [400, 390, 60, 50, 40, 30, 20, 10]
    dealt = deal(range(8), lengths, 8, 2)
    rows = [sum(lengths[index] for index in dealt[at : at + 2]) for at in range(0, 8, 2)]
    assert max(rows) == 410
    assert sorted(rows)[:2] == [90, 90]


@pytest.mark.parametrize(
    ("batch", "wanted", "processes", "expected"), [(64, None, 1, 64), (64, 7, 1, 4), (64, None, 4, 16), (12, 5, 2, 3)]
)
def test_micro_batch_divides_what_a_process_has_of_the_batch(batch, wanted, processes, expected):
    assert micro_batch(batch, wanted, processes) == expected


def test_what_packing_saves_depends_on_how_attention_is_computed():
    lengths = [100, 100, 100, 1000] * 2
    order = range(8)
    # By hand, without attention: 2 rows of 4 x 1,000 positions, or 2,600 in all.
    assert saving(order, lengths, 4, 4, Cost(1, 0, blocks=False)) == pytest.approx(1 - 2600 / 8000)
    # Attention alone: 4 x 1,000^2 pairs a row; packed 1,300^2 where all are scored, else 3 x 100^2 + 1,000^2.
    assert saving(order, lengths, 4, 4, Cost(0, 1, blocks=False)) == pytest.approx(1 - 1.69 / 4)
    assert saving(order, lengths, 4, 4, Cost(0, 1, blocks=True)) == pytest.approx(1 - 1.03 / 4)
    assert saving([0, 1, 2, 0], lengths, 4, 4, Cost(1, 0, blocks=True)) == 0


def log_probs(model, batch) -> torch.Tensor:
    """Of each next token, [rows, tokens - 1]; by plain softmax, not by the head that trl puts on."""
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    with torch.no_grad():
        logits = model(**inputs, use_cache=False).logits.float()
    return logits[:, :-1].log_softmax(-1).gather(-1, batch["input_ids"][:, 1:, None])[..., 0]


@pytest.mark.parametrize("attention", ["eager", "sdpa", "flex_attention", "flash_attention_2"])
def test_packed_losses_are_separate_losses_token_by_token(model_folder, attention):
    """With what the kernels that a CPU has; the others are probed where they run, before the first update."""
    on_gpu = attention.startswith("fl")
    if on_gpu and not torch.cuda.is_available():
        pytest.skip(f"{attention} is for GPUs")
    model = AutoModelForCausalLM.from_pretrained(
        model_folder, attn_implementation=attention, dtype="bfloat16" if on_gpu else "float32"
    ).to("cuda" if on_gpu else "cpu")
    tokenizer = Base(model_folder, Hardware()).tokenizer
    rows = [trainer.features(encode(chat, tokenizer, RECIPE)) for chat in CHATS[:5]]
    pack, pad = (trainer.collator(tokenizer, packed=packed) for packed in (True, False))

    def moved(batch):
        return {key: value.to(model.device) if torch.is_tensor(value) else value for key, value in batch.items()}

    whole = log_probs(model, moved(pack(rows)))[0]
    joined = pack(rows)
    joined["position_ids"] = torch.arange(joined["input_ids"].shape[1])[None]
    mingled = log_probs(model, moved({key: joined[key] for key in ("input_ids", "position_ids")}))[0]
    start = 0
    for row in rows:
        alone = log_probs(model, moved(pad([row])))[0]
        found = slice(start, start + len(alone))
        assert torch.allclose(whole[found], alone, atol=0.05 if on_gpu else 1e-5)
        if start:  # the test can fail: chats that do see each other are far off
            assert float((mingled[found] - alone).abs().mean()) > (0.01 if on_gpu else 1e-4)
        start += len(row["input_ids"])


def first_gradients(monkeypatch, model: Path, folder: Path, hardware: Hardware) -> dict[int, torch.Tensor]:
    """Gradients of the first update, before they are clipped."""
    found: dict[int, torch.Tensor] = {}

    def stop(parameters, *rest, **named):
        found.update({at: one.grad.clone() for at, one in enumerate(parameters) if one.grad is not None})
        raise FirstStepError

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", stop)
    with pytest.raises(FirstStepError):
        Tuner(model, hardware).tune(CHATS, RECIPE, 0, folder, ignore)
    return found


@pytest.mark.parametrize("micro", [4, 2])
def test_gradients_of_an_update_are_those_of_the_padded_one(model_folder, tmp_path, monkeypatch, micro):
    padded = first_gradients(monkeypatch, model_folder, tmp_path / "padded", Hardware())
    packed = first_gradients(monkeypatch, model_folder, tmp_path / "packed", Hardware(packing="on", micro_batch=micro))
    assert padded.keys() == packed.keys()
    largest = max(float(one.abs().max()) for one in padded.values())
    assert largest > 1e-4
    assert all(torch.allclose(padded[at], packed[at], atol=1e-5 * largest) for at in padded)


@pytest.mark.parametrize("loss_on", ["all", "answers"])
def test_packed_tuning_ends_as_the_padded_one(model_folder, tmp_path, loss_on):
    recipe = dataclasses.replace(RECIPE, loss_on=loss_on)
    losses = []
    for packing in ("off", "on"):
        hardware = Hardware(packing=packing, micro_batch=2)
        Tuner(model_folder, hardware).tune(CHATS, recipe, 0, tmp_path / packing, ignore)
        lines = (tmp_path / packing / "losses.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["loss"] for line in lines])
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    padded, packed = weights(tmp_path / "off"), weights(tmp_path / "on")
    assert all(torch.allclose(padded[name], packed[name], atol=1e-5) for name in padded)


def layouts(monkeypatch) -> list[bool]:
    """Whether each trainer that is made packs. Attention counts for nothing: in a tiny model it is most of the work."""
    monkeypatch.setattr(Base, "cost", lambda self, recipe: Cost(1, 0, blocks=False))
    made: list[bool] = []
    run = trainer.run

    def noted(*given, packed):
        made.append(packed)
        return run(*given, packed=packed)

    monkeypatch.setattr(trainer, "run", noted)
    return made


def test_auto_packs_where_padding_wastes_a_tenth(model_folder, tmp_path, monkeypatch):
    made = layouts(monkeypatch)
    short = dataclasses.replace(RECIPE, max_tokens=60, epochs=1)  # all are cut to the same length
    tuner = Tuner(model_folder, Hardware(packing="auto"))
    tuner.tune(CHATS, short, 0, tmp_path / "even", ignore)
    tuner.tune(CHATS, dataclasses.replace(RECIPE, epochs=1), 0, tmp_path / "uneven", ignore)
    assert made == [False, True]


@pytest.fixture
def leaky() -> str:
    """A kernel that is handed no mask: causal over all that stands in a row, whatever the positions say."""
    AttentionInterface.register("leaky", sdpa_attention_forward)
    return "leaky"


def test_packing_is_refused_where_chats_see_each_other(model_folder, tmp_path, leaky):
    with pytest.raises(ModelError, match=r"see each other under attention 'leaky'.*Set execution\.packing: off"):
        Tuner(model_folder, Hardware(packing="on", attention=leaky)).tune(CHATS, RECIPE, 0, tmp_path, ignore)


def test_auto_pads_where_chats_see_each_other(model_folder, tmp_path, leaky, monkeypatch, caplog):
    made = layouts(monkeypatch)
    tuner = Tuner(model_folder, Hardware(packing="auto", attention=leaky))
    for name in ("first", "second"):  # the second mix on the same base is not tried again
        tuner.tune(CHATS, RECIPE, 0, tmp_path / name, ignore)
    assert made == [True, False, False]
    assert "It is padded instead" in caplog.text
    Tuner(model_folder, Hardware(attention=leaky)).tune(CHATS, RECIPE, 0, tmp_path / "off", ignore)
    first, off = (tmp_path / name / "adapter_model.safetensors" for name in ("first", "off"))
    assert first.read_bytes() == off.read_bytes()
