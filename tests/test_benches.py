"""The benches: what they cannot measure here they say, what they measure they tell as rows, and rows make the page."""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

BENCH = Path(__file__).parent.parent / "bench"
SCRIPTS = sorted(path.stem for path in BENCH.glob("*.py"))


def ran(name: str, *arguments: str, rows: Path | None = None) -> subprocess.CompletedProcess[str]:
    told = {"BABELTUNE_BENCH_ROWS": str(rows)} if rows else {}
    command = [sys.executable, BENCH / name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, env={**os.environ, **told})


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of bench/, as its scripts import it."""
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_measured_and_said_so(tmp_path):
    said = ran("gpu.py", rows=tmp_path / "rows.json")
    why = "needs a GPU (--tiny tries the logic on a CPU)"
    assert (said.returncode, said.stdout) == (0, f"nothing is measured: {why}\n"), said.stderr
    assert json.loads((tmp_path / "rows.json").read_text()) == {"lacking": why}


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_no_adapter_is_measured_and_said_so():
    said = ran("adapters.py")
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("nothing is measured: needs vLLM")


def test_every_script_is_run_by_all_and_every_one_that_is_run_exists(part):
    assert sorted([*part("all").SCRIPTS, "all"]) == SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_tells_its_rows_by_the_shared_parts_and_no_other_way(name: str):
    text = (BENCH / f"{name}.py").read_text()
    assert "parser(__doc__" in text, "its --help is its docstring"
    assert 'print(f"ratio' not in text
    if name != "all":
        assert re.search(r"return tell\(", text)
        assert "sys.exit(main())" in text


def test_help_is_the_docstring_and_measures_nothing():
    said = ran("judge.py", "--help")
    assert said.returncode == 0, said.stderr
    assert "requests a second against the ideal" in said.stdout


def test_a_ratio_is_better_the_higher_whatever_the_unit(part):
    row = part("parts.row").Row
    assert row("w", "p", 2.0, 3.0, "texts/s").ratio == 1.5
    assert row("w", "p", 3.0, 2.0, "s").ratio == 1.5
    assert row("w", "p", 1.0, 2.0, "x/s", goal=2.0).met is True
    assert row("w", "p", 1.0, 1.994, "x/s", goal=2.0).met is False
    assert row("w", "p", 1.0, 2.0, "x/s").met is None


def test_rows_are_printed_and_written_and_the_ratio_of_the_first_is_the_last_line(part, tmp_path, monkeypatch, capsys):
    row = part("parts.row")
    told = tmp_path / "rows.json"
    monkeypatch.setenv(row.ROWS_FILE, str(told))
    rows = [row.Row("sums", "peer 1.0", 10.0, 4.0, "s", 3.0), row.Row("memory", "goal", 2.0, 1.0, "GiB", 1.0)]
    assert row.tell(rows, same=True, answers="all") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "sums: peer 1.0 10.0, ours 4.00 s: ratio 2.50, goal 3 MISSED"
    assert lines[-1] == "ratio 2.50"
    read = part("parts.record").measured(json.loads(told.read_text()))
    assert (read.rows, read.same, read.answers) == (tuple(rows), True, "all")
    assert row.tell(rows, same=False, answers="two differ") == 1, "answers that differ are no result"


@pytest.mark.parametrize(
    ("exponent", "fixed", "word"),
    [(1.0, 0.0, "linear"), (1.0, 5.0, "linear"), (1.5, 0.5, "MORE than linear"), (0.6, 1.0, "linear")],
)
def test_an_exponent_is_found_below_what_a_process_costs_anyway(part, exponent: float, fixed: float, word: str):
    sizes = [10**at for at in range(3, 7)]
    found = part("parts.curve").fit(sizes, [fixed + 20 * (size / 10**6) ** exponent for size in sizes])
    assert math.isclose(found.exponent, exponent, abs_tol=0.02)
    assert math.isclose(found.fixed, fixed, abs_tol=0.05)
    assert found.word == word


def test_what_hardly_grows_is_flat(part):
    assert part("parts.curve").fit([10, 100, 1000], [50.0, 50.5, 55.0]).word == "flat"


def test_a_process_is_measured_without_what_its_parent_holds(part):
    fresh = part("parts.fresh")
    held = bytearray(300 << 20)
    held[::4096] = b"x" * len(held[::4096])
    ended = fresh.run([sys.executable, "-S", "-c", "print('first'); print('last')"])
    assert ended.last == "last"
    assert ended.mib < 100
    with pytest.raises(SystemExit, match="failed"):
        fresh.run([sys.executable, "-S", "-c", "raise SystemExit(3)"])


def test_the_page_keeps_what_is_written_by_hand_and_old_rows_with_their_run(part, tmp_path, monkeypatch):
    page, record, row, curve = (part(f"parts.{name}") for name in ("page", "record", "row", "curve"))
    path = tmp_path / "performance.md"
    path.write_text("before\n<!-- rows -->\nold\n<!-- /rows -->\nbetween\n<!-- growth -->\n<!-- /growth -->\nafter\n")
    monkeypatch.setattr(page, "PAGE", path)
    points = tuple(curve.Point(10**at, 1.0 + 10.0 ** (at - 5), 100.0) for at in range(3, 7))
    known = {
        "sums": record.Measured("2026-01-02T03:04", "a machine", 0.01, "python bench/sums.py", 3.0, True, "equal",
                                (row.Row("sums", "peer 1.0", 10.0, 4.0, "s", 3.0),)),
        "slow": record.Measured("2025-01-02T03:04", "another", None, "python bench/slow.py", 3.0, False, "two differ",
                                (row.Row("slow", "goal", 1.0, 0.5, "s", 1.0),), lacking="needs a GPU"),
        "never": record.Measured(lacking="needs vLLM"),
        "growth": record.Measured("2026-01-02T03:04", "a machine", 0.01, "python bench/growth.py",
                                  curves=(curve.Curve("mixes", "chats", points),)),
    }  # fmt: skip
    page.write(known)
    text = path.read_text()
    assert text.startswith("before\n<!-- rows -->\n| work |")
    assert "\nbetween\n" in text
    assert text.endswith("after\n")
    assert "| sums | peer 1.0 | 10.0 s | 4.00 s | 2.50 | 3 | **no** | a |" in text
    assert "| slow | goal | 1.00 s | 0.500 s | 2.00 | 1 | yes | b |" in text
    assert "answers **differ**: two differ" in text
    assert (
        "`bench/slow.py` measured nothing in the last run: needs a GPU (its figures are those of 2025-01-02)." in text
    )
    assert "`bench/never.py` measured nothing in the last run: needs vLLM." in text
    assert "| mixes | 10^3 · 10^4 · 10^5 · 10^6 chats |" in text
    assert (tmp_path / "growth.svg").is_file()
    page.write(known)
    assert path.read_text() == text
    record.write(tmp_path / "measured.json", known)
    assert record.read(tmp_path / "measured.json") == known


def test_the_page_of_the_project_is_as_its_figures_are(part, tmp_path, monkeypatch):
    everything, page, record = part("all"), part("parts.page"), part("parts.record")
    copy = tmp_path / "performance.md"
    copy.write_text(page.PAGE.read_text())
    monkeypatch.setattr(page, "PAGE", copy)
    known = record.read(everything.DATA)
    page.write({name: known.get(name, record.Measured()) for name in everything.SCRIPTS})
    assert copy.read_text() == (BENCH.parent / "docs" / "performance.md").read_text(), "python bench/all.py --table"


@pytest.mark.slow
def test_the_bench_of_a_gpu_runs_at_a_tiny_size():
    said = ran("gpu.py", "--tiny")
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    for begin in (
        "the authors' settings: ",
        "ours, as the studies: ",
        "ours, bfloat16 autocast: ",
        "transformers, 12 ",
        "tuning of a 7b model, real tokens: trl ",
        "12 answers of a 7b model, all at once: transformers ",
    ):
        assert any(line.startswith(begin) for line in lines), said.stdout
    assert float(lines[-1].removeprefix("ratio ")) > 0


@pytest.mark.slow
@pytest.mark.parametrize("subject", ["mixes", "agreement", "sari", "matching", "planning", "page"])
def test_every_subject_of_growth_is_measured_at_small_sizes(subject: str, tmp_path):
    said = ran("growth.py", "--only", subject, "--most", "1e4", rows=tmp_path / "rows.json")
    assert said.returncode == 0, said.stdout + said.stderr
    told = json.loads((tmp_path / "rows.json").read_text())
    assert all(len(curve["points"]) >= 2 for curve in told["curves"])
