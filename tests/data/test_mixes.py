import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from babeltune.data.makeup import Mixing, counted, multi, named, without
from babeltune.data.mixes import NO_TEST_PROMPT, Mix, build, prove, ranked, sampled, shortages
from babeltune.data.overlap import Overlap
from babeltune.errors import MixError
from babeltune.records import Chat, Item, Turn

CODES = ("en", "es", "ru", "de")
SEEDS = st.integers(0, 2**32 - 1)
PROTOCOLS = st.sampled_from(["as-paper", "as-run"])
POOL_SIZES = st.fixed_dictionaries({code: st.integers(0, 12) for code in CODES})


def chat(name, language="en", confidence=0.9, says="Why?"):
    return Chat(name, (Turn("user", says), Turn("assistant", "Because.")), language, confidence)


def pool(sizes):
    return [chat(f"{code}-{n}", code) for code, size in sizes.items() for n in range(size)]


def ids(chats):
    return [chat.id for chat in chats]


def drawn(counts, chats, mixing, name="m"):
    return build(name, counted(counts, mixing), chats, mixing)


@st.composite
def pools_and_counts(draw, mixes=1):
    """A pool of chats and the counts of some mixes that it can fill."""
    sizes = draw(POOL_SIZES)
    counts = st.fixed_dictionaries({code: st.integers(0, size) for code, size in sizes.items()})
    return pool(sizes), *(draw(counts) for _ in range(mixes))


MIXINGS = st.builds(Mixing, size=st.just(12), seed=SEEDS, protocol=PROTOCOLS)


def asked(*prompts):
    return Overlap([Item(str(n), "en", prompt) for n, prompt in enumerate(prompts)])


def claims(*mixes, threshold=0.8, mixing=None, prompts=()):
    found = prove(mixes, threshold, mixing or Mixing(), asked(*prompts))
    return {claim.name: claim for claim in found}


def broken(*mixes, **about):
    return [name for name, claim in claims(*mixes, **about).items() if not claim.holds]


# build


def test_the_order_is_that_of_the_digests():
    # printf '42\0a' | sha256sum, and so on: a d837af07…, b 99d69986…, c c0e9c5f9…, d 7b106878…
    assert ids(ranked([chat(name) for name in "abcd"], 42)) == list("dbca")


@given(pools_and_counts(), MIXINGS)
def test_a_mix_holds_as_many_chats_of_each_language_as_asked_of_the_pool_unchanged_and_none_twice(given_, mixing):
    chats, counts = given_
    mix = drawn(counts, chats, mixing)
    assert set(mix.chats) <= set(chats)
    assert len(set(ids(mix.chats))) == len(mix.chats)
    assert Counter(chat.language for chat in mix.chats) == Counter(counts)
    assert mix.languages == tuple(sorted(code for code, n in counts.items() if n))
    assert all(len(mix.ids(code)) == n for code, n in counts.items())


@given(pools_and_counts(mixes=2), MIXINGS)
def test_two_mixes_of_one_seed_nest(given_, mixing):
    chats, first, second = given_
    one, other = drawn(first, chats, mixing, "one"), drawn(second, chats, mixing, "other")
    for code in CODES:
        smaller, larger = sorted((one.ids(code), other.ids(code)), key=len)
        assert smaller <= larger
    found = claims(one, other)
    assert found["'en' parts nest"].holds
    assert found["other languages' parts are the same chats"].holds


@given(pools_and_counts(), SEEDS, st.data())
def test_as_paper_same_seed_same_bytes_whatever_the_order_of_file_and_languages(given_, seed, data):
    chats, counts = given_
    shuffled = data.draw(st.permutations(chats))
    turned = dict(data.draw(st.permutations(list(counts.items()))))
    mixing = Mixing(seed=seed)
    assert repr(drawn(turned, shuffled, mixing)) == repr(drawn(counts, chats, mixing))


@given(pools_and_counts(), SEEDS)
def test_as_run_draws_places_in_the_source_whatever_the_ids(given_, seed):
    chats, counts = given_
    mixing = Mixing(seed=seed, protocol="as-run")
    numbered = [replace(one, id=str(at)) for at, one in enumerate(chats)]
    assert ids(drawn(counts, chats, mixing).chats) == [
        chats[int(at)].id for at in ids(drawn(counts, numbered, mixing).chats)
    ]


@given(pools_and_counts(), MIXINGS, st.data())
def test_chats_of_other_languages_play_no_role(given_, mixing, data):
    chats, counts = given_
    code = data.draw(st.sampled_from(CODES))
    alone = [chat for chat in chats if chat.language == code]
    assert drawn({code: counts[code]}, alone, mixing).ids(code) == drawn(counts, chats, mixing).ids(code)


@pytest.mark.parametrize("protocol", ["as-paper", "as-run"])
def test_another_seed_is_another_draw(protocol):
    chats = pool({"en": 200})
    draws = {drawn({"en": 100}, chats, Mixing(seed=seed, protocol=protocol)).ids("en") for seed in range(20)}
    assert len(draws) == 20


@pytest.mark.parametrize("protocol", ["as-paper", "as-run"])
def test_every_chat_is_drawn_as_often_as_any_other(protocol):
    # 400 seeds, 10 of 20 chats: a binomial with mean 200 and deviation 10; five deviations either way.
    chats = pool({"en": 20})
    draws = (drawn({"en": 10}, chats, Mixing(seed=seed, protocol=protocol)) for seed in range(400))
    times = Counter(name for mix in draws for name in mix.ids("en"))
    assert len(times) == 20
    assert all(150 <= n <= 250 for n in times.values())


def test_the_main_language_comes_first_then_the_others_by_their_codes():
    chats = pool({"ru": 3, "en": 3, "es": 3})
    counts = {"ru": 1, "en": 2, "es": 1}
    assert [one.language for one in drawn(counts, chats, Mixing()).chats] == ["en", "en", "es", "ru"]
    assert [one.language for one in drawn(counts, chats, Mixing(main="ru")).chats] == ["ru", "en", "en", "es"]
    as_run = Mixing(protocol="as-run")
    assert [one.language for one in drawn(counts, chats, as_run).chats] == ["en", "en", "ru", "es"]


@pytest.mark.parametrize("protocol", ["as-paper", "as-run"])
def test_chats_without_a_language_are_never_drawn(protocol):
    chats, mixing = [chat("a", None), chat("b", "en")], Mixing(protocol=protocol)
    assert ids(drawn({"en": 1}, chats, mixing).chats) == ["b"]
    with pytest.raises(MixError):
        drawn({"en": 2}, chats, mixing)


@pytest.mark.parametrize("protocol", ["as-paper", "as-run"])
def test_guanaco_takes_every_chat_in_order_also_unusable_ones(protocol):
    chats = [chat("a", "es", 0.1), chat("b"), chat("c", None, 0.9), chat("d", None, 0.0), chat("e", "is", 0.8)]
    mixing = Mixing(protocol=protocol)
    mix = build("guanaco", named("guanaco", mixing), chats, mixing)
    assert mix == Mix("guanaco", tuple(chats), everything=True)
    assert mix.languages == ("en", "es", "is")


# The mixes of the paper


@st.composite
def incremental(draw):
    """``mono`` to ``multi-6`` of some main language, order and seed, from a pool that has enough of all."""
    main, *order = draw(st.permutations(["en", "es", "ru", "de", "zh", "fr"]))
    each = draw(st.integers(1, 4))
    size = draw(st.integers(5 * each + 1, 30))
    mixing = Mixing(main=main, order=tuple(order), size=size, each=each, seed=draw(SEEDS), protocol=draw(PROTOCOLS))
    chats = pool(
        {main: size + draw(st.integers(0, 9)), **{code: each + draw(st.integers(0, 9)) for code in order}},
    )
    chats = draw(st.permutations(chats))
    names = ["mono", *(f"multi-{n}" for n in range(2, 7))]
    return mixing, [build(name, named(name, mixing), chats, mixing) for name in names]


@given(incremental())
def test_every_two_of_mono_to_multi_6_nest_and_share_their_other_chats(given_):
    mixing, mixes = given_
    for fewer, more in itertools.combinations(mixes, 2):
        assert len(fewer.chats) == len(more.chats) == mixing.size
        assert more.ids(mixing.main) < fewer.ids(mixing.main)
        for code in set(fewer.languages) - {mixing.main}:
            assert more.ids(code) == fewer.ids(code)
            assert len(fewer.ids(code)) == mixing.each
    found = prove(mixes, 0.8, mixing, asked())
    assert len(found) == 6
    assert all(claim.holds for claim in found)


@given(SEEDS, PROTOCOLS)
def test_leave_one_out_mixes_share_their_other_chats_and_as_paper_nest_with_all(seed, protocol):
    codes = ["es", "ru", "de", "zh", "fr", "ca"]
    mixing = Mixing(size=32, each=2, seed=seed, protocol=protocol)
    chats = pool({"en": 40, **dict.fromkeys(codes, 5)})
    mixes = [build(f"no-{code}", without(code, mixing, pool=codes), chats, mixing) for code in ["en", *codes]]
    papers = [build(f"multi-{n}", multi(n, mixing), chats, mixing) for n in range(1, 7)]
    assert [len(mix.ids("en")) for mix in mixes] == [20] + [22] * 6
    # The authors drew all of these from 2,200 English chats, apart from Mono.
    found = claims(*mixes, mixing=mixing)
    assert found["'en' parts nest"].holds
    together = claims(*mixes, *papers, mixing=mixing)
    assert together["other languages' parts are the same chats"].holds
    assert together["'en' parts nest"].holds or protocol == "as-run"


def test_more_spanish_than_english_chats_are_mixed_like_any_others():
    chats = pool({"en": 60, "es": 90, "ru": 20})
    mixing = Mixing(main="es", order=("en", "ru"), size=80, each=10)
    mixes = [build(name, named(name, mixing), chats, mixing) for name in ("mono", "multi-2", "multi-3")]
    assert [len(mix.ids("es")) for mix in mixes] == [80, 70, 60]
    assert broken(*mixes, mixing=mixing) == []
    assert "'es' parts nest" in claims(*mixes, mixing=mixing)


# as-run: what the authors' pandas code draws


@given(st.integers(0, 300), SEEDS, st.data())
def test_sampled_is_what_pandas_samples(size, seed, data):
    n = data.draw(st.integers(0, size))
    chats = [chat(str(at)) for at in range(size)]
    frame = pd.DataFrame({"at": range(size)})
    assert ids(sampled(chats, n, seed)) == [str(at) for at in frame.sample(n, random_state=seed)["at"]]


@given(st.lists(st.sampled_from(["en", "es", "ru", None]), min_size=60, max_size=200), SEEDS, st.data())
def test_as_run_rows_are_those_of_pandas_one_by_one(languages, seed, data):
    frame = pd.DataFrame({"id": [str(at) for at in range(len(languages))], "lang": languages})
    parts = {code: frame[frame["lang"] == code] for code in ("en", "es", "ru")}
    assume(all(len(part) for part in parts.values()))
    each = data.draw(st.integers(1, min(len(parts["es"]), len(parts["ru"]))))
    assume(len(parts["en"]) > 2 * each)
    size = data.draw(st.integers(2 * each + 1, len(parts["en"])))
    mixing = Mixing(size=size, each=each, order=("ru", "es"), seed=seed, protocol="as-run")
    chats = [chat(name, code) for name, code in zip(frame["id"], frame["lang"], strict=True)]

    mono = parts["en"].sample(size, random_state=seed)
    for languages_of_it, others in enumerate([(), ("ru",), ("ru", "es")], 1):
        rows = [mono.sample(size - each * len(others), random_state=seed)]
        rows += [parts[code].sample(each, random_state=seed) for code in others]
        made = build("m", multi(languages_of_it, mixing), chats, mixing)
        assert ids(made.chats) == list(pd.concat(rows)["id"])


PUBLISHED = (
    *(2471, 6817, 6008, 6483, 9379, 9235, 5516, 3409, 7726, 618),
    *(4268, 2555, 1606, 3661, 7048, 4394, 6966, 4780, 4248, 2805),
)
"""The first twenty of the authors' list data/guanaco/ml1_ids (ZurichNLP/multilingual-instruction-tuning)."""
ROWS = 9846
"""Rows of Guanaco's training split, whose numbers the ids are."""
ENGLISH = 3212
"""English chats of confidence 0.8 or more that the authors must have had; see below."""


def twenty(english, *, twice=True):
    """Places among the English chats of the first twenty of Mono: 3,200 of them by seed 42, and these by 42 again."""
    mono = np.random.RandomState(42).permutation(english)[:3200]
    return (mono[np.random.RandomState(42).permutation(3200)] if twice else mono)[:20].tolist()


def gaps(places, english):
    """(places, ids) between neighbours of the twenty in the order of their places, and to both ends."""
    known = [(-1, -1), *sorted(zip(places, PUBLISHED, strict=True)), (english, ROWS)]
    return [(right[0] - left[0], right[1] - left[1]) for left, right in itertools.pairwise(known)]


def consistent(places, english):
    """Whether ids can rise from row to row: between two of the twenty there is an id for each row between them."""
    return all(rows <= numbers for rows, numbers in gaps(places, english))


def test_the_published_ids_tell_how_many_english_chats_the_authors_drew_from():
    assert [n for n in range(3200, 3701) if consistent(twenty(n), n)] == [ENGLISH]


def test_the_published_ids_are_not_drawn_once_only():
    assert [n for n in range(3200, 3701) if consistent(twenty(n, twice=False), n)] == []


def test_as_run_mono_begins_with_the_very_ids_that_the_authors_published():
    """3,212 English chats whose ids rise, the drawn twenty at their places: these are drawn, in the published order."""
    numbers, places = [], twenty(ENGLISH)
    for rows, step in gaps(places, ENGLISH):
        start = numbers[-1] if numbers else -1
        numbers += [start + step * row // rows for row in range(1, rows + 1)]
    numbers.pop()  # the upper end, which is no chat
    assert len(numbers) == ENGLISH
    assert all(0 <= left < right < ROWS for left, right in itertools.pairwise(numbers))

    mixing = Mixing(protocol="as-run")
    chats = [chat(str(number)) for number in numbers]
    mono = build("mono", named("mono", mixing), chats, mixing)
    assert len(mono.chats) == 3200
    assert tuple(int(one.id) for one in mono.chats[:20]) == PUBLISHED
    # A sample of fewer by the same seed is the beginning of a sample of more.
    chats += pool(dict.fromkeys(mixing.order, 200))
    multi_6 = build("multi-6", named("multi-6", mixing), chats, mixing)
    assert multi_6.chats[:2200] == mono.chats[:2200]
    assert [len(multi_6.ids(code)) for code in mixing.order] == [200] * 5


# shortages


@pytest.mark.parametrize("protocol", ["as-paper", "as-run"])
def test_every_shortage_is_named_at_once(protocol):
    with pytest.raises(MixError) as caught:
        drawn({"en": 2, "es": 5, "ru": 1}, pool({"en": 3, "es": 4}), Mixing(protocol=protocol), "multi-3")
    message = str(caught.value)
    assert "mix 'multi-3'" in message
    assert "es: 5 asked, 4 usable; ru: 1 asked, 0 usable" in message
    assert "en:" not in message
    assert "Lower the counts, lower the threshold or add chats." in message


@given(POOL_SIZES, st.fixed_dictionaries({code: st.integers(0, 12) for code in CODES}), MIXINGS)
def test_a_mix_is_refused_exactly_where_a_language_is_short(sizes, counts, mixing):
    expected = {code: (counts[code], sizes[code]) for code in CODES if counts[code] > sizes[code]}
    assert shortages(counts, sizes) == expected
    if expected:
        with pytest.raises(MixError):
            drawn(counts, pool(sizes), mixing)
    else:
        assert len(drawn(counts, pool(sizes), mixing).chats) == sum(counts.values())


# prove

NEST, SAME = "'en' parts nest", "other languages' parts are the same chats"
TWICE, CONFIDENCE = "no chat twice in a mix", "confidence of at least 0.8"
PROMPT = "How do I sleep better?"


def whole_mixes():
    """``mono``, ``multi-2`` and ``multi-3`` of twelve chats."""
    mixing = Mixing(size=12, each=3, order=("es", "ru"))
    chats = pool({"en": 12, "es": 3, "ru": 3})
    return [build(name, named(name, mixing), chats, mixing) for name in ("mono", "multi-2", "multi-3")]


def swapped(mix, language, new, at=0):
    """The mix with another chat in the place of one of that language."""
    old = [one for one in mix.chats if one.language == language][at]
    return replace(mix, chats=tuple(new(old) if one is old else one for one in mix.chats))


def smaller(mono, multi_2, multi_3):
    return mono, multi_2, replace(multi_3, chats=multi_3.chats[1:])


def foreign_english(mono, multi_2, multi_3):
    return mono, swapped(multi_2, "en", lambda old: replace(old, id="en-new")), multi_3


def foreign_spanish(mono, multi_2, multi_3):
    return mono, multi_2, swapped(multi_3, "es", lambda old: replace(old, id="es-new"))


def doubled(mono, multi_2, multi_3):
    again = next(one for one in multi_3.chats if one.language == "en")
    return mono, multi_2, swapped(multi_3, "en", lambda old: again, at=1)


def weak(mono, multi_2, multi_3):
    return mono, multi_2, swapped(multi_3, "es", lambda old: replace(old, confidence=0.79))


def leaking(mono, multi_2, multi_3):
    turns = (Turn("user", PROMPT.upper()), Turn("assistant", "At night."))
    return mono, multi_2, swapped(multi_3, "es", lambda old: replace(old, turns=turns))


@pytest.mark.parametrize("protocol", ["as-paper", "as-run"])
@pytest.mark.parametrize(
    ("break_", "claim", "binding"),
    [
        (smaller, "equal size", {"as-paper": False, "as-run": False}),
        (foreign_english, NEST, {"as-paper": True, "as-run": False}),
        (foreign_spanish, SAME, {"as-paper": True, "as-run": False}),
        (doubled, TWICE, {"as-paper": True, "as-run": True}),
        (weak, CONFIDENCE, {"as-paper": True, "as-run": True}),
        (leaking, NO_TEST_PROMPT, {"as-paper": True, "as-run": True}),
    ],
)
def test_a_broken_mix_breaks_its_claim_and_no_other(break_, claim, binding, protocol):
    mixing, mixes = Mixing(protocol=protocol), whole_mixes()
    assert broken(*mixes, mixing=mixing, prompts=[PROMPT]) == []
    found = claims(*break_(*mixes), mixing=mixing, prompts=[PROMPT])
    assert [name for name, one in found.items() if not one.holds] == [claim]
    assert found[claim].binding == binding[protocol]


@pytest.mark.parametrize(("overlap", "binding"), [("refuse", True), ("leave-out", True), ("allow", False)])
def test_test_prompts_stop_a_study_unless_it_allows_them(overlap, binding):
    found = claims(*leaking(*whole_mixes()), mixing=Mixing(overlap=overlap), prompts=[PROMPT])[NO_TEST_PROMPT]
    assert (found.holds, found.binding) == (False, binding)


@pytest.mark.parametrize(("language", "claim"), [("en", NEST), ("es", SAME)])
def test_parts_that_do_not_nest_are_found_and_named(language, claim):
    one = Mix("one", (chat("a", language), chat("b", language)))
    other = Mix("other", (chat("b", language), chat("c", language)))
    assert broken(one, other) == [claim]
    assert claims(one, other)[claim].detail == f"one/other:{language}"


def test_parts_that_do_not_nest_are_found_between_any_two_mixes():
    mixes = [Mix("a", (chat("1"), chat("2"))), Mix("b", (chat("2"), chat("1"))), Mix("c", (chat("2"), chat("3")))]
    assert claims(*mixes)[NEST].detail == "a/c:en, b/c:en"


def test_the_main_language_is_the_studys_own():
    one, other = Mix("one", (chat("a", "es"),)), Mix("other", (chat("b", "es"),))
    assert broken(one, other, mixing=Mixing(main="es")) == ["'es' parts nest"]


def test_parts_of_another_language_nest_where_they_are_not_as_many():
    one, other = Mix("one", (chat("a", "es"),)), Mix("other", (chat("b", "es"), chat("a", "es")))
    assert claims(one, other)[SAME].holds


@pytest.mark.parametrize("again", [chat("a"), chat("a", says="How?"), chat("a", "es")])
def test_an_id_that_stands_twice_is_found(again):
    mix = Mix("one", (chat("a"), again))
    assert broken(mix) == [TWICE]
    assert claims(mix)[TWICE].detail == "one"


@pytest.mark.parametrize(("confidence", "holds"), [(0.8, True), (0.79, False), (None, False)])
def test_a_chat_below_the_threshold_is_found(confidence, holds):
    found = claims(Mix("one", (chat("a", confidence=confidence),)))[CONFIDENCE]
    assert (found.holds, found.detail) == (holds, "0 chats below" if holds else "1 chats below")


def test_a_mix_of_everything_is_held_to_no_size_nesting_or_confidence():
    everything = [chat("x"), chat("y", "es", 0.1), chat("z", None, 0.0), chat("v", "es", None)]
    mixes = [*whole_mixes(), Mix("guanaco", tuple(everything), everything=True)]
    found = claims(*mixes)
    assert all(claim.holds for claim in found.values())
    assert found["equal size"].detail == "mono: 12, multi-2: 12, multi-3: 12, guanaco: 4"
    assert found[CONFIDENCE].detail == "0 chats below; guanaco takes every chat"
    # The very same chats, as a mix that chose them, are held to all three.
    assert broken(*mixes[:3], replace(mixes[3], everything=False)) == ["equal size", NEST, SAME, CONFIDENCE]


@pytest.mark.parametrize(
    ("chats", "claim"), [((chat("a"), chat("a")), TWICE), ((chat("a", says=PROMPT),), NO_TEST_PROMPT)]
)
def test_a_mix_of_everything_holds_no_chat_twice_and_no_test_prompt(chats, claim):
    assert broken(Mix("guanaco", chats, everything=True), prompts=[PROMPT]) == [claim]


def test_chats_that_hold_a_prompt_are_counted_once_and_the_first_are_named():
    chats = tuple(chat(name, says=PROMPT) for name in "abcde")
    found = claims(Mix("one", chats[:3]), Mix("two", chats[:3]), prompts=[PROMPT])[NO_TEST_PROMPT]
    assert found.detail == "whole prompts and 13 words in a row: 3 chats (a, b, c)"
    found = claims(Mix("one", chats), prompts=[PROMPT])[NO_TEST_PROMPT]
    assert found.detail == "whole prompts and 13 words in a row: 5 chats (a, b, c, …)"
    assert claims(Mix("one", chats), prompts=["Why?"])[NO_TEST_PROMPT].detail.endswith(": 0 chats")
