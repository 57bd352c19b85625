"""The likeliest candidate is chosen, by sum and per token; what cannot be compared is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.measure.metrics.ranking import choose

SHARED = Path(__file__).parents[3].parent / "shared"
values = st.lists(st.integers(-4000, 0).map(lambda quarter: quarter / 4), min_size=1, max_size=5)


def test_the_example_of_the_papers_table_7_is_entailment() -> None:
    # entailment, neutral, contradiction; the table says negative log-likelihood, and means the sums.
    assert choose([-113.94, -116.79, -114.01]) == 0


def test_per_token_undoes_the_length() -> None:
    # By sum -10 beats -12. Per token -10 / 2 = -5 loses against -12 / 4 = -3.
    assert choose([-10.0, -12.0]) == 0
    assert choose([-10.0, -12.0], [2, 4]) == 1


def test_of_equals_the_first_is_chosen() -> None:
    assert choose([-2.0, -1.0, -1.0]) == 1
    assert choose([-2.0, -4.0], [1, 2]) == 0


def test_what_has_nothing_to_compare_is_refused() -> None:
    for item, tokens in (([], None), ([-1.0, -2.0], [1])):
        with pytest.raises(ValueError, match=r"empty|shorter"):
            choose(item, tokens)


@given(values)
def test_the_choice_is_the_first_of_the_highest(item: list[float]) -> None:
    at = choose(item)
    assert all(item[at] > other for other in item[:at])
    assert all(item[at] >= other for other in item[at:])


@given(values, st.integers(-100, 0))
def test_what_all_candidates_share_changes_nothing(item: list[float], common: int) -> None:
    assert choose([value + common for value in item]) == choose(item)


@given(values, st.integers(1, 9))
def test_equal_lengths_leave_the_choice_to_the_sums(item: list[float], length: int) -> None:
    assert choose(item, [length] * len(item)) == choose(item)


@pytest.mark.skipif(not (SHARED / "oracles/xnli_lm_eval.json").is_file(), reason="the harness's answers are not here")
@pytest.mark.parametrize("language", ["en", "es"])
def test_the_harness_chooses_the_same_on_xnli(language: str) -> None:
    # lm-evaluation-harness 0.4.13 gives these log-likelihoods and the accuracy of its own choices.
    oracle = json.loads((SHARED / "oracles/xnli_lm_eval.json").read_text(encoding="utf-8"))[language]
    rows = (SHARED / f"data/xnli/xnli.{language}.test.tsv").read_text(encoding="utf-8").splitlines()[1:]
    chosen = list(map(choose, oracle["loglikelihood"]))
    wanted = [int(row.split("\t")[2]) for row in rows[: len(chosen)]]
    assert sum(one == other for one, other in zip(chosen, wanted, strict=True)) / len(chosen) == oracle["accuracy"]
