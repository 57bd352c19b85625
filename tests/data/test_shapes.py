import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.data.shapes import Columns, chats, tell
from babeltune.errors import Problem
from babeltune.records import Chat, Turn
from babeltune.rows import Row

TURNS = (Turn("user", "Hi"), Turn("assistant", "Hello."))


def says(*contents, roles=("user", "assistant")):
    return {"messages": [{"role": roles[n % len(roles)], "content": content} for n, content in enumerate(contents)]}


def chats_of(*rows, **how):
    return list(chats([Row(f"row {n}", row) if isinstance(row, dict) else row for n, row in enumerate(rows)], **how))


def only(row, **how):
    [read] = chats_of(row, **how)
    return read


def shared(*pairs):
    return {"conversations": [{"from": who, "value": said} for who, said in pairs]}


def message(name, parent=None, role="prompter", **fields):
    row = {"message_id": name, "message_tree_id": "t", "role": role, "text": name, **fields}
    return row if parent is None else {**row, "parent_id": parent}


def node(text, *replies, role="prompter", **fields):
    return {"text": text, "role": role, "replies": list(replies), **fields}


def reply(text, *replies, **fields):
    return node(text, *replies, role="assistant", **fields)


SHAPES = {
    "messages": says("Hi", "Hello."),
    "guanaco": {"text": "### Human: Hi### Assistant: Hello."},
    "sharegpt": shared(("human", "Hi"), ("gpt", "Hello.")),
    "alpaca": {"instruction": "Hi", "input": "", "output": "Hello."},
    "openassistant-trees": {"message_tree_id": "t", "prompt": node("Hi", reply("Hello."))},
    "openassistant-messages": message("Hi"),
}


# Telling


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_told_by_its_columns(shape):
    assert tell(Row("x", SHAPES[shape])) == shape
    assert tell(Row("x", {**SHAPES[shape], "id": 3, "language": "en", "confidence": 0.9})) == shape


@pytest.mark.parametrize("shape", SHAPES)
def test_columns_that_other_rows_have_tell_nothing(shape):
    # A hub set gives every row all columns.
    others = {name: None for row in SHAPES.values() for name in row}
    assert tell(Row("x", {**others, **SHAPES[shape]})) == shape


@pytest.mark.parametrize("shape", ["messages", "guanaco", "sharegpt", "alpaca", "openassistant-trees"])
def test_all_shapes_hold_the_same_chat(shape):
    chat = Chat("t" if shape == "openassistant-trees" else "0", TURNS)
    assert only(SHAPES[shape]) == chat
    assert only(SHAPES[shape], shape=shape) == chat


def test_alpacas_own_text_column_is_passed_over():
    assert only({**SHAPES["alpaca"], "text": "Below is an instruction. ### Response: Hello."}).turns == TURNS


def test_what_cannot_be_told_is_refused_with_its_columns_and_all_shapes():
    problem = only({"question": "Hi", "answer": "Hello.", "id": 1})
    assert problem.where == "row 0"
    assert problem.what == "no known shape has the columns ['answer', 'id', 'question']"
    assert all(f"{shape} {{" in problem.fix for shape in SHAPES)
    assert "`columns: {prompt: …, answer: …}`" in problem.fix


def test_problems_of_rows_are_passed_on_in_their_place():
    problem = Problem("x:1", "broken", "Mend it.")
    assert chats_of(SHAPES["alpaca"], problem, SHAPES["messages"])[1] is problem


# Ids and languages


def test_rows_without_an_id_are_numbered_from_0_and_broken_ones_count():
    broken = Problem("x:1", "broken", "Mend it.")
    read = chats_of(
        says("Hi", "Hello."), broken, says("no answer"), {**says("Hi", "Hello."), "id": None}, says("a", "b")
    )
    assert [chat.id for chat in read if isinstance(chat, Chat)] == ["0", "3", "4"]


@pytest.mark.parametrize(("given", "name"), [("greeting", "greeting"), (7, "7"), (None, "0"), ("", "0")])
def test_an_id_is_text_or_a_whole_number(given, name):
    assert only({**SHAPES["guanaco"], "id": given}).id == name


def test_a_repeated_id_is_named_with_the_place_of_the_first():
    row = {**SHAPES["alpaca"], "id": "a"}
    _, problem, other = chats_of(row, {**SHAPES["guanaco"], "id": "a"}, {**row, "id": "b"})
    assert str(problem) == "row 1: id 'a' is already that of row 0. Give each chat its own id."
    assert other.id == "b"


def test_a_repeated_id_is_found_where_two_files_have_the_same_name():
    rows = [Row("chats.jsonl:1", {**SHAPES["alpaca"], "id": "a"})] * 2
    assert [type(read) for read in chats(rows)] == [Chat, Problem]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, None),
        ({"language": "de"}, "de"),
        ({"language": "deu_Latn"}, "de"),
        ({"language": "pt-BR"}, "pt"),
        ({"language": "tlh"}, "tlh"),
        ({"language": ""}, None),
        ({"lang": "de"}, "de"),
        ({"lang": "eng_Latn", "confidence": 0.97}, "en"),
        ({"lang": "zh-TW"}, "zh"),
        ({"lang": "tlh"}, None),
        ({"lang": "German"}, None),
        ({"lang": 3}, None),
        ({"lang": "de", "language": "fr"}, "fr"),
    ],
)
def test_a_language_is_taken_from_the_row(fields, code):
    chat = only({**SHAPES["guanaco"], **fields})
    assert (chat.language, chat.confidence) == (code, None)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"language": 3}, "field 'language' is 3"),
        ({"id": [1]}, "field 'id' is [1]"),
        ({"id": True}, "field 'id' is True"),
        ({"id": "\udc00"}, "half a character"),
    ],
)
def test_an_id_or_language_of_another_kind_is_refused(fields, what):
    assert only({**SHAPES["messages"], **fields}).what.startswith(what)


# What a chat must be

BAD = {
    "messages that are no list": ({"messages": "Hi"}, "field 'messages' is not a list of messages"),
    "no messages": ({"messages": []}, "field 'messages' is not a list of messages"),
    "messages that are null": ({"messages": None}, "field 'messages' is not a list of messages"),
    "a message that is no object": ({"messages": ["Hi", "Hello."]}, "message 1 is not an object"),
    "a message without a role": ({"messages": [{"content": "Hi"}]}, "message 1 lacks the field 'role'"),
    "content that is null": (says("Hi", None), "message 2 lacks the field 'content'"),
    "a role of sharegpt among messages": (
        says("Hi", "Hello.", roles=("human", "gpt")),
        "message 1 has the role 'human'",
    ),
    "a tool's message": (
        says("Hi", "3", "Hello.", roles=("user", "tool", "assistant")),
        "message 2 has the role 'tool'",
    ),
    "a system message that is not first": (says("Hi", "Be kind.", roles=("user", "system")), "message 2 has the role"),
    "a system message before an answer": (
        says("Be kind.", "Hi", roles=("system", "assistant")),
        "turn 1 is the assist",
    ),
    "a system message alone": (says("Be kind.", roles=("system",)), "there is no answer"),
    "an answer first": (says("Hello.", "Hi", roles=("assistant", "user")), "turn 1 is the assistant's"),
    "two questions in a row": (says("Hi", "Hello?", roles=("user", "user")), "turn 2 is the user's"),
    "two answers in a row": (shared(("human", "a"), ("gpt", "b"), ("bing", "c")), "turn 3 is the assistant's"),
    "an empty answer": (says("Hi", ""), "turn 2 (the assistant's) is empty"),
    "an answer of spaces": (says("Hi", " \n\t"), "turn 2 (the assistant's) is empty"),
    "an empty question": (says("", "Hello."), "turn 1 (the user's) is empty"),
    "no answer": (says("Hi"), "there is no answer"),
    "half a character": (says("Hi", "\ud83d"), "half a character"),
    "text that is no string": ({"text": ["Hi"]}, "field 'text' is not a string"),
    "text that is null": ({"text": None}, "field 'text' is not a string"),
    "text without markers": ({"text": "Hi. Hello."}, "field 'text' does not start with '### Human:'"),
    "text before the first marker": ({"text": "S. ### Human: Hi### Assistant: A."}, "field 'text' does not start with"),
    "text that starts with the answer": ({"text": "### Assistant: Hello."}, "turn 1 is the assistant's"),
    "text with an empty answer": ({"text": "### Human: Hi### Assistant: "}, "turn 2 (the assistant's) is empty"),
    "a value that is missing": ({"conversations": [{"from": "human"}]}, "message 1 lacks the field 'value'"),
    "an unknown speaker": (shared(("human", "Hi"), ("alien", "Hello.")), "message 2 has the role 'alien'"),
    "conversations that are no list": ({"conversations": {}}, "field 'conversations' is not a list"),
    "an instruction that is null": ({"instruction": None, "output": "a"}, "field 'instruction' is None"),
    "an empty instruction": ({"instruction": " ", "input": "x", "output": "a"}, "turn 1 (the user's) is empty"),
    "an empty output": ({"instruction": "Hi", "output": ""}, "turn 2 (the assistant's) is empty"),
    "an output that is a number": ({"instruction": "Hi", "output": 4}, "field 'output' is 4"),
    "a tree without an answer": ({"message_tree_id": "t", "prompt": node("Hi")}, "there is no answer"),
    "a tree that is text": ({"message_tree_id": "t", "prompt": "Hi"}, "message 1 of the path has no text or no role"),
    "a tree with another role": (
        {"message_tree_id": "t", "prompt": node("Hi", node("a", role="system"))},
        "message 2 of the path has no text or no role of prompter or assistant",
    ),
    "a tree with text for an answer": (
        {"message_tree_id": "t", "prompt": node("Hi", "Hello.")},
        "message 2 of the path has no text",
    ),
    "a tree that answers itself": (
        {"message_tree_id": "t", "prompt": node("Hi", node("Hello?"))},
        "turn 2 is the user's",
    ),
}


@pytest.mark.parametrize(("row", "what"), BAD.values(), ids=BAD)
def test_a_bad_row_says_what_is_wrong(row, what):
    problem = only(row)
    assert problem.where == "row 0"
    assert problem.what.startswith(what)
    assert problem.fix


@pytest.mark.parametrize(
    "row",
    [
        says("Hi", "Hello.", "And now?"),
        {"text": "### Human: Hi### Assistant: Hello.### Human: And now?"},
        shared(("human", "Hi"), ("gpt", "Hello."), ("human", "And now?")),
        {"message_tree_id": "t", "prompt": node("Hi", reply("Hello.", node("And now?")))},
    ],
)
def test_a_last_question_without_an_answer_is_cut_off(row):
    assert only(row).turns == TURNS


# Each shape


def test_guanacos_text_and_messages_give_the_same_chat():
    # The start of a row as Guanaco has them: no newline before the markers, newlines and a '###' inside a turn.
    text = "### Human: What is 2+2?\nBe brief.### Assistant: ### Sum\n\n4### Human: And 3+3?### Assistant: 6"
    same = says("What is 2+2?\nBe brief.", "### Sum\n\n4", "And 3+3?", "6")
    assert only({"text": text}) == only(same)
    assert [turn.role for turn in only(same).turns] == ["user", "assistant", "user", "assistant"]


SAID = st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(lambda said: said and "###" not in said)


@given(
    contents=st.lists(st.tuples(SAID, SAID), min_size=1, max_size=4), spaces=st.sampled_from(["", " ", "\n", " \n\n"])
)
def test_multi_turn_shapes_hold_the_same_words(contents, spaces):
    flat = [said for pair in contents for said in pair]
    spaced = [f"{spaces}{said}{spaces}" for said in flat]
    text = "".join(f"{('### Human:', '### Assistant:')[n % 2]}{said}" for n, said in enumerate(spaced))
    tree = None
    rows = []
    for n in reversed(range(len(spaced))):
        tree = node(spaced[n], *([tree] if tree else []), role=("prompter", "assistant")[n % 2])
        rows.append(message(n, n - 1 if n else None, ("prompter", "assistant")[n % 2], text=spaced[n]))
    read = [
        only({"text": text}),
        only(says(*spaced)),
        only(shared(*[(("human", "gpt")[n % 2], said) for n, said in enumerate(spaced)])),
        only({"message_tree_id": "t", "prompt": tree}),
        *chats_of(*rows),
    ]
    assert len(read) == 5
    assert {chat.turns for chat in read} == {read[0].turns}
    assert [turn.content for turn in read[0].turns] == flat


def test_what_a_system_message_says_begins_the_first_question():
    roles = ("system", "user", "assistant", "user")
    chat = only(says("Be kind. ", "Hi", "Hello.", "Bye", roles=roles))
    assert chat.turns == (Turn("user", "Be kind.\n\nHi"), Turn("assistant", "Hello."))
    chat = only(
        shared(("system", "Be kind."), ("user", "Hi"), ("chatgpt", "Hello."), ("human", "Bye"), ("bing", "Bye."))
    )
    assert [turn.content for turn in chat.turns] == ["Be kind.\n\nHi", "Hello.", "Bye", "Bye."]


def test_an_empty_system_message_is_dropped():
    assert only(says(" ", "Hi", "Hello.", roles=("system", "user", "assistant"))).turns == TURNS


@pytest.mark.parametrize("about", [{}, {"input": None}, {"input": ""}, {"input": " \n"}])
def test_alpaca_may_be_without_input(about):
    assert only({"instruction": " Hi ", "output": "Hello.\n", **about}).turns == TURNS


def test_alpacas_input_follows_the_instruction_after_a_blank_line():
    chat = only({"instruction": "Translate.", "input": "Hola\n", "output": "Hello."})
    assert chat.turns == (Turn("user", "Translate.\n\nHola"), Turn("assistant", "Hello."))


def test_named_columns_are_read():
    row = {"frage": "Wer?", "antwort": "Ich.", "text": "Das bin ich.", "sprache": "deu_Latn", "nr": 4, "id": "no"}
    named = Columns("frage", "antwort", context="text", language="sprache", id="nr")
    assert only(row, columns=named) == Chat(
        "4", (Turn("user", "Wer?\n\nDas bin ich."), Turn("assistant", "Ich.")), "de"
    )
    assert only(row, columns=Columns("frage", "antwort")) == Chat(
        "no", (Turn("user", "Wer?"), Turn("assistant", "Ich."))
    )


def test_named_columns_tell_the_shape_of_no_row():
    row = {"messages": "Hi", "output": "Hello.", "message_tree_id": "t", "prompt": {}}
    assert only(row, columns=Columns("messages", "output")) == Chat("0", TURNS)


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        (Columns("q", "b"), "there is no column 'q' among ['a', 'b', 'c', 'n']"),
        (Columns("a", "b", context="q"), "there is no column 'q' among"),
        (Columns("a", "n"), "field 'n' is 3"),
        (Columns("a", "b", context="n"), "field 'n' is 3"),
        (Columns("a", "b", language="n"), "field 'n' is 3"),
        (Columns("a", "b", id="c"), "field 'c' is []"),
    ],
)
def test_named_columns_must_be_there_and_hold_text(columns, what):
    assert only({"a": "Hi", "b": "Hello.", "c": [], "n": 3}, columns=columns).what.startswith(what)


# OpenAssistant's trees


def test_the_best_ranked_reply_is_taken_at_each_level():
    second = node("more", reply("no rank"), reply("worse", rank=2), reply("best", rank=1))
    tree = node("Hi", reply("no", rank=3), reply("yes", second, rank=0), reply("none"))
    chat = only({"message_tree_id": "t", "prompt": tree})
    assert [turn.content for turn in chat.turns] == ["Hi", "yes", "more", "best"]


def test_of_replies_without_a_rank_the_first_is_taken():
    tree = node("Hi", reply("first", rank=None), reply("second"))
    assert only({"message_tree_id": "t", "prompt": tree}).turns[1].content == "first"


@pytest.mark.parametrize("flaw", [{"deleted": True}, {"review_result": False}])
def test_replies_that_were_taken_back_are_passed_over(flaw):
    tree = node("Hi", reply("bad", node("why?", reply("so")), rank=0, **flaw), reply("good", rank=1))
    assert only({"message_tree_id": "t", "prompt": tree}).turns == (Turn("user", "Hi"), Turn("assistant", "good"))


@pytest.mark.parametrize("mark", [{"deleted": False}, {"review_result": True}, {"review_result": None}])
def test_other_replies_stand(mark):
    tree = node("Hi", reply("Hello.", rank=0, **mark), reply("no", rank=1))
    assert only({"message_tree_id": "t", "prompt": tree}).turns == TURNS


@pytest.mark.parametrize(("lang", "code"), [("en", "en"), ("pt-BR", "pt"), ("zh", "zh"), ("eo", None), (None, None)])
def test_a_tree_has_the_id_of_the_tree_and_the_language_of_its_prompt(lang, code):
    chat = only({"message_tree_id": "abc", "prompt": node("Hi", reply("Hello.", lang="fr"), lang=lang)})
    assert chat == Chat("abc", TURNS, code)


def test_a_deep_tree_is_read():
    tree = node("0")
    for n in range(1, 3000):
        tree = node(str(n), tree, role=("prompter", "assistant")[n % 2])
    assert len(only({"message_tree_id": "t", "prompt": node("q", tree)}).turns) == 3000


FLAT = [
    message("q", lang="es"),
    message("a1", "q", "assistant", rank=1),
    message("a0", "q", "assistant", rank=0),
    message("q2", "a0"),
    message("b", "q2", "assistant", deleted=True),
    message("c", "q2", "assistant", review_result=True),
]


@given(st.permutations(FLAT))
def test_messages_make_the_tree_that_they_are_in_whatever_order(rows):
    said = ["q", "a0", "q2", "c"]
    turns = tuple(Turn(("user", "assistant")[n % 2], words) for n, words in enumerate(said))
    assert chats_of(*rows) == [Chat("t", turns, "es")]


def test_trees_of_messages_stand_one_after_the_other_among_other_rows():
    other = [{**row, "message_tree_id": "u"} for row in FLAT]
    read = chats_of(says("Hi", "Hello."), *FLAT, *other, says("Hi", "Hello."))
    assert [chat.id for chat in read] == ["0", "t", "u", "13"]


def test_messages_are_gathered_one_tree_at_a_time():
    def rows():
        for tree in range(1000):
            taken.append(tree)
            for row in FLAT:
                yield Row("x", {**row, "message_tree_id": str(tree)})

    taken = []
    assert next(chats(rows())).id == "0"
    assert taken == [0, 1]


def test_a_parent_that_is_null_is_none():
    # As in the table of the hub set, in which each row has all columns.
    rows = [{"parent_id": None, "rank": None, "deleted": None, **row} for row in FLAT]
    assert chats_of(*rows) == chats_of(*FLAT)


def test_a_tree_that_comes_apart_is_a_problem():
    other = {**message("x"), "message_tree_id": "u"}
    problems = chats_of(*FLAT[:3], other, *FLAT[3:])[1:]
    assert [problem.what for problem in problems] == [
        "there is no answer",
        "the message answers 'a0', which is not among the rows of its tree next to it",
    ]
    assert problems[1].where == "row 4"


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([message("a"), message("b")], "a tree of 2 messages has 2 without a parent and 2 ids"),
        ([message("a"), message("a", "a")], "a tree of 2 messages has 1 without a parent and 1 ids"),
        ([message("a", "b"), message("b", "a")], "a tree of 2 messages has 0 without a parent and 2 ids"),
    ],
)
def test_messages_that_make_no_tree_are_a_problem(rows, what):
    [problem] = chats_of(*rows)
    assert (problem.where, problem.what) == ("row 0", what)
