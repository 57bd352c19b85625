from __future__ import annotations

import csv
import dataclasses
import io
from typing import Any

import pytest

from babeltune.report.results import Results
from babeltune.report.scorecard import canonical, csv_text, family, markdown, scorecard


def results(rows: list[dict[str, Any]], **more: Any) -> Results:
    empty = Results("mine", {}, (), (), (), (), {"label": {"identifier": "openlid"}}, {}, {}, {})
    return dataclasses.replace(empty, rows=tuple(rows), **more)


def row(
    value: float | None, mix: str = "mono", model: str = "Llama-2-7b-hf", half: float = 0.03, **more: Any
) -> dict[str, Any]:
    ends = (None, None) if value is None else (value - half, value + half)
    return {
        "model": model, "mix": mix, "task": "dialogue", "language": "de", "prompting": "xx:xx", "metric": "agreement",
        "value": value, "low": ends[0], "high": ends[1], "n": 805, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Llama-2-7b-hf", "llama-2-7b"), ("llama2-7b", "llama-2-7b"), ("meta-llama/Llama-2-7b-hf", "llama-2-7b"),
        ("llama_2_70b_hf", "llama-2-70b"), ("Meta-Llama-3-8B", "llama-3-8b"), ("Llama-3-8b", "llama-3-8b"),
        ("tiiuae/falcon-7b", "falcon-7b"), ("falcon_7b", "falcon-7b"), ("Llama-2-7b-chat-hf", None),
        ("falcon-7b-instruct", None), ("smollm2-135m", None), ("Llama-2-13b-hf", None), ("CodeLlama-7b", None),
    ],
)  # fmt: skip
def test_a_models_family_is_known_by_any_spelling(name: str, found: str | None) -> None:
    assert family(name) == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Mono", "mono"), ("ml1", "mono"), ("mt_ml1", "mono"), ("Multi-2", "multi-2"), ("multi 2", "multi-2"), ("ml2", "multi-2"),
        ("MT Multi-3", "twin-3"), ("twin-3", "twin-3"), ("mt_ml3", "twin-3"), ("MT Multi-3 N=50", "multi-3-n50"),
        ("mt_ml3_n50", "multi-3-n50"), ("multi-3-n50", "multi-3-n50"), ("Multi-Guanaco", "guanaco"), ("guanaco", "guanaco"),
        ("my mix", "my-mix"),
    ],
)  # fmt: skip
def test_a_mix_is_known_by_any_spelling(name: str, found: str) -> None:
    assert canonical(name) == found


def test_within_both_sampling_errors_it_agrees_and_beyond_it_differs() -> None:
    card = scorecard(results([row(0.45), row(0.45, half=0.005, mix="ml2"), row(0.88, "Multi-2", "llama2-7b")]))
    assert [(one.mix, one.verdict) for one in card.lines] == [
        ("mono", "agrees"),
        ("ml2", "differs"),
        ("Multi-2", "agrees"),
    ]
    first = card.lines[0]
    assert (first.published, first.seeds_published) == (pytest.approx(0.406), 3)
    theirs = (0.406 * 0.594 / 805) ** 0.5
    assert first.tolerance == pytest.approx(1.96 * ((0.03 / 1.96) ** 2 + theirs**2) ** 0.5 + 0.0005, abs=1e-5)
    assert "3 of 461" in card.summary
    assert "2 of 3 agree" in card.summary


def test_a_twin_is_known_by_what_it_holds() -> None:
    mixes = {"t": {"en": 3100, "es": 50, "ru": 50}, "u": {"en": 2800, "es": 200, "ru": 200}}
    card = scorecard(results([row(0.889, "t"), row(0.927, "u")], mixes=mixes, twins={"t": "mono", "u": "mono"}))
    assert [one.published for one in card.lines] == [0.889, 0.927]


def test_without_a_value_or_an_interval_nothing_is_judged() -> None:
    card = scorecard(results([row(None), {**row(0.4), "low": None, "high": None}]))
    assert [one.verdict for one in card.lines] == ["no interval"]
    assert "0 of 0" in card.summary


def test_a_study_of_another_model_has_no_counterpart() -> None:
    card = scorecard(results([row(0.4, model="smollm2-135m")]))
    assert not card.lines
    assert card.summary.startswith("None of the 461 published cells")


def test_what_keeps_the_two_apart_is_said() -> None:
    recipe = {"label": {"identifier": "lid176"}}
    card = scorecard(results([row(0.4, n=36)], recipe=recipe))
    assert "lid176" in card.notes[0]
    assert "805 prompts" in card.notes[1]
    assert scorecard(results([row(0.4)])).notes == ()


def test_the_files_have_every_line() -> None:
    card = scorecard(results([row(0.45), row(0.2, "multi-2")]))
    read = list(csv.DictReader(io.StringIO(csv_text(card))))
    assert [line["verdict"] for line in read] == ["agrees", "differs"]
    assert read[0]["source"].startswith(("data/", "process_main"))
    text = markdown(card)
    assert text.count("\n| dialogue |") == 2
    assert card.summary in text
