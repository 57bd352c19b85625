from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from babeltune.errors import StoreError
from babeltune.languages import Exposure
from babeltune.report import stored
from babeltune.report.results import Curve, Judging, Results


def test_what_was_stored_is_read_again(results: Results, tmp_path: Path) -> None:
    whole = dataclasses.replace(
        results,
        exposure={"tiny": {"de": Exposure(0.17, "high"), "hi": Exposure(None, "low")}},
        curves=(Curve("tiny", "mono", 0, ((1, 2.5), (2, 1.25)), 300),),
        judging=Judging("judge", 10, 2, 1, 0),
        twins={"twin-2": "mono"},
    )
    stored.write(whole, tmp_path)
    assert stored.read(tmp_path) == whole


def test_half_a_character_of_an_answer_does_not_stop_the_report(results: Results, tmp_path: Path) -> None:
    broken = tuple({**item, "response": "a\ud83d", "notes": {"why": "\udc00"}} for item in results.items)
    stored.write(dataclasses.replace(results, items=broken), tmp_path)
    assert {item["response"] for item in stored.read(tmp_path).items} == {"a?"}


@pytest.mark.parametrize("lacking", [stored.RESULTS, stored.ITEMS])
def test_a_folder_without_a_report_is_told(lacking: str, results: Results, tmp_path: Path) -> None:
    stored.write(results, tmp_path)
    (tmp_path / lacking).unlink()
    with pytest.raises(StoreError, match=rf"has no {lacking}.*babeltune report"):
        stored.read(tmp_path)


def test_a_report_that_is_cut_short_is_told(results: Results, tmp_path: Path) -> None:
    stored.write(results, tmp_path)
    path = tmp_path / stored.RESULTS
    path.write_text(path.read_text()[:100])
    with pytest.raises(StoreError, match="cannot be read"):
        stored.read(tmp_path)
