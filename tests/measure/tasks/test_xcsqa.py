"""X-CSQA: two forms of the same items, rows without keys or with wrong choices, requests, goldens of both rules."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from babeltune.errors import ItemsError
from babeltune.measure.tasks import prompt
from babeltune.measure.tasks.xcsqa import HUB, XCsqa
from babeltune.records import Item, Output, Sampling, chat_prompt
from taskwork import parquet, refused

RULES = ["xcsqa-first", "xcsqa-any"]
OPENING = '"„“«「'
"""Marks that open a quotation in the languages that have a prompt."""
PLACES = ["Regal", "Ecke", "Garten", "Keller", "Büro"]


def choices(texts: Sequence[str] = PLACES, labels: Sequence[object] = "ABCDE") -> list[dict[str, object]]:
    return [{"label": label, "text": text} for label, text in zip(labels, texts, strict=True)]


def row(id_: str = "q1", key: object = "E", stem: str = "Wo steht der Drucker?", given: Any = None) -> dict[str, Any]:
    """A line of the original files."""
    question = {"stem": stem, "choices": choices() if given is None else given}
    return {"id": id_, "lang": "de", "question": question, "answerKey": key}


def hub_row(line: Mapping[str, Any]) -> dict[str, Any]:
    """The same as the hub's parquet files have it: choices are an object of lists."""
    listed = line["question"]["choices"]
    lists = {name: [one[name] for one in listed] for name in ("label", "text")}
    return {**line, "question": {"stem": line["question"]["stem"], "choices": lists}}


def task(place: Any, **options: Any) -> XCsqa:
    return XCsqa(place, Sampling(0.001, max_tokens=7), **options)


def written(folder: Path, *rows: object, at: str = "de/dev.jsonl") -> XCsqa:
    """The task on a folder with this one file."""
    path = folder / at
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return task(folder)


PART = "validation-00000-of-00001.parquet"


# Items


def test_an_item_is_a_question_with_five_choices_in_the_papers_order(tmp_path: Path) -> None:
    (item,) = written(tmp_path, row(stem=" Wo steht der Drucker? ")).items("de", "xx:xx")
    assert (item.id, item.language, item.references, item.source) == ("q1", "de", ("E",), "Wo steht der Drucker?")
    # Paper, Table 6: an instruction, the question under its heading, the choices a line each, nothing behind them.
    instruction, question, listed = item.prompt.split("\n\n")
    assert all(f"„{letter}“" in instruction for letter in "ABCDE")
    assert question == "Frage:\nWo steht der Drucker?"
    assert listed == "Antwortmöglichkeiten:\nA: Regal\nB: Ecke\nC: Garten\nD: Keller\nE: Büro"


def test_choices_stand_by_their_letters_whatever_their_order_in_the_file(tmp_path: Path) -> None:
    mixed = choices(["Keller", "Ecke", "Büro", "Regal", "Garten"], "DBEAC")
    (item,) = written(tmp_path, row(given=mixed)).items("de", "xx:xx")
    assert item.prompt.endswith("\nA: Regal\nB: Ecke\nC: Garten\nD: Keller\nE: Büro")
    small = choices(labels="abcde")
    assert written(tmp_path, row(key=" e ", given=small)).items("de", "xx:xx") == [item]


def test_the_hubs_parquet_gives_the_same_items_as_the_original_file(tmp_path: Path, cache: Path) -> None:
    rows = [row("q1", "E"), row("q2", "A", "Warum?", choices(["x", "y", "z", "{A}", "A"], "EDCBA"))]
    parquet(cache / "X-CSQA-de" / PART, [hub_row(one) for one in rows])
    # The test split has no keys; neither it nor other languages are looked at.
    parquet(cache / "X-CSQA-de" / "test-00000-of-00001.parquet", [hub_row(row("t", ""))])
    parquet(cache / "X-CODAH-de" / PART, [hub_row(row("other"))])
    items = task(HUB).items("de", "xx:xx")
    assert items == written(tmp_path, *rows).items("de", "xx:xx")
    # Choices as a list of objects, as newer versions of the hub's converter write them.
    parquet(cache / "X-CSQA-de" / PART, rows)
    assert task(HUB).items("de", "xx:xx") == items
    assert [item.id for item in items] == ["q1", "q2"]


@pytest.mark.parametrize("at", ["jap/dev.jsonl", "ja/dev.jsonl", "jap.jsonl", "X-CSQA/jap/dev.jsonl"])
def test_japanese_is_found_under_the_sets_own_code(tmp_path: Path, at: str) -> None:
    (item,) = written(tmp_path, row(stem="プリンターはどこ？"), at=at).items("ja", "xx:xx")
    assert (item.language, item.source) == ("ja", "プリンターはどこ？")
    assert item.prefix == " 「"


def test_japanese_is_found_under_the_sets_own_code_on_the_hub(cache: Path) -> None:
    parquet(cache / "X-CSQA-jap" / PART, [hub_row(row())])
    assert [item.language for item in task(HUB).items("ja", "xx:xx")] == ["ja"]


@pytest.mark.parametrize("at", ["de/dev.jsonl", "de.jsonl", "X-CSQA/de/dev.jsonl"])
def test_a_language_is_found_in_its_folder_beside_the_others_or_in_the_archives(tmp_path: Path, at: str) -> None:
    asked = written(tmp_path, row(), at=at)
    assert len(asked.items("de", "xx:xx")) == len(task(tmp_path / at).items("de", "xx:xx")) == 1
    ((where, _),) = refused(asked, "fr")
    assert where.endswith("fr/dev.jsonl")


# Wrong rows


def test_blind_rows_are_named_and_the_split_with_keys_too(tmp_path: Path, cache: Path) -> None:
    blind = row("q2")
    del blind["answerKey"]
    asked = written(tmp_path, row("q1"), blind, row("q3", ""), row("q4", None), row("q5", "F"), row("q6", 1))
    found = refused(asked)
    assert [where for where, _ in found] == [f"dev.jsonl:{number}" for number in range(2, 7)]
    assert all("answerKey" in what for _, what in found)
    parquet(cache / "X-CSQA-de" / PART, [hub_row(row("a", "")), hub_row(row("b", "")), hub_row(row("c"))])
    with pytest.raises(ItemsError, match="validation split has") as caught:
        task(HUB).items("de", "xx:xx")
    assert [problem.where for problem in caught.value.problems] == [f"{PART} row 1", f"{PART} row 2"]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (choices(labels="ABCDF"), "labels A, B, C, D, F"),
        (choices(labels="AABCD"), "labels A, B, C, D"),
        (choices(labels="12345"), "labels 1, 2, 3, 4, 5"),
        (choices(PLACES[:4], "ABCD"), "labels A, B, C, D"),
        (choices([*PLACES, "Dach"], "ABCDEF"), "labels A, B, C, D, E, F"),
        (choices([*PLACES, "Dach"], "ABCDEE"), "choices"),
        (choices(labels=[1, 2, 3, 4, 5]), "'label': a number"),
        (choices(["Regal", " ", "Garten", "Keller", "Büro"]), "'text': is empty"),
        ([], "labels none"),
        ({}, "label and text do not match"),
        ({"label": list("ABCDE"), "text": PLACES[:4]}, "label and text do not match"),
        ({"label": "ABCDE", "text": "abcde"}, "label and text do not match"),
        (PLACES, "is no list of objects"),
        ("A Regal", "is no list of objects"),
        ([{"label": letter} for letter in "ABCDE"], "'text': is missing"),
    ],
)
def test_wrong_choices_are_named(tmp_path: Path, given: object, what: str) -> None:
    ((where, found),) = refused(written(tmp_path, row("q0"), row(given=given)))
    assert where == "dev.jsonl:2"
    assert what in found


def test_all_wrong_rows_are_named_by_line_and_field_at_once(tmp_path: Path) -> None:
    bad = [
        {"id": "a", "answerKey": "A"},
        {**row("b"), "question": "Wo?"},
        {**row("c"), "question": {"stem": "Wo?"}},
        row("d", stem=" "),
        {**row("e"), "id": 5},
        [1],
        row("q1"),
    ]
    found = refused(written(tmp_path, row("q1"), *bad))
    assert [where for where, _ in found] == [f"dev.jsonl:{number}" for number in range(2, 9)]
    fields = ["'question.stem'", "'question.stem'", "'question.choices'", "'question.stem'", "'id'", "object", "twice"]
    assert [field for field, (_, what) in zip(fields, found, strict=True) if field not in what] == []


# Requests


@pytest.mark.parametrize("language", prompt.languages("xcsqa"))
def test_every_request_is_the_format_of_the_tuning_and_an_opened_quotation(tmp_path: Path, language: str) -> None:
    asked = written(tmp_path, row(), at=f"{language}/dev.jsonl")
    (item,) = asked.items(language, "xx:xx")
    request = asked.request(item)
    assert request.prompt == chat_prompt(item.prompt) == f"### Human: {item.prompt}### Assistant:"
    assert item.prompt == item.prompt.strip()
    assert len(request.prefix) == 2
    assert request.prefix[0] == " "
    assert request.prefix[1] in OPENING
    assert (request.id, request.sampling, request.candidates) == ("q1", Sampling(0.001, max_tokens=7), ())
    assert [place for place in PLACES if request.prompt.count(place) != 1] == []


def test_as_run_a_blank_line_stands_before_the_marker_of_the_models_turn(tmp_path: Path) -> None:
    written(tmp_path, row())
    asked = task(tmp_path, as_run=True)
    (item,) = asked.items("de", "xx:xx")
    assert [item] == task(tmp_path).items("de", "xx:xx")
    request = asked.request(item)
    # Paper, Table 6, and the authors' data files: a blank line, the marker, one space, the opened quotation.
    assert request.prompt + request.prefix == f"### Human: {item.prompt}\n\n### Assistant: „"


# Scores


def verdict(language: str, key: str, text: str, prefix: str = "") -> dict[str, float]:
    """Values of both rules for one output of one item made by hand."""
    (score,) = task(Path()).score([Item("q", language, "…", (key,), "Wo?", prefix)], [Output("q", "", text, "eos", 1)])
    assert score.item == "q"
    assert not score.unscored
    return dict(score.values)


@pytest.mark.parametrize(
    ("language", "key", "response", "first", "anywhere"),
    [
        # The quotation that was forced open is closed: the paper's Table 6.
        ("de", "E", "E“", 1, 1),
        ("de", "A", "E“", 0, 0),
        # The first character is enough for the authors: a word with it is right; no letter stands alone.
        ("de", "E", "Ecke“", 1, 0),
        # "Auto" is an A for the authors; the letter that stands alone is B.
        ("de", "A", "Auto, also B", 1, 0),
        # White space before the letter is none of it.
        ("ru", "B", " \n B»", 1, 1),
        # A quotation opened once more is the first character.
        ("ja", "D", "「D」", 0, 1),
        # Nothing, which would stop the authors' code, is wrong.
        ("it", "A", "", 0, 0),
        ("pl", "A", " \n", 0, 0),
    ],
)
def test_goldens_of_the_rules(language: str, key: str, response: str, first: float, anywhere: float) -> None:
    prefix = f" {prompt.template('xcsqa', language).prefix}"
    wanted = dict(zip(RULES, (first, anywhere), strict=True))
    for text in (prefix + response, prefix.strip() + response):
        assert verdict(language, key, text, prefix) == wanted
    # Without it a text that opens the quotation itself is taken to hold it, so there the response must not.
    if not response.startswith(prefix.strip()):
        assert verdict(language, key, response, prefix) == wanted


def test_a_file_that_lacks_the_forced_mark_may_open_the_quotation_itself() -> None:
    assert verdict("de", "C", "„C“", " „") == {"xcsqa-first": 1, "xcsqa-any": 1}


def test_a_small_letter_is_found_behind_white_space_whether_or_not_the_forced_mark_is_in_the_text() -> None:
    # A tokenizer that marks the beginnings of words may well put a space between the mark and the letter.
    assert verdict("de", "B", " b“", " „") == verdict("de", "B", " „ b“", " „")
