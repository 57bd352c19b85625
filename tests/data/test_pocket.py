"""The bundled data keep what docs and study promise of them; read here without the readers of src."""

import json
import re
import unicodedata
from collections import Counter

import fasttext
import pytest

from babeltune.data.identify import lid176_path
from babeltune.data.sources import POCKET, read_chats
from babeltune.languages import PAPER_LANGUAGES

LEAST = {"en": 240, "es": 60, "ru": 60, "de": 60, "zh": 60, "fr": 60}
# How Unicode names the letters that a language is written in; Latin for all others.
SCRIPTS = {"zh": "CJK", "ru": "CYRILLIC", "bg": "CYRILLIC", "el": "GREEK", "hi": "DEVANAGARI", "ko": "HANGUL"}
# Characters of the traditional script that the simplified one writes otherwise.
TRADITIONAL = set("們這個說時會國學對來為與過還沒關開間題麼點裡後從應當實現經線電話語車門問書讀寫買賣錢飯館")
# Letters and signs that belong to the language and that text typed without them would lack.
MARKS = {
    "de": "äöü",
    "es": "áéíóúñ¿",
    "fr": "éèàê",
    "sv": "åäö",
    "it": "àèéòù",
    "pt": "ãçáé",
    "vi": "đươạế",
    "fi": "äö",
    "hu": "őűáé",
    "no": "øåæ",
    "sl": "čšž",
    "is": "þðæö",
}
# A sentence ends at a full stop, question or exclamation mark and what closes a quotation, where white space follows
# and the next word has no small letter at its head; a Chinese one at the mark alone.
SPACED_END = re.compile(r"[.!?…]+[”“\"»)’']*(?=\s|$)")
WORD = re.compile(r"[^\W_]")
CHINESE_END = re.compile(r"[。！？…]+[”』」）]*")
MODEL = fasttext.load_model(str(lid176_path()))


def rows(kind, code):
    return [json.loads(line) for line in (POCKET / kind / f"{code}.jsonl").read_bytes().splitlines()]


CHATS = {code: rows("chats", code) for code in LEAST}
PROMPTS = {code: rows("dialogue", code) for code in PAPER_LANGUAGES}
ALL = [row for code in CHATS for row in CHATS[code]]


def instruction(row):
    return row["messages"][0]["content"]


def answer(row):
    return row["messages"][1]["content"]


def folded(text):
    return " ".join(text.casefold().split())


def repeated(texts):
    return [text for text, n in Counter(texts).items() if n > 1]


def sentences(text, code):
    if code == "zh":
        return len(CHINESE_END.findall(text))
    following = [WORD.search(text, end.end()) for end in SPACED_END.finditer(text)]
    return sum(next_word is None or not next_word[0].islower() for next_word in following)


def foreign_letters(text, code):
    """Share of the letters that are not in the language's script."""
    letters = [char for char in text if char.isalpha()]
    script = SCRIPTS.get(code, "LATIN")
    return sum(not unicodedata.name(char).startswith(script) for char in letters) / len(letters)


def identified(text):
    return MODEL.predict(text.replace("\n", " "))[0][0].removeprefix("__label__")


# The chats


@pytest.mark.parametrize(("kind", "codes"), [("chats", LEAST), ("dialogue", PAPER_LANGUAGES)])
def test_there_are_chats_and_prompts_in_these_languages_and_no_others(kind, codes):
    assert {file.stem for file in (POCKET / kind).iterdir()} == set(codes)


@pytest.mark.parametrize("code", LEAST)
def test_there_are_chats_enough(code):
    assert len(CHATS[code]) >= LEAST[code]


@pytest.mark.parametrize("code", LEAST)
def test_each_chat_is_a_question_and_an_answer_in_its_files_language(code):
    for row in CHATS[code]:
        assert set(row) == {"id", "language", "messages"}
        assert row["language"] == code
        assert row["id"].startswith(f"{code}-")
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"]


def test_the_reader_of_src_reads_them_all():
    read = {chat.id: (chat.language, [turn.content for turn in chat.turns]) for chat in read_chats("pocket").chats}
    assert read == {row["id"]: (row["language"], [instruction(row), answer(row)]) for row in ALL}


@pytest.mark.parametrize("part", [instruction, answer, lambda row: row["id"]], ids=["instruction", "answer", "id"])
def test_nothing_stands_twice(part):
    assert repeated(folded(part(row)) for row in ALL) == []


@pytest.mark.parametrize("code", LEAST)
def test_answers_have_two_to_six_sentences(code):
    counts = {row["id"]: sentences(answer(row), code) for row in CHATS[code]}
    assert {name: n for name, n in counts.items() if not 2 <= n <= 6} == {}


@pytest.mark.parametrize(
    # Counted by eye.
    ("text", "code", "count"),
    [
        ("Yes. No.", "en", 2),
        ("It costs 3.50 euros, e.g. here. Ask “Why?” first (or not). Then go!", "en", 3),
        ("„Seit Montag regnet es.“ Mit d geht es um „sein“.", "de", 2),
        ("Bien sûr ! Et vous ? « Rien. » 3 fois.", "fr", 4),
        ("¿Qué? ¡Nada!", "es", 2),
        ("Да… нет. «Вот!» — сказал он.", "ru", 2),
        ("好的。他说：“走吧！”然后呢？", "zh", 3),
        ("No end", "en", 0),
    ],
)
def test_the_counter_of_sentences_counts_sentences(text, code, count):
    assert sentences(text, code) == count


@pytest.mark.parametrize("code", LEAST)
def test_chats_are_written_in_the_script_of_their_language(code):
    shares = {row["id"]: foreign_letters(instruction(row) + answer(row), code) for row in CHATS[code]}
    assert {name: share for name, share in shares.items() if share > 0.1} == {}


def test_lid176_agrees_with_the_declared_language():
    agreed = {
        code: sum(identified(instruction(row) + "\n" + answer(row)) == code for row in CHATS[code]) for code in CHATS
    }
    assert sum(agreed.values()) >= 0.97 * len(ALL)
    assert all(agreed[code] >= 0.97 * len(CHATS[code]) for code in CHATS)


# The prompts


@pytest.mark.parametrize("code", PAPER_LANGUAGES)
def test_there_are_24_prompts_to_test_and_12_to_develop_on(code):
    assert all(set(row) == {"id", "split", "prompt"} for row in PROMPTS[code])
    assert Counter(row["split"] for row in PROMPTS[code]) == {"test": 24, "dev": 12}


@pytest.mark.parametrize("code", PAPER_LANGUAGES)
def test_ids_and_splits_are_the_same_in_every_language(code):
    # The same id in two languages is a translation of the same prompt: intervals resample ids.
    assert [(row["id"], row["split"]) for row in PROMPTS[code]] == [(row["id"], row["split"]) for row in PROMPTS["en"]]
    assert repeated(row["id"] for row in PROMPTS[code]) == []


def test_no_prompt_stands_twice():
    # Across languages too: the same words in two would be no translation.
    assert repeated(folded(row["prompt"]) for code in PROMPTS for row in PROMPTS[code]) == []


def test_no_prompt_is_an_instruction_of_a_chat():
    instructions = {folded(instruction(row)) for row in ALL}
    assert instructions.isdisjoint(folded(row["prompt"]) for code in PROMPTS for row in PROMPTS[code])


@pytest.mark.parametrize("code", PAPER_LANGUAGES)
def test_prompts_are_written_in_the_script_of_their_language(code):
    assert all(foreign_letters(row["prompt"], code) <= 0.1 for row in PROMPTS[code])


@pytest.mark.parametrize("code", MARKS)
def test_prompts_are_written_with_the_marks_of_their_language(code):
    text = " ".join(row["prompt"] for row in PROMPTS[code]).casefold()
    assert [mark for mark in MARKS[code] if mark not in text] == []


def test_chinese_is_simplified():
    text = "".join(map(answer, CHATS["zh"])) + "".join(map(instruction, CHATS["zh"]))
    text += "".join(row["prompt"] for row in PROMPTS["zh"])
    assert TRADITIONAL.isdisjoint(text)


# lid.176 takes most short Norwegian texts for Danish, these too: what tells the two apart is tested below.
@pytest.mark.parametrize("code", [code for code in PAPER_LANGUAGES if code != "no"])
def test_lid176_names_the_language_of_all_prompts_together(code):
    assert identified(" ".join(row["prompt"] for row in PROMPTS[code])) == code


def test_norwegian_is_bokmal_and_neither_danish_nor_nynorsk():
    words = set(re.findall(r"\w+", " ".join(row["prompt"] for row in PROMPTS["no"]).casefold()))
    assert words >= {"jeg", "hva", "meg", "hvordan"}
    assert words.isdisjoint({"hvad", "mig", "af", "nogle", "mellem", "eg", "kva", "korleis", "ikkje", "skilnaden"})
