import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.data.card import TABLE_3, Card, Part, card, detail, markdown, table_3
from babeltune.data.makeup import Mixing, named
from babeltune.data.mixes import Claim, Mix, build
from babeltune.records import Chat, Turn


def chat(name, language="en", *says):
    said = says or ("Why?", "Because.")
    turns = tuple(Turn(("user", "assistant")[at % 2], content) for at, content in enumerate(said))
    return Chat(name, turns, language, 0.9)


def spaces_and_one(texts):
    return [text.count(" ") + 1 for text in texts]


def utf8_bytes(texts):
    return [len(text.encode()) for text in texts]


TOKENIZERS = {"words": spaces_and_one, "bytes": utf8_bytes}


def languages(*codes, mixing=None):
    return [part.language for part in card(Mix("m", mixed(*codes)), mixing or Mixing(), {}).parts]


def mixed(*codes):
    return tuple(chat(str(at), code) for at, code in enumerate(codes))


def cells(line):
    """The cells of a row of a table in markdown; an escaped pipe is no border."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


# What a card counts


TEXTS = st.text("ab áя字ี\n\t", min_size=1, max_size=12)
CHATS = st.lists(
    st.tuples(st.sampled_from(["en", "es", "zh", "th", None]), st.lists(TEXTS, min_size=2, max_size=4)),
    min_size=1,
    max_size=12,
)


@given(CHATS)
def test_a_card_counts_what_a_plain_recount_counts(rows):
    chats = tuple(chat(str(at), code, *says) for at, (code, says) in enumerate(rows))
    made = card(Mix("m", chats), Mixing(), TOKENIZERS)
    assert (made.mix, made.main, made.total) == ("m", "en", len(rows))
    assert {part.language for part in made.parts} == {code or "other" for code, _ in rows}
    for part in made.parts:
        own = [says for code, says in rows if (code or "other") == part.language]
        # A chat's text has its turns one a line, and no role markers.
        texts = ["\n".join(says) for says in own]
        assert part.chats == len(own)
        assert part.turns == sum(map(len, own))
        assert part.characters == sum(map(len, texts))
        assert part.words == (sum(len(text.split()) for text in texts) if part.language in ("en", "es") else None)
        assert part.tokens == {
            "words": sum(text.count(" ") + 1 for text in texts),
            "bytes": sum(len(text.encode()) for text in texts),
        }


def test_fertility_is_tokens_per_character_and_per_word():
    # "Good day to you\nYes": 19 characters, 5 words; its UTF-8 has as many bytes, its spaces make four words.
    (part,) = card(Mix("m", (chat("a", "en", "Good day to you", "Yes"),)), Mixing(), TOKENIZERS).parts
    assert (part.characters, part.words, part.tokens) == (19, 5, {"words": 4, "bytes": 19})
    assert part.per_character("words") == 4 / 19
    assert part.per_character("bytes") == 1
    assert part.per_word("words") == 0.8
    assert part.per_word("bytes") == 3.8


@pytest.mark.parametrize("code", ["zh", "ja", "th", None])
def test_there_are_no_words_where_none_are_told_by_spaces(code):
    (part,) = card(Mix("m", (chat("a", code, "一 二", "三"),)), Mixing(), TOKENIZERS).parts
    assert part.words is None
    assert part.per_word("bytes") is None
    assert part.per_character("bytes") == 11 / 5


@pytest.mark.parametrize("code", ["ko", "hi", "ru"])
def test_words_are_counted_in_every_script_that_spaces_them(code):
    assert card(Mix("m", (chat("a", code, "가 나 다", "라"),)), Mixing(), {}).parts[0].words == 4


def test_each_tokenizer_reads_the_texts_of_a_language_once():
    asked = []

    def count(texts):
        asked.append(list(texts))
        return [1] * len(texts)

    made = card(Mix("m", (chat("a"), chat("b", "es"), chat("c"))), Mixing(), {"one": count})
    assert asked == [["Why?\nBecause."] * 2, ["Why?\nBecause."]]
    assert [part.tokens["one"] for part in made.parts] == [2, 1]


# In which order


def test_parts_follow_the_study_then_their_size_and_the_rest_comes_last():
    codes = ["it", "de", None, "pt", "pt", "en", "es", "is", None, None, None, "ru", "de"]
    assert languages(*codes) == ["en", "es", "ru", "de", "pt", "is", "it", "other"]
    assert languages(*codes, mixing=Mixing(main="ru", order=("it", "en"))) == (
        ["ru", "it", "en", "de", "pt", "es", "is", "other"]
    )


@given(st.lists(st.sampled_from(["en", "es", "ru", "it", "pt", None]), min_size=1, max_size=12), st.data())
def test_the_order_of_the_chats_plays_no_role(codes, data):
    chats = mixed(*codes)
    shuffled = tuple(data.draw(st.permutations(chats)))
    assert card(Mix("m", shuffled), Mixing(), TOKENIZERS) == card(Mix("m", chats), Mixing(), TOKENIZERS)


# Shares, and the paper's Table 3


@given(st.lists(st.sampled_from(["en", "es", None]), min_size=1, max_size=20), st.sampled_from(["en", "es", "ru"]))
def test_others_are_all_chats_that_are_not_in_the_main_language(codes, main):
    made = card(Mix("m", mixed(*codes)), Mixing(main=main), {})
    assert made.others == pytest.approx(sum(code != main for code in codes) / len(codes), abs=1e-12)


def test_mixes_of_full_size_give_the_papers_table_3():
    mixing = Mixing()
    chats = mixed(*["en"] * 3300, *[code for code in mixing.order for _ in range(210)])
    names = ["mono", *(f"multi-{n}" for n in range(2, 7))]
    mixes = [build(name, named(name, mixing), chats, mixing) for name in names]
    assert TABLE_3 == ("Dataset", "Languages", "% NE", "Total")
    assert table_3([card(mix, mixing, {}) for mix in mixes]) == [
        ["mono", "en", "0.00%", "3,200"],
        ["multi-2", "en, es", "6.25%", "3,200"],
        ["multi-3", "en, es, ru", "12.50%", "3,200"],
        ["multi-4", "en, es, ru, de", "18.75%", "3,200"],
        ["multi-5", "en, es, ru, de, zh", "25.00%", "3,200"],
        ["multi-6", "en, es, ru, de, zh, fr", "31.25%", "3,200"],
    ]


def test_ten_languages_are_listed_and_of_more_the_first_six():
    codes = ["en", "es", "ru", "de", "zh", "fr", "it", "pt", "vi", "ko", "fi"]
    listed = "en, es, ru, de, zh, fr"
    assert card(Mix("m", mixed(*codes[:10])), Mixing(), {}).languages.count(",") == 9
    assert card(Mix("m", mixed(*codes)), Mixing(), {}).languages == f"{listed} and 5 more"


# Content hash


SAID = st.lists(st.text("abc", min_size=1, max_size=3), min_size=2, max_size=4)


@st.composite
def mixes(draw):
    """A mix whose chats all have ids of their own."""
    names = draw(st.lists(st.text("abc\n'", min_size=1, max_size=4), min_size=1, max_size=6, unique=True))
    return Mix("m", tuple(chat(name, "en", *draw(SAID)) for name in names))


@given(mixes(), st.data())
def test_the_content_hash_does_not_depend_on_the_order(mix, data):
    shuffled = replace(mix, name="other", chats=tuple(data.draw(st.permutations(mix.chats))))
    assert shuffled.content_hash == mix.content_hash
    assert card(shuffled, Mixing(), {}).content_hash == mix.content_hash
    assert re.fullmatch(r"[0-9a-f]{64}", mix.content_hash)


@given(mixes(), st.data())
def test_the_content_hash_changes_with_any_id_or_turn(mix, data):
    at = data.draw(st.integers(0, len(mix.chats) - 1))
    old = mix.chats[at]
    turn = data.draw(st.integers(0, len(old.turns) - 1))
    said = replace(old.turns[turn], content=old.turns[turn].content + "d")
    spoken = replace(old.turns[turn], role={"user": "assistant", "assistant": "user"}[old.turns[turn].role])
    changed = [
        (replace(old, id=old.id + "d"),),
        (replace(old, turns=(*old.turns[:turn], said, *old.turns[turn + 1 :])),),
        (replace(old, turns=(*old.turns[:turn], spoken, *old.turns[turn + 1 :])),),
        (replace(old, turns=old.turns[:-1]),),
        (replace(old, turns=(Turn("user", "".join(turn.content for turn in old.turns)),)),),
        (old, old),
        (),
    ]
    hashes = [Mix("m", (*mix.chats[:at], *new, *mix.chats[at + 1 :])).content_hash for new in changed]
    assert len({mix.content_hash, *hashes}) == 1 + len(changed)


@given(mixes())
def test_the_content_hash_knows_no_language_or_confidence(mix):
    relabelled = tuple(replace(one, language="es", confidence=0.5) for one in mix.chats)
    assert Mix("m", relabelled).content_hash == mix.content_hash


# As tables and as a page


def made():
    chats = (chat("a", "en", "Good day to you", "Yes"), chat("b", "zh", "一二", "三"), chat("c", None, "???", "!"))
    return card(Mix("m", chats), Mixing(), TOKENIZERS)


def test_the_detail_has_a_row_a_language_and_one_of_all():
    header, rows = detail(made())
    assert header == [
        *("language", "chats", "turns", "characters", "words"),
        *("tokens (words)", "per character", "per word", "tokens (bytes)", "per character", "per word"),
    ]
    assert rows == [
        ["en", "1", "2", "19", "5", "4", "0.211", "0.80", "19", "1.000", "3.80"],
        ["zh", "1", "2", "4", "-", "1", "0.250", "-", "10", "2.500", "-"],
        ["other", "1", "2", "5", "-", "1", "0.200", "-", "5", "1.000", "-"],
        ["all", "3", "6", "28", "", "6", "", "", "34", "", ""],
    ]


def test_without_tokenizers_the_detail_ends_at_the_words():
    header, rows = detail(card(Mix("m", (chat("a"),)), Mixing(), {}))
    assert (header[-1], rows) == ("words", [["en", "1", "2", "13", "2"], ["all", "1", "2", "13", ""]])


def test_thousands_are_told_apart():
    one = Card("m", (Part("en", 3200, 6400, 1234567, 200000, {"t": 300000}),), "en", "0" * 64)
    assert detail(one)[1][0] == ["en", "3,200", "6,400", "1,234,567", "200,000", "300,000", "0.243", "1.50"]


def test_the_page_says_what_the_mix_holds_where_it_comes_from_and_what_was_checked():
    claims = [Claim("equal size", True, "mono: 3"), Claim("nest", False, "a/b:en", binding=False)]
    page = markdown(made(), {"study": "paper", "draw": "as-paper, seed 42"}, claims).splitlines()
    assert page[0] == "# Mix m"
    assert "3 chats; 66.67 % not in 'en'." in page
    assert "- study: paper" in page
    assert "- draw: as-paper, seed 42" in page
    assert f"- content hash: `{made().content_hash}`" in page
    assert "| equal size | yes | mono: 3 |" in page
    assert "| nest | NO | a/b:en |" in page
    assert [line for line in page if line.startswith("#")] == [
        *("# Mix m", "## Where it comes from", "## What was checked"),
    ]


@pytest.mark.parametrize("odd", ["a|b", "|", "||x|", "a\nb | c"])
def test_a_pipe_or_a_line_end_ends_no_cell_of_the_page(odd):
    claims = [Claim(f"claim {odd}", True, f"1 chats ({odd})")]
    page = markdown(card(Mix("m", mixed("en", "zh", None)), Mixing(), {odd: utf8_bytes}), {}, claims)
    tables = [block.splitlines() for block in page.split("\n\n") if block.startswith("| ")]
    assert [len(table) for table in tables] == [6, 3]
    for header, rule, *rows in tables:
        assert cells(rule) == ["---"] * len(cells(header))
        assert all(len(cells(row)) == len(cells(header)) for row in rows)
    escaped = odd.replace("|", "\\|").replace("\n", " ")
    assert f"tokens ({escaped})" in cells(tables[0][0])
    assert cells(tables[1][2]) == [f"claim {escaped}", "yes", f"1 chats ({escaped})"]
