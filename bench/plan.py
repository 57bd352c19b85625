"""Planning: a finished study of 10,000 cells and 2 million scores is summed up, reported, run again and looked at.

No peer does this; the ratio is the goal over ours, the smallest of all: a summary and report in 60 s and 2 GiB, `run`
of what is finished in 2 s, `status` in 1 s, each from the start of the process on. The cells are laid out on disk as a
run leaves them; labels and mixes are really made, adapters and answers are not. `--cells 500` tries it on fewer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from babeltune.languages import PAPER_LANGUAGES
from babeltune.study import local
from babeltune.study.artefacts import SCORES
from babeltune.study.check import Opened, open_study
from babeltune.study.step import Step
from babeltune.study.store import RECORD

REPORT, RUN, STATUS = 60.0, 2.0, 1.0
"""Goals [s]."""
MEMORY = 2.0
"""Goal [GiB]."""
LANGUAGES = [*PAPER_LANGUAGES, "ca"]
MIXED = ("es", "ru", "de", "fr", "zh")
ITEMS = 200
"""Of a cell."""


def main() -> int:
    """Lay out the study, then time each command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=10_000)
    cells = parser.parse_args().cells
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        path = study(folder, seeds=max(1, cells // 2000))
        opened = open_study(path, folder / "runs")
        local.run(opened, lambda event: None, ("label", "mix", "proof"))
        agreed = lay_out(opened)
        there = len(opened.plan.of("score"))
        print(f"{there:,} cells, {len(opened.plan.steps):,} steps, {there * ITEMS:,} scores, ", end="")
        print(f"laid out in {time.perf_counter() - began:.0f} s")
        before = babeltune("status", path, folder)
        first = babeltune("run", path, folder)
        again = babeltune("run", path, folder)
        status = babeltune("status", path, folder)
        (summary,) = opened.plan.of("summary")
        rows = [json.loads(line) for line in (opened.store.path(summary) / "rows.jsonl").read_text().splitlines()]
        checks = {
            "two steps were to come": "2 steps to come" in before.said.replace("\n", " "),
            "the run says that it ran them": "steps in" in first.said,
            "the second has nothing to do": f"all {len(opened.plan.steps)} steps are done" in again.said,
            "the status says so": "All done." in status.said,
            "a row a cell and metric": len(rows) == 2 * len(agreed),
            "each with its own mean": all(
                abs(row["value"] - agreed[row["model"], row["mix"], row["language"]]) < 1e-9
                for row in rows
                if row["metric"] == "agreement"
            ),
            "there is a page": (folder / "runs" / "large" / "report" / "index.html").is_file(),
        }
    for what, holds in checks.items():
        if not holds:
            print(f"WRONG: not so: {what}")
    print(f"summary and report: {first} (goal {REPORT:.0f}), {first.gib:.2f} GiB (goal {MEMORY:.0f})")
    print(f"run again: {again} (goal {RUN:.0f}), {again.gib:.2f} GiB")
    print(f"status: {status} (goal {STATUS:.0f})")
    ratios = REPORT / first.seconds, MEMORY / first.gib, RUN / again.seconds, STATUS / status.seconds
    print(f"ratio {min(ratios):.2f}")
    return int(not all(checks.values()))


class Ran:
    """A command that has ended."""

    def __init__(self, verb: str, path: Path, folder: Path) -> None:
        command = [
            sys.executable,
            "-c",
            "from babeltune.cli import main; main()",
            verb,
            str(path),
            "--runs",
            str(folder / "runs"),
        ]
        with (folder / "said.txt").open("w+") as said:
            began = time.perf_counter()
            process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
            _, code, usage = os.wait4(process.pid, 0)
            self.seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(code)
            said.seek(0)
            self.said = said.read()
        self.gib = usage.ru_maxrss / 2**20
        """Peak memory of the process."""
        self.processor = usage.ru_utime + usage.ru_stime
        """Seconds of all cores."""
        if process.returncode:
            print(self.said)
            raise SystemExit(1)

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, {self.processor:.2f} s of processor"


babeltune = Ran


def study(folder: Path, seeds: int) -> Path:
    """The study file, its models and its items."""
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text("{}")
    (folder / "items").mkdir()
    for code in LANGUAGES:
        lines = [json.dumps({"id": f"p{at:03}", "prompt": prompt(code, at)}) for at in range(ITEMS)]
        (folder / "items" / f"{code}.jsonl").write_text("\n".join(lines) + "\n")
    # Five mixes of each number of languages, as of an ablation.
    mixes = {
        f"multi-{n}-n{each}": {"en": 150 - (n - 1) * each, **dict.fromkeys(MIXED[: n - 1], each)}
        for n in range(1, 6)
        for each in range(4, 9)
    }
    content = {
        "study": "large",
        "models": [{"id": str(folder / name), "pretraining": "llama2"} for name in ("one", "two")],
        "chats": "pocket",
        "mixes": mixes,
        "tasks": {"dialogue": {"languages": LANGUAGES, "items": str(folder / "items")}},
        "base": False,
        "tuning_seeds": [0, 1],
        "seeds": list(range(seeds)),
    }
    (folder / "large.yaml").write_text(json.dumps(content, indent=1))
    return folder / "large.yaml"


def prompt(code: str, at: int) -> str:
    """What an item asks."""
    return f"Question {at} in {code}: what is it good for, who has made it, and where may it be found today?"


def lay_out(opened: Opened) -> dict[tuple[str, str, str], float]:
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
            agrees = rng.random(ITEMS) < share
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


if __name__ == "__main__":
    sys.exit(main())
