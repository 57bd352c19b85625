"""The page as a file: hostile text never becomes markup, nothing outside is fetched, and the policy names what may run."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

import worlds
from babeltune.report.page.blocks import unpacked
from babeltune.report.page.study import page
from babeltune.report.results import Judging, Results
from markup import STEERING, Parsed

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--<script>",
    "]]></style><style>*{display:none}</style>",
    '"\' onmouseover="alert(1)',
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; &amp; \\u003cb\\u003e",
    "\u202egnp.exe\u2066 \u200f\u061c",
    "\x1b[31mred\x1b[0m \x9b31m \x00 \x07 \x7f",
    "half \ud83d of an emoji \udc80",
    "line\u2028separator\u2029and\x85next",
    "emoji \U0001f600, 中文, \t tab\nand line",
)


def parsed(results: Results) -> Parsed:
    return Parsed(page(results))


def attacked(results: Results, text: str) -> Results:
    """Hostile text everywhere that a model, a chats file or a study file can put it."""
    first = {
        **results.items[0],
        "response": text,
        "prompt": text,
        "subject": text,
        "references": [text],
        "notes": {"response": text, "prompt": text, text: text},
        "unscored": {"agreement": text},
    }
    mixes = {text: {"en": 1}, **results.mixes}
    return dataclasses.replace(
        results,
        study=text,
        mixes=mixes,
        items=(first, *results.items[1:]),
        rows=tuple({**row, "model": text, "signature": text, "reasons": {text: 1}} if row["unscored"] else row for row in results.rows),
        verdicts=({**results.verdicts[0], "sentence": text},),
        claims=({"name": text, "holds": False, "detail": text},),
        labelled={"counts": {text: 1}, "dropped": {text: 2}},
        left_out={text: 1},
        hashes={text: text},
        recipe={**results.recipe, "chats": text},
    )  # fmt: skip


def test_the_elements_are_those_of_a_harmless_page_whatever_the_text(results: Results) -> None:
    harmless = parsed(attacked(results, "nothing"))
    assert [tag for tag, _ in harmless.inside] == ["style", *["script"] * 4]
    for text in HOSTILE:
        found = parsed(attacked(results, text))
        assert [tag for tag, _ in found.elements] == [tag for tag, _ in harmless.elements]
        assert found.comments == []
        # The style and the script are ours to the letter.
        assert [found.inside[0], found.inside[2]] == [harmless.inside[0], harmless.inside[2]]


def test_no_character_of_the_data_can_end_its_element(results: Results) -> None:
    for text in HOSTILE:
        found = parsed(attacked(results, text))
        assert not set("<>&") & set(found.inside[1][1])
        assert all(re.fullmatch("[A-Za-z0-9+/=]*", content) for _, content in found.inside[3:])


def test_no_character_in_the_file_steers_the_text_around_it(results: Results) -> None:
    for text in HOSTILE:
        html = page(attacked(results, text))
        assert not STEERING.search(html)
        html.encode("utf-8")


def test_steering_characters_are_shown_by_their_code_points(results: Results) -> None:
    words = parsed(attacked(results, "a\u202eb\x1b[31m")).words
    assert "a\u27e8U+202E\u27e9b\u27e8U+001B\u27e9[31m" in words


def test_text_is_shown_as_it_is_otherwise(results: Results) -> None:
    text = "a < b & \"c\" 'd' 中文 \U0001f600"
    assert text in parsed(attacked(results, text)).words


def test_the_page_runs_its_one_script_and_refers_to_nothing_outside_itself(results: Results) -> None:
    found = parsed(results)
    found.assert_alone()
    assert found.of("a")
    stored = ["application/octet-stream"] * (len(found.of("script")) - 2)
    assert [attrs.get("type") for attrs in found.of("script")] == ["application/json", None, *stored]
    script = found.inside[2][1]
    assert not re.search("localStorage|cookie", script)
    assert "textContent" in script
    for text in HOSTILE:
        parsed(attacked(results, text)).assert_alone()


def test_what_links_lead_to_is_there_once(results: Results) -> None:
    found = parsed(results)
    ids = [attrs["id"] for _, attrs in found.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {str(attrs["href"])[1:].partition("?")[0] for attrs in found.of("a")} <= set(ids)


def test_the_verdict_comes_first_and_the_numbers_follow(results: Results) -> None:
    words = parsed(results).words
    order = ["tiny answers 0 of 1 unseen language in kind.", "+0.250", "0.75 [0.25, 1.00]", "mono holds the English"]
    places = [words.index(text) for text in order]
    assert places == sorted(places)
    assert "response not identified: empty" in words


def test_a_study_without_a_verdict_says_so(results: Results) -> None:
    assert "This study allows no verdict" in parsed(dataclasses.replace(results, verdicts=())).words


def test_each_language_has_its_finding(results: Results) -> None:
    words = " ".join(parsed(worlds.study(languages=("en", "es", "de", "hi"))).words.split())
    assert "Language by language" in words
    assert "Hindi (hi)" in words
    assert "Supervised minus zero-shot gain+0.11[+0.06, +0.16]" in words
    assert "Add a tuning seed" in words
    assert "Language by language" not in parsed(results).words  # verdicts that have none


def test_cells_and_mixes_that_are_not_there_are_told(results: Results) -> None:
    words = " ".join(parsed(worlds.study(languages=("en", "es", "de"), lacking=("multi-3",))).words.split())
    assert "llama-2-7b was not evaluated under multi-3." in words
    hole = tuple(row for row in results.rows if (row["mix"], row["language"]) != ("mono", "es"))
    words = " ".join(parsed(dataclasses.replace(results, rows=hole, items_left_out=7)).words.split())
    assert "tiny lacks a cell: mono, dialogue, Spanish." in words
    assert "7 answers are not on this page" in words


def test_a_judge_that_was_stopped_is_told_of_below_the_verdict(results: Results) -> None:
    found = dataclasses.replace(results, judging=Judging("judge-1", 100, 7, 2, 40))
    words = " ".join(parsed(found).words.split())
    assert "Of 100 answers to be judged by judge-1, 2 had no reply and 40 were not asked, as the spending cap" in words
    assert "what was judged is an unbiased sample" in words
    whole = dataclasses.replace(results, judging=Judging("judge-1", 100, 7, 0, 0))
    assert "to be judged by" not in parsed(whole).words


def test_two_pages_of_the_same_results_are_the_same(results: Results) -> None:
    assert page(results) == page(results)


def drawn(results: Results) -> Any:
    return parsed(results).data


def test_the_data_has_each_word_once_and_each_row(results: Results) -> None:
    rows = drawn(results)["rows"]
    assert rows["words"]["mix"] == ["base", "mono", "multi-2"]
    assert len(rows["columns"]["value"]) == len(results.rows)
    first = {name: rows["words"][name][rows["columns"][name][0]] for name in rows["words"]}
    assert first == {name: results.rows[0][name] for name in rows["words"]}


def test_all_answers_are_in_the_blocks(results: Results) -> None:
    found = parsed(results)
    index, *texts = [unpacked(content) for _, content in found.inside[3:]]
    assert index["items"] == ["p1", "p2"]
    assert [answer["text"] for block in texts for entry in block for answer in entry[3]] == [
        item["response"] for item in results.items
    ]


@pytest.mark.parametrize(
    "shape",
    [
        {"languages": ("en",)},
        {},
        {"languages": ("en", "es", "de"), "lacking": ("multi-2",)},
        {"languages": ("en", "es", "de"), "unscored": True, "judge": True},
        {"languages": ("en", "es", "de", "hi"), "models": ("one", "two", "three"), "tasks": tuple(worlds.METRICS), "judge": True, "seeds": 3},
        {"languages": ("en", "es"), "items": 0},
        {"languages": ("en", "es"), "mixes": {}},
    ],
    ids=["one language", "nineteen", "a mix missing", "nothing scored", "all tasks", "no answers", "no mixes"],
)  # fmt: skip
def test_studies_of_all_shapes_have_a_page(shape: dict[str, Any]) -> None:
    found = worlds.study(**{"items": 1, **shape})
    parsed_ = parsed(found)
    assert parsed_.of("figure")
    assert parsed_.data["outputs"] == len(found.items)
