"""A large study, laid out on disk as a run leaves it: adapters and answers are not made, their records are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from babeltune.languages import PAPER_LANGUAGES
from babeltune.study.artefacts import SCORES
from babeltune.study.check import Opened
from babeltune.study.step import Step
from babeltune.study.store import RECORD

LANGUAGES = [*PAPER_LANGUAGES, "ca"]
MIXED = ("es", "ru", "de", "fr", "zh")


def study(folder: Path, cells: int, items: int) -> Path:
    """The study file, its models and its items, so many of a cell; of about so many cells, 2,000 of a sampling seed."""
    seeds = max(1, round(cells / 2000))
    pairs = cells / (4 * seeds)  # of a mix and a language, for each model and tuning seed
    languages = LANGUAGES[: min(len(LANGUAGES), max(5, round(pairs / 25)))]
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text("{}")
    (folder / "items").mkdir()
    for code in languages:
        lines = [json.dumps({"id": f"p{at:03}", "prompt": prompt(code, at)}) for at in range(items)]
        (folder / "items" / f"{code}.jsonl").write_text("\n".join(lines) + "\n")
    # Five mixes of each number of languages, as of an ablation.
    mixes = {
        f"multi-{n}-n{each}": {"en": 150 - (n - 1) * each, **dict.fromkeys(MIXED[: n - 1], each)}
        for n in range(1, 6)
        for each in range(4, 9)
    }
    mixes = dict(list(mixes.items())[: round(pairs / len(languages))])
    content = {
        "study": "large",
        "models": [{"id": str(folder / name), "pretraining": "llama2"} for name in ("one", "two")],
        "chats": "pocket",
        "mixes": mixes,
        "tasks": {"dialogue": {"languages": languages, "items": str(folder / "items")}},
        "base": False,
        "tuning_seeds": [0, 1],
        "seeds": list(range(seeds)),
    }
    (folder / "large.yaml").write_text(json.dumps(content, indent=1))
    return folder / "large.yaml"


def prompt(code: str, at: int) -> str:
    """What an item asks."""
    return f"Question {at} in {code}: what is it good for, who has made it, and where may it be found today?"


def lay_out(opened: Opened, items: int) -> dict[tuple[str, str, str], float]:
    """Folders and files of all that a run makes before its summary: (model, mix, language) -> mean agreement."""
    rng = np.random.default_rng(0)
    done = opened.store.done(opened.plan.steps)
    sums: dict[tuple[str, str, str], list[float]] = {}
    said = "An answer that takes its time and says a little of everything before it comes to an end. " * 5
    losses = "".join(json.dumps({"step": at, "loss": 2.0 - at / 100}) + "\n" for at in range(1, 101))
    for step in opened.plan.steps:
        if step.key in done or step.kind in ("summary", "report"):
            continue
        path = opened.store.path(step)
        path.mkdir(parents=True)
        facts = {}
        if step.kind == "tune":
            facts = {"left_out": 0, "tokens": 10_000}
            (path / "losses.jsonl").write_text(losses)
        if step.kind == "score":
            assert step.cell is not None
            languages = step.cell.mix.split("-")[1]
            share = (0.3 if languages == "1" else 0.9) + rng.normal(0, 0.02)
            agrees = rng.random(items) < share
            key = step.cell.model, step.cell.mix, step.cell.language
            sums.setdefault(key, []).append(float(agrees.mean()))
            (path / SCORES).write_bytes(b"".join(lines(step, agrees, said)))
        record(step, path, facts)
    return {key: sum(means) / len(means) for key, means in sums.items()}


def lines(step: Step, agrees: Sequence[bool], said: str) -> list[bytes]:
    """A score file's."""
    assert step.cell is not None
    found = []
    for at, agreed in enumerate(agrees):
        value = 1.0 if agreed else 0.0
        text = prompt(step.cell.language, at)
        found.append(
            f'{{"item": "p{at:03}", "values": {{"agreement": {value}, "agreement-nominal": {value}}}, "notes": {{"prompt": '
            f'"{step.cell.language}", "response": "{step.cell.language if agreed else "en"}", "probability": "0.990"}}, '
            f'"unscored": {{}}, "counts": [], "subject": "{text}", "prompt": "{text}", "references": [], '
            f'"response": "{said}", "finish": "eos"}}\n'.encode()
        )
    return found


def record(step: Step, path: Path, facts: dict[str, object]) -> None:
    """What tells that a step is done."""
    content = {"kind": step.kind, "name": step.name, "fingerprint": step.fingerprint, "facts": facts}
    (path / RECORD).write_text(json.dumps(content))
