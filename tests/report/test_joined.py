"""Joined: two studies as one, for Figure 8; what cannot be one says why."""

from __future__ import annotations

import dataclasses

import pytest

from babeltune.errors import InputError
from babeltune.report.figures import catalogue
from babeltune.report.joined import joined
from worlds import MIXES, study


def test_models_of_two_studies_stand_side_by_side() -> None:
    small = study(["en", "de"], models=("m-7b",), judge=True, name="small")
    large = study(["en", "de"], models=("m-70b",), judge=True, name="large")
    both = joined([small, large])
    assert both.models() == ["m-7b", "m-70b"]
    assert both.study == "small + large"
    assert len(both.rows) == len(small.rows) + len(large.rows)
    assert catalogue.wanted(both, "8").model == "m-70b"
    assert joined([small]) is small


def test_one_model_in_two_studies_is_told_apart_by_the_study() -> None:
    first, second = study(["en"], name="first"), study(["en"], name="second")
    both = joined([first, second])
    assert both.models() == ["llama-2-7b", "llama-2-7b (second)"]
    assert {curve.model for curve in both.curves} == set(both.models())
    assert len(both.of("llama-2-7b (second)", both.boards("llama-2-7b")[0])) == 7


def test_mixes_of_one_name_and_other_chats_are_all_told() -> None:
    other = {**MIXES, "multi-2": {"en": 1}, "multi-3": {"en": 2}}
    second = dataclasses.replace(study(["en"], name="second"), mixes=other)
    with pytest.raises(InputError) as caught:
        joined([study(["en"], name="first"), second])
    assert [problem.what for problem in caught.value.problems] == [
        "the mix multi-2 has other chats here than in an earlier study",
        "the mix multi-3 has other chats here than in an earlier study",
    ]
