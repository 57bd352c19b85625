"""Results: all numbers and texts that a report shows, as they were read from score files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from babeltune.languages import Exposure

COLUMNS = (
    "model", "mix", "task", "language", "prompting", "metric", "value", "low", "high", "n", "unscored", "signature",
)  # fmt: skip
"""Columns of ``results.csv``."""


@dataclass(frozen=True, slots=True)
class Results:
    """One study's."""

    study: str
    mixes: Mapping[str, Mapping[str, int]]
    """Mix -> language -> chats, in the order of the study file."""
    rows: tuple[Mapping[str, Any], ...]
    """One a cell and metric (``measure.summary.Row``)."""
    verdicts: tuple[Mapping[str, Any], ...]
    """One a model (``measure.plateau.Verdict``)."""
    claims: tuple[Mapping[str, Any], ...]
    """The mixes' guarantees (``data.mixes.Claim``)."""
    items: tuple[Mapping[str, Any], ...]
    """One an output: cell, item, prompt, response, values, notes, unscored."""
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

    def table(self) -> pl.DataFrame:
        """The rows as ``results.csv`` has them."""
        schema = {"value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
        return pl.DataFrame([{name: row[name] for name in COLUMNS} for row in self.rows], schema_overrides=schema)

    def exposures(self) -> pl.DataFrame:
        """The rows as ``exposure.csv`` has them: model, language, share [%] and tier, a covariate for analysis."""
        rows = [
            {"model": model, "language": code, "share": seen.share, "tier": seen.tier}
            for model, languages in self.exposure.items()
            for code, seen in languages.items()
            if code in self.languages(model)
        ]
        return pl.DataFrame(rows, schema_overrides={"share": pl.Float64})

    def of(self, model: str, metric: str) -> dict[tuple[str, str], Mapping[str, Any]]:
        """(mix, language) -> row."""
        return {
            (row["mix"], row["language"]): row for row in self.rows if row["model"] == model and row["metric"] == metric
        }

    def models(self) -> list[str]:
        """Names of the models, in order."""
        return list(dict.fromkeys(row["model"] for row in self.rows))

    def mix_names(self, model: str) -> list[str]:
        """Mixes that the model was evaluated under, ``base`` first, then in the order of the study file."""
        there = {row["mix"] for row in self.rows if row["model"] == model}
        return [name for name in ("base", *self.mixes) if name in there]

    def languages(self, model: str) -> list[str]:
        """Languages evaluated, in the order of the study file."""
        return list(dict.fromkeys(row["language"] for row in self.rows if row["model"] == model))
