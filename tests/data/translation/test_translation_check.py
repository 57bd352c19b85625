"""The audit: what is flagged, what is only told, and what must pass."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.data.identify import FastText, lid176_path
from babeltune.data.sources import POCKET
from babeltune.data.translation.check import Checked, check, likely, plausible
from babeltune.languages import LANGUAGES, PAPER_LANGUAGES
from babeltune.records import Identified

SHARED = Path(__file__).parents[3].parent / "shared"
XQUAD = SHARED / "data" / "xquad"
needs_xquad = pytest.mark.skipif(not XQUAD.is_dir(), reason="XQuAD is not beside this checkout")
LID = FastText(lid176_path(), threads=1)
ENGLISH = "Where does the river begin, and how does it find its way to the sea?"
GERMAN = "Wo entspringt der Fluss, und wie findet er seinen Weg ins Meer?"


def kinds(found: Checked) -> list[str]:
    return [flag.kind for flag in found.flags]


def warned(found: Checked) -> list[str]:
    return [flag.kind for flag in found.warnings]


def one(source: str, translation: str, language: str = "de", source_language: str = "en") -> Checked:
    return check((source,), (translation,), language, LID, source_language)


class Says:
    """An identifier that takes every text for one language."""

    def __init__(self, label: str | None, probability: float = 0.99) -> None:
        self.found = Identified(label, probability)

    def identify(self, texts: Sequence[str]) -> list[Identified]:
        return [self.found for _ in texts]


def test_a_good_translation_passes_and_tells_its_language_and_length() -> None:
    found = one(ENGLISH, GERMAN)
    assert (found.flags, found.warnings, found.identified) == ((), (), "de")
    assert found.probability > 0.9
    assert found.ratio == pytest.approx(len(GERMAN) / len(ENGLISH))


@pytest.mark.parametrize(
    ("translation", "told"),
    [
        (ENGLISH, ["language", "untranslated"]),
        (ENGLISH.upper(), ["language", "untranslated"]),
        (ENGLISH.replace("river", "Fluss"), ["language", "untranslated"]),
        ("I cannot help with that request, as I am only a translator of texts.", ["language"]),
        ("¿Dónde nace el río y cómo encuentra su camino hacia el mar?", ["language"]),
        (f"{GERMAN} {GERMAN} {GERMAN} {GERMAN}", ["length"]),
        ("Fluss", ["length"]),
        ("", ["empty"]),
        (" \n", ["empty"]),
    ],
    ids=["same", "capitals", "a-word", "refusal", "spanish", "long", "short", "empty", "blank"],
)
def test_a_bad_translation_is_flagged(translation: str, told: list[str]) -> None:
    source = ENGLISH * 3 if translation == "Fluss" else ENGLISH
    assert kinds(one(source, translation)) == told


def test_a_turn_that_stayed_is_flagged_by_its_number_however_long_the_others() -> None:
    found = check((ENGLISH, ENGLISH * 9), (ENGLISH, GERMAN * 9), "de", LID)
    assert [(flag.kind, flag.detail) for flag in found.flags] == [
        ("untranslated", "100% of the 15 words of turn 1 are as they were")
    ]
    assert kinds(check((ENGLISH, ENGLISH * 9), (GERMAN, GERMAN * 9), "de", LID)) == []


def test_what_was_in_the_language_already_may_stay() -> None:
    # As an answer that a model gave in English where it was asked in German, and which is put into English.
    assert kinds(one(ENGLISH, ENGLISH, "en", "de")) == []
    assert kinds(one(GERMAN, ENGLISH, "en", "de")) == []


def test_a_few_words_and_code_may_stay() -> None:
    assert warned(one("Hotel Adlon, Berlin", "Hotel Adlon, Berlin")) == ["untranslated"]
    assert kinds(one("Hotel Adlon, Berlin", "Hotel Adlon, Berlin")) == []
    code = "```python\nfor name in names:\n    print(name, end=', ')\nraise the question of what is this good for\n```"
    assert kinds(check((ENGLISH, code), (GERMAN, code), "de", LID)) == []


def test_code_links_and_numbers_that_are_gone_are_told_and_no_more() -> None:
    source = f"{ENGLISH} See https://example.org/rivers. Call `flow(3)`, at 1,250.5 m:\n```\nflow(4)\n```"
    kept = f"{GERMAN} Siehe https://example.org/rivers. Rufe `flow(3)` auf, bei 1.250,5 m:\n```\nflow(4)\n```"
    assert (one(source, kept).flags, one(source, kept).warnings) == ((), ())
    lost = kept.replace("flow", "fluss").replace("https://example.org/rivers", "die Seite").replace("1.250,5", "viele")
    found = one(source, lost)
    assert kinds(found) == []
    assert [(flag.kind, flag.detail) for flag in found.warnings] == [
        ("code", "2 pieces of code are not as they were"),
        ("links", "1 addresses are gone"),
        ("numbers", "gone: 12505"),
    ]


def test_digits_of_another_script_are_the_same_numbers() -> None:
    hindi = "नदी की लंबाई २,५१० किलोमीटर है और यह समुद्र तक पहुँचती है।"
    assert warned(one("The river is 2,510 kilometres long and reaches the sea.", hindi, "hi")) == []


@pytest.mark.parametrize(("label", "flagged"), [("da", False), ("nn", False), ("de", True), ("en", True)])
def test_a_neighbours_language_is_told_and_any_other_flagged(label: str, flagged: bool) -> None:
    text = "Hvor begynner elven, og hvordan finner den veien til havet?"
    found = check((ENGLISH,), (text,), "no", Says(label))
    assert ("language" in kinds(found), "language" in warned(found)) == (flagged, not flagged)


@pytest.mark.parametrize(
    ("text", "label", "probability", "flagged"),
    [
        (GERMAN, "nl", 0.5, True),
        (GERMAN, "nl", 0.49, False),
        ("Wo liegt der Fluss hier?", "nl", 0.9, False),  # 19 letters
        ("Wo liegt der Fluss hier? A", "nl", 0.9, True),
        (GERMAN, None, 0.0, False),
        (GERMAN, "xx", 0.9, True),
    ],
)
def test_the_language_counts_where_the_identifier_is_sure_and_has_enough_to_read(
    text: str, label: str | None, probability: float, flagged: bool
) -> None:
    assert ("language" in kinds(check((text,), (text,), "de", Says(label, probability)))) == flagged


def test_latin_names_do_not_make_a_chinese_text_german() -> None:
    assert kinds(one("How are ergänzungsschulen funded?", "ergänzungsschulen是如何获得资金的?", "zh")) == []
    assert kinds(one(ENGLISH, f"{ENGLISH}是", "zh")) != []


@pytest.mark.parametrize("code", [code for code in PAPER_LANGUAGES if code != "en"])
def test_the_bundled_prompts_are_translations_that_pass(code: str) -> None:
    def read(name: str) -> dict[str, str]:
        lines = (POCKET / "dialogue" / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
        return {row["id"]: row["prompt"] for row in map(json.loads, filter(None, lines))}

    english, theirs = read("en"), read(code)
    flagged = {name: kinds(one(english[name], text, code)) for name, text in theirs.items()}
    assert {name: found for name, found in flagged.items() if found} == {}
    back = {name: kinds(one(text, english[name], "en", code)) for name, text in theirs.items()}
    assert {name: found for name, found in back.items() if found} == {}
    # And what was not translated is found in every language: all have four words or more.
    for name, text in english.items():
        assert kinds(one(text, text, code)) != [], name


@needs_xquad
@pytest.mark.parametrize("code", ["de", "es", "ru", "el", "hi", "zh"])
def test_the_translators_of_xquad_pass_and_three_questions_they_left_in_english_are_found(code: str) -> None:
    def read(name: str) -> dict[str, tuple[str, str]]:
        articles = json.loads((XQUAD / f"xquad.{name}.json").read_text(encoding="utf-8"))["data"]
        paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
        return {qa["id"]: (qa["question"], one["context"]) for one in paragraphs for qa in one["qas"]}

    english, theirs = read("en"), read(code)
    contexts = {(english[name][1], theirs[name][1]) for name in english}
    assert [kinds(one(*pair, code)) for pair in contexts if kinds(one(*pair, code))] == []
    questions = {(english[name][0], theirs[name][0]) for name in english}
    flagged = {
        theirs: kinds(one(asked, theirs, code)) for asked, theirs in questions if kinds(one(asked, theirs, code))
    }
    if code == "el":
        left = {theirs for asked, theirs in questions if asked == theirs}
        assert len(left) == 3
        assert flagged == {question: ["language", "untranslated"] for question in left}
    else:
        assert len(flagged) == (1 if code == "de" else 0)


@given(st.integers(0, 10_000), st.sampled_from(sorted(LANGUAGES)), st.sampled_from(sorted(LANGUAGES)))
def test_the_likely_length_is_plausible_and_the_way_back_leads_home(length: int, one: str, other: str) -> None:
    least, most = plausible(length, one, other)
    average = likely(length, one, other)
    assert 0 <= least <= average <= most
    assert likely(average, other, one) == pytest.approx(length)  # type: ignore[arg-type]


def test_chinese_is_shorter_than_english() -> None:
    # By hand: 1,000 characters of English are 350 of Chinese; 350 / 2.5 - 20 = 120 and 350 * 2.5 + 20 = 895.
    assert plausible(1000, "en", "zh") == pytest.approx((120, 895))
    assert plausible(1000, "en", "de") == pytest.approx((420, 2770))


TURNS = st.lists(st.text(), min_size=1, max_size=4)


@given(TURNS, st.data(), st.sampled_from(["de", "zh", "hi"]))
def test_any_text_is_judged_and_a_turn_that_says_nothing_is_found(
    turns: list[str], data: st.DataObject, code: str
) -> None:
    said = data.draw(st.lists(st.text(), min_size=len(turns), max_size=len(turns)))
    found = check(turns, said, code, LID)
    assert set(kinds(found)) <= {"empty", "length", "language", "untranslated"}
    lost = any(old.strip() and not new.strip() for old, new in zip(turns, said, strict=True))
    assert (kinds(found) == ["empty"]) == lost
