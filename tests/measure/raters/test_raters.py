"""Agreement against scipy, closed forms and examples worked by hand; ratings read from files as people save them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from babeltune.errors import InputError, RowsError
from babeltune.measure.raters.agreement import ALL, Agreement, agreement
from babeltune.measure.raters.ratings import Rating, read_ratings
from babeltune.measure.statistics import intervals

quick = functools.partial(agreement, how=intervals.Resampling(resamples=200))


def ratings(values: Sequence[int], language: str = "de", **fields: str) -> list[Rating]:
    return [Rating(language, f"p{at:03}", value, **fields) for at, value in enumerate(values)]


def compared(first: Sequence[int], second: Sequence[int]) -> Agreement:
    (found,) = quick(ratings(first), ratings(second))
    return found


def values(found: Agreement) -> list[float]:
    return [one.value for one in (found.exact, found.within_one, found.kappa, found.spearman) if one is not None]


def test_four_answers_worked_by_hand() -> None:
    # Pairs (1,1) (2,2) (3,3) (1,3). Exact 3 of 4; within one point 3 of 4.
    # Quadratic kappa: mean squared distance seen (0 + 0 + 0 + 4) / 4 = 1. The first side has 1 twice, 2, 3; the second 1,
    # 2, 3 twice: by chance (2*(0+1+2*4) + 1*(1+0+2*1) + 1*(4+1+2*0)) / 16 = 26 / 16. Kappa 1 - 16/26 = 5/13.
    # Spearman: ranks (1.5, 3, 4, 1.5) and (1, 2, 3.5, 3.5), from the mean 2.5: (-1, .5, 1.5, -1) and (-1.5, -.5, 1, 1).
    # Products 1.5 - .25 + 1.5 - 1 = 1.75; squares 4.5 and 4.5. 1.75 / 4.5 = 7/18.
    found = compared([1, 2, 3, 1], [1, 2, 3, 3])
    assert found.n == 4
    assert values(found) == pytest.approx([3 / 4, 3 / 4, 5 / 13, 7 / 18])
    assert found.reasons == {}


def test_within_one_point_is_within_one_point() -> None:
    found = compared([1, 2, 3, 4, 6], [2, 1, 5, 4, 5])
    assert values(found)[:2] == pytest.approx([1 / 5, 4 / 5])


SCALE = st.integers(1, 6)


@settings(deadline=None)
@given(st.lists(st.tuples(SCALE, SCALE), min_size=2, max_size=40))
def test_kappa_and_spearman_are_those_of_their_closed_forms(pairs: list[tuple[int, int]]) -> None:
    one, two = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    found = compared([int(value) for value in one], [int(value) for value in two])
    if one.std() == 0 or two.std() == 0:
        assert (found.kappa, found.spearman) == (None, None)
        assert set(found.reasons) == {"kappa", "spearman"}
        return
    # Quadratic kappa in terms of moments (Fleiss and Cohen 1973, https://doi.org/10.1177/001316447303300309).
    covariance = ((one - one.mean()) * (two - two.mean())).mean()
    kappa = 2 * covariance / (one.var() + two.var() + (one.mean() - two.mean()) ** 2)
    spearman = stats.spearmanr(one, two).statistic
    assert values(found)[2:] == pytest.approx([kappa, spearman], abs=1e-12)
    for interval in (found.exact, found.within_one, found.kappa, found.spearman):
        assert interval is not None
        assert interval.low <= interval.high
        assert interval.low >= -1 - 1e-9
        assert interval.high <= 1 + 1e-9


def test_sides_may_change_places() -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(1, 7, 50)
    two = np.clip(one + rng.integers(-2, 3, 50), 1, 6)
    assert values(compared(one.tolist(), two.tolist())) == pytest.approx(values(compared(two.tolist(), one.tolist())))


def test_intervals_are_those_of_the_other_measures() -> None:
    one, two = [1, 2, 3, 4, 5, 6, 6, 2], [1, 2, 4, 4, 5, 5, 3, 2]
    (found,) = agreement(ratings(one), ratings(two))
    same = {f"p{at:03}": [float(a == b)] for at, (a, b) in enumerate(zip(one, two, strict=True))}
    mean = intervals.mean(same)
    assert found.exact is not None
    assert (found.exact.value, found.exact.low, found.exact.high, found.exact.n) == pytest.approx(
        (mean.value, mean.low, mean.high, mean.n)
    )


def test_the_interval_of_kappa_is_scipys_bootstrap() -> None:
    rng = np.random.default_rng(3)
    one = rng.integers(1, 7, 120)
    two = np.clip(one + rng.integers(-2, 3, 120), 1, 6)
    (found,) = agreement(ratings(one.tolist()), ratings(two.tolist()))

    def kappa(first: np.ndarray, second: np.ndarray, axis: int = -1) -> np.ndarray:
        spread = ((first - second) ** 2).mean(axis=axis)
        both = first.var(axis=axis) + second.var(axis=axis) + (first.mean(axis=axis) - second.mean(axis=axis)) ** 2
        return np.asarray(1 - spread / both)

    theirs = stats.bootstrap(
        (one.astype(float), two.astype(float)), kappa, n_resamples=20_000, method="percentile", paired=True,
        vectorized=True, rng=np.random.default_rng(7),
    ).confidence_interval  # fmt: skip
    assert found.kappa is not None
    # Four Monte-Carlo errors of such a quantile are 0.034 widths (tests of intervals).
    assert (found.kappa.low, found.kappa.high) == pytest.approx(
        (theirs.low, theirs.high), abs=0.034 * (theirs.high - theirs.low)
    )


def test_a_perfect_pair_is_not_claimed_to_be_certain() -> None:
    found = compared([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6])
    assert values(found) == pytest.approx([1, 1, 1, 1])
    assert found.exact is not None
    assert found.exact.low < 0.7  # Wilson's, of six
    assert found.kappa is not None
    assert found.kappa.low < 0.7


def test_reversed_ratings_are_as_bad_as_can_be() -> None:
    found = compared([1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1])
    assert values(found) == pytest.approx([0, 1 / 3, -1, -1])


def test_what_cannot_be_computed_has_a_reason() -> None:
    flat = compared([3, 3, 3], [1, 2, 3])
    assert (flat.kappa, flat.spearman) == (None, None)
    assert set(flat.reasons.values()) == {"one side gives every answer the same rating"}
    assert flat.exact is not None
    single = compared([3], [3])
    assert values(single) == []
    assert set(single.reasons) == {"exact", "within_one", "kappa", "spearman"}


def test_one_row_a_language_then_all_together() -> None:
    first = ratings([1, 2, 3]) + ratings([4, 5, 6], "fr") + ratings([1], "ru")
    second = ratings([1, 2, 4], "de") + ratings([4, 4, 4], "fr") + ratings([2], "es")
    found = quick(first, second)
    assert [(one.language, one.n) for one in found] == [("de", 3), ("fr", 3), (ALL, 6)]
    assert found[2].exact is not None
    assert (found[2].exact.value, found[2].exact.n) == (0.5, 3)  # three items, each in two languages


def test_answers_are_matched_by_what_both_sides_tell() -> None:
    mono, multi = ratings([1, 2], mix="mono", seed="0"), ratings([5, 6], mix="multi-2", seed="0")
    judged = [Rating(one.language, one.item, 6, mix=one.mix) for one in (*mono, *multi)]
    (found,) = quick([*mono, *multi], judged)
    assert (found.n, values(found)[0]) == (4, 0.25)
    assert found.exact is not None
    assert found.exact.n == 2
    (shuffled,) = quick([*multi, *mono], judged[::-1])
    assert shuffled == found


def test_answers_that_cannot_be_told_apart_are_refused() -> None:
    mono, multi = ratings([1, 2], mix="mono"), ratings([5, 6], mix="multi-2")
    with pytest.raises(InputError) as caught:
        quick([*mono, *multi], ratings([1, 2]))
    assert [problem.where for problem in caught.value.problems] == ["first side", "first side"]
    assert "twice (de, p000)" in str(caught.value)
    assert "(id, model, mix, seed)" in str(caught.value)
    with pytest.raises(InputError, match="no answer was rated by both sides"):
        quick(ratings([1]), ratings([1], "fr"))


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "ratings.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


PLAIN = "language,item,rating\nde,p01,4\nfr,p01,6\n"
READ = [Rating("de", "p01", 4), Rating("fr", "p01", 6)]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        "sep=;\r\n" + PLAIN.replace(",", ";"),
        "Language ; ITEM; Rating\nde; p01 ;4,0\nfr;p01;6.0\n",
        PLAIN.replace("4\n", "4\n\n,,\nde,p02,\n"),
        '"language","item","rating"\n"de","p01","4"\n"fr","p01","6"',
    ],
    ids=["commas", "semicolons", "tabs", "byte order mark", "Windows", "Excel's first line", "decimal commas and spaces",
         "rows without a rating", "quotes"],
)  # fmt: skip
def test_files_are_read_as_people_save_them(tmp_path: Path, text: str) -> None:
    assert read_ratings(write(tmp_path, text)) == READ


def test_columns_stand_in_any_order_and_others_are_passed_over(tmp_path: Path) -> None:
    text = 'rater,comment,rating,seed,mix,model,item,language,id\nAda,"good, but\nshort",4,1,mono,llama,p01,de,abc\n'
    assert read_ratings(write(tmp_path, text)) == [Rating("de", "p01", 4, "abc", "llama", "mono", "1", "Ada")]


def test_all_bad_rows_are_told_at_once_by_their_lines(tmp_path: Path) -> None:
    text = (
        'language,item,rating,comment\nde,p01,4,"two\nlines"\nde,p02,7,\nxx,p03,2.5,\nde,,4,\nde,p04\nde,p05,good,\n'
        "de,p01,5,\nde,p06,nan,\nde,p07,0,\n"
    )
    with pytest.raises(RowsError) as caught:
        read_ratings(write(tmp_path, text))
    assert [problem.where for problem in caught.value.problems] == [
        "ratings.csv:4, rating", "ratings.csv:5, language", "ratings.csv:5, rating", "ratings.csv:6, item",
        "ratings.csv:7", "ratings.csv:8, rating", "ratings.csv:9", "ratings.csv:10, rating", "ratings.csv:11, rating",
    ]  # fmt: skip
    said = str(caught.value)
    assert "'7' is no rating" in said
    assert "unknown language 'xx'" in said
    assert "2 fields where the header has 4" in said
    assert "rates the answer of line 2 again" in said


def test_two_raters_may_rate_the_same_answer(tmp_path: Path) -> None:
    text = "language,item,rating,rater\nde,p01,4,Ada\nde,p01,5,Emmy\n"
    assert [one.rating for one in read_ratings(write(tmp_path, text))] == [4, 5]


def test_no_more_is_shown_than_one_can_read(tmp_path: Path) -> None:
    rows = "".join(f"de,p{at},9\n" for at in range(100))
    with pytest.raises(RowsError) as caught:
        read_ratings(write(tmp_path, "language,item,rating\n" + rows))
    assert len(caught.value.problems) == 21
    assert "80 problems more" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\n \n", "the column is missing"),
        ("language,item,score\nde,p01,4\n", "rating: the column is missing. Columns here: language, item, score"),
        ("language,item,rating,Rating\nde,p01,4,5\n", "the column stands twice"),
        ("language,item,rating\nde,p01,4\n".encode("utf-16"), "is no UTF-8"),
        ("language,item,rating\nde,p01,\"4\" or 5\n", "ratings.csv:2: broken quotes"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(RowsError, match=said):
        read_ratings(write(tmp_path, text))


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match="No such file"):
        read_ratings(tmp_path / "none.csv")
