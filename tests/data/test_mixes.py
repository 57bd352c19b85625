from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from babeltune.data.mixes import Mix, build, prove, ranked, shortages
from babeltune.errors import MixError
from babeltune.records import Chat, Turn

CODES = ("en", "es", "ru", "de")
SEEDS = st.integers(0, 2**32 - 1)
POOL_SIZES = st.fixed_dictionaries({code: st.integers(0, 12) for code in CODES})


def chat(name, language="en", confidence=0.9, says="Why?"):
    return Chat(name, (Turn("user", says), Turn("assistant", "Because.")), language, confidence)


def pool(sizes):
    return [chat(f"{code}-{n}", code) for code, size in sizes.items() for n in range(size)]


def ids(chats):
    return [chat.id for chat in chats]


@st.composite
def pools_and_counts(draw, mixes=1):
    """A pool of chats and the counts of some mixes that it can fill."""
    sizes = draw(POOL_SIZES)
    counts = st.fixed_dictionaries({code: st.integers(0, size) for code, size in sizes.items()})
    return pool(sizes), *(draw(counts) for _ in range(mixes))


def claims(*mixes, threshold=0.8, prompts=()):
    return {claim.name: claim for claim in prove(mixes, threshold, prompts)}


def broken(*mixes, **about):
    return [name for name, claim in claims(*mixes, **about).items() if not claim.holds]


# build


def test_the_order_is_that_of_the_digests():
    # printf '42\0a' | sha256sum, and so on: a d837af07…, b 99d69986…, c c0e9c5f9…, d 7b106878…
    assert ids(ranked([chat(name) for name in "abcd"], 42)) == list("dbca")


@given(pools_and_counts(), SEEDS)
def test_a_mix_holds_as_many_chats_of_each_language_as_asked(given_, seed):
    chats, counts = given_
    mix = build("m", counts, chats, seed)
    assert Counter(chat.language for chat in mix.chats) == Counter(counts)
    assert mix.languages == tuple(sorted(code for code, n in counts.items() if n))
    assert all(len(mix.ids(code)) == n for code, n in counts.items())


@given(pools_and_counts(), SEEDS)
def test_a_mix_holds_chats_of_the_pool_unchanged_and_none_twice(given_, seed):
    chats, counts = given_
    mix = build("m", counts, chats, seed)
    assert set(mix.chats) <= set(chats)
    assert len(set(ids(mix.chats))) == len(mix.chats)
    for one in CODES:
        for other in CODES:
            assert one == other or mix.ids(one).isdisjoint(mix.ids(other))


@given(pools_and_counts(mixes=2), SEEDS)
def test_two_mixes_of_one_seed_nest(given_, seed):
    chats, first, second = given_
    one, other = build("one", first, chats, seed), build("other", second, chats, seed)
    for code in CODES:
        smaller, larger = sorted((one.ids(code), other.ids(code)), key=len)
        assert smaller <= larger
    assert "parts of one language nest" not in broken(one, other)


@given(pools_and_counts(), SEEDS, st.data())
def test_same_seed_same_bytes_whatever_the_order_of_file_and_languages(given_, seed, data):
    chats, counts = given_
    shuffled = data.draw(st.permutations(chats))
    turned = dict(data.draw(st.permutations(list(counts.items()))))
    assert repr(build("m", turned, shuffled, seed)) == repr(build("m", counts, chats, seed))


@given(pools_and_counts(), SEEDS, st.data())
def test_chats_of_other_languages_play_no_role(given_, seed, data):
    chats, counts = given_
    code = data.draw(st.sampled_from(CODES))
    alone = [chat for chat in chats if chat.language == code]
    assert build("m", {code: counts[code]}, alone, seed).ids(code) == build("m", counts, chats, seed).ids(code)


def test_another_seed_is_another_draw():
    chats = pool({"en": 200})
    draws = {build("m", {"en": 100}, chats, seed).ids("en") for seed in range(20)}
    assert len(draws) == 20


def test_every_chat_is_drawn_as_often_as_any_other():
    # 400 seeds, 10 of 20 chats: a binomial with mean 200 and deviation 10; five deviations either way.
    chats = pool({"en": 20})
    drawn = Counter(name for seed in range(400) for name in build("m", {"en": 10}, chats, seed).ids("en"))
    assert len(drawn) == 20
    assert all(150 <= n <= 250 for n in drawn.values())


def test_languages_follow_each_other_in_the_order_of_their_codes():
    mix = build("m", {"ru": 1, "en": 2, "es": 1}, pool({"ru": 3, "en": 3, "es": 3}), 0)
    assert [chat.language for chat in mix.chats] == ["en", "en", "es", "ru"]


def test_chats_without_a_language_are_never_drawn():
    chats = [chat("a", None), chat("b", "en")]
    assert ids(build("m", {"en": 1}, chats, 0).chats) == ["b"]
    with pytest.raises(MixError):
        build("m", {"en": 2}, chats, 0)


# shortages


def test_every_shortage_is_named_at_once():
    with pytest.raises(MixError) as caught:
        build("multi-3", {"en": 2, "es": 5, "ru": 1}, pool({"en": 3, "es": 4}), 0)
    message = str(caught.value)
    assert "mix 'multi-3'" in message
    assert "es: 5 asked, 4 usable; ru: 1 asked, 0 usable" in message
    assert "en:" not in message


@given(POOL_SIZES, st.fixed_dictionaries({code: st.integers(0, 12) for code in CODES}), SEEDS)
def test_a_mix_is_refused_exactly_where_a_language_is_short(sizes, counts, seed):
    expected = {code: (counts[code], sizes[code]) for code in CODES if counts[code] > sizes[code]}
    assert shortages(counts, sizes) == expected
    if expected:
        with pytest.raises(MixError):
            build("m", counts, pool(sizes), seed)
    else:
        assert len(build("m", counts, pool(sizes), seed).chats) == sum(counts.values())


# prove


@given(POOL_SIZES, SEEDS, st.data())
def test_mixes_of_one_size_and_seed_keep_every_promise(sizes, seed, data):
    largest = min(sizes.values())
    assume(largest)
    size = data.draw(st.integers(1, largest))
    part = data.draw(st.integers(0, size))
    mixes = [
        build("mono", {"en": size}, pool(sizes), seed),
        build("multi-2", {"en": size - part, "es": part}, pool(sizes), seed),
    ]
    found = prove(mixes, 0.8, ["How do I sleep better?"])
    assert len(found) == 5
    assert all(claim.holds for claim in found)


def test_unequal_sizes_are_found_and_shown():
    one, other = Mix("mono", (chat("a"), chat("b"))), Mix("multi-2", (chat("a"),))
    assert broken(one, other) == ["equal size"]
    assert claims(one, other)["equal size"].detail == "mono: 2, multi-2: 1"


@pytest.mark.parametrize("language", ["en", "es"])
def test_parts_that_do_not_nest_are_found_and_named(language):
    one = Mix("one", (chat("a", language), chat("b", language)))
    other = Mix("other", (chat("b", language), chat("c", language)))
    assert broken(one, other) == ["parts of one language nest"]
    assert f"one/other:{language}" in claims(one, other)["parts of one language nest"].detail


def test_parts_that_do_not_nest_are_found_between_any_two_mixes():
    mixes = [Mix("a", (chat("1"), chat("2"))), Mix("b", (chat("2"), chat("1"))), Mix("c", (chat("2"), chat("3")))]
    detail = claims(*mixes)["parts of one language nest"].detail
    assert detail == "en; a/c:en, b/c:en"


@pytest.mark.parametrize("again", [chat("a"), chat("a", says="How?"), chat("a", "es")])
def test_an_id_that_stands_twice_is_found(again):
    mix = Mix("one", (chat("a"), again))
    assert broken(mix) == ["no chat twice in a mix"]
    assert claims(mix)["no chat twice in a mix"].detail == "one"


@pytest.mark.parametrize(("confidence", "holds"), [(0.8, True), (0.79, False), (None, False)])
def test_a_chat_below_the_threshold_is_found(confidence, holds):
    found = claims(Mix("one", (chat("a", confidence=confidence),)))["confidence of at least 0.8"]
    assert (found.holds, found.detail) == (holds, "0 chats below" if holds else "1 chats below")


@pytest.mark.parametrize(
    "prompt", ["Why is the sky blue?", "WHY IS THE SKY BLUE?", "  Why is\tthe\n sky  blue?", "why is the ſky blue?"]
)
def test_a_test_prompt_among_the_instructions_is_found_without_case_and_spacing(prompt):
    mix = Mix("one", (chat("a", says="Why is the sky blue?"),))
    assert broken(mix, prompts=[prompt]) == ["no test prompt in training"]
    assert claims(mix, prompts=[prompt])["no test prompt in training"].detail == prompt


def test_a_test_prompt_is_found_in_a_later_turn():
    turns = (Turn("user", "Hi"), Turn("assistant", "Hello."), Turn("user", "Why?"), Turn("assistant", "Because."))
    assert broken(Mix("one", (replace(chat("a"), turns=turns),)), prompts=["why?"]) == ["no test prompt in training"]


def test_a_test_prompt_in_an_answer_or_inside_a_longer_question_is_none():
    mix = Mix("one", (chat("a", says="Why? Tell me."),))
    assert broken(mix, prompts=["Because.", "Why?"]) == []
