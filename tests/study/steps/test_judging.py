"""A study with a judge, end to end: real steps, a tiny model, and a server on localhost that speaks the protocol."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from babeltune.errors import Problem, StudyError
from babeltune.study.artefacts import read_lines
from babeltune.study.check import Opened, open_study
from babeltune.study.executors.local import JUDGING, rescore, run
from babeltune.study.step import Step
from babeltune.study.steps.readings import publish
from babeltune.study.store import UNFINISHED, Store
from faultserver import Server, running
from judged import Judged, answered
from opening import moved, prints, silent


@pytest.fixture
def server() -> Server:
    return Server(schemas="json")


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    with running(server) as at:
        yield at


@pytest.fixture(scope="module")
def generated(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return answered(tmp_path_factory.mktemp("generated"), model_folder)


@pytest.fixture
def judged(tmp_path: Path, model_folder: Path, generated: Path, url: str) -> Judged:
    return Judged(tmp_path, model_folder, generated, url)


def rows(opened: Opened, kind: str, name: str) -> list[dict[str, Any]]:
    steps = opened.plan.of(kind)  # type: ignore[arg-type]
    return [row for step in steps for row in read_lines(opened.store.path(step) / name)]


def judgements(server: Server) -> int:
    """Requests for a verdict that came to the server; without the one that finds out what forms it knows."""
    return sum(count for prompt, count in server.counts.items() if "[BEGIN DATA]" in prompt)


def test_the_same_items_of_every_cell_are_judged_and_scored(judged: Judged, server: Server) -> None:
    opened = judged.open()
    run(opened, silent)
    asked = {
        step.name: [row["item"] for row in read_lines(opened.store.path(step) / "replies.jsonl")]
        for step in opened.plan.of("judge")
    }
    assert len(asked) == 2 * 2  # base and mono, two languages
    assert len({tuple(items) for items in asked.values()}) == 1
    assert {len(items) for items in asked.values()} == {8}
    scored = [row for row in rows(opened, "score", "scores.jsonl") if "judge" in row["notes"]]
    assert len(scored) == 4 * 8
    for row in scored:  # the server's verdict hangs on prompt and seed; ours is what it said, or a 1
        raw = row["values"]["helpfulness-raw"]
        assert raw in range(1, 7)
        assert row["values"]["helpfulness"] == (1 if "target" in row["notes"]["forced"] else raw)
        assert row["values"]["helpfulness-prompt-lid"] == (1 if "prompt-lid" in row["notes"]["forced"] else raw)
        assert row["notes"]["reasoning"].startswith("It says ")
    others = [row for row in rows(opened, "score", "scores.jsonl") if "judge" not in row["notes"]]
    assert len(others) == 4 * 4  # of 12 items each; not in the sample, so neither scored nor unscored
    assert not any("helpfulness" in key for row in others for key in (*row["values"], *row["unscored"]))
    metrics = {row["metric"]: row for row in rows(opened, "summary", "rows.jsonl")}
    assert metrics["helpfulness"]["n"] == 8
    assert 1 <= metrics["helpfulness"]["low"] <= metrics["helpfulness"]["high"] <= 6
    with judged.ledger() as ledger:  # all answers once, and the server asked once what form it knows
        assert ledger.spent().calls == server.paid["replies"]
        assert ledger.spent().dollars == pytest.approx(
            (server.paid["prompt"] * 1.0 + server.paid["completion"] * 2.0) / 1e6, abs=1e-12
        )
    before = server.asked
    assert run(judged.open(), silent).steps == 0
    assert server.asked == before


def test_a_mark_of_a_killed_run_does_not_outlive_what_it_lacked(tmp_path: Path) -> None:
    store, step = Store(tmp_path), Step("judge", "direct-cell", {})
    (store.begin(step) / UNFINISHED).write_text("3\n")
    publish(step, SimpleNamespace(store=store), {}, 0)  # type: ignore[arg-type]
    assert store.done((step,)) == {step.key}


def test_replies_are_read_again_without_asking(judged: Judged, server: Server) -> None:
    run(judged.open(), silent)
    before, scores = server.asked, judged.scores()
    for path in judged.runs.rglob("scores.jsonl"):
        path.write_text("")
    rescore(judged.open(), silent)
    assert judged.scores() == scores
    assert server.asked == before


def test_a_cap_ends_in_an_unbiased_sample_and_the_next_run_goes_on(judged: Judged, server: Server) -> None:
    opened = judged.open(concurrency=1)
    cost = 0.012
    run(opened, silent, most_cost=cost)
    with judged.ledger() as ledger:
        assert 0 < ledger.spent().dollars <= cost
    done = [row for row in rows(opened, "judge", "replies.jsonl") if row["tries"][0]["finish"] != "unsent"]
    left = [row for row in rows(opened, "judge", "replies.jsonl") if row["tries"][0]["finish"] == "unsent"]
    assert done
    assert left
    # All four answers to an item were asked one after another: at most one item is judged in part.
    parts = {row["item"] for row in done} & {row["item"] for row in left}
    assert len(parts) <= 1
    results = rows(opened, "summary", "rows.jsonl")
    unscored = [row for row in results if row["metric"] == "helpfulness-raw"]
    assert sum(row["unscored"] for row in unscored) == len(left)
    assert all(row["worst"] >= 1 for row in unscored)
    page = (judged.runs / "tiny" / "report" / "index.html").read_text()
    assert f"{len(left)} were not asked, as the spending cap was reached" in page
    assert "unbiased sample" in page
    assert all((opened.store.path(step) / UNFINISHED).exists() for step in opened.plan.of("judge"))
    kinds = [step.kind for step in opened.plan.pending(opened.store.done(opened.plan.steps))]
    assert kinds == ["judge", "score"] * 4 + ["summary", "report"]
    asked = judgements(server)
    run(judged.open(), silent)
    assert judgements(server) - asked == len(left)  # what was answered is not asked again
    assert run(judged.open(), silent).steps == 0
    assert "not asked" not in (judged.runs / "tiny" / "report" / "index.html").read_text()
    again = judged.unjudged("again")
    run(again.open(), silent)
    assert again.scores() == judged.scores()


def test_every_third_request_fails_and_the_scores_are_the_same(judged: Judged, server: Server) -> None:
    run(judged.open(), silent)
    faulty = judged.unjudged("faulty")
    server.ratio = 3
    run(faulty.open(), silent)
    assert faulty.scores() == judged.scores()


def test_what_both_rules_force_is_not_asked(judged: Judged, server: Server) -> None:
    opened = judged.open(off_language="skip")
    run(opened, silent)
    skipped = [row for row in rows(opened, "judge", "replies.jsonl") if row["state"] == "skipped"]
    assert skipped
    assert not any(row["tries"] for row in skipped)
    scored = {
        row["item"]: row for row in rows(opened, "score", "scores.jsonl") if row["notes"].get("judge") == "not asked"
    }
    for row in scored.values():
        assert row["values"]["helpfulness"] == row["values"]["helpfulness-prompt-lid"] == 1
        assert "helpfulness-raw" in row["unscored"]
    asked = [row for row in rows(opened, "judge", "replies.jsonl") if row["state"] == "asked"]
    assert len(asked) + len(skipped) == 4 * 8
    ours = [one for one in server.counts if "[BEGIN DATA]" in one]
    assert len(ours) <= len(asked)


DRIVER = """
import sys
from pathlib import Path
from babeltune.study.artefacts import read_lines
from babeltune.study.check import open_study
from babeltune.study.executors.local import run
run(open_study(Path(sys.argv[1]), Path(sys.argv[2])), lambda event: None)
"""


def test_killed_while_it_judges_it_pays_for_nothing_twice(judged: Judged, server: Server) -> None:
    server.latency = 0.05
    study = judged.file({"concurrency": 2})
    for wanted in (3, 9, 17):
        process = subprocess.Popen([sys.executable, "-c", DRIVER, str(study), str(judged.runs)])
        deadline = time.monotonic() + 60
        while server.asked < wanted and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    run(open_study(study, judged.runs), silent)
    twice = sum(count - 1 for name, count in server.counts.items() if "[BEGIN DATA]" in name)
    assert twice <= 3 * 2  # what was in flight, at each kill
    server.latency = 0.0
    whole = judged.unjudged("whole")
    run(open_study(whole.file({"concurrency": 2}), whole.runs), silent)
    assert whole.scores() == judged.scores()


def test_only_what_judging_needs_is_run(judged: Judged) -> None:
    seen: list[str] = []
    opened = judged.open()
    run(opened, lambda event: seen.append(event.kind), JUDGING)
    assert set(seen) == {"judge", "score", "summary", "report"}


def problems(judged: Judged, judge: dict[str, Any] | None = None, **changes: Any) -> list[Problem]:
    with pytest.raises(StudyError) as caught:
        open_study(judged.file(judge, **changes), judged.runs)
    return list(caught.value.problems)


def test_what_does_not_go_together_is_told_before_anyone_is_asked(judged: Judged, server: Server) -> None:
    found = problems(
        judged,
        {"readings": ["direct", "translated"], "key_variable": "NOT_SET_ANYWHERE"},
        tasks={"dialogue": {"split": "dev", "languages": ["de"]}},
        mixes={"mono": {"en": 12}, "twin": {"translated": 2, "of": "momo"}},
    )
    assert {one.where for one in found} == {"judge.readings", "mixes.twin", "mixes.twin.of"}
    assert [one.what for one in found if one.where == "judge.readings"] == [
        "'translated' needs someone who translates the answers",
        "'translated' is judged beside the English prompts, and tasks.dialogue has none",
    ]
    assert all(one.line for one in found)
    (no_task,) = problems(judged, tasks={"xcsqa": {"languages": ["en"]}})
    assert (no_task.where, "no task that it judges" in no_task.what) == ("judge", True)
    (no_key,) = problems(judged, {"base_url": "https://judge.example.org/v1", "key_variable": "NOT_SET_ANYWHERE"})
    assert no_key.where == "judge.NOT_SET_ANYWHERE"
    assert "export NOT_SET_ANYWHERE=" in no_key.fix
    (no_address,) = problems(judged, {"base_url": "judge.example.org"})
    assert no_address.where == "judge.base_url"
    assert server.asked == 0


def test_a_cap_without_a_price_is_refused_before_anyone_is_asked(judged: Judged, server: Server) -> None:
    opened = open_study(judged.file(prices={"judge-2": {"input": 1, "output": 1}}), judged.runs)
    with pytest.raises(StudyError, match=r"prices.judge-1"):
        run(opened, silent, most_cost=1.0)
    assert server.asked == 0


def test_a_finished_study_needs_no_key(judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    run(judged.open(), silent)
    # As before, but from elsewhere: the address changes no answer, so nothing is to be asked.
    elsewhere = {"base_url": "https://judge.example.org/v1", "key_variable": "NOT_SET_ANYWHERE"}
    assert run(judged.open(**elsewhere), silent).steps == 0


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"concurrency": 3, "timeout": 5.0, "tries": 2}, set()),
        ({"sample": 6}, {"judge", "score", "summary", "report"}),
        ({"protocol": "as-run"}, {"judge", "score", "summary", "report"}),
        ({"model": "judge-2"}, {"judge", "score", "summary", "report"}),
    ],
)
def test_a_change_of_the_judge_redoes_only_what_depends_on_it(
    judged: Judged, change: dict[str, Any], again: set[str]
) -> None:
    before, after = prints(judged.open()), prints(judged.open(**change))
    assert before.keys() == after.keys()
    assert {key.partition(":")[0] for key in moved(before, after)} == again
