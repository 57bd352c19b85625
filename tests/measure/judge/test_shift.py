"""A judge's grades of answers and of their translations: how often each, and how far apart."""

from __future__ import annotations

from babeltune.measure.judge.shift import histogram, shifts
from babeltune.measure.pools import Pool, Scored, pools
from babeltune.records import Cell, Score

DIRECT, TRANSLATED = "helpfulness-raw", "helpfulness-raw-translated"


def pool(language: str, *scores: Score) -> Pool:
    (found,) = pools([Scored(Cell("m", "mono", 0, "dialogue", language, "xx:xx", 0), scores, "a", "i")])
    return found


def test_the_judges_scores_are_counted_as_they_came() -> None:
    there = pool(
        "de",
        Score("a", {DIRECT: 6.0, TRANSLATED: 5.0}),
        Score("b", {DIRECT: 6.0}, unscored={TRANSLATED: "lost"}),
        Score("c", unscored={DIRECT: "the judge refused"}),
    )
    found = histogram([there], {"direct": DIRECT, "translated": TRANSLATED})
    assert {(one.reading, one.score): one.count for one in found if one.count} == {
        ("direct", 6): 2, ("translated", 5): 1
    }  # fmt: skip
    assert len(found) == 12


def test_a_shift_is_over_the_answers_that_have_both_grades_and_english_needs_none() -> None:
    both = [Score(item, {DIRECT: 3.0 + at, TRANSLATED: 5.0}) for at, item in enumerate("ab")]
    there = [pool("de", *both, Score("c", {DIRECT: 1.0})), pool("en", *both), pool("fr", Score("a", {DIRECT: 6.0}))]
    (found,) = shifts(there, DIRECT, TRANSLATED)
    assert (found.language, found.direct, found.translated) == ("de", 3.5, 5.0)
    assert (found.difference.value, found.difference.n) == (1.5, 2)
    assert shifts(there[1:], DIRECT, TRANSLATED) == []
