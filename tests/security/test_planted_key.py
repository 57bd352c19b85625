"""An account's key is in no byte under the runs folder, in no word that is printed and in no log, whatever a server says."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import pickle
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from babeltune.study.check import open_study
from babeltune.study.executors import ray
from babeltune.study.executors.cluster import Order
from batchserver import BatchServer, providing
from calls import Call, Said
from doubles import study_file
from faultserver import Server, error, running
from judged import TASKS, Judged, answered

KEY = "sk-PlAnTeD+0123456789/abcdef=="
HUB = "hf_PlAnTeDtOkEn0123456789abcdef"
FORMS = {
    "itself": KEY, "base64": base64.b64encode(KEY.encode()).decode(), "basic": base64.b64encode(f"user:{KEY}".encode()).decode()[8:],
    "quoted": urllib.parse.quote(KEY, safe=""), "in JSON": json.dumps(KEY).replace("/", "\\/")[1:-1], "hub": HUB,
    "its middle": KEY[5:-4],
}  # fmt: skip


def searched(content: bytes, where: str) -> None:
    """No form of the key is in it, nor in what is packed in it."""
    for name, form in FORMS.items():
        assert form.encode() not in content, (where, name)
        assert form.encode("utf-16-le") not in content, (where, name)
    for packed in re.findall(rb"H4sI[A-Za-z0-9+/=]{20,}", content):  # blocks of the page
        searched(gzip.decompress(base64.b64decode(packed)), f"{where}, packed")


def searched_folder(folder: Path) -> int:
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        searched(str(path).encode(), "a name")
        searched(path.read_bytes(), str(path))
    return len(files)


@dataclass
class Echoing(Server):
    """A server that asks for the key, and tells it to everybody: in errors, in replies, in the judge's own words."""

    heads: int = 0

    def refusal(self, head: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        found = super().refusal(head, body)
        self.heads += KEY in head
        if found is not None:
            return found[0], error(f"{found[1]['error']['message']} You sent: {head}", None)
        if self.heads % 3 == 1:
            return 500, error(
                f"Traceback: headers={{'Authorization': 'Bearer {KEY}'}} url=https://user:{KEY}@host/v1", None
            )
        return None

    def content(self, prompt: str, body: dict[str, Any]) -> str:
        return json.dumps({"reasoning": f"I was asked with {KEY}, or {KEY.replace('/', chr(92) + '/')}.", "score": 3})


@pytest.fixture(scope="module")
def generated(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return answered(tmp_path_factory.mktemp("generated"), model_folder)


@pytest.fixture
def server() -> Echoing:
    return Echoing(key=KEY, schemas="json")


@pytest.fixture
def judged(
    tmp_path: Path, model_folder: Path, generated: Path, server: Echoing, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Judged]:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HF_TOKEN", HUB)
    monkeypatch.chdir(tmp_path)
    with running(server) as url:
        yield Judged(tmp_path, model_folder, generated, url)


class Heard:
    """The command line, and all that it ever said."""

    def __init__(self, babeltune: Call, caplog: pytest.LogCaptureFixture) -> None:
        self.babeltune, self.caplog = babeltune, caplog

    def __call__(self, *arguments: str | Path) -> Said:
        said = self.babeltune(*arguments)
        for words in (said.out, said.err, self.caplog.text):
            searched(words.encode("utf-8", "replace"), f"what `{arguments[0]}` says")
        assert "Traceback (most recent call last)" not in said.err
        return said


@pytest.fixture
def heard(babeltune: Call, caplog: pytest.LogCaptureFixture) -> Heard:
    return Heard(babeltune, caplog)


def test_no_byte_of_a_study_and_no_word_has_it(heard: Heard, judged: Judged, server: Echoing) -> None:
    study = judged.file({"timeout": 20.0, "tries": 3, "concurrency": 4, "sample": 4})
    runs = ("--runs", judged.runs)
    for verb in ("plan", "run", "status", "report", "judge", "ledger"):
        assert heard(verb, study, *runs).code in (0, 1)
    assert server.heads > 4  # it was sent indeed
    heard("ledger", study, *runs, "--export", judged.folder / "ledger.jsonl")
    heard("annotate", study, *runs, "--language", "de")
    heard("judge", study, *runs, "--planted")
    assert searched_folder(judged.folder) > 40
    assert (
        b"[account key]" in (judged.folder / "ledger.jsonl").read_bytes()
    )  # what it was told is there, but for the key


def test_nor_after_the_server_took_it_for_a_wrong_one(
    heard: Heard, judged: Judged, server: Echoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "another"
    said = heard("run", judged.file(), "--runs", judged.runs)
    assert (said.code, "$OPENAI_API_KEY" in said.words) == (1, True)
    searched_folder(judged.folder)


def test_a_translation_keeps_it_to_itself(heard: Heard, judged: Judged, server: Echoing) -> None:
    source = judged.folder / "source.jsonl"
    source.write_text('{"id": "a", "prompt": "What is bread?"}\n')
    out = judged.folder / "out"
    said = heard("translate", source, "--to", "de", "--out", out, "--model", "judge-1", "--base-url", judged.url)
    assert said.code in (0, 1)
    assert server.heads
    assert searched_folder(judged.folder) > 3


def test_files_for_a_providers_batches_do_not_hold_it(
    heard: Heard, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = BatchServer(key=KEY, schemas="json", ends=[f"failed:The key {KEY} is over its limit.", "completed"])
    with providing(provider) as url:
        judged.url = url
        study = judged.file({"batch_files": True, "sample": 2, "tries": 2})
        heard("run", study, "--runs", judged.runs)
    assert provider.counts or provider.asked
    searched_folder(judged.folder)


@pytest.mark.parametrize(
    "key",
    [
        "sk-\u043a\u043b\u044e\u0447-0123456789",
        "sk-first\nsecond-0123456789",
        "sk-\x010123456789",
        "sk-0123456789\u2028x",
    ],
)
def test_a_key_that_is_none_is_told_and_not_repeated(
    babeltune: Call, judged: Judged, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    said = babeltune("run", judged.file(), "--runs", judged.runs)
    assert said.code == 2
    assert "no key has" in said.words
    assert key[3:] not in said.out + said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "judge",
    [
        f"judge: {{model: j, base_url: 'https://user:{KEY}@api.example/v1'}}",
        f"judge: {{model: j, base_url: 'https://{KEY}@api.example/v1'}}",
        f"judge: {{model: j, base_url: 'https://api.example/v1?key={KEY}'}}",
        f"judge: {{model: j, base_url: 'htp://user:{KEY}@api.example/v1'}}",
        f"judge: {{model: j, base_url: ['{KEY}']}}",
        f"judge: {{model: j, base_url: 'https://[{KEY}'}}",
        f"judge: {{model: j, key_variable: '{KEY}'}}",
        "judge: {model: j, key_variable: sk_PlAnTeD0123456789abcdef}",
        f"judge: {{model: j, api_key: '{KEY}'}}",
        f"judge: {{model: j, headers: {{Authorization: 'Bearer {KEY}'}}}}",
        f"judge: {{model: j, extra_headers: 'Bearer {KEY}'}}",
        f"judge: '{KEY}'",
        f"judge: [{{model: j, api_key: '{KEY}'}}]",
        f"translator: {{model: j, key: '{KEY}'}}",
        f"api_key: '{KEY}'",
        f"execution: {{api_key: '{KEY}'}}",
    ],
)  # fmt: skip
def test_a_key_in_a_study_file_is_refused_and_not_repeated(babeltune: Call, tmp_path: Path, judge: str) -> None:
    path = study_file(tmp_path, tmp_path, tasks=TASKS)
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith(judge.split(":")[0]))
    path.write_text(f"{text}\n{judge}\n")
    for verb in ("plan", "run", "status"):
        said = babeltune(verb, path, "--runs", tmp_path / "runs")
        assert said.code == 2
        assert not any(form in said.out + said.err for form in (*FORMS.values(), "sk_PlAnTeD0123456789"))
        assert judge.split(":")[0] in said.err
    assert not (tmp_path / "runs").exists()


def test_no_default_of_an_option_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"OPENAI_API_KEY": KEY, "HF_TOKEN": HUB, "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    for verb in ("translate", "judge"):
        said = subprocess.run(
            [sys.executable, "-c", "from babeltune.cli import main; main()", verb, "--help"],
            capture_output=True,
            env=environment,
            check=True,
        )
        searched(said.stdout + said.stderr, verb)


def test_what_travels_to_a_cluster_does_not_hold_it(judged: Judged) -> None:
    opened = open_study(judged.file(), judged.runs)
    told = dict.fromkeys(ray._TOLD, "x")
    order = Order(opened, str(judged.folder), told, "0")
    searched(pickle.dumps(order), "the order to the workers")
    assert not [name for name in ray._TOLD if re.search("KEY|TOKEN|SECRET|PASS", name)]
