"""Goldens derived by hand for each rule of matching, and texts that nothing may stumble over.

Each case says in a comment how its value comes about. The questions and answers are made up for these tests, but for
the paper's Table 5 and Table 6.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.measure.metrics.letters import XCSQA, any_letter, first_letter
from babeltune.measure.metrics.match import Gold, Match, Matcher, matches
from babeltune.measure.metrics.spans import XQUAD, answer, exact_match, token_f1, tokens, xquad_code, xquad_paper
from taskwork import ODD

RULES = [pytest.param(rule, id=name) for name, rule in {**XQUAD, **XCSQA}.items()]


def gold(reference: str, language: str, question: str = "") -> Gold:
    return Gold((reference,), language, question)


TABLE_5 = 'two".\nIn the passage, it is stated that'
"""How the model begins to answer a German question under an English instruction, whose reference is "zwei"."""
PARK = gold("Queen's Park", "en")
LONG = "Welche Stadt liegt an dem Fluss, der durch den großen See fließt?"  # 65 characters, more than the cut


@pytest.mark.parametrize(
    ("response", "target", "found", "value"),
    [
        # Step 1, Moses's English punctuation rules, on both sides and in every language.
        # “ becomes ", which ends the answer.
        ("zwei“ steht im Text", gold("zwei", "de"), "zwei", 1.0),
        # » becomes "; the quote and the dot behind it change places, so the dot comes before the end.
        ("два». Так сказано", gold("два", "ru"), "два.", 1.0),
        # A no-break space between digits becomes a dot, in the reference too.
        ('308\u00a0000"', gold("308\u00a0000", "ru"), "308.000", 1.0),
        # ... so that a common space there no longer matches.
        ('308 000"', gold("308\u00a0000", "ru"), "308 000", 0.0),
        # A dash becomes a hyphen on both sides.
        ("1914–1918", gold("1914–1918", "es"), "1914-1918", 1.0),
        # Step 2, the repeated question goes, and what stands behind it up to the first letter, in every language.
        (f"{LONG} – „Ulm“", gold("Ulm", "de", LONG), "Ulm", 1.0),
        ("¿Cuántos puntos? ... 308", gold("308", "es", "¿Cuántos puntos?"), "308", 1.0),
        # It stays where it does not begin the response: 7 characters and 43 of the question fill the 50.
        (f"Frage: {LONG} Ulm", gold("Ulm", "de", LONG), f"Frage: {LONG}"[:50], 0.0),
        # Step 3, one lead-in of the language goes, as a whole word.
        ("должен быть красный", gold("красный", "ru"), "красный", 1.0),
        ("это дом", gold("дом", "ru"), "дом", 1.0),
        ("этот дом", gold("дом", "ru"), "этот дом", 1.0),
        ("это это дом", gold("дом", "ru"), "это дом", 1.0),
        ("auf Ulm", gold("Ulm", "de"), "Ulm", 1.0),
        ("auf Ulm", gold("Ulm", "en"), "auf Ulm", 1.0),
        # The label goes in step 3, its colon in step 4.
        ("उत्तर: दो", gold("दो", "hi"), "दो", 1.0),
        # Two steps in a row: the question, then the lead-in that is now at the beginning.
        ("Какой цвет? это красный", gold("красный", "ru", "Какой цвет?"), "красный", 1.0),
        # Step 4, punctuation at the beginning goes, so that a second opening quote does not end the answer ...
        ('"«... два', gold("два", "ru"), "два", 1.0),
        # ... but with a sign that Unicode calls punctuation a part of the answer may go: the reference keeps it.
        ("-5", gold("-5", "el"), "5", 0.0),
        # A currency sign is a symbol, not punctuation.
        ("$5", gold("$5", "en"), "$5", 1.0),
        # Step 5, the first quote mark, apostrophe or line break ends the answer.
        ("έξι\nσύμφωνα με το κείμενο", gold("έξι", "el"), "έξι", 1.0),
        ("Queen's Park", PARK, "Queen", 0.0),
        ("Queen’s Park", PARK, "Queen", 0.0),
        # 「 goes in step 4 as punctuation; 」 is no quote mark to the English rules and stays.
        ("「第六名」", gold("第六名", "zh"), "第六名」", 1.0),
        (TABLE_5, gold("zwei", "de"), "two.", 0.0),
        # Step 6, 50 characters: the reference ends at the 50th, and one later.
        ("x" * 46 + "zwei", gold("zwei", "de"), "x" * 46 + "zwei", 1.0),
        ("x" * 47 + "zwei", gold("zwei", "de"), "x" * 47 + "zwe", 0.0),
        # A reference of more than 50 characters can never match: PROTOCOL 10.
        ("y" * 51, gold("y" * 51, "de"), "y" * 50, 0.0),
        # Step 7, anywhere in it, within a word too, and in the same case.
        ("es sind zwei", gold("zwei", "de"), "es sind zwei", 1.0),
        ("zweiundzwanzig", gold("zwei", "de"), "zweiundzwanzig", 1.0),
        ("Zwei", gold("zwei", "de"), "Zwei", 0.0),
    ],
)
def test_the_authors_reading_of_xquad(response: str, target: Gold, found: str, value: float) -> None:
    assert xquad_code(response, target) == Match(value, found, "xquad-code")


def test_other_lead_ins_can_be_given_and_the_longest_goes() -> None:
    given_ones = {"es": ("la respuesta", "la respuesta es")}
    assert xquad_code("la respuesta es dos", gold("dos", "es"), given_ones).found == "dos"
    assert xquad_code("это дом", gold("дом", "ru"), given_ones).found == "это дом"


@pytest.mark.parametrize(
    ("response", "target", "found", "value"),
    [
        # The beginning counts, not the middle.
        ('zwei". Im Text', gold("zwei", "de"), 'zwei". Im Text', 1.0),
        ("es sind zwei", gold("zwei", "de"), "es sind zwei", 0.0),
        # A word's beginning is enough; case counts.
        ("120 метров", gold("12", "ru"), "120 метров", 1.0),
        ("Zwei", gold("zwei", "de"), "Zwei", 0.0),
        # Punctuation before it, also an opening quote, does not.
        (" „zwei“", gold("zwei", "de"), "zwei“", 1.0),
        ("「第六名」", gold("第六名", "zh"), "第六名」", 1.0),
        # Nor does that of the reference: a title, a quotation, a number below zero.
        ("《圣经》", gold("《圣经》", "zh"), "圣经》", 1.0),
        ('We are beggars," he said', gold('"We are beggars,"', "en"), 'We are beggars," he said', 1.0),
        ("-3 °C", gold("-3", "de"), "3 °C", 1.0),
        ("", gold("…", "en"), None, 0.0),
        # A letter with a dot as one character, as in 31 of XQuAD's Hindi answers, and as the two that most software writes.
        ("बेनी फ\u093cाउलर", gold("बेनी \u095eाउलर", "hi"), "बेनी फ\u093cाउलर", 1.0),
        # A repeated question goes in German and in Russian, with its line break ...
        (f"{LONG}\nUlm", gold("Ulm", "de", LONG), "Ulm", 1.0),
        ("Какой цвет? Красный", gold("Красный", "ru", "Какой цвет?"), "Красный", 1.0),
        # ... and in no other language: "¿" goes as punctuation, the question stays.
        ("¿Cuántos? 308", gold("308", "es", "¿Cuántos?"), "Cuántos? 308", 0.0),
        # An apostrophe ends nothing.
        ("Queen's Park, London", PARK, "Queen's Park, London", 1.0),
        # The first line only, and 50 characters of it.
        ("दो\nक्योंकि", gold("दो", "hi"), "दो", 1.0),
        ("y" * 60, gold("y" * 50, "en"), "y" * 50, 1.0),
        ("y" * 60, gold("y" * 51, "en"), "y" * 50, 0.0),
        (TABLE_5, gold("zwei", "de"), 'two".', 0.0),
    ],
)
def test_the_papers_reading_of_xquad(response: str, target: Gold, found: str | None, value: float) -> None:
    match = xquad_paper(response, target)
    assert (match.value, match.found) == (value, found)


@pytest.mark.parametrize(
    ("response", "target", "exact", "f1"),
    [
        # SQuAD's own: case, articles, punctuation and double spaces do not count.
        ("The red,  Cat!", gold("red cat", "en"), 1.0, 1.0),
        # One of two tokens is right, the one wanted is there: precision 1/2, recall 1, 2 * 1/2 * 1 / (3/2) = 2/3.
        ("два мяча", gold("два", "ru"), 0.0, 2 / 3),
        # A bag: one "no" and one "yes" are common, of three and three, so precision = recall = 2/3.
        ("no no yes", gold("no yes yes", "en"), 0.0, 2 / 3),
        # Order does not count in F1.
        ("Lind Anna", gold("Anna Lind", "en"), 0.0, 1.0),
        # Articles are those of the language: "die" is none in English.
        ("die Brücken", gold("Brücken", "de"), 1.0, 1.0),
        ("die Brücken", gold("Brücken", "en"), 0.0, 2 / 3),
        ("las Montañas Rocosas", gold("Montañas Rocosas", "es"), 1.0, 1.0),
        ("Η Αθήνα", gold("ΑΘΉΝΑ", "el"), 1.0, 1.0),
        # Punctuation is Unicode's: danda, ideographic full stop, guillemets.
        ("दो।", gold("दो", "hi"), 1.0, 1.0),
        ("第六名。", gold("第六名", "zh"), 1.0, 1.0),
        # Chinese by characters: two of three are right, both wanted are there: 2 * 2 / (3 + 2) = 4/5.
        ("第六名", gold("第六", "zh"), 0.0, 4 / 5),
        # Full-width digits are digits, a number is one token, spaces between characters are nothing.
        ("２０１５ 年", gold("2015年", "zh"), 1.0, 1.0),
        # Of the tokens 2015, 年 and 2016, 年 one is common: 2 * 1 / (2 + 2).
        ("2015年", gold("2016年", "zh"), 0.0, 1 / 2),
        # An accent as a character of its own is the same accent.
        ("Ma\u0301laga", gold("Málaga", "es"), 1.0, 1.0),
        # The answer ends with the quotation; all after it does not count.
        ('two". In the passage', gold("two", "en"), 1.0, 1.0),
        (TABLE_5, gold("zwei", "de"), 0.0, 0.0),
        # Right to left.
        ("«اثنان»", gold("اثنان", "ar"), 1.0, 1.0),
        # An answer that is an article is kept, and is not the same as another.
        ("A", gold("a", "en"), 1.0, 1.0),
        ("the", gold("a", "en"), 0.0, 0.0),
    ],
)
def test_exact_match_and_f1_by_language(response: str, target: Gold, exact: float, f1: float) -> None:
    assert exact_match(response, target).value == exact
    assert token_f1(response, target).value == pytest.approx(f1)


def test_of_several_references_the_best_counts() -> None:
    target = Gold(("vier", "zwei", "zwei Bälle", " "), "de")
    assert exact_match("zwei", target).value == 1.0
    assert token_f1("zwei rote Bälle", target).value == pytest.approx(4 / 5)  # 2 of 3, both of 2
    assert xquad_paper("zwei", target).value == 1.0


def test_a_repeated_question_is_not_the_answer() -> None:
    assert answer("¿Cuántos puntos? «308» en total", "¿Cuántos puntos?") == "308"
    assert answer("O'Brien's") == "O'Brien's"
    assert answer("《红楼梦》的作者”是") == "红楼梦》的作者"


def test_tokens_where_words_are_not_spaced() -> None:
    assert tokens("NFL第6名", "zh") == ["nfl", "第", "6", "名"]
    assert tokens("NFL 6位。", "ja") == ["nfl", "6", "位"]


def test_a_language_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown language 'gr'.*'el'"):
        token_f1("δύο", gold("δύο", "gr"))


@pytest.mark.parametrize(
    ("response", "key", "first", "anywhere"),
    [
        # Response, key; then what each rule finds.
        ('E"', "E", "E", "E"),  # the paper's Table 6
        ("e", "E", "e", "E"),  # either case; alone on its line
        ('b"', "B", "b", "B"),  # the prompt has opened the quote
        ("\n B. Ecke", "B", "B", "B"),
        ("Büro", "B", "B", None),  # the first character is enough for one rule; no letter stands alone
        ("Antwort: „C“", "C", "A", "C"),  # the first rule reads "A" of the word
        ("La respuesta es «D».", "D", "L", "D"),
        ("答案是B。", "B", "答", "B"),  # beside a script without capitals it stands alone
        ("选「C」", "C", "选", "C"),
        ("Ｄ", "D", "Ｄ", "D"),  # full-width: only the second rule folds it
        ("उत्तर (E) है", "E", "उ", "E"),
        ("الإجابة هي \u200fB\u200f", "B", "ا", "B"),
        ("\u200fA", "A", "\u200f", "A"),  # a direction mark is no white space, so the first rule reads it
        ("«В»", "B", "«", "B"),  # Cyrillic, in quotes
        ("А", "A", "А", "A"),  # Cyrillic, alone
        ("В школе", "B", "В", None),  # the Russian word for "in"
        ("Ответ: В.", "B", "О", None),  # neither quoted nor at the beginning of its line
        ("Ответ:\nВ.", "B", "О", "B"),
        ("donde a veces (e)", "E", "d", "E"),  # the preposition is no letter, the bracketed one is
        ("à la maison D", "D", "à", "D"),
        ("d'accord, E-Mail, B2, AB", "D", "d", None),
        ("L'A est faux", "A", "L", None),  # beyond an apostrophe
        ("U.S.A. or C", "C", "U", "C"),  # a dot before it joins it to the letter before
        ("**C**", "C", "*", "C"),
        ("The answer is (b), not (c)", "B", "T", "B"),
        ("A dog", "D", "A", "A"),  # an article, taken for a letter by both
        ("B\u0301, B², C", "C", "B", "C"),  # an accent or a figure joins too
        ("F", "A", "F", None),  # not one of the five
        ("🅱️ or Ⓑ", "B", "🅱", "B"),
    ],
)
def test_x_csqa_letters(response: str, key: str, first: str, anywhere: str | None) -> None:
    target = gold(key, "en")
    assert first_letter(response, target) == Match(float(first.upper() == key), first, "xcsqa-first")
    missing = "" if anywhere else "no letter stands alone"
    found = any_letter(response, target)
    assert found.found is None or found.found.upper() == anywhere
    assert (found.value, found.rule, found.note) == (float(anywhere == key), "xcsqa-any", missing)
    assert (found.found is None) == (anywhere is None)


@pytest.mark.parametrize("key", ["", "F", "AB", "Bus"])
def test_an_item_whose_key_is_no_letter_is_unscored(key: str) -> None:
    for rule in XCSQA.values():
        verdict = rule("A", gold(key, "en"))
        assert (verdict.value, verdict.note) == (None, "the key is none of A, B, C, D, E")


@pytest.mark.parametrize("rule", RULES[: len(XQUAD)])
@pytest.mark.parametrize("references", [(), ("",), (" \n",)])
def test_an_item_without_a_reference_is_unscored_and_not_right(rule: Matcher, references: tuple[str, ...]) -> None:
    # The empty string is in every response and begins it: without this each would be right.
    verdict = rule("zwei", Gold(references, "de"))
    assert (verdict.value, verdict.found, verdict.note) == (None, "zwei", "there is no reference")


def check(rule: Matcher, response: str, target: Gold) -> None:
    verdict = rule(response, target)
    assert verdict.value is not None
    assert 0 <= verdict.value <= 1
    assert (verdict.found is None) == bool(verdict.note)
    assert verdict.found is not None or verdict.value == 0


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("response", ODD.values(), ids=ODD)
@pytest.mark.parametrize("language", ["de", "zh", "ar"])
def test_no_response_is_too_odd_to_be_scored(rule: Matcher, response: str, language: str) -> None:
    check(rule, response, gold("B", language, "¿Qué?"))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("response", ["", " ", "\n"])
def test_an_empty_response_is_wrong_and_says_so(rule: Matcher, response: str) -> None:
    verdict = rule(response, gold("A", "en"))
    assert (verdict.value, verdict.found) == (0.0, None)
    assert verdict.note


@pytest.mark.parametrize("rule", RULES)
@given(response=st.text(), question=st.text(), language=st.sampled_from(["en", "de", "ru", "zh", "hi", "el", "th"]))
def test_any_text_is_scored(rule: Matcher, response: str, question: str, language: str) -> None:
    check(rule, response, gold("A", language, question))


@pytest.mark.parametrize("rule", [exact_match, token_f1])
@given(reference=st.text(), language=st.sampled_from(["en", "zh"]))
def test_any_reference_can_be_held_against_itself(rule: Matcher, reference: str, language: str) -> None:
    found = answer(reference)
    value = rule(reference, gold(found, language)).value
    assert value == (1.0 if found else None)


@given(response=st.text("ab AB.the", max_size=20), reference=st.text("ab AB.the", min_size=1).filter(str.strip))
def test_f1_is_symmetric_and_one_where_the_match_is_exact(response: str, reference: str) -> None:
    there, back = answer(response), answer(reference)
    if not there or not back:
        return
    f1 = token_f1(there, gold(back, "en")).value
    assert f1 == pytest.approx(token_f1(back, gold(there, "en")).value)
    assert exact_match(there, gold(back, "en")).value == 0 or f1 == 1


def test_all_rules_run_on_the_same_outputs() -> None:
    responses = ["zwei", "es sind zwei", "Queen's Park", "vier"]
    golds = [gold("zwei", "de"), gold("zwei", "de"), PARK, gold("zwei", "de")]
    verdicts = matches(XQUAD, responses, golds)
    assert {name: [one.value for one in some] for name, some in verdicts.items()} == {
        "xquad-paper": [1.0, 0.0, 1.0, 0.0],
        "xquad-code": [1.0, 1.0, 0.0, 0.0],
        "exact-match": [1.0, 0.0, 1.0, 0.0],
        "token-f1": [1.0, 0.5, 1.0, 0.0],  # one of three words, all of one: 2 * 1 / (3 + 1)
    }
    assert verdicts["xquad-code"][2] == Match(0.0, "Queen", "xquad-code")


def test_outputs_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="2 responses, 1 golds"):
        matches(XCSQA, ["A", "B"], [gold("A", "en")])
