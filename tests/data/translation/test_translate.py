"""Translation: what is asked, how replies are read, and that every text comes out once, in a stated state."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_translation_check import Says

from babeltune.data.identify import FastText, lid176_path
from babeltune.data.translation.audit import Audit
from babeltune.data.translation.prompts import (
    How,
    MalformedReplyError,
    Original,
    expected,
    labels,
    original,
    read,
    request,
    written,
)
from babeltune.data.translation.translate import Translated, Translator
from babeltune.languages import LANGUAGES
from babeltune.records import Chat, Output, Request, Role, Turn
from scripted import ScriptedEngine

LID = FastText(lid176_path(), threads=1)
PAIRS = {
    "Where does the river begin?": "Wo entspringt der Fluss eigentlich?",
    "It begins high in the mountains, where snow melts.": "Er entspringt hoch in den Bergen, wo Schnee schmilzt.",
    "And where does it end?": "Und wo mündet er schließlich?",
    "It ends in the sea, after a journey of many days.": "Er mündet nach einer Reise von vielen Tagen ins Meer.",
}
ENGLISH, GERMAN = list(PAIRS), list(PAIRS.values())
CHAT = Chat(
    "c1", (Turn("user", ENGLISH[0]), Turn("assistant", ENGLISH[1]), Turn("user", ENGLISH[2]),
           Turn("assistant", ENGLISH[3])), "en", 0.9,
)  # fmt: skip
TEXT = Original("1", ("x",))


def source(request: Request) -> str:
    """What stands between the two headings of a prompt."""
    found = re.search(r"\n\nOriginal:\n(.*)\n\nTranslation into [^\n]*:\Z", request.prompt, re.DOTALL)
    assert found is not None
    return found[1]


def german(request: Request) -> str:
    """A good translator, who knows four sentences."""
    text = source(request)
    for english, said in PAIRS.items():
        text = text.replace(english, said)
    return text


class Recording:
    """An engine that keeps what it was asked, round by round; ``outputs`` makes an output of request and round."""

    def __init__(self, outputs: Callable[[Request, int], Output | str]) -> None:
        self.outputs = outputs
        self.rounds: list[list[Request]] = []

    def complete(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        asked = list(requests)
        self.rounds.append(asked)
        number = len(self.rounds) - 1
        for one in reversed(asked):  # any order
            made = self.outputs(one, number)
            yield Output(one.id, one.cell, made, "eos", 1) if isinstance(made, str) else made

    def loglikelihood(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        raise NotImplementedError


def texts(engine: Recording | ScriptedEngine, given_: dict[str, str], how: How | None = None) -> dict[str, Translated]:
    found = list(Translator(engine, LID, how or How()).texts(given_, "de"))
    assert len({one.row.id for one in found}) == len(found)
    return {one.row.id: one for one in found}


# What is asked


def test_a_text_is_asked_for_in_the_words_of_figure_9() -> None:
    asked = request(Original("7", ("Say {hello}.",)), "de", How(), purpose="p")
    assert (asked.id, asked.cell, asked.system) == ("7", "p", "You are a helpful assistant.")
    assert asked.prompt == (
        "Translate the following text into German. Keep the structure of the original text and preserve things like "
        "code and names. Please ensure that your response contains only the translated text. The translation must "
        "convey the same meaning as the original and be natural for native speakers with correct grammar and proper "
        "word choices. Your translation must also use exact terminology to provide accurate information even for the "
        "experts in the related fields.\n\nOriginal:\nSay {hello}.\n\nTranslation into German:"
    )
    assert (asked.sampling.temperature, asked.sampling.top_p, asked.seed) == (0, 1, 42)
    assert (asked.sampling.stop, asked.schema, asked.prefix) == ((), "", "")


def test_a_chat_is_asked_for_in_the_words_of_figure_10() -> None:
    asked = request(original(CHAT), "fr", How(), purpose="p")
    assert asked.system == "You are a helpful assistant."
    assert asked.prompt.startswith(
        "Translate the following conversation between a human and an AI assistant into French. Keep the structure of "
        "the original text and preserve things like code, names and role labels (e.g. <S1>, <S2>). Please ensure that "
        "your response contains only the translated text. The translation must"
    )
    assert source(asked) == "\n".join(
        f"{label} {text}" for label, text in zip(["<S1>", "<S2>"] * 2, ENGLISH, strict=True)
    )
    assert asked.prompt.endswith("\n\nTranslation into French:")


@pytest.mark.parametrize(
    ("code", "name"),
    [("zh", "Mandarin Chinese"), ("el", "standard modern Greek"), ("no", "Norwegian Bokmål"), ("de", "German")],
)
def test_languages_are_named_as_the_paper_names_them(code: str, name: str) -> None:
    for one in (TEXT, original(CHAT)):
        asked = request(one, code, How())
        assert f" into {name}. Keep" in asked.prompt
        assert asked.prompt.endswith(f"\n\nTranslation into {name}:")


def test_as_run_puts_quotes_round_a_text_and_round_no_chat() -> None:
    as_run = How("as-run")
    assert source(request(Original("1", ('Say "x".',)), "de", as_run)) == '"Say "x"."'
    assert source(request(original(CHAT), "de", as_run)) == source(request(original(CHAT), "de", How()))


def test_a_further_try_has_the_next_seed_and_some_freedom() -> None:
    first, second = (request(TEXT, "de", How(), attempt=at) for at in (0, 1))
    assert (second.seed, second.sampling.temperature) == (43, 0.3)
    assert replace(second, seed=42, sampling=first.sampling) == first


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_can_be_asked_for_and_estimated(code: str) -> None:
    found = expected(request(Original("1", ("x" * 300,)), code, How()), 300, code)
    # By hand: some 600 letters of rules, and 300.
    assert 200 <= found.prompt <= 260
    assert 50 <= found.reply <= 350


# Role labels

ROLES: list[Role] = ["user", "assistant"]
SAID = st.text(max_size=30).map(str.strip).filter(bool) | st.sampled_from(
    ["<S1>", "<s2> and <S3>", "a <S1> b\n<S2> c", "<S5><S8>", "{text}", "### Human: x", "\\1", "<S1"]
)


@st.composite
def chats(draw: st.DrawFn) -> list[str]:
    return [draw(SAID) for _ in range(2 * draw(st.integers(1, 3)))]


@given(chats())
def test_whatever_a_chat_says_its_turns_come_back(turns: list[str]) -> None:
    roles = ROLES * (len(turns) // 2)
    assert read(written(turns, roles), turns, roles) == tuple(turn.strip() for turn in turns)


@pytest.mark.parametrize(
    ("turns", "first"),
    [
        (["a", "b"], "<S1>"), (["What is <S1>?", "b"], "<S3>"), (["a", "<S2>"], "<S3>"), (["<s1>", "b"], "<S3>"),
        (["<S1>", "<S4>"], "<S5>"), (["<S3>", "b"], "<S1>"),
    ],
)  # fmt: skip
def test_labels_that_stand_in_a_chat_are_not_used_for_it(turns: list[str], first: str) -> None:
    assert labels(turns)["user"] == first
    asked = request(Original("1", tuple(turns), ("user", "assistant")), "de", How())
    assert f"role labels (e.g. {first}, {labels(turns)['assistant']})" in asked.prompt


@pytest.mark.parametrize(
    ("reply", "kind", "detail"),
    [
        ("<S1> eins", "turns", "1 turns, and the original has 2"),
        ("<S1> eins <S2> zwei <S1> drei", "turns", "3 turns, and the original has 2"),
        ("", "turns", "0 turns, and the original has 2"),
        ("<S2> eins\n<S1> zwei", "roles", "turn 1 has the label <S2>, and the original <S1>"),
        ("<S1> eins\n<S1> zwei", "roles", "turn 2 has the label <S1>, and the original <S2>"),
        ("Hier ist es:\n<S1> eins\n<S2> zwei", "roles", "it begins with 'Hier ist es:', not with <S1>"),
        ('"<S1> eins\n<S2> zwei"', "roles", "it begins with '\"', not with <S1>"),
        ("eins zwei", "roles", "it begins with 'eins zwei', not with <S1>"),
        ("<s1> eins\n<s2> zwei", "roles", "it begins with"),
        ("<S1>\n<S2> zwei", "empty", "turn 1 of 2 is empty"),
        ("<S1> <S2> \n", "empty", "turn 1, 2 of 2 is empty"),
    ],
)
def test_a_reply_with_other_turns_is_refused(reply: str, kind: str, detail: str) -> None:
    with pytest.raises(MalformedReplyError) as caught:
        read(reply, ["one", "two"], ROLES)
    assert caught.value.flag.kind == kind
    assert caught.value.flag.detail.startswith(detail)


def test_lines_between_labels_play_no_role() -> None:
    assert read("\n <S1>eins\n\nzwei<S2>\tdrei ", ["1", "2"], ROLES) == ("eins\n\nzwei", "drei")


# Whole translations


def test_a_chat_keeps_its_id_and_roles_and_takes_the_language() -> None:
    (found,) = Translator(ScriptedEngine(german), LID).chats([CHAT], "de")
    assert found.good
    assert (found.row.id, found.row.language, found.row.tries) == ("c1", "de", 1)
    made = found.chat(CHAT)
    assert (made.id, made.language) == ("c1", "de")
    assert made.turns == tuple(Turn(turn.role, said) for turn, said in zip(CHAT.turns, GERMAN, strict=True))
    assert made.confidence == found.row.checked.probability > 0.9


def test_a_chat_taken_for_a_neighbours_has_no_confidence() -> None:
    (found,) = Translator(ScriptedEngine(german), Says("da")).chats([CHAT], "no")
    assert found.good
    assert found.chat(CHAT).confidence == 0


def test_a_chat_that_speaks_of_the_labels_survives() -> None:
    chat = Chat("c", (Turn("user", f"{ENGLISH[0]} <S1> or <S2>"), Turn("assistant", f"{ENGLISH[1]} <S1>")), "en")
    (found,) = Translator(ScriptedEngine(german), LID).chats([chat], "de")
    assert found.turns == (f"{GERMAN[0]} <S1> or <S2>", f"{GERMAN[1]} <S1>")


def test_texts_are_translated_and_what_has_no_words_is_not_asked_for() -> None:
    engine = Recording(lambda request, _: f" {german(request)}\n")
    found = texts(engine, {"a": ENGLISH[0], "b": "2 + 2 = ?", "c": "", "d": ENGLISH[1]})
    assert {name: one.text for name, one in found.items()} == {
        "a": GERMAN[0], "b": "2 + 2 = ?", "c": "", "d": GERMAN[1],
    }  # fmt: skip
    assert [one.row.tries for one in found.values()] == [0, 0, 1, 1]
    assert [[request.id for request in asked] for asked in engine.rounds] == [["a", "d"]]
    assert {request.cell for request in engine.rounds[0]} == {"translate"}


def test_a_bad_reply_is_asked_for_again_and_no_other() -> None:
    def answer(request: Request, number: int) -> str:
        return (
            source(request) if request.id in ("b", "c") and number < {"b": 1, "c": 2}[request.id] else german(request)
        )

    engine = Recording(answer)
    found = texts(engine, dict(zip("abcd", ENGLISH, strict=True)))
    assert [sorted(request.id for request in asked) for asked in engine.rounds] == [list("abcd"), ["b", "c"], ["c"]]
    assert [{request.seed for request in asked} for asked in engine.rounds] == [{42}, {43}, {44}]
    assert all(one.good for one in found.values())
    assert {name: one.row.tries for name, one in found.items()} == {"a": 1, "b": 2, "c": 3, "d": 1}

    assert found["b"].row.earlier == ("language, untranslated",)
    assert len(found["c"].row.earlier) == 2


def test_good_ones_come_out_while_bad_ones_wait() -> None:
    engine = Recording(lambda request, number: german(request) if number or request.id == "b" else "")
    stream = Translator(engine, LID).texts({"a": ENGLISH[0], "b": ENGLISH[1]}, "de")
    assert next(stream).row.id == "b"
    assert len(engine.rounds) == 1
    assert [one.row.id for one in stream] == ["a"]


def test_one_that_never_passes_is_kept_out_with_the_reason() -> None:
    engine = Recording(lambda request, number: ["", source(request), "Bach"][number] if request.id == "a" else "")
    (found,) = texts(engine, {"a": ENGLISH[1] * 3}).values()
    assert (found.good, found.turns, found.row.state, found.row.tries) == (False, (), "bad", 3)
    assert found.row.earlier == ("empty", "language, untranslated")
    assert found.row.why.startswith("length: 4 characters for 150")


@pytest.mark.parametrize("state", ["refused", "failed", "unsent"])
def test_what_the_engine_gives_up_is_not_asked_for_again_here(state: str) -> None:
    engine = Recording(
        lambda one, _: replace(Output(one.id, one.cell, "", "failed", 0, reason="because"), finish=state)
    )
    (found,) = Translator(engine, LID).chats([CHAT], "de")
    assert (found.row.state, found.row.why, found.row.tries, found.turns) == (state, "because", 1, ())
    assert len(engine.rounds) == 1


def test_a_reply_that_was_cut_off_is_bad_however_good_it_looks() -> None:
    engine = Recording(lambda request, _: Output(request.id, request.cell, german(request), "length", 12))
    (found,) = Translator(engine, LID, How(attempts=2)).chats([CHAT], "de")
    assert found.row.why == "truncated: it ran into the limit of 12 tokens"
    assert found.row.earlier == ("truncated",)


STATES = st.sampled_from(["good", "source", "empty", "roles", "cut", "refused", "failed", "unsent"])


@given(st.lists(st.lists(STATES, min_size=3, max_size=3), max_size=8), st.integers(1, 3))
def test_every_chat_comes_out_once_in_the_state_of_its_last_try(scripts: list[list[str]], attempts: int) -> None:
    def answer(request: Request, number: int) -> Output:
        word = scripts[int(request.id)][number]
        if word in ("refused", "failed", "unsent"):
            return Output(request.id, request.cell, "", word, 0, reason=word)  # type: ignore[arg-type]
        said = {"good": german(request), "source": source(request), "empty": "", "roles": f"Ja: {german(request)}"}
        text = said.get(word, german(request))
        return Output(request.id, request.cell, text, "length" if word == "cut" else "eos", 1)

    chats_ = [replace(CHAT, id=str(at)) for at in range(len(scripts))]
    found = list(Translator(Recording(answer), LID, How(attempts=attempts)).chats(chats_, "de"))
    assert sorted(one.row.id for one in found) == sorted(chat.id for chat in chats_)
    kept = Audit("de")
    for one in found:
        kept.add(one.row)
        script = scripts[int(one.row.id)][:attempts]
        ends = [at for at, word in enumerate(script) if word in ("good", "refused", "failed", "unsent")]
        at = ends[0] if ends else attempts - 1
        assert one.row.tries == at + 1
        assert len(one.row.earlier) == at
        assert one.row.state == (script[at] if ends else "bad")
        assert one.good == bool(one.turns) == (one.row.why == "")
    assert sum(kept.states.values()) == len(scripts)
