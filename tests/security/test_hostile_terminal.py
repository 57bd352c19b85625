"""The terminal obeys no text, wherever it came from: a model, a file's name, a study file, a row, a server's error."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from babeltune.cli.files import line_of
from babeltune.cli.terminal import Terminal
from calls import Call

SRC = Path(__file__).parents[2] / "src" / "babeltune"
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
OURS = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|[0-9]*[AK])|\r")
"""Colours; the cursor hidden, shown and moved up; a line cleared: all that a status line needs."""
ATTACKS = (
    "\x1b[2J\x1b[1;1H",  # clears the screen
    "\x1b]0;owned\x07",  # names the window
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",  # a link that reads as another
    "\x1b]52;c;cm0gLXJmIC8=\x07",  # fills the clipboard
    "\x9b31m\x9d0;owned\x9c",  # the same as C1 controls
    "\x90+q\x9c\x1bP+q\x1b\\",  # device control, which some terminals answer as if typed
    "moc.elpmaxe\u202e\u2066\u200f\u061c",  # turned around
    "over\rwritten\x08\x08\x7f\x00\x0b\x0c",
    "\u2028\u2029 half \ud83d \udc80",
    "[link=http://evil.example]click[/link] [/red] [bold] [@click=app.quit]x[/] :smile:",
    "x" * 100_000,
)


def bare(printed: str) -> str:
    """What was printed, without what a console of ours says to the terminal itself."""
    return OURS.sub("", printed)


def console() -> tuple[Terminal, io.StringIO]:
    file = io.StringIO()
    return Terminal(file=file, force_terminal=True, width=80, emoji=False), file


def as_text(screen: Terminal, text: str) -> None:
    screen.print(text, markup=False, soft_wrap=True, style="red")


def in_a_table(screen: Terminal, text: str) -> None:
    table = Table(title=Text(text), caption=Text(text))
    table.add_column(Text(text), overflow="fold")
    table.add_row(Text(text))
    screen.print(table)


def as_a_status(screen: Terminal, text: str) -> None:
    with screen.status(Text(text)):
        pass


@pytest.mark.parametrize("shown", [as_text, in_a_table, as_a_status])
@given(text=st.text(st.characters(), max_size=200))
@example(text="".join(ATTACKS[:-1]))
def test_no_text_steers_however_it_is_printed(shown: Callable[[Terminal, str], None], text: str) -> None:
    screen, file = console()
    shown(screen, text)
    assert not STEERING.search(bare(file.getvalue()))
    file.getvalue().encode()


@pytest.mark.parametrize("text", ATTACKS[:-2])
def test_what_steers_is_shown_by_its_code_point(text: str) -> None:
    screen, file = console()
    as_text(screen, text)
    shown = set(re.findall(r"⟨U\+([0-9A-F]{4})⟩", file.getvalue()))
    dropped = {"0007", "0008", "000B", "000C", "000D"}  # by rich, before anything of ours
    assert shown == {f"{ord(char):04X}" for char in STEERING.findall(text)} - dropped


def test_markup_in_text_is_no_markup_and_no_style_of_ours_is_a_link() -> None:
    screen, file = console()
    screen.print("[link=http://evil.example]click[/link]")
    screen.print("[link=http://evil.example]click[/link]", markup=True)  # even if somebody were to allow it
    as_text(screen, ATTACKS[-2])
    assert "\x1b]" not in file.getvalue()
    assert ATTACKS[-2] in bare(file.getvalue())


@given(
    st.recursive(st.text() | st.none() | st.integers(), lambda some: st.lists(some) | st.dictionaries(st.text(), some))
)
def test_no_line_of_json_steers_and_it_is_the_same_json(value: object) -> None:
    line = line_of(value)
    assert not STEERING.search(line) or set(STEERING.findall(line)) <= {"\u061c", "\u200e", "\u200f"}
    assert json.loads(line) == json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def test_everything_is_printed_through_the_two_consoles_that_obey_nothing() -> None:
    """No ``print``, no console of rich's own, no bare stream: what the tests above show holds for every verb."""
    allowed = {
        ("typer.echo", "cli/__init__.py"),
        ("typer.echo", "cli/verbs/studies.py"),
        ("typer.echo", "cli/verbs/doctor.py"),
        ("sys.stdout.write", "study/doctor/trial.py"),  # to the process that waits for it
        ("sys.stdout.write", "cli/verbs/chat.py"),
    }
    for path in SRC.rglob("*.py"):
        place = path.relative_to(SRC).as_posix()
        for _, name in calls(ast.parse(path.read_text())):
            direct = name in ("print", "Console", "rich.print", "typer.secho") or name.endswith(
                (".echo", "stdout.write", "stderr.write")
            )
            assert not direct or (name, place) in allowed, (place, name)


def test_no_text_is_read_as_markup() -> None:
    for path in SRC.rglob("*.py"):
        text = path.read_text()
        assert not re.search(r"markup=True|from_markup|render_markup|emoji=True", text), path


NAME = "a\x1b[2Jb\x9b31m\u202e[link=x.y]c[_red] \udc80"
"""Of a file: the last letter is a byte that is no UTF-8."""
TEXT = "".join(ATTACKS[:-1])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files whose names and contents are hostile."""
    folder = tmp_path_factory.mktemp("hostile") / NAME
    folder.mkdir()
    rows = [
        {
            "id": f"{TEXT}{at}",
            "prompt": TEXT,
            "response": TEXT,
            "text": TEXT,
            "instruction": TEXT,
            TEXT: TEXT,
            "lang": TEXT,
        }
        for at in range(3)
    ]
    lines = [json.dumps(row) for row in rows]
    (folder / f"{NAME}.jsonl").write_text("\n".join([*lines, f"{{{TEXT[:40]}", "[]"]), "utf-8", "replace")
    (folder / f"{NAME}.csv").write_text(f"prompt,{NAME}\n" + f"x,{NAME},z\n" * 3, "utf-8", "replace")
    (folder / f"{NAME}.json").write_text(json.dumps(rows))
    text = json.dumps(TEXT)  # of which YAML reads every escape but half a character
    text = re.sub(r"\\\\ud[89a-f][0-9a-f]{2}", "", text)
    (folder / f"{NAME}.yaml").write_text(
        f"study: {text}\nmodels: [{text}, 'a/b']\nchats: {text}\nmixes: {{{text}: {{en: 1, {text}: 2}}}}\n"
        f"tasks: {{{text}: 1, dialogue: {{items: {text}, split: {text}, languages: [{text}]}}}}\n{text}: 1\n"
        f"label: {{identifier: {text}}}\njudge: {{model: {text}, base_url: {text}, key_variable: {text}}}\n"
        f"prices: {{{text}: 3}}\nrecipe: {text}\n"
    )
    return folder


def verbs(place: Path) -> dict[str, tuple[str | Path, ...]]:
    rows, table, study = (place / f"{NAME}.{ending}" for ending in ("jsonl", "csv", "yaml"))
    return {
        **{verb: (verb, study, "--runs", place) for verb in ("plan", "mix", "run", "status", "report", "score", "ledger", "figures", "scorecard", "judge")},
        "compare": ("compare", study, rows, "--runs", place),
        "annotate": ("annotate", study, "--runs", place, "--language", "de"),
        "export": ("export", study, NAME, "--runs", place),
        "chat": ("chat", study, "--runs", place, "--prompt", NAME),
        "score a file": ("score", "--outputs", rows, "--task", "dialogue", "--language", "de"),
        "score a table": ("score", "--outputs", table, "--task", "xquad", "--language", "de", "--skip-bad-rows"),
        "score rows": ("score", "--outputs", place / f"{NAME}.json", "--task", "dialogue", "--language", "de", "--skip-bad-rows"),
        "lid": ("lid", rows, "--field", NAME),
        "lid skips": ("lid", rows, "--field", "text", "--skip-bad-rows"),
        "lid counts": ("lid", rows, "--field", "text", "--skip-bad-rows", "--summary", "--against", place / NAME),
        "import": ("import", place, "--name", "x", "--runs", place / "runs"),
        "census": ("census", place, "--field", "text", "--out", place / "c.csv", "--skip-bad-rows"),
        "translate": ("translate", rows, "--to", "de", "--out", place / "out", "--model", NAME, "--base-url", "http://127.0.0.1:9/v1"),
        "no such file": ("lid", place / "none" / NAME),
        "no such option": ("lid", rows, f"--{NAME}"),
        "no such verb": (NAME,),
        "no such language": ("score", "--outputs", rows, "--task", NAME, "--language", NAME),
    }  # fmt: skip


@pytest.mark.parametrize("name", verbs(Path()))
def test_no_verb_repeats_what_steers(
    babeltune: Call, place: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    said = babeltune(*verbs(place)[name])
    assert said.code in (0, 1, 2), said
    found = STEERING.search(said.out + said.err)
    assert found is None, (said.out + said.err)[max(0, found.start() - 60) : found.end() + 60]
    assert "Traceback" not in said.err
