"""Stored results: all that a report shows, beside it, so that it can be drawn, compared and read without the study."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from babeltune.errors import StoreError
from babeltune.languages import LANGUAGES, Exposure
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
        return _results(
            json.loads((folder / RESULTS).read_text(encoding="utf-8", errors="surrogatepass")),
            pl.read_parquet(folder / ITEMS).to_dicts(),
        )
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
        pl.exceptions.PolarsError,
    ) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)[:200]
        raise StoreError(f"{folder}: cannot be read ({why}). Make it again: babeltune report STUDY.") from error


def _results(found: Any, items: Sequence[Mapping[str, Any]]) -> Results:
    """Results from what the files hold, which may be anything: they may be a stranger's."""
    names = {one.name for one in dataclasses.fields(Results)}
    for name in ("rows", "verdicts", "claims", "shifts", "histogram", "splits", "corpora"):
        found[name] = tuple(found[name])
    found["items"] = tuple(
        {name: json.loads(value) if name in _NESTED else value for name, value in row.items() if value is not None}
        for row in items
    )
    _check("the report", found, _WHOLE)
    for one in found["mixes"].values():
        _check("a mix", {"counts": one}, {"counts": dict})
    for kind, fields in _FIELDS.items():
        for row in found[kind]:
            _check(kind, row, fields)
    for row in (*found["rows"], *found["items"]):
        if row["language"] not in LANGUAGES:
            raise ValueError(f"'{row['language']}' is no language of the table")
    found["curves"] = tuple(_curve(row) for row in found["curves"])
    found["judging"] = Judging(**found["judging"]) if found["judging"] else None
    found["exposure"] = {
        model: {code: Exposure(**seen) for code, seen in languages.items()}
        for model, languages in found["exposure"].items()
    }
    return Results(**{name: value for name, value in found.items() if name in names})


def _check(what: str, holder: Mapping[str, Any], fields: Mapping[str, type | tuple[type, ...]]) -> None:
    for name, kind in fields.items():
        if not isinstance(holder[name], kind):
            raise ValueError(f"{name} of {what} is a {type(holder[name]).__name__}")


_WHOLE: Mapping[str, type] = {
    "study": str,
    **dict.fromkeys(("mixes", "recipe", "labelled", "left_out", "hashes", "exposure", "twins"), dict),
}
_CELL = dict.fromkeys(("model", "mix", "task", "language", "prompting"), str)
_NUMBER = (int, float, type(None))
_FIELDS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "rows": {
        **_CELL, "metric": str, "signature": str, "n": int, "unscored": int, "reasons": dict,
        **dict.fromkeys(("value", "low", "high"), _NUMBER),
    },
    "items": {
        **_CELL, **dict.fromkeys(("item", "subject", "prompt", "response"), str), "seed": int, "tuning_seed": int,
        "references": list, **dict.fromkeys(("values", "notes", "unscored"), dict),
    },
    "verdicts": {**dict.fromkeys(("model", "task", "prompting", "metric", "sentence"), str), "averages": dict},
}  # fmt: skip
"""What a record of each kind has without fail, and of what type."""


def _curve(row: Mapping[str, Any]) -> Curve:
    losses = tuple((int(step), float(loss)) for step, loss in row["losses"])
    return Curve(**{**row, "losses": losses})


def _utf8(value: object) -> object:
    """Text without lone surrogates, which Parquet cannot hold: a question mark stands for each."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
