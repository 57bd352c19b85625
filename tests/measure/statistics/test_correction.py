"""Holm's correction against worked examples and against its definition as a closed test."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.measure.statistics.correction import holm

PS = st.lists(st.floats(0, 1), max_size=7)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        # Worked by hand from the definition: sorted 0.005 0.01 0.03 0.04 times 4 3 2 1 is 0.02 0.03 0.06 0.04, and no
        # step below the one before it. (The p values are those of the example in Wikipedia's article on the method,
        # which finds the first and the last significant at 0.05.)
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        # By hand: 5, 4, 3, 2, 1 times; the largest products are cut at 1.
        ([0.5, 0.6, 0.001, 0.3, 0.02], [1.0, 1.0, 0.005, 0.9, 0.08]),
        ([0.04], [0.04]),
        ([0.02, 0.02], [0.04, 0.04]),
        ([], []),
        ([1.0, 0.0], [1.0, 0.0]),
    ],
)
def test_worked_examples(p: list[float], expected: list[float]) -> None:
    assert holm(p) == pytest.approx(expected)


@given(PS)
def test_it_is_the_closed_test_of_all_bonferroni_tests(p: list[float]) -> None:
    # Marcus, Peritz and Gabriel (1976): a hypothesis falls where every intersection that holds it falls.
    def closed(at: int) -> float:
        rest = [place for place in range(len(p)) if place != at]
        return max(
            min(1.0, (len(others) + 1) * min(p[place] for place in (at, *others)))
            for size in range(len(p))
            for others in itertools.combinations(rest, size)
        )

    assert holm(p) == pytest.approx([closed(at) for at in range(len(p))])


@given(PS)
def test_it_raises_none_above_one_lowers_none_and_keeps_their_order(p: list[float]) -> None:
    found = holm(p)
    assert all(before <= after <= 1 for before, after in zip(p, found, strict=True))
    assert all(found[one] <= found[two] for one in range(len(p)) for two in range(len(p)) if p[one] <= p[two])
    assert all(after <= min(1.0, len(p) * before) for before, after in zip(p, found, strict=True))


@given(PS, st.randoms())
def test_the_order_of_the_languages_does_not_matter(p: list[float], random) -> None:  # type: ignore[no-untyped-def]
    places = list(range(len(p)))
    random.shuffle(places)
    found = holm(p)
    assert holm([p[place] for place in places]) == [found[place] for place in places]


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        holm([0.5, wrong])
