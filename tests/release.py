"""A miniature of the authors' release: their names of folders and files and their fields, the bundled texts of this project.

Layouts as in ZurichNLP/multilingual-instruction-tuning: ``data/alpaca_eval_outputs``, ``data/xquad_outputs``,
``data/xcsqa_outputs``, ``resources/outputs/multisim``, ``data/llm_evals/likert/JUDGE`` and ``data/lm_eval_harness``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from babeltune.data.sources import POCKET
from babeltune.languages import LANGUAGES

JUDGE = "gpt-3.5-turbo-1106"
Rate = Callable[[str, str], float]
"""Folder of a model, language -> share of answers in the language."""


def prompts(code: str) -> list[str]:
    """The bundled prompts of a language."""
    lines = (POCKET / "dialogue" / f"{code}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["prompt"] for line in lines]


def lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def chat_row(prompt: str, response: str, code: str, said: str) -> dict[str, Any]:
    """A row of dialogue, in quotes as machine translation left them."""
    return {
        "prompt": f'### Human: "{prompt}"### Assistant:', "system": response, "finish_reason": "stop",
        "source": f'"{prompt}"', "secs": 1.25, "source_lang": LANGUAGES[code].openlid,
        "system_lang": LANGUAGES[said].openlid,
    }  # fmt: skip


def dialogue(
    root: Path, folder: str, code: str, seed: int, rate: Rate, *, judged: int = 0, batch: int = 8, quirk: bool = True
) -> Path:
    """Outputs of one language and seed with their .json and .eval, and the judge's scores of some; the outputs' path."""
    draw = random.Random(f"{folder} {code} {seed}")
    asked, other = prompts(code), prompts("en")
    rows = []
    for at, prompt in enumerate(asked):
        said = code if draw.random() < rate(folder, code) else "en"
        text = (asked if said == code else other)[(at + 7) % len(asked)]
        rows.append(chat_row(prompt, f"{text} {seed}", code, said))
    stem = f"alpaca_eval_instructions_{code}-none-guanaco_prompt-s{seed}-k50-p0.9-t0.8-b{batch}"
    path = root / "data" / "alpaca_eval_outputs" / folder / f"{stem}.jsonl"
    lines(path, rows)
    match = sum(row["source_lang"] == row["system_lang"] for row in rows) / len(rows)
    target = 0.0 if quirk and code in ("no", "da") else match
    agreement(path.with_suffix(".eval"), match, target, len(rows))
    arguments = {
        "seed": seed,
        "temperature": 0.8,
        "top_p": 0.9,
        "top_k": 50,
        "frequency_penalty": 0.2,
        "batch_size": batch,
    }
    path.with_suffix(".json").write_text(json.dumps(arguments, indent=4), encoding="utf-8")
    if judged:
        chosen = random.Random(42).sample(range(len(rows)), judged)
        likert(root, folder, stem, [judge_row(rows[at], at, 1 + (at + seed) % 6) for at in chosen])
    return path


def agreement(path: Path, match: float, target: float, n: int) -> None:
    """An .eval file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    where = f"data/alpaca_eval_outputs/{path.parent.name}/{path.stem}.jsonl"
    text = f"lang_match,tgt_lang,ppl,ppl_model,n,file\n{round(match, 3)},{round(target, 3)},,,{n},{where}\n"
    path.write_text(text, encoding="utf-8")


def judge_row(row: Mapping[str, Any], at: int, score: object) -> dict[str, Any]:
    """A judged row; ``at`` counts from 0."""
    meta = {
        "system_fingerprint": "fp_x",
        "prompt_tokens": 600,
        "completion_tokens": 90,
        "cost": 0.0008,
        "model_name": JUDGE,
    }
    return {**row, "id": at, "eval_reasoning": f"It is as helpful as {score}.", "eval_score": score, "eval_meta": meta}


def likert(
    root: Path,
    folder: str,
    stem: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    judge: str = JUDGE,
    read: str = "source-system",
) -> Path:
    """A judge's file."""
    path = root / "data" / "llm_evals" / "likert" / judge / folder / f"{stem}-l{len(rows)}-ds42-as42-{read}.jsonl"
    lines(path, rows)
    return path


def asked_of(passage: str, question: str, code: str) -> str:
    """An XQuAD prompt of the authors' shape: paragraphs of instruction, heading, passage, heading, question, note."""
    return (
        f"### Human: Answer from the passage.\n\nPassage:\n\n{passage}\n\nQuestion:\n\n{question}\n\nNote: Be brief.### "
        'Assistant: The answer is "'
    )


def xquad(root: Path, folder: str, name: str, seed: int, rows: Sequence[tuple[str, str, str, str]]) -> Path:
    """Outputs of XQuAD: passage, question, reference, response."""
    stem = f"xquad_dev_{name}-none-blank-s{seed}-k50-p0.9-t0.001-b128"
    path = root / "data" / "xquad_outputs" / folder / f"{stem}.jsonl"
    lines(path, [
        {"prompt": (asked := asked_of(passage, question, name)), "system": response, "finish_reason": "stop",
         "source": asked, "secs": 0.1, "reference": reference}
        for passage, question, reference, response in rows
    ])  # fmt: skip
    return path


def xcsqa(root: Path, folder: str, name: str, seed: int, rows: Sequence[tuple[str, str, str]]) -> Path:
    """Outputs of X-CSQA: question, right letter, response; the choices are A to E."""
    stem = f"xcsqa_dev_{name}-none-blank-s{seed}-k50-p0.9-t0.001-b128"
    path = root / "data" / "xcsqa_outputs" / folder / f"{stem}.jsonl"
    lines(path, [
        {"prompt": (asked := f"### Human: Choose.\n\nQuestion:\n\n{question}\n\nChoices:\n\nA: one\nB: two\nC: three\nD: four\nE: five \n\n### Assistant: \""),
         "system": response, "finish_reason": "stop", "source": asked, "secs": 0.1, "reference": [key, "text"]}
        for question, key, response in rows
    ])  # fmt: skip
    return path


def simplification(root: Path, folder: str, name: str, seed: int, rows: Sequence[tuple[str, list[str], str]]) -> Path:
    """Outputs of simplification: sentence, references, response."""
    stem = f"{name}-none-blank-s{seed}-k50-p0.9-t0.8-b128"
    path = root / "resources" / "outputs" / "multisim" / folder / f"{stem}.jsonl"
    lines(path, [
        {"prompt": (asked := f"### Human: Make it simple.\nComplex sentence: {sentence}\n\n### Assistant: "), "system": response,
         "finish_reason": "stop", "source": asked, "secs": 0.1, "reference": references, "orig_source": sentence}
        for sentence, references, response in rows
    ])  # fmt: skip
    return path


def harness_03(root: Path, model: str, accuracies: Mapping[str, tuple[float, float]]) -> Path:
    """A file of results of lm-evaluation-harness 0.3."""
    path = root / "data" / "lm_eval_harness" / f"{model}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    results = {f"xnli_{code}": {"acc": acc, "acc_stderr": error} for code, (acc, error) in accuracies.items()}
    found = {
        "config": {"model": "hf-causal", "model_args": f"pretrained=resources/models/{model},dtype=float16", "num_fewshot": 0},
        "results": {"pawsx_de": {"acc": 0.64, "acc_stderr": 0.01}, **results},
        "versions": dict.fromkeys(results, 0),
        "time_taken": 1.0,
    }  # fmt: skip
    path.write_text(json.dumps(found, indent=2), encoding="utf-8")
    return path


SHARES = {"llama_2_7b_hf_ml1_merged": 0.3, "llama_2_7b_hf_ml2_merged": 0.8, "llama_2_7b_hf_ml3_merged": 0.95}


def shares(folder: str, code: str) -> float:
    """Much as in the paper: poor after one language, well after two and three."""
    return 0.97 if code == "en" else SHARES.get(folder, 0.9)


def whole(
    root: Path, codes: Sequence[str] = ("en", "de", "el"), seeds: Sequence[int] = (0, 42), judged: int = 12
) -> Path:
    """All kinds of files for three mixes; the folder."""
    for folder in SHARES:
        for code in codes:
            for seed in seeds:
                dialogue(root, folder, code, seed, shares, judged=judged)
        passages = [
            (f"The tower is {n} m high.", f"How high is tower {n}?", f"{n} m", f'{n} m".' if n % 3 else 'high".')
            for n in range(1, 13)
        ]
        xquad(root, folder, "de_de", 0, passages)
        xquad(root, folder, "en_de", 0, passages)
        xcsqa(root, folder, "de_de", 0, [(f"Frage {n}?", "ABCDE"[n % 5], f'{"ABCDE"[n % 4]}"') for n in range(12)])
        built = [(f"Der Bau der Brücke {n} wurde abgeschlossen.", f"Brücke {n} ist fertig.") for n in range(12)]
        simplification(root, folder, "de_de", 0, [(long, [short], f"{short}\nMehr.") for long, short in built])
        harness_03(root, folder, {"de": (0.47, 0.00705), "en": (0.57, 0.00699)})
    return root
