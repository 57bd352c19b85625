"""Stored results: all that a report shows, beside it, so that it can be drawn, compared and read without the study."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from babeltune.errors import StoreError
from babeltune.languages import Exposure
from babeltune.report.results import Curve, Judging, Results

RESULTS = "results.json"
ITEMS = "items.parquet"
_NESTED = ("references", "values", "notes", "unscored", "counts", "lines")
"""Fields of an item that are JSON in its column."""


def write(results: Results, folder: Path) -> None:
    """Write ``results.json`` and ``items.parquet``."""
    content = {
        one.name: getattr(results, one.name) for one in dataclasses.fields(results) if one.name not in ("items",)
    }
    text = json.dumps(content, ensure_ascii=False, default=dataclasses.asdict)
    (folder / RESULTS).write_text(text, encoding="utf-8", errors="surrogatepass")
    rows = [
        {name: json.dumps(value) if name in _NESTED else _utf8(value) for name, value in item.items()}
        for item in results.items
    ]
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(folder / ITEMS, compression="zstd")


def read(folder: Path) -> Results:
    """What ``write`` left in a report folder.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    for name in (RESULTS, ITEMS):
        if not (folder / name).is_file():
            fix = "Give a finished study, or make its report: babeltune report STUDY."
            raise StoreError(f"{folder}: has no {name}. {fix}")
    try:
        found: dict[str, Any] = json.loads((folder / RESULTS).read_text(encoding="utf-8", errors="surrogatepass"))
        items = pl.read_parquet(folder / ITEMS).to_dicts()
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise StoreError(f"{folder}: cannot be read ({error}). Make it again: babeltune report STUDY.") from error
    names = {one.name for one in dataclasses.fields(Results)}
    for name in ("rows", "verdicts", "claims", "shifts", "histogram", "splits", "corpora"):
        found[name] = tuple(found[name])
    found["items"] = tuple(_item(row) for row in items)
    found["curves"] = tuple(_curve(row) for row in found["curves"])
    found["judging"] = Judging(**found["judging"]) if found["judging"] else None
    found["exposure"] = {
        model: {code: Exposure(**seen) for code, seen in languages.items()}
        for model, languages in found["exposure"].items()
    }
    return Results(**{name: value for name, value in found.items() if name in names})


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: json.loads(value) if name in _NESTED else value for name, value in row.items() if value is not None}


def _curve(row: Mapping[str, Any]) -> Curve:
    losses = tuple((int(step), float(loss)) for step, loss in row["losses"])
    return Curve(**{**row, "losses": losses})


def _utf8(value: object) -> object:
    """Text without lone surrogates, which Parquet cannot hold: a question mark stands for each."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
