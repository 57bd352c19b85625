"""Published values: what the paper's authors printed in their repository, each with the file that it is from.

Facts, typed in once (``published.csv``); no code or text of theirs. Language agreement is of 805 prompts and rounded to
three digits; a value that notebooks give as a mean of three seeds has them all in ``seed``. XNLI's accuracy is of 5,010
pairs, zero-shot, no chat format; its ``error`` is the standard error that lm-evaluation-harness printed. Helpfulness,
XQuAD, X-CSQA and SARI were not found as printed numbers. All mixes were tuned once.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

ROUNDED = 0.0005
"""Half of the last digit of language agreement."""
PAPER = "Kew, Schottmann and Sennrich 2024"
REPOSITORY = "ZurichNLP/multilingual-instruction-tuning"


@dataclass(frozen=True, slots=True)
class Value:
    """One published number."""

    task: str
    metric: str
    model: str
    """Its name on the hub; empty where the number is over all models."""
    mix: str
    language: str
    prompting: str
    seed: str
    """Sampling seeds that it is over, with spaces between; empty where nothing is sampled."""
    value: float
    error: float | None
    """Standard error, where it was printed."""
    n: int | None
    """Items."""
    detail: str
    source: str

    @property
    def seeds(self) -> int:
        """Sampling seeds that it is over; 1 where nothing is sampled."""
        return max(1, len(self.seed.split()))

    @property
    def cell(self) -> tuple[str, str, str, str, str, str]:
        """What it is of: model, mix, task, language, prompting, metric."""
        return self.model, self.mix, self.task, self.language, self.prompting, self.metric


@functools.cache
def values() -> tuple[Value, ...]:
    """All of them, in the order of the file."""
    text = resources.files("babeltune.report").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(
        Value(
            row["task"], row["metric"], row["model"], row["mix"], row["language"], row["prompting"], row["seed"],
            float(row["value"]), float(row["error"]) if row["error"] else None, int(row["n"]) if row["n"] else None,
            row["detail"], row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )  # fmt: skip


def by_cell() -> dict[tuple[str, str, str, str, str, str], tuple[Value, ...]]:
    """Values of models and mixes by what they are of: one a seed, or the mean over the seeds where that was printed."""
    found: dict[tuple[str, str, str, str, str, str], list[Value]] = {}
    for one in values():
        if one.model and one.mix:
            found.setdefault(one.cell, []).append(one)
    return {
        cell: tuple(mean) if (mean := [one for one in several if one.seeds > 1]) else tuple(several)
        for cell, several in found.items()
    }
