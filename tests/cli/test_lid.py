"""The verb ``lid``: a line of JSON for each text, or a table."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from babeltune.cli.terminal import Terminal
from babeltune.data import identify, texts
from babeltune.data.identify import FastText, lid176_path
from babeltune.records import Identified
from calls import Call, Said
from markup import STEERING

ENGLISH = "Where does the river begin, and where does it end?"
SPANISH = "¿Dónde nace el río y dónde termina su largo viaje?"
GERMAN = "Wo entspringt der Fluss, und in welches Meer mündet er?"


def lines(said: Said) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.out.split("\n") if line]


def text_file(folder: Path, *texts: str, name: str = "texts.txt") -> Path:
    path = folder / name
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def json_file(folder: Path, *rows: object, name: str = "texts.jsonl") -> Path:
    path = folder / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def chat(asked: str, said: str, **more: object) -> dict[str, object]:
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    return {"messages": turns, **more}


class Scripted:
    """Gives each text the verdict that is written down for it."""

    def __init__(self, **verdicts: Identified) -> None:
        self.verdicts = verdicts
        self.asked: list[str] = []

    def identify(self, texts: Sequence[str]) -> list[Identified]:
        self.asked += texts
        return [self.verdicts[text.split()[0]] for text in texts]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> dict[str, Scripted]:
    """Two identifiers that agree on the words one and four (by language, not by label), and on nothing else."""
    named = {
        "lid176": Scripted(
            one=Identified("de", 0.9), two=Identified("en", 0.6), three=Identified("en", 0.7),
            four=Identified(None, 0.0, "no label"), five=Identified("war", 0.5),
        ),
        "openlid": Scripted(
            one=Identified("deu_Latn", 0.8), two=Identified("spa_Latn", 0.9), three=Identified(None, 0.0, "no label"),
            four=Identified(None, 0.0, "no label"), five=Identified("war_Latn", 0.5),
        ),
    }  # fmt: skip
    monkeypatch.setattr(identify, "identifier", lambda name, **how: named[name])
    return named


def test_each_text_has_a_line_with_its_place_label_and_language(babeltune: Call, tmp_path: Path) -> None:
    path = text_file(tmp_path, ENGLISH, "", SPANISH, GERMAN)
    said = babeltune("lid", path)
    assert (said.code, said.err) == (0, "")
    found = lines(said)
    assert [list(row) for row in found] == [["where", "label", "language", "probability", "reason", "text"]] * 3
    # Lines that hold nothing are no texts.
    assert [(row["where"], row["label"], row["language"], row["text"]) for row in found] == [
        ("texts.txt:1", "en", "en", ENGLISH),
        ("texts.txt:3", "es", "es", SPANISH),
        ("texts.txt:4", "de", "de", GERMAN),
    ]
    # Against the identifier asked by itself.
    alone = FastText(lid176_path()).identify([ENGLISH, SPANISH, GERMAN])
    assert [row["probability"] for row in found] == [round(one.probability, 6) for one in alone]
    assert [row["reason"] for row in found] == [None] * 3


def test_a_label_outside_the_table_has_no_language_and_no_reason(
    babeltune: Call, tmp_path: Path, two: dict[str, Scripted]
) -> None:
    (row,) = lines(babeltune("lid", text_file(tmp_path, "five")))
    assert (row["label"], row["language"], row["reason"]) == ("war", None, None)


def test_text_without_letters_is_abstained_on_with_a_reason(babeltune: Call, tmp_path: Path) -> None:
    path = json_file(tmp_path, {"text": "12 + 3 = 15!"}, {"text": ""}, {"text": " \n"}, {"text": ENGLISH})
    found = lines(babeltune("lid", path))
    assert [(row["label"], row["language"], row["probability"], row["reason"]) for row in found[:3]] == [
        (None, None, 0.0, "no letters"),
        (None, None, 0.0, "empty"),
        (None, None, 0.0, "empty"),
    ]
    assert found[3]["reason"] is None


def test_a_text_is_judged_whole_and_shown_in_part(babeltune: Call, tmp_path: Path) -> None:
    text = "OK. " + "\n".join([GERMAN] * 30)
    (row,) = lines(babeltune("lid", json_file(tmp_path, {"text": text})))
    assert row["label"] == "de"
    assert row["text"] == text[:100]


def test_below_the_threshold_a_text_is_unknown(babeltune: Call, tmp_path: Path, two: dict[str, Scripted]) -> None:
    path = text_file(tmp_path, "one", "two", "four")
    found = lines(babeltune("lid", path, "--threshold", "0.9"))
    assert [(row["label"], row["language"], row["probability"], row["reason"]) for row in found] == [
        ("de", "de", 0.9, None),  # equal to it is enough
        ("en", None, 0.6, "below 0.9"),
        (None, None, 0.0, "no label"),
    ]
    summed = babeltune("lid", path, "--threshold", "0.9", "--summary")
    assert "unknown 1 33.33 % 0.600" in summed.words


@pytest.mark.parametrize("threshold", ["1.5", "-0.1", "high"])
def test_a_threshold_that_is_no_probability_is_refused(babeltune: Call, tmp_path: Path, threshold: str) -> None:
    assert babeltune("lid", text_file(tmp_path, ENGLISH), f"--threshold={threshold}").code == 2


def test_the_summary_counts_labels(babeltune: Call, tmp_path: Path, two: dict[str, Scripted]) -> None:
    said = babeltune("lid", text_file(tmp_path, "two", "three", "one", "four"), "--summary")
    assert said.code == 0
    assert "4 texts by lid176" in said.out
    assert "{" not in said.out
    # By hand: (0.6 + 0.7) / 2 = 0.65.
    for row in ("en 2 50.00 % 0.650", "de 1 25.00 % 0.900", "(no label) 1 25.00 % -"):
        assert row in said.words


def test_an_empty_file_is_nothing_to_say(babeltune: Call, tmp_path: Path) -> None:
    path = text_file(tmp_path)
    assert babeltune("lid", path) == Said(0, "", "")
    assert "0 texts by lid176" in babeltune("lid", path, "--summary").out


@pytest.mark.parametrize("packed", [False, True])
def test_a_column_is_named_with_field(babeltune: Call, tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("answers.csv.gz" if packed else "answers.csv")
    opened = gzip.open if packed else open
    with opened(path, "wt", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "answer"), (1, GERMAN), (2, f"{SPANISH}\n{SPANISH}")])
    said = babeltune("lid", path, "--field", "answer")
    assert [(row["label"], row["text"][:3]) for row in lines(said)] == [("de", "Wo "), ("es", "¿Dó")]
    wrong = babeltune("lid", path)
    assert (wrong.code, wrong.out) == (2, "")
    assert "there is no field 'text' among id, answer. Name the column with --field." in wrong.err


def test_several_files_and_folders_are_read_one_after_the_other(babeltune: Call, tmp_path: Path) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    text_file(folder, GERMAN, name="b.txt")
    json_file(folder, {"text": SPANISH}, name="a.jsonl")
    last = text_file(tmp_path, ENGLISH)
    found = lines(babeltune("lid", folder, last))
    assert [(row["where"], row["label"]) for row in found] == [
        ("a.jsonl:1", "es"), ("b.txt:1", "de"), ("texts.txt:1", "en"),
    ]  # fmt: skip


def test_chats_of_a_known_shape_are_judged_whole_without_role_markers(babeltune: Call, tmp_path: Path) -> None:
    shapes: list[tuple[object, str]] = [
        (chat("Hi", GERMAN, id="mine"), "chat mine"),
        ({"text": f"### Human: Hi### Assistant: {GERMAN}"}, "chat 0"),
        ({"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": GERMAN}]}, "chat 0"),
        ({"instruction": "Hi", "input": "", "output": GERMAN}, "chat 0"),
    ]
    for at, (row, where) in enumerate(shapes):
        path = json_file(tmp_path, row, name=f"{at}.jsonl")
        (found,) = lines(babeltune("lid", path))
        assert found["where"] == f"{at}.jsonl {where}"
        assert found["text"] == f"Hi\n{GERMAN}"
        (alone,) = FastText(lid176_path()).identify([f"Hi\n{GERMAN}"])
        assert (found["label"], found["probability"]) == ("de", round(alone.probability, 6))


def test_a_field_of_a_chat_may_be_judged_by_itself(babeltune: Call, tmp_path: Path) -> None:
    (found,) = lines(babeltune("lid", json_file(tmp_path, chat("Hi", GERMAN, note=SPANISH)), "--field", "note"))
    assert (found["label"], found["where"]) == ("es", "texts.jsonl:1")


def test_a_text_field_without_role_markers_is_a_text(babeltune: Call, tmp_path: Path) -> None:
    found = lines(babeltune("lid", json_file(tmp_path, {"text": GERMAN}, {"text": SPANISH})))
    assert [(row["where"], row["label"]) for row in found] == [("texts.jsonl:1", "de"), ("texts.jsonl:2", "es")]


def test_two_identifiers_are_compared_by_language_not_by_label(
    babeltune: Call, tmp_path: Path, two: dict[str, Scripted]
) -> None:
    path = text_file(tmp_path, "one", "two", "three", "four", "five")
    found = lines(babeltune("lid", path, "--against", "openlid"))
    assert [row["text"] for row in found] == ["one", "two", "three", "four", "five"]
    assert found[0]["against"] == {"label": "deu_Latn", "language": "de", "probability": 0.8, "reason": None}
    assert found[2]["against"] == {"label": None, "language": None, "probability": 0.0, "reason": "no label"}
    apart = lines(babeltune("lid", path, "--against", "openlid", "--disagreements"))
    # `war` and `war_Latn` are not in the table: there is no telling that they are one language.
    assert [row["text"] for row in apart] == ["two", "three", "five"]


def test_the_summary_of_two_lists_where_they_disagree(
    babeltune: Call, tmp_path: Path, two: dict[str, Scripted]
) -> None:
    path = text_file(tmp_path, "one", "two   again", "two", "three", "four")
    said = babeltune("lid", path, "--against", "openlid", "--summary")
    assert "lid176 and openlid agree on 2 of 5 texts." in said.out
    assert "en spa_Latn 2 two again" in said.words
    assert "en (no label) 1 three" in said.words
    assert "deu_Latn" not in said.out


def test_two_that_are_unsure_do_not_disagree(babeltune: Call, tmp_path: Path, two: dict[str, Scripted]) -> None:
    path = text_file(tmp_path, "five", "one")
    said = babeltune("lid", path, "--against", "openlid", "--disagreements", "--threshold", "0.85")
    assert [(row["text"], row["against"]["reason"]) for row in lines(said)] == [("one", "below 0.85")]


def test_disagreements_take_two(babeltune: Call, tmp_path: Path) -> None:
    said = babeltune("lid", text_file(tmp_path, ENGLISH), "--disagreements")
    assert said.code == 2
    assert "there is nothing to disagree with. Name a second identifier with --against." in said.words


def test_an_identifier_agrees_with_itself(babeltune: Call, tmp_path: Path) -> None:
    path = text_file(tmp_path, ENGLISH, SPANISH, "1 2 3")
    said = babeltune("lid", path, "--against", str(lid176_path()), "--summary")
    # A long path may be folded.
    assert f"and{lid176_path()}agreeon3of3texts." in "".join(said.out.split())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere.bin", "there is no file 'nowhere.bin'. Give lid176, openlid, openlid-quantised, or the path"),
        ("openlid", "laurievb/OpenLID/model.bin at c863ba498d48 (1.2 GB) is not in the local cache. Run once with"),
    ],
)
@pytest.mark.parametrize("option", ["--identifier", "--against"])
def test_an_identifier_that_is_not_there_is_named(
    babeltune: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str, option: str
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    said = babeltune("lid", text_file(tmp_path, ENGLISH), option, name)
    assert (said.code, said.out) == (1, "")
    assert told in said.err


BAD = [
    ("{broken", ":2: broken JSON"),
    ('{"text": 3}', ":2: field 'text' is 3, not a text"),
    ('{"other": "x"}', ":2: there is no field 'text' among other"),
    ('{"text": "caf\xe9"}', ":2: invalid UTF-8"),
]


@pytest.mark.parametrize(("row", "told"), BAD, ids=["syntax", "number", "other", "latin-1"])
def test_a_malformed_row_is_refused_by_place_or_passed_over_where_asked(
    babeltune: Call, tmp_path: Path, row: str, told: str
) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_bytes(
        b"\n".join([json.dumps({"text": GERMAN}).encode(), row.encode("latin-1"), b'{"text": "Ja, bitte"}'])
    )
    refused = babeltune("lid", path)
    assert (refused.code, refused.out) == (2, "")
    assert f"texts.jsonl{told}" in refused.err
    skipped = babeltune("lid", path, "--skip-bad-rows")
    assert skipped.code == 0
    assert [row["where"] for row in lines(skipped)] == ["texts.jsonl:1", "texts.jsonl:3"]
    assert skipped.err == "Left out: 1 malformed row.\n"


def test_a_malformed_chat_is_refused_or_passed_over(babeltune: Call, tmp_path: Path) -> None:
    path = json_file(tmp_path, chat("Hi", GERMAN), {"messages": []}, chat("¿Qué?", SPANISH))
    assert "texts.jsonl:2" in babeltune("lid", path).err
    skipped = babeltune("lid", path, "--skip-bad-rows")
    assert [row["label"] for row in lines(skipped)] == ["de", "es"]
    assert skipped.err == "Left out: 1 malformed row.\n"


@pytest.mark.parametrize(
    ("name", "told"), [("none.txt", "there is no such file or folder"), ("odd.xyz", "is of no known kind")]
)
def test_a_file_that_cannot_be_read_is_named(babeltune: Call, tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "odd.xyz").write_text("x")
    said = babeltune("lid", tmp_path / name)
    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert "Traceback" not in said.err


def test_without_a_file_it_is_told_how(babeltune: Call) -> None:
    said = babeltune("lid")
    assert said.code == 2
    assert "--help" in said.err


def test_out_has_the_lines_and_the_screen_the_table(babeltune: Call, tmp_path: Path) -> None:
    path = text_file(tmp_path, ENGLISH, SPANISH, SPANISH)
    printed = babeltune("lid", path).out
    said = babeltune("lid", path, "--out", tmp_path / "out.jsonl")
    assert said.code == 0
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == printed
    assert "3 texts by lid176" in said.out
    assert "{" not in said.out


@pytest.mark.parametrize("workers", ["1", "3"])
def test_the_number_of_workers_changes_nothing(babeltune: Call, tmp_path: Path, workers: str) -> None:
    path = text_file(tmp_path, *(f"{text} {at}" for at in range(50) for text in (ENGLISH, SPANISH, GERMAN)))
    assert babeltune("lid", path, "--workers", workers) == babeltune("lid", path)


def test_more_texts_than_a_batch_keep_their_order(
    babeltune: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    path = text_file(tmp_path, *(f"{GERMAN} {at}" for at in range(10)))
    whole = babeltune("lid", path)
    for batch in (1, 3, 10):
        monkeypatch.setattr(texts, "_BATCH", batch)
        assert babeltune("lid", path) == whole


HOSTILE = [
    "\x1b[31mred\x1b[0m herring in an English sentence",
    'quotes " and \\ backslashes \\" in an English sentence',
    "a separator \u2028 of lines and \u2029 of paragraphs in English",
    "nul \0 bell \a backspace \b return \r tab \t in an English sentence",
    "half a character \ud83d in an English sentence",
    "[bold]markup[/bold] and [/] in an English sentence",
    "\x9b31m red \x85 herring \x7f in an English sentence",
]


@pytest.mark.parametrize("text", HOSTILE, ids=["ansi", "quotes", "separators", "controls", "surrogate", "markup", "c1"])
def test_hostile_text_is_one_line_of_json(babeltune: Call, tmp_path: Path, text: str) -> None:
    path = json_file(tmp_path, {"text": text}, {"text": SPANISH})
    said = babeltune("lid", path)
    assert said.code == 0
    first, second = lines(said)
    assert said.out.count("\n") == 2
    assert first["text"] == text.replace("\ud83d", "?")
    assert first["label"] == "en"
    assert second["text"] == SPANISH
    assert not STEERING.search(said.out)
    table = babeltune("lid", path, "--out", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == said.out
    assert table.code == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.text(st.characters(codec=None), max_size=30), min_size=1, max_size=4))
def test_whatever_the_texts_each_has_its_line(babeltune: Call, tmp_path: Path, texts: list[str]) -> None:
    found = lines(babeltune("lid", json_file(tmp_path, *({"text": text} for text in texts)), "--field", "text"))
    assert [row["text"] for row in found] == [text.encode("utf-8", "replace").decode() for text in texts]
    assert [row["where"] for row in found] == [f"texts.jsonl:{at}" for at in range(1, len(texts) + 1)]


def test_a_reader_that_stops_early_gets_no_traceback(tmp_path: Path) -> None:
    path = text_file(tmp_path, *[ENGLISH] * 20_000)
    code = f"import sys; from babeltune import cli; sys.argv = ['babeltune', 'lid', {str(path)!r}]; cli.main()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert "Traceback" not in child.stderr.read()


def test_a_file_is_not_overwritten_by_its_own_lines(babeltune: Call, tmp_path: Path) -> None:
    path = text_file(tmp_path, ENGLISH)
    babeltune("lid", path, "--out", path)
    assert ENGLISH in path.read_text()


def test_a_failure_leaves_an_earlier_output_as_it_was(babeltune: Call, tmp_path: Path) -> None:
    out = text_file(tmp_path, "earlier", name="out.jsonl")
    assert babeltune("lid", json_file(tmp_path, {"text": GERMAN}, "{broken"), "--out", out).code == 2
    assert out.read_text() == "earlier\n"


def test_an_output_that_cannot_be_written_is_named(babeltune: Call, tmp_path: Path) -> None:
    said = babeltune("lid", text_file(tmp_path, ENGLISH), "--out", tmp_path / "none" / "out.jsonl")
    assert said.code in (1, 2)
    assert "none/out.jsonl" in said.err


def test_a_broken_first_row_hides_no_chats(babeltune: Call, tmp_path: Path) -> None:
    path = json_file(tmp_path, "{broken", chat("Hi", GERMAN), chat("¿Qué?", SPANISH))
    said = babeltune("lid", path, "--skip-bad-rows")
    assert [row["label"] for row in lines(said)] == ["de", "es"]


def test_all_malformed_rows_are_told_at_once(babeltune: Call, tmp_path: Path) -> None:
    said = babeltune("lid", json_file(tmp_path, {"text": GERMAN}, "{broken", {"text": SPANISH}, "[]"))
    assert "texts.jsonl:2" in said.err
    assert "texts.jsonl:4" in said.err


@pytest.mark.parametrize("text", ["two \x1b[31mred", "two \x9b31mred", "two half \ud83d"])
def test_hostile_text_neither_breaks_the_table_nor_reaches_the_terminal(
    babeltune: Call, tmp_path: Path, two: dict[str, Scripted], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What cannot be encoded stays in the buffer of a console, for the next test to fail on.
    monkeypatch.setattr("babeltune.cli.verbs.lid.console", Terminal())
    said = babeltune("lid", json_file(tmp_path, {"text": text}), "--against", "openlid", "--summary")
    assert said.code == 0
    assert not STEERING.search(said.out)
