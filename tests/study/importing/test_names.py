from __future__ import annotations

import pytest

from babeltune.study.importing.names import UnknownNameError, makeup, told, tuned

CHAT = "alpaca_eval_instructions_de-none-guanaco_prompt-s0-k50-p0.9-t0.8-b8"


@pytest.mark.parametrize(
    ("folder", "model", "mix"),
    [
        ("llama_2_7b_hf_ml1_merged", "Llama-2-7b-hf", "mono"),
        ("llama_2_7b_hf_mono_merged", "Llama-2-7b-hf", "mono"),
        ("llama_2_7b_hf_ml6_merged", "Llama-2-7b-hf", "multi-6"),
        ("llama_2_7b_hf_guanaco_merged", "Llama-2-7b-hf", "guanaco"),
        ("llama_2_7b_hf_mt_ml3_merged", "Llama-2-7b-hf", "twin-3"),
        ("llama_2_7b_hf_mt_ml3_n50_merged", "Llama-2-7b-hf", "multi-3-n50"),
        ("llama_2_7b_hf_de_merged", "Llama-2-7b-hf", "without-de"),
        ("llama_2_70b_hf_mt_ml1_merged", "Llama-2-70b-hf", "mono"),
        ("llama_2_70b_hf_mt_ml6", "Llama-2-70b-hf", "twin-6"),
        ("llama_3_8b_ml2", "Meta-Llama-3-8B", "multi-2"),
        ("falcon_7b_guanaco", "falcon-7b", "guanaco"),
        ("Llama-2-7b-hf", "Llama-2-7b-hf", "base"),
        ("falcon-7b", "falcon-7b", "base"),
        ("my_model_ml2", "my-model", "multi-2"),
        ("gpt-4o", "gpt-4o", "base"),
    ],
)
def test_a_folder_tells_model_and_mix(folder: str, model: str, mix: str) -> None:
    found = tuned(folder)
    assert (found.model, found.mix) == (model, mix)


@pytest.mark.parametrize("folder", ["ml1", "mt_ml2", "ml6", "mt_ml3_n5", "mt_ml2_n1000", "de", "en", "ca"])
def test_every_mix_of_the_authors_has_3200_chats(folder: str) -> None:
    found = tuned(f"llama_2_7b_hf_{folder}_merged")
    assert sum(count for _, count in found.chats) == 3200


def test_only_translated_mixes_are_twins() -> None:
    assert tuned("llama_2_7b_hf_mt_ml3_n50_merged").twin_of == "mono"
    assert tuned("llama_2_7b_hf_mt_ml3_merged").twin_of == "mono"
    assert tuned("llama_2_7b_hf_ml3_merged").twin_of is None
    assert tuned("llama_2_7b_hf_mt_ml1_merged").twin_of is None


@pytest.mark.parametrize("folder", ["", "..", "a/b", "../../etc", "x\x1b[31m", "-rf", "a b", "é", "x" * 80])
def test_a_name_that_could_be_no_folder_of_ours_is_refused(folder: str) -> None:
    with pytest.raises(UnknownNameError):
        tuned(folder)


def test_more_languages_or_chats_than_there_are_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="9 languages"):
        tuned("llama_2_7b_hf_ml9_merged")
    with pytest.raises(UnknownNameError, match="mtol"):
        tuned("llama_2_7b_hf_mtol_de_merged")
    with pytest.raises(UnknownNameError, match="leave none"):
        tuned("llama_2_7b_hf_mt_ml6_n900_merged")


@pytest.mark.parametrize("mix", ["mono", "multi-4", "twin-3", "multi-3-n50", "guanaco", "base"])
def test_a_mix_is_the_same_by_its_name_and_by_its_folder(mix: str) -> None:
    folders = {"mono": "ml1", "multi-4": "ml4", "twin-3": "mt_ml3", "multi-3-n50": "mt_ml3_n50", "guanaco": "guanaco"}
    folder = f"llama_2_7b_hf_{folders[mix]}" if mix in folders else "llama_2_7b_hf"
    assert makeup("Llama-2-7b-hf", mix) == tuned(folder)


@pytest.mark.parametrize(
    ("stem", "task", "language", "prompting", "seed", "batch"),
    [
        (CHAT, "dialogue", "de", "xx:xx", 0, 8),
        (
            "alpaca_eval_instructions_fi-none-guanaco_prompt-s723-k50-p0.9-t0.8-b128",
            "dialogue",
            "fi",
            "xx:xx",
            723,
            128,
        ),
        ("xquad_dev_en_zh-none-blank-s42-k50-p0.9-t0.001-b128", "xquad", "zh", "en:xx", 42, 128),
        ("xquad_dev_en_en-none-blank-s42-k50-p0.9-t0.001-b128", "xquad", "en", "xx:xx", 42, 128),
        ("xcsqa_dev_de_de-none-blank-s0-k50-p0.9-t0.001-b128", "xcsqa", "de", "xx:xx", 0, 128),
        ("de_de-none-blank-s0-k50-p0.9-t0.8-b128", "simplification", "de", "xx:xx", 0, 128),
        ("en-ru-none-blank-s0-k50-p0.9-t0.8-b128", "simplification", "ru", "en:xx", 0, 128),
    ],
)
def test_a_file_tells_task_language_prompting_and_seed(
    stem: str, task: str, language: str, prompting: str, seed: int, batch: int
) -> None:
    found = told(stem, ".jsonl")
    assert (found.task, found.language, found.prompting, found.seed, found.batch) == (
        task, language, prompting, seed, batch,
    )  # fmt: skip
    assert found.kind == "outputs"


def test_a_suffix_and_an_ending_tell_what_is_in_a_file() -> None:
    assert told(CHAT, ".eval").kind == "agreement"
    assert told(CHAT, ".json").kind == "arguments"
    assert told(f"{CHAT}-l300-ds42-as42-source-system", ".jsonl").kind == "direct"
    assert told(f"{CHAT}-l300-ds42-as42-source_en-system_en", ".jsonl").kind == "translated"
    assert told(f"{CHAT}-with_en-l300-ds42-as42-source_en-system_en", ".jsonl").kind == "translated"


@pytest.mark.parametrize(
    ("stem", "suffix", "why"),
    [
        ("notes", ".jsonl", "not named"),
        ("flores_devtest_en_es-none-blank-s0-k50-p0.9-t0.8-b8", ".jsonl", "test set"),
        ("alpaca_eval_instructions_qq-none-guanaco_prompt-s0-k50-p0.9-t0.8-b8", ".jsonl", "'qq'"),
        ("xquad_dev_de_es-none-blank-s0-k50-p0.9-t0.001-b128", ".jsonl", "xx-xx and en-xx"),
        (f"{CHAT}-gpt_3.5_turbo-l50", ".llm_eval", "no score from 1 to 6"),
        (f"{CHAT}-with_en", ".jsonl", "translations"),
        (f"{CHAT}-l300-ds42-as42-source_en-system", ".jsonl", "untranslated answer"),
        (f"{CHAT}-something", ".jsonl", "not known"),
    ],
)
def test_what_a_name_does_not_tell_is_said(stem: str, suffix: str, why: str) -> None:
    with pytest.raises(UnknownNameError, match=why):
        told(stem, suffix)
