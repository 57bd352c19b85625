"""The verb ``judge``, over real HTTP."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from calls import Call
from faultserver import Server, running
from judged import Judged, answered


@pytest.fixture(scope="module")
def generated(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return answered(tmp_path_factory.mktemp("generated"), model_folder)


@pytest.fixture
def server() -> Server:
    return Server(schemas="json")


@pytest.fixture
def judged(tmp_path: Path, model_folder: Path, generated: Path, server: Server) -> Iterator[Judged]:
    with running(server) as url:
        yield Judged(tmp_path, model_folder, generated, url)


@pytest.fixture
def babeltune(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.setenv("COLUMNS", "150")
    return Call(monkeypatch, capsys)


def test_it_judges_what_is_there_and_tells_what_the_replies_say(
    babeltune: Call, judged: Judged, server: Server
) -> None:
    study = judged.file()
    said = babeltune("judge", study, "--runs", judged.runs)
    assert said.code == 0, said.err
    assert "What the judge's replies say:" in said.out
    assert "helpfulness, judged; 1 where the answer is in another language" in said.words
    asked = server.asked
    again = babeltune("judge", study, "--runs", judged.runs, "--reparse")
    assert "done again" in again.out
    assert server.asked == asked
    # Against itself, and against people who gave every answer a 3 but one.
    same = babeltune("judge", study, "--runs", judged.runs, "--against", study)
    assert "1.00 [" in same.words
    ratings = judged.folder / "ratings.csv"
    with ratings.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["language", "item", "model", "mix", "rating"])
        for at, item in enumerate(("p25", "p26", "p27", "p28")):
            writer.writerow(["de", item, "tiny", "mono", 3 if at else 6])
    people = babeltune("judge", study, "--runs", judged.runs, "--against", ratings)
    assert people.code == 0, people.err
    assert "agreement of judge-1 and ratings.csv" in people.words


def test_a_cap_stops_it_and_says_so(babeltune: Call, judged: Judged) -> None:
    said = babeltune("judge", judged.file({"concurrency": 1}), "--runs", judged.runs, "--max-cost", "0.012")
    assert said.code == 1
    assert "were not asked, as the spending cap was reached" in said.words
    assert "Not all was judged. Run again to go on; what came back is kept." in said.words
    status = babeltune("status", judged.file({"concurrency": 1}), "--runs", judged.runs)
    assert "judged" in status.out
    plan = babeltune("plan", judged.file({"concurrency": 1}), "--runs", judged.runs)
    assert "spent before" in plan.words


def test_planted_answers_are_asked_before_anything_is_generated(
    babeltune: Call, judged: Judged, server: Server
) -> None:
    study = judged.file()
    said = babeltune("judge", study, "--runs", judged.folder / "none-yet", "--check")
    assert said.code == 0, said.err
    assert "Planted answers, and what the judge makes of them" in said.words
    assert sum(line.split()[:1] == ["orders"] for line in said.out.splitlines()) == 3  # en, de, all
    asked = server.asked
    babeltune("judge", study, "--runs", judged.folder / "none-yet", "--check")
    assert server.asked == asked  # the ledger answers


def test_mistakes_are_told_with_what_to_do(babeltune: Call, judged: Judged) -> None:
    study = judged.file()
    both = babeltune("judge", study, "--runs", judged.runs, "--check", "--reparse")
    assert (both.code, "are too much at once" in both.words) == (2, True)
    paid = babeltune("judge", study, "--runs", judged.runs, "--reparse", "--max-cost", "3")
    assert (paid.code, "which asks nobody" in paid.words) == (2, True)
    early = babeltune("judge", study, "--runs", judged.folder / "none-yet")
    assert (early.code, "Run: babeltune run" in early.words) == (1, True)
    unpriced = babeltune("judge", judged.file(prices={}), "--runs", judged.runs, "--max-cost", "3")
    assert (unpriced.code, "prices.judge-1" in unpriced.words) == (2, True)
    nobody = judged.file()
    text = "\n".join(line for line in nobody.read_text().splitlines() if not line.startswith("judge:"))
    nobody.write_text(text + "\n")
    missing = babeltune("judge", nobody, "--runs", judged.runs)
    assert (missing.code, "Add judge: {model:" in missing.words) == (2, True)


def test_a_server_that_is_not_there_ends_before_anything_is_paid(babeltune: Call, judged: Judged) -> None:
    said = babeltune("judge", judged.file({"base_url": "http://127.0.0.1:9/v1", "tries": 1}), "--runs", judged.runs)
    assert said.code == 1
    assert "http://127.0.0.1:9/v1" in said.words
    unknown = babeltune("judge", judged.file({"model": "judge-9"}), "--runs", judged.runs)
    assert unknown.code == 1
    assert "judge-9" in unknown.words
