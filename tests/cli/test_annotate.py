"""annotate: a study's answers as sheets that tell nothing, and people's ratings back as a table of agreement."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from babeltune.cli.agreement import table_of
from babeltune.measure.raters.agreement import Agreement, agreement
from babeltune.measure.raters.answers import Answer, answers
from babeltune.measure.raters.ratings import Rating
from babeltune.measure.statistics.intervals import Interval
from babeltune.records import Cell
from babeltune.study.artefacts import SCORES, write_lines
from babeltune.study.check import open_study
from calls import Call, Said
from doubles import study_file

MIXES = {"qqmono": {"en": 12}, "qqmulti": {"en": 8, "es": 4}}
"""Names that stand in no prompt."""
HOSTILE = '</script><script>alert(1)</script>\x1b[31m\u202e\n=HYPERLINK("http://x.example")'


@dataclasses.dataclass(frozen=True)
class Made:
    """A finished study, and its answers as they are found without the command line."""

    path: Path
    scored: tuple[tuple[Cell, dict[str, Any]], ...]

    @property
    def runs(self) -> Path:
        return self.path.parent / "runs"

    def answers(self, language: str) -> list[Answer]:
        return answers((cell, row) for cell, row in self.scored if cell.language == language)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three languages, 12 answers a cell, of which a judge scored 8 in two languages; one is hostile and one empty."""
    folder = tmp_path_factory.mktemp("study")
    model = folder / "qqmodel"
    model.mkdir()
    (model / "config.json").write_text("{}")
    tasks = {"dialogue": {"split": "dev", "languages": ["en", "es", "de"]}}
    path = study_file(folder, model, mixes=MIXES, tasks=tasks)
    opened = open_study(path, folder / "runs")
    scored = []
    for step in opened.plan.steps:
        if step.kind in ("summary", "report"):
            continue
        into = opened.store.begin(step)
        if step.kind == "score" and step.cell is not None:
            rows = [row(step.cell, index) for index in range(12)]
            write_lines(into / SCORES, rows)
            scored += [(step.cell, one) for one in rows]
        opened.store.record(step, {"counts": {"en": 99, "es": 99}, "dropped": {}})
        opened.store.publish(step)
    return Made(path, tuple(scored))


def row(cell: Cell, index: int) -> dict[str, Any]:
    """A line of a score file, as a judge that had the means for eight answers a cell would leave it."""
    said = {0: HOSTILE, 1: ""}.get(index, "") if cell.mix == "qqmono" and index < 2 else f"({len(cell.mix)}) {index}"
    judged = {"helpfulness-raw": float(1 + (index + len(cell.mix)) % 6)} if cell.language != "en" and index < 8 else {}
    asked = f"{cell.language}: {index}?"
    return {
        "item": f"p{index:02}", "values": {"agreement": 1.0, **judged}, "notes": {"response": cell.language},
        "unscored": {}, "counts": [], "subject": asked, "prompt": asked, "references": [], "response": said,
        "finish": "eos",
    }  # fmt: skip


def annotate(babeltune: Call, made: Made, *more: str | Path) -> Said:
    return babeltune("annotate", made.path, "--runs", made.runs, *more)


def sheet_rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def ratings(path: Path, rated: dict[str, int | str], *, rater: str = "", language: str = "de") -> Path:
    """A file as the page exports it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "language", "item", "rating", "rater", "comment"])
        writer.writerows([name, language, "p", value, rater, ""] for name, value in rated.items())
    return path


def table(said: Said) -> dict[tuple[str, str], list[str]]:
    """(who, language) -> n, exact, within one, kappa, Spearman, without intervals."""
    assert said.code == 0, said.err
    found: dict[tuple[str, str], list[str]] = {}
    between = ""
    for line in said.out.splitlines():
        if line.startswith("agreement of "):
            between = line.removeprefix("agreement of ").strip()
        if re.match(r"\w+ +\d+ +[\d-]", line):
            name, *cells = line.split()
            found[between, name] = cells
    return found


def numbers(row: Agreement) -> list[str]:
    values = (row.exact, row.within_one, row.kappa, row.spearman)
    return [f"{row.n}", *("-" if value is None else f"{value.value:.2f}" for value in values)]


# Writing.


def test_a_sheet_tells_no_model_no_mix_and_no_score(babeltune: Call, made: Made, tmp_path: Path) -> None:
    said = annotate(babeltune, made, "--language", "de", "--n", "12", "--out", tmp_path / "sheets")
    assert said.code == 0
    assert "German (de): 12 answers of 36 distinct ones, 12 of them judged." in said.words
    page, text = ((tmp_path / "sheets" / f"tiny-de.{kind}").read_text() for kind in ("html", "csv"))
    for word in ("qqmodel", "qqmono", "qqmulti", "base", "helpfulness-raw", "agreement", "eos", str(made.path.parent)):
        assert word not in page.split('id="data">')[1].split("</script>")[0]
        assert word not in text
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    rows = sheet_rows(tmp_path / "sheets" / "tiny-de.csv")
    known = {one.id: one for one in made.answers("de")}
    assert [one["id"] for one in data["answers"]] == [row["id"] for row in rows]
    assert all(known[row["id"]].item == row["item"] for row in rows)
    mixes = Counter(known[row["id"]].cells[0].mix for row in rows)
    assert mixes == {"base": 4, "qqmono": 4, "qqmulti": 4}


def test_the_same_study_gives_the_same_sheet_and_ratings_are_not_replaced(
    babeltune: Call, made: Made, tmp_path: Path
) -> None:
    call = ("--language", "de,es", "--n", "5", "--out", tmp_path)
    assert annotate(babeltune, made, *call).code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(before) == ["tiny-de.csv", "tiny-de.html", "tiny-es.csv", "tiny-es.html"]
    assert annotate(babeltune, made, *call).code == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    said = annotate(babeltune, made, *call, "--seed", "7")
    assert said.code == 2
    assert "annotate: 4 problems" in said.err
    assert "tiny-de.csv: is there already and differs; it may hold ratings. Move it away, or add --force." in said.words
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert annotate(babeltune, made, *call, "--seed", "7", "--force").code == 0
    assert (tmp_path / "tiny-de.csv").read_bytes() != before["tiny-de.csv"]


def test_sheets_lie_in_a_folder_of_their_own(
    babeltune: Call, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = annotate(babeltune, made, "--language", "en")
    assert said.code == 0
    assert "English (en): 36 answers, all that there are (--n 50)." in said.words
    assert "annotate/tiny-en.html" in said.out
    rows = sheet_rows(tmp_path / "annotate" / "tiny-en.csv")
    assert len(rows) == 36
    (hostile,) = [row for row in rows if "script" in row["response"]]
    assert hostile["response"] == HOSTILE.replace("\x1b", "⟨U+001B⟩").replace("\u202e", "⟨U+202E⟩").replace(
        "\n=", "\n'="
    )
    assert sum(row["response"] == "" for row in rows) == 1


# Reading.


def test_people_are_held_against_the_judge_and_each_other(babeltune: Call, made: Made, tmp_path: Path) -> None:
    found = [one for one in made.answers("de") if one.judged is not None][:20]
    ana = {one.id: min(6, (one.judged or 0) + index % 2) for index, one in enumerate(found)}
    ben = {one.id: 1 + index % 6 for index, one in enumerate(found[:12])}
    files = [ratings(tmp_path / "a.csv", dict(ana), rater="Ana"), ratings(tmp_path / "ben.csv", dict(ben))]
    said = annotate(babeltune, made, "--language", "de", "--read", files[0], "--read", files[1])
    assert said.words.startswith("Ana: 20 answers rated. ben: 12 answers rated.")

    def side(given: dict[str, int]) -> list[Rating]:
        return [Rating("de", one.item, given[one.id], id=one.id) for one in found if one.id in given]

    judge = {one.id: one.judged or 0 for one in found}
    wanted = {
        "Ana and the judge": agreement(side(ana), side(judge)),
        "ben and the judge": agreement(side(ben), side(judge)),
        "Ana and ben": agreement(side(ana), side(ben)),
    }
    assert table(said) == {(who, "German"): numbers(rows[0]) for who, rows in wanted.items()}
    exact = wanted["Ana and the judge"][0].exact
    assert exact is not None
    assert f"[{exact.low:.2f}, {exact.high:.2f}]" in said.out
    assert table(said)["Ana and the judge", "German"][2] == "1.00"  # never more than one apart


def test_languages_have_a_line_each_and_one_together(babeltune: Call, made: Made, tmp_path: Path) -> None:
    files = []
    for code in ("de", "es"):
        found = [one for one in made.answers(code) if one.judged is not None]
        files.append(
            ratings(tmp_path / f"{code}.csv", {one.id: one.judged or 0 for one in found}, rater="Ana", language=code)
        )
    said = annotate(babeltune, made, "--read", files[0], "--read", files[1])
    assert {key: row[1:] for key, row in table(said).items()} == {
        ("Ana and the judge", name): ["1.00"] * 4 for name in ("German", "Spanish", "all")
    }
    alone = annotate(babeltune, made, "--language", "es", "--read", files[0], "--read", files[1])
    assert list(table(alone)) == [("Ana and the judge", "Spanish")]
    assert "Left out: 24 ratings of de.csv in other languages than es." in alone.words


def test_a_sheet_goes_out_and_comes_back_half_filled_from_a_spreadsheet(
    babeltune: Call, made: Made, tmp_path: Path
) -> None:
    assert annotate(babeltune, made, "--language", "de", "--n", "10", "--out", tmp_path).code == 0
    rows = sheet_rows(tmp_path / "tiny-de.csv")
    for index, row in enumerate(rows[:6]):
        row |= {"rating": str(1 + index % 3), "rater": "Ana" if index == 0 else ""}
    path = tmp_path / "back.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows({**row, "item": "1", "prompt": "changed"} for row in rows)
    said = annotate(babeltune, made, "--language", "de", "--read", path)
    assert "Ana: 6 answers rated." in said.words
    assert table(said)["Ana and the judge", "German"][0] == "6"


def test_without_a_judge_two_people_are_compared_and_one_is_told(babeltune: Call, made: Made, tmp_path: Path) -> None:
    found = made.answers("en")[:6]
    one = ratings(tmp_path / "ana.csv", {each.id: 1 + index for index, each in enumerate(found)}, language="en")
    two = ratings(tmp_path / "ben.csv", {each.id: 3 for each in found}, language="en")
    said = annotate(babeltune, made, "--read", one)
    assert said.code == 0
    assert "no judge's scores of answers in these languages" in said.words
    assert "With another person's ratings, --read shows how far the two agree." in said.words
    said = annotate(babeltune, made, "--read", one, "--read", two)
    assert table(said) == {("ana and ben", "English"): ["6", "0.17", "0.50", "-", "-"]}
    assert "English: no kappa, spearman: one side gives every answer the same rating" in said.words
    three = ratings(tmp_path / "cy.csv", {each.id: 3 for each in made.answers("en")[6:9]}, language="en")
    assert "ana and cy rated no answer in common." in annotate(babeltune, made, "--read", one, "--read", three).words


def test_ids_that_the_study_does_not_have_are_told(babeltune: Call, made: Made, tmp_path: Path) -> None:
    found = [one for one in made.answers("de") if one.judged is not None][:3]
    path = ratings(tmp_path / "ana.csv", {**{one.id: 2 for one in found}, "zzzzzzzzzzzz": 4, "\x1b[1m": 4})
    said = annotate(babeltune, made, "--language", "de", "--read", path)
    assert (
        "ana: 3 answers rated; left out as no answers of this study: zzzzzzzzzzzz, ⟨U+001B⟩[1m (2 in all)."
        in said.words
    )
    assert "It has changed since the sheet was written" in said.words
    assert table(said)["ana and the judge", "German"][0] == "3"
    said = annotate(babeltune, made, "--language", "de", "--read", ratings(path, {"zzzzzzzzzzzz": 4}))
    assert said.code == 2
    assert "no rating is of an answer of this study" in said.words


def test_a_narrow_terminal_cuts_no_number_off() -> None:
    share, below = Interval(0.5, 0.25, 0.75, 12), Interval(-0.12, -0.25, -0.01, 12)
    rows = [Agreement(code, 1234, share, share, below, below, {}) for code in ("pt", "all")]
    for width, two_lines in ((80, True), (110, False)):
        console = Console(width=width, file=io.StringIO())
        with console.capture() as shown:
            console.print(table_of(rows, "Ana and the judge", two_lines=two_lines))
        assert shown.get().count("[-0.25, -0.01]") == shown.get().count("[0.25, 0.75]") == 4
        assert "…" not in shown.get()


# What is wrong.


def test_every_problem_of_every_file_is_told_before_the_study_is_read(
    babeltune: Call, made: Made, tmp_path: Path
) -> None:
    files = [
        ratings(tmp_path / "seven.csv", {"aaaaaaaaaaaa": 7, "bbbbbbbbbbbb": "x"}),
        tmp_path / "none.csv",
        ratings(tmp_path / "empty.csv", {"aaaaaaaaaaaa": ""}),
    ]
    said = babeltune("annotate", tmp_path / "no-study.yaml", *(part for path in files for part in ("--read", path)))
    assert said.code == 2
    assert "ratings: 3 problems" in said.err
    for part in ("seven.csv:2, rating: '7' is no rating", "seven.csv:3, rating: 'x' is no rating", "none.csv: No such"):
        assert part in said.words
    said = annotate(babeltune, made, "--read", files[2])
    assert (said.code, "empty.csv: no answer is rated. The column rating takes 1 to 6" in said.words) == (2, True)


def test_one_rater_rates_an_answer_once(babeltune: Call, made: Made, tmp_path: Path) -> None:
    name = made.answers("de")[0].id
    files = [ratings(tmp_path / f"{stem}.csv", {name: 3}, rater="Ana") for stem in ("old", "new")]
    said = annotate(babeltune, made, "--read", files[0], "--read", files[1])
    assert said.code == 2
    assert f"rater 'Ana': rates 1 answer ({name}) twice. Leave the newer of the ratings" in said.words
    said = annotate(babeltune, made, "--read", files[0], "--read", files[0])
    assert (said.code, "old.csv: is given twice. Give each file once." in said.words) == (2, True)
    (tmp_path / "other").mkdir()
    files = [ratings(folder / "same.csv", {name: 3}) for folder in (tmp_path, tmp_path / "other")]
    said = annotate(babeltune, made, "--read", files[0], "--read", files[1])
    assert said.code == 0
    for folder in (tmp_path, tmp_path / "other"):
        assert f"{folder}/same: 1 answer rated." in said.out


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "--language: is missing. Say whose speakers are to rate"),
        (("--language", "xq"), "--language: unknown language 'xq'"),
        (("--language", "fr"), "--language: the study asks nothing in French (fr). It has en, es, de."),
        (("--language", "de", "--n", "0"), "--n"),
        (("--read", "x.csv", "--n", "5"), "--n: is for writing a sheet, and --read reads ratings"),
    ],
)
def test_what_is_asked_wrongly_is_told(babeltune: Call, made: Made, more: tuple[str, ...], told: str) -> None:
    said = annotate(babeltune, made, *more)
    assert said.code == 2
    assert told in said.words


def test_ratings_of_a_language_that_the_study_lacks(babeltune: Call, made: Made, tmp_path: Path) -> None:
    path = ratings(tmp_path / "fr.csv", {"aaaaaaaaaaaa": 3}, language="fr")
    said = annotate(babeltune, made, "--read", path)
    assert (said.code, "--read: the study asks nothing in French (fr)" in said.words) == (2, True)


def test_a_study_that_has_not_been_run_says_what_to_run(babeltune: Call, model_folder: Path, tmp_path: Path) -> None:
    path = study_file(tmp_path, model_folder)
    said = babeltune("annotate", path, "--runs", tmp_path / "runs", "--language", "de", "--out", tmp_path / "out")
    assert said.code == 1
    assert f"steps are to come first. Run: babeltune run {path}" in said.words
    assert not (tmp_path / "out").exists()


def test_a_study_without_dialogue_has_nothing_to_rate(babeltune: Call, model_folder: Path, tmp_path: Path) -> None:
    path = study_file(tmp_path, model_folder, tasks={"xnli": {"languages": ["en"], "items": "pocket"}})
    said = babeltune("annotate", path, "--runs", tmp_path / "runs", "--language", "en")
    assert (said.code, "tasks: the study has no task dialogue" in said.words) == (2, True)
