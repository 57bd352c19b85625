"""The bundled test items are what a study takes them for: enough, parallel, balanced, in their language, unseen."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from test_pocket import folded, repeated

from babeltune.data.identify import FastText, lid176_path
from babeltune.data.sources import POCKET, read_chats
from babeltune.measure.metrics.letters import LETTERS
from babeltune.measure.tasks import prompt
from babeltune.measure.tasks.prompt import RELATIONS
from babeltune.measure.tasks.simplification import FOLDERS, Simplification
from babeltune.measure.tasks.xcsqa import XCsqa
from babeltune.measure.tasks.xnli import Xnli
from babeltune.measure.tasks.xquad import XQuad
from babeltune.records import Item, Output, Sampling, Task

PIECE = 40
"""Characters: a stretch as long as that in an item and in a chat is no chance; of Chinese ones a quarter will do."""
LID = FastText(lid176_path())
TASKS: dict[str, Task] = {
    "simplification": Simplification(POCKET / "simplification", LID, Sampling(), sample=None),
    "xquad": XQuad(POCKET / "xquad", Sampling()),
    "xcsqa": XCsqa(POCKET / "xcsqa", Sampling()),
    "xnli": Xnli(POCKET / "xnli"),
}
CODES = {folder: code for code, folder in FOLDERS.items()}


def bundled(name: str) -> list[str]:
    """Codes of the languages of a task, read off the names of what lies in its folder."""
    names = sorted(path.name for path in (POCKET / name).glob("[!.]*"))
    match name:
        case "simplification":
            return [CODES[one] for one in names]
        case "xcsqa":
            return names
        case _:
            return [one.split(".")[1] for one in names]


LANGUAGES = {name: bundled(name) for name in TASKS}
EACH = [(name, code) for name in TASKS for code in LANGUAGES[name]]
ITEMS: dict[tuple[str, str], list[Item]] = {}


def items(name: str, code: str) -> list[Item]:
    if (name, code) not in ITEMS:
        ITEMS[name, code] = TASKS[name].items(code, "xx:xx")
    return ITEMS[name, code]


def passages(code: str) -> list[dict[str, Any]]:
    tree = json.loads((POCKET / "xquad" / f"xquad.{code}.json").read_text(encoding="utf-8"))
    return [passage for article in tree["data"] for passage in article["paragraphs"]]


def choices(code: str) -> Iterator[dict[str, str]]:
    """Letter -> text of each question."""
    for line in (POCKET / "xcsqa" / code / "dev.jsonl").read_text(encoding="utf-8").splitlines():
        yield {choice["label"]: choice["text"] for choice in json.loads(line)["question"]["choices"]}


def whole_texts(name: str, code: str) -> set[str]:
    """Sentences and passages of a task: what could be learnt by heart."""
    texts = {item.source for item in items(name, code)}
    match name:
        case "simplification":
            texts |= {reference for item in items(name, code) for reference in item.references}
        case "xquad":
            texts |= {passage["context"] for passage in passages(code)}
        case "xnli":
            texts |= {item.prompt for item in items(name, code)}
    return {folded(text) for text in texts}


TURNS = "\n".join(folded(turn.content) for chat in read_chats("pocket").chats for turn in chat.turns)


@pytest.mark.parametrize("name", TASKS)
def test_there_are_five_languages_at_least_english_among_them(name: str) -> None:
    assert len(LANGUAGES[name]) >= 5
    assert "en" in LANGUAGES[name]


@pytest.mark.parametrize(("name", "code"), EACH)
def test_there_are_sixteen_items_at_least_under_every_prompting(name: str, code: str) -> None:
    for prompting in TASKS[name].promptings:
        found = TASKS[name].items(code, prompting)
        assert len(found) >= 16
        assert {item.language for item in found} == {code}
        assert all(item.source for item in found)
        assert all(item.references for item in found)


@pytest.mark.parametrize(("name", "code"), EACH)
def test_ids_keys_and_labels_are_the_same_in_every_language(name: str, code: str) -> None:
    # The same id in two languages is a translation of the same item: intervals resample ids.
    here, english = items(name, code), items(name, "en")
    assert [item.id for item in here] == [item.id for item in english]
    assert [len(item.references) for item in here] == [len(item.references) for item in english]
    if name in ("xcsqa", "xnli"):
        assert [item.references for item in here] == [item.references for item in english]


@pytest.mark.parametrize("name", TASKS)
def test_nothing_is_asked_twice_nor_left_untranslated(name: str) -> None:
    assert repeated([folded(item.subject) for code in LANGUAGES[name] for item in items(name, code)]) == []


@pytest.mark.parametrize("code", LANGUAGES["xnli"])
def test_pairs_are_balanced_and_no_premise_is_its_hypothesis(code: str) -> None:
    counts = Counter(item.references[0] for item in items("xnli", code))
    assert set(counts) == set(RELATIONS)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert all(folded(item.prompt) != folded(item.source) for item in items("xnli", code))
    # A pair stays on its line, and the texts hold what ends one nowhere.
    assert not any(char in item.prompt + item.source for item in items("xnli", code) for char in "\t\r\n")


@pytest.mark.parametrize("code", LANGUAGES["xcsqa"])
def test_keys_are_balanced_and_choices_differ(code: str) -> None:
    counts = Counter(item.references[0] for item in items("xcsqa", code))
    assert set(counts) == set(LETTERS)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert [one for one in choices(code) if len(set(map(folded, one.values()))) < len(LETTERS)] == []


@pytest.mark.parametrize("code", LANGUAGES["xquad"])
def test_answers_stand_in_their_passages_where_the_file_says(code: str) -> None:
    found = [
        (passage["context"], question["question"], answer)
        for passage in passages(code)
        for question in passage["qas"]
        for answer in question["answers"]
    ]
    assert found
    for context, asked, answer in found:
        start, text = answer["answer_start"], answer["text"]
        assert context[start : start + len(text)] == text == text.strip() != ""
        assert text not in asked
    assert repeated([folded(passage["context"]) for passage in passages(code)]) == []


@pytest.mark.parametrize("code", LANGUAGES["xquad"])
@pytest.mark.parametrize("prompting", XQuad.promptings)
def test_the_right_answer_is_right_under_every_rule_and_another_under_none(code: str, prompting: Any) -> None:
    task = TASKS["xquad"]
    asked = task.items(code, prompting)
    right = [Output(item.id, "", f'{item.prefix}{item.references[0]}"', "eos", 1) for item in asked]
    assert [score for score in task.score(asked, right) if set(score.values.values()) != {1.0}] == []
    wrong = [Output(item.id, "", f'{item.prefix}ø"', "eos", 1) for item in asked]
    assert [score for score in task.score(asked, wrong) if set(score.values.values()) != {0.0}] == []


@pytest.mark.parametrize("code", LANGUAGES["xcsqa"])
def test_the_right_letter_is_right_under_both_rules(code: str) -> None:
    task, asked = TASKS["xcsqa"], items("xcsqa", code)
    outputs = [Output(item.id, "", f'{item.prefix}{item.references[0]}"', "eos", 1) for item in asked]
    assert [score for score in task.score(asked, outputs) if set(score.values.values()) != {1.0}] == []


@pytest.mark.parametrize("code", LANGUAGES["simplification"])
def test_simple_sentences_are_others_than_the_one_to_simplify(code: str) -> None:
    for item in items("simplification", code):
        assert folded(item.source) not in {folded(reference) for reference in item.references}
        assert len(set(map(folded, item.references))) == len(item.references)


@pytest.mark.parametrize(("name", "code"), EACH)
def test_lid176_names_the_language_of_nine_in_ten_subjects(name: str, code: str) -> None:
    verdicts = LID.identify([item.subject for item in items(name, code)])
    assert sum(verdict.label == code for verdict in verdicts) >= 0.9 * len(verdicts)


@pytest.mark.parametrize(("name", "code"), EACH)
def test_no_item_is_in_a_chat_nor_a_long_piece_of_it(name: str, code: str) -> None:
    size = PIECE // 4 if code == "zh" else PIECE
    texts = whole_texts(name, code)
    assert texts
    assert [text for text in texts if text in TURNS] == []
    pieces = {text[at : at + size]: text for text in texts for at in range(len(text) - size + 1)}
    assert [text for piece, text in pieces.items() if piece in TURNS] == []


@pytest.mark.parametrize("name", ["chats", "dialogue", *TASKS])
def test_files_are_plain_utf8_in_composed_characters(name: str) -> None:
    files = [path for path in (POCKET / name).rglob("*") if path.is_file()]
    assert len(files) == len(LANGUAGES[name]) if name in LANGUAGES else files
    for path in files:
        text = path.read_bytes().decode()
        assert not text.startswith("\ufeff"), path
        assert "\r" not in text, path
        assert "\ufffd" not in text, path
        assert unicodedata.is_normalized("NFC", text), path


@pytest.mark.parametrize("name", TASKS)
def test_every_language_has_a_prompt(name: str) -> None:
    assert [code for code in LANGUAGES[name] if code not in prompt.languages(name)] == []
