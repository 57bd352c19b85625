from __future__ import annotations

import asyncio
import json

import pytest

from asking import MODEL, Bench, bench
from babeltune.generate.asking.address import Endpoint
from babeltune.generate.asking.reply import Fault, Reply
from babeltune.generate.asking.wire import Wire, encode
from faultserver import KEY


@pytest.fixture
def asked(tmp_path):
    with bench(tmp_path) as made:
        yield made


def posted(
    asked: Bench, *prompts: str, key: str = KEY, url: str = "", timeout: float = 10.0
) -> list[tuple[Reply | Fault, str]]:
    """What comes of one call each."""

    async def run(wire: Wire) -> list[tuple[Reply | Fault, str]]:
        calls = []
        for prompt in prompts:
            body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}]}
            calls.append(await wire.post("/chat/completions", encode(body), ("STOP",)))
        await wire.close()
        return calls

    return asyncio.run(run(Wire(Endpoint(MODEL, url or asked.url, timeout=timeout), key)))


def test_what_is_sent_is_json_in_utf_8():
    assert encode({"a": "Grüße", "b": [1, None]}) == '{"a":"Grüße","b":[1,null]}'.encode()
    assert json.loads(encode({"a": "\ud800 half"})) == {"a": "\ud800 half"}


def test_where_nobody_listens_nothing_was_paid(asked):
    ((said, raw),) = posted(asked, "Hi", url="http://127.0.0.1:9/v1")
    assert isinstance(said, Fault)
    assert (said.means, said.maybe_paid, said.unreached, raw) == ("again", False, True, "")
    assert said.reason.startswith("no connection (")
    ((said, _),) = posted(asked, "Hi", url="http://no-such-host.invalid/v1")
    assert isinstance(said, Fault)
    assert said.unreached


def test_an_error_says_its_status_and_how_long_to_wait(asked):
    (said, _), (later, raw) = posted(asked, "<<429:7>>", "<<503>>")
    assert isinstance(said, Fault)
    assert isinstance(later, Fault)
    assert (said.status, said.code, said.wait) == (429, "rate_limit_exceeded", 7.0)
    assert (later.status, later.wait, later.maybe_paid) == (503, None, False)
    assert json.loads(raw)["error"]["message"] == "The server says 503."


def test_a_broken_connection_is_not_used_again(asked):
    said = [one for one, _ in posted(asked, "a", "<<reset>>", "b", "<<reset0>>", "c")]
    assert [isinstance(one, Reply) for one in said] == [True, False, True, False, True]


@pytest.mark.parametrize(
    ("variables", "through"),
    [
        ({"http_proxy": "{proxy}"}, True),
        ({"all_proxy": "{proxy}"}, True),
        ({"http_proxy": "{proxy}", "no_proxy": "example.invalid"}, False),
        ({"https_proxy": "{proxy}"}, False),
        ({}, False),
    ],
)
def test_a_proxy_of_the_environment_is_used_for_servers_elsewhere(asked, monkeypatch, variables, through):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(proxy=asked.url.removesuffix("/v1")))
    ((said, _),) = posted(asked, "<<ok>>", url="http://api.example.invalid/v1")
    assert isinstance(said, Fault)
    assert (said.status == 404, said.unreached) == (through, not through)  # the tests' server is asked, and is no proxy


def test_a_proxy_of_the_environment_is_not_asked_for_servers_of_this_machine(asked, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody listens there
    ((said, _),) = posted(asked, "<<ok>>")
    assert isinstance(said, Reply)
