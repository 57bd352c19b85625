"""The verdict on simulated curves, and that its sentence never claims more than the intervals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.languages import exposure, published
from babeltune.measure.pools import Scored, pools
from babeltune.measure.statistics.intervals import Difference, Interval, Values, difference
from babeltune.measure.summary import rows
from babeltune.measure.verdict.contrasts import Pair, ValueBoard, board
from babeltune.measure.verdict.plateau import verdict, verdicts
from babeltune.measure.verdict.verdict import ByLanguage, Verdict
from babeltune.records import Cell, Metric, Score

MEMBERS = {
    "mono": ("en",),
    "multi-2": ("en", "es"),
    "multi-3": ("en", "es", "ru"),
    "multi-4": ("en", "es", "ru", "de"),
    "multi-5": ("en", "es", "ru", "de", "zh"),
    "multi-6": ("en", "es", "ru", "de", "zh", "fr"),
}
UNSEEN = ("it", "pt", "vi")
START = r"Tiny answers {} of 3 unseen languages in kind after English-only tuning, {} after adding one language; "
RANGE = r"[+-]\d\.\d\d, 95 % [+-]\d\.\d\d to [+-]\d\.\d\d"
Scores = dict[str, dict[str, Values]]


def simulated(curve: Mapping[str, float], *, n: int = 80, codes: Sequence[str] = UNSEEN) -> Scores:
    """Mix -> language -> item -> agreement, drawn with the share that the curve gives, on the same items where it can."""
    rng = np.random.default_rng(11)
    luck = {code: rng.random(n) for code in codes}
    return {
        mix: {code: {f"p{at:03}": [float(u < share)] for at, u in enumerate(luck[code])} for code in codes}
        for mix, share in curve.items()
    }


def judged(curve: Mapping[str, float], members: Mapping[str, Sequence[str]] | None = None, **how: object) -> Verdict:
    chosen = members or {mix: MEMBERS[mix] for mix in curve if mix != "base"}
    return of(simulated(curve, **how), chosen)  # type: ignore[arg-type]


def of(scores: Mapping[str, Mapping[str, Values]], members: Mapping[str, Sequence[str]]) -> Verdict:
    asked = ValueBoard(Metric("agreement"), scores)
    return verdict(("Tiny", "dialogue", "xx:xx"), asked, members, margin=0.1, in_kind=0.8)


def tail(found: Verdict) -> str:
    """What the sentence says after the counts."""
    return found.sentence.partition("; ")[2]


def test_a_step_at_two_shows_two_necessary_and_sufficient() -> None:
    found = judged({"mono": 0.3, "multi-2": 0.93, "multi-3": 0.93})
    assert (found.necessary, found.sufficient) == ("shown", 2)
    assert found.in_kind == {"mono": (), "multi-2": UNSEEN, "multi-3": UNSEEN}
    assert found.sentence == (
        START.format(0, 3) + "two languages are necessary and sufficient, three add nothing measurable."
    )


CURVES = {
    "several further mixes are named as a span": (
        (0.3, 0.93, 0.93, 0.93, 0.93, 0.93), 80, "shown", 2,
        "0, 3: two languages are necessary and sufficient, three to six add nothing measurable.",
    ),
    "a flat high curve refutes that a second language is necessary": (
        (0.93, 0.93, 0.93), 80, "refuted", 1, "3, 3: a second language adds less than 0.1, so one does as well."
    ),
    "a flat low curve does not say that one language is enough to answer": (
        (0.1, 0.1, 0.1), 80, "refuted", 1, "0, 0: a second language adds less than 0.1, so one does as well."
    ),
    # Wilson's bound for 0 of 24 is 0.138, above the margin: 24 prompts cannot rule out a gain of 0.1.
    "too few items show nothing even where the mixes answer alike": (
        (0.93, 0.93, 0.93), 24, "not shown", None,
        "3, 3: that a second language is necessary is not shown (+0.00, 95 % -0.14 to +0.14); "
        "that two are sufficient is not shown: three may add 0.1 or more (+0.00, 95 % -0.14 to +0.14).",
    ),
    "a slow rise says that the third language still adds": (
        (0.2, 0.5, 0.8), 80, "shown", None,
        "0, 0: a second language is necessary (…), and three still add to two (…).",
    ),
    "a rise that ends at three says that three are sufficient": (
        (0.2, 0.5, 0.9, 0.9), 80, "shown", 3,
        "0, 0: a second language is necessary (…), three are sufficient (four minus three: …).",
    ),
    "a step at three does not say that one is enough": (
        (0.3, 0.3, 0.9), 80, "refuted", None, "0, 0: a second language adds less than 0.1, but three add to one (…)."
    ),
    "a gain below the margin is told as one": (
        (0.5, 0.54), 300, "shown", 1,
        "0, 0: a second language adds measurably (…), but less than 0.1, so one does as well.",
    ),
    "a further gain below the margin is not told as nothing measurable": (
        (0.3, 0.9, 0.94), 300, "shown", 2,
        "0, 3: two languages are necessary and sufficient, three add less than 0.1.",
    ),
    "a fall is told as one": (
        (0.9, 0.5, 0.5), 80, "refuted", 1, "3, 0: a second language takes something away (…), so one does better."
    ),
}  # fmt: skip
"""Claim -> shares under mixes of one language and more, items, findings, and the sentence: unseen languages that the first
two mixes answer, then its end, in which any interval may stand for an ellipsis."""


@pytest.mark.parametrize(("shares", "n", "necessary", "sufficient", "said"), CURVES.values(), ids=CURVES)
def test_what_a_curve_shows_and_how_it_is_told(
    shares: Sequence[float], n: int, necessary: str, sufficient: int | None, said: str
) -> None:
    found = judged(dict(zip(MEMBERS, shares, strict=False)), n=n)
    assert (found.necessary, found.sufficient) == (necessary, sufficient)
    counts, _, ending = said.partition(": ")
    expected = START.format(*counts.split(", ")) + ending
    assert re.fullmatch(re.escape(expected).replace("…", RANGE), found.sentence)


def test_a_noisy_gain_is_not_shown() -> None:
    # Of twelve prompts four are won, three lost: 1/12 better, and nobody knows.
    ones = {"mono": (0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0), "multi-2": (1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0)}
    scores = {mix: {"it": {str(at): [float(one)] for at, one in enumerate(row)}} for mix, row in ones.items()}
    found = of(scores, {mix: MEMBERS[mix] for mix in ones})
    gain = found.contrasts[0].interval
    assert gain.low <= 0 < 0.1 <= gain.high
    assert (found.necessary, found.sufficient) == ("not shown", None)
    assert re.fullmatch(rf"that a second language is necessary is not shown \({RANGE}\)\.", tail(found))


def test_two_mixes_only() -> None:
    found = judged({"base": 0.6, "mono": 0.3, "multi-2": 0.9})
    assert re.fullmatch(rf"a second language is necessary \({RANGE}\)\.", tail(found))
    assert set(found.averages) == {"base", "mono", "multi-2"}
    assert found.languages == {"mono": 1, "multi-2": 2}


def test_mixes_of_as_many_languages_must_all_agree() -> None:
    members = {"mono": ("en",), "with-es": ("en", "es"), "with-ru": ("en", "ru"), "multi-3": ("en", "es", "ru")}
    good = judged({"mono": 0.3, "with-es": 0.9, "with-ru": 0.9, "multi-3": 0.9}, members)
    assert (good.necessary, good.sufficient) == ("shown", 2)
    assert tail(good) == "two languages are necessary and sufficient, three add nothing measurable."
    mixed = judged({"mono": 0.3, "with-es": 0.9, "with-ru": 0.3, "multi-3": 0.9}, members)
    assert (mixed.necessary, mixed.sufficient) == ("not shown", None)


def test_the_widest_mixes_are_not_sufficient_for_want_of_wider_ones() -> None:
    members = {"mono": ("en",), "with-es": ("en", "es"), "with-ru": ("en", "ru")}
    found = judged({"mono": 0.3, "with-es": 0.9, "with-ru": 0.9}, members)
    assert (found.necessary, found.sufficient) == ("shown", None)
    assert {(one.first, one.second) for one in found.contrasts} == {("with-es", "mono"), ("with-ru", "mono")}


def test_what_was_not_tried_is_not_claimed() -> None:
    members = {"mono": ("es",), "wide": ("es", "en", "ru"), "wider": ("es", "en", "ru", "de")}
    found = judged({"mono": 0.3, "wide": 0.9, "wider": 0.9}, members)
    # Two languages were never tried, and the one language was Spanish.
    assert found.sentence == (
        "Tiny answers 0 of 3 unseen languages in kind after Spanish-only tuning, 3 after adding two languages; "
        "more than one language is necessary and three are sufficient, four add nothing measurable."
    )


def test_a_start_at_two_languages_and_no_common_ones() -> None:
    members = {"pair": ("en", "es"), "three": ("ru", "de", "zh")}
    found = judged({"pair": 0.3, "three": 0.9}, members, codes=("it",))
    assert re.fullmatch(
        r"Tiny answers 0 of 1 unseen language in kind after tuning on two languages, 1 after tuning on three languages; "
        rf"more than two languages are necessary \({RANGE}\)\.",
        found.sentence,
    )
    flat = judged({"pair": 0.9, "three": 0.9}, members)
    assert tail(flat) == "three languages add less than 0.1, so two do as well."


def test_more_than_twelve_languages_are_written_in_figures() -> None:
    codes = ("en", "de", "fr", "sv", "zh", "es", "ru", "ko", "fi", "hu", "no", "bg", "sl")
    found = judged({"mono": 0.3, "all": 0.9}, {"mono": ("en",), "all": codes})
    assert "adding twelve languages" in found.sentence
    far = judged({"mono": 0.3, "all": 0.9, "more": 0.9}, {"mono": ("en",), "all": codes, "more": (*codes, "el")})
    assert "13 are sufficient, 14 add nothing measurable" in far.sentence


def test_seen_languages_take_no_part_but_english_is_compared_apart() -> None:
    curve = {"mono": 0.3, "multi-2": 0.9, "multi-3": 0.9}
    scores = simulated(curve, codes=("en", "es", *UNSEEN))
    # Spanish and English change the other way round: no contrast may see it.
    for mix, share in (("mono", 1.0), ("multi-2", 0.0), ("multi-3", 0.25)):
        for code in ("en", "es"):
            scores[mix][code] = {f"p{at:03}": [float(at < 80 * share)] for at in range(80)}
    found = of(scores, {mix: MEMBERS[mix] for mix in curve})
    assert found.unseen == UNSEEN
    assert (found.necessary, found.sufficient) == ("shown", 2)
    assert found.english is not None
    assert (found.english.first, found.english.second) == ("multi-3", "mono")
    assert found.english.interval.value == pytest.approx(-0.75)
    assert judged(curve).english is None


def test_contrasts_are_paired_differences_of_every_two_mixes() -> None:
    curve = {"mono": 0.3, "multi-2": 0.7, "multi-3": 0.9}
    scores, found = simulated(curve), judged(curve)
    assert {(one.first, one.second): one.interval for one in found.contrasts} == {
        (first, second): Interval(gain.value, gain.low, gain.high, gain.n)
        for first, second, gain in (
            (first, second, difference(scores[first], scores[second]))
            for first, second in (("multi-2", "mono"), ("multi-3", "mono"), ("multi-3", "multi-2"))
        )
    }


def test_exactly_the_threshold_counts_as_in_kind() -> None:
    scores = {mix: {"it": {str(at): [float(at < 8)] for at in range(10)}} for mix in ("mono", "multi-2")}
    found = of(scores, {mix: MEMBERS[mix] for mix in scores})
    assert found.in_kind["mono"] == ("it",)


@pytest.mark.parametrize(
    "members",
    [
        {"mono": ("en",)},
        {"mono": ("en",), "other": ("es",)},
        {"mono": ("en",), "multi-4": ("en", *UNSEEN)},
    ],
)
def test_no_contrast_no_verdict(members: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match="a verdict needs"):
        judged(dict.fromkeys(members, 0.5), members)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    low, value, high = sorted(draw(st.lists(st.integers(-30, 30), min_size=3, max_size=3)))
    return Interval(value / 100, low / 100, high / 100, 24)


NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4}
AN_INTERVAL = Interval(0.5, 0.4, 0.6, 24)


@given(st.integers(2, 4), st.lists(intervals(), min_size=6, max_size=6))
def test_whatever_the_intervals_the_sentence_claims_no_more(count: int, drawn: list[Interval]) -> None:
    left = iter(drawn)
    gain: dict[tuple[str, str], Difference] = {}

    def told(asked: ValueBoard, pairs: Sequence[Pair]) -> list[Difference]:
        for pair in pairs:
            if (pair.first, pair.second) not in gain:
                one = next(left)
                gain[pair.first, pair.second] = Difference(one.value, one.low, one.high, one.n, 0.5)
        return [gain[pair.first, pair.second] for pair in pairs]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ValueBoard, "averages", lambda asked, groups: [AN_INTERVAL for _ in groups])
        patch.setattr(ValueBoard, "differences", told)
        found = judged(dict.fromkeys(list(MEMBERS)[:count], 0.5), n=1)
    gains = {(found.languages[one.first], found.languages[one.second]): one.interval for one in found.contrasts}
    assert len(gains) == count * (count - 1) // 2
    over = {base: [gain for (_, second), gain in gains.items() if second == base] for base in range(1, count)}
    text = tail(found)

    assert found.necessary == ("shown" if gains[2, 1].low > 0 else "refuted" if gains[2, 1].high < 0.1 else "not shown")
    enough = [base for base, further in over.items() if all(gain.high < 0.1 for gain in further)]
    assert found.sufficient == (enough[0] if enough else None)

    if re.search(r"^a second language is necessary|are necessary and", text) or "adds measurably" in text:
        assert gains[2, 1].low > 0
    if "a second language adds" in text:
        assert gains[2, 1].high < 0.1
    if "is necessary is not shown" in text:
        assert gains[2, 1].low <= 0
        assert gains[2, 1].high >= 0.1
    if "one does as well" in text:
        assert 1 in enough
    if claimed := re.search(r"(\w+) are sufficient \(|(two) languages are necessary and sufficient", text):
        assert NUMBERS[claimed[1] or claimed[2]] in enough
    if "nothing measurable" in text:
        assert all(gain.high < 0.1 and gain.low <= 0 for gain in over[2])
    if "add less than" in text:
        assert all(gain.high < 0.1 for gain in over[2])
    if claimed := re.search(r"(\w+) (?:still )?add to (\w+)", text):
        assert gains[NUMBERS[claimed[1]], NUMBERS[claimed[2]]].low > 0
    if claimed := re.search(r"that (\w+) (?:is|are) sufficient is not shown: (\w+) may add 0.1 or more", text):
        assert gains[NUMBERS[claimed[2]], NUMBERS[claimed[1]]].high >= 0.1
    assert text.endswith(".")
    assert text.count("(") == text.count(")")


# Language by language


def by_code(found: Verdict) -> dict[str, ByLanguage]:
    return {one.language: one for one in found.by_language}


def test_each_language_has_its_own_answer() -> None:
    curve = {"mono": 0.3, "multi-2": 0.9, "multi-3": 0.9}
    scores = simulated(curve, codes=("it", "pt"))
    flat = simulated(dict.fromkeys(curve, 0.9), codes=("vi",))
    for mix in scores:
        scores[mix]["vi"] = flat[mix]["vi"]
    found = by_code(of(scores, {mix: MEMBERS[mix] for mix in curve}))
    assert [(found[code].necessary, found[code].sufficient) for code in ("it", "pt", "vi")] == [
        ("shown", 2), ("shown", 2), ("refuted", 1)
    ]  # fmt: skip
    assert (found["it"].step.first, found["it"].step.second) == ("multi-2", "mono")
    assert found["it"].step.interval.value == pytest.approx(
        difference({"": scores["multi-2"]["it"]}, {"": scores["mono"]["it"]}).value
    )
    assert found["it"].worst_case is not None
    assert (found["it"].worst_case.first, found["it"].worst_case.second) == ("multi-3", "multi-2")
    assert not any(one.seen for one in found.values())


def test_holm_takes_back_what_one_language_of_many_shows_by_chance() -> None:
    codes = ("it", "pt", "vi", "ko", "fi", "hu", "el", "hi", "is", "sv")
    # One gain that is just significant by itself, and nine languages without any.
    won = {code: (10, 2) if code == "it" else (3, 3) for code in codes}
    scores: Scores = {"mono": {}, "multi-2": {}}
    for code, (up, down) in won.items():
        scores["multi-2"][code] = {f"p{at}": [float(at < up)] for at in range(60)}
        scores["mono"][code] = {f"p{at}": [float(up <= at < up + down)] for at in range(60)}
    alone = of({mix: {"it": found["it"]} for mix, found in scores.items()}, {mix: MEMBERS[mix] for mix in scores})
    together = by_code(of(scores, {mix: MEMBERS[mix] for mix in scores}))["it"]
    assert alone.by_language[0].step.p < 0.05
    assert alone.by_language[0].necessary == "shown"
    assert together.step.p == alone.by_language[0].step.p
    assert together.step.p_holm == pytest.approx(10 * together.step.p)
    assert together.necessary == "not shown"


def test_what_a_languages_own_chats_add_is_told_from_what_others_had_added() -> None:
    curve = {"mono": 0.2, "multi-2": 0.7, "multi-3": 0.95}
    found = by_code(judged(curve, codes=("en", "es", "ru", "it")))
    assert [(found[code].seen, found[code].entered) for code in ("en", "es", "ru", "it")] == [
        (True, "mono"), (True, "multi-2"), (True, "multi-3"), (False, None)
    ]  # fmt: skip
    russian = found["ru"]
    assert russian.entering is not None
    assert russian.before is not None
    assert (russian.entering.first, russian.entering.second) == ("multi-3", "multi-2")
    assert (russian.before.first, russian.before.second) == ("multi-2", "mono")
    # Spanish enters at once, so nothing came before; English was there from the start, Italian never.
    assert (found["es"].entering is not None, found["es"].before) == (True, None)
    assert (found["en"].entering, found["en"].before) == (None, None)
    assert (found["it"].entering, found["it"].before) == (None, None)


def test_supervised_and_zero_shot_gains_are_set_against_each_other_on_the_same_items() -> None:
    scores = {
        "mono": {code: {str(at): [float(at < 20)] for at in range(100)} for code in ("en", "es", "it", "pt")},
        "multi-2": {
            code: {str(at): [float(at < won)] for at in range(100)}
            for code, won in (("en", 20), ("es", 90), ("it", 60), ("pt", 40))
        },
    }
    found = of(scores, {mix: MEMBERS[mix] for mix in scores}).supervised
    assert found is not None
    assert (found.zero_shot.value, found.supervised.value, found.difference.value) == pytest.approx((0.3, 0.7, 0.4))
    # The items of the languages are the same and move together: it can be told as well as from one item's difference.
    each = {str(at): [float(at < 90) - (float(at < 60) + float(at < 40)) / 2] for at in range(100)}
    bare = difference({"": each}, {"": {item: [0.0] for item in each}})
    assert (found.difference.low, found.difference.high) == pytest.approx((bare.low, bare.high), abs=1e-9)
    assert judged({"mono": 0.3, "multi-2": 0.9}).supervised is None


def test_tiers_shares_and_a_line_through_the_gains_where_pretraining_is_known() -> None:
    codes = ("de", "fr", "it", "pt", "el")
    seen = exposure(published("llama2"))
    scores = simulated({"mono": 0.3, "multi-2": 0.5}, codes=codes)
    asked = ValueBoard(Metric("agreement"), scores)
    members = {mix: MEMBERS[mix] for mix in scores}
    found = verdict(("Tiny", "dialogue", "xx:xx"), asked, members, margin=0.1, exposure=seen)
    assert [(one.tier, one.share) for one in found.by_language] == [
        ("high", 0.17), ("high", 0.16), ("high", 0.11), ("medium", 0.09), ("low", None)
    ]  # fmt: skip
    assert found.fit is not None
    assert found.fit.n == 4
    assert [point[:2] for point in found.fit.points] == [("de", 0.17), ("fr", 0.16), ("it", 0.11), ("pt", 0.09)]
    assert found.in_kind == {}
    bare = judged({"mono": 0.3, "multi-2": 0.5}, codes=codes)
    assert bare.fit is None
    assert {(one.tier, one.share) for one in bare.by_language} == {(None, None)}


@pytest.mark.parametrize(
    ("task", "prompting", "metric", "start"),
    [
        (
            "xnli",
            "xx:xx",
            "accuracy",
            "Tiny on XNLI (accuracy): a second language adds less than 0.1, so one does as well.",
        ),
        (
            "xquad",
            "en:xx",
            "xquad-paper",
            "Tiny on XQuAD, English instructions (right answers): a second language adds",
        ),
        ("dialogue", "xx:xx", "helpfulness", "Tiny on dialogue (helpfulness): a second language adds less than"),
    ],
)
def test_other_boards_say_what_they_are_of(task: str, prompting: str, metric: str, start: str) -> None:
    scores = simulated(dict.fromkeys(("mono", "multi-2", "multi-3"), 0.5), n=200)
    members = {mix: MEMBERS[mix] for mix in scores}
    found = verdict(("Tiny", task, prompting), ValueBoard(Metric(metric), scores), members, margin=0.1)
    assert found.sentence.startswith(start)


def test_a_composed_metric_is_judged_as_its_parts_multiply() -> None:
    rng = np.random.default_rng(2)
    metric = Metric("sari-weighted", 100, factors=("sari", "agreement"))
    scored = []
    for mix, share in (("mono", 0.3), ("multi-2", 0.9), ("multi-3", 0.9)):
        for code in UNSEEN:
            scores = tuple(
                Score(f"{code}{at}", {"sari": 40 + rng.normal(), "agreement": float(rng.random() < share)})
                for at in range(80)
            )
            scored.append(Scored(Cell("m", mix, 0, "simplification", code, "xx:xx", 0), scores, "a", "i"))
    there = pools(scored)
    found_board = board(there, metric)
    assert found_board is not None
    members = {mix: MEMBERS[mix] for mix in ("mono", "multi-2", "multi-3")}
    found = verdict(("m", "simplification", "xx:xx"), found_board, members, margin=8)
    assert (found.necessary, found.sufficient) == ("shown", 2)
    values = {row.mix: row.value for row in rows(there, {"simplification": [metric]}, "lid") if row.language == "it"}
    (one,) = found_board.differences([Pair("multi-2", "mono", ("it",))])
    assert values["multi-2"] is not None
    assert values["mono"] is not None
    assert one.value == pytest.approx(values["multi-2"] - values["mono"])
    average = found.averages["multi-2"].value
    assert average == pytest.approx(np.mean([found_board.averages([("multi-2", (code,))])[0].value for code in UNSEEN]))
    assert found.sentence.startswith("m on sentence simplification (weighted SARI): two languages are necessary and")


# Verdicts on the cells of a study: one where there can be one.

FIRST_TWO = {mix: MEMBERS[mix] for mix in ("mono", "multi-2")}


def cell(mix: str, language: str, values: Mapping[str, float], model: str = "m") -> Scored:
    scores = [Score(item, {"agreement": value}) for item, value in values.items()]
    return Scored(Cell(model, mix, 0, "dialogue", language, "xx:xx", 0), scores, "a", "i")


def flat(mix: str, languages: Sequence[str], value: float | None, model: str = "m") -> list[Scored]:
    values = {} if value is None else {str(at): value for at in range(40)}
    return [cell(mix, code, values, model) for code in languages]


def of_cells(cells: Sequence[Scored], members: Mapping[str, Sequence[str]] = FIRST_TWO) -> list[Verdict]:
    boards = [("dialogue", "xx:xx", Metric("agreement"))]
    return verdicts(pools(cells), boards, members, margin=lambda _: 0.1, in_kind=0.8)


def test_one_verdict_a_model() -> None:
    cells = [
        cell
        for model, gain in (("step", 1.0), ("flat", 0.0))
        for cell in (*flat("mono", ["it", "pt"], 0.0, model), *flat("multi-2", ["it", "pt"], gain, model))
    ]
    found = of_cells(cells)
    assert [(one.model, one.necessary) for one in found] == [("step", "shown"), ("flat", "refuted")]


def test_a_language_that_one_mix_was_not_scored_in_takes_no_part() -> None:
    cells = [*flat("mono", ["it", "pt"], 0.0), *flat("multi-2", ["it"], 1.0), *flat("multi-2", ["pt"], None)]
    (found,) = of_cells(cells)
    assert found.unseen == ("it",)


@pytest.mark.parametrize(
    ("cells", "members"),
    [
        (flat("mono", ["it"], 1.0), {"mono": ("en",)}),
        (flat("mono", ["es"], 1.0) + flat("multi-2", ["es"], 1.0), FIRST_TWO),
        (flat("mono", ["it"], 1.0) + flat("multi-2", ["it"], None), FIRST_TWO),
        ([cell("mono", "it", {"a": 1.0}), cell("multi-2", "it", {"b": 1.0})], FIRST_TWO),
        (flat("mono", ["it"], 1.0) + flat("other", ["it"], 1.0), {"mono": ("en",), "other": ("es",)}),
    ],
    ids=["one mix", "nothing unseen", "a mix never scored", "no item scored under both", "as many languages in both"],
)
def test_no_verdict_where_no_contrast_is_possible(cells: list[Scored], members: dict[str, tuple[str, ...]]) -> None:
    assert of_cells(cells, members) == []


def test_a_mix_without_any_score_takes_no_part_in_a_verdict() -> None:
    members = {mix: MEMBERS[mix] for mix in ("mono", "multi-2", "multi-3")}
    cells = [*flat("mono", ["it"], 0.0), *flat("multi-2", ["it"], 1.0), *flat("multi-3", ["it"], None)]
    (found,) = of_cells(cells, members)
    assert found.languages == {"mono": 1, "multi-2": 2}
