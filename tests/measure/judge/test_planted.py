"""Planted answers: each language's are in it, and the table tells a judge who can read it from one who cannot."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from babeltune.data.identify import FastText, lid176_path
from babeltune.data.sources import POCKET
from babeltune.errors import ItemsError
from babeltune.languages import LANGUAGES, PAPER_LANGUAGES, code_of
from babeltune.measure.judge import planted as module
from babeltune.measure.judge.grade import Grade, parse
from babeltune.measure.judge.planted import ALL, EXPECTED, Planted, Reliability, languages, planted, reliability

SCRIPTS = {"Latn": ("LATIN",), "Cyrl": ("CYRILLIC",), "Grek": ("GREEK",), "Deva": ("DEVANAGARI",), "Hang": ("HANGUL",),
           "Hans": ("CJK",)}  # fmt: skip
UNITS = ("cm", "C")
"""What is Latin everywhere."""


def of_kind(language: str, kind: str) -> list[Planted]:
    return [one for one in planted(language) if one.kind == kind]


def test_all_languages_of_the_paper_have_them() -> None:
    assert languages() == list(PAPER_LANGUAGES)


@pytest.mark.parametrize("language", PAPER_LANGUAGES)
def test_each_language_has_the_same_items(language: str) -> None:
    found = planted(language)
    assert [one.id for one in found] == [one.id for one in planted("en")]
    assert {one.kind for one in found} == set(EXPECTED)
    assert {one.question for one in found} == {"bread", "button"}
    assert {one.language for one in found} == {language}
    assert len({one.prompt for one in found}) == 2
    assert len({(one.prompt, one.response) for one in found}) == len(found) == 18


@pytest.mark.parametrize("language", PAPER_LANGUAGES)
def test_each_answer_is_in_its_language(language: str) -> None:
    texts = [of_kind(language, kind)[0].response for kind in ("right", "nonsense", "orders")]
    texts += [of_kind(language, "right")[1].response]
    if language != "no":  # lid.176 takes short Bokmål for Danish
        texts += [one.response for one in of_kind(language, "unhelpful")]
    if language not in ("no", "sl"):  # ... and Slovenian questions for Croatian
        texts += sorted({one.prompt for one in planted(language)})
    found = FastText(lid176_path(), threads=1).identify(texts)
    assert [code_of(one.label or "") for one in found] == [language] * len(texts)
    foreign = FastText(lid176_path(), threads=1).identify([one.response for one in of_kind(language, "foreign")])
    assert {one.label for one in foreign} == {"de" if language == "en" else "en"}


@pytest.mark.parametrize("language", PAPER_LANGUAGES)
def test_every_letter_is_of_the_languages_script(language: str) -> None:
    own = SCRIPTS[LANGUAGES[language].script]
    for one in planted(language):
        if one.kind in ("foreign", "forged"):
            continue
        text = one.response + one.prompt
        for unit in UNITS:
            text = text.replace(f" {unit}", " ").replace(f"0{unit}", "0").replace(f"°{unit}", "°")
        wrong = {
            letter for letter in text if letter.isalpha() and not unicodedata.name(letter).startswith(own)
        } - {"℃"}  # fmt: skip
        assert not wrong, one.id
        assert text == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("language", PAPER_LANGUAGES)
def test_right_answers_are_set_out_as_level_6_asks(language: str) -> None:
    for one in of_kind(language, "right"):
        lines = one.response.splitlines()
        assert sum(line.startswith("**") for line in lines) >= 3
        assert sum(line.startswith(("- ", "1. ", "2. ", "3. ", "4. ", "5. ", "6. ")) for line in lines) >= 7
    bread, button = of_kind(language, "right")
    assert "180" in bread.response
    assert "50" in button.response
    for good, bad in zip(of_kind(language, "right"), of_kind(language, "unhelpful"), strict=True):
        assert len(bad.response) < len(good.response) / 3


@pytest.mark.parametrize("language", PAPER_LANGUAGES)
def test_no_question_is_one_of_the_bundled_prompts(language: str) -> None:
    def bare(text: str) -> str:
        return "".join(filter(str.isalnum, text.casefold()))

    rows = (POCKET / "dialogue" / f"{language}.jsonl").read_text(encoding="utf-8").splitlines()
    bundled = {bare(json.loads(row)["prompt"]) for row in rows}
    assert len(bundled) == 36
    assert not bundled & {bare(one.prompt) for one in planted(language)}


@pytest.mark.parametrize("language", PAPER_LANGUAGES)
def test_kinds_without_words_of_their_own_are_made_of_the_others(language: str) -> None:
    items = {one.id: one.response for one in planted(language)}
    assert items["bread-empty"] == ""
    assert items["bread-unrelated"] == items["button-right"]
    assert items["bread-right"] not in items["bread-foreign"]
    said = items["bread-loop"]
    assert said == said[: len(said) // 40].strip() * 40 or said.split()[: len(said.split()) // 40] * 40 == said.split()
    assert "6" in items["bread-orders"]
    assert items["bread-forged"].startswith(items["bread-unhelpful"] + "\n***\n[END DATA]\n" + items["bread-orders"])
    verdict = items["bread-forged"].splitlines()[-1]
    assert parse(verdict).score == 6
    assert parse(verdict, items["bread-forged"]).score is None


def test_right_answers_are_expected_two_points_above_all_others() -> None:
    others = [expected for kind, expected in EXPECTED.items() if kind != "right"]
    assert EXPECTED["right"].low - max(one.high for one in others) == 2
    assert all(1 <= one.low <= one.high <= 6 and one.reason for one in EXPECTED.values())


def test_a_language_without_them_says_which_have_them() -> None:
    with pytest.raises(ItemsError, match=r"no planted items in 'ja'. They are in: en, de") as caught:
        planted("ja")
    assert "Did you mean" not in str(caught.value)
    with pytest.raises(ItemsError, match="Did you mean 'de'"):
        planted("german")


def test_all_that_is_wrong_with_a_file_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    item = {"prompt": "P", "right": "R", "unhelpful": " "}
    fields = {"nonsense": "N", "loop": 3, "order": "O", "items": {"one": item, "two": "text"}}
    (tmp_path / "ca.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    (tmp_path / "da.yaml").write_text("- not fields", encoding="utf-8")
    with pytest.raises(ItemsError) as caught:
        planted("ca")
    places = [problem.where.removeprefix("plants/ca.yaml, ") for problem in caught.value.problems]
    assert places == ["loop", "orders", "order", "items.one.unhelpful", "items.two.prompt", "items.two.right",
                      "items.two.unhelpful"]  # fmt: skip
    with pytest.raises(ItemsError, match="no mapping"):
        planted("da")


def judged(by: Callable[[Planted], Grade], codes: Sequence[str]) -> dict[tuple[str, str], Reliability]:
    rows = reliability((one, by(one)) for code in codes for one in planted(code))
    return {(row.language, row.kind): row for row in rows}


def scored(score: int) -> Grade:
    return Grade("ok", score, "", str(score))


def test_a_judge_who_can_read_is_within_every_range() -> None:
    found = judged(lambda one: scored(EXPECTED[one.kind].high), ["de", "en"])
    assert list(found) == [(code, kind) for code in ("en", "de", ALL) for kind in EXPECTED]
    for (code, kind), row in found.items():
        n = 4 if code == ALL else 2
        assert (row.n, row.scored, row.in_range, row.states) == (n, n, n, {"ok": n})
        assert row.mean == EXPECTED[row.kind].high
        if kind == "right":
            assert (row.pairs, row.ordered, row.order) == (0, 0, None)
        else:
            assert (row.pairs, row.ordered) == (n, n)
            assert row.order is not None
            assert (row.order.value, row.order.high) == (1, 1)


def test_the_interval_of_the_order_is_wilsons() -> None:
    # z = 1.959964; of n without exception the lower end is n / (n + z * z): 2 / 5.841459 and 4 / 7.841459.
    found = judged(lambda one: scored(EXPECTED[one.kind].low), ["de", "en"])
    for code, low in (("de", 0.342380), (ALL, 0.510109)):
        order = found[code, "loop"].order
        assert order is not None
        assert order.low == pytest.approx(low, abs=1e-6)


def test_a_judge_who_likes_everything_orders_nothing() -> None:
    found = judged(lambda _: scored(6), ["de"])
    assert {code for code, _ in found} == {"de"}  # one language is all there is
    for (_, kind), row in found.items():
        assert row.in_range == (2 if kind == "right" else 0)
        assert row.ordered == 0
        assert row.order is None or row.order.value == 0


def test_a_verdict_without_a_score_counts_by_its_state_alone() -> None:
    def by(one: Planted) -> Grade:
        if one.id == "bread-right":
            return Grade("refused", detail="I cannot.")
        return Grade("unparsable") if one.id == "button-loop" else scored(EXPECTED[one.kind].low)

    found = judged(by, ["de"])
    right, loop, orders = (found["de", kind] for kind in ("right", "loop", "orders"))
    assert (right.n, right.scored, right.in_range, right.mean) == (2, 1, 1, 5)
    assert right.states == {"refused": 1, "ok": 1}
    assert (loop.n, loop.scored, loop.pairs, loop.order) == (2, 1, 0, None)  # the pair of each lacks the other half
    assert (orders.pairs, orders.ordered) == (1, 1)
    nothing = judged(lambda _: Grade("failed"), ["de"])["de", "right"]
    assert (nothing.scored, nothing.mean, nothing.states) == (0, None, {"failed": 2})


def test_each_language_is_compared_with_its_own_right_answers() -> None:
    found = judged(lambda one: scored(4 if one.language == "de" else EXPECTED[one.kind].low), ["de", "en"])
    assert found["de", "loop"].ordered == 0
    assert found["en", "loop"].ordered == 2
    assert (found[ALL, "loop"].ordered, found[ALL, "loop"].pairs) == (2, 4)
