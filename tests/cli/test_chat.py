"""chat: the base and every adapter answer a prompt side by side; whatever they write, the terminal is not theirs."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path

import pytest

from babeltune.cli.terminal import console
from babeltune.errors import EngineError
from babeltune.records import STOP, Output, Request, Sampling, chat_prompt
from babeltune.study.check import open_study
from babeltune.study.session import Session
from calls import Call
from doubles import study_file
from markup import STEERING
from scripted import ScriptedEngine

GERMAN = "Brot ist ein Gebäck aus Mehl, Wasser und Salz, das im Ofen gebacken wird."
ENGLISH = "Bread is a food that is made of flour, water and salt and baked in an oven."
ARABIC = "الخبز طعام يصنع من الدقيق والماء ويخبز في الفرن."
HINDI = "रोटी आटे और पानी से बनाई जाती है।"
CHINESE = "面包是用面粉和水做成的食物，在烤箱里烤熟。"
HOSTILE = "\x1b[2J\x1b]0;owned\x07 one\x9b31m two\u202egnp.exe\u2066 \r\nthree\u2028four \ud83d [red]five[/red]"
QUESTION = "Was ist Brot und wie wird es gebacken?"


class Talk:
    """A study whose adapters are there, and whose engine answers from a script."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.asked: list[Request] = []
        self.loads: list[str] = []
        self.began: list[str | None] = []
        """Adapters of the requests that came before the first question."""
        self.says: Callable[[Request], str] = lambda request: GERMAN if request.cell != "base" else ENGLISH
        self.path = self.study()
        talk = self

        class Engine(ScriptedEngine):
            def complete(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
                listed = list(requests)
                talk.asked += [request for request in listed if request.id]
                talk.began += [request.adapter for request in listed if not request.id]
                yield from reversed(list(super().complete(listed)))  # an engine may answer in any order

        def engine(session: Session, model: str) -> Engine:
            talk.loads.append(model)
            return Engine(lambda request: talk.says(request))

        monkeypatch.setattr(Session, "engine", engine)
        monkeypatch.setenv("BABELTUNE_CACHE", str(folder / "cache"))

    def study(self, *, models: tuple[str, ...] = ("tiny",), **changes: object) -> Path:
        for name in models:
            (self.folder / name).mkdir(exist_ok=True)
            (self.folder / name / "config.json").write_text("{}")
        listed = [str(self.folder / name) for name in models]
        self.path = study_file(self.folder, self.folder, models=listed, sampling={"max_tokens": 40}, **changes)
        opened = open_study(self.path, self.runs)
        for step in opened.plan.of("tune"):
            opened.store.begin(step, again=True)
            opened.store.record(step, {"left_out": 0})
            opened.store.publish(step, again=True)
        return self.path

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def arguments(self, *more: str) -> tuple[str | Path, ...]:
        return ("chat", self.path, "--runs", self.runs, *more)

    def type(self, *lines: str | type[BaseException]) -> None:
        """Let somebody type at a terminal; an exception is what ends the input."""
        left = iter(lines)

        def typed(prompt: str = "") -> str:
            line = next(left)
            if not isinstance(line, str):
                raise line
            return line

        self.monkeypatch.setattr("builtins.input", typed)
        for stream in (sys.stdin, sys.stdout):
            self.monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)

    def pipe(self, content: bytes) -> None:
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Talk:
    return Talk(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_width", 120)


def test_base_and_all_adapters_answer_with_their_languages(babeltune: Call, talk: Talk) -> None:
    said = babeltune(*talk.arguments("--json", "--prompt", QUESTION))
    assert said.code == 0
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [(row["mix"], row["tuning_seed"], row["language"]) for row in rows] == [
        ("base", None, "en"), ("mono", 0, "de"), ("multi-2", 0, "de"),
    ]  # fmt: skip
    assert {row["prompt_language"] for row in rows} == {"de"}
    assert all(0.5 < row["probability"] <= 1 for row in rows)
    assert (rows[1]["answer"], rows[1]["finish"], rows[1]["model"]) == (GERMAN, "eos", "tiny")
    assert rows[1]["tokens"] == len(GERMAN.split())


def test_all_draw_the_same_random_numbers_and_are_asked_as_the_tuning_was(babeltune: Call, talk: Talk) -> None:
    talk.study(seeds=[7, 8])
    babeltune(*talk.arguments("--prompt", QUESTION, "--prompt", "Warum?", "--prompt", QUESTION))
    assert len({(one.id, one.seed) for one in talk.asked[:3]}) == 1
    assert [one.id for one in talk.asked[:3]] == [one.id for one in talk.asked[6:]]
    assert talk.asked[0].id != talk.asked[3].id
    assert {(one.prompt, one.seed) for one in talk.asked[:3]} == {(chat_prompt(QUESTION), 7)}
    assert [one.adapter and Path(one.adapter).name[:-9] for one in talk.asked[:3]] == [
        None, "tiny-mono-t0", "tiny-multi-2-t0",
    ]  # fmt: skip
    assert len({one.cell for one in talk.asked}) == 3


def test_the_model_is_loaded_once_for_all_prompts(babeltune: Call, talk: Talk) -> None:
    babeltune(*talk.arguments("--prompt", "a", "--prompt", "b"))
    assert talk.loads == [str(talk.folder / "tiny")]


def test_every_adapter_is_there_before_the_first_question(babeltune: Call, talk: Talk) -> None:
    """vLLM applies on the fly what it was started for; anything else it would merge at each question."""
    babeltune(*talk.arguments("--prompt", "a", "--prompt", "b"))
    assert talk.began == [one.adapter for one in talk.asked[:3]]
    assert len(set(talk.began)) == 3


@pytest.mark.parametrize(
    ("changes", "options", "expected"),
    [
        ({}, (), Sampling(0.8, 0.9, 40, STOP)),
        ({}, ("--temperature", "0", "--max-tokens", "5"), Sampling(0, 0.9, 5, STOP)),
        ({}, ("--temperature", "1.5"), Sampling(1.5, 0.9, 40, STOP)),
        # What dialogue has of its own goes before what the study says of all tasks.
        (
            {"tasks": {"dialogue": {"languages": ["en"], "sampling": {"max_tokens": 9, "top_p": 0.5}}}},
            (),
            Sampling(0.8, 0.5, 9, STOP),
        ),
        ({"tasks": {"xquad": {"languages": ["en"]}}}, (), Sampling(0.8, 0.9, 40, STOP)),
    ],
)
def test_answers_are_sampled_as_the_study_says_unless_told_otherwise(
    babeltune: Call, talk: Talk, changes: dict[str, object], options: tuple[str, ...], expected: Sampling
) -> None:
    talk.study(**changes)
    assert babeltune(*talk.arguments("--prompt", "a", *options)).code == 0
    assert {one.sampling for one in talk.asked} == {expected}


def test_a_wide_terminal_has_columns_and_a_narrow_one_has_not(
    babeltune: Call, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("base", "mono", "multi-2")
    lines = babeltune(*talk.arguments("--prompt", QUESTION)).out.splitlines()
    assert any(all(name in line for name in names) for line in lines)
    assert max(map(len, lines)) <= 120
    monkeypatch.setattr(console, "_width", 60)
    lines = babeltune(*talk.arguments("--prompt", QUESTION)).out.splitlines()
    assert not any(all(name in line for name in names) for line in lines)
    assert [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in names] == list(names)
    assert max(map(len, lines)) <= 60


def test_an_answer_says_its_language_and_whether_it_is_that_of_the_prompt(babeltune: Call, talk: Talk) -> None:
    said = babeltune(*talk.arguments("--prompt", QUESTION, "--mix", "base", "--mix", "mono"))
    # The script counts words as tokens: 17 English ones, 14 German ones.
    assert re.search(r"English 0\.\d\d, not German; 17 tokens, \d+\.\d s", said.words)
    assert re.search(r" German [01]\.\d\d; 14 tokens, \d+\.\d s", said.words)
    assert re.search(r"prompt: German [01]\.\d\d; 31 tokens in \d+\.\d s", said.words)


def test_an_answer_without_language_or_without_end_says_so(babeltune: Call, talk: Talk) -> None:
    talk.says = lambda request: {"base": "", "mono": "12345"}.get(request.cell, "so " * 99)
    said = babeltune(*talk.arguments("--prompt", QUESTION))
    for part in ("(nothing)", "no language (empty)", "no language (no letters)", "40 tokens (cut)"):
        assert part in said.words


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_no_answer_steers_the_terminal(
    babeltune: Call, talk: Talk, monkeypatch: pytest.MonkeyPatch, width: int, options: tuple[str, ...]
) -> None:
    monkeypatch.setattr(console, "_width", width)
    talk.says = lambda request: HOSTILE
    said = babeltune(*talk.arguments("--prompt", f"Was? {HOSTILE[:8]}", *options))
    assert said.code == 0
    assert not STEERING.search(said.out)
    if options:
        assert json.loads(said.out.splitlines()[0])["answer"].startswith("\x1b[2J")
    else:
        assert "⟨U+001B⟩[2J" in said.out
        assert "[red]five[/red]" in said.words


def test_right_to_left_answers_stand_on_lines_of_their_own(babeltune: Call, talk: Talk) -> None:
    talk.says = lambda request: ARABIC if request.cell == "mono" else ENGLISH
    lines = babeltune(*talk.arguments("--prompt", QUESTION)).out.splitlines()
    (line,) = [line for line in lines if ARABIC[:12] in line]
    assert "Bread" not in line
    assert not any("mono" in line and "base" in line for line in lines)


@pytest.mark.parametrize("text", [HINDI, CHINESE])
def test_wide_and_combining_scripts_keep_the_columns(babeltune: Call, talk: Talk, text: str) -> None:
    from rich.cells import cell_len

    talk.says = lambda request: text if request.cell == "mono" else ENGLISH
    lines = babeltune(*talk.arguments("--prompt", QUESTION)).out.splitlines()
    assert max(map(cell_len, lines)) <= 120
    shown = [line for line in lines if "Bread" in line]
    assert shown
    assert all(text[:4] in line for line in shown)


def test_what_is_not_tuned_is_left_out_and_said(babeltune: Call, talk: Talk) -> None:
    (mono,) = (talk.runs / "tiny" / "finetune").glob("tiny-mono-*")
    shutil.rmtree(mono)
    said = babeltune(*talk.arguments("--json", "--prompt", "a"))
    assert [json.loads(line)["mix"] for line in said.out.splitlines()] == ["base", "multi-2"]
    assert f"Not tuned yet, left out: mono. To tune: babeltune run {talk.path}" in said.err
    said = babeltune(*talk.arguments("--prompt", "a", "--mix", "mono"))
    assert (said.code, said.out) == (1, "")
    assert "none of its adapters is tuned yet (mono)" in said.words
    assert f"babeltune run {talk.path}" in said.words
    assert babeltune(*talk.arguments("--prompt", "a", "--mix", "base")).code == 0


def test_seeds_and_models_are_told_apart_and_chosen(babeltune: Call, talk: Talk) -> None:
    talk.study(models=("one", "two"), tuning_seeds=[0, 5])
    rows = [
        json.loads(line)
        for line in babeltune(
            *talk.arguments("--json", "--prompt", "a", "--model", "two", "--seed", "5")
        ).out.splitlines()
    ]
    assert [(row["model"], row["mix"], row["tuning_seed"]) for row in rows] == [
        ("two", "base", None), ("two", "mono", 5), ("two", "multi-2", 5),
    ]  # fmt: skip
    assert talk.loads == [str(talk.folder / "two")]
    said = babeltune(*talk.arguments("--prompt", "a", "--model", "two", "--mix", "mono"))
    assert "mono-t0" in said.out
    assert "mono-t5" in said.out


def test_what_the_study_does_not_have_is_told_all_at_once(babeltune: Call, talk: Talk) -> None:
    talk.study(models=("one", "two"))
    said = babeltune(*talk.arguments("--prompt", "a", "--mix", "multi2", "--seed", "3"))
    assert said.code == 2
    for part in (
        "3 problems",
        "--model: the study has several. Name one of one, two.",
        "--mix: the study has no mix 'multi2'. Did you mean 'multi-2'?",
        "--seed: no adapter is tuned with the seed 3. There are 0.",
    ):
        assert part in said.words
    said = babeltune(*talk.arguments("--prompt", "a", "--model", "twoo"))
    assert "no model 'twoo'. Did you mean 'two'?" in said.words


def test_prompts_come_from_a_pipe_a_line_each(babeltune: Call, talk: Talk) -> None:
    talk.pipe(f"\ufeff{QUESTION}\n\n   \nWarum?\r\n/quit\nnever\n".encode())
    said = babeltune(*talk.arguments("--json", "--mix", "mono"))
    assert [json.loads(line)["prompt"] for line in said.out.splitlines()] == [QUESTION, "Warum?"]
    talk.pipe(f"{QUESTION}\n".encode())
    assert f"> {QUESTION}" in babeltune(*talk.arguments("--mix", "mono")).out


def test_a_prompt_that_is_no_text_is_refused(babeltune: Call, talk: Talk) -> None:
    talk.pipe(b"Was?\n\xff\xfe\n")
    said = babeltune(*talk.arguments("--json", "--mix", "mono"))
    assert said.code == 2
    assert len(said.out.splitlines()) == 1
    assert "line 2, standard input: is not UTF-8" in said.words
    assert "--prompt: is empty" in babeltune(*talk.arguments("--prompt", "  ")).words
    assert "--prompt: is not UTF-8" in babeltune(*talk.arguments("--prompt", "a\udcff")).words


@pytest.mark.parametrize("end", ["/quit", EOFError, KeyboardInterrupt])
def test_a_conversation_is_ended_cleanly(babeltune: Call, talk: Talk, end: str | type[BaseException]) -> None:
    talk.type(QUESTION, "  ", end)
    said = babeltune(*talk.arguments())
    assert said.code == 0
    assert len(talk.asked) == 3
    assert "Each prompt stands alone." in said.out
    assert "Stopped" not in said.words
    assert "Traceback" not in said.err


def test_ctrl_c_ends_an_answer_too(babeltune: Call, talk: Talk) -> None:
    def interrupted(request: Request) -> str:
        if request.id:
            raise KeyboardInterrupt
        return ""

    talk.says = interrupted
    talk.type(QUESTION)
    assert babeltune(*talk.arguments()).code == 0
    assert babeltune(*talk.arguments("--prompt", "a")).code == 130


def test_an_answer_that_fails_does_not_end_the_conversation(babeltune: Call, talk: Talk) -> None:
    def failing(request: Request) -> str:
        if "zweite" in request.prompt:
            raise EngineError("the prompt has too many tokens. Shorten it.")
        return GERMAN

    talk.says = failing
    talk.type("Die erste?", "Die zweite?", "Die dritte?", EOFError)
    said = babeltune(*talk.arguments())
    assert said.code == 0
    assert "too many tokens. Shorten it." in said.err
    assert said.out.count("prompt: ") == 2
    assert babeltune(*talk.arguments("--prompt", "Die zweite?")).code == 1


def test_prompts_are_remembered_for_this_user_alone(babeltune: Call, talk: Talk) -> None:
    readline = pytest.importorskip("readline")
    readline.clear_history()
    readline.add_history("Was ist Brot?")
    talk.type(EOFError)
    babeltune(*talk.arguments())
    path = talk.folder / "cache" / "chat-history"
    assert "Was ist Brot?" in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    readline.clear_history()
    talk.type(EOFError)
    babeltune(*talk.arguments())
    assert readline.get_history_item(1) == "Was ist Brot?"
    readline.clear_history()


def test_the_help_says_that_each_prompt_stands_alone(babeltune: Call) -> None:
    words = babeltune("chat", "--help").words
    for part in ("Each prompt stands alone", "Ctrl-D, Ctrl-C or /quit", "--temperature", "--mix", "--seed", "--model"):
        assert part in words
