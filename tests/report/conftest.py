"""A study's results, written by hand: two mixes and the base model, three languages, one cell unscored."""

from __future__ import annotations

from typing import Any

import pytest

from babeltune.report.results import Results

NUMBERS: dict[tuple[str, str], tuple[float | None, float | None, float | None, int]] = {
    # (mix, language): value, low, high, unscored
    ("base", "en"): (0.5, 0.25, 0.75, 0),
    ("base", "es"): (0.25, 0.0, 0.5, 0),
    ("base", "de"): (None, None, None, 4),
    ("mono", "en"): (1.0, 0.51, 1.0, 0),
    ("mono", "es"): (0.0, 0.0, 0.49, 0),
    ("mono", "de"): (0.25, 0.0, 0.75, 1),
    ("multi-2", "en"): (1.0, 0.51, 1.0, 0),
    ("multi-2", "es"): (0.75, 0.25, 1.0, 0),
    ("multi-2", "de"): (0.5, 0.25, 1.0, 0),
}


def rows(model: str) -> list[dict[str, Any]]:
    return [
        {
            "model": model, "mix": mix, "task": "dialogue", "language": language, "prompting": "xx:xx", "metric": metric,
            "value": value, "low": low, "high": high, "n": 0 if value is None else 4, "unscored": unscored,
            "signature": "lid:lid176|version:0", "worst": 0.0, "best": 1.0,
            "reasons": {"response not identified: empty": unscored} if unscored else {},
        }
        for (mix, language), (value, low, high, unscored) in NUMBERS.items()
        for metric in ("agreement", "agreement-nominal")
    ]  # fmt: skip


def contrast(value: float) -> dict[str, Any]:
    interval = {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 4}
    return {"first": "multi-2", "second": "mono", "interval": interval}


def item(mix: str, name: str, response: str, agrees: float | None) -> dict[str, Any]:
    return {
        "model": "tiny", "mix": mix, "tuning_seed": 0, "task": "dialogue", "language": "de", "prompting": "xx:xx",
        "seed": 0, "item": name, "subject": "Was ist Brot?", "prompt": "Was ist Brot?", "references": [],
        "response": response,
        "values": {} if agrees is None else {"agreement": agrees},
        "notes": {"prompt": "de", "response": "de", "probability": "0.990"}, "finish": "eos",
        "unscored": {"agreement": "empty"} if agrees is None else {},
    }  # fmt: skip


@pytest.fixture
def results() -> Results:
    unseen = {"value": 0.5, "low": 0.25, "high": 1.0, "n": 4}
    return Results(
        study="hand",
        mixes={"mono": {"en": 12}, "multi-2": {"en": 8, "es": 4}},
        rows=tuple(rows("tiny")),
        verdicts=(
            {
                "model": "tiny", "task": "dialogue", "prompting": "xx:xx", "metric": "agreement", "unseen": ["de"], "languages": {"mono": 1, "multi-2": 2},
                "in_kind": {"mono": [], "multi-2": []}, "averages": {"mono": {**unseen, "value": 0.25}, "multi-2": unseen},
                "contrasts": [contrast(0.25)], "necessary": "shown", "sufficient": None, "english": contrast(0.0),
                "sentence": "tiny answers 0 of 1 unseen language in kind.",
            },
        ),
        claims=({"name": "nested", "holds": True, "detail": "mono holds the English of multi-2"},),
        items=(
            item("mono", "p1", "Bread is food.", 0.0),
            item("multi-2", "p1", "Brot ist Nahrung.", 1.0),
            item("mono", "p2", "", None),
        ),
        recipe={"study": "hand", "verdict": {"margin": 0.1, "in_kind": 0.8}, "chats": "pocket"},
        labelled={"counts": {"en": 12, "es": 4}, "dropped": {"confidence below 0.8": 2}},
        left_out={"tiny-mono-t0": 2, "tiny-multi-2-t0": 0},
        hashes={"mix:mono": "0a1b2c3d"},
    )  # fmt: skip
