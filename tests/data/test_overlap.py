import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.data.overlap import CHARACTERS, WORDS, Overlap
from babeltune.data.sources import POCKET, read_chats
from babeltune.languages import LANGUAGES, PAPER_LANGUAGES
from babeltune.records import Chat, Item, Turn

# Ordinary words, each once; longer than 13 words and than 26 characters.
PROMPT = (
    "Please write me a short story about an old lighthouse keeper who one day finds "
    "a strange green bottle with somebody else in it"
)
SPOKEN = PROMPT.split()
# 40 different characters each: Han, hiragana, Thai consonants.
UNSPACED = {
    "zh": "".join(chr(0x4E00 + n) for n in range(40)),
    "ja": "".join(chr(0x3042 + n) for n in range(40)),
    "th": "".join(chr(0x0E01 + n) for n in range(40)),
}


def asked(*prompts):
    """Knows prompts given as (language, prompt); ids count from 0."""
    return Overlap([Item(str(n), language, prompt) for n, (language, prompt) in enumerate(prompts)])


def chat(question, answer="Because."):
    return Chat("a", (Turn("user", question), Turn("assistant", answer)), "en", 0.9)


# Whole prompts


@pytest.mark.parametrize(
    "prompt", ["Why is the sky blue?", "WHY IS THE SKY BLUE?", "  Why is\tthe\n sky  blue?", "why is the ſky blue?"]
)
def test_a_whole_prompt_is_found_without_case_and_spacing(prompt):
    item = asked(("en", prompt)).of(chat("Why is the sky blue?"))
    assert item == Item("0", "en", prompt)
    assert asked(("en", "Why is the sky blue?")).of(chat(prompt)) is not None


def test_a_whole_prompt_is_found_in_a_later_question():
    turns = (Turn("user", "Hi"), Turn("assistant", "Hello."), Turn("user", "Why?"), Turn("assistant", "Because."))
    assert asked(("en", "why?")).of(Chat("a", turns)) is not None


def test_a_short_prompt_in_an_answer_or_inside_a_longer_question_is_none():
    overlap = asked(("en", "Because."), ("en", "Why?"), ("zh", "为什么？"))
    assert overlap.of(chat("Why? Tell me.")) is None
    assert overlap.of(chat("Tell me.", "Why?")) is None
    assert overlap.of(chat("请告诉我为什么？")) is None


def test_without_prompts_no_chat_holds_one():
    assert asked().of(chat(PROMPT)) is None


def test_the_item_that_is_held_is_the_one_returned():
    overlap = asked(("en", "Who?"), ("en", PROMPT), ("en", "Why?"))
    assert [overlap.of(chat(text)).id for text in ("Why?", f"So: {PROMPT}", "who?")] == ["2", "1", "0"]


# Words in a row


def test_the_lengths_are_those_that_are_documented():
    # Brown et al. 2020, appendix C: 13 words; a word has about two characters where there are no spaces.
    assert (WORDS, CHARACTERS) == (13, 26)
    assert "13 words in a row" in Overlap.rule


@pytest.mark.parametrize("start", [0, 3, len(SPOKEN) - 13])
@pytest.mark.parametrize(("words", "found"), [(12, False), (13, True)])
def test_13_words_in_a_row_are_found_and_12_are_not(start, words, found):
    said = " ".join(SPOKEN[start : start + words])
    overlap = asked(("en", PROMPT))
    assert (overlap.of(chat(f"Hello there! {said} please?")) is not None) == found
    assert (overlap.of(chat("Hello?", f"Certainly. {said} and so on.")) is not None) == found


def test_words_that_do_not_follow_each_other_are_none():
    overlap = asked(("en", PROMPT))
    assert overlap.of(chat(" ".join(reversed(SPOKEN)))) is None
    assert overlap.of(chat(" ".join([*SPOKEN[:12], "then", *SPOKEN[12:]]))) is None
    # Nor are words of two turns in a row.
    assert overlap.of(chat(" ".join(SPOKEN[:10]), " ".join(SPOKEN[10:20]))) is None


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        str.title,
        lambda text: text.replace(" ", "  \n"),
        lambda text: text.replace(" ", ", "),
        lambda text: f"**{text}**".replace(" a ", " “a” "),
        lambda text: text.replace(" ", "\u00a0"),
        lambda text: text.replace("green", "‘green’"),
    ],
)
def test_neither_case_nor_spacing_nor_punctuation_counts(change):
    overlap, said = asked(("en", PROMPT)), f"Again: {change(PROMPT)}"
    assert overlap.of(chat(said)) is not None
    assert asked(("en", said)).of(chat(f"Once more: {PROMPT}")) is not None


FEW_WORDS = st.lists(st.sampled_from(["ja", "nein"]), min_size=10, max_size=40)


@given(FEW_WORDS, FEW_WORDS, FEW_WORDS)
def test_it_finds_what_a_comparison_of_all_places_finds(prompt, question, answer):
    windows = {tuple(words[at : at + 13]) for words in (question, answer) for at in range(len(words) - 12)}
    held = any(tuple(prompt[at : at + 13]) in windows for at in range(len(prompt) - 12)) or prompt == question
    assert (asked(("de", " ".join(prompt))).of(chat(" ".join(question), " ".join(answer))) is not None) == held


# Characters in a row, where words are not spaced


def test_these_languages_are_written_without_spaces():
    assert set(UNSPACED) == {code for code, row in LANGUAGES.items() if not row.spaced}


@pytest.mark.parametrize("code", UNSPACED)
@pytest.mark.parametrize("start", [0, 7, 14])
@pytest.mark.parametrize(("characters", "found"), [(25, False), (26, True)])
def test_26_characters_in_a_row_are_found_and_25_are_not(code, start, characters, found):
    prompt = UNSPACED[code]
    said = prompt[start : start + characters]
    overlap = asked((code, prompt))
    assert (overlap.of(chat(f"Ω{said}Ω")) is not None) == found
    assert (overlap.of(chat("Ω", f"Ω{said}Ω")) is not None) == found


@pytest.mark.parametrize("code", UNSPACED)
def test_neither_spacing_nor_punctuation_counts_between_characters(code):
    prompt = UNSPACED[code]
    overlap = asked((code, f"{prompt[:20]}，{prompt[20:]}？"))
    assert overlap.of(chat(f"{prompt[5:15]} 「{prompt[15:25]}」。\n{prompt[25:35]}")) is not None


# No false alarms


@pytest.mark.parametrize("code", UNSPACED)
def test_26_characters_of_a_spaced_prompt_are_none_also_where_characters_are_looked_at(code):
    # The last 12 words have 50 letters.
    overlap = asked((code, UNSPACED[code]), ("en", PROMPT))
    assert overlap.of(chat(" ".join(SPOKEN[-12:]))) is None
    assert overlap.of(chat(PROMPT + "!")) is not None


def test_13_phrases_of_a_language_without_spaces_are_no_13_words():
    short = "，".join(UNSPACED["zh"][n] for n in range(20))
    assert asked(("zh", short), ("en", PROMPT)).of(chat(short + "，世")) is None


LETTERS = {"en": "abcde", "ru": "абвгд", "el": "αβγδε", "ko": "가나다라마", "zh": "的一是不了", "ja": "あいうえお"}


@given(st.data())
def test_no_chat_holds_a_prompt_of_another_language(data):
    codes = data.draw(st.permutations(list(LETTERS)))
    texts = {
        code: " ".join(data.draw(st.lists(st.text(LETTERS[code], min_size=1, max_size=3), min_size=13, max_size=30)))
        for code in codes
    }
    overlap = asked(*((code, texts[code]) for code in codes[1:]))
    assert overlap.of(chat(texts[codes[0]], texts[codes[0]])) is None
    assert asked(*texts.items()).of(chat(texts[codes[0]])).language == codes[0]


def test_the_bundled_chats_hold_no_bundled_prompt():
    rows = {
        code: [json.loads(line) for line in (POCKET / "dialogue" / f"{code}.jsonl").read_bytes().splitlines()]
        for code in PAPER_LANGUAGES
    }
    overlap = Overlap(Item(row["id"], code, row["prompt"]) for code in rows for row in rows[code])
    assert [one.id for one in read_chats("pocket").chats if overlap.of(one)] == []
    # It would say so if one did: each prompt holds itself.
    assert all(overlap.of(chat(row["prompt"])) for code in rows for row in rows[code])


# What a word is


def test_vowel_signs_of_hindi_split_no_word():
    prompt = "मुझे हिन्दी में एक छोटी कहानी सुनाओ जिसमें बिल्ली हो और उसका अंत सुखद रहे तो अच्छा लगेगा"
    words = prompt.split()
    known = asked(("hi", prompt))
    assert known.of(chat(" ".join(words[:12]))) is None
    assert known.of(chat(" ".join(words[:13])))


def test_an_apostrophe_splits_no_word_and_an_underscore_is_none():
    prompt = "one two three four five six seven eight nine ten eleven don't thirteen fourteen"
    known = asked(("en", prompt))
    assert known.of(chat(" ".join(prompt.split()[:12]))) is None
    assert known.of(chat(prompt.replace("don't", "don’t").replace("seven", "_seven_")))


def test_composed_and_decomposed_letters_are_one():
    prompt = "Où est né l’écrivain préféré de ma mère ?"
    assert asked(("fr", prompt)).of(chat(unicodedata.normalize("NFD", prompt)))


def test_a_latin_name_in_a_prompt_without_spaces_is_no_overlap():
    known = asked(("zh", "请介绍《The Lord of the Rings: The Return of the King》这本书"))
    assert known.of(chat("Who wrote The Lord of the Rings: The Return of the King?")) is None


def test_spacing_and_punctuation_of_a_whole_prompt_do_not_count():
    assert asked(("zh", "如何用Python排序？")).of(chat("如何用 Python 排序"))
    assert asked(("en", "How do I sleep better?")).of(chat("How do I sleep better"))


def test_a_prompt_without_letters_is_itself_alone():
    known = asked(("en", "?!"))
    assert known.of(chat("?!"))
    assert known.of(chat("...")) is None
