import codecs
import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.data.sources import POCKET, chat_files, content_hash, read_chats
from babeltune.errors import ChatsError
from babeltune.records import Turn

GOOD = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}
TURNS = (Turn("user", "Hi"), Turn("assistant", "Hello."))


def says(*contents, roles=("user", "assistant")):
    return {"messages": [{"role": roles[n % 2], "content": content} for n, content in enumerate(contents)]}


def raw(row):
    return row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode()


def written(folder, *rows, end=b"\n", start=b""):
    path = folder / "chats.jsonl"
    path.write_bytes(start + b"".join(raw(row) + end for row in rows))
    return str(path)


def problems_of(source):
    with pytest.raises(ChatsError) as caught:
        read_chats(source)
    return caught.value.problems


BAD = {
    "a broken line": (b'{"messages": [', "broken JSON at column 15"),
    "words": (b"Hello there", "broken JSON at column 1"),
    "two objects in a line": (b"{} {}", "broken JSON at column 4"),
    # The third byte, 0xff, stands in no UTF-8 text.
    "invalid UTF-8": (b'{"\xff": 1}', "invalid UTF-8 at byte 3 of the line"),
    "UTF-8 cut in a character": ('{"text": "é'.encode()[:-1], "invalid UTF-8 at byte 11 of the line"),
    "UTF-16": ('{"text": "é"}'.encode("utf-16"), "invalid UTF-8 at byte 1 of the line"),
    "a list": ([GOOD], "a list in place of an object"),
    "a string": ("Hi", "a str in place of an object"),
    "null": (None, "a NoneType in place of an object"),
    "another shape": (
        {"prompt": "Hi", "answer": "Hello."},
        "neither 'messages' nor 'text' among the fields ['answer', 'prompt']",
    ),
    "messages that are no list": ({"messages": "Hi"}, "field 'messages' is not a list of messages"),
    "no messages": ({"messages": []}, "field 'messages' is not a list of messages"),
    "a message that is no object": ({"messages": ["Hi", "Hello."]}, "message 1 is not an object"),
    "a message without a role": ({"messages": [{"content": "Hi"}]}, "message 1 lacks the field 'role'"),
    "a message without content": (
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant"}]},
        "message 2 lacks the field 'content'",
    ),
    "content that is null": (says("Hi", None), "message 2 lacks the field 'content'"),
    "a system message": (says("Be kind.", "Hello.", roles=("system", "user")), "message 1 has the role 'system'"),
    "an answer first": (says("Hello.", "Hi", roles=("assistant", "user")), "turn 1 is the assistant's"),
    "two questions in a row": (says("Hi", "Hello?", roles=("user", "user")), "turn 2 is the user's"),
    "an empty answer": (says("Hi", ""), "turn 2 (the assistant's) is empty"),
    "an answer of spaces": (says("Hi", " \n\t"), "turn 2 (the assistant's) is empty"),
    "an empty question": (says("", "Hello."), "turn 1 (the user's) is empty"),
    "no answer": (says("Hi"), "there is no answer"),
    "text that is no string": ({"text": ["Hi"]}, "field 'text' is not a string"),
    "text without markers": ({"text": "Hi. Hello."}, "field 'text' does not start with '### Human:'"),
    "text before the first marker": (
        {"text": "System. ### Human: Hi### Assistant: Hello."},
        "field 'text' does not start with '### Human:'",
    ),
    "text that starts with the answer": ({"text": "### Assistant: Hello."}, "turn 1 is the assistant's"),
    "text with an empty answer": ({"text": "### Human: Hi### Assistant: "}, "turn 2 (the assistant's) is empty"),
    "text without an answer": ({"text": "### Human: Hi"}, "there is no answer"),
    "a language that is no string": ({**GOOD, "language": 3}, "field 'language' is 3"),
    "an id that is a list": ({**GOOD, "id": [1]}, "field 'id' is [1]"),
    "an id that is true": ({**GOOD, "id": True}, "field 'id' is True"),
    "half a character": (json.dumps(says("Hi", "\ud83d")).encode(), "half a character"),
    # Python refuses integers of more than 4,300 digits, and nesting deeper than its stack.
    "a number without end": (b'{"id": ' + b"9" * 5000 + b"}", "JSON beyond all measure"),
    "brackets without end": (b"[" * 100_000, "JSON beyond all measure"),
}


@pytest.mark.parametrize(("row", "what"), BAD.values(), ids=BAD)
def test_a_bad_row_is_named_by_file_and_line(tmp_path, row, what):
    source = written(tmp_path, {**GOOD, "id": "first"}, row, {**GOOD, "id": "last"})
    problem, hint = problems_of(source)
    assert problem.where == "chats.jsonl:2"
    assert problem.what.startswith(what)
    assert problem.fix
    assert str(hint) == "to go on without them: 1 of 3 rows. Use --skip-bad-rows"


def test_a_repeated_id_is_named_with_the_line_of_the_first(tmp_path):
    source = written(tmp_path, {**GOOD, "id": "a"}, {**GOOD, "id": "b"}, {**GOOD, "id": "a"})
    assert str(problems_of(source)[0]) == (
        "chats.jsonl:3: id 'a' is already that of chats.jsonl:1. Give each chat its own id."
    )


def test_a_number_and_its_digits_are_the_same_id(tmp_path):
    assert problems_of(written(tmp_path, {**GOOD, "id": 7}, {**GOOD, "id": "7"}))[0].where == "chats.jsonl:2"


def test_all_bad_rows_are_listed_at_once(tmp_path):
    some = list(BAD.values())[:18]
    rows = [row for row, _ in some]
    problems = problems_of(written(tmp_path, GOOD, *rows))
    assert [problem.where for problem in problems[:-1]] == [f"chats.jsonl:{n}" for n in range(2, 20)]
    assert all(problem.what.startswith(what) for problem, (_, what) in zip(problems[:-1], some, strict=True))


def test_beyond_twenty_bad_rows_the_others_are_counted(tmp_path):
    problems = problems_of(written(tmp_path, GOOD, *[b"{"] * 33))
    assert [problem.where for problem in problems[:20]] == [f"chats.jsonl:{n}" for n in range(2, 22)]
    assert problems[20].what == "13 more"
    assert problems[21].what == "33 of 34 rows"


def test_skipped_bad_rows_are_returned_and_the_good_ones_kept(tmp_path):
    source = written(tmp_path, GOOD, *(row for row, _ in BAD.values()), GOOD)
    read = read_chats(source, skip_bad_rows=True)
    assert [problem.where for problem in read.skipped] == [f"chats.jsonl:{n}" for n in range(2, len(BAD) + 2)]
    assert [chat.id for chat in read.chats] == ["chats-1", f"chats-{len(BAD) + 2}"]


def test_a_skipped_row_takes_no_id_from_a_later_one(tmp_path):
    source = written(tmp_path, {**says("Hi"), "id": "a"}, {**GOOD, "id": "a"})
    read = read_chats(source, skip_bad_rows=True)
    assert [(chat.id, chat.turns) for chat in read.chats] == [("a", TURNS)]


def test_good_files_skip_nothing(tmp_path):
    assert read_chats(written(tmp_path, GOOD)).skipped == ()


def test_a_missing_file_says_so(tmp_path):
    [problem] = problems_of(str(tmp_path / "none.jsonl"))
    assert problem.what == "cannot be read (No such file or directory)"


def test_a_folder_is_not_a_chats_file(tmp_path):
    assert problems_of(str(tmp_path))[0].what == "cannot be read (Is a directory)"


@pytest.mark.parametrize("content", [b"", b"\n\n  \n", codecs.BOM_UTF8])
def test_a_file_without_chats_says_so(tmp_path, content):
    source = written(tmp_path, start=content)
    assert [problem.what for problem in problems_of(source)] == ["holds no chats"]


def test_id_and_language_are_taken_from_the_row(tmp_path):
    [chat] = read_chats(written(tmp_path, {**GOOD, "id": "greeting", "language": "en"})).chats
    assert (chat.id, chat.language, chat.confidence) == ("greeting", "en", None)


@pytest.mark.parametrize("row", [GOOD, {**GOOD, "id": None, "language": None}])
def test_id_and_language_may_be_missing(tmp_path, row):
    chats = read_chats(written(tmp_path, row, row)).chats
    assert [(chat.id, chat.language) for chat in chats] == [("chats-1", None), ("chats-2", None)]


def test_guanacos_text_and_messages_give_the_same_chat(tmp_path):
    # The start of a row as Guanaco has them: no newline before the markers, newlines and a '###' inside a turn.
    text = "### Human: What is 2+2?\nBe brief.### Assistant: ### Sum\n\n4### Human: And 3+3?### Assistant: 6"
    same = says("What is 2+2?\nBe brief.", "### Sum\n\n4", "And 3+3?", "6")
    one, other = read_chats(written(tmp_path, {"text": text, "id": "a"}, {**same, "id": "b"})).chats
    assert one.turns == other.turns
    assert [turn.role for turn in one.turns] == ["user", "assistant", "user", "assistant"]


SAID = st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(lambda said: said and "###" not in said)


@given(
    contents=st.lists(st.tuples(SAID, SAID), min_size=1, max_size=4), spaces=st.sampled_from(["", " ", "\n", " \n\n"])
)
def test_both_shapes_hold_the_same_words(tmp_path_factory, contents, spaces):
    flat = [said for pair in contents for said in pair]
    markers = ["### Human:", "### Assistant:"]
    text = "".join(f"{markers[n % 2]}{spaces}{said}{spaces}" for n, said in enumerate(flat))
    source = written(
        tmp_path_factory.mktemp("shapes"), {"text": text}, says(*[f"{spaces}{said}{spaces}" for said in flat])
    )
    one, other = read_chats(source).chats
    assert one.turns == other.turns
    assert [turn.content for turn in one.turns] == flat


@pytest.mark.parametrize(
    "row",
    [says("Hi", "Hello.", "And now?"), {"text": "### Human: Hi### Assistant: Hello.### Human: And now?"}],
)
def test_a_last_question_without_an_answer_is_cut_off(tmp_path, row):
    assert read_chats(written(tmp_path, row)).chats[0].turns == TURNS


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b"\r\n  \r\n", b" \n\t\n\n"])
@pytest.mark.parametrize("start", [b"", codecs.BOM_UTF8, codecs.BOM_UTF8 + b"\r\n", b"\n"])
def test_line_ends_empty_lines_and_a_byte_order_mark_change_nothing(tmp_path, start, end):
    rows = [{**says("¿Qué tal?", "Bien."), "id": "a"}, {**says("Hi", "Hello."), "id": "b"}]
    plain = read_chats(written(tmp_path, *rows)).chats
    assert read_chats(written(tmp_path, *rows, start=start, end=end)).chats == plain


def test_a_last_line_without_a_line_end_is_read(tmp_path):
    assert len(read_chats(written(tmp_path, start=raw(GOOD) + b"\n" + raw(GOOD))).chats) == 2


def test_empty_lines_count_in_the_line_numbers(tmp_path):
    assert problems_of(written(tmp_path, GOOD, b"", b"  ", b"{"))[0].where == "chats.jsonl:4"


def test_line_breaks_of_unicode_do_not_end_a_row(tmp_path):
    # U+2028 and U+0085 may stand bare inside JSON strings; str.splitlines would break the row there.
    [chat] = read_chats(written(tmp_path, says("one\u2028two", "three\u0085four"))).chats
    assert [turn.content for turn in chat.turns] == ["one\u2028two", "three\u0085four"]


def test_the_bundled_source_is_read_whole():
    lines = sum(len(re.findall(rb"\S.*\n", file.read_bytes())) for file in (POCKET / "chats").iterdir())
    assert len(read_chats("pocket").chats) == lines


def test_the_bundled_files_come_in_a_fixed_order():
    assert [file.stem for file in chat_files("pocket")] == ["de", "en", "es", "fr", "ru", "zh"]


def test_the_hash_of_one_file_is_that_of_its_digest(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    # SHA-256 of "abc": FIPS 180-2, appendix B.1.
    digest = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    assert content_hash([file]) == hashlib.sha256(digest).hexdigest()


def test_the_hash_sees_content_order_and_where_files_end_but_no_names(tmp_path):
    def made(*contents):
        files = [tmp_path / f"{len(list(tmp_path.iterdir()))}-{n}" for n in range(len(contents))]
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(content)
        return content_hash(files)

    assert made(b"ab", b"c") == made(b"ab", b"c")
    assert len({made(b"ab", b"c"), made(b"a", b"bc"), made(b"c", b"ab"), made(b"abc"), made(b"abd")}) == 5
