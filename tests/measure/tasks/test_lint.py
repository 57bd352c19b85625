"""The linter of prompts: each check sees the one thing that was broken, and the bundled files are clean."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from babeltune.languages import LANGUAGES
from babeltune.measure.tasks import lint, orthography, prompt
from babeltune.measure.tasks.prompt import Template, Words

QUIZ = "{question}\nA: {A}\nB: {B}\nC: {C}\nD: {D}\nE: {E}"
XCSQA = {
    "en": Template("en", f'Choose "A", "B", "C", "D", or "E".\n\nQuestion:\n{QUIZ}', '"'),
    "de": Template("de", f"Wähle „A“, „B“, „C“, „D“ oder „E“.\n\nFrage:\n{QUIZ}", "„"),
    "ru": Template("ru", f"Выберите «A», «B», «C», «D» или «E».\n\nВопрос:\n{QUIZ}", "«"),
    "pl": Template("pl", f"Wybierz „A”, „B”, „C”, „D” lub „E”.\n\nPytanie:\n{QUIZ}", "„"),
    "sv": Template("sv", f"Välj ”A”, ”B”, ”C”, ”D” eller ”E”.\n\nFråga:\n{QUIZ}", "”"),
    "ja": Template("ja", f"「A」「B」「C」「D」「E」から選ぶ。データ々\n\n質問：\n{QUIZ.replace(': ', '：')}", "「"),
    "fr": Template(
        "fr",
        "Choisissez «\u00a0A\u00a0», «\u00a0B\u00a0», «\u00a0C\u00a0», «\u00a0D\u00a0» ou «\u00a0E\u00a0», d’après "
        f"l’énoncé.\n\nQuestion\u00a0:\n{QUIZ.replace(': ', chr(0xA0) + ': ')}",
        "«",
    ),
}
XQUAD = {
    "de": Template("de", "Beantworte die Frage.\n\nText:\n{context}\n\nFrage:\n{question}", "Die Antwort lautet „"),
    "hi": Template("hi", "उत्तर दीजिए।\n\nअनुच्छेद:\n{context}\n\nप्रश्न:\n{question}", 'उत्तर है: "'),
    "th": Template("th", "โปรดตอบคำถาม\n\nข้อความ:\n{context}\n\nคำถาม:\n{question}", 'คำตอบคือ "'),
    "ar": Template("ar", "أجب عن السؤال مباشرةً.\n\nالنص:\n{context}\n\nالسؤال:\n{question}", "الإجابة هي «"),
    "el": Template("el", "Απαντήστε.\n\nΚείμενο:\n{context}\n\nΕρώτηση:\n{question}", "Η απάντηση είναι «"),
    "zh": Template("zh", "请回答问题。\n\n段落：\n{context}\n\n问题：\n{question}", "答案是“"),
    "ro": Template("ro", "Răspundeți.\n\nPasaj:\n{context}\n\nÎntrebare:\n{question}", "Răspunsul și este „"),
    "nl": Template("nl", "Geef 's avonds antwoord.\n\nTekst:\n{context}\n\nVraag:\n{question}", 'Het is "'),
}
WORDS = Words("de", "{premise}, richtig? {word}: {hypothesis}", "Ja", "Außerdem", "Nein")


@pytest.mark.parametrize(
    ("task", "language"), [*(("xcsqa", code) for code in XCSQA), *(("xquad", code) for code in XQUAD)]
)
def test_a_good_template_has_no_problem(task: str, language: str) -> None:
    assert lint.template_problems(task, (XCSQA if task == "xcsqa" else XQUAD)[language]) == []


@pytest.mark.parametrize(
    ("language", "prefix"),
    [
        ("de", "Laut Text lautet die Antwort auf die Frage „"),
        ("hi", 'इस प्रश्न "'),
        ("zh", "请回答问题“"),
        ("th", 'คำถาม "'),
    ],
)
def test_a_quotation_behind_the_word_for_question_would_be_the_question(language: str, prefix: str) -> None:
    (problem,) = lint.template_problems("xquad", dataclasses.replace(XQUAD[language], prefix=prefix))
    assert "as if the question were quoted" in problem.what


@pytest.mark.parametrize(
    ("language", "field", "old", "new", "said"),
    [
        ("de", "prompt", "{context}", "Text", "lacks {context}"),
        ("de", "prompt", "Frage:", "Frage {question}:", "has {question} 2 times"),
        ("de", "prompt", "Frage:", "Frage {answer}:", "has '{answer}', which it does not know"),
        ("de", "prefix", "Die", "Die {context}", "has '{context}', which it does not know"),
        ("de", "prompt", "{question}", "{question}}", "an unbalanced brace, '}'"),
        ("de", "prompt", "{question}", "{question", "an unbalanced brace, '{'"),
        ("de", "prompt", "Beantworte", "Вeantworte", "holds 'В' (U+0412 CYRILLIC CAPITAL LETTER VE)"),
        ("de", "prefix", "Antwort", "Аntwort", "holds 'А' (U+0410"),
        ("el", "prompt", "Απαντήστε", "Aπαντήστε", "holds 'A' (U+0041 LATIN"),  # a choice stands alone
        ("zh", "prompt", "问题。", "问题の。", "HIRAGANA LETTER NO"),
        ("hi", "prompt", "उत्तर", "answer", "holds 'a' (U+0061 LATIN SMALL LETTER A), 'n'"),
        ("th", "prompt", "โปรด", "โปรດ", "LAO"),
        ("ar", "prefix", "هي", "הי", "HEBREW LETTER HE"),
        ("ro", "prefix", "și", "şi", "holds 'ş' (U+015F LATIN SMALL LETTER S WITH CEDILLA)"),
        ("de", "prefix", " „", "", "does not end in an opened quotation mark"),
        ("de", "prefix", "„", "„A“", "does not end in an opened quotation mark"),
        ("de", "prefix", "Antwort", "„Antwort", "does not end in an opened quotation mark"),
        ("hi", "prefix", "उत्तर", '"उत्तर', "does not end in an opened quotation mark"),
        ("de", "prefix", "„", "„ ", "begins or ends with a space"),
        ("de", "prefix", "Die", " Die", "begins or ends with a space"),
        ("de", "prefix", "„", "‹", "holds '‹'"),
        ("de", "prompt", "Frage.", "»Frage«.", "mixes quotation marks"),
        ("de", "prompt", "Frage.", '"Frage".', "mixes quotation marks"),
        ("de", "prompt", "Frage.", "„Frage.", "not in pairs"),
        ("de", "prompt", "Frage.", "“Frage„.", "not in pairs"),
        ("hi", "prompt", "उत्तर", '"उत्तर', "not in pairs"),
        ("zh", "prompt", "问题。", "「问题」。", "holds '「'"),
        ("de", "prompt", "Frage.", "'Frage'.", "holds '''"),
        ("de", "prompt", "Frage.", "Frage. ### Human", "the role marker '### Human'"),
        ("de", "prompt", "Frage.", "Frage. ### aSSISTANT", "the role marker '### aSSISTANT'"),
        ("zh", "prompt", "段落：", "段落：### 1", None),
        ("de", "prompt", "Frage.", "Frage. ", "line 1 begins or ends with a space"),
        ("de", "prompt", "die Frage", "die  Frage", "line 1 has two spaces in a row"),
        ("de", "prompt", "die Frage", "die \u00a0Frage", "line 1 has two spaces in a row"),
        ("de", "prompt", "die Frage", "die\tFrage", "holds a tab"),
        ("de", "prompt", "die Frage", "die\x07 Frage", "the invisible character U+0007"),
        ("ar", "prompt", "عن", "\u200fعن", "the invisible character U+200F RIGHT-TO-LEFT MARK"),
        ("ar", "prompt", "عن", "\u202bعن", "the invisible character U+202B"),
        ("th", "prompt", "คำถาม\n", "\u200bคำถาม\n", "the invisible character U+200B"),
        ("hi", "prompt", "उत्तर", "उत्\u200dतर", None),
        ("de", "prompt", "die", "di\u00ade", "the invisible character U+00AD SOFT HYPHEN"),
        ("de", "prompt", "{question}", "{question}\n", "begins or ends with a line break"),
        ("de", "prefix", "Die ", "Die\n", "holds a line break"),
        ("de", "prompt", "Frage:", "Frage：", "1 colon of another kind, first after"),
        ("zh", "prompt", "段落：", "段落:", "1 colon of another kind, first after"),
        ("de", "prompt", "Frage:", "Frage :", "1 colon of another kind, first after"),
    ],
)
def test_one_thing_that_is_broken_is_one_problem(
    language: str, field: str, old: str, new: str, said: str | None
) -> None:
    good = XQUAD[language]
    assert old in getattr(good, field)
    broken = dataclasses.replace(good, **{field: getattr(good, field).replace(old, new, 1)})
    problems = lint.template_problems("xquad", broken)
    if said is None:
        assert problems == []
    else:
        (problem,) = problems
        assert said in problem.what
        assert problem.where == f"prompts/xquad/{language}.yaml, {field}"
        assert problem.fix


def test_text_that_is_not_composed_is_found() -> None:
    good = XQUAD["ro"]
    apart = unicodedata.normalize("NFD", good.prefix)
    (problem,) = lint.template_problems("xquad", dataclasses.replace(good, prefix=apart))
    assert "not in the form NFC" in problem.what
    assert problem.where == "prompts/xquad/ro.yaml, prefix"


@pytest.mark.parametrize("marker", ["### Human：", "###Assistant:", "# HUMAN", "＃＃＃ Assistant"])
def test_role_markers_are_found_however_they_are_written(marker: str) -> None:
    said = [one.what for one in lint.template_problems("simplification", Template("en", f"{{sentence}}\n{marker}"))]
    assert any("role marker" in what for what in said)


def test_a_word_that_begins_as_a_role_is_no_marker() -> None:
    assert lint.template_problems("simplification", Template("en", "# Humanity: {sentence}")) == []


@pytest.mark.parametrize(
    ("language", "old", "new", "said"),
    [
        ("ru", "«A»", "«А»", "does not name A in quotation marks"),  # a Cyrillic one
        ("ru", "\nC:", "\nС:", "has С before {C}"),
        ("en", ', or "E"', "", "does not name E in quotation marks"),
        ("en", "A: {A}\nB: {B}", "A: {B}\nB: {A}", "has A before {B}; has B before {A}"),
        ("fr", "\u00a0:\n", ":\n", "1 colon of another kind"),
        ("fr", "Question\u00a0:", "Question :", "1 colon of another kind"),
        ("ja", "質問：", "質問:", "1 colon of another kind"),
        ("pl", "„A”", "„A“", "holds '“' (U+201C LEFT DOUBLE QUOTATION MARK)"),
        ("en", '"A"', "“A”", "mixes quotation marks"),
        ("sv", "Fråga:", "”Fråga:", "not in pairs"),
    ],
)
def test_choices_are_named_in_latin_letters_each_before_its_own(language: str, old: str, new: str, said: str) -> None:
    good = XCSQA[language]
    assert old in good.prompt
    (problem,) = lint.template_problems("xcsqa", dataclasses.replace(good, prompt=good.prompt.replace(old, new, 1)))
    assert said in problem.what
    assert problem.where == f"prompts/xcsqa/{language}.yaml, prompt"


def test_all_problems_of_a_template_are_told_at_once() -> None:
    bad = Template("de", "Вeantworte  {context} ### Human: {question} ", "Antwort ")
    said = "\n".join(map(str, lint.template_problems("xquad", bad)))
    for part in ("CYRILLIC", "two spaces", "role marker", "line 1 begins or ends", "opened quotation mark"):
        assert part in said


def test_good_words_have_no_problem() -> None:
    assert lint.words_problems(WORDS, "corrected") == []


@pytest.mark.parametrize(
    ("field", "old", "new", "said", "exempt"),
    [
        ("template", "{word}: ", "", "lacks {word}", False),
        ("neutral", "Außerdem", "{word}", "which it does not know", False),
        ("neutral", "Außerdem", "Außerdem ", "begins or ends with a space", False),
        ("entailment", "Ja", "Ja\u200e", "invisible character", False),
        ("template", "{premise},", "### Human: {premise},", "role marker", False),
        ("template", "{premise}, richtig? {word}", "{word}, richtig? {premise}", "has the order word, premise", False),
        ("neutral", "Außerdem", "nein", "neutral and contradiction have the same word", False),
        ("neutral", "Außerdem", "Ausserdem".replace("e", "е"), "CYRILLIC SMALL LETTER IE", True),
        ("neutral", "Außerdem", "Dafu\u0308r", "not in the form NFC", True),
        ("template", "richtig", "‹richtig‹", "holds '‹'", True),
        ("template", "richtig", "„richtig", "not in pairs", True),
        ("template", ": ", "：", "colon of another kind", True),
    ],
)
def test_words_are_checked_and_the_harness_ones_for_what_does_not_change_them(
    field: str, old: str, new: str, said: str, exempt: bool
) -> None:
    assert old in getattr(WORDS, field)
    broken = dataclasses.replace(WORDS, **{field: getattr(WORDS, field).replace(old, new, 1)})
    (problem,) = lint.words_problems(broken, "corrected")
    assert said in problem.what
    assert problem.where.startswith("prompts/xnli/de.yaml, corrected")
    assert len(lint.words_problems(broken, "harness")) == (0 if exempt else 1)


Make = Callable[[str, str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Writes a prompt file (task, language, content) into a folder that stands for the bundled one."""

    def forget() -> None:
        prompt.template.cache_clear()
        prompt.words.cache_clear()

    def make(task: str, language: str, content: str) -> None:
        (tmp_path / task).mkdir(exist_ok=True)
        (tmp_path / task / f"{language}.yaml").write_text(content, encoding="utf-8")

    forget()
    monkeypatch.setattr(prompt, "FOLDER", tmp_path)
    yield make
    forget()


GOOD = "# Made up.\nprompt: |-\n  Antworte.\n\n  {context}\n  {question}\nprefix: 'Es ist „'\n"


@pytest.mark.parametrize(
    ("content", "where", "said"),
    [
        (GOOD.replace("# Made up.\n", ""), "", "the first line is no comment"),
        (GOOD.replace("prefix: ", "prefix: ["), "", "cannot be read"),
        ("# Made up.\n- one\n", ", file", "no mapping of fields"),
        (GOOD.replace("prefix: 'Es ist „'", ""), ", prefix", "is missing"),
        (GOOD.replace("'Es ist „'", "No"), ", prefix", "is missing, empty or no text"),
        (GOOD + "suffix: x\n", ", suffix", "unknown field"),
        (GOOD.replace("{question}", "{ question }"), ", prompt", "has '{ question }', which it does not know; lacks"),
    ],
)
def test_a_fault_of_the_file_is_one_problem(write: Make, content: str, where: str, said: str) -> None:
    write("xquad", "de", content)
    (problem,) = lint.lint("xquad", "de")
    assert problem.where == f"prompts/xquad/de.yaml{where}"
    assert said in problem.what


def test_faults_of_several_files_are_told_together(write: Make) -> None:
    write("xquad", "de", GOOD)
    write("xquad", "ger", GOOD)
    write("xnli", "de", "# Made up.\nharness: none\n")
    found = {key: lint.lint(*key) for key in lint.files()}
    assert {key: len(some) for key, some in found.items()} == {
        ("xquad", "de"): 0,
        ("xquad", "ger"): 1,
        ("xnli", "de"): 2,
    }
    assert "no code of a known language" in found["xquad", "ger"][0].what


def test_every_language_of_the_table_has_a_script_and_quotation_marks() -> None:
    assert {row.script for row in LANGUAGES.values()} <= set(orthography.SCRIPTS)
    quoted = {code for codes in orthography.PAIRS.values() for code in codes}
    assert quoted == set(LANGUAGES)


def test_all_bundled_prompts_are_clean() -> None:
    found = {key: lint.lint(*key) for key in lint.files()}
    assert {task for task, _ in found} == set(lint.TASKS)
    assert set(found) == {(task, code) for task in lint.TASKS for code in prompt.languages(task)}
    assert [str(problem) for some in found.values() for problem in some] == []
