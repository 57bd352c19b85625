from __future__ import annotations

import json

import pytest

from asking import COLD, SCHEMA, judge
from babeltune.errors import EngineError
from babeltune.generate.asking.dialect import Dialect
from babeltune.generate.asking.reply import Reply
from babeltune.generate.endpoint import HELD, holds
from babeltune.generate.ledger import messages_of
from babeltune.records import Request, Sampling


def body(dialect: Dialect, **changed: object) -> dict[str, object]:
    return dialect.body("m", judge("Hi", **changed))


def test_a_chat_is_sent_with_all_that_changes_its_answer():
    sampling = Sampling(0.5, 0.9, 7, ("###",))
    assert body(Dialect(), sampling=sampling, seed=3, schema="") == {
        "model": "m",
        "messages": [{"role": "system", "content": "You judge."}, {"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 7,
        "seed": 3,
        "stop": ["###"],
    }
    held = body(Dialect())["response_format"]
    assert held == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": json.loads(SCHEMA), "strict": True},
    }


def test_an_empty_system_message_is_none():
    assert messages_of(judge("Hi", system="")) == [{"role": "user", "content": "Hi"}]


def test_a_text_is_sent_as_it_stands_and_held_to_nothing():
    sent = Dialect().body("m", Request("a", "c", "Once", COLD, 0, schema=SCHEMA))
    assert sent["prompt"] == "Once"
    assert not {"messages", "response_format"} & sent.keys()


def test_a_schema_that_is_no_json_is_told():
    with pytest.raises(EngineError, match="cell, request Hi: its schema is no JSON"):
        body(Dialect(), schema="{")


REFUSALS = [
    # openai.com, 2025
    ("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
     "max_tokens", {"max_tokens"}),
    ("Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
     "temperature", {"temperature"}),
    ("Unsupported parameter: 'top_p' is not supported with this model.", "top_p", {"top_p"}),
    ("Unrecognized request argument supplied: seed", "seed", {"seed"}),
    ("Unknown parameter: 'stop'.", None, {"stop"}),
    ("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.", "response_format", set()),
    # pydantic, of servers that take no other fields
    ('[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted"}]', None, {"seed"}),
    ("This response_format type is unavailable now", None, set()),
    ("Invalid schema for response_format 'answer': 'required' is required to be supplied.", "response_format", set()),
]  # fmt: skip


@pytest.mark.parametrize(("message", "param", "gone"), REFUSALS)
def test_a_refusal_teaches_what_to_leave_out(message, param, gone):
    dialect = Dialect()
    before = body(dialect, sampling=Sampling(0.0, 0.9, 7, ("a",)))
    assert dialect.learn(before, f"HTTP 400: {message}", param)
    after = body(dialect, sampling=Sampling(0.0, 0.9, 7, ("a",)))
    assert before.keys() - after.keys() == gone
    if not gone:
        assert after["response_format"] == {"type": "json_object"}
    assert after != before
    # The same refusal of what was under way teaches nothing new, but the request may be sent again.
    assert dialect.learn(before, f"HTTP 400: {message}", param)
    assert body(dialect, sampling=Sampling(0.0, 0.9, 7, ("a",))) == after


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens.",
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens.",
        "Invalid 'messages[0].content': string too long.",
        "The seed of the matter is that you said too much.",
        "",
    ],
)
def test_what_is_wrong_with_one_request_teaches_nothing(message):
    dialect = Dialect()
    before = body(dialect)
    assert not dialect.learn(before, f"HTTP 400: {message}", None)
    assert body(dialect) == before


def test_learning_ends():
    """Whatever a server refuses for ever, there is an end of leaving out."""
    dialect = Dialect()
    for message, param, _ in REFUSALS * 3:
        for _ in range(9):
            dialect.learn(body(dialect), message, param)
    sent = body(dialect)
    assert sent.keys() == {"model", "messages", "max_completion_tokens"}
    assert not any(dialect.learn(sent, message, param) for message, param, _ in REFUSALS)


def said(text: str, **changed: object) -> Reply:
    return Reply(**{"state": "answered", "text": text, "finish": "eos", "answered_by": "m", "prompt_tokens": 1,
                    "cached_tokens": 0, "completion_tokens": 1, "metered": True, **changed})  # fmt: skip


def test_a_schema_is_held_where_only_it_explains_the_answer():
    (word,) = json.loads(HELD.schema)["properties"]["word"]["enum"]
    assert word not in HELD.prompt
    assert "JSON" in HELD.prompt  # without which OpenAI refuses JSON mode
    assert holds("schema", said(json.dumps({"word": word})))
    assert not holds("schema", said('{"word": "hello"}'))
    assert not holds("schema", said("hello"))
    assert holds("json", said('{"word": "hello"}'))
    assert not holds("json", said('"hello"'))
    assert not holds("json", said("```json\n{}\n```"))
    assert holds("text", said("hello"))


def test_an_answer_that_did_not_end_shows_nothing_against_a_schema():
    assert holds("schema", said("Let me think", finish="length"))
    assert holds("schema", said("", state="empty", finish="failed"))
    assert holds("schema", said("", state="refused", finish="refused"))
