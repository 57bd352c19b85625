"""Results: all numbers and texts that a report shows, as they were read from score files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from babeltune.languages import LANGUAGES, Exposure

if TYPE_CHECKING:
    import polars as pl

COLUMNS = (
    "model", "mix", "task", "language", "prompting", "metric", "value", "low", "high", "n", "unscored", "signature",
)  # fmt: skip
"""Columns of ``results.csv``."""
AGREEMENT = "agreement"
"""The metric that the verdict is about."""


@dataclass(frozen=True, slots=True)
class Board:
    """A table of results: one task under one prompting and one metric."""

    task: str
    prompting: str
    metric: str

    @property
    def heading(self) -> str:
        """What the table is of, in words."""
        return f"{TITLES.get(self.task, self.task)}, {METRICS.get(self.metric, self.metric)}{self._prompted}"

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is of this table."""
        return bool(row["metric"] == self.metric and row["task"] == self.task and row["prompting"] == self.prompting)

    @property
    def _prompted(self) -> str:
        return ", English instructions (en:xx)" if self.prompting == "en:xx" else ""


TITLES = {
    "dialogue": "dialogue",
    "simplification": "sentence simplification",
    "xquad": "XQuAD",
    "xcsqa": "X-CSQA",
    "xnli": "XNLI",
}
METRICS = {
    "helpfulness": "helpfulness, judged; 1 where the answer is in another language",
    "helpfulness-prompt-lid": "helpfulness, judged; 1 where the answer's language is not the one identified in the prompt",
    "helpfulness-raw": "helpfulness as the judge has it",
    "helpfulness-translated": "helpfulness, judged in English translation",
    "helpfulness-prompt-lid-translated": "helpfulness, judged in English translation, by the prompt's identified language",
    "helpfulness-raw-translated": "helpfulness as the judge has it of the English translation",
    "agreement": "input/output language agreement",
    "agreement-nominal": "language agreement with the item's known language",
    "line-pass": "responses all of whose lines are in the language",
    "word-pass": "of these, responses without an English word",
    "sari-weighted": "SARI weighted by language agreement",
    "sari": "SARI (mean of sentences)",
    "sari-corpus-weighted": "corpus SARI weighted by language agreement",
    "sari-corpus": "corpus SARI",
    "xquad-paper": "answers that begin with the reference",
    "xquad-code": "references in the first 50 characters (authors' code)",
    "exact-match": "exact match",
    "token-f1": "token F1",
    "xcsqa-first": "right letter, first character",
    "xcsqa-any": "right letter, anywhere",
    "accuracy": "accuracy by summed log-likelihood",
    "accuracy-per-token": "accuracy by log-likelihood per token",
}
"""Metric -> what it is, in words."""


def called(code: str) -> str:
    """English name of a language; the code itself of one that is not in the table."""
    return LANGUAGES[code].name if code in LANGUAGES else code


_ENDS = 10
"""Updates at either end of a tuning over which its first and last loss are averaged."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The training loss of one adapter."""

    model: str
    mix: str
    tuning_seed: int
    losses: tuple[tuple[int, float], ...]
    """Update, counted from 1, and the mean loss of its batch [nats per token]."""
    tokens: int
    """Real tokens of the whole tuning, padding not counted."""

    def binned(self, most: int) -> list[tuple[tuple[int, float], ...]]:
        """The losses, neighbours together, in so many parts at most."""
        width = math.ceil(len(self.losses) / most)
        return [self.losses[start : start + width] for start in range(0, len(self.losses), width)]

    @property
    def updates(self) -> int:
        """Number of updates."""
        return self.losses[-1][0]

    @property
    def ends(self) -> tuple[float, float]:
        """Mean loss of the first ten and of the last ten updates; of each half where there are fewer than twenty."""
        losses = [loss for _, loss in self.losses]
        count = max(1, min(_ENDS, len(losses) // 2))
        return sum(losses[:count]) / count, sum(losses[-count:]) / count


@dataclass(frozen=True, slots=True)
class Judging:
    """What a judge was asked."""

    model: str
    answers: int
    """In its sample, over all cells and readings."""
    skipped: int
    """Of these, in another language by both rules: a 1 without asking."""
    failed: int
    """Without a reply."""
    unsent: int
    """Not asked, as the spending cap was reached."""

    @property
    def stopped(self) -> str:
        """What the reader must know where not all was judged; empty where it was."""
        if not self.unsent and not self.failed:
            return ""
        said = [f"{self.failed:,} had no reply"] if self.failed else []
        if self.unsent:
            said.append(f"{self.unsent:,} were not asked, as the spending cap was reached")
        some = (
            " Items were asked in a random order, all answers to an item together: what was judged is an unbiased sample."
            if self.unsent
            else ""
        )
        return f"Of {self.answers:,} answers to be judged by {self.model}, {' and '.join(said)}.{some}"


@dataclass(frozen=True, slots=True)
class Results:
    """One study's."""

    study: str
    mixes: Mapping[str, Mapping[str, int]]
    """Mix -> language -> chats, in the order of the study file."""
    rows: tuple[Mapping[str, Any], ...]
    """One a cell and metric (``measure.summary.Row``)."""
    verdicts: tuple[Mapping[str, Any], ...]
    """One a model and table that allows one (``measure.verdict.verdict.Verdict``)."""
    claims: tuple[Mapping[str, Any], ...]
    """The mixes' guarantees (``data.mixes.Claim``)."""
    items: tuple[Mapping[str, Any], ...]
    """One an output that is shown: cell, item, subject, prompt, references, response, values, notes, unscored. Of an
    item either all outputs are shown or none."""
    recipe: Mapping[str, Any]
    """The study file with all defaults filled in."""
    labelled: Mapping[str, Any]
    """Usable chats per language, and why others were dropped."""
    left_out: Mapping[str, int]
    """Adapter -> chats of its mix that were cut before their answer."""
    hashes: Mapping[str, str]
    """Step -> fingerprint."""
    exposure: Mapping[str, Mapping[str, Exposure]] = field(default_factory=dict)
    """Model -> language -> what it saw in pretraining, where the study says what that was."""
    curves: tuple[Curve, ...] = ()
    """One an adapter whose losses are kept, in the order of the study file."""
    judging: Judging | None = None
    """Of a study with a judge."""
    shifts: tuple[Mapping[str, Any], ...] = ()
    """One a model and language that were judged directly and translated (``measure.judge.shift.Shift``)."""
    twins: Mapping[str, str] = field(default_factory=dict)
    """Mix of translated chats -> the mix whose chats were translated."""
    histogram: tuple[Mapping[str, Any], ...] = ()
    """How often the judge gave each score: model, mix, language, reading (``direct``, ``translated``), score, count."""
    splits: tuple[Mapping[str, Any], ...] = ()
    """One a model, task, prompting and metric: where the variance comes from (``measure.statistics.variance.Split``)."""
    corpora: tuple[Mapping[str, Any], ...] = ()
    """What simplification was asked about: language, corpus, available (sentences), sampled."""
    items_left_out: int = 0
    """Outputs that are not among ``items``, as there are too many for a page; all are in the score files."""

    @property
    def headlines(self) -> tuple[Mapping[str, Any], ...]:
        """The verdict of each model on the table that its verdict is about."""
        judged = {model: self.judged(model) for model in dict.fromkeys(one["model"] for one in self.verdicts)}
        return tuple(
            one for one in self.verdicts if Board(one["task"], one["prompting"], one["metric"]) == judged[one["model"]]
        )

    @property
    def judging_stopped(self) -> str:
        """What the judge lacks, in words; empty where it lacks nothing, or there is none."""
        return self.judging.stopped if self.judging else ""

    def table(self) -> pl.DataFrame:
        """The rows as ``results.csv`` has them."""
        import polars as pl  # here: a command that draws nothing has no use for it

        schema = {"value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
        return pl.DataFrame([{name: row[name] for name in COLUMNS} for row in self.rows], schema_overrides=schema)

    def exposures(self) -> pl.DataFrame:
        """The rows as ``exposure.csv`` has them: model, language, share [%] and tier, a covariate for analysis."""
        import polars as pl

        rows = [
            {"model": model, "language": code, "share": seen.share, "tier": seen.tier}
            for model, languages in self.exposure.items()
            for code, seen in languages.items()
            if code in self.languages(model)
        ]
        return pl.DataFrame(rows, schema_overrides={"share": pl.Float64})

    def of(self, model: str, board: Board) -> dict[tuple[str, str], Mapping[str, Any]]:
        """(mix, language) -> row."""
        return {(row["mix"], row["language"]): row for row in self.rows if row["model"] == model and board.holds(row)}

    def boards(self, model: str) -> list[Board]:
        """All that the model was scored by, task after task, a task's main metric first."""
        found = dict.fromkeys(
            (row["task"], row["prompting"], row["metric"]) for row in self.rows if row["model"] == model
        )
        return [Board(*one) for one in found]

    def main_boards(self, model: str) -> list[Board]:
        """The main metric of each task and prompting, and the one that the verdict is about."""
        found: dict[tuple[str, str], Board] = {}
        for board in self.boards(model):
            found.setdefault((board.task, board.prompting), board)
        judged = self.judged(model)
        return [one for board in found.values() for one in dict.fromkeys((board, *_with(judged, board)))]

    def judged(self, model: str) -> Board | None:
        """The table that the verdict is about: language agreement, of dialogue if it was asked."""
        found = [board for board in self.boards(model) if board.metric == AGREEMENT and board.prompting == "xx:xx"]
        return found[0] if found else None

    def models(self) -> list[str]:
        """Names of the models, in order."""
        return list(dict.fromkeys(row["model"] for row in self.rows))

    def mix_names(self, model: str) -> list[str]:
        """Mixes that the model was evaluated under, ``base`` first, then in the order of the study file."""
        there = {row["mix"] for row in self.rows if row["model"] == model}
        return [name for name in ("base", *self.mixes) if name in there]

    def languages(self, model: str, board: Board | None = None) -> list[str]:
        """Languages evaluated, or those of a table, in the order of the study file."""
        return list(
            dict.fromkeys(
                row["language"] for row in self.rows if row["model"] == model and (board is None or board.holds(row))
            )
        )


def _with(judged: Board | None, board: Board) -> tuple[Board, ...]:
    """The table of the verdict, behind the main one of its task and prompting."""
    return (judged,) if judged and (judged.task, judged.prompting) == (board.task, board.prompting) else ()
