"""XQuAD: two forms of the same items, wrong files named to the field, prompts to the letter, goldens of each rule."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.measure.tasks import prompt
from babeltune.measure.tasks.xquad import HUB, XQuad
from babeltune.records import Item, Output, Prompting, Sampling, chat_prompt
from taskwork import parquet, refused

XQUAD_DATA = Path(__file__).parents[3].parent / "shared" / "data" / "xquad"
RULES = ["xquad-paper", "xquad-code", "exact-match", "token-f1"]
OPENING = '"„“«「'
"""Marks that open a quotation in the languages that have a prompt."""
PASSAGE = "Im Korb liegen zwei Bälle. Der eine ist rot, der andere gehört Anna Lind."
BALLS = {"id": "q1", "question": "Wie viele Bälle?", "answers": [{"text": "zwei", "answer_start": 15}]}
OWNER = {"id": "q2", "question": " Wem gehört einer? ", "answers": [{"text": " Anna Lind ", "answer_start": 62}]}


def tree(*questions: object, context: str = PASSAGE) -> dict[str, Any]:
    """A file in SQuAD's form."""
    return {"version": "1.1", "data": [{"title": "Korb", "paragraphs": [{"context": context, "qas": list(questions)}]}]}


def task(place: Any, **options: Any) -> XQuad:
    return XQuad(place, Sampling(0.001, max_tokens=7), **options)


def written(folder: Path, content: object, language: str = "de") -> XQuad:
    """The task on a folder with this one file: bytes as they are, anything else as JSON."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / f"xquad.{language}.json").write_bytes(raw)
    return task(folder)


def hub_row(question: Mapping[str, Any], context: str = PASSAGE) -> dict[str, Any]:
    """A question as the hub's parquet files have it: answers are an object of lists."""
    answers = question["answers"]
    lists = {"text": [one["text"] for one in answers], "answer_start": [one["answer_start"] for one in answers]}
    return {"id": question["id"], "context": context, "question": question["question"], "answers": lists}


# Items


def test_an_item_is_a_question_with_its_passage_in_the_prompt(tmp_path: Path) -> None:
    first, second = written(tmp_path, tree(BALLS, OWNER)).items("de", "xx:xx")
    assert (first.id, first.language, first.references, first.source) == ("q1", "de", ("zwei",), "Wie viele Bälle?")
    # White space around question and answer is none of theirs.
    assert (second.id, second.references, second.source) == ("q2", ("Anna Lind",), "Wem gehört einer?")
    assert f"\n{PASSAGE}\n" in first.prompt
    assert "\nWem gehört einer?\n" in second.prompt


def test_the_hubs_parquet_gives_the_same_items_as_the_original_file(tmp_path: Path, cache: Path) -> None:
    original = written(tmp_path, tree(BALLS, OWNER))
    parquet(cache / "xquad.de" / "validation-00000-of-00001.parquet", [hub_row(BALLS), hub_row(OWNER)])
    parquet(cache / "xquad.es" / "validation-00000-of-00001.parquet", [hub_row(BALLS)])
    for prompting in ("xx:xx", "en:xx"):
        assert task(HUB).items("de", prompting) == original.items("de", prompting)
    assert len(task(HUB).items("es", "xx:xx")) == 1


def test_a_file_with_the_language_alone_for_its_name_and_the_file_itself_are_found(tmp_path: Path) -> None:
    (tmp_path / "de.json").write_text(json.dumps(tree(BALLS)))
    assert task(tmp_path).items("de", "xx:xx") == task(tmp_path / "de.json").items("de", "xx:xx")


def test_a_language_without_a_file_or_without_a_prompt_is_refused(tmp_path: Path) -> None:
    asked = written(tmp_path, tree(BALLS))
    ((where, _),) = refused(asked, "es")
    assert where.endswith("xquad.es.json")
    ((_, what),) = refused(asked, "is")
    assert "no prompt in 'is'" in what


def test_several_answers_are_kept_once_each(tmp_path: Path) -> None:
    answers = [{"text": text, "answer_start": 15} for text in ("zwei", "zwei Bälle", " zwei")]
    (item,) = written(tmp_path, tree({**BALLS, "answers": answers})).items("de", "xx:xx")
    assert item.references == ("zwei", "zwei Bälle")


# Wrong files


def test_all_that_is_wrong_in_a_file_is_named_by_its_place_and_field_at_once(tmp_path: Path) -> None:
    passages = [
        {
            "context": PASSAGE,
            "qas": [
                BALLS,
                "no object",
                {"id": "a", "answers": BALLS["answers"]},
                {**BALLS, "id": "b", "question": ["Wie?"]},
                {**BALLS, "id": "c", "question": " \n"},
                {**BALLS, "id": 4},
                {"question": "Wie?", "answers": BALLS["answers"]},
                {**BALLS, "id": "d", "answers": []},
                {**BALLS, "id": "e", "answers": [{"text": " "}]},
                {**BALLS, "id": "f", "answers": "zwei"},
                {"id": "g", "question": "Wie?"},
                {**BALLS, "id": "h", "question": "\ud800"},
                BALLS,
            ],
        },
        {"qas": [{**BALLS, "id": "i"}]},
        {"context": None, "qas": [{**BALLS, "id": "j"}]},
        {"context": PASSAGE},
        5,
    ]
    content = {"data": [{"paragraphs": passages}, {"title": "none"}, 7, {"paragraphs": {}}]}
    there = "xquad.de.json:1 data[0].paragraphs"
    wanted = [
        (f"{there}[0].qas[1]", "is no object"),
        (f"{there}[0].qas[2]", "field 'question': is missing"),
        (f"{there}[0].qas[3]", "field 'question': a list in place of a text"),
        (f"{there}[0].qas[4]", "field 'question': is empty"),
        (f"{there}[0].qas[5]", "field 'id': a number in place of a text"),
        (f"{there}[0].qas[6]", "field 'id': is missing"),
        (f"{there}[0].qas[7]", "field 'answers': holds no answer"),
        (f"{there}[0].qas[8]", "field 'answers.text': is empty"),
        (f"{there}[0].qas[9]", "field 'answers': holds no answer"),
        (f"{there}[0].qas[10]", "field 'answers': is missing"),
        (f"{there}[0].qas[11]", "field 'question': half a character"),
        (f"{there}[0].qas[12]", "the id 'q1' stands twice"),
        (f"{there}[1].qas[0]", "field 'context': is missing"),
        (f"{there}[2].qas[0]", "field 'context': nothing in place of a text"),
        (f"{there}[3]", "field 'qas': is missing"),
        (f"{there}[4]", "field 'qas': is missing"),
        ("xquad.de.json:1 data[1]", "field 'paragraphs': is missing"),
        ("xquad.de.json:1 data[2]", "field 'paragraphs': is missing"),
        ("xquad.de.json:1 data[3]", "field 'paragraphs': is missing"),
    ]
    found = refused(written(tmp_path, content))
    assert [where for where, _ in found] == [where for where, _ in wanted]
    assert [what for (_, what), (_, head) in zip(found, wanted, strict=True) if not what.startswith(head)] == []


def test_what_is_wrong_in_a_file_of_many_lines_is_named_by_its_line(tmp_path: Path) -> None:
    content = """
{ "version" : "1.1 {[\\"",
  "data": [

    {"paragraphs": [{"context": "\\u00e4,]}", "qas": [
      {"id": "a", "answers": [{"text": "x"}], "question": "Was?"},
      {"id": "b", "answers": [{"text": "x"}]},
      {"id": "c",
       "answers": [], "question": "Was?"} , 7 ]}, {}]},
    {"paragraphs": [], "paragraphs": [
      {"qas": [{"id": "d", "question": "Was?", "answers": [{"text": "x"}]}]}]}]
}"""
    assert refused(written(tmp_path, content.encode("utf-8-sig"))) == [
        ("xquad.de.json:7 data[0].paragraphs[0].qas[1]", "field 'question': is missing (here: id, answers, context)"),
        ("xquad.de.json:8 data[0].paragraphs[0].qas[2]", "field 'answers': holds no answer"),
        ("xquad.de.json:9 data[0].paragraphs[0].qas[3]", "is no object"),
        ("xquad.de.json:9 data[0].paragraphs[1]", "field 'qas': is missing, or no list"),
        ("xquad.de.json:11 data[1].paragraphs[0].qas[0]", "field 'context': is missing (here: id, question, answers)"),
    ]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "broken JSON at line 1, column 1"),
        (b'{"data": [\n  {"paragraphs": [}]}', "broken JSON at line 2, column 19"),
        (b'{"data": "\xff"}', "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        ([], "field 'data': is missing, or no list"),
        ({"data": {}}, "field 'data': is missing, or no list"),
        ("data", "field 'data': is missing, or no list"),
    ],
)
def test_a_file_that_is_not_in_squads_form_is_named(tmp_path: Path, content: object, what: str) -> None:
    ((where, found),) = refused(written(tmp_path, content))
    assert where == "xquad.de.json"
    assert found.startswith(what)


def test_a_file_without_questions_has_no_items(tmp_path: Path) -> None:
    assert refused(written(tmp_path, {"data": []})) == [("items of xquad, de", "there is no item")]


def test_wrong_rows_of_the_hubs_parquet_are_named_by_row_and_field(cache: Path) -> None:
    good, name = hub_row(BALLS), "validation-00000-of-00001.parquet"
    bad = [
        {**good, "id": "a", "answers": {"text": [], "answer_start": []}},
        {**good, "id": "b", "answers": None},
        {**good, "id": "c", "answers": {"text": ["", " "], "answer_start": [0, 0]}},
        {**good, "id": "d", "context": None},
    ]
    parquet(cache / "xquad.de" / name, [good, *bad])
    found = refused(task(HUB))
    assert [where for where, _ in found] == [f"{name} row {number}" for number in (2, 3, 4, 5)]
    assert ["answers" in what for _, what in found] == [True, True, True, False]
    assert "context" in found[3][1]


@pytest.mark.parametrize(
    ("texts", "what"), [(["\ud800"], "half a character"), ([" "], "is empty"), (["zwei", ""], "is empty")]
)
def test_a_wrong_answer_is_named_alike_in_either_form(tmp_path: Path, texts: list[str], what: str) -> None:
    for answers in ([{"text": text} for text in texts], {"text": texts}):
        ((_, found),) = refused(written(tmp_path, tree({**BALLS, "answers": answers})))
        assert found.startswith(f"field 'answers.text': {what}")


# Requests


def test_the_english_prompt_is_that_of_the_papers_table_5_in_the_format_of_the_tuning(tmp_path: Path) -> None:
    asked = written(tmp_path, tree(BALLS))
    (item,) = asked.items("de", "en:xx")
    request = asked.request(item)
    # Guanaco's format: no newline before the marker of the model's turn, no space behind it.
    assert request.prompt == (
        "### Human: Answer the question from the given passage. Your answer should be directly extracted from the "
        "passage, and it should be a single entity, name, or number, not a sentence.\n\n"
        f"Passage:\n{PASSAGE}\n\nQuestion:\nWie viele Bälle?\n\n"
        "Note: Your answer should be directly extracted from the passage and be a single entity, name, or number. "
        "Provide the answer in quotations.### Assistant:"
    )
    assert request.prefix == ' Based on the passage, the answer to the question is "'
    assert (request.id, request.sampling, request.candidates) == ("q1", Sampling(0.001, max_tokens=7), ())


@pytest.mark.parametrize("language", prompt.languages("xquad"))
@pytest.mark.parametrize("prompting", XQuad.promptings)
def test_every_request_ends_in_an_opened_quotation_one_space_behind_the_prompt(
    tmp_path: Path, language: str, prompting: Prompting
) -> None:
    asked = written(tmp_path, tree(BALLS, OWNER), language)
    for item in asked.items(language, prompting):
        request = asked.request(item)
        assert request.prompt == chat_prompt(item.prompt)
        assert item.prompt == item.prompt.strip()
        assert request.prefix == item.prefix == f" {item.prefix.strip()}"
        assert request.prefix[-1] in OPENING
        assert sum(request.prefix.count(mark) for mark in OPENING) == 1
        assert request.prompt.count(PASSAGE) == request.prompt.count(item.source) == 1


def test_an_english_instruction_asks_the_same_in_other_words(tmp_path: Path) -> None:
    asked = written(tmp_path, tree(BALLS, OWNER))
    own, english = asked.items("de", "xx:xx"), asked.items("de", "en:xx")

    def same(items: Sequence[Item]) -> list[Any]:
        return [(item.id, item.language, item.source, item.references) for item in items]

    assert same(own) == same(english)
    for one, other in zip(own, english, strict=True):
        assert one.prompt != other.prompt
        assert one.prefix != other.prefix
    written(tmp_path, tree(BALLS, OWNER), "en")
    assert asked.items("en", "xx:xx") == asked.items("en", "en:xx")


# Scores


def verdict(language: str, question: str, reference: str, text: str, prefix: str = "") -> dict[str, float]:
    """Values of all rules for one output of one item made by hand."""
    item = Item("q", language, "…", (reference,), question, prefix)
    (score,) = task(Path()).score([item], [Output("q", "", text, "eos", 1)])
    assert score.item == "q"
    assert not score.unscored
    return dict(score.values)


@pytest.mark.parametrize(
    ("language", "question", "reference", "response", "paper", "code", "exact", "f1"),
    [
        # The rules by themselves have goldens of their own (tests of metrics): here are cases in which they part.
        # Moses's rules make “ a ", which ends the answer; the reference begins the response.
        ("de", "Wie viele?", "zwei", "zwei“, denn so steht es dort.", 1, 1, 1, 1),
        # They make a no-break space between digits a dot, in response and reference; NFKC makes it a space.
        ("ru", "Сколько?", "308\u00a0000", "308\u00a0000»", 1, 1, 1, 1),
        # With a common space the code has 308 000 against 308.000, the paper's reading a space against a no-break one.
        ("ru", "Сколько?", "308\u00a0000", "308 000»", 0, 0, 1, 1),
        # The code ends the answer at the apostrophe, d; ’ and ' differ; without punctuation both are dOr.
        ("es", "¿Qué premio?", "d’Or", "d'Or”", 0, 0, 1, 1),
        # Of a question that does not begin the response nothing goes: four tokens, one right, 2 * 1 / (4 + 1).
        ("de", "Wie viele?", "zwei", "Frage: Wie viele? zwei“", 0, 1, 0, 2 / 5),
        # A lead-in goes in the code alone; of two tokens one is right, the one wanted is there: 2 * 1 / (2 + 1).
        ("ru", "Какой цвет?", "красный", "это красный»", 0, 1, 0, 2 / 3),
        # The reference ends at the 50th character, and at the 51st; F1 has no such end.
        ("de", "Wie viele?", "zwei", "x" * 45 + " zwei", 0, 1, 0, 2 / 3),
        ("de", "Wie viele?", "zwei", "x" * 46 + " zwei", 0, 0, 0, 2 / 3),
        # Within a word too, and at the beginning of one.
        ("de", "Wie viele?", "zwei", "zweiundzwanzig“", 1, 1, 0, 0),
        # Case counts for both; "the" is an article in English, so house is the one token too many.
        ("en", "Which one?", "red", 'the Red house"', 0, 0, 0, 2 / 3),
        # Thai by characters, a vowel sign being one: three of three are right, three of six are there: 2 * 3 / (3 + 6).
        ("th", "กี่ลูก", "สองลูก", 'สอง"', 0, 0, 0, 2 / 3),
        # Only the quote mark that closes what was forced open: there is no answer, which is wrong.
        ("de", "Wie viele?", "zwei", "“", 0, 0, 0, 0),
    ],
)
def test_goldens_of_the_rules(
    language: str, question: str, reference: str, response: str, paper: float, code: float, exact: float, f1: float
) -> None:
    prefix = f" {prompt.template('xquad', language).prefix}"
    wanted = dict(zip(RULES, (paper, code, exact, f1), strict=True))
    # Engines give the forced beginning back with the continuation; files of others may not.
    for text in (prefix + response, prefix.strip() + response, response):
        assert verdict(language, question, reference, text, prefix) == pytest.approx(wanted)


@given(text=st.text() | st.text("zweiWB?é “„\"'\n .,"), prompting=st.sampled_from(["de", "en"]))
def test_scores_do_not_hang_on_whether_the_forced_beginning_is_in_the_text(text: str, prompting: str) -> None:
    prefix = f" {prompt.template('xquad', prompting).prefix}"
    forced = verdict("de", "Wie viele?", "zwei", prefix + text, prefix)
    assert forced == verdict("de", "Wie viele?", "zwei", text, prefix)


def test_the_forced_beginning_is_no_part_of_the_answer() -> None:
    # All of the response is forced, and holds the reference: that is nobody's answer.
    prefix = ' Based on the passage, the answer to the question is "'
    assert set(verdict("en", "What?", "passage", prefix, prefix).values()) == {0}


def test_notes_say_what_was_found_and_what_was_wanted() -> None:
    items = [Item(id_, "de", "…", ("zwei", "2"), "Wie viele?", ' So: "') for id_ in ("a", "b")]
    outputs = [Output("a", "", ' So: "zwei"', "eos", 1), Output("b", "", ' So: "', "eos", 0)]
    first, second = task(Path()).score(items, outputs)
    assert (first.item, first.notes) == ("a", {"found": 'zwei"', "reference": "zwei | 2"})
    assert (second.item, second.notes["found"]) == ("b", "nothing (the response holds no answer)")


def test_an_item_without_a_reference_is_unscored_under_every_rule_and_says_why() -> None:
    (score,) = task(Path()).score([Item("q", "de", "…")], [Output("q", "", "zwei", "eos", 1)])
    assert score.values == {}
    assert set(score.unscored) == set(RULES)
    assert all(score.unscored.values())


# Real data


@pytest.mark.skipif(not (XQUAD_DATA / "xquad.en.json").is_file(), reason="XQuAD is not beside this checkout")
def test_the_real_files_have_1190_questions_the_same_in_every_language() -> None:
    ids = {}
    for language in ("en", "es", "ru", "de", "zh", "hi", "el"):
        for prompting in XQuad.promptings:
            items = task(XQUAD_DATA).items(language, prompting)
            assert all(len(item.references) == 1 and item.references[0] in item.prompt for item in items)
            ids[language, prompting] = [item.id for item in items]
    assert {len(set(some)) for some in ids.values()} == {1190}
    assert all(some == ids["en", "xx:xx"] for some in ids.values())
