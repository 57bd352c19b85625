"""Sheets: which answers are drawn, under ids that tell nothing, and how ratings find back to them."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.errors import RowsError
from babeltune.measure.raters.answers import Answer, answers, draw, judged, resolved
from babeltune.measure.raters.ratings import Rating, by_rater
from babeltune.records import Cell

MIXES = ("mono", "multi-2", "multi-3")


def cell(mix: str, *, model: str = "llama", language: str = "de", seed: int = 0) -> Cell:
    return Cell(model, mix, 0, "dialogue", language, "xx:xx", seed)


def row(item: str, response: str, score: float | None = None, **changes: Any) -> dict[str, Any]:
    values = {} if score is None else {"helpfulness-raw": score, "helpfulness": 1.0}
    asked = {"item": item, "prompt": f"prompt of {item}", "response": response, "values": values, "finish": "eos"}
    return {**asked, **changes}


def grid(items: int, *cells: Cell, judged: int = 0) -> list[Answer]:
    """An answer of its own for each cell and item; the first ``judged`` items of a cell with a score."""
    scored = [
        (one, row(f"p{index}", f"{one.name} {index}", 3.0 if index < judged else None))
        for one in cells
        for index in range(items)
    ]
    return answers(scored)


def per_mix(drawn: list[Answer]) -> Counter[str]:
    return Counter(one.cells[0].mix for one in drawn)


# Ids.


def test_an_id_is_of_language_prompt_and_response_alone() -> None:
    (one,) = answers([(cell("mono"), row("p1", "Hallo", 2.0))])
    (two,) = answers([(cell("multi-2", model="falcon", seed=3), row("p1", "Hallo", 5.0, finish="length"))])
    assert one.id == two.id == answers([(cell("base"), row("p1", "Hallo"))])[0].id
    others = [
        (cell("mono", language="fr"), row("p1", "Hallo")),
        (cell("mono"), row("p2", "Hallo")),
        (cell("mono"), row("p1", "Hallo ")),
        (cell("mono"), row("p1", "", prompt="prompt of p1Hallo")),
    ]
    assert len({one.id, *(found.id for other in others for found in answers([other]))}) == 5


def test_an_id_stays_what_it_was_in_sheets_that_are_out() -> None:
    # printf '["de", "prompt of p1", "Hallo"]' | sha256sum | cut -c1-12 | tr 0123456789abcdef abcdefghijklmnop
    assert [one.id for one in answers([(cell("mono"), row("p1", "Hallo"))])] == ["gahobcelnion"]


@given(st.text(st.characters(), max_size=20), st.text(st.characters(), max_size=20))
def test_an_id_is_letters_that_no_spreadsheet_takes_for_a_number_or_a_date(prompt: str, response: str) -> None:
    (one,) = answers([(cell("mono"), row("p1", response, prompt=prompt))])
    assert re.fullmatch("[a-p]{12}", one.id)


def test_half_a_character_has_an_id() -> None:
    (one,) = answers([(cell("mono"), row("p1", "\ud83d"))])
    assert re.fullmatch("[a-p]{12}", one.id)


# Answers.


def test_the_same_response_to_the_same_prompt_is_one_answer_of_many_cells() -> None:
    cells = [cell("mono"), cell("multi-2"), cell("multi-2", seed=1)]
    found = answers([*((one, row("p1", "Ja")) for one in cells), (cells[0], row("p2", "Ja", 4.0))])
    assert [(one.item, one.cells, one.judged) for one in found] == [("p1", tuple(cells), None), ("p2", (cells[0],), 4)]


def test_an_answer_is_judged_where_any_of_its_cells_is() -> None:
    (one,) = answers([(cell("mono"), row("p1", "Ja")), (cell("multi-2"), row("p1", "Ja", 5.0))])
    assert one.judged == 5


def test_the_judges_own_score_counts_not_the_forced_one() -> None:
    (one,) = answers([(cell("mono"), row("p1", "Yes", 6.0))])
    assert judged([one]) == [Rating("de", "p1", 6, id=one.id)]


@pytest.mark.parametrize(("finish", "n"), [("eos", 1), ("length", 1), ("refused", 1), ("failed", 0), ("unsent", 0)])
def test_what_was_never_answered_is_not_rated(finish: str, n: int) -> None:
    assert len(answers([(cell("mono"), row("p1", "", finish=finish))])) == n


# The draw.


@pytest.mark.parametrize("n", [1, 2, 3, 7, 30, 60])
def test_mixes_have_equal_shares_and_so_have_the_cells_of_a_mix(n: int) -> None:
    cells = [cell(mix, seed=seed) for mix in MIXES for seed in (0, 1)]
    drawn = draw(grid(20, *cells), n)
    assert len(drawn) == len({one.id for one in drawn}) == n
    shares = [per_mix(drawn)[mix] for mix in MIXES]
    assert max(shares) - min(shares) <= 1
    for mix in MIXES:
        seeds = Counter(one.cells[0].seed for one in drawn if one.cells[0].mix == mix)
        assert max(seeds[0], seeds[1]) - min(seeds[0], seeds[1]) <= 1


def test_a_mix_under_many_models_weighs_no_more_than_one_under_few() -> None:
    cells = [cell("mono", model=model) for model in ("a", "b", "c", "d", "e")]
    assert per_mix(draw(grid(20, *cells, cell("multi-2")), 20)) == {"mono": 10, "multi-2": 10}


def test_a_mix_that_runs_out_leaves_its_share_to_the_others() -> None:
    found = answers([*((cell("mono"), row(f"p{index}", "x")) for index in range(2))])
    found += grid(10, cell("multi-2"), cell("multi-3"))
    assert per_mix(draw(found, 12)) == {"mono": 2, "multi-2": 5, "multi-3": 5}


def test_items_repeat_only_when_all_were_taken() -> None:
    drawn = draw(grid(12, *(cell(mix) for mix in MIXES)), 12)
    assert len({one.item for one in drawn}) == 12


def test_judged_answers_come_first() -> None:
    found = grid(20, *(cell(mix) for mix in MIXES), judged=5)
    assert all(one.judged for one in draw(found, 15))
    drawn = draw(found, 21)
    assert sum(one.judged is not None for one in drawn) == 15
    assert set(per_mix(drawn).values()) == {7}


def test_a_mix_without_judged_answers_catches_up_with_the_others() -> None:
    found = [*grid(9, cell("mono"), judged=9), *grid(9, cell("multi-2"))]
    assert per_mix(draw(found, 8)) == {"mono": 8}
    assert per_mix(draw(found, 18)) == {"mono": 9, "multi-2": 9}


def test_an_answer_that_all_mixes_gave_counts_for_all() -> None:
    same = [(cell(mix), row("p0", "same", 1.0)) for mix in ("mono", "multi-2")]
    found = answers([*same, *((cell("mono"), row(f"p{index}", "m")) for index in range(1, 9)),
                     *((cell("multi-2"), row(f"p{index}", "n")) for index in range(1, 9))])  # fmt: skip
    drawn = draw(found, 5)
    assert Counter(len(one.cells) for one in drawn) == {2: 1, 1: 4}
    assert Counter(one.cells[0].mix for one in drawn if len(one.cells) == 1) == {"mono": 2, "multi-2": 2}


def test_more_than_there_are_is_all() -> None:
    found = grid(3, cell("mono"))
    assert {one.id for one in draw(found, 100)} == {one.id for one in found}
    assert draw([], 5) == []


def test_the_draw_hangs_on_the_seed_and_not_on_the_order_of_the_rows() -> None:
    found = grid(20, *(cell(mix) for mix in MIXES), judged=8)
    mixed = random.Random(0).sample(found, len(found))
    assert draw(found, 10) == draw(mixed, 10)
    assert {one.id for one in draw(found, 10, seed=1)} != {one.id for one in draw(found, 10, seed=2)}


def test_the_order_tells_nothing_of_the_mix() -> None:
    drawn = draw(grid(60, cell("mono"), cell("multi-2")), 120)
    order = [one.cells[0].mix for one in drawn]
    changes = sum(one != two for one, two in itertools.pairwise(order))
    assert 40 < changes < 79  # of 119; 60 expected, and 5.5 is a standard deviation
    assert order not in (sorted(order), sorted(order, reverse=True))


# The way back.


def test_ratings_find_their_answers_whatever_else_a_spreadsheet_did() -> None:
    found = grid(3, cell("mono"))
    one, two, _ = found
    given_ = [
        Rating("de", "1", 4, id=one.id, rater="Ana"),
        Rating("de", "x", 2, id="zzz"),
        Rating("de", "", 1, id=two.id),
    ]
    known, unknown = resolved(given_, found)
    assert known == [Rating("de", one.item, 4, id=one.id, rater="Ana"), Rating("de", two.item, 1, id=two.id)]
    assert unknown == ["zzz"]


def rating(name: str, rater: str = "") -> Rating:
    return Rating("de", "p1", 3, id=name, rater=rater)


def test_a_file_stands_for_a_rater_who_gives_no_name() -> None:
    found = by_rater({
        "ana": [rating("a"), rating("b")],
        "sheet": [rating("a", "Ben"), rating("b")],
        "both": [rating("a", "Cy"), rating("b", "Di"), rating("c")],
    })  # fmt: skip
    named = {name: [one.id for one in ratings] for name, ratings in found.items()}
    assert named == {"ana": ["a", "b"], "Ben": ["a", "b"], "Cy": ["a"], "Di": ["b"], "both": ["c"]}


def test_a_rater_may_rate_in_two_files_but_no_answer_twice() -> None:
    assert len(by_rater({"one": [rating("a", "Ana")], "two": [rating("b", "Ana")]})["Ana"]) == 2
    with pytest.raises(RowsError) as caught:
        by_rater({
            "one": [rating("a", "Ana"), rating("b", "Ana")], "two": [rating("a", "Ana"), rating("b", "Ana")],
            "three": [rating("", "Ben")],
        })  # fmt: skip
    nameless, twice = caught.value.problems
    assert "three: 1 ratings without an id" in str(nameless)
    assert "rater 'Ana': rates 2 answers (a, b) twice. Leave the newer" in str(twice)


def test_nobody_rated_is_nobody() -> None:
    assert by_rater({"ana": []}) == {}
