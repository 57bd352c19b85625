"""The pass rates against the benchmark's own script, and where a response flips."""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.data.identify import identifier
from babeltune.errors import BabeltuneError
from babeltune.measure.metrics import words as words_module
from babeltune.measure.metrics.confusion import Flip, LineCheck, PassRates, flips, line_checks, pass_rates, rates
from babeltune.measure.metrics.words import english_words, is_english, words_of
from babeltune.records import Identified
from taskwork import ODD

SHARED = Path(__file__).parents[3].parent / "shared"
LCB = SHARED / "data" / "lcb"
ORACLE = SHARED / "oracles" / "language_confusion.json"
MODELS = ("gpt-3.5-turbo", "llama-2-instruct")
WORDS = frozenset({"machine", "learning", "and", "Paris"})
MARKS = {"ä": "de", "я": "ru", "中": "zh", "é": "fr"}


class ByMark:
    """An identifier by one letter a language; English without any, abstaining without letters."""

    def __init__(self, probability: float = 0.9) -> None:
        self.probability = probability
        self.calls: list[list[str]] = []

    def identify(self, texts: Sequence[str]) -> list[Identified]:
        self.calls.append(list(texts))
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Identified:
        if not any(map(str.isalpha, text)):
            return Identified(None, 0.0, "no letters")
        return Identified(next((code for mark, code in MARKS.items() if mark in text), "en"), self.probability)


ENGLISH, GERMAN, RUSSIAN = "one two three four five", "ä eins zwei drei vier", "я раз два три четыре"


def test_a_response_passes_if_every_long_line_is_in_the_language() -> None:
    outputs = [GERMAN, f"{GERMAN}\nOK!\n\n{GERMAN}", f"{GERMAN}\n{ENGLISH}", ENGLISH]
    assert line_checks(outputs, "de", ByMark()) == [LineCheck(1, 0), LineCheck(2, 0), LineCheck(2, 1), LineCheck(1, 1)]
    assert pass_rates(outputs, "de", ByMark()) == PassRates(0.5, None, 4)


@pytest.mark.parametrize(
    ("line", "judged"),
    [
        ("one two three four five", 1),
        ("one two three four", 0),
        ("one-two three four five", 0),  # ASCII punctuation goes, and the word stays one
        ("one—two three four five", 1),  # an em dash is a space
        ("one two - three ، four", 0),  # the signs alone are no words
        ("1 2 3 4 5", 0),  # long enough, without letters
    ],
)
def test_which_lines_are_judged(line: str, judged: int) -> None:
    assert line_checks([line], "de", ByMark())[0].judged == judged


def test_what_follows_a_further_question_is_not_judged() -> None:
    assert line_checks([f"{GERMAN}\nQ: {ENGLISH}"], "de", ByMark()) == [LineCheck(1, 0)]


@pytest.mark.parametrize(("probability", "line"), [(0.3, 0.0), (0.31, 1.0)])
def test_a_line_of_which_the_identifier_is_not_surer_than_the_threshold_fails(probability: float, line: float) -> None:
    assert pass_rates([GERMAN], "de", ByMark(probability)).line == line


def test_the_word_rate_is_over_the_responses_that_pass_the_line_check() -> None:
    outputs = [RUSSIAN, f"{RUSSIAN} (machine)", f"{ENGLISH} machine", f"{RUSSIAN} Machine and Paris"]
    found = line_checks(outputs, "ru", ByMark(), words=WORDS)
    assert [verdict.english for verdict in found] == [(), ("machine",), (), ()]  # no names, no short words
    assert rates(found, "ru") == PassRates(0.75, pytest.approx(2 / 3), 4)


def test_english_in_a_short_line_is_not_looked_at() -> None:
    assert pass_rates([f"{RUSSIAN}\nmachine learning"], "ru", ByMark(), words=WORDS).word == 1.0


def test_words_are_found_where_nothing_separates_them() -> None:
    assert line_checks(["中国的machine很好很大很新"], "zh", ByMark(), words=WORDS)[0].english == ("machine",)


def test_the_word_rate_where_no_response_passes_is_one() -> None:
    assert pass_rates([ENGLISH], "ru", ByMark(), words=WORDS) == PassRates(0.0, 1.0, 1)


@pytest.mark.parametrize("output", ["", " \n\n ", "!?…،—", "🙂🙂 🙂 🙂 🙂 🙂", "short", "1 2 3 4 5 6", "\nQ: what"])
def test_a_response_that_cannot_be_judged_has_no_part_in_a_rate(output: str) -> None:
    assert pass_rates([output], "ru", ByMark(), words=WORDS) == PassRates(None, None, 0)
    assert pass_rates([output, RUSSIAN], "ru", ByMark(), words=WORDS) == PassRates(1.0, 1.0, 1)


def test_no_responses() -> None:
    assert pass_rates([], "de", ByMark()) == PassRates(None, None, 0)


def test_all_lines_of_all_outputs_are_identified_in_one_call() -> None:
    spy = ByMark()
    line_checks([f"{GERMAN}\nkurz\n{GERMAN}", "", ENGLISH], "de", spy)
    assert spy.calls == [[GERMAN, GERMAN, ENGLISH]]


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown language 'german'"):
        pass_rates([GERMAN], "german", ByMark())


@given(
    st.lists(st.text(st.sampled_from("ab ä я中\n.—é🙂\u202e\ud800\0\r")), max_size=5),
    st.sampled_from(["de", "ru", "zh"]),
)
def test_rates_are_rates_and_a_response_never_changes_those_of_others(outputs: list[str], language: str) -> None:
    found = line_checks(outputs, language, ByMark(), words=WORDS)
    assert found == [line_checks([output], language, ByMark(), words=WORDS)[0] for output in outputs]
    assert all(0 <= verdict.astray <= verdict.judged for verdict in found)
    got = rates(found, language)
    assert got.n == sum(verdict.judged > 0 for verdict in found)
    assert all(0 <= rate <= 1 for rate in (got.line, got.word) if rate is not None)


# --- flips -------------------------------------------------------------------------------------------------------


def test_where_a_response_flips() -> None:
    output = f"\n{GERMAN}.\n\nOK\n  {GERMAN}!\n{ENGLISH}\n12 34 56 78 90\n{ENGLISH}\n{RUSSIAN}\n"
    course = flips(output, ByMark())
    assert [line.language for line in course.lines] == ["de", None, "de", "en", None, "en", "ru"]
    assert course.flips == (
        Flip(output.index(ENGLISH), "de", "en"),
        Flip(output.index(RUSSIAN), "en", "ru"),
    )
    assert [output[line.start : line.end] for line in course.lines][:3] == [f"{GERMAN}.", "OK", f"  {GERMAN}!"]


def test_a_language_that_the_table_does_not_know_keeps_the_label_of_the_identifier() -> None:
    class Other:
        def identify(self, texts: Sequence[str]) -> list[Identified]:
            return [Identified("tlh", 0.9) for _ in texts]

    assert flips(ENGLISH, Other()).lines[0].language == "tlh"


def test_an_unsure_line_is_no_flip() -> None:
    course = flips(f"{GERMAN}\n{ENGLISH}", ByMark(0.2))
    assert ([line.language for line in course.lines], course.flips) == ([None, None], ())
    assert [line.probability for line in course.lines] == [0.2, 0.2]


@given(st.text(st.sampled_from("ab ä я中\n.—é🙂")))
def test_the_course_is_the_response_line_by_line(output: str) -> None:
    course = flips(output, ByMark())
    for line in course.lines:
        assert 0 <= line.start < line.end <= len(output)
        assert "\n" not in output[line.start : line.end]
        assert line.start == 0 or output[line.start - 1].isspace()
    starts = [line.start for line in course.lines]
    assert starts == sorted(set(starts))
    assert {flip.start for flip in course.flips} <= set(starts)


# --- a real identifier ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ODD.values(), ids=ODD)
def test_no_text_is_too_odd_for_a_real_identifier(output: str) -> None:
    lid = identifier("lid176")
    for language in ("de", "ru", "zh", "ar"):
        assert pass_rates([output], language, lid, words=WORDS).n <= 1
    flips(output, lid)


def test_a_real_flip() -> None:
    german, english = "Die Katze sitzt auf dem Dach und schläft.", "The cat sits on the roof and sleeps there."
    output = f"{german}\n{english}"
    assert flips(output, identifier("lid176")).flips == (Flip(len(german) + 1, "de", "en"),)


# --- words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "language", "count"),
    [
        ("한국어는 띄어쓰기를 합니다", "ko", 3),
        ("人工智能", "zh", 3),
        ("AI 人工", "zh", 3),  # with the space, as jieba has it
        ("AI 人工", "ja", 2),
        ("ソフトウェア", "ja", 1),
        ("人工。", "ja", 2),
        ("one two", None, 2),
        ("人工智能", None, 3),
        ("कृत्रिम बुद्धि", None, 2),
    ],
)
def test_how_many_words(line: str, language: str | None, count: int) -> None:
    assert len(words_of(line, language)) == count


def test_which_words_are_english() -> None:
    assert [is_english(word, WORDS) for word in ("machine", "Paris", "and", "maschine")] == [True, False, False, False]


def test_the_default_words() -> None:
    words = english_words()
    assert {"machine", "learning", "example"} <= words
    assert not {"beispiel", "ejemplo", "пример"} & words


def test_the_package_of_the_default_words_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spellchecker", None)
    words_module.english_words.cache_clear()
    with pytest.raises(BabeltuneError, match="Install pyspellchecker"):
        pass_rates([RUSSIAN], "ru", ByMark())
    assert pass_rates([GERMAN], "de", ByMark()).line == 1.0  # Latin script needs none
    words_module.english_words.cache_clear()


# --- the benchmark's own script --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def completions() -> dict[tuple[str, str, str, str], list[str]]:
    if not LCB.is_dir() or not ORACLE.is_file():
        pytest.skip("the benchmark's completions are not here")
    groups: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for model in MODELS:
        with (LCB / f"{model}.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                groups[model, row["task"], row["source"], row["language"]].append(row["completion"])
    return groups


def test_the_rates_are_those_of_the_benchmarks_script(completions: dict[tuple[str, str, str, str], list[str]]) -> None:
    """Points within: 1 where the script has a segmenter, else equal to the six digits of the oracle."""
    oracle = json.loads(ORACLE.read_text(encoding="utf-8"))
    words = frozenset((LCB / "words").read_text(encoding="utf-8").split())
    lid = identifier("lid176")
    assert len(completions) == sum(not key.startswith("all/") and not key.endswith("/all")
                                   for model in MODELS for task in oracle[model].values() for key in task)  # fmt: skip
    for (model, task, source, language), outputs in completions.items():
        wanted = oracle[model][task][f"{source}/{language}"]
        found = line_checks(outputs, language, lid, words=words)
        got = rates(found, language)
        within = 0.010001 if language in ("zh", "ja") else 1e-6
        assert got.line == pytest.approx(wanted["lpr"], abs=within), (model, task, source, language)
        assert (got.word is None) == ("wpr" not in wanted)
        if got.word is not None:
            assert got.word == pytest.approx(wanted["wpr"], abs=within), (model, task, source, language)
        shares = [1 - verdict.astray / verdict.judged for verdict in found if verdict.judged]
        assert sum(shares) / len(shares) == pytest.approx(wanted["acc"], abs=within), (model, task, source, language)
