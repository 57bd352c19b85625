from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.generate.asking.reply import UnreadableError, fault, read, refusal


def body(content: Any = "Yes.", finish: str | None = "stop", **changed: Any) -> str:
    choice = {"message": {"content": content}, "finish_reason": finish}
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5}}
    return json.dumps({"model": "m-1", "choices": [choice], "usage": usage, **changed})


def test_an_answer_is_read_whole():
    reply = read(body("  Yes.\n"))
    assert (reply.state, reply.text, reply.finish, reply.answered_by) == ("answered", "  Yes.\n", "eos", "m-1")
    assert (reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens, reply.metered) == (9, 5, 4, True)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": 4}, {"prompt_tokens": 9}])
def test_a_reply_that_does_not_count_its_tokens_is_not_metered(usage):
    assert not read(body(usage=usage)).metered


def test_how_it_ended():
    assert read(body(finish="length")).finish == "length"
    assert read(body(finish=None)).finish == "eos"
    stopped = json.dumps({"choices": [{"text": "a", "finish_reason": "stop", "stop_reason": "### H"}]})
    assert read(stopped).finish == "stop"
    assert read(body("a ### Human b"), ("### Human", "###")).text == "a "
    assert read(body("a ### Human b"), ("### Human",)).finish == "stop"


def test_a_completion_may_end_at_once_and_a_chat_not():
    assert read(json.dumps({"choices": [{"text": "", "finish_reason": "stop"}]})).state == "answered"
    for content in ("", None, " \n", 7, {}, []):
        assert read(body(content)).state == "empty"
    assert read(body("### Human", "stop"), ("###",)).state == "empty"
    assert read(json.dumps({"choices": [{"text": None}]})).state == "empty"
    assert "raise max_tokens" in read(body("", "length")).reason


def test_parts_of_text_are_put_together():
    parts = [{"type": "text", "text": "Ye"}, {"type": "thinking"}, {"type": "text", "text": "s."}, 3]
    assert read(body(parts)).text == "Yes."


def test_a_refusal_is_told_from_an_answer():
    declined = json.dumps({"choices": [{"message": {"content": None, "refusal": "No."}, "finish_reason": "stop"}]})
    assert (read(declined).state, read(declined).reason) == ("refused", "the model declined: No.")
    assert read(body("half", "content_filter")).state == "refused"
    assert refusal(declined) == "the model declined: No."
    filtered = json.dumps({"error": {"message": "It is filtered.", "code": "content_filter"}})
    assert "It is filtered." in refusal(filtered)


@pytest.mark.parametrize(
    "raw",
    ["", b'{"choices": "\xff"}', "{", "[" * 100_000, "<html></html>", "[]", "null", "7", "{}", '{"choices": []}', '{"choices": 3}', '{"choices": [3]}',
     '{"error": {"message": "overloaded"}}', '{"choices": [{"finish_reason": "error", "message": {"content": "ha"}}]}'],
)  # fmt: skip
def test_what_is_no_reply_is_not_read(raw):
    with pytest.raises(UnreadableError):
        read(raw)


def test_a_servers_own_words_are_repeated():
    with pytest.raises(UnreadableError, match="the reply has no choices: overloaded"):
        read('{"error": {"message": "overloaded"}}')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["choices", "message", "content", "usage", "prompt_tokens", "model", "error", "text", "refusal",
                         "finish_reason", "completion_tokens", "prompt_tokens_details", "cached_tokens", "code"]), inner),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_any_json_is_read_or_told(value):
    raw = json.dumps(value)
    try:
        reply = read(raw, ("a",))
    except UnreadableError:
        return
    assert reply.state in ("answered", "empty", "refused")
    assert min(reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens) >= 0
    assert bool(reply.text) <= (reply.state == "answered")


@given(json_values | st.text(), st.sampled_from([400, 401, 404, 422, 429, 500, 503]))
def test_any_error_is_read(value, status):
    told = fault(status, value if isinstance(value, str) else json.dumps(value))
    assert told.means in ("again", "refused", "failed", "fatal")
    assert told.reason.startswith(f"HTTP {status}")
    assert len(told.reason) < 400


def error(message: str = "no", **changed: Any) -> str:
    return json.dumps({"error": {"message": message, **changed}})


@pytest.mark.parametrize(
    ("status", "raw", "means"),
    [
        *((status, error(), "again") for status in (408, 409, 429, 500, 502, 503, 504, 529)),
        *((status, error(), "fatal") for status in (401, 402, 403, 404, 405)),
        *((status, error(), "failed") for status in (400, 413, 415, 422)),
        (429, error(code="insufficient_quota"), "fatal"),
        (400, error(code="model_not_found"), "fatal"),
        (400, error(code="content_filter"), "refused"),
        (400, error(innererror={"code": "ResponsibleAIPolicyViolation"}), "refused"),
        (403, error("Your chosen model requires moderation and your input was flagged"), "refused"),
        (500, "<html>", "again"),
        (500, "[" * 100_000, "again"),
        (400, '{"detail": [{"loc": ["body", "seed"]}]}', "failed"),
        (400, '{"object": "error", "message": "too long", "code": 400}', "failed"),
    ],
)
def test_what_an_error_means_for_other_tries_and_other_requests(status, raw, means):
    assert fault(status, raw).means == means


def test_an_error_is_read_in_the_forms_that_servers_have():
    openai = fault(400, error("Bad 'seed'.", code="unsupported_parameter", param="seed"), 2.5)
    assert (openai.reason, openai.code, openai.param, openai.wait, openai.status) == (
        "HTTP 400: Bad 'seed'.", "unsupported_parameter", "seed", 2.5, 400
    )  # fmt: skip
    assert fault(404, '{"object": "error", "message": "no such model"}').reason == "HTTP 404: no such model"
    assert fault(422, '{"detail": "Unprocessable"}').reason == "HTTP 422: Unprocessable"
    assert fault(500, '{"error": "boom"}').reason == "HTTP 500: boom"
    assert fault(502, "<html>\n Bad\tGateway </html>").reason == "HTTP 502: <html> Bad Gateway </html>"
    assert fault(500, "").reason == "HTTP 500"
