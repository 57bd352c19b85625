from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from babeltune.generate import batches
from babeltune.records import Request, Sampling

WARM, COLD = Sampling(max_tokens=8), Sampling(0, 1, 4)


def request(at: int, adapter: str | None = None, sampling: Sampling = WARM) -> Request:
    return Request(f"p{at}", f"cell {at % 3}", "", sampling, 0, adapter)


ASKED = st.lists(
    st.tuples(
        st.sampled_from([None, "a", "b"]),
        st.sampled_from([WARM, COLD]),
        st.integers(1, 50),  # tokens
        st.sampled_from([1, 2]),  # what it begins with
    ),
    max_size=40,
)


@given(ASKED, st.integers(1, 8), st.none() | st.integers(1, 300), st.booleans())
def test_every_request_is_in_one_batch_which_is_one_by_itself_too(asked, size, tokens, across):
    made = [request(at, adapter, sampling) for at, (adapter, sampling, _, _) in enumerate(asked)]
    prompts = [[begin] * length for _, _, length, begin in asked]
    found = batches.split(made, prompts, size=size, tokens=tokens, across=across)
    assert sorted(at for batch in found for at in batch) == list(range(len(asked)))
    for batch in found:
        assert len(batch) <= size
        assert len({made[at].sampling for at in batch}) == 1
        assert across or len({made[at].adapter for at in batch}) == 1
        longest = max(len(prompts[at]) for at in batch) + made[batch[0]].sampling.max_tokens
        assert tokens is None or len(batch) == 1 or len(batch) * longest <= tokens
        alone = batches.split(
            [made[at] for at in batch], [prompts[at] for at in batch], size=size, tokens=tokens, across=across
        )
        assert alone == [list(range(len(batch)))]


def test_cells_share_batches_the_longest_prompts_first():
    made = [request(at) for at in range(6)]
    prompts = [[at] * length for at, length in enumerate([3, 9, 5, 1, 8, 4])]
    assert batches.split(made, prompts, size=2, tokens=None, across=False) == [[1, 4], [2, 5], [0, 3]]


def test_what_begins_alike_stays_together_where_it_fills_half_a_batch():
    one, two = [1] * batches.HEAD, [2] * batches.HEAD
    prompts = [[*one, 5], [*two, 5, 5], [*one, 5, 5, 5], [*two, *[5] * 4], [9] * 40, [9]]
    found = batches.split([request(at) for at in range(6)], prompts, size=4, tokens=None, across=False)
    # The 40 tokens of one kind, once only, are laid with the short one.
    assert found == [[4, 5], [2, 0], [3, 1]]


def test_adapters_are_mixed_where_their_own_batches_would_be_nearly_empty():
    assert batches.mixed([None, "a", "b", "c"], 24)
    assert not batches.mixed(["a"] * 4, 24)  # one adapter is merged
    assert not batches.mixed([], 24)
    assert not batches.mixed([*[None] * 24, *["a"] * 24], 24)
    assert batches.mixed([*[None] * 3, *["a"] * 3, *["b"] * 3], 24)
    assert not batches.mixed(["a", "b"], 24)  # on the fly two adapters take more than twice as long as one merged


def test_one_adapter_follows_another_in_order_of_first_appearance():
    made = [request(0, "b"), request(1), request(2, "b"), request(3, "a")]
    found = batches.split(made, [[1]] * 4, size=8, tokens=None, across=False)
    assert found == [[0, 2], [1], [3]]
