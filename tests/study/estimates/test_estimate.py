from __future__ import annotations

import dataclasses
import json
import os
import random
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.errors import ModelError
from babeltune.finetune.recipe import PRESETS, LoraRecipe
from babeltune.study.check import open_study
from babeltune.study.estimates import devices, shape
from babeltune.study.estimates.costs import (
    Answers,
    Way,
    generation_memory,
    generation_seconds,
    padded,
    tuning_flops,
    tuning_memory,
    vllm_batch,
)
from babeltune.study.estimates.devices import GIB, GPUS, Device
from babeltune.study.estimates.estimate import CHAT_TOKENS, Estimate, estimates
from babeltune.study.estimates.shape import PUBLISHED, Shape, of_config, of_parameters
from calls import Call
from doubles import study_file

ROOT = Path(__file__).parents[3]
LLAMA_7B, LLAMA_70B = "meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-70b-hf"
AS_RUN = PRESETS["as-run"]


def published(name: str) -> Shape:
    return of_config(PUBLISHED[name])


def built(config: Any) -> Any:
    """The model that transformers makes of a configuration, without weights."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    return model


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # As the models' pages on the hub have it.
        (LLAMA_7B, 6_738_415_616),
        (LLAMA_70B, 68_976_648_192),
        ("meta-llama/Meta-Llama-3-8B", 8_030_261_248),
        ("tiiuae/falcon-7b", 6_921_720_704),
        ("smollm2-135m", 134_515_008),
    ],
)
def test_published_shapes_have_the_parameters_that_transformers_makes_of_them(name: str, parameters: int) -> None:
    from transformers import AutoConfig

    fields = dict(PUBLISHED[name])
    model = built(AutoConfig.for_model(fields.pop("model_type"), **fields))
    assert published(name).parameters == sum(one.numel() for one in model.parameters()) == parameters


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("llama", {"num_key_value_heads": 2, "attention_bias": True, "mlp_bias": True}),
        ("llama", {"head_dim": 24, "tie_word_embeddings": True}),
        ("mistral", {"num_key_value_heads": 2}),
        ("qwen2", {"num_key_value_heads": 4}),
        ("qwen3", {"num_key_value_heads": 2, "head_dim": 32}),
        ("smollm3", {"num_key_value_heads": 2}),
        ("gemma", {"num_key_value_heads": 1, "head_dim": 32}),
        ("falcon", {"multi_query": True}),
        ("falcon", {"multi_query": False, "bias": True}),
        ("falcon", {"parallel_attn": False}),
        ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_each_family_is_counted_to_the_last_parameter(family: str, changes: dict[str, Any]) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig

    inner = {} if family == "falcon" else {"intermediate_size": 160}
    sizes = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 320, "pad_token_id": 0}
    config = AutoConfig.for_model(family, **sizes, **inner, **changes)
    counted = of_config(config.to_dict())
    model = built(config)
    assert counted.parameters == sum(one.numel() for one in model.parameters())
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    assert counted.lora_parameters(LoraRecipe(rank=4)) == adapted.get_nb_trainable_parameters()[0]


def test_an_adapter_has_what_the_paper_says() -> None:
    """Appendix C: 2.3 % of Llama 2 7b, 1.2 % of 70b, 1.8 % of Falcon 7b."""
    assert published(LLAMA_7B).lora_parameters(AS_RUN) == 159_907_840
    for name, percent in ((LLAMA_7B, 2.3), (LLAMA_70B, 1.2), ("tiiuae/falcon-7b", 1.8)):
        one = published(name)
        lora = one.lora_parameters(AS_RUN)
        assert 100 * lora / (one.parameters + lora) == pytest.approx(percent, abs=0.06)


@pytest.mark.parametrize("targets", ["all-linear", ("q_proj", "v_proj"), ("down_proj",)])
def test_an_adapter_of_the_tiny_model_has_what_peft_makes(model_folder: Path, targets: Any) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig

    wanted = targets if isinstance(targets, str) else list(targets)
    adapted = get_peft_model(
        built(AutoConfig.from_pretrained(model_folder)), LoraConfig(r=6, target_modules=wanted, task_type="CAUSAL_LM")
    )
    recipe = LoraRecipe(rank=6, targets=targets)
    assert shape.of_folder(model_folder).lora_parameters(recipe) == adapted.get_nb_trainable_parameters()[0]


def kept_by_autograd(config: Any, dtype: str, dropout: float, recompute: bool, rows: int, tokens: int) -> int:
    """Bytes of all tensors that the forward pass of a model with LoRA saves, weights apart."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype))
    lora = LoraConfig(r=16, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(model, lora).train()
    if recompute:
        adapted.enable_input_require_grads()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    weights = {one.untyped_storage().data_ptr() for one in (*adapted.parameters(), *adapted.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def weigh(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage  # held, or its place would be taken again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(weigh, lambda tensor: tensor):
        adapted.get_base_model().base_model(torch.zeros(rows, tokens, dtype=torch.long), use_cache=False)
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("family", ["llama", "falcon"])
@pytest.mark.parametrize(
    ("dtype", "dropout", "recompute"),
    [
        ("float32", 0.0, False),
        ("float32", 0.05, False),
        ("bfloat16", 0.0, False),
        ("bfloat16", 0.05, False),
        ("float32", 0.05, True),
        ("bfloat16", 0.05, True),
    ],
)
def test_a_block_keeps_what_autograd_keeps_of_it(family: str, dtype: str, dropout: float, recompute: bool) -> None:
    """Three blocks against one, so that both ends of the model fall out: within a quarter."""
    from transformers import AutoConfig

    rows, tokens = 2, 32
    inner = {} if family == "falcon" else {"intermediate_size": 344, "num_key_value_heads": 4}
    recipe = LoraRecipe(rank=16, dropout=dropout, max_tokens=tokens)

    def both(layers: int) -> tuple[float, float]:
        sizes = {"hidden_size": 128, "num_hidden_layers": layers, "num_attention_heads": 8, "vocab_size": 512}
        config = AutoConfig.for_model(family, **sizes, pad_token_id=0, **inner)
        found = tuning_memory(of_config(config.to_dict()), recipe, Way(dtype, rows, recompute)).activations
        return found, kept_by_autograd(config, dtype, dropout, recompute, rows, tokens)

    (few, kept_few), (many, kept_many) = both(1), both(3)
    assert many - few == pytest.approx(kept_many - kept_few, rel=0.25)


@pytest.mark.parametrize(
    ("name", "gpu", "micro", "hours"),
    [(LLAMA_7B, "rtx3090", 4, 8), (LLAMA_70B, "a100-80gb", 2, 20)],
    ids=["7b", "70b"],
)
def test_the_authors_times_are_within_a_factor_of_two(name: str, gpu: str, micro: int, hours: float) -> None:
    """Appendix C. Their layers are spread over the GPUs, of which one computes at a time; chats are padded."""
    model, device = published(name), GPUS[gpu]
    tokens = 2000 * 16 * padded(CHAT_TOKENS, 1024, micro)
    flops = tokens * tuning_flops(model, AS_RUN, recompute=True)
    seconds = [flops / (device.flops("float16") * share) for share in device.utilisation]
    middle = statistics.mean(seconds) / 3600
    assert hours / 2 < middle < hours * 2
    # On two of 24 GiB, and on four of 80.
    memory = tuning_memory(model, AS_RUN, Way("float32", micro, recompute=True))
    assert memory.total < {"rtx3090": 2 * 24, "a100-80gb": 4 * 80}[gpu] * GIB
    assert memory.total > {"rtx3090": 24, "a100-80gb": 3 * 80}[gpu] * GIB


POCKET = LoraRecipe(rank=16, alpha=32, dropout=0.0, epochs=1, batch=4, max_tokens=72)
TWO_CORES = Device("two cores", 23.5, 0.154, 0.154, 17, utilisation=(0.25, 0.6))
"""The kind of docs/pocket.md's: 77 GFLOP in a second of one core's time, products of 2,048 x 2,048 float32 numbers."""


def test_the_pocket_studys_times_are_within_a_factor_of_two() -> None:
    """docs/pocket.md: three tunings in 276 s at 95 to 108 tokens/s, 960 answers of at most 24 tokens in 292 s."""
    model = published("smollm2-135m")
    flops = 3 * 128 * 72 * tuning_flops(model, POCKET, recompute=False)
    tuning = [flops / (TWO_CORES.flops("float32") * share) for share in TWO_CORES.utilisation]
    assert min(tuning) < 276 < max(tuning)
    assert 276 / 2 < statistics.mean(tuning) < 276 * 2
    generation = generation_seconds(model, "float32", 24, [Answers(960, 34, 24)], TWO_CORES)
    assert generation[0] < 292 < generation[1]
    assert 292 / 2 < statistics.mean(generation) < 292 * 2


def test_quarter_precision_and_sharing_save_what_they_should() -> None:
    model = published(LLAMA_70B)

    def weights(bits: Any, shards: int = 1) -> float:
        recipe = dataclasses.replace(AS_RUN, base_bits=bits, autocast="none")
        return tuning_memory(model, recipe, Way("bfloat16", 1, recompute=True, shards=shards)).weights

    assert weights(16) == 2 * 68_976_648_192
    # QLoRA, appendix G: 4-bit weights of 65 billion take about 33 GB; the head and the embedding stay whole.
    assert weights(8) == pytest.approx(weights(16) / 2, rel=0.01)
    assert weights(4) == pytest.approx(weights(16) * 4.127 / 16, rel=0.03)
    block = 2 * model.block
    assert weights(16, shards=4) == weights(16) / 4 + 2 * block


def test_the_page_on_scale_says_what_70b_needs() -> None:
    rows = re.findall(
        r"^\| (\w+) \| (\d+) \| (\d+) \| (\d+) \| (.+) \|$", (ROOT / "docs" / "scale.md").read_text(), re.M
    )
    assert len(rows) == 7
    for dtype, bits, shards, micro, said in rows:
        recipe = dataclasses.replace(AS_RUN, autocast="none", base_bits=int(bits))  # type: ignore[arg-type]
        way = Way(dtype, int(micro), recompute=True, shards=int(shards))
        found = tuning_memory(published(LLAMA_70B), recipe, way)
        parts = (found.weights, found.adapter, found.activations, found.total)
        assert [f"{part / GIB:.1f}" for part in parts] == said.split(" | ")


def test_recomputing_costs_a_forward_pass_and_saves_memory() -> None:
    model = published(LLAMA_7B)
    kept, again = (tuning_flops(model, AS_RUN, recompute=one) for one in (False, True))
    # Two passes or three of 2 FLOPs a weight, and LoRA's share.
    assert kept / model.multiplied == pytest.approx(4, rel=0.05)
    assert again / model.multiplied == pytest.approx(6, rel=0.05)
    full, little = (tuning_memory(model, AS_RUN, Way("float32", 4, one)).activations for one in (False, True))
    assert little < full / 10


@given(mean=st.floats(30, 1000), rows=st.integers(1, 16))
def test_padding_is_to_the_longest_of_so_many_chats(mean: float, rows: int) -> None:
    """Against draws of lengths."""
    draw, b = random.Random(0), 1024 / mean - 1
    longest = [max(1024 * (1 - draw.random() ** (1 / b)) for _ in range(rows)) for _ in range(3000)]
    assert padded(mean, 1024, rows) == pytest.approx(statistics.mean(longest), rel=0.06)


def test_chats_that_are_all_cut_are_all_as_long() -> None:
    assert padded(900, 72, 4) == padded(72, 72, 1) == 72
    assert padded(40, 72, 1) == pytest.approx(40)


@given(st.floats(2e8, 2e11))
def test_a_model_of_which_only_the_size_is_known_is_taken_for_a_llama_of_that_size(parameters: float) -> None:
    assert of_parameters(parameters).parameters == pytest.approx(parameters, rel=0.03)


def test_the_proportions_of_that_llama_are_the_real_ones() -> None:
    assert of_parameters(6_738_415_616).layers == pytest.approx(32, abs=1)
    assert of_parameters(6_738_415_616).hidden == pytest.approx(4096, rel=0.05)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"model_type": "mamba"}, "models of the family 'mamba' are not counted. Say `parameters:`"),
        ({}, "family 'no family'"),
        ({"model_type": "llama", "hidden_size": 64}, "lacks what the count needs"),
        ({"model_type": "falcon", "hidden_size": 64, "num_attention_heads": 0}, "lacks what the count needs"),
    ],
)
def test_a_configuration_that_cannot_be_counted_says_why(config: dict[str, Any], told: str) -> None:
    with pytest.raises(ModelError, match=re.escape(told)):
        of_config(config)


@pytest.mark.parametrize("content", ["{broken", "[1]"])
def test_a_configuration_that_cannot_be_read_says_why(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelError, match=r"config\.json"):
        shape.of_folder(tmp_path)


def test_generation_reads_the_weights_once_a_batch_until_it_computes() -> None:
    """By hand: 1 TB/s and 2 x 6.7e9 bytes are 13.5 ms a step; four times the batch is a quarter of the time."""
    model = published(LLAMA_7B)
    device = Device("d", 80, 1000, 100, 1000, utilisation=(0.5, 1.0), streamed=(0.5, 1.0))
    least, most = generation_seconds(model, "bfloat16", 1, [Answers(10, 0, 100)], device)
    assert least == pytest.approx(1000 * 0.0135, rel=0.02)
    assert most == pytest.approx(2 * least)
    assert generation_seconds(model, "bfloat16", 4, [Answers(10, 0, 100)], device)[0] == pytest.approx(
        least / 4, rel=0.02
    )
    # Ranking writes nothing: prompts alone, 2 FLOPs a weight and token.
    ranked = generation_seconds(model, "bfloat16", 1, [Answers(10, 100, 0)], device)[0]
    assert ranked == pytest.approx(10 * 100 * 2 * 6.6e9 / 1e15, rel=0.02)


def test_as_many_requests_run_at_a_time_as_memory_has_room_for() -> None:
    """Llama 2 7b in bfloat16: 524,288 bytes of keys and values a token."""
    model = published(LLAMA_7B)
    one = generation_memory(model, "bfloat16", 1, 1000).activations
    assert one == 1000 * 524_288
    assert vllm_batch(model, "bfloat16", 1000, GIB + 2 * model.parameters + 10.5 * one) == 10
    assert vllm_batch(model, "bfloat16", 1000, 1e15) == 256
    assert vllm_batch(model, "bfloat16", 1000, 1e9) == 1


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("NVIDIA GeForce RTX 3090", "rtx3090"),
        ("NVIDIA A100-SXM4-40GB", "a100-40gb"),
        ("NVIDIA A100-SXM4-80GB", "a100-80gb"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA L40S", "l40s"),
    ],
)
def test_the_gpu_of_this_machine_is_known_by_its_drivers_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, name: str
) -> None:
    monkeypatch.setattr(devices, "_DRIVER", tmp_path)
    assert [one.name for one in devices.chosen(None, "cuda")] == list(GPUS)  # none is here
    assert [one.name for one in devices.chosen(None, "auto")] == ["this processor"]
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "information").write_text(f"Model: \t\t {words}\nIRQ: 1\n")
    for wanted in ("cuda", "auto"):
        assert [one.name for one in devices.chosen(None, wanted)] == [name]
    assert [one.name for one in devices.chosen("rtx4090", "auto")] == ["rtx4090"]
    assert [one.name for one in devices.chosen(None, "cpu")] == ["this processor"]
    (tmp_path / "0" / "information").write_text("Model: something new\n")
    assert [one.name for one in devices.chosen(None, "auto")] == list(GPUS)


def test_the_processor_is_measured() -> None:
    found = devices.processor()
    assert 0.0005 < found.single < 100
    assert 0.1 < found.bandwidth < 10_000
    assert found.memory > 0.5


# From here on: what `plan` prints.


def llama_study(folder: Path, model: object = LLAMA_7B, **changes: object) -> Path:
    recipe = {"preset": "as-run", "autocast": "none"}
    said: dict[str, Any] = {"recipe": recipe, "dtype": "bfloat16", "execution": {"device": "cuda"}, "engine": "vllm"}
    return study_file(folder, "", models=[model], **{**said, **changes})


@pytest.mark.usefixtures("hub")
def test_what_does_not_fit_is_told_what_makes_it_fit(babeltune: Call, tmp_path: Path) -> None:
    study = llama_study(tmp_path)
    said = babeltune("plan", study, "--gpu", "rtx3090")
    assert said.code == 0
    (line,) = [one for one in said.out.splitlines() if "rtx3090: " in one]
    assert re.search(r"tuning takes 26\.\d GiB \(it has 24\) and .* h with execution\.micro_batch: 8;", line)
    assert "6,738,415,616 parameters; an adapter has 159,907,840 (2.4%)" in said.words
    # Mono and Multi-2 of 12 chats: 2 adapters of 640 MB; 13.5 GB to fetch.
    assert "the model about 13 GB, adapters 1.3 GB" in said.words
    study = llama_study(tmp_path, execution={"device": "cuda", "micro_batch": 8})
    said = babeltune("plan", study, "--gpu", "rtx3090")
    assert " GiB (it has" not in said.out
    assert "execution." not in said.out


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("gpu", "sharing", "quantised"),
    [
        ("a100-80gb", "processes: 4", "base_bits: 4"),
        ("h200", "processes: 2", "base_bits: 8"),
        ("rtx3090", "processes: 16", ""),
    ],
)
def test_a_model_that_no_setting_of_one_gpu_fits_is_shared_or_quantised(
    babeltune: Call, tmp_path: Path, gpu: str, sharing: str, quantised: str
) -> None:
    study = llama_study(tmp_path, LLAMA_70B, execution={"device": "cuda", "micro_batch": 4})
    said = babeltune("plan", study, "--gpu", gpu)
    (line,) = [one for one in said.out.splitlines() if f"{gpu}: " in one]
    assert f"execution.micro_batch: 1 and execution.sharding: fsdp and {sharing}" in line
    assert (f"recipe.{quantised} (another result)" in line) == bool(quantised)
    assert ("needs execution.tensor_parallel: " in line) == (gpu != "h200")  # which generates on one
    count = int(sharing.split()[1])
    again = llama_study(
        tmp_path,
        LLAMA_70B,
        execution={
            "device": "cuda",
            "micro_batch": 1,
            "sharding": "fsdp",
            "processes": count,
            "tensor_parallel": count,
        },
    )
    assert " GiB (it has" not in babeltune("plan", again, "--gpu", gpu).out


@pytest.mark.usefixtures("hub")
def test_without_a_gpu_here_and_without_a_name_all_of_the_table_is_shown(babeltune: Call, tmp_path: Path) -> None:
    if any(devices._DRIVER.glob("*/information")):
        pytest.skip("a GPU is here")
    said = babeltune("plan", llama_study(tmp_path))
    assert [line.split(":")[0].strip() for line in said.out.splitlines() if "tuning takes" in line] == list(GPUS)


def test_an_unknown_gpu_is_refused_before_the_study_is_read(babeltune: Call, tmp_path: Path) -> None:
    said = babeltune("plan", tmp_path / "none.yaml", "--gpu", "abacus")
    assert said.code == 2
    assert said.err.splitlines()[1].startswith("  - abacus: not in the table. Known are rtx3090")


@pytest.mark.usefixtures("hub")
def test_a_model_that_is_not_here_has_an_estimate_as_soon_as_its_size_is_said(babeltune: Call, tmp_path: Path) -> None:
    said = babeltune("plan", llama_study(tmp_path, "org/unheard-of"), "--gpu", "h100")
    assert said.code == 0
    assert "unheard-of: no estimate: it comes once the model is here. Or say `parameters:`" in said.words
    told = llama_study(tmp_path, {"id": "org/unheard-of", "parameters": 6.74e9})
    said = babeltune("plan", told, "--gpu", "h100")
    assert "unheard-of: about 6,7" in said.words
    assert "h100: tuning takes" in said.words


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("parameters", [0, -1, "many"])
def test_a_size_that_is_none_is_refused(babeltune: Call, tmp_path: Path, parameters: object) -> None:
    said = babeltune("plan", llama_study(tmp_path, {"id": "org/one", "parameters": parameters}))
    assert said.code == 2
    assert "models[0].parameters" in said.err


@pytest.mark.usefixtures("hub")
def test_tunings_of_unknown_length_are_left_out_of_the_hours(babeltune: Call, tmp_path: Path) -> None:
    study = llama_study(
        tmp_path,
        chats="org/set",
        mixes=["mono", "guanaco"],
        recipe={"epochs": 1},
        mixing={"size": 64},
    )
    said = babeltune("plan", study, "--gpu", "h100")
    assert "2 tunings of chats of an assumed 450 tokens (1 of unknown length left out)" in said.words
    assert "guanaco-t0: to come; every chat, whose number is not known yet" in said.words


@pytest.mark.usefixtures("hub")
def test_items_that_are_not_here_count_as_the_paper_says(babeltune: Call, tmp_path: Path) -> None:
    tasks = {"xquad": {"items": "hub", "languages": ["en", "de"]}, "xnli": {"items": "hub", "languages": ["en"]}}
    said = babeltune("plan", llama_study(tmp_path, tasks=tasks, seeds=[0, 1]), "--gpu", "h100")
    # By hand: (base + 2 mixes) x ((1 + 2) x 2 seeds x 1,190 + 5,010).
    assert "36,450 outputs" in said.words


def only(opened: Any, done: frozenset[str], device: Device) -> Estimate:
    (found,) = estimates(opened, done, [device])
    assert isinstance(found, Estimate)
    return found


def test_once_cards_have_counted_the_tokens_nothing_is_assumed(
    babeltune: Call, model_folder: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    study, runs = study_file(tmp_path, model_folder), tmp_path / "runs"
    assert "chats of an assumed 200 tokens" in babeltune("plan", study, "--runs", runs).words  # they are cut there
    assert babeltune("mix", study, "--runs", runs).code == 0
    opened = open_study(study, runs)
    found = only(opened, opened.store.done(opened.plan.steps), TWO_CORES)
    assert found.counted
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    means = []
    for step in opened.plan.of("mix"):
        rows = [json.loads(line) for line in (opened.store.path(step) / "chats.jsonl").read_text().splitlines()]
        texts = ["\n".join(turn["content"] for turn in row["turns"]) for row in rows]
        turns = statistics.mean(len(row["turns"]) for row in rows)
        means.append(statistics.mean(len(tokenizer(text)["input_ids"]) for text in texts) + 4 * turns)
    assert found.chat_tokens == pytest.approx(statistics.mean(min(200, mean) for mean in means))
    assert f"chats of {found.chat_tokens:.0f} tokens" in babeltune("plan", study, "--runs", runs).words


def test_padding_costs_time_unless_chats_are_packed_or_grouped(model_folder: Path, tmp_path: Path) -> None:
    def most(recipe: dict[str, object] | None = None, **execution: object) -> float:
        study = study_file(
            tmp_path,
            model_folder,
            recipe={"batch": 8, "max_tokens": 1024, "epochs": 4, **(recipe or {})},
            execution={"device": "cpu", **execution},
        )
        opened = open_study(study, tmp_path / "runs")
        return only(opened, frozenset(), TWO_CORES).on[0].tuning_hours[1]

    packed = most()
    assert most(packing="off") == pytest.approx(packed * padded(450, 1024, 8) / 450)
    assert most(packing="off", micro_batch=2) == pytest.approx(packed * padded(450, 1024, 2) / 450)
    assert most({"order": "length-grouped"}, packing="off") == packed
    assert most(micro_batch=2, processes=50) == packed  # more processes than chats: told elsewhere


def test_what_is_done_is_not_to_come(model_folder: Path, tmp_path: Path) -> None:
    opened = open_study(study_file(tmp_path, model_folder), tmp_path / "runs")
    before = only(opened, frozenset(), TWO_CORES)
    assert (before.tunings, before.outputs) == (2, 3 * 3 * 12)
    tuned = frozenset(step.key for step in opened.plan.of("tune"))
    after = only(opened, tuned, TWO_CORES)
    assert (after.tunings, after.on[0].tuning, after.adapter_bytes, after.checkpoint_bytes) == (0, None, 0, 0)
    assert after.outputs == before.outputs
    left = tuned | {step.key for step in opened.plan.of("generate")}
    assert list(estimates(opened, left, [TWO_CORES])) == []


def test_the_pocket_studys_disk_is_what_it_took() -> None:
    """A finished pocket study: 19,593,064 bytes an adapter; outputs and scores 174,338 and 318,179 bytes."""
    opened = open_study(ROOT / "studies" / "pocket.yaml", Path("no-runs"), may_lack="anything")
    found = only(opened, frozenset(), TWO_CORES)
    assert found.adapter_bytes == pytest.approx(3 * 19_593_064, rel=0.01)
    assert found.output_bytes == pytest.approx(174_338 + 318_179, rel=0.15)


NOTHING_LOADED = """
import sys
from babeltune import cli
sys.argv = ["babeltune", "plan", *sys.argv[1:]]
try:
    cli.main()
except SystemExit as end:
    print("code", end.code or 0)
print("loaded", [name for name in ("torch", "transformers", "peft", "accelerate") if name in sys.modules])
"""


def test_an_estimate_loads_no_torch(model_folder: Path, tmp_path: Path) -> None:
    study = study_file(tmp_path, model_folder)
    command = [sys.executable, "-c", NOTHING_LOADED, str(study), "--runs", str(tmp_path / "runs")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"})
    assert "this processor: tuning takes" in ended.stdout
    assert ended.stdout.endswith("code 0\nloaded []\n")
