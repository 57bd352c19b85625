"""Logs in the layouts that lm-evaluation-harness writes: 0.4.13 as a run of it left them, 0.4.0's array, 0.3's results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from babeltune.records import Cell
from babeltune.study.importing import harness
from babeltune.study.importing.found import Aggregate, Content, Source
from babeltune.study.importing.names import Tuned
from babeltune.study.importing.survey import survey

DATE = "2026-11-28T17-25-53.179641"


def sample(at: int, values: tuple[float, float, float], label: int, acc: float) -> dict[str, Any]:
    resps = [[str(value), "False"] for value in values]
    return {
        "doc_id": at, "doc": {"premise": f"Satz {at}.", "hypothesis": "Noch einer.", "label": label}, "target": str(label),
        "arguments": {"gen_args_0": {"arg_0": "", "arg_1": " Satz, richtig? Ja, Noch einer."}},
        "resps": [[one] for one in resps], "filtered_resps": resps, "filter": "none", "metrics": ["acc"],
        "doc_hash": "x", "acc": acc,
    }  # fmt: skip


SAMPLES = [
    sample(0, (-3.0, -2.0, -1.0), 2, 1.0),
    sample(1, (-1.0, -2.0, -3.0), 1, 0.0),
    sample(2, (-1.0, -2.0, -3.0), 0, 1.0),
]


def results(model_args: Any, tasks: tuple[str, ...] = ("xnli_de",)) -> dict[str, Any]:
    return {
        "results": {name: {"alias": name, "sample_len": 3, "acc,none": 2 / 3, "acc_stderr,none": 0.33} for name in tasks},
        "configs": {}, "versions": dict.fromkeys(tasks, 1.0),
        "n-samples": {name: {"original": 3, "effective": 3} for name in tasks},
        "config": {"model": "hf", "model_args": model_args}, "lm_eval_version": "0.4.13",
    }  # fmt: skip


def log(folder: Path, model_args: Any, rows: list[Any] = SAMPLES, stem: str = f"samples_xnli_de_{DATE}") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"results_{DATE}.json").write_text(json.dumps(results(model_args)), encoding="utf-8")
    text = "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
    (folder / f"{stem}.jsonl").write_text(text, encoding="utf-8")
    return folder


def of(folder: Path) -> tuple[Source, Content]:
    found = survey([folder])
    (source,) = found.sources
    assert not found.aggregates
    return source, harness.read(source)


@pytest.mark.parametrize(
    ("args", "model", "mix"),
    [
        ({"pretrained": "/models/smollm2-135m", "dtype": "float32"}, "smollm2-135m", "base"),
        ("pretrained=meta-llama/Llama-2-7b-hf,dtype=float16", "Llama-2-7b-hf", "base"),
        ("pretrained=resources/models/llama_2_7b_hf_ml2_merged", "Llama-2-7b-hf", "multi-2"),
        ({"pretrained": "meta-llama/Llama-2-7b-hf", "peft": "out/llama_2_7b_hf_ml3"}, "Llama-2-7b-hf", "multi-3"),
        ({"pretrained": "meta-llama/Llama-2-7b-hf", "peft": "out/mine/"}, "Llama-2-7b-hf", "mine"),
    ],
)
def test_the_arguments_tell_model_and_mix(tmp_path: Path, args: Any, model: str, mix: str) -> None:
    source, _ = of(log(tmp_path / "logs", args))
    assert (source.cell.model, source.cell.mix, source.cell.task, source.cell.language) == (model, mix, "xnli", "de")


def test_likelihoods_labels_and_the_tools_own_accuracy_are_read(tmp_path: Path) -> None:
    _, found = of(log(tmp_path, {"pretrained": "m"}))
    assert [one.item.id for one in found.answers] == ["1", "2", "3"]
    assert [one.item.references for one in found.answers] == [("contradiction",), ("neutral",), ("entailment",)]
    assert next(one.output.loglikelihoods for one in found.answers if one.output) == (-3.0, -2.0, -1.0)
    assert found.theirs == {"accuracy": pytest.approx(2 / 3)}


def test_samples_without_results_have_the_name_of_their_folder(tmp_path: Path) -> None:
    folder = log(tmp_path / "__root__models__my-model", {"pretrained": "m"})
    (folder / f"results_{DATE}.json").unlink()
    source, _ = of(folder)
    assert source.cell.model == "my-model"


def test_the_array_of_the_first_releases_is_read_too(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(results("pretrained=m")), encoding="utf-8")
    (folder / "pretrained__m_xnli_de.jsonl").write_text(json.dumps(SAMPLES, indent=2), encoding="utf-8")
    source, found = of(folder)
    assert (source.cell.model, len(found.answers)) == ("m", 3)


def test_broken_and_doubled_samples_are_told(tmp_path: Path) -> None:
    rows = [SAMPLES[0], "{\n", {**SAMPLES[1], "doc_id": "x"}, {**SAMPLES[1], "doc": {}, "target": None}, SAMPLES[0]]
    _, found = of(log(tmp_path, {"pretrained": "m"}, rows))
    assert len(found.answers) == 1
    assert len(found.problems) == 4


def test_results_alone_give_numbers_with_the_items_that_their_error_tells(tmp_path: Path) -> None:
    found = {
        "config": {"model": "hf-causal", "model_args": "pretrained=resources/models/llama_2_7b_hf_ml1_merged,dtype=float16"},
        "results": {
            "xnli_bg": {"acc": 0.430938123752495, "acc_stderr": 0.006996997006504654},
            "pawsx_de": {"acc": 0.643, "acc_stderr": 0.0107},
            "xnli_de": {"acc": "high"},
        },
        "versions": {"xnli_bg": 0},
    }  # fmt: skip
    (tmp_path / "llama_2_7b_hf_ml1_merged.json").write_text(json.dumps(found), encoding="utf-8")
    seen = survey([tmp_path])
    made = Tuned("Llama-2-7b-hf", "mono", (("en", 3200),))
    cell = Cell("Llama-2-7b-hf", "mono", 0, "xnli", "bg", "xx:xx", 0)
    assert seen.aggregates == [
        Aggregate(
            cell, made, "accuracy", 0.430938123752495, 5010, 0.006996997006504654, "llama_2_7b_hf_ml1_merged.json"
        )
    ]
    assert {problem.what for problem in seen.left} == {
        "xnli_de: holds no accuracy in [0, 1]", "numbers of tasks that are not ours (pawsx_de)",
    }  # fmt: skip


def test_samples_of_other_tasks_are_told_by_the_task(tmp_path: Path) -> None:
    (tmp_path / f"samples_hellaswag_{DATE}.jsonl").write_text("{}\n", encoding="utf-8")
    seen = survey([tmp_path])
    assert seen.left[0].what == "samples of the task 'hellaswag', which is none of xnli, xquad"


def test_xquad_is_read_with_its_question_and_its_answer(tmp_path: Path) -> None:
    row = {
        "doc_id": 4, "doc": {"id": "56be", "context": "Der Turm ist 308 m hoch.", "question": "Wie hoch ist der Turm?",
                             "answers": {"text": ["308 m"], "answer_start": [13]}},
        "target": "308 m", "arguments": {"gen_args_0": {"arg_0": "Kontext: ..."}}, "resps": [["308 m"]],
        "filtered_resps": ["308 m"], "exact_match": 1.0, "f1": 1.0,
    }  # fmt: skip
    folder = log(tmp_path, {"pretrained": "m"}, [row], f"samples_xquad_de_{DATE}")
    (source,) = survey([folder]).sources
    (one,) = harness.read(source).answers
    assert (source.cell.task, one.item.id, one.item.source) == ("xquad", "5", "Wie hoch ist der Turm?")
    assert one.item.references == ("308 m",)
    assert one.output is not None
    assert one.output.text == "308 m"
