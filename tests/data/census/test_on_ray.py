"""The census on Ray Data counts what the one machine counts. In processes of their own, as Ray itself warns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_count import BAD, TEXTS, jsonl

from babeltune.data.census import corpus
from babeltune.data.census.corpus import file_units
from babeltune.data.census.count import Job, local, take
from babeltune.data.identify import identifier

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

ON_RAY = """
import json, sys
from pathlib import Path
from babeltune.data.census import corpus
from babeltune.data.census import count as census
from babeltune.data.census.on_ray import on_ray
from babeltune.errors import InputError
folder, state, workers, skip = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "skip"
job = census.Job(corpus.file_units(folder), "text", "lid176")
told = []
try:
    taken = census.take(job, on_ray(workers), state=state, skip_bad_rows=skip, tell=told.append)
except InputError as error:
    print(json.dumps([problem.where for problem in error.problems]))
    sys.exit(2)
print(json.dumps([taken.documents, taken.characters, taken.problems, told[0].documents]))
"""


def on_ray(folder: Path, state: Path, workers: int, skip: str = "") -> tuple[int, list[object]]:
    arguments = [sys.executable, "-c", ON_RAY, str(folder), str(state), str(workers), skip]
    ended = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, 2), ended.stderr
    return ended.returncode, json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.parametrize("workers", [1, 3])
def test_ray_counts_the_same_also_from_where_one_machine_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    folder, state = tmp_path / "corpus", tmp_path / "c.state.json"
    folder.mkdir()
    jsonl(folder / "a.jsonl", TEXTS * 300)  # three batches
    jsonl(folder / "b.jsonl", [*TEXTS, "half a character \ud83d"])
    jsonl(folder / "c.jsonl", TEXTS)
    monkeypatch.setattr(corpus, "_DOCUMENTS", 100)
    job = Job(file_units(folder), "text", "lid176")
    whole = take(job, local(identifier("lid176")))
    take(job, local(identifier("lid176")), state=state, limit=250)
    code, found = on_ray(folder, state, workers)
    assert (code, found) == (0, [dict(whole.documents), dict(whole.characters), 0, 250])
    assert sorted(json.loads(state.read_text())["finished"]) == ["a.jsonl", "b.jsonl", "c.jsonl"]


def test_ray_names_broken_rows_and_counts_them_where_they_may_be_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(BAD)
    code, where = on_ray(tmp_path, tmp_path / "state", 1)
    assert (code, where[:-1]) == (2, [f"a.jsonl:{line}" for line in (2, 3, 4, 5)])
    code, found = on_ray(tmp_path, tmp_path / "state", 1, "skip")
    assert (code, found[2:]) == (0, [4, 0])
