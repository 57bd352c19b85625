from __future__ import annotations

from collections import Counter

import pytest

from babeltune.languages import LANGUAGES
from babeltune.report.published import by_cell, values
from babeltune.study.importing.names import makeup
from babeltune.study.importing.published import load


def test_every_value_has_a_source_and_a_place() -> None:
    found = values()
    assert len(found) > 500
    for one in found:
        assert one.source.startswith(("data/", "process_main_results.ipynb", "analyses/")), one
        assert one.language in LANGUAGES or not one.language, one
        if one.metric in ("agreement", "agreement-nominal", "accuracy"):
            assert 0 <= one.value <= 1, one
            makeup(one.model, one.mix)
    assert Counter((one.task, one.metric) for one in found)["xnli", "accuracy"] == 246


@pytest.mark.parametrize(
    ("mix", "language", "value"),
    [("mono", "en", 0.938333), ("guanaco", "en", 0.941333), ("mono", "bg", 0.232), ("guanaco", "is", 0.934667), ("mono", "hi", 0.206),
     ("multi-2", "el", 0.703), ("multi-3", "ru", 0.933), ("multi-3-n50", "de", 0.889)],
)  # fmt: skip
def test_values_are_those_of_the_authors_files(mix: str, language: str, value: float) -> None:
    several = by_cell()["Llama-2-7b-hf", mix, "dialogue", language, "xx:xx", "agreement"]
    assert sum(one.value for one in several) / len(several) == pytest.approx(value, abs=0.0005)


def test_a_printed_mean_of_three_seeds_stands_for_them() -> None:
    (one,) = by_cell()["Llama-2-7b-hf", "mono", "dialogue", "bg", "xx:xx", "agreement"]
    assert one.seeds == 3


def test_the_published_values_are_results_with_the_papers_answer() -> None:
    results = load()
    assert results.models()[0] == "Llama-2-7b-hf"
    assert not results.items
    first = results.headlines[0]
    assert (first["model"], first["necessary"], first["sufficient"]) == ("Llama-2-7b-hf", "shown", 3)
    assert first["unseen"] == ("sv", "no", "bg", "el", "hi", "is")
    assert set(first["languages"]) == {"mono", "multi-2", "multi-3", "multi-4", "multi-5", "multi-6"}
    assert first["sentence"].endswith("(From published averages: unpaired, and of one tuning run each.)")
    for row in results.rows:
        assert row["low"] <= row["value"] <= row["high"]
        assert "ci:95%-" in row["signature"]


def test_xnli_does_not_move() -> None:
    found = {one["model"]: one for one in load().verdicts if one["task"] == "xnli"}
    assert {one["necessary"] for one in found.values()} == {"refuted"}
