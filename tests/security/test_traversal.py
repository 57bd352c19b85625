"""Names lead nowhere: of studies, mixes, models, languages, chats, items, adapters, imports, archives; links are told."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from babeltune.study.importing import archive as archive_
from babeltune.study.importing.archive import UnreadableError, header, samples
from calls import Call
from doubles import study_file

PATHS = (
    "../../x", "/etc/x", "org/../../x", "..", ".", "a/../../b", "a\\..\\b", "C:\\x", "CON", "nul.txt", "~root/x", "~", "a\x00b", "x" * 300,
    "-rf", "a\nb", " ", "", "\u2024\u2024/x", "..%2f..%2fx", "file:///etc/passwd", "http://evil.example/x", "\\\\host\\share", "$HOME", "`id`", "${x}",
    "a:b", "a*", "é", "\ufeffx",
)  # fmt: skip
WINDOWS = {"CON", "nul.txt"}
"""Plain names here; on Windows, where the software was never tried, devices."""


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder deep enough for ``../..``, in which nothing but ``runs`` may appear."""
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    return folder


def there(root: Path) -> set[str]:
    found = {str(path.relative_to(root)) for path in root.rglob("*")}
    return {path for path in found if not path.startswith(("a/b/c/.cache", "a/b/c/.config"))}  # of libraries, at home


def refused(babeltune: Call, box: Path, *arguments: str | Path, but: tuple[str, ...] = ()) -> str:
    """The command fails with words, and leaves nothing outside ``runs``."""
    root = box.parents[2]
    before = there(root)
    said = babeltune(*arguments)
    assert said.code in (1, 2), said
    assert "Traceback" not in said.err
    left = {path for path in there(root) - before if not path.startswith(("a/b/c/runs", *but))}
    assert left == set()
    return said.words


def test_names_in_a_study_file_are_names(babeltune: Call, box: Path) -> None:
    """Models, mixes, languages: all of them in one file, and every one is told. Nothing is made outside the runs folder."""
    path = study_file(
        box, "x", models=[{"id": name, "pretraining": name} for name in PATHS],
        mixes={**{name: {"en": 1} for name in PATHS}, "mono": dict.fromkeys(PATHS, 1)},
        tasks={"dialogue": {"items": "../../x", "languages": [*PATHS, "en"]}, "xnli": {"items": "/etc", "languages": ["en"]}},
    )  # fmt: skip
    words = refused(babeltune, box, "run", path, "--runs", box / "runs")
    plain = [name for name in PATHS if name in WINDOWS]
    for at in range(len(PATHS)):
        for field in (f"tasks.dialogue.languages[{at}]", f"models[{at}]"):
            assert field in words, (field, PATHS[at])
    assert words.count("cannot be a name") == len(PATHS) - len(plain) - 1  # one is cut before that, and told so
    assert "holds a name of 300 bytes" in words


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/x", "..", "org/../../x", "a\x00b", "x" * 300, "~root/x", "file:///etc/passwd"]
)
def test_places_in_a_study_file_are_only_read(babeltune: Call, box: Path, name: str) -> None:
    path = study_file(
        box, "smollm2-135m", study=name, chats={"at": name}, label={"identifier": name},
        tasks={"dialogue": {"items": name, "languages": ["en"]}},
    )  # fmt: skip
    words = refused(babeltune, box, "run", path, "--runs", box / "runs")
    if "Permission denied" not in words:  # else it is root's home, and told alone
        for field in ("study:", "chats", "label.identifier"):
            assert field in words
    assert len(words) < 60_000


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "..", "-rf", "a\nb", " ", "x" * 300, "C:\\x"])
def test_what_the_command_line_names_leads_nowhere(babeltune: Call, box: Path, name: str) -> None:
    path = study_file(box, "smollm2-135m")
    (box / "logs").mkdir()
    runs = ("--runs", box / "runs")
    refused(babeltune, box, "export", path, *runs, "--", name)
    refused(babeltune, box, "import", box / "logs", *runs, f"--name={name}")
    refused(babeltune, box, "lint-prompts", "--task=xquad", f"--language={name}")
    refused(babeltune, box, "annotate", path, *runs, f"--language={name}")


def archive(path: Path, names: list[str], **more: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(
            "header.json",
            json.dumps({"version": 2, "status": "success", "eval": {"model": "openai/x", "task": "t_de"}}),
        )
        for name in names:
            made.writestr(
                name,
                json.dumps(
                    {
                        "id": name,
                        "epoch": 1,
                        "input": "Was?",
                        "target": "",
                        "output": {"completion": "Brot.", "choices": [{}]},
                    }
                ),
            )
        for name, content in more.items():
            made.writestr(name, content)
    return path


def test_names_in_an_archive_are_written_nowhere(babeltune: Call, box: Path) -> None:
    logs = box / "logs"
    logs.mkdir()
    names = [
        "samples/../../../../evil.json",
        "/tmp/evil.json",
        "samples/../../x.json",
        "samples/a\\..\\b.json",
        "samples/\x1b.json",
    ]
    archive(logs / "a.eval", names)
    before = there(box.parents[2])
    said = babeltune("import", logs, "--name", "x", "--runs", box / "runs")
    assert "Traceback" not in said.err
    left = {path for path in there(box.parents[2]) - before if not path.startswith("a/b/c/runs/x")} - {"a/b/c/runs"}
    assert left == set()
    assert not [path for path in there(box / "runs") if "evil" in path or ".." in path]


def zeros(path: Path, said: int | None) -> Path:
    """A zip of 3 MiB of zeros in a few kilobytes, which says that it holds so much, or ``said``."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = b"\0" * (1 << 20)
    packed = b"".join(packer.compress(block) for _ in range(3)) + packer.flush()
    size = 3 << 20 if said is None else said
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("header.json", "{}")
    raw = bytearray(path.read_bytes())
    start = raw.index(b"PK\x01\x02")
    name = b"samples/bomb.json"
    entry = bytes(raw[:start])
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, len(packed), size, len(name), 0) + name + packed
    old = bytes(raw[start : raw.index(b"PK\x05\x06")])
    central = (
        struct.pack(
            "<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, 0, len(packed), size, len(name), 0, 0, 0, 0, 0, len(entry)
        )
        + name
    )
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(old) + len(central), len(entry) + len(local), 0)
    path.write_bytes(entry + local + old + central + end)
    return path


@pytest.mark.parametrize(("said", "why"), [(None, "unpacks to"), (1000, "cannot be unpacked|unpacks to|broken JSON")])
def test_a_bomb_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: int | None, why: str
) -> None:
    monkeypatch.setattr(archive_, "_MOST", 1 << 20)  # half a GiB, and the same
    path = zeros(tmp_path / "bomb.eval", said)
    assert path.stat().st_size < 20_000
    assert header(path) == {}
    with pytest.raises(UnreadableError, match=why):
        list(samples(path))


def test_links_in_a_chats_folder_are_read_and_a_loop_of_them_ends(babeltune: Call, box: Path) -> None:
    """A link is a file like any other: who puts it there may read what it points to. Nothing is written through it."""
    chats = box / "chats"
    chats.mkdir()
    (chats / "loop").symlink_to(chats)
    (chats / "gone.jsonl").symlink_to(box / "none")
    (chats / "device.jsonl").symlink_to("/dev/null")
    words = refused(babeltune, box, "plan", study_file(box, "none/such", chats=str(chats)), "--runs", box / "runs")
    assert "chats" in words


@pytest.mark.parametrize(
    "room", ["runs", "runs/tiny", "runs/tiny/lock", "runs/tiny/data", "runs/tiny/report", "runs/tiny/ledger.sqlite"]
)
def test_a_link_in_the_runs_folder_gets_nobody_s_file_overwritten(
    babeltune: Call, box: Path, model_folder: Path, room: str
) -> None:
    """In a runs folder that others may write to, a link may stand where the software is about to write."""
    outside = box.parent / "outside"
    outside.mkdir()
    (outside / "precious").write_text("mine")
    target = outside / "precious" if room.endswith(("lock", "sqlite")) else outside
    place = box / room
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
    said = babeltune("mix", study_file(box, model_folder), "--runs", box / "runs")
    assert "Traceback" not in said.err
    assert said.code in (0, 1, 2, 3)
    assert (outside / "precious").read_text() == "mine", "written through a link"


def test_a_report_of_others_may_be_anything_and_is_told(babeltune: Call, box: Path) -> None:
    """``results.json`` and ``items.parquet`` of a stranger: wrong shapes end in words, names lead nowhere."""
    folder = box / "report"
    folder.mkdir()
    import polars as pl

    pl.DataFrame({"x": [1]}).write_parquet(folder / "items.parquet")
    row: dict[str, Any] = {
        "model": "../../x",
        "mix": "../m",
        "task": "../t",
        "language": "../l",
        "prompting": "p",
        "metric": "m",
        "value": "x",
    }
    shapes: list[Any] = [
        [], "x", None, 1, {}, {"rows": 1}, {"study": "../../x", "rows": [row]}, {"rows": [[]], "mixes": []},
        {**{key: [] for key in ("rows", "verdicts", "claims", "shifts", "histogram", "splits", "corpora", "curves")}, "judging": None, "exposure": {}},
        {"study": [], "mixes": {}, **{key: [1] for key in ("rows", "verdicts", "claims", "shifts", "histogram", "splits", "corpora", "curves")}, "judging": 1, "exposure": 1},
    ]  # fmt: skip
    for content in (*map(json.dumps, shapes), "[" * 100_000, "\x00", '{"rows": NaN}'):
        (folder / "results.json").write_text(content)
        for arguments in (
            ("figures", folder, "--out", box / "runs"),
            ("scorecard", folder),
            ("compare", folder, folder, "--out", box / "runs" / "c.html"),
        ):
            (box / "runs").mkdir(exist_ok=True)
            refused(babeltune, box, *arguments)
