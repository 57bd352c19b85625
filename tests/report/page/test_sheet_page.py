"""The sheet of a rater: tells no model and no score, hostile text stays text, no cell is a formula, the page works."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from babeltune.measure.judge.rubric import LEVELS
from babeltune.measure.raters.ratings import read_ratings
from babeltune.report.page.sheet import COLUMNS, Entry, Sheet, page, table
from browser import Browser, browser, chromium
from markup import OUTWARD, STEERING, Parsed

HOSTILE = (
    "</script><script>document.title = 'run'</script>",
    "<img src=x onerror=\"document.title = 'run'\">",
    "<!--<script>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\u2066 \u200f\u061c",
    "\x1b[31mred\x1b[0m \x9b31m \x00 \x07 \x7f",
    "half \ud83d of an emoji \udc80",
    "line\u2028separator\u2029and\x85next",
    '=HYPERLINK("http://x.example","click")',
    "a;=1+1",
    "\U0001f600 中文 مرحبا, \t tab\r\nand line",
)


def sheet(*responses: str, prompt: str = "Was ist ein Hund?") -> Sheet:
    names = "".join(chr(ord("a") + index) for index in range(len(responses)))
    entries = [
        Entry(name * 12, f"p{index}", prompt, text)
        for index, (name, text) in enumerate(zip(names, responses, strict=True))
    ]
    return Sheet("de", tuple(entries), LEVELS)


def rows(text: str) -> list[dict[str, str]]:
    assert text[0] == "\ufeff"
    return list(csv.DictReader(io.StringIO(text[1:], newline="")))


# The file.


@pytest.mark.parametrize("text", HOSTILE)
def test_text_changes_no_element_and_reaches_the_data_as_it_is(text: str) -> None:
    harmless, found = Parsed(page(sheet("a"))), Parsed(page(sheet(text, prompt=text)))
    assert found.elements == harmless.elements
    assert found.comments == []
    assert [found.inside[0], found.inside[2]] == [harmless.inside[0], harmless.inside[2]]
    assert not set("<>&") & set(found.inside[1][1])
    (answer,) = found.data["answers"]
    assert answer["response"] == answer["prompt"] == text.replace("\r\n", "\n")
    assert not STEERING.search(page(sheet(text, prompt=text)))


def test_the_page_runs_its_one_script_and_asks_nobody() -> None:
    found = Parsed(page(sheet("a")))
    found.assert_alone()
    assert len(found.inside) == 3
    assert "http" not in found.inside[2][1]
    assert not any(OUTWARD & set(attrs) for _, attrs in found.elements)


def test_the_page_and_the_table_hold_ids_prompts_and_responses_and_no_more() -> None:
    one = sheet("Ein Haustier.", "A pet.")
    found = Parsed(page(one)).data
    assert set(found) == {"key", "language", "levels", "answers"}
    assert [set(answer) for answer in found["answers"]] == [{"id", "item", "prompt", "response"}] * 2
    assert [list(row) for row in rows(table(one))] == [list(COLUMNS)] * 2
    assert {row[name] for row in rows(table(one)) for name in ("rating", "rater", "comment")} == {""}


def test_the_rubric_is_the_figures() -> None:
    words = " ".join(Parsed(page(sheet("a"))).words.split())
    for level, text in LEVELS.items():
        name, _, meaning = text.partition(" - ")
        assert f"{level} {name}" in words
        assert meaning in words


def test_the_key_is_that_of_these_answers() -> None:
    assert sheet("a").key == sheet("b").key  # the same ids
    assert sheet("a").key != sheet("a", "b").key
    assert re.fullmatch("[0-9a-f]{8}", sheet("a").key)


# The table.


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "  '=1"),
        ("\t=1", "\t'=1"),
        ('"=1', "\"'=1"),
        ("＝1+1", "'＝1+1"),
        ("a;=1", "a;'=1"),
        ('a;"=1', "a;\"'=1"),
        ("a, -1", "a, '-1"),
        ("a\n=1", "a\n'=1"),
        ("a\r\n- b", "a\n'- b"),
        ("1 - 2 = -1", "1 - 2 = -1"),
        ("e = mc², a-b, x@y.z", "e = mc², a-b, x@y.z"),
        ("\x1b[1m\u202e", "⟨U+001B⟩[1m⟨U+202E⟩"),
    ],
)
def test_nothing_that_may_begin_a_cell_is_a_formula(text: str, cell: str) -> None:
    (row,) = rows(table(sheet(text, prompt=text)))
    assert (row["prompt"], row["response"]) == (cell, cell)


def test_a_spreadsheet_that_takes_another_delimiter_finds_no_formula_either() -> None:
    for text in HOSTILE:
        for delimiter in ",;\t":
            # As Excel with another list separator: a quote counts only where a field begins.
            for line in table(sheet(text, f"x\n{text}", f"x{delimiter}{text}", prompt=text))[1:].splitlines():
                for cell in re.split(delimiter, line):
                    assert not re.match('[ "]*[=+\\-@＝＋－＠]', cell)


def test_a_table_that_was_filled_in_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_text(table(sheet(*HOSTILE)), encoding="utf-8", newline="")
    assert read_ratings(path) == []
    filled = [{**row, "rating": "3", "rater": "Ana"} for row in rows(path.read_text(encoding="utf-8"))]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter=";")  # as Excel saves it in many countries
        writer.writeheader()
        writer.writerows(filled[:-1])
    found = read_ratings(path)
    assert [(one.id, one.rating, one.rater) for one in found] == [
        (one.id, 3, "Ana") for one in sheet(*HOSTILE).entries[:-1]
    ]


# The page in a browser.

needs_browser = pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")
COUNT = "document.getElementById('count').innerText"
KEY = "localStorage.key(0)"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def opened(window: Browser, tmp_path: Path) -> Browser:
    path = tmp_path / "sheet.html"
    path.write_text(page(sheet(*HOSTILE)), encoding="utf-8")
    window.open(path.as_uri())
    window.run("localStorage.clear()")
    window.reload()
    for file in window.downloads.iterdir():
        file.unlink()
    for notes in (window.dialogs, window.requests, window.errors):
        notes.clear()
    return window


@needs_browser
def test_hostile_text_is_shown_as_text_and_nothing_is_fetched(opened: Browser) -> None:
    before = opened.run("document.body.getElementsByTagName('*').length")
    shown = []
    for _ in HOSTILE:
        shown.append(opened.text("response"))
        opened.press("ArrowRight")
    assert shown[0] == HOSTILE[0]
    assert shown[4] == "⟨U+202E⟩gnp.exe⟨U+2066⟩ ⟨U+200F⟩⟨U+061C⟩"
    assert shown[6] == "half ⟨U+D83D⟩ of an emoji ⟨U+DC80⟩"
    assert shown[8] == HOSTILE[8]
    assert shown[10].startswith("\U0001f600 中文 مرحبا")
    assert not any(STEERING.search(text) for text in shown)
    assert opened.run("document.title") == "Rating sheet: German"
    assert opened.run("document.body.getElementsByTagName('*').length") == before
    assert opened.errors == []
    assert opened.requests == []


@needs_browser
def test_rated_by_keyboard_kept_over_a_reload_exported_and_read(opened: Browser) -> None:
    opened.press("4", "1")  # each goes on to the next
    assert opened.text("place") == "3 of 11"
    opened.press("c", "=", "2", "Escape", "6", "ArrowLeft", "0", "2", "ArrowLeft", "ArrowLeft", "5")
    opened.reload()
    assert opened.text("count") == "3 of 11 rated"
    opened.run("document.getElementById('export').click()")
    assert "First your name" in opened.text("told")
    opened.press("A", "n", "a")  # the field has the focus
    opened.run("document.getElementById('export').click()")
    file = opened.downloaded()
    assert file.name == f"ratings-de-{sheet(*HOSTILE).key}-Ana.csv"
    assert [(one.language, one.id, one.rating, one.rater) for one in read_ratings(file)] == [
        ("de", "a" * 12, 4, "Ana"), ("de", "b" * 12, 5, "Ana"), ("de", "c" * 12, 2, "Ana"),
    ]  # fmt: skip
    exported = rows(file.read_text(encoding="utf-8"))
    assert len(exported) == len(HOSTILE)
    assert exported[2]["comment"] == "'=2"

    # On another machine: the same sheet, nothing kept.
    opened.run("localStorage.clear()")
    opened.reload()
    assert opened.text("count") == "0 of 11 rated"
    opened.choose("file", file)
    opened.until(f"{COUNT} === '3 of 11 rated'")
    assert opened.text("told") == "3 ratings imported."
    assert opened.run(
        f"[document.getElementById('rater').value, JSON.parse(localStorage.getItem({KEY})).answers.cccccccccccc.comment]"
    ) == ["Ana", "=2"]
    assert opened.dialogs == []
    assert opened.errors == []


@needs_browser
def test_an_import_takes_what_a_spreadsheet_saved_and_tells_what_it_leaves_out(opened: Browser, tmp_path: Path) -> None:
    opened.press("1")
    path = tmp_path / "filled.csv"
    ratings = {"a": "2", "b": "3,0", "c": "7", "d": "x", "e": "", "z": "4"}
    lines = "".join(
        f'{letter * 12};"a ""quoted"" prompt;\nof two lines";{value}\n' for letter, value in ratings.items()
    )
    path.write_text(f"\ufeffid;prompt;rating\n{lines}", encoding="utf-8")
    opened.choose("file", path)
    opened.until(f"{COUNT} === '2 of 11 rated'")
    assert opened.text("told") == "2 ratings imported; left out: 1 line of another sheet, 2 ratings not from 1 to 6."
    assert opened.dialogs == ["1 answer rated otherwise here. OK takes the file's ratings, Cancel keeps those here."]
    path.write_bytes(b"\xff\xfe\x00PK")
    opened.choose("file", path)
    opened.until("document.getElementById('told').innerText.includes('no sheet of ratings')")
    assert opened.text("count") == "2 of 11 rated"
    assert opened.errors == []


@needs_browser
@pytest.mark.parametrize("kept", ["{", "null", "[]", '{"answers":{"aaaaaaaaaaaa":{"rating":7,"comment":3}},"at":99}'])
def test_whatever_another_page_left_in_the_browser_does_no_harm(opened: Browser, kept: str) -> None:
    opened.run(f"localStorage.setItem({KEY}, {json.dumps(kept)})")
    opened.reload()
    assert opened.text("count") == "0 of 11 rated"
    opened.press("3")
    assert opened.text("count") == "1 of 11 rated"
    assert opened.errors == []


@needs_browser
def test_paper_gets_every_answer_with_the_points_to_circle(opened: Browser) -> None:
    opened.press("3")
    opened.run("window.dispatchEvent(new Event('beforeprint'))")
    printed = opened.run("[...document.querySelectorAll('#print article')].map((one) => one.textContent)")
    assert len(printed) == len(HOSTILE)
    assert printed[0].endswith("Rated 3")
    assert printed[1].endswith("1 2 3 4 5 6")
    assert HOSTILE[1] in printed[1]
