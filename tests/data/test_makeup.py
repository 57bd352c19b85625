import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.data.makeup import Makeup, Mixing, counted, multi, named, shared, without
from babeltune.languages import LANGUAGES

PAPER = Mixing()
AS_RUN = Mixing(protocol="as-run")
PROTOCOLS = pytest.mark.parametrize("mixing", [PAPER, AS_RUN], ids=["as-paper", "as-run"])
# The authors' leave-one-out sets have Catalan too, which the paper's mixes have not.
POOL = ("es", "ru", "de", "zh", "fr", "ca")

# Paper, Table 3: name, languages, percent that is not English; each of 3,200 chats.
TABLE_3 = {
    "mono": (["en"], 0.0),
    "multi-2": (["en", "es"], 6.25),
    "multi-3": (["en", "es", "ru"], 12.5),
    "multi-4": (["en", "es", "ru", "de"], 18.75),
    "multi-5": (["en", "es", "ru", "de", "zh"], 25.0),
    "multi-6": (["en", "es", "ru", "de", "zh", "fr"], 31.25),
}


def refusal(make):
    with pytest.raises(ValueError, match=r"\w") as caught:
        make()
    return str(caught.value)


# Mixes given by name


@PROTOCOLS
@pytest.mark.parametrize("name", TABLE_3)
def test_table_3_of_the_paper_is_the_default(name, mixing):
    languages, percent = TABLE_3[name]
    counts = named(name, mixing).counts
    assert sorted(counts) == sorted(languages)
    assert sum(counts.values()) == 3200
    assert 100 * (3200 - counts["en"]) / 3200 == percent
    assert all(n == 200 for code, n in counts.items() if code != "en")


def test_as_run_holds_the_languages_in_the_order_of_the_study_and_as_paper_in_that_of_their_codes():
    # As in the authors' files, and so that under `as-paper` a study that names them otherwise draws the same.
    assert list(named("multi-6", AS_RUN).counts) == ["en", "es", "ru", "de", "zh", "fr"]
    assert list(named("multi-6", PAPER).counts) == ["en", "de", "es", "fr", "ru", "zh"]


def test_as_run_draws_the_main_language_from_mono_and_as_paper_knows_no_such_pool():
    assert {named(name, AS_RUN).pool for name in TABLE_3} == {3200}
    assert {named(name, PAPER).pool for name in TABLE_3} == {None}


def test_guanaco_is_every_chat():
    assert named("guanaco", PAPER) == Makeup(everything=True)


ORDERS = st.permutations(list(LANGUAGES)).map(lambda codes: (codes[0], tuple(codes[1:12])))


@given(ORDERS, st.integers(1, 12), st.integers(1, 50), st.integers(600, 5000), st.sampled_from(["as-paper", "as-run"]))
def test_a_multi_of_any_order_and_main_language_takes_the_first_others(given_, languages, each, size, protocol):
    main, order = given_
    mixing = Mixing(main=main, order=order, each=each, size=size, protocol=protocol)
    counts = multi(languages, mixing).counts
    assert next(iter(counts)) == main
    assert set(counts) == {main, *order[: languages - 1]}
    assert all(counts[code] == each for code in counts if code != main)
    assert sum(counts.values()) == size
    if languages > 1:
        assert named(f"multi-{languages}", mixing).counts == counts


def test_a_study_may_have_more_of_another_language_than_of_english():
    # As Guanaco has: some 3,850 Spanish chats, some 3,627 English ones.
    mixing = Mixing(main="es", order=("en", "ru", "de"))
    assert named("mono", mixing).counts == {"es": 3200}
    assert named("multi-3", mixing).counts == {"es": 2800, "en": 200, "ru": 200}
    assert multi(2, PAPER, each=2000).counts == {"en": 1200, "es": 2000}
    assert shared({"en": 0.25, "es": 0.75}, PAPER).counts == {"en": 800, "es": 2400}
    assert list(counted({"es": 3000, "en": 200}, PAPER).counts.items()) == [("en", 200), ("es", 3000)]


def test_counts_need_not_hold_the_main_language():
    assert list(counted({"ru": 3, "es": 5}, PAPER).counts.items()) == [("es", 5), ("ru", 3)]


# Leave-one-out


@PROTOCOLS
@pytest.mark.parametrize("left_out", POOL)
def test_leaving_a_language_out_keeps_2200_english_chats_and_200_of_each_other(left_out, mixing):
    counts = without(left_out, mixing, pool=POOL).counts
    assert Counter(counts) == Counter({"en": 2200, **{code: 200 for code in POOL if code != left_out}})
    assert sum(counts.values()) == 3200


@PROTOCOLS
def test_leaving_english_out_of_the_pool_takes_200_english_chats_away(mixing):
    counts = without("en", mixing, pool=POOL).counts
    assert Counter(counts) == Counter({"en": 2000, **dict.fromkeys(POOL, 200)})
    assert sum(counts.values()) == 3200


@pytest.mark.parametrize("left_out", [*POOL, "en"])
def test_as_run_draws_the_english_chats_of_all_leave_one_out_mixes_from_2200(left_out):
    assert without(left_out, AS_RUN, pool=POOL).pool == 2200
    assert without(left_out, PAPER, pool=POOL).pool is None


def test_without_a_pool_the_others_are_those_of_the_order():
    assert Counter(without("ru", PAPER).counts) == Counter({"en": 2400, "es": 200, "de": 200, "zh": 200, "fr": 200})
    assert Counter(without("ru", PAPER, each=50).counts) == Counter(
        {"en": 3000, "es": 50, "de": 50, "zh": 50, "fr": 50}
    )


# Ablations (paper, appendix H)


@pytest.mark.parametrize("others", range(1, 6))
def test_as_paper_a_budget_of_400_is_kept_to_the_chat(others):
    makeup = multi(1 + others, PAPER, budget=400)
    parts = [n for code, n in makeup.counts.items() if code != "en"]
    assert len(parts) == others
    assert sum(parts) == 400
    assert max(parts) - min(parts) <= 1
    assert makeup.counts["en"] == 2800


def test_as_paper_the_first_languages_take_what_a_budget_has_left():
    assert multi(4, PAPER, budget=400).counts == {"en": 2800, "es": 134, "ru": 133, "de": 133}
    assert multi(4, PAPER, budget=401).counts == {"en": 2799, "es": 134, "ru": 134, "de": 133}


# Shares


@st.composite
def shares(draw):
    """Weights of some languages, as shares of their sum, and a size that leaves none empty."""
    codes = draw(st.lists(st.sampled_from(list(LANGUAGES)), min_size=1, max_size=12, unique=True))
    weights = [draw(st.integers(1, 1000)) for _ in codes]
    size = draw(st.integers(math.ceil(sum(weights) / min(weights)), 20_000))
    return {code: weight / sum(weights) for code, weight in zip(codes, weights, strict=True)}, size


@given(shares(), st.sampled_from(["as-paper", "as-run"]))
def test_counts_of_shares_add_up_and_each_is_within_one_of_exact(given_, protocol):
    parts, size = given_
    counts = shared(parts, Mixing(size=size, protocol=protocol)).counts
    assert counts.keys() == parts.keys()
    assert sum(counts.values()) == size
    assert all(abs(counts[code] - share * size) < 1 for code, share in parts.items())
    assert min(counts.values()) >= 1


@given(shares())
def test_no_language_takes_a_remainder_before_one_that_has_a_larger(given_):
    parts, size = given_
    counts = shared(parts, Mixing(size=size)).counts
    exact = {code: share * size for code, share in parts.items()}
    up = [exact[code] - counts[code] + 1 for code in parts if counts[code] > exact[code] + 1e-6]
    down = [exact[code] - counts[code] for code in parts if counts[code] < exact[code] - 1e-6]
    assert not up or not down or min(up) >= max(down) - 1e-6


@pytest.mark.parametrize(
    ("parts", "size", "counts"),
    [
        ({"en": 0.6875, "es": 0.3125}, 3200, {"en": 2200, "es": 1000}),
        # 0.1 and 0.7 of 10 are no whole numbers in binary, nor do the three add up to 1.
        ({"en": 0.7, "es": 0.1, "ru": 0.2}, 10, {"en": 7, "es": 1, "ru": 2}),
        ({"en": 0.5, "es": 0.3, "ru": 0.2}, 7, {"en": 4, "es": 2, "ru": 1}),  # 3.5, 2.1, 1.4
        ({"en": 1.0}, 3, {"en": 3}),
        # Thirds as people write them are near enough.
        ({"en": 0.333333, "es": 0.333333, "ru": 0.333334}, 3200, {"en": 1067, "es": 1066, "ru": 1067}),
    ],
)
def test_shares_are_rounded_by_largest_remainder(parts, size, counts):
    assert shared(parts, Mixing(size=size)).counts == counts


# Refusals; what they say of cause and remedy: tests/study/checks/test_study_mixes.py


@pytest.mark.parametrize("name", ["multi-0", "multi-01", "multi-100", "multi-", "multi-2 ", "mono\n", ""])
def test_what_only_resembles_a_name_is_refused(name):
    assert refusal(lambda: named(name, PAPER)).startswith(f"no mix is known by the name '{name}'")


# The main language and doubles


def test_the_main_language_takes_no_place_in_the_order():
    mixing = Mixing(main="es")
    assert mixing.others == ("ru", "de", "zh", "fr")
    assert multi(2, mixing).counts == {"es": 3000, "ru": 200}
    assert without("es", PAPER, pool=("en", "es", "ru")).counts == {"en": 3000, "ru": 200}


def test_a_language_twice_in_the_order_is_refused():
    assert "a language stands twice in `order`" in refusal(lambda: Mixing(order=("es", "es", "ru")))


def test_a_language_twice_in_a_pool_counts_once():
    assert without("es", PAPER, pool=("es", "ru", "ru")) == without("es", PAPER, pool=("es", "ru"))


def test_shares_say_how_far_they_are_off_and_add_up_at_any_size():
    assert "1.000004" in refusal(lambda: shared({"en": 0.5, "es": 0.500004}, PAPER))
    large = shared({"en": 0.5000004, "es": 0.5000004}, Mixing(size=10_000_000))
    assert sum(large.counts.values()) == 10_000_000


def test_a_tie_of_shares_does_not_hang_on_their_order():
    assert shared({"en": 0.5, "es": 0.5}, Mixing(size=5)) == shared({"es": 0.5, "en": 0.5}, Mixing(size=5))


def test_no_mix_is_suggested_for_a_number_that_is_none_or_a_name_that_resembles_none():
    assert "Did you mean" not in refusal(lambda: named("multi-0", PAPER)) + refusal(lambda: named("balanced", PAPER))
    assert "Did you mean 'mono'?" in refusal(lambda: named("mano", PAPER))
