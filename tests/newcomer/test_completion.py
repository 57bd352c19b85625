"""The tab key: what a shell is offered, asked as bash, zsh and fish ask, and that it is never shown an error."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from babeltune.cli import VERBS, completing
from calls import Call

Complete = Callable[..., list[str]]
POCKET = Path(completing.__file__).parents[1] / "studies" / "pocket.yaml"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study, a study in a folder, and much that is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    shutil.copy(POCKET, tmp_path / "studies" / "pocket.yaml")
    (tmp_path / "mine.yml").write_text("# one\nstudy: mine\nmodels: [\n")
    (tmp_path / "mkdocs.yaml").write_text("site_name: docs\n")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    (tmp_path / "runs" / "theirs").mkdir(parents=True)
    (tmp_path / "runs" / "theirs" / "imported.json").write_text("{}")
    return tmp_path


@pytest.fixture
def offered(babeltune: Call, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """What bash is offered for the last of these words."""

    def ask(*words: str) -> list[str]:
        monkeypatch.setenv("_BABELTUNE_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(["babeltune", *words]))  # as bash joins them
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        said = babeltune()
        assert (said.code, said.err) == (0, "")
        return said.out.split()

    return ask


def test_every_verb_is_offered_though_a_verb_is_read_alone(offered: Complete) -> None:
    assert offered("") == list(VERBS)
    assert offered("l") == ["ledger", "lint-prompts", "lid"]
    assert offered("plan") == ["plan"]


def test_a_verb_that_stands_whole_is_read_alone(offered: Complete, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VERBS, "run", "there.is_no_such_file")
    assert "--gpu" in offered("plan", "--")
    assert completing.verb({"COMP_WORDS": "babeltune\nplan"}) is None  # may become another verb yet
    assert completing.verb({"_TYPER_COMPLETE_ARGS": "babeltune plan "}) == "plan"
    assert completing.verb({}) is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("plan", ""), ["mine.yml", "studies/pocket.yaml", "theirs"]),
        (("plan", "stu"), ["studies/pocket.yaml"]),
        (("plan", "studies/"), ["studies/pocket.yaml"]),
        (("plan", "./m"), ["./mine.yml"]),
        (("plan", "nowhere/"), []),
        (("compare", "studies/pocket.yaml", "mi"), ["mine.yml"]),
        (("export", "studies/pocket.yaml", "mul"), ["multi-2", "multi-3"]),
        (("export", "studies/pocket.yaml", "smollm2-135m-mo"), ["smollm2-135m-mono-t0"]),
        (("export", "mine.yml", ""), []),
        (("export", "nowhere.yaml", ""), []),
        (("chat", "studies/pocket.yaml", "--mix", ""), ["base", "mono", "multi-2", "multi-3"]),
        (("figures", "--figure", "18"), ["18a", "18b"]),
        (("figures", "--table", ""), ["1", "2", "3"]),
        (("figures", "--format", "p"), ["pdf", "png"]),
        (("plan", "--gpu", "h"), ["h100", "h200"]),
        (("translate", "--to", "de,f"), ["de,fr", "de,fi"]),
        (("score", "--task", "x"), ["xquad", "xcsqa", "xnli"]),
        (("lint-prompts", "--task", "d"), []),
        (("studies", "pocket"), ["pocket", "pocket-tasks"]),
    ],
)
def test_what_is_there_is_offered(here: Path, offered: Complete, words: tuple[str, ...], expected: list[str]) -> None:
    assert sorted(offered(*words)) == sorted(expected)


def test_a_file_that_only_looks_like_a_study_costs_no_other(here: Path) -> None:
    assert completing.studies("") == ["mine.yml", "studies/pocket.yaml", "theirs"]


def test_zsh_and_fish_are_told_what_each_verb_does(babeltune: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "babeltune cen")
    monkeypatch.setenv("_BABELTUNE_COMPLETE", "complete_zsh")
    assert babeltune().out.startswith('_arguments \'*: :(("census":"Count the documents and characters of each')
    monkeypatch.setenv("_BABELTUNE_COMPLETE", "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    assert babeltune().out.startswith("census\tCount the documents and characters of each")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_can_be_had(babeltune: Call, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    monkeypatch.setattr("typer.completion._get_shell_name", lambda: shell)
    said = babeltune("--show-completion")
    assert said.code == 0
    assert f"complete_{shell}" in said.out


def test_whatever_is_warned_of_does_not_reach_the_line(capfd: pytest.CaptureFixture[str]) -> None:
    with completing.quietly():
        sys.stderr.write("a library warns\n")
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")
def test_bash_itself_completes(here: Path) -> None:
    program = Path(sys.executable).parent / "babeltune"
    script = subprocess.run(
        [program], env={"PATH": "/usr/bin:/bin", "_BABELTUNE_COMPLETE": "source_bash"},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    line = "COMP_WORDS=(babeltune export studies/pocket.yaml mul); COMP_CWORD=3; _babeltune_completion babeltune"
    ended = subprocess.run(
        ["bash", "--norc", "-c", f'{script}\n{line}\necho "${{COMPREPLY[@]}}"'],
        env={"PATH": f"{program.parent}:/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (ended.stdout, ended.stderr) == ("multi-2 multi-3\n", "")
