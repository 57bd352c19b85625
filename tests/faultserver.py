"""A server on localhost that speaks the chat-completions protocol over real HTTP and fails as it is told to.

What goes wrong is written in the prompt, so that it is the same in another process and after a restart: ``<<429:0.05,
reset,ok>>`` has the first try of this prompt answered with 429 and ``Retry-After: 0.05``, the second cut off, all later
ones answered. A prompt without a script is always answered, with ``answer(prompt, seed)``. The words are in ``FAULTS``.

    python tests/faultserver.py --port 0 --latency 0.05

prints its address, then serves until it is ended.
"""

from __future__ import annotations

import argparse
import asyncio
import email.utils
import json
import re
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

KEY = "sk-test-0123456789abcdef"
SCRIPT = re.compile(r"<<([^<>]*)>>")

FAULTS = {
    "ok": "an answer",
    "429": "too many requests; `429:SECONDS` with Retry-After",
    "429ms": "`429ms:N` with retry-after-ms",
    "429date": "`429date:SECONDS` with Retry-After as a date",
    "quota": "429 with the code insufficient_quota",
    **dict.fromkeys(
        ("301", "400", "401", "402", "403", "404", "408", "409", "500", "502", "503"), "with an error in JSON"
    ),
    "html": "200 with a page of HTML",
    "400filter": "400 with the code content_filter",
    "echo": "400 whose message repeats the Authorization header",
    "long": "400: the prompt fills the context",
    "hang": "headers never come",
    "stall": "half of the body, then silence",
    "drip": "the body byte by byte, so slowly that it never ends",
    "gzip": "a body that is said to be packed, and is not",
    "reset": "half of the body, then the connection is reset",
    "reset0": "reset before the first byte",
    "slow": "the first byte comes 0.2 s late",
    "truncated": "half of the JSON, as if it were whole",
    "fenced": "the answer in a Markdown fence",
    "two": "two JSON objects",
    "string": "the score as a string",
    "seven": "a score of 7",
    "empty": "content is an empty string",
    "null": "content is null",
    "refusal": "the refusal field is set",
    "filter": "finish_reason is content_filter",
    "cut": "finish_reason is length",
    "other": "another model's name in the reply",
    "nousage": "a reply without usage",
}


def answer(prompt: str, seed: int | None) -> str:
    """A verdict that hangs on prompt and seed alone."""
    score = zlib.crc32(f"{prompt}|{seed}".encode()) % 6 + 1
    return json.dumps({"reasoning": f"It says {prompt[:24]!r}.", "score": score})


def tokens(text: str) -> int:
    """A word counts as a token."""
    return len(text.split())


@dataclass
class Server:
    """What the server is; ``counts`` says how often each (prompt, seed) was asked."""

    latency: float = 0.0
    models: tuple[str, ...] = ("judge-1",)
    key: str | None = None
    """Asked of every client; None asks for none."""
    schemas: str = "schema"
    """Best response format: ``schema``, ``json``, ``ignored`` (any is taken, none is held to), ``none`` (400)."""
    refuses: tuple[str, ...] = ()
    """Fields that are answered with 400."""
    ratio: int = 0
    """Every so-manieth request fails with a 503 whatever it says; 0 for none."""
    counts: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """All that was asked, in order, where ``keep`` is set."""
    keep: bool = False
    asked: int = 0
    paid: Counter[str] = field(default_factory=Counter)
    """Of replies that came whole and say it: ``prompt`` and ``completion`` tokens, and ``replies``."""
    billed: Counter[str] = field(default_factory=Counter)
    """The same of all answers, those that never arrived among them: what a provider may charge."""
    flying: int = 0
    most_flying: int = 0
    times: list[float] = field(default_factory=list)
    open: set[asyncio.Transport] = field(default_factory=set)
    """Connections."""

    def refusal(self, head: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """The error that this request deserves whatever its script says."""
        if self.key is not None and f"authorization: bearer {self.key}".lower() not in head.lower():
            return 401, error("Incorrect API key provided.", "invalid_api_key")
        if body.get("model") not in self.models:
            return 404, error(f"The model '{body.get('model')}' does not exist.", "model_not_found", "model")
        for name in self.refuses:
            if name == "temperature" and body.get(name) in (None, 1):
                continue
            if name in body:
                instead = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
                message = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
                return 400, error(message, "unsupported_parameter", name)
        kind = (body.get("response_format") or {}).get("type")
        levels = {"schema": ("json_schema", "json_object"), "json": ("json_object",), "none": ()}
        if kind and self.schemas != "ignored" and kind not in levels[self.schemas]:
            message = f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this model."
            return 400, error(message, None, "response_format")
        return None

    def content(self, prompt: str, body: dict[str, Any]) -> str:
        """The text of an answer, held to the response format as far as the server goes."""
        form = body.get("response_format") or {}
        if form and self.schemas == "ignored":
            return "Of course. Here is what I think."
        if form.get("type") == "json_schema":
            wanted = form["json_schema"]["schema"]["properties"]
            fixed = {name: one["enum"][0] for name, one in wanted.items() if "enum" in one}
            if fixed:
                return json.dumps(fixed)
        return answer(prompt, body.get("seed"))


def error(message: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


class Connection(asyncio.Protocol):
    """One connection, kept alive."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.buffer = b""
        self.transport: asyncio.Transport = None  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.server.open.add(self.transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].decode("latin-1")
            found = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self.buffer) < whole:
                return
            body, self.buffer = self.buffer[end + 4 : whole], self.buffer[whole:]
            self.handle(head, body)

    def handle(self, head: str, body: bytes) -> None:
        method, path, _ = head.split(" ", 2)
        if method == "GET":
            self.get(path)
            return
        sent = json.loads(body)
        server = self.server
        server.asked += 1
        server.flying += 1
        server.most_flying = max(server.flying, server.most_flying)
        if server.keep:
            server.bodies.append(sent)
            server.times.append(time.monotonic())
        if path == "/v1/chat/completions":
            prompt = str(sent["messages"][-1]["content"])
        elif path == "/v1/completions":
            prompt = str(sent["prompt"])
        else:
            self.later(404, {"detail": "Not Found"})
            return
        name = f"{sent.get('seed')}|{prompt}"
        server.counts[name] += 1
        script = SCRIPT.search(prompt)
        words = [word.strip() for word in script[1].split(",")] if script else ["ok"]
        word = words[min(server.counts[name], len(words)) - 1]
        if server.ratio and server.asked % server.ratio == 0:
            word = "503"
        refusal = server.refusal(head, sent)
        if refusal is not None:
            self.later(*refusal)
        else:
            self.act(word, prompt, sent, head, chat="messages" in sent)

    def get(self, path: str) -> None:
        if path.endswith("/models"):
            self.send(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.server.models]})
        elif path == "/asked":
            self.send(200, {"asked": self.server.asked})
        elif path == "/counts":
            told = {name: getattr(self.server, name) for name in ("counts", "asked", "paid", "billed")}
            self.send(200, told)
        else:
            self.send(404, {"detail": "Not Found"})

    def act(self, word: str, prompt: str, sent: dict[str, Any], head: str, chat: bool) -> None:
        word, _, value = word.partition(":")
        if word.startswith("429") or word == "quota":
            headers = {
                "429": [f"Retry-After: {value}"] if value else [],
                "429ms": [f"retry-after-ms: {value}"],
                "429date": [f"Retry-After: {email.utils.formatdate(time.time() + float(value or 0), usegmt=True)}"],
            }.get(word, [])
            code = "insufficient_quota" if word == "quota" else "rate_limit_exceeded"
            self.later(429, error("Rate limit reached.", code), headers)
        elif word == "400filter":
            self.later(400, error("The response was filtered by the content policy.", "content_filter"))
        elif word == "echo":
            found = re.search(r"authorization: (.*)", head, re.IGNORECASE)
            self.later(400, error(f"What is this? {found[1] if found else ''}", "odd"))
        elif word == "long":
            self.later(400, error("This model's maximum context length is 4096 tokens.", "context_length_exceeded"))
        elif word.isdigit():
            self.later(int(word), error(f"The server says {word}.", None))
        elif word == "hang":
            self.server.flying -= 1
        elif word == "reset0":
            self.later_do(self.transport.abort)
        else:
            self.reply(word, prompt, sent, chat)

    def reply(self, word: str, prompt: str, sent: dict[str, Any], chat: bool) -> None:
        text: str | None = self.server.content(prompt, sent) if chat else f" and so on after {prompt[:16]!r}"
        message: dict[str, Any] = {"role": "assistant", "refusal": None}
        finish = "stop"
        if word == "fenced":
            text = f"```json\n{text}\n```"
        elif word == "two":
            text = f"{text}\n{answer(prompt, -1)}"
        elif word == "string":
            text = json.dumps({"reasoning": "", "score": "4"})
        elif word == "seven":
            text = json.dumps({"reasoning": "", "score": 7})
        elif word in ("empty", "filter"):
            text = ""
        elif word == "null":
            text = None
        elif word == "refusal":
            text, message["refusal"] = None, "I cannot help with that."
        if word == "filter":
            finish = "content_filter"
        elif word == "cut":
            finish = "length"
        used = {"prompt_tokens": tokens(prompt), "completion_tokens": tokens(text or "")}
        message["content"] = text
        choice = {"index": 0, "finish_reason": finish, **({"message": message} if chat else {"text": text})}
        body: dict[str, Any] = {
            "id": "reply-1",
            "object": "chat.completion" if chat else "text_completion",
            "created": 0,
            "model": "judge-other" if word == "other" else sent["model"],
            "choices": [choice],
        }
        if word != "nousage":
            body["usage"] = {**used, "total_tokens": sum(used.values())}
        raw = json.dumps(body).encode()
        bill = {"prompt": used["prompt_tokens"], "completion": used["completion_tokens"], "replies": 1}
        if word != "html":
            self.server.billed.update(bill)
        if word not in ("truncated", "html", "stall", "drip", "gzip", "reset", "nousage"):
            self.server.paid.update(bill)
        if word == "truncated":
            raw = raw[: len(raw) // 2]
        elif word == "html":
            raw = b"<html><body>Welcome to the hotel's network.</body></html>"
        if word in ("stall", "reset"):
            self.later_do(lambda: self.half(raw, reset=word == "reset"))
        elif word == "drip":
            self.later_do(lambda: self.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{"))
        elif word == "gzip":
            self.later_do(
                lambda: self.transport.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (len(raw), raw)
                )
            )
        else:
            delay = self.server.latency + (0.2 if word == "slow" else 0)
            asyncio.get_running_loop().call_later(delay, self.write, 200, raw) if delay else self.write(200, raw)

    def half(self, raw: bytes, reset: bool) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        self.transport.write(b"Content-Length: %d\r\n\r\n%b" % (len(raw), raw[: len(raw) // 2]))
        if reset:
            asyncio.get_running_loop().call_later(0.01, self.transport.abort)

    def drip(self, piece: bytes) -> None:
        """A piece now, and a space every few milliseconds for as long as anyone listens."""
        if not self.transport.is_closing():
            self.transport.write(piece)
            asyncio.get_running_loop().call_later(0.02, self.drip, b" ")

    def later(self, status: int, body: dict[str, Any], headers: list[str] | None = None) -> None:
        self.later_do(lambda: self.send(status, body, headers))

    def later_do(self, act: Any) -> None:
        def now() -> None:
            act()
            self.server.flying -= 1

        asyncio.get_running_loop().call_later(self.server.latency, now)

    def send(self, status: int, body: dict[str, Any], headers: list[str] | None = None) -> None:
        raw = json.dumps(body).encode()
        lines = "".join(f"{line}\r\n" for line in headers or [])
        self.transport.write(
            f"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\n{lines}Content-Length: {len(raw)}\r\n\r\n".encode()
            + raw
        )

    def write(self, status: int, raw: bytes) -> None:
        self.server.flying -= 1
        self.transport.write(
            b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (status, len(raw), raw)
        )


async def serve(server: Server, port: int, connection: type[Connection] = Connection) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(lambda: connection(server), "127.0.0.1", port, backlog=512)


@contextmanager
def running(server: Server, connection: type[Connection] = Connection) -> Iterator[str]:
    """The server in a thread of its own; gives its base URL."""
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(serve(server, 0, connection))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(hang_up(server, listening))
        loop.close()


async def hang_up(server: Server, listening: asyncio.Server) -> None:
    """Close all that is open."""
    listening.close()
    while server.open:
        for transport in list(server.open):
            transport.abort()
        await asyncio.sleep(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each reply")
    parser.add_argument("--ratio", type=int, default=0, help="every so-manieth request fails with 503")
    parser.add_argument("--key", help="what clients must bring")
    parser.add_argument("--schemas", default="schema", help="best response format: schema, json, ignored, none")
    given = parser.parse_args()
    server = Server(latency=given.latency, ratio=given.ratio, key=given.key, schemas=given.schemas)

    async def run() -> None:
        listening = await serve(server, given.port)
        print(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1", flush=True)
        await listening.serve_forever()

    asyncio.run(run())


if __name__ == "__main__":
    main()
