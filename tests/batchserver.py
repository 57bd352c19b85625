"""The fault server with files and batches beside chats: OpenAI's batch protocol over real HTTP on localhost.

A batch is worked off when it has been looked at ``looks`` times. What comes of a line is written in its prompt, in the
words of the fault server; what comes of a batch is the next of ``ends``, and of a call the next of ``faults``.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from faultserver import SCRIPT, Connection, Server, error, running, tokens

CALLS = ("upload", "create", "list", "retrieve", "content")


@dataclass
class BatchServer(Server):
    """What the provider is, and all that it was given."""

    looks: int = 1
    """Times that a batch is looked at before it ends."""
    ends: list[str] = field(default_factory=list)
    """How the next batches end, ``completed`` once there is none: ``expired:N``, ``cancelled:N`` after N lines,
    ``failed:MESSAGE``, ``silent:N`` completed with lines N and later in no file."""
    room: int | None = None
    """Requests that may wait at once; a batch that is too many fails."""
    faults: dict[str, list[str]] = field(default_factory=dict)
    """Call -> how the next ones go: ``503`` nothing is done; ``reset`` and ``500`` it is done and not answered;
    ``html``; ``404``; ``ok``."""
    lag: int = 0
    """Lists that do not show a batch yet."""
    forgetful: bool = False
    """Whether metadata are lost."""
    page: int = 100
    """Batches of a list at most."""
    called: Callable[[str], None] = lambda call: None
    """Called when something is done and not yet answered."""
    garbled: bytes = b""
    """What the files of replies begin with."""
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    worked: Counter[str] = field(default_factory=Counter)
    """Key -> times that it was answered, and charged for, in a batch."""
    charged: Counter[str] = field(default_factory=Counter)
    """Tokens at the price of batches: ``prompt``, ``completion``."""
    calls: Counter[str] = field(default_factory=Counter)

    def upload(self, body: bytes) -> dict[str, Any]:
        parts = body.split(b"\r\n--" + body.split(b"\r\n", 1)[0][2:])
        content = next(part.split(b"\r\n\r\n", 1)[1] for part in parts if b'name="file"' in part)
        assert b'name="purpose"\r\n\r\nbatch' in body
        return self._file(content)

    def _file(self, content: bytes) -> dict[str, Any]:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return {"id": name, "object": "file", "bytes": len(content), "created_at": 1, "filename": "x.jsonl",
                "purpose": "batch", "status": "processed"}  # fmt: skip

    def create(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert asked["endpoint"] == "/v1/chat/completions"
        assert asked["completion_window"] == "24h"
        lines = self.files[asked["input_file_id"]].split(b"\n")
        assert lines.pop() == b""
        name = f"batch_{len(self.batches)}"
        self.batches[name] = {
            "id": name, "object": "batch", "endpoint": asked["endpoint"], "completion_window": "24h",
            "input_file_id": asked["input_file_id"], "created_at": int(time.time()), "status": "validating",
            "metadata": None if self.forgetful else asked.get("metadata"), "errors": None, "output_file_id": None,
            "error_file_id": None, "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
        }  # fmt: skip
        waiting = sum(
            one["request_counts"]["total"]
            for one in self.batches.values()
            if one["status"] in ("validating", "in_progress")
        )
        if self.room is not None and waiting > self.room:
            self._fail(self.batches[name], "token_limit_exceeded", "Enqueued token limit reached.")
        self.batches[name]["looks"] = 0
        return self.batches[name]

    def retrieve(self, name: str) -> dict[str, Any] | None:
        batch = self.batches.get(name)
        if batch is not None and batch["status"] in ("validating", "in_progress"):
            batch["looks"] += 1
            batch["status"] = "in_progress"
            if batch["looks"] >= self.looks:
                self._end(batch, self.ends.pop(0) if self.ends else "completed")
        return batch

    def list(self, query: dict[str, list[str]]) -> dict[str, Any]:
        newest = list(reversed(self.batches.values()))
        if self.lag:
            self.lag, newest = self.lag - 1, []
        after = query.get("after", [""])[0]
        ids = [one["id"] for one in newest]
        start = ids.index(after) + 1 if after else 0
        shown = newest[start : start + min(self.page, int(query.get("limit", ["20"])[0]))]
        return {"object": "list", "data": shown, "has_more": start + len(shown) < len(newest)}

    def _fail(self, batch: dict[str, Any], code: str, message: str) -> None:
        batch["status"] = "failed"
        batch["failed_at"] = batch["created_at"] + 1
        batch["errors"] = {"object": "list", "data": [{"code": code, "message": message, "line": 2, "param": None}]}

    def _end(self, batch: dict[str, Any], how: str) -> None:
        status, _, value = how.partition(":")
        if status == "failed":
            self._fail(batch, "invalid_json_line", value)
            return
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        done = lines[: int(value)] if value else lines
        replies, errors = [], []
        for line in done:
            status_code, body = self.work(line)
            said = {"id": "batch_req", "custom_id": line["custom_id"], "error": None,
                    "response": {"status_code": status_code, "request_id": "", "body": body}}  # fmt: skip
            (replies if status_code == 200 else errors).append(said)
        if status in ("expired", "cancelled"):
            errors += [
                {"id": "batch_req", "custom_id": line["custom_id"], "response": None,
                 "error": {"code": f"batch_{status}", "message": f"The batch is {status}."}}
                for line in lines[len(done) :]
            ]  # fmt: skip
        for name, said in (("output_file_id", replies), ("error_file_id", errors)):
            if said:  # in another order than it was asked
                text = "".join(json.dumps(one, ensure_ascii=len(said) % 2 == 0) + "\n" for one in reversed(said))
                batch[name] = self._file(self.garbled + text.encode())["id"]
        batch["status"] = "completed" if status == "silent" else status
        batch[f"{batch['status']}_at"] = batch["created_at"] + 60
        batch["request_counts"] |= {"completed": len(replies), "failed": len(errors)}

    def work(self, line: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
        asked = line["body"]
        refused = self.refusal(f"authorization: bearer {self.key}", asked)
        if refused is not None:
            return refused
        prompt = asked["messages"][-1]["content"]
        script = SCRIPT.search(prompt)
        word = script[1] if script else "ok"
        if word == "400filter":
            return 400, error("The response was filtered by the content policy.", "content_filter")
        if word == "echo":
            return 400, error(f"What is this? Bearer {self.key}", "odd")
        if word.isdigit():
            return int(word), error(f"The server says {word}.", None)
        silent = {"empty": "", "null": None, "refusal": None}
        text = silent[word] if word in silent else self.content(prompt, asked)
        refusal = "I cannot help with that." if word == "refusal" else None
        message = {"role": "assistant", "content": text, "refusal": refusal}
        body: dict[str, Any] = {"id": "reply-1", "object": "chat.completion", "created": 0, "model": asked["model"],
                                "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}  # fmt: skip
        used = {"prompt_tokens": tokens(prompt), "completion_tokens": tokens(text or "")}
        if word != "nousage":
            body["usage"] = {**used, "total_tokens": sum(used.values())}
            self.charged.update(prompt=used["prompt_tokens"], completion=used["completion_tokens"])
        self.worked[line["custom_id"]] += 1
        return 200, body


class BatchConnection(Connection):
    """One connection, kept alive."""

    server: BatchServer

    def handle(self, head: str, body: bytes) -> None:
        method, path, _ = head.split(" ", 2)
        parts = urlsplit(path)
        names = parts.path.removeprefix("/v1").strip("/").split("/")
        match (method, *names):
            case ("POST", "files"):
                self.act_on("upload", head, lambda: self.server.upload(body))
            case ("POST", "batches"):
                self.act_on("create", head, lambda: self.server.create(json.loads(body)))
            case ("GET", "batches"):
                self.act_on("list", head, lambda: self.server.list(parse_qs(parts.query)))
            case ("GET", "batches", name):
                self.act_on("retrieve", head, lambda: self.server.retrieve(name))
            case ("GET", "files", name, "content"):
                self.act_on("content", head, lambda: self.server.files.get(name))
            case _:
                super().handle(head, body)

    def act_on(self, call: str, head: str, act: Callable[[], Any]) -> None:
        server = self.server
        server.calls[call] += 1
        if server.key is not None and not re.search(f"authorization: bearer {server.key}", head, re.IGNORECASE):
            self.send(401, error("Incorrect API key provided.", "invalid_api_key"))
            return
        words = server.faults.get(call) or ["ok"]
        word = words.pop(0)
        if word in ("401", "404", "429", "503"):
            self.send(int(word), error(f"The server says {word}, to {server.key}.", None))
            return
        if word == "html":
            self.page(b"<html>Welcome to the hotel's network.</html>", b"text/html")
            return
        done = act()
        server.called(call)
        if word == "reset":
            self.transport.abort()
        elif word == "500":
            self.send(500, error("The server had an error.", None))
        elif done is None:
            self.send(404, error("No such thing.", "not_found"))
        elif isinstance(done, bytes):
            self.page(done, b"application/octet-stream")
        else:
            self.send(200, done)

    def page(self, raw: bytes, kind: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(raw), raw)
        )


def providing(server: BatchServer) -> AbstractContextManager[str]:
    """The server in a thread of its own; gives its base URL."""
    return running(server, BatchConnection)
