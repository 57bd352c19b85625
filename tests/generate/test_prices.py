from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.errors import InputError
from babeltune.generate.prices import Price, cost, upper_bound

dollars = st.floats(0, 1000)


@pytest.mark.parametrize(
    ("price", "tokens", "batch", "dollars"),
    [
        (Price(0.5, 1.5), (1_000_000, 0, 0), False, 0.5),
        (Price(0.5, 1.5), (0, 0, 1_000_000), False, 1.5),
        (Price(0.5, 1.5, cached_input=0.25), (1_000_000, 1_000_000, 0), False, 0.25),
        # Cached tokens are among the prompt's; without a price of their own they cost as much as others.
        (Price(2.0, 8.0, cached_input=0.5), (1000, 600, 100), False, (400 * 2 + 600 * 0.5 + 100 * 8) / 1e6),
        (Price(2.0, 8.0), (1000, 600, 100), False, (1000 * 2 + 100 * 8) / 1e6),
        (Price(2.0, 8.0, cached_input=0.0), (1000, 1000, 0), False, 0),
        (Price(2.0, 8.0), (1000, 0, 100), True, (1000 * 2 + 100 * 8) / 2e6),
        (Price(2.0, 8.0, batch=0.25), (1000, 0, 100), True, (1000 * 2 + 100 * 8) / 4e6),
    ],
)
def test_what_tokens_cost(price, tokens, batch, dollars):
    assert cost(price, *tokens, batch=batch) == pytest.approx(dollars, rel=1e-12)


def test_the_papers_bill():
    # 362,881 calls for 412 dollars (section 4.1): about 0.11 cent each, as gpt-3.5-turbo at 1 and 2 dollars a million
    # tokens asks for some 900 read and 120 written.
    assert 362_881 * cost(Price(1.0, 2.0), 900, 0, 120) == pytest.approx(412, rel=0.01)


@given(
    st.builds(Price, dollars, dollars, st.none() | dollars, st.floats(0, 1)),
    st.text(max_size=60),
    st.integers(0, 100),
    st.data(),
    st.booleans(),
)
def test_nothing_costs_more_than_its_upper_bound(price, text, most, data, batch):
    sent = len(text.encode("utf-8", "surrogatepass"))
    prompt = data.draw(st.integers(0, sent))
    cached = data.draw(st.integers(0, prompt))
    written = data.draw(st.integers(0, most))
    assert cost(price, prompt, cached, written, batch=batch) <= upper_bound(price, sent, most, batch=batch) * (
        1 + 1e-12
    )


def test_what_is_no_price_is_told_all_at_once():
    with pytest.raises(InputError) as told:
        Price(-1, math.nan, math.inf, 2)
    assert [problem.where for problem in told.value.problems] == ["input", "output", "cached_input", "batch"]
    assert "-1 is no price" in str(told.value)
