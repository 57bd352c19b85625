from __future__ import annotations

from typing import Any

import pytest

import worlds
from babeltune.report.page.findings import by_language, shown_interval, split_of, verdict_of
from babeltune.report.results import Results


@pytest.fixture(scope="module")
def study() -> Results:
    return worlds.study(languages=("en", "es", "de", "hi"), judge=True, seeds=2, items=1)


def test_the_facts_of_a_verdict_are_its_numbers(study: Results) -> None:
    (head,) = study.headlines
    facts = {one["name"]: (one["value"], one["detail"]) for one in verdict_of(study, head)["facts"]}
    assert facts == {
        "A further language is necessary": ("shown", "multi-2 minus mono: +0.40 [+0.37, +0.43]"),
        "Sufficient": ("2 languages", "after which none that follows gains the margin"),
        "Unseen languages answered in kind": ("0 → 1 of 1", "mono → multi-6"),
        "Supervised minus zero-shot gain": ("+0.11", "[+0.06, +0.16]"),
        "Change in English": ("0.00", "multi-6 minus mono: [−0.01, +0.01]"),
    }


def test_a_verdict_of_numbers_alone_has_the_facts_that_they_allow(results: Results) -> None:
    (head,) = results.headlines
    assert [one["name"] for one in verdict_of(results, head)["facts"]] == ["A further language is necessary", "Sufficient", "Change in English"]  # fmt: skip


def test_where_no_mix_is_wider_that_is_why_none_is_shown_to_suffice(study: Results) -> None:
    (head,) = study.headlines
    two = {"languages": {"mono": 1, "multi-2": 2}, "sufficient": None}

    def told(**changed: Any) -> str:
        facts = verdict_of(study, {**head, **two, **changed})["facts"]
        return next(str(one["detail"]) for one in facts if one["name"] == "Sufficient")

    assert told() == "no mix of more than 2 languages was tried"
    assert told(necessary="not shown") == "the intervals allow a further gain"
    assert told(languages={"mono": 1, "multi-2": 2, "multi-3": 3}) == "the intervals allow a further gain"


def test_each_language_has_a_line(study: Results) -> None:
    (head,) = study.headlines
    lines = {line[0]: line for line in by_language(0, verdict_of(study, head))["lines"]}
    assert lines["German (de)"][1:4] == ["high", "0.17", "multi-4"]
    assert lines["German (de)"][4:6] == ["+0.25 [+0.19, +0.31]", "0.019"]
    assert lines["Hindi (hi)"][2:4] == ["–", "no mix"]
    assert lines["Hindi (hi)"][7] == "not shown"


def test_a_split_tells_shares_and_what_it_cannot_know(study: Results) -> None:
    found = [split_of(study, one) for one in study.splits]
    assert found[0]["parts"] == "items 70 %, sampling seeds 4 %, the rest 26 %; not known: tuning seeds"
    assert [one["head"] for one in found] == [False, True]
    alone: dict[str, Any] = {**study.splits[0], "sampling": None, "residual": None}
    assert split_of(study, alone)["parts"] == "cannot be told apart: one output an item"


@pytest.mark.parametrize(
    ("one", "span", "said"),
    [
        ({"value": -0.004, "low": -0.1, "high": 0.1}, 1.0, "0.00 [−0.10, +0.10]"),
        ({"value": 38.24, "low": 36.9, "high": 39.5}, 100.0, "+38.2 [+36.9, +39.5]"),
        ({"value": None}, 1.0, "–"),
        (None, 1.0, "–"),
    ],
)
def test_intervals_have_as_many_digits_as_their_metric_deserves(one: Any, span: float, said: str) -> None:
    assert shown_interval(one, span, sign=True) == said
