"""Judge, translator and ledger against a real server: `transformers serve` with the bundled model."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from babeltune.generate.ledger import Ledger
from babeltune.measure.judge.grade import STATES
from babeltune.study import models
from babeltune.study.artefacts import read_lines
from babeltune.study.spec.study import ModelSpec
from calls import Call
from doubles import study_file

pytestmark = pytest.mark.slow
SECONDS = 120
_SERVED = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
"""Threads that wait for each other at every product starve on a machine that is busy."""


@pytest.fixture(scope="module")
def folder() -> Path:
    """Of the bundled model, as transformers loads it."""
    return models.prepare(models.locate(ModelSpec(id=models.BUNDLED)))


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    pytest.importorskip("fastapi", reason="`make test-slow` installs it (requirements-serve.lock)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    process = subprocess.Popen(command, env={**os.environ, **_SERVED}, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + SECONDS
    try:
        while time.monotonic() < deadline:
            assert process.poll() is None, "the server ended"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()  # it would wait for the answers that it is at
        process.wait()


@pytest.fixture
def babeltune(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.setenv("COLUMNS", "150")
    return Call(monkeypatch, capsys)


def test_a_study_is_judged_checked_and_read_again(
    babeltune: Call, tmp_path: Path, model_folder: Path, folder: Path, url: str
) -> None:
    judge = {"model": str(folder), "base_url": url, "concurrency": 1, "timeout": 600, "max_tokens": 32, "attempts": 1,
             "sample": 2, "off_language": "ask"}  # fmt: skip
    study = study_file(
        tmp_path,
        model_folder,
        mixes={"mono": {"en": 12}},
        tasks={"dialogue": {"split": "dev", "languages": ["en", "de"]}},
        judge=judge,
        prices={str(folder): {"input": 0.1, "output": 0.2}},
    )
    runs = tmp_path / "runs"
    said = babeltune("run", study, "--runs", runs)
    assert said.code == 0, said.err
    rows = [row for path in runs.rglob("replies.jsonl") for row in read_lines(path)]
    assert len(rows) == 2 * 2 * 2  # cells, items
    assert all(row["tries"][0]["text"].strip() for row in rows)  # a real model's words
    notes = [row["notes"] for path in runs.rglob("scores.jsonl") for row in read_lines(path)]
    assert {note["judge"] for note in notes if "judge" in note} <= set(STATES)
    with Ledger(runs / "tiny" / "ledger.sqlite") as ledger:
        spent = ledger.spent()
        entries = list(ledger.entries(state="answered"))
    assert spent.calls >= len({entry.key for entry in entries}) >= 4
    assert all(entry.prompt_tokens > 500 for entry in entries if entry.purpose.startswith("direct"))  # the rubric
    assert spent.dollars == pytest.approx((spent.prompt_tokens * 0.1 + spent.completion_tokens * 0.2) / 1e6)
    again = babeltune("run", study, "--runs", runs)
    assert "Nothing to do" in again.out
    assert "repaired" in (read := babeltune("judge", study, "--runs", runs, "--reparse").out) or "unparsable" in read
    shown = babeltune("ledger", study, "--runs", runs)
    assert f"{spent.calls:,} replies" in shown.words


def test_planted_answers_are_asked_of_it(
    babeltune: Call, tmp_path: Path, model_folder: Path, folder: Path, url: str
) -> None:
    judge = {"model": str(folder), "base_url": url, "concurrency": 1, "timeout": 600, "max_tokens": 12, "attempts": 1}
    study = study_file(tmp_path, model_folder, tasks={"dialogue": {"split": "dev", "languages": ["de"]}}, judge=judge)
    said = babeltune("judge", study, "--runs", tmp_path / "runs", "--check")
    assert said.code == 0, said.err
    assert "of 18 verdicts are as expected" in said.words
    with Ledger(tmp_path / "runs" / "tiny" / "ledger.sqlite") as ledger:
        assert sum(entry.purpose == "check de" for entry in ledger.entries()) >= 17  # two may ask for the same


def test_prompts_are_translated_and_audited(babeltune: Call, tmp_path: Path, folder: Path, url: str) -> None:
    source = tmp_path / "prompts.jsonl"
    prompts = ["How do I bake bread at home?", "Name three rivers in Europe.", "Write a short note to a neighbour."]
    source.write_text("".join(json.dumps({"prompt": one}) + "\n" for one in prompts))
    options = ["--to", "es", "--out", tmp_path / "out", "--model", str(folder), "--base-url", url, "--retries", "1",
               "--max-tokens", "48", "--timeout", "300", "--concurrency", "2"]  # fmt: skip
    said = babeltune("translate", source, *options)
    assert said.code == 0, said.err
    audit = [json.loads(line) for line in (tmp_path / "out" / "es.audit").read_text().splitlines()]
    assert [row["id"] for row in audit] == ["1", "2", "3"]
    assert all(row["state"] == "good" or row["flags"] for row in audit)  # what is kept out says why
    good = [json.loads(line)["id"] for line in (tmp_path / "out" / "es.jsonl").read_text().splitlines()]
    assert good == [row["id"] for row in audit if row["state"] == "good"]
    with Ledger(tmp_path / "out" / "ledger.sqlite") as ledger:
        before = ledger.spent().calls
    assert babeltune("translate", source, *options).code == 0
    with Ledger(tmp_path / "out" / "ledger.sqlite") as ledger:
        assert ledger.spent().calls == before  # asked for once
