from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import worlds
from babeltune.report.page import blocks as blocks_
from babeltune.report.page.blocks import blocks, packed, unpacked
from babeltune.report.results import Results


def entries(results: Results) -> list[Any]:
    return [entry for text in blocks(results).texts for entry in unpacked(text)]


@pytest.mark.parametrize("text", ["</script>", "\u202e\x1b[31m\x00", "中文 \U0001f600\n\t", "half \ud83d and \udc80"])
def test_a_block_gives_back_what_was_put_in(text: str) -> None:
    assert unpacked(packed({"text": text})) == {"text": text}


def test_each_item_stands_once_with_the_answers_of_all_mixes(results: Results) -> None:
    found = entries(results)
    assert [[answer["mix"] for answer in entry[3]] for entry in found] == [["mono", "multi-2"], ["mono"]]
    bread, brot = found[0][3]
    assert (bread["text"], bread["values"], brot["text"]) == ("Bread is food.", {"agreement": 0.0}, "Brot ist Nahrung.")
    assert found[1][3][0]["unscored"] == {"agreement": "empty"}


def test_the_index_tells_what_the_filters_ask(results: Results) -> None:
    index = unpacked(blocks(results).index)
    assert index == {
        "mixes": ["mono", "multi-2"], "groups": [["tiny", "dialogue", "xx:xx", "de", 0, 2]], "items": ["p1", "p2"],
        "snippets": ["Was ist Brot?", "Was ist Brot?"], "answers": [[0, 1], [0]], "marks": ["01", "-"], "firsts": [0],
    }  # fmt: skip


def test_large_groups_are_cut_and_the_index_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_, "SIZE", 2000)
    found = worlds.study(languages=("en", "de"), items=30)
    stored = blocks(found)
    index = unpacked(stored.index)
    texts = [unpacked(text) for text in stored.texts]
    assert len(texts) > 4
    assert len(texts) == len(index["firsts"])
    assert index["firsts"] == [sum(map(len, texts[:at])) for at in range(len(texts))]
    assert sum(map(len, texts)) == len(index["items"]) == 60
    assert [group[4:] for group in index["groups"]] == [[0, 30], [30, 30]]


def test_a_metric_between_its_ends_is_neither_right_nor_wrong(results: Results) -> None:
    item = {**results.items[0], "values": {"agreement": 0.4}}
    assert unpacked(blocks(dataclasses.replace(results, items=(item,))).index)["marks"] == ["~"]


def test_the_languages_of_lines_go_along(results: Results) -> None:
    item = {**results.items[0], "lines": ["de", "", "en"]}
    (entry,) = entries(dataclasses.replace(results, items=(item,)))
    assert entry[3][0]["lines"] == ["de", "", "en"]
    assert all("lines" not in answer for entry in entries(results) for answer in entry[3])


def judged(results: Results, values: dict[str, float], notes: dict[str, str], unscored: dict[str, str]) -> Any:
    """What the page says of an answer that a judge was to read."""
    item = dict(results.items[0])
    item |= {
        "values": {**item["values"], **values},
        "notes": {**item["notes"], **notes},
        "unscored": {**item["unscored"], **unscored},
    }
    rows = tuple({**row, "metric": "helpfulness", "top": 6.0} for row in results.rows if row["metric"] == "agreement")
    ((*_, (answer,)),) = entries(dataclasses.replace(results, items=(item,), rows=(*rows, *results.rows)))
    return answer


@pytest.mark.parametrize(
    ("values", "state", "unscored", "mark"),
    [
        ({"helpfulness-raw": 4.0, "helpfulness": 4.0}, "ok", {}, "4 of 6"),
        ({"helpfulness-raw": 5.0, "helpfulness": 1.0}, "ok", {}, "5 of 6, counts as 1: in another language"),
        ({"helpfulness": 1.0}, "not asked", {}, "counts as 1: in another language"),
        ({}, "unparsable", {"helpfulness": "the reply could not be read"}, "the reply could not be read"),
    ],
)
def test_what_the_judge_said_stands_below_the_answer(
    results: Results, values: dict[str, float], state: str, unscored: dict[str, str], mark: str
) -> None:
    answer = judged(results, values, {"judge": state, "reasoning": "It answers."}, unscored)
    assert answer["judge"] == [{"how": "", "mark": mark, "why": "It answers."}]
    assert answer["metric"] == "agreement"  # right or wrong is of the language
    assert "reasoning" not in answer["notes"]


def test_answers_of_a_study_without_a_judge_say_nothing_of_one(results: Results) -> None:
    assert not any("judge" in answer for entry in entries(results) for answer in entry[3])
