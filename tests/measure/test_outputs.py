"""Rows of any origin: which item, which response, and what is refused by file, line and field."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.errors import ItemsError, Problem
from babeltune.measure.outputs import Answered, Found, alone, joined, scores
from babeltune.measure.reply import bare
from babeltune.measure.tasks.dialogue import Dialogue
from babeltune.measure.tasks.simplification import Simplification
from babeltune.measure.tasks.xcsqa import XCsqa
from babeltune.measure.tasks.xnli import Xnli
from babeltune.measure.tasks.xquad import XQuad
from babeltune.records import Item, Output, Sampling, Task
from babeltune.rows import Row
from taskwork import FirstWord


def rows(*fields: dict[str, Any]) -> list[Row | Problem]:
    return [Row(f"o.jsonl:{number}", one) for number, one in enumerate(fields, 1)]


def read(task: str, *fields: dict[str, Any], language: str = "de", prefix: str = "") -> tuple[Answered, ...]:
    return alone(rows(*fields), task, language, "outputs", prefix).answered


def one(task: str, prefix: str = "", **fields: Any) -> Answered:
    (found,) = read(task, fields, prefix=prefix)
    return found


def match(items: Sequence[Item], task: str, *fields: dict[str, Any]) -> Found:
    return joined(rows(*fields), items, task, "de", "outputs")


def problems(task: str, *fields: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ItemsError) as caught:
        read(task, *fields)
    return [(problem.where, problem.what) for problem in caught.value.problems]


def text_of(found: Answered) -> str | None:
    return None if found.output is None else found.output.text


def built(task: str) -> Task:
    sampling = Sampling()
    return {
        "dialogue": Dialogue(Path(), FirstWord(), sampling),
        "simplification": Simplification(Path(), FirstWord(), sampling),
        "xquad": XQuad(Path(), sampling),
        "xcsqa": XCsqa(Path(), sampling),
        "xnli": Xnli(Path()),
    }[task]  # type: ignore[return-value]


# The response.


@pytest.mark.parametrize("name", ["response", "output", "completion", "generation", "text", "system"])
def test_a_response_has_many_names(name: str) -> None:
    assert text_of(one("dialogue", prompt="Was?", **{name: " Das. \n"})) == " Das. \n"


def test_the_first_name_that_is_not_null_counts() -> None:
    assert text_of(one("dialogue", prompt="Was?", system="c", output="b", response=None)) == "b"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"response": None}, "the response is null"),
        ({"response": 12}, "the response is no text"),
        ({"response": float("nan")}, "the response is no text"),
        ({}, "the row has no response"),
    ],
)
@pytest.mark.parametrize(
    ("task", "asked"),
    [
        ("dialogue", {"prompt": "de Was?"}),
        ("simplification", {"source": "de Der Satz.", "references": ["Satz."]}),
        ("xquad", {"answers": ["Rom"]}),
        ("xcsqa", {"answerKey": "A"}),
    ],
)
def test_a_response_that_is_none_is_unscored_and_says_why(
    task: str, asked: dict[str, Any], fields: dict[str, Any], reason: str
) -> None:
    answered = read(task, {**asked, "response": "de A"}, {**asked, **fields})
    assert (answered[1].output, answered[1].reason) == (None, reason)
    right, none = scores(built(task), answered)
    assert (none.values, none.counts) == ({}, ())
    assert set(none.unscored.values()) == {reason}
    # Every metric of which the other row has a value, and no word rate, which Latin script has not.
    needed = {name for metric in built(task).metrics for name in metric.needs}
    assert set(none.unscored) == needed & {*right.values, *right.unscored}
    assert "word-pass" not in none.unscored


def test_where_there_is_no_response_at_all_every_value_is_unscored() -> None:
    (score,) = scores(built("xquad"), read("xquad", {"answers": ["Rom"], "response": None}))
    assert set(score.unscored) == {"xquad-paper", "xquad-code", "exact-match", "token-f1"}


def test_a_file_without_a_field_for_the_response_is_refused() -> None:
    assert problems("dialogue", {"prompt": "a", "antwort": "b"}, {"prompt": "c", "antwort": "d"}) == [
        ("response", "no row has such a field (here: prompt, antwort)")
    ]


# What was asked.


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Was ist Brot?", ("Was ist Brot?", "")),
        (" Was? ", (" Was? ", "")),
        ("### Human: Was ist Brot?### Assistant:", ("Was ist Brot?", "")),
        ("### Human: Was?\n\n### Assistant: ", ("Was?", "")),
        ("### Human: Was?### Assistant: Die Antwort lautet „", ("Was?", "Die Antwort lautet „")),
        ("### Human：什么？### Assistant：“", ("什么？", "“")),
        ("### Human: a### Assistant: b### Human: c### Assistant:", ("a\n b\n c", "")),
        ("### Human: Was?", ("Was?", "")),
        ("### Assistant:", ("", "")),
    ],
)
def test_marks_of_the_chat_are_taken_off(prompt: str, expected: tuple[str, str]) -> None:
    assert bare(prompt) == expected


@given(st.text())
def test_no_mark_survives_and_what_has_none_stays(prompt: str) -> None:
    assert bare(prompt) == (prompt, "") or "###" in prompt
    asked, begun = bare(f"### Human: {prompt}### Assistant:")
    assert "### Human:" not in asked
    assert begun == ""


def test_each_task_has_its_item_in_the_row() -> None:
    assert one("dialogue", instruction="### Human: Was?### Assistant:", output="x").item == Item("1", "de", "Was?")
    # The authors' row: their source is the sentence, their reference a list.
    authors = {"prompt": "### Human: Kürze: A b.\n\n### Assistant:", "system": "A.", "finish_reason": "stop",
               "source": "A b.", "secs": 1.5, "reference": ["A.", "A."]}  # fmt: skip
    assert one("simplification", **authors).item == Item("1", "de", "Kürze: A b.", ("A.", "A."), "A b.")
    assert one("xquad", question="Wo?", target="Rom", text="x").item == Item("1", "de", "Wo?", ("Rom",), "Wo?")
    assert one("xcsqa", instruction="Wo?", answer=["B", "Rom"], text="x").item == Item("1", "de", "Wo?", ("B",))
    label = one("xnli", premise="P", hypothesis="H", label="Neutral", loglikelihoods=[-1, -2, -3])
    assert label.item == Item("1", "de", "P", ("neutral",), "H")
    assert label.output == Output("", "", "", "ranked", 0, (-1.0, -2.0, -3.0))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Rom", ("Rom",)),
        ([" Rom ", "", "Roma"], ("Rom", "Roma")),
        ([{"text": "Rom", "answer_start": 3}, {"text": "Rom", "answer_start": 9}], ("Rom", "Rom")),
        ({"text": ["Rom"], "answer_start": [3]}, ("Rom",)),
        ('["Rom", "Roma"]', ("Rom", "Roma")),  # as a table holds a list
        ("[sic] Rom", ("[sic] Rom",)),
    ],
)
def test_references_have_many_shapes(given: Any, expected: tuple[str, ...]) -> None:
    for name in ("references", "reference", "target", "targets", "answers", "answer"):
        assert one("xquad", response="x", **{name: given}).item.references == expected


def test_what_several_people_wrote_alike_stays_as_often_as_they_wrote_it() -> None:
    # TurkCorpus has equal references; SARI counts each (EASSE and evaluate do).
    assert one("simplification", source="a b", references=["a", "a"], text="a").item.references == ("a", "a")


def test_the_key_of_a_question_is_a_letter() -> None:
    assert one("xcsqa", answer="Rom", answerKey=" b ", text="x").item.references == ("B",)
    assert problems("xcsqa", {"answer": "Rom", "text": "x"}, {"answerKey": "AB", "text": "x"}) == [
        ("o.jsonl:1", "field 'answer': 'Rom' is no choice"),
        ("o.jsonl:2", "field 'answerKey': 'AB' is no choice"),
    ]


@pytest.mark.parametrize("response", ["Laut Text „Rom“", "Rom“", " Laut Text „ Rom“"])
def test_a_response_may_hold_the_forced_beginning(response: str) -> None:
    shown = {"prompt": "### Human: Wo?### Assistant: Laut Text „", "answers": ["Rom"], "output": response}
    known = {"answers": ["Rom"], "output": response}
    for found in (read("xquad", shown), read("xquad", known, prefix="Laut Text „")):
        (score,) = scores(built("xquad"), found)
        assert score.values["exact-match"] == 1
        assert score.values["xquad-paper"] == 1


# XNLI and the harness.

HARNESS = {
    "doc_id": 4,
    "doc": {"premise": "P", "hypothesis": "H", "label": 2},
    "target": "2",
    "resps": [[["-139.4", "False"]], [["-140.5", "False"]], [["-138.3", "True"]]],
    "filtered_resps": [["-139.4", "False"], ["-140.5", "False"], ["-138.3", "True"]],
}


@pytest.mark.parametrize("left_out", ["resps", "filtered_resps", "none"])
def test_a_sample_log_of_the_harness_is_read(left_out: str) -> None:
    found = one("xnli", **{name: value for name, value in HARNESS.items() if name != left_out})
    assert found.item == Item("5", "de", "P", ("contradiction",), "H")
    assert found.output is not None
    assert found.output.loglikelihoods == (-139.4, -140.5, -138.3)
    (score,) = scores(built("xnli"), [found])
    assert score.values == {"accuracy": 1.0}
    assert score.unscored == {"accuracy-per-token": "the numbers of tokens are not known"}


def test_a_log_of_numbers_and_one_without_doc_are_read() -> None:
    found = one("xnli", target=0, resps=[[[-1.5, False], [-2, False], [-3, True]]])
    assert (found.item.references, found.output and found.output.loglikelihoods) == (
        ("entailment",),
        (-1.5, -2.0, -3.0),
    )


def test_a_text_that_the_harness_generated_is_read() -> None:
    doc = {"question": "Wo?", "answers": {"text": ["Rom"], "answer_start": [0]}}
    found = one("xquad", doc_id=0, doc=doc, resps=[["Rom“"]], filtered_resps=["Rom“"])
    assert (text_of(found), found.item.source, found.item.references) == ("Rom“", "Wo?", ("Rom",))


def test_lengths_give_the_accuracy_per_token() -> None:
    (score,) = scores(
        built("xnli"), read("xnli", {"label": 1, "loglikelihoods": "[-6, -7, -9]", "lengths": "[2, 7, 3]"})
    )
    assert score.values == {"accuracy": 0.0, "accuracy-per-token": 1.0}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (None, "the log-likelihoods are null"),
        ([-1, -2], "2 log-likelihoods in place of 3"),
        ([-1, -2, float("nan")], "the log-likelihood of contradiction is nan, no finite number"),
    ],
)
def test_log_likelihoods_that_name_no_answer_are_unscored(values: Any, reason: str) -> None:
    good = {"label": 1, "loglikelihoods": [-1, -2, -3], "lengths": [1, 1, 1]}
    score = scores(built("xnli"), read("xnli", good, {"label": 1, "loglikelihoods": values}))[1]
    assert score.unscored == {"accuracy": reason, "accuracy-per-token": reason}


# What is refused.


def test_every_row_that_lacks_what_the_task_needs_is_named_at_once() -> None:
    assert problems("dialogue", {"output": "a"}, {"prompt": None, "output": "b"}, {"prompt": "p", "output": "c"}) == [
        ("o.jsonl:1", "field 'prompt': is missing (here: output)"),
        ("o.jsonl:2", "field 'prompt': is null (here: prompt, output)"),
    ]
    assert problems("simplification", {"references": "a", "text": "x"}, {"source": "a", "text": "x"}) == [
        ("o.jsonl:1", "field 'source': is missing (here: references, text)"),
        ("o.jsonl:2", "field 'references': is missing (here: source, text)"),
    ]
    assert problems("xquad", {"answers": [], "text": "x"}, {"answers": [3], "text": "x"}) == [
        ("o.jsonl:1", "field 'answers': is empty"),
        ("o.jsonl:2", "field 'answers': [3] is no text"),
    ]
    bad = {"label": 1, "loglikelihoods": ["a", 1, 2]}
    assert problems("xnli", {"label": 7, "loglikelihoods": [1, 2, 3]}, bad, {"label": 1}, {"loglikelihoods": [1]}) == [
        ("o.jsonl:1", "field 'label': 7 is no relation"),
        ("o.jsonl:2", "field 'loglikelihoods': 'a' is no number"),
        ("o.jsonl:3", "field 'loglikelihoods': is missing (here: label)"),
        ("o.jsonl:4", "field 'label': is missing (here: loglikelihoods)"),
    ]


def test_what_is_wrong_in_all_rows_is_told_once() -> None:
    (found,) = problems("xquad", *[{"output": "a"}] * 50)
    assert found == (
        f"o.jsonl:{', '.join(map(str, range(1, 21)))} and 30 more", "field 'references': is missing (here: output)"
    )  # fmt: skip
    one = {"id": 1, "response": "a"}
    wrong = [{**one, "answerKey": str(n)} for n in range(50)]
    told = problems("xcsqa", *wrong)
    assert len(told) == 21
    assert told[-1] == ("outputs", "30 rows more")


def test_responses_without_prompts_are_held_against_the_nominal_language_alone() -> None:
    answered = read("dialogue", {"id": 7, "completion": "de Das.", "language": "de"}, {"completion": "en That."})
    assert [(one.item.id, one.item.prompt) for one in answered] == [("7", ""), ("2", "")]
    found = scores(built("dialogue"), answered)
    assert [score.values["agreement-nominal"] for score in found] == [1.0, 0.0]
    assert [score.unscored["agreement"] for score in found] == ["prompt not identified: empty"] * 2
    # A row that lacks what others have is wrong, not bare.
    assert problems("dialogue", {"prompt": "Was?", "text": "a"}, {"text": "b"}) == [
        ("o.jsonl:2", "field 'prompt': is missing (here: text)")
    ]


def test_broken_rows_are_among_the_problems_in_either_use() -> None:
    broken: list[Row | Problem] = [Problem("o.jsonl:1", "broken JSON", "Mend it."), *rows({"response": "x"})]
    for call in (
        lambda: alone(broken, "dialogue", "de", "outputs"),
        lambda: joined(broken, [Item("1", "de", "Was?")], "dialogue", "de", "outputs"),
    ):
        with pytest.raises(ItemsError, match="broken JSON"):
            call()


def test_an_id_stands_for_one_item_which_may_have_several_outputs() -> None:
    asked = {"id": 3, "prompt": "Was?"}
    found = read("dialogue", {**asked, "text": "a"}, {**asked, "text": "b"})
    assert [each.item.id for each in found] == ["3", "3"]
    assert problems("dialogue", {**asked, "text": "a"}, {**asked, "prompt": "Wer?", "text": "b"}) == [
        ("o.jsonl:2", "the id '3' stands twice, with two different items")
    ]


def test_rows_that_say_they_are_in_another_language_are_left_out_and_counted() -> None:
    fields = [{"prompt": "p", "text": "x", **tag} for tag in ({"language": "de"}, {"lang": "eng_Latn"}, {"lang": "??"})]
    found = alone(rows(*fields), "dialogue", "de", "outputs")
    assert (len(found.answered), found.foreign) == (2, 1)
    with pytest.raises(ItemsError, match="The rows say that they are in de, en"):
        alone(rows(*fields[:2]), "dialogue", "fr", "outputs")
    with pytest.raises(ItemsError, match="there are no rows"):
        alone([], "dialogue", "fr", "outputs")


# Items that are given apart.

ITEMS = [Item("a", "de", "Wo ist Rom?"), Item("b", "de", "Was ist Brot?"), Item("3", "de", "Wer?")]


def test_rows_are_matched_by_their_ids() -> None:
    found = match(ITEMS, "dialogue", {"id": 3.0, "text": "x"}, {"id": "a", "text": None}, {"id": "z", "text": "y"})
    assert [(each.item.id, text_of(each)) for each in found.answered] == [("3", "x"), ("a", None)]
    assert (found.strangers, found.unanswered, found.astray) == (("o.jsonl:3",), ("b",), ())


def test_rows_without_ids_are_matched_by_order_if_there_are_as_many() -> None:
    found = match(ITEMS, "dialogue", {"text": "x"}, {"text": "y"}, {"text": "z"})
    assert [(each.item.id, each.output and each.output.id) for each in found.answered] == [
        ("a", "a"), ("b", "b"), ("3", "3"),
    ]  # fmt: skip
    with pytest.raises(ItemsError, match="the rows have no id, and there are 1 of them for 3 items"):
        match(ITEMS, "dialogue", {"text": "x"})


def test_where_no_id_matches_both_sides_are_shown() -> None:
    with pytest.raises(ItemsError, match="Ids of rows are x, y …, ids of items a, b, 3 …"):
        match(ITEMS, "dialogue", {"id": "x", "text": "x"}, {"id": "y", "text": "x"})


def test_a_row_that_asks_something_else_is_told() -> None:
    shown = ("### Human: Wo ist\nROM?### Assistant:", "Was ist Wein?", "Wer?")
    found = match(ITEMS, "dialogue", *[{"prompt": prompt, "text": "x"} for prompt in shown])
    assert found.astray == ("o.jsonl:2",)


def test_the_beginning_that_a_prompt_shows_takes_the_place_of_the_items_own() -> None:
    items = [Item("1", "de", "Wo?", ("Rom",), "Wo?", " Laut Text „")]
    found = match(items, "xquad", {"prompt": "### Human: Wo?### Assistant: Es ist „", "text": "Es ist „Rom“"})
    assert scores(built("xquad"), found.answered)[0].values["exact-match"] == 1


def test_rows_of_babeltune_itself_are_read() -> None:
    own = {"id": "a", "cell": "c", "text": " Rom.", "finish": "eos", "tokens": 2, "loglikelihoods": [], "lengths": []}
    found = match(ITEMS[:1], "dialogue", json.loads(json.dumps(own)))
    assert text_of(found.answered[0]) == " Rom."
