"""The page: hostile text never becomes markup, nothing outside is fetched, and the policy names what may run."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from typing import Any

import pytest

from babeltune.report.page import page
from babeltune.report.results import Judging, Results
from markup import Parsed

SVG = {"tiny": '<svg xmlns="http://www.w3.org/2000/svg"></svg>'}
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
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def parsed(results: Results) -> Parsed:
    return Parsed(page(results, SVG))


def attacked(results: Results, text: str) -> Results:
    """Hostile text everywhere that a model, a chats file or a study file can put it."""
    first = {
        **results.items[0],
        "response": text,
        "prompt": text,
        "subject": text,
        "references": [text],
        "notes": {"response": text, "prompt": text},
    }
    return dataclasses.replace(
        results,
        items=(first, *results.items[1:]),
        rows=tuple({**row, "reasons": {text: 1}} if row["unscored"] else row for row in results.rows),
        verdicts=({**results.verdicts[0], "sentence": text},),
        claims=({"name": text, "holds": False, "detail": text},),
        labelled={"counts": {text: 1}, "dropped": {text: 2}},
        left_out={text: 1},
        hashes={text: text},
        recipe={**results.recipe, "chats": text},
    )


def test_the_elements_are_those_of_a_harmless_page_whatever_the_text(results: Results) -> None:
    harmless = parsed(attacked(results, "nothing"))
    assert [tag for tag, _ in harmless.inside] == ["style", "script", "script"]
    for text in HOSTILE:
        found = parsed(attacked(results, text))
        assert found.elements == harmless.elements
        assert found.comments == []
        # The style and the script are ours to the letter.
        assert [found.inside[0], found.inside[2]] == [harmless.inside[0], harmless.inside[2]]


@pytest.mark.parametrize("text", HOSTILE)
def test_the_data_decodes_to_what_the_model_wrote(results: Results, text: str) -> None:
    entry, *_ = parsed(attacked(results, text)).data["entries"]
    assert entry["prompt"] == text
    assert entry["answers"][0]["text"] == text


def test_no_character_of_the_data_can_end_its_element(results: Results) -> None:
    for text in HOSTILE:
        assert not set("<>&") & set(parsed(attacked(results, text)).inside[1][1])


def test_no_character_in_the_file_steers_the_text_around_it(results: Results) -> None:
    for text in HOSTILE:
        html = page(attacked(results, text), SVG)
        assert not STEERING.search(html)
        html.encode("utf-8")


def test_steering_characters_are_shown_by_their_code_points(results: Results) -> None:
    words = parsed(attacked(results, "a\u202eb\x1b[31m")).words
    assert "a\u27e8U+202E\u27e9b\u27e8U+001B\u27e9[31m" in words


def test_text_is_shown_as_it_is_otherwise(results: Results) -> None:
    text = "a < b & \"c\" 'd' 中文 \U0001f600"
    assert text in parsed(attacked(results, text)).words


def test_each_item_stands_once_with_the_answers_of_all_mixes(results: Results) -> None:
    entries = parsed(results).data["entries"]
    assert [(entry["item"], [answer["mix"] for answer in entry["answers"]]) for entry in entries] == [
        ("p1", ["mono", "multi-2"]),
        ("p2", ["mono"]),
    ]
    bread, brot = entries[0]["answers"]
    assert (bread["text"], bread["value"], brot["text"], brot["value"]) == (
        "Bread is food.", 0.0, "Brot ist Nahrung.", 1.0,
    )  # fmt: skip
    assert (entries[1]["answers"][0]["value"], entries[1]["answers"][0]["unscored"]) == (None, "empty")


def policy(found: Parsed) -> dict[str, list[str]]:
    (content,) = [attrs["content"] for attrs in found.of("meta") if attrs.get("http-equiv")]
    assert content is not None
    return {name: sources for name, *sources in (part.split() for part in content.split(";"))}


def test_the_policy_allows_the_one_script_and_the_one_style_and_nothing_else(results: Results) -> None:
    found = parsed(results)
    (_, style), _, (_, script) = found.inside
    sha = {
        text: "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in (style, script)
    }
    assert policy(found) == {
        "default-src": ["'none'"],
        "img-src": ["data:"],
        "script-src": [sha[script]],
        "style-src": [sha[style]],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    assert [attrs.get("type") for attrs in found.of("script")] == ["application/json", None]


def test_nothing_runs_from_an_attribute(results: Results) -> None:
    for text in HOSTILE:
        for _, attrs in parsed(attacked(results, text)).elements:
            assert not [name for name in attrs if name.startswith("on") or name == "style"]


def test_the_page_refers_to_nothing_outside_itself(results: Results) -> None:
    found = parsed(results)
    outward = ("src", "href", "srcset", "action", "data", "poster", "background", "formaction")
    links = [attrs[name] for _, attrs in found.elements for name in outward if name in attrs]
    (picture,) = links
    assert picture is not None
    assert base64.b64decode(picture.removeprefix("data:image/svg+xml;base64,")).decode() == SVG["tiny"]
    assert not re.search(r"url\(|@import|//", found.inside[0][1])
    assert not {tag for tag, _ in found.elements} & {"iframe", "object", "embed", "link", "base", "form"}


def test_the_script_shows_text_as_text_and_calls_nobody(results: Results) -> None:
    _, _, (_, script) = parsed(results).inside
    makers_of_markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
    callers = r"\beval\b|\bFunction\(|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|\bimport\(|localStorage|cookie"
    assert not re.search(f"{makers_of_markup}|{callers}", script)
    assert "textContent" in script


def test_what_the_script_looks_up_is_there_once(results: Results) -> None:
    found = parsed(results)
    ids = [attrs["id"] for _, attrs in found.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r'(?:\$|getElementById)\("([a-z]+)"\)', found.inside[2][1]))
    assert wanted
    assert wanted <= set(ids)


def test_the_verdict_comes_first_and_the_numbers_follow(results: Results) -> None:
    words = parsed(results).words
    order = ["tiny answers 0 of 1 unseen language in kind.", "0.75 [0.25, 1.00]", "+0.250", "mono holds the English"]
    places = [words.index(text) for text in order]
    assert places == sorted(places)
    assert "response not identified: empty (4)" in words


def test_a_study_without_a_verdict_says_so(results: Results) -> None:
    assert "This study allows no verdict" in parsed(dataclasses.replace(results, verdicts=())).words


def judged(results: Results, values: dict[str, float], notes: dict[str, str], unscored: dict[str, str]) -> Any:
    """What the page says of an answer that a judge was to read."""
    item = dict(results.items[0])
    item |= {
        "values": {**item["values"], **values},
        "notes": {**item["notes"], **notes},
        "unscored": {**item["unscored"], **unscored},
    }
    rows = tuple({**row, "metric": "helpfulness", "top": 6.0} for row in results.rows if row["metric"] == "agreement")
    both = dataclasses.replace(results, items=(item,), rows=(*rows, *results.rows))
    (entry,) = parsed(both).data["entries"]
    (answer,) = entry["answers"]
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
    assert (answer["metric"], answer["value"]) == ("agreement", 0.0)  # right or wrong is of the language


def test_answers_of_a_study_without_a_judge_say_nothing_of_one(results: Results) -> None:
    assert not any("judge" in one for entry in parsed(results).data["entries"] for one in entry["answers"])


def test_a_judge_that_was_stopped_is_told_of_below_the_verdict(results: Results) -> None:
    found = dataclasses.replace(results, judging=Judging("judge-1", 100, 7, 2, 40))
    words = " ".join(parsed(found).words.split())
    assert "Of 100 answers to be judged by judge-1, 2 had no reply and 40 were not asked, as the spending cap" in words
    assert "what was judged is an unbiased sample" in words
    whole = dataclasses.replace(results, judging=Judging("judge-1", 100, 7, 0, 0))
    assert "to be judged by" not in parsed(whole).words
