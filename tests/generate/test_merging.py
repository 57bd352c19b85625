from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from babeltune.generate import merging
from doubles import tiny_model


def adapter(base: Path, folder: Path, **settings: object) -> Path:
    torch.manual_seed(1)
    lora = LoraConfig(**{"r": 4, "target_modules": "all-linear", "init_lora_weights": False, **settings})
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), lora).save_pretrained(folder)
    return folder


def merged(base: Path, folder: Path | None, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    found = dict(merging.weights(base, folder, dtype, torch.device("cpu")))
    return {name: weight.to(dtype) for name, weight in found.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("settings", [{"lora_alpha": 7}, {"lora_alpha": 8, "use_rslora": True}])
def test_merged_weights_are_those_of_peft_bit_by_bit(model_folder, tmp_path, dtype, settings):
    folder = adapter(model_folder, tmp_path / "adapter", **settings)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=dtype)
    oracle = PeftModel.from_pretrained(model, folder).merge_and_unload().state_dict()
    found = merged(model_folder, folder, dtype)
    plain = merged(model_folder, None, dtype)
    assert all(torch.equal(weight, oracle[name]) for name, weight in found.items())
    changed = {name for name, weight in found.items() if not torch.equal(weight, plain[name])}
    assert {name.split(".")[-2] for name in changed} == merging.check(model_folder, folder).modules


def test_modules_of_other_ranks_are_scaled_by_their_own(model_folder, tmp_path):
    folder = adapter(model_folder, tmp_path / "adapter", lora_alpha=8, rank_pattern={"q_proj": 6})
    oracle = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model_folder), folder)
    weights = oracle.merge_and_unload().state_dict()
    found = merged(model_folder, folder, torch.float32)
    assert all(torch.equal(weight, weights[name]) for name, weight in found.items())
    assert merging.check(model_folder, folder).rank == 6


def test_a_base_in_several_files_is_read_whole(model_folder, tmp_path):
    AutoModelForCausalLM.from_pretrained(model_folder).save_pretrained(tmp_path / "cut", max_shard_size="50KB")
    assert len(list((tmp_path / "cut").glob("*.safetensors"))) > 1
    whole, cut = merged(model_folder, None, torch.float32), merged(tmp_path / "cut", None, torch.float32)
    assert whole.keys() == cut.keys()
    assert all(torch.equal(weight, cut[name]) for name, weight in whole.items())
    assert merging.size(tmp_path / "cut") > sum(weight.nbytes for weight in whole.values())


def test_an_adapter_of_another_base_is_told_from_its_headers(model_folder, tmp_path):
    folder = adapter(model_folder, tmp_path / "adapter")
    assert merging.check(model_folder, folder) == merging.Fit(
        4, frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"})
    )
    deeper = adapter(tiny_model(tmp_path / "deeper", layers=3), tmp_path / "deep adapter")
    with pytest.raises(ValueError, match=r"7 of its 21 modules do not fit: model\.layers\.2\.\S+ is not there"):
        merging.check(model_folder, deeper)
    deepest = tiny_model(tmp_path / "deepest", layers=4)
    with pytest.raises(ValueError, match=r"it has 21 modules, and the base 7 more: model\.layers\.3\."):
        merging.check(deepest, deeper)
    some = adapter(deepest, tmp_path / "some layers", target_modules=["q_proj"], layers_to_transform=[0, 1])
    assert merging.check(deepest, some).rank == 4  # that is what it is meant to be
    smaller = tmp_path / "small adapter"
    shutil.copytree(folder, smaller)
    tensors = load_file(smaller / "adapter_model.safetensors")
    # One that would fit into the place of a larger one.
    name = "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"
    save_file({**tensors, name: tensors[name][:, :16].contiguous()}, smaller / "adapter_model.safetensors")
    with pytest.raises(ValueError, match="up_proj is 64 x 32, the adapter is for 64 x 16"):
        merging.check(model_folder, smaller)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("use_dora", True), ("modules_to_save", ["lm_head"]), ("bias", "all"), ("alpha_pattern", {"q_proj": 3})],
)
def test_what_is_more_than_a_plain_adapter_is_refused(model_folder, tmp_path, setting, value):
    folder = adapter(model_folder, tmp_path / "adapter")
    stated = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**stated, setting: value}))
    with pytest.raises(ValueError, match=f"not a plain LoRA adapter: .*{setting}"):
        merging.check(model_folder, folder)


def test_a_folder_that_is_no_adapter_is_refused(model_folder, tmp_path):
    with pytest.raises(ValueError, match=r"adapter_config\.json cannot be read"):
        merging.check(model_folder, tmp_path)
    folder = adapter(model_folder, tmp_path / "adapter")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"adapter_model\.safetensors cannot be read"):
        merging.check(model_folder, folder)
    save_file({"lm_head.weight": torch.zeros(2, 2)}, folder / "adapter_model.safetensors")
    with pytest.raises(ValueError, match="holds 1 tensors, 0 of them in pairs"):
        merging.check(model_folder, folder)
