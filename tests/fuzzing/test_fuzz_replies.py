"""A judge's replies: bodies off the wire and texts of verdicts, whatever they are."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mutations import SCALARS, as_json, bent, few, many, torn

from babeltune.generate.asking.reply import Fault, Reply, UnreadableError, fault, read
from babeltune.measure.judge.grade import Grade, parse

VERDICT = {"reasoning": "It says what bread is.", "score": 5}
BODY: dict[str, Any] = {
    "id": "x", "object": "chat.completion", "created": 1, "model": "judge-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": json.dumps(VERDICT), "refusal": None}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "prompt_tokens_details": {"cached_tokens": 3}},
}  # fmt: skip
TEXT: dict[str, Any] = {
    **BODY,
    "object": "text_completion",
    "choices": [{"index": 0, "text": "Brot.", "finish_reason": "length"}],
}
ERROR: dict[str, Any] = {
    "error": {"message": "Rate limit reached.", "type": "x", "param": None, "code": "rate_limit_exceeded"}
}
TEXTS = (
    json.dumps(VERDICT), f"```json\n{json.dumps(VERDICT)}\n```", "<think>hm</think> {\"score\": 3}", "Score: 4/6", "I cannot judge this.", "", "{\"score\": \"5\"}",
    "{'reasoning': 'a \"b\" c', 'score': 2,}", "{\"reasoning\": \"score: 1\", \"score\": 6} {\"score\": 1}",
)  # fmt: skip


def replied(raw: bytes | str) -> None:
    try:
        found = read(raw)
    except UnreadableError:
        return
    assert isinstance(found, Reply)
    assert isinstance(found.text, str)
    for tokens in (found.prompt_tokens, found.cached_tokens, found.completion_tokens):
        assert isinstance(tokens, int)
        assert tokens >= 0
    graded(found.text)


def failed(raw: str, status: int) -> None:
    found = fault(status, raw)
    assert isinstance(found, Fault)
    assert found.reason.strip()
    assert found.wait is None or math.isfinite(found.wait)
    assert len(found.reason) < 10_000


def graded(reply: str, submission: str = "") -> None:
    found = parse(reply, submission)
    assert isinstance(found, Grade)
    if found.state in ("ok", "repaired"):
        assert found.score in range(1, 7)
    else:
        assert found.score is None
        assert found.detail.strip()


FOUND = (
    b"[" * 100_000, b'{"choices":' * 50_000, b"9" * 10_000, b"NaN", b'{"choices": [{"message": {"content": NaN}}]}', b"\xff\xfe\x00", b"", b"null", b'"x"', b"[]", b"{}",
    b'{"choices": [{"message": {"content": "\\ud83d"}}]}', b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 1e400, "completion_tokens": -5}}',
    b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": true, "completion_tokens": "9"}}', b'{"choices": {"0": 1}}', b'{"choices": [[]]}',
    b'{"choices": [{"message": {"content": [{"type": "text", "text": null}]}}]}', b'{"choices": [{"message": {"content": "x"}, "finish_reason": {"a": 1}}], "model": []}',
)  # fmt: skip


@pytest.mark.parametrize("raw", FOUND, ids=range(len(FOUND)))
def test_what_might_break_the_reading_does_not(raw: bytes) -> None:
    replied(raw)
    failed(raw.decode("utf-8", "replace"), 500)
    graded(raw.decode("utf-8", "replace"))


@few(60)
@given(value=st.sampled_from([BODY, TEXT]).flatmap(bent))
def test_a_bent_body_is_read_or_told(value: Any) -> None:
    replied(as_json(value))


@few(40)
@given(raw=st.sampled_from([BODY, TEXT]).map(as_json).flatmap(torn))
def test_a_torn_body_is_read_or_told(raw: bytes) -> None:
    replied(raw)
    replied(raw.decode("utf-8", "replace"))


@few(40)
@given(value=bent(ERROR), status=st.sampled_from([300, 400, 401, 403, 404, 408, 413, 422, 429, 500, 503, 529, 999]))
def test_a_bent_error_is_read(value: Any, status: int) -> None:
    failed(as_json(value).decode("utf-8", "replace"), status)


@few(60)
@given(value=bent(VERDICT), submission=st.sampled_from(["", *TEXTS]))
def test_a_bent_verdict_is_read_or_told(value: Any, submission: str) -> None:
    graded(as_json(value).decode("utf-8", "replace"), submission)


@few(60)
@given(
    text=st.sampled_from(TEXTS).map(str.encode).flatmap(torn),
    submission=st.sampled_from(["", *TEXTS]) | st.text(max_size=30),
)
@example(text=b'{"score": 1e999}', submission="")
@example(text=b'{"score": 99999999999999999999999999}', submission="")
def test_a_torn_verdict_is_read_or_told(text: bytes, submission: str) -> None:
    graded(text.decode("utf-8", "replace"), submission)


@pytest.mark.slow
@many()
@given(value=st.sampled_from([BODY, TEXT]).flatmap(lambda whole: bent(whole, most=6)), data=st.data())
def test_many_bent_and_torn_bodies_are_read_or_told(value: Any, data: st.DataObject) -> None:
    replied(data.draw(torn(as_json(value))))
    replied(as_json(value))


@pytest.mark.slow
@many()
@given(value=bent(ERROR, most=6), status=st.integers(300, 599))
def test_many_bent_errors_are_read(value: Any, status: int) -> None:
    failed(as_json(value).decode("utf-8", "replace"), status)


@pytest.mark.slow
@many()
@given(
    value=bent(VERDICT, most=6) | st.sampled_from(TEXTS),
    data=st.data(),
    submission=st.sampled_from(["", *TEXTS]) | st.text(max_size=40),
)
def test_many_bent_and_torn_verdicts_are_read_or_told(value: Any, data: st.DataObject, submission: str) -> None:
    text = value.encode() if isinstance(value, str) else as_json(value)
    graded(data.draw(torn(text)).decode("utf-8", "replace"), submission)


@pytest.mark.slow
@many()
@given(score=SCALARS, reasoning=SCALARS)
def test_any_score_is_on_the_scale_or_none(score: Any, reasoning: Any) -> None:
    graded(json.dumps({"reasoning": reasoning, "score": score}))
