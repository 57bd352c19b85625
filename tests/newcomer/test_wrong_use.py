"""Every verb, used wrongly: what is wrong, where, and what to do next, in one voice; and what a terminal makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from babeltune.cli import VERBS
from calls import Call
from doubles import study_file

PROGRAM = Path(sys.executable).parent / "babeltune"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study, a model folder that is enough to plan with, a folder, and an empty file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    study_file(tmp_path, "./model")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.jsonl").write_text("")
    return tmp_path


OF_A_STUDY = ("doctor", "plan", "mix", "run", "status", "report", "judge", "chat", "figures", "scorecard", "score")
"""Verbs that one study file is enough for."""

WRONG: list[tuple[str, str, str]] = [
    # The command; what is wrong, and where; what to do next.
    ("studies pockt", "pockt", "pocket"),
    ("plan", "STUDY: is missing", "The study file, such as"),
    ("plan tiny.yaml more.yaml", "more.yaml: one word too many", "babeltune plan --help"),
    ("plan tiny.yaml --gpu h1000", "h1000", "h100"),
    ("plan tiny.yaml --gpu", "--gpu: it needs a value", "babeltune plan --help"),
    ("mix folder", "folder", "study file"),
    ("run tiny.yaml --executor rey", "--executor: 'rey' is not one of 'local', 'ray'", "babeltune run --help"),
    ("run tiny.yaml --max-cost -1", "--max-cost: it should be greater than or equal to 0", "babeltune run --help"),
    ("run tiny.yaml --address auto", "--address", "--executor ray"),
    ("status tny.yaml", "tny.yaml: cannot be read (No such file or directory)", "Did you mean 'tiny.yaml'?"),
    ("report tiny.yaml", "steps are to come first", "babeltune run tiny.yaml"),
    ("figures", "STUDY", "study file"),
    ("figures tiny.yaml --figure 99", "99", "18a"),
    ("figures tiny.yaml --table 7", "7", "1, 2, 3"),
    ("figures tiny.yaml --format gif", "--format: 'gif' is not one of", "babeltune figures --help"),
    ("compare tiny.yaml", "STUDY", "another"),
    ("scorecard folder", "folder", "babeltune report"),
    ("import nowhere", "'nowhere'", "folder or file"),
    ("import folder", "folder", "docs/import.md"),
    ("judge tiny.yaml", "judge", "docs/judge.md"),
    ("annotate tiny.yaml --language xq", "xq", "de"),
    ("translate empty.jsonl --to xq --out o --model m", "xq", "de"),
    ("translate nowhere.jsonl --to de --out o --model m", "nowhere.jsonl", "for chats add --chats"),
    ("translate empty.jsonl", "--to: is missing", "such as de,fr,zh"),
    ("ledger tiny.yaml", "ledger.sqlite", "judge"),
    ("score", "STUDY", "--outputs"),
    ("score --outputs empty.jsonl --task dialoge --language de", "dialoge", "dialogue"),
    ("chat tiny.yaml --mix mno --prompt x", "mno", "mono"),
    ("export tiny.yaml mult-2", "mult-2", "Did you mean 'multi-2'?"),
    ("export tiny.yaml model-mono-t1", "model-mono-t1", "Did you mean 'model-mono-t0'?"),
    ("export tiny.yaml mono --dtype float32", "--dtype", "--merged"),
    ("lint-prompts --task xquat", "xquat", "xquad"),
    ("lid nowhere.txt", "nowhere.txt", "heck the path"),
    ("lid folder", "folder", ".jsonl"),
    ("census nowhere", "nowhere", "heck the path"),
]


@pytest.mark.parametrize(("command", "wrong", "remedy"), WRONG, ids=[command for command, _, _ in WRONG])
def test_a_wrong_use_is_told_with_its_remedy(
    here: Path, babeltune: Call, command: str, wrong: str, remedy: str
) -> None:
    said = babeltune(*command.split())
    assert said.code in (1, 2)
    assert wrong in said.err
    assert remedy in said.err
    assert "Traceback" not in said.err
    assert "╭" not in said.err
    assert said.err.rstrip().endswith((".", "?", "tiny.yaml"))


def test_every_verb_is_used_wrongly_here() -> None:
    assert {command.split()[0] for command, _, _ in WRONG} | {"doctor"} == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_mistyped_option_is_told_with_the_nearest_there_is(babeltune: Call, verb: str) -> None:
    said = babeltune(verb, "--hepl")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"babeltune {verb}: 1 problem\n  - --hepl: there is no such option. ")
    assert said.err.endswith(f"See: babeltune {verb} --help.\n")


@pytest.mark.parametrize(("typed", "meant"), [("pln", "plan"), ("figure", "figures"), ("lint_prompts", "lint-prompts")])
def test_a_mistyped_verb_is_told_with_the_nearest_there_is(babeltune: Call, typed: str, meant: str) -> None:
    said = babeltune(typed, "x.yaml")
    assert said.code == 2
    assert said.err == (
        f"babeltune: 1 problem\n  - VERB: there is no '{typed}'. Did you mean '{meant}'? See: babeltune --help.\n"
    )


@pytest.mark.parametrize("verb", OF_A_STUDY)
@pytest.mark.parametrize("given", ["nowhere.yaml", "folder"])
def test_a_study_that_is_none_is_named_and_nothing_is_made(here: Path, babeltune: Call, verb: str, given: str) -> None:
    before = sorted(here.rglob("*"))
    said = babeltune(verb, given)
    assert said.code in (1, 2)
    assert given in said.err
    assert said.out == ""
    assert sorted(here.rglob("*")) == before


def test_the_study_files_of_a_folder_are_named_in_its_place(here: Path, babeltune: Call) -> None:
    assert "Give a study file in it: tiny.yaml." in babeltune("plan", ".").err


@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_a_terminal_of_40_columns_and_has_no_colour_where_none_is_wanted(
    babeltune: Call, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 40)  # read from TERMINAL_WIDTH where that module is loaded
    said = babeltune(verb, "--help")
    assert (said.code, said.err) == (0, "")
    assert "\x1b" not in said.out
    assert max(map(len, said.out.splitlines())) <= 40
    assert babeltune(verb, "-h").out == said.out


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """The program itself, in a folder of its own, under an environment of no more than is said."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "words.txt").write_text("Wie geht es dir heute?\n" * 3000, encoding="utf-8")

    def started(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command}"], cwd=folder, capture_output=True, check=False,
            env={"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "HOME": str(folder), **environment},
        )  # fmt: skip

    return started


def test_a_reader_that_has_enough_ends_it_without_a_word(
    run: Callable[..., subprocess.CompletedProcess[bytes]],
) -> None:
    ended = run("babeltune lid words.txt | head -n 1")
    assert ended.stdout.startswith(b'{"where": "words.txt:1"')
    assert ended.stderr == b""
    assert run("babeltune studies | true").stderr == b""


def test_a_plain_locale_and_a_file_get_text_without_bars_or_colours(
    run: Callable[..., subprocess.CompletedProcess[bytes]],
) -> None:
    ended = run("babeltune lid --summary - < words.txt; babeltune studies", LC_ALL="C", TERM="dumb")
    assert b"\x1b" not in ended.stdout + ended.stderr
    assert b"Traceback" not in ended.stderr
    ascii_only = run("babeltune studies", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert b"Traceback" not in ascii_only.stderr
    assert ascii_only.returncode == 0


def test_where_the_hub_is_not_reached_it_is_told_at_once_and_all_that_is_lacking_with_it(
    here: Path, babeltune: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_OFFLINE", "http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://localhost:9")  # where nobody listens
    said = babeltune("plan", study_file(here, "someone/a-model"), "--download")
    os.environ.pop("HF_HUB_OFFLINE", None)
    assert said.code == 2
    assert said.err.startswith("The hub is not reached (localhost: Connection refused): nothing is fetched")
    assert "the hub model 'someone/a-model' cannot be fetched" in said.err


@pytest.mark.parametrize("given", ["-", "/dev/stdin"])
def test_a_pipe_in_place_of_a_file_is_told_what_to_do(babeltune: Call, given: str) -> None:
    said = babeltune("lid", given)
    assert said.code == 2
    assert "Write what comes through a pipe into a file first" in said.err


def test_nothing_is_cut_off_in_a_terminal_of_40_columns(
    here: Path, babeltune: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from babeltune.cli import terminal

    monkeypatch.setattr(terminal.console, "_width", 40)
    for verb in ("plan", "status"):
        said = babeltune(verb, "tiny.yaml")
        assert said.code == 0
        table = [line for line in said.out.splitlines() if "│" in line]
        assert not [line for line in table if "…" in line]
        assert max(map(len, table)) <= 40
