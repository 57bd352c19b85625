"""Translated twins: the same ids in every one, blocks where the paper and the authors' code have them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.data.makeup import Makeup, Mixing, counted, multi, named, without
from babeltune.data.mixes import Mix, build
from babeltune.data.overlap import Overlap
from babeltune.data.translation.twin import Block, Twin, assemble, blocks, lined_up, of_block, prove
from babeltune.errors import MixError
from babeltune.records import Chat, Item, Turn

PAPER = Mixing()
AS_RUN = Mixing(protocol="as-run")

NOTHING_ASKED = Overlap(())
"""No test prompt that a translation could hold."""


def chat(name: str, language: str = "en") -> Chat:
    return Chat(name, (Turn("user", f"Why {name}?"), Turn("assistant", f"Because {name}.")), language, 0.9)


def english(n: int) -> list[Chat]:
    return [chat(str(at)) for at in range(n)]


def into(original: Chat, language: str) -> Chat:
    turns = tuple(replace(turn, content=f"[{language}] {turn.content}") for turn in original.turns)
    return Chat(original.id, turns, language, 0.95)


def mono_of(chats: Sequence[Chat], mixing: Mixing) -> Mix:
    return build("mono", named("mono", mixing), chats, mixing)


def translations(mono: Mix, makeup: Makeup, mixing: Mixing) -> dict[Block, dict[str, Chat]]:
    return {
        block: {one.id: into(one, block.language) for one in of_block(mono.chats, block, mixing)}
        for block in blocks(makeup, mixing)
    }


def twin_of(mono: Mix, makeup: Makeup, mixing: Mixing, name: str = "twin") -> Twin:
    return assemble(name, mono.chats, makeup, mixing, translations(mono, makeup, mixing))


def ids(chats: Sequence[Chat]) -> list[str]:
    return [one.id for one in chats]


# Blocks


def test_blocks_are_taken_from_the_end_of_the_draw_as_run_from_the_start_of_the_authors_thousand() -> None:
    assert blocks(multi(4, PAPER), PAPER) == (Block("es", 3000, 200), Block("ru", 2800, 200), Block("de", 2600, 200))
    assert blocks(multi(4, AS_RUN), AS_RUN) == (Block("es", 2200, 200), Block("ru", 2400, 200), Block("de", 2600, 200))


@pytest.mark.parametrize(
    ("languages", "each", "budget", "found"),
    [
        # Appendix H: 400 over other languages, 133 each of three (the authors' figure), and the largest, two of 500.
        (4, None, 400, [("es", 2200, 133), ("ru", 2333, 133), ("de", 2466, 133)]),
        (2, None, 400, [("es", 2200, 400)]),
        (3, 500, None, [("es", 2200, 500), ("ru", 2700, 500)]),
        (2, 1000, None, [("es", 2200, 1000)]),
        (4, 333, None, [("es", 2200, 333), ("ru", 2533, 333), ("de", 2866, 333)]),
        (3, 5, None, [("es", 2200, 5), ("ru", 2205, 5)]),
    ],
)
def test_as_run_ablations_are_cut_from_the_same_thousand(
    languages: int, each: int | None, budget: int | None, found: list[tuple[str, int, int]]
) -> None:
    makeup = multi(languages, AS_RUN, each=each, budget=budget)
    assert [(one.language, one.start, one.count) for one in blocks(makeup, AS_RUN)] == found


def test_a_language_left_out_leaves_no_gap() -> None:
    mixing = Mixing(size=30, each=4)
    without_ru = multi(4, replace(mixing, order=("es", "de", "zh")))
    assert [(one.language, one.start) for one in blocks(without_ru, mixing)] == [("es", 26), ("de", 22), ("zh", 18)]


def test_languages_outside_the_order_come_last_by_their_codes() -> None:
    mixing = Mixing(size=10, each=1)
    makeup = counted({"en": 5, "pl": 1, "de": 1, "es": 1, "it": 2}, mixing)
    assert [one.language for one in blocks(makeup, mixing)] == ["es", "de", "it", "pl"]


@pytest.mark.parametrize(
    ("makeup", "mixing", "told"),
    [
        (Makeup({"en": 5, "es": 2}), Mixing(size=8), "this one holds 7 chats"),
        (Makeup(everything=True), Mixing(size=8), "this one holds every chat of the source"),
        (multi(3, AS_RUN, each=501), AS_RUN, "1002 chats are to be translated, and as-run has 1000"),
    ],
)
def test_a_makeup_that_can_have_no_twin_is_refused(makeup: Makeup, mixing: Mixing, told: str) -> None:
    with pytest.raises(MixError) as caught:
        blocks(makeup, mixing)
    assert told in str(caught.value)


# The authors' code, done again with pandas


@pytest.mark.parametrize("seed", [42, 7])
def test_as_run_is_what_the_steps_of_the_authors_code_give(seed: int) -> None:
    rows = english(3300)
    mixing = Mixing(protocol="as-run", seed=seed)
    frame = pd.DataFrame({"id": ids(rows)})
    # PROTOCOL of the draws: Mono is 3,200 of the English rows, the leave-one-out sets have 2,200 of them.
    drawn = frame.sample(n=3200, random_state=seed)
    beside = frame.sample(n=2200, random_state=seed)
    kept, to_translate = drawn[drawn["id"].isin(beside["id"])], drawn[~drawn["id"].isin(beside["id"])]
    assert len(to_translate) == 1000
    shuffled = to_translate.sample(frac=1, random_state=seed)["id"].tolist()

    mono = mono_of(rows, mixing)
    assert ids(lined_up(mono.chats, mixing)) == kept["id"].tolist() + shuffled
    for languages in range(2, 7):
        twin = twin_of(mono, multi(languages, mixing), mixing)
        found = list(twin.mix.chats)
        split = 200 * (languages - 1)
        in_english, others = found[: 3200 - split], found[3200 - split :]
        assert {one.language for one in in_english} == {"en"}
        assert ids(in_english) == kept["id"].tolist() + shuffled[split:]
        assert [(one.id, one.language) for one in others] == [
            (name, mixing.order[at // 200]) for at, name in enumerate(shuffled[:split])
        ]


# What twins promise


@st.composite
def ladders(draw: st.DrawFn) -> tuple[Mixing, list[Chat]]:
    each, others = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    size = each * others + draw(st.integers(1, 9))
    mixing = Mixing(
        size=size,
        each=each,
        order=("es", "ru", "de", "zh", "fr")[:others],
        seed=draw(st.integers(0, 2**32 - 1)),
        protocol=draw(st.sampled_from(["as-paper", "as-run"])),
    )
    return mixing, english(size + draw(st.integers(0, 9)))


@given(ladders())
def test_all_twins_hold_monos_ids_and_nest(given_: tuple[Mixing, list[Chat]]) -> None:
    mixing, rows = given_
    mono = mono_of(rows, mixing)
    assert sorted(ids(lined_up(mono.chats, mixing))) == sorted(ids(mono.chats))
    twins = [twin_of(mono, multi(n, mixing), mixing, f"twin-{n}") for n in range(2, len(mixing.order) + 2)]
    for twin in twins:
        assert twin.mix.ids("en") | frozenset(ids(twin.mix.chats)) == frozenset(ids(mono.chats))
        assert len(twin.mix.chats) == mixing.size
        assert not twin.left
        assert [one.language for one in twin.mix.chats] == sorted(
            (one.language for one in twin.mix.chats),
            key=lambda code: -1 if code == "en" else mixing.order.index(str(code)),
        )
    for fewer, more in itertools.pairwise(twins):
        assert more.mix.ids("en") < fewer.mix.ids("en")
        for code in set(fewer.mix.languages) - {"en"}:
            assert more.mix.ids(code) == fewer.mix.ids(code)
    assert all(claim.holds for claim in prove(mono, twins, mixing, NOTHING_ASKED))


@given(ladders())
def test_as_paper_the_english_part_is_that_of_the_native_mix(given_: tuple[Mixing, list[Chat]]) -> None:
    mixing, rows = replace(given_[0], protocol="as-paper"), given_[1]
    mono = mono_of(rows, mixing)
    rows = rows + [chat(f"{code}-{at}", code) for code in mixing.order for at in range(mixing.each)]
    for n in range(2, len(mixing.order) + 2):
        native = build("native", multi(n, mixing), rows, mixing)
        twin = twin_of(mono, multi(n, mixing), mixing)
        english_part = [one for one in native.chats if one.language == "en"]
        assert list(twin.mix.chats[: len(english_part)]) == english_part


def test_a_twin_without_another_language_is_mono() -> None:
    for mixing in (Mixing(size=12, each=2), Mixing(size=12, each=2, protocol="as-run")):
        mono = mono_of(english(15), mixing)
        assert twin_of(mono, multi(1, mixing), mixing).mix.content_hash == mono.content_hash


def test_a_leave_one_out_set_has_a_twin_too() -> None:
    mixing = Mixing(size=12, each=2, order=("es", "ru", "de"))
    makeup = without("ru", mixing)  # as many chats as the others leave
    mono = mono_of(english(15), mixing)
    found = twin_of(mono, makeup, mixing)
    assert (len(found.mix.ids("es")), len(found.mix.ids("de")), len(found.mix.ids("en"))) == (2, 2, 8)


# What could not be translated


def test_a_chat_without_a_translation_stays_and_is_counted() -> None:
    mixing = Mixing(size=100, each=40, order=("es", "ru"))
    mono, makeup = mono_of(english(100), mixing), multi(3, mixing)
    found = translations(mono, makeup, mixing)
    _, russian = found
    lost = list(found[russian])[3:5]
    for name in lost:
        del found[russian][name]
    twin = assemble("t", mono.chats, makeup, mixing, found)
    assert twin.left == {"ru": tuple(lost)}
    assert sorted(ids(twin.mix.chats)) == sorted(ids(mono.chats))
    assert (len(twin.mix.ids("es")), len(twin.mix.ids("ru")), len(twin.mix.ids("en"))) == (40, 38, 22)
    claims = {claim.name: claim for claim in prove(mono, [twin], mixing, NOTHING_ASKED)}
    told = claims.pop("every chat of a block is translated")
    assert (told.holds, told.binding, told.detail) == (False, False, "t 2 of 'ru'")
    assert all(claim.holds and claim.binding for claim in claims.values())
    # One more is more than a twentieth of the block.
    del found[russian][next(iter(found[russian]))]
    with pytest.raises(MixError) as caught:
        assemble("t", mono.chats, makeup, mixing, found)
    assert "mix 't': 3 of 40 chats have no good translation into 'ru', more than 5%." in str(caught.value)


def test_every_wrong_translation_is_named_at_once() -> None:
    mixing = Mixing(size=12, each=3, order=("es", "ru"))
    mono, makeup = mono_of(english(12), mixing), multi(3, mixing)
    found = translations(mono, makeup, mixing)
    spanish, russian = found
    first, second, third = found[spanish]
    found[spanish] |= {
        first: into(mono.chats[0], "de"),
        second: replace(found[spanish][second], turns=found[spanish][second].turns[:1]),
        "strange": chat("strange", "es"),
    }
    del found[russian]
    with pytest.raises(MixError) as caught:
        assemble("t", mono.chats, makeup, mixing, found)
    for told in (
        "'strange' is no chat of the block for 'es'",
        f"in place of '{first}' in 'es' there is '{mono.chats[0].id}' in 'de'",
        f"the translation of '{second}' into 'es' has other turns",
        "no translation into 'ru' of rows 6 to 8",
    ):
        assert told in str(caught.value)
    assert third not in str(caught.value).replace("6 to 8", "").split("'")


@pytest.mark.parametrize(
    ("mono", "told"),
    [
        (english(9), "this mix holds 9 chats."),
        ([*english(9), chat("x", "es")], "this mix holds 10 chats (also in es)."),
        ([*english(9), chat("0")], "this mix holds 10 chats, 1 of them twice."),
    ],
)
@pytest.mark.parametrize("protocol", ["as-paper", "as-run"])
def test_only_a_whole_mix_in_the_main_language_has_twins(mono: list[Chat], told: str, protocol: str) -> None:
    mixing = Mixing(size=10, each=2, order=("es",), protocol=protocol)  # type: ignore[arg-type]
    with pytest.raises(MixError) as caught:
        lined_up(mono, mixing)
    assert "made of 10 chats in 'en'" in str(caught.value)
    assert told in str(caught.value)


def test_a_twin_that_breaks_its_promise_is_found_out() -> None:
    mixing = Mixing(size=6, each=2, order=("es",))
    mono = mono_of(english(6), mixing)
    whole = twin_of(mono, multi(2, mixing), mixing)
    rows = whole.mix.chats

    def broken(*chats: Chat) -> list[str]:
        return [
            claim.name for claim in prove(mono, [Twin(Mix("t", chats), {})], mixing, NOTHING_ASKED) if not claim.holds
        ]

    assert broken(*rows) == []
    assert broken(*rows[:-1], chat("other", "es")) == ["twins hold the chats of 'mono'"]
    assert broken(*rows, rows[0]) == ["twins hold the chats of 'mono'"]
    assert broken(replace(rows[0], turns=rows[1].turns), *rows[1:]) == ["twins change no chat in 'en'"]
    assert broken(*rows[:-1], replace(rows[-1], turns=rows[-1].turns[:1])) == [
        "translations have their originals' turns"
    ]


def test_a_test_prompt_in_a_translation_is_found_out() -> None:
    """Chats are held against the prompts before the draw; a translation can bring one back in another language."""
    mixing = Mixing(size=4, each=2, order=("es",))
    mono = Mix("mono", tuple(chat(f"c{at}") for at in range(4)))
    said = "¿Cómo se hace el pan en casa?"
    turned = replace(mono.chats[3], language="es", turns=(Turn("user", said), Turn("assistant", "Con harina.")))
    twin = Twin(Mix("twin-2", (*mono.chats[:3], turned)), {})
    found = {claim.name: claim for claim in prove(mono, [twin], mixing, Overlap([Item("p1", "es", said)]))}
    assert not found["no test prompt in translations"].holds
    assert "c3" in found["no test prompt in translations"].detail
