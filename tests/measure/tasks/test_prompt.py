"""Prompts: every file that is bundled loads, fills and names its task's languages; files that are wrong do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.errors import ItemsError
from babeltune.languages import LANGUAGES
from babeltune.measure.tasks import prompt
from babeltune.measure.tasks.prompt import PLACEHOLDERS, RELATIONS, Variant, filled

BUNDLED = [(path.parent.name, path.stem) for path in sorted(prompt.FOLDER.glob("*/*.yaml"))]
LABELLED = [one for one in BUNDLED if one[0] != "xnli"]
RELATED = [(code, variant) for task, code in BUNDLED if task == "xnli" for variant in get_args(Variant)]

# What the paper reports: Table 2, and Figures 4 to 6 with the languages that the authors' code plots.
PAPERS = {
    "simplification": {"en", "de", "fr", "it", "ru", "pt", "sl"},
    "xquad": {"en", "es", "ru", "de", "zh", "hi", "el"},
    "xcsqa": {"en", "es", "de", "ru", "fr", "zh", "hi", "vi"},
    "xnli": {"en", "de", "es", "fr", "ru", "zh", "bg", "el", "hi"},
}

VALUE = st.text(st.sampled_from("ab{}\\$1 \n") | st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["{sentence}", "{context}", "{A}", "{{}}", "{0}", "\\1", "\\g<0>", "%s"]
)


# What is bundled.


def test_every_file_is_of_a_known_task_and_language() -> None:
    assert {task for task, _ in BUNDLED} == {*PLACEHOLDERS, "xnli"}
    assert {code for _, code in BUNDLED} <= set(LANGUAGES)
    for task, wanted in PAPERS.items():
        assert wanted <= set(prompt.languages(task))


@pytest.mark.parametrize(("task", "code"), LABELLED)
def test_every_instruction_loads_and_takes_its_values(task: str, code: str) -> None:
    template = prompt.template(task, code)
    values = {name: f"⟦{name}⟧" for name in PLACEHOLDERS[task]}
    text = template.filled(values)
    assert all(text.count(value) == 1 for value in values.values())
    assert not set("{}") & set(text)
    assert template.language == code
    assert text == text.strip()
    assert template.prefix == template.prefix.strip()
    assert bool(template.prefix) == (task != "simplification")


@pytest.mark.parametrize("task", sorted(PLACEHOLDERS))
def test_no_two_languages_have_the_same_instruction(task: str) -> None:
    prompts = [prompt.template(task, code).prompt for code in prompt.languages(task)]
    assert len(set(prompts)) == len(prompts)


@pytest.mark.parametrize(("code", "variant"), RELATED)
def test_every_language_of_xnli_has_three_words(code: str, variant: Variant) -> None:
    words = prompt.words(code, variant)
    several = words.candidates("⟦premise⟧", "⟦hypothesis⟧")
    assert len({words.entailment, words.neutral, words.contradiction}) == 3
    for text, word in zip(several, (words.entailment, words.neutral, words.contradiction), strict=True):
        assert text.index("⟦premise⟧") < text.index(word) < text.index("⟦hypothesis⟧")
        assert not set("{}") & set(text)


def test_words_of_english_are_those_of_the_paper() -> None:
    # Table 7: right? Yes, Also, No.
    assert prompt.words("en", "corrected").candidates("A {word}", "{premise}") == (
        "A {word}, right? Yes, {premise}",
        "A {word}, right? Also, {premise}",
        "A {word}, right? No, {premise}",
    )
    assert RELATIONS == ("entailment", "neutral", "contradiction")


def test_the_languages_come_in_the_order_of_the_table() -> None:
    for task in PAPERS:
        codes = prompt.languages(task)
        assert codes == sorted(codes, key=list(LANGUAGES).index)
        assert codes[0] == "en"


def test_the_instruction_is_in_english_where_the_prompting_says_so() -> None:
    assert prompt.prompt_language("sl", "en:xx") == "en"
    assert prompt.prompt_language("sl", "xx:xx") == "sl"


# Filling.


@given(st.dictionaries(st.sampled_from(PLACEHOLDERS["xcsqa"]), VALUE, min_size=6, max_size=6))
def test_values_are_filled_in_as_they_are(values: dict[str, str]) -> None:
    template = "Q: {question}\nA {A} B {B} C {C} D {D} E {E}!"
    q, a, b, c, d, e = (values[name] for name in PLACEHOLDERS["xcsqa"])
    assert filled(template, values) == f"Q: {q}\nA {a} B {b} C {c} D {d} E {e}!"


@given(VALUE)
def test_a_sentence_stands_in_its_prompt_unchanged(sentence: str) -> None:
    template = prompt.template("simplification", "de")
    before, after = template.prompt.split("{sentence}")
    assert template.filled({"sentence": sentence}) == before + sentence + after


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError, match="question"):
        prompt.template("xquad", "en").filled({"context": "c"})


# What is not there, or wrong.


def said(task: str, code: str) -> str:
    with pytest.raises(ItemsError) as caught:
        prompt.template(task, code)
    [problem] = caught.value.problems
    return str(problem)


def test_a_language_that_a_task_has_no_prompt_in_lists_those_it_has() -> None:
    assert "simplification has no prompt in 'is'" in said("simplification", "is")
    assert "It has: en, de, fr, ru, it, pt, sl." in said("simplification", "is")
    with pytest.raises(ItemsError, match=r"xnli has no prompt in 'pt'. It has: en, de, "):
        prompt.words("pt", "corrected")


def test_a_language_that_nobody_knows_gets_a_suggestion() -> None:
    assert "Did you mean 'de' (German)?" in said("simplification", "ger")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Prompts of one's own; ``xquad/de.yaml`` is what the tests write."""
    monkeypatch.setattr(prompt, "FOLDER", tmp_path)
    for task in PAPERS:
        (tmp_path / task).mkdir()
    prompt.template.cache_clear()
    prompt.words.cache_clear()
    yield tmp_path
    prompt.template.cache_clear()
    prompt.words.cache_clear()


GOOD = "prompt: 'Text: {context} Frage: {question}'\nprefix: 'Die Antwort ist \"'\n"
WRONG = {
    "no prompt": ("prefix: a\n", "prompt: is missing"),
    "an empty prompt": ("prompt: '  '\nprefix: a\n", "prompt: is missing, empty or no text"),
    "a bare No": ("prompt: '{context} {question}'\nprefix: No\n", "YAML reads a bare No as false"),
    "a bare Ja is text, a bare Yes is not": ("prompt: Yes\nprefix: Ja\n", "prompt: is missing, empty or no text"),
    "a number": ("prompt: '{context} {question}'\nprefix: 12\n", "prefix: is missing, empty or no text"),
    "a list": ("prompt: ['{context}', '{question}']\nprefix: a\n", "prompt: is missing, empty or no text"),
    "a field too many": (GOOD + "sufix: a\n", "sufix: unknown field"),
    "a bare No for a field": (GOOD + "No: a\n", "unknown field"),
    "a placeholder too few": ("prompt: '{context}'\nprefix: a\n", "has the placeholders context"),
    "a placeholder twice": ("prompt: '{context} {question} {context}'\nprefix: a\n", "has the placeholders"),
    "a placeholder of another task": ("prompt: '{context} {question} {sentence}'\nprefix: a\n", "has the placeholders"),
    "no placeholder": ("prompt: Frage\nprefix: a\n", "has the placeholders none"),
    "an empty placeholder": ("prompt: '{context} {question} {}'\nprefix: a\n", "has the placeholders"),
    "a list of fields": ("- prompt\n- prefix\n", "file: is no mapping"),
    "nothing": ("", "file: is no mapping"),
}


@pytest.mark.parametrize(("content", "what"), WRONG.values(), ids=WRONG.keys())
def test_a_file_that_is_wrong_is_refused_by_name_and_field(folder: Path, content: str, what: str) -> None:
    (folder / "xquad" / "de.yaml").write_text(content, encoding="utf-8")
    text = said("xquad", "de")
    assert text.startswith("prompts/xquad/de.yaml, ")
    assert what in text


def test_a_right_file_loads(folder: Path) -> None:
    (folder / "xquad" / "de.yaml").write_text(GOOD)
    template = prompt.template("xquad", "de")
    assert template.filled({"context": "{question}", "question": "Wer?"}) == "Text: {question} Frage: Wer?"
    assert template.prefix == 'Die Antwort ist "'
    assert prompt.languages("xquad") == ["de"]


def test_a_prefix_is_only_for_tasks_that_have_one(folder: Path) -> None:
    (folder / "simplification" / "de.yaml").write_text("prompt: 'Satz: {sentence}'\nprefix: a\n")
    assert "unknown field" in said("simplification", "de")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("entailment: 'Ja'\n  neutral: 'Auch'\n  contradiction: No", "contradiction: is missing, empty or no text"),
        ("entailment: Yes\n  neutral: 'Auch'\n  contradiction: 'Nein'", "entailment: is missing, empty or no text"),
        ("entailment: 'Ja'\n  contradiction: 'Nein'", "neutral: is missing, empty or no text"),
    ],
)
def test_a_bare_no_or_yes_is_no_word_of_xnli(folder: Path, words: str, what: str) -> None:
    content = f"harness:\n  template: '{{premise}}, richtig? {{word}}, {{hypothesis}}'\n  {words}\n"
    (folder / "xnli" / "de.yaml").write_text(content)
    with pytest.raises(ItemsError) as caught:
        prompt.words("de", "harness")
    assert what in str(caught.value)
    with pytest.raises(ItemsError, match="corrected: is missing"):
        prompt.words("de", "corrected")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"prompt: '{context} {question}\nprefix: a\n", id="a quote left open"),
        pytest.param(b"prompt: \xff{context} {question}\nprefix: a\n", id="no UTF-8"),
        pytest.param(b"prompt: a: b\n", id="a colon in a bare text"),
    ],
)
def test_a_file_that_is_no_yaml_is_refused_as_others_are(folder: Path, content: bytes) -> None:
    (folder / "xquad" / "de.yaml").write_bytes(content)
    assert said("xquad", "de").startswith("prompts/xquad/de.yaml, ")


def test_a_field_that_stands_twice_is_refused(folder: Path) -> None:
    (folder / "xquad" / "de.yaml").write_text("prefix: first\n" + GOOD)
    assert "prefix" in said("xquad", "de")


def test_all_that_is_wrong_with_a_file_is_told_at_once(folder: Path) -> None:
    (folder / "xquad" / "de.yaml").write_text("prompt: No\nprefix: 12\nsufix: a\n")
    with pytest.raises(ItemsError) as caught:
        prompt.template("xquad", "de")
    assert len(caught.value.problems) == 3
