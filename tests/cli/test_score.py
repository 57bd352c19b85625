"""The verb ``score``: a study's outputs again, or a file of any origin."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from babeltune import hub
from babeltune.cli import loading, outcome
from babeltune.data.sources import POCKET
from babeltune.errors import Problem, RowsError
from babeltune.study.check import Opened
from babeltune.study.executors import local
from babeltune.study.executors.local import Ran
from calls import Call, Said
from doubles import study_file

SHARED = Path(__file__).parents[2].parent / "shared"
needs_data = pytest.mark.skipif(not (SHARED / "oracles").is_dir(), reason="the oracles are not beside this checkout")

GERMAN = "Ein Hund ist ein Haustier, das gerne im Wald spazieren geht."
ENGLISH = "A dog is a pet that likes to go for walks in the forest."
ASKED = "Was ist ein Hund, und was macht er gerne?"


def outputs_file(folder: Path, *rows: dict[str, Any], name: str = "outputs.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def numbers(said: Said) -> dict[str, list[str]]:
    """Metric -> value, low, high, n and what else stands in its line of the table."""
    assert said.code == 0, said.err
    lines = (re.sub(r"[][,]", " ", line).split() for line in said.out.split("\n") if line.startswith("  "))
    return {name: rest for name, *rest in (line for line in lines if len(line) > 3 and line[0] != "metric")}


def pocket(task: str, language: str = "de") -> list[dict[str, Any]]:
    if task == "xquad":
        tree = json.loads((POCKET / task / f"xquad.{language}.json").read_text(encoding="utf-8"))
        return [asked for article in tree["data"] for passage in article["paragraphs"] for asked in passage["qas"]]
    text = (POCKET / task / language / "dev.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


# Files of any origin.


def test_responses_of_any_origin_get_values_intervals_and_what_is_unscored(babeltune: Call, tmp_path: Path) -> None:
    said_in = [GERMAN, GERMAN, ENGLISH, f"{GERMAN}\n{ENGLISH}", None, "12!"]
    path = outputs_file(tmp_path, *({"prompt": ASKED, "response": one} for one in said_in))
    said = babeltune("score", "--outputs", path, "--task", "dialogue", "--language", "de")
    found = numbers(said)
    # By hand: German, German, English, German first (the identifier reads the whole), null, no letters.
    for rule in ("agreement", "agreement-nominal"):
        assert found[rule][0] == "0.750"
        assert found[rule][3:] == ["4", "2", "0.500", "to", "0.833"]
    assert found["line-pass"][:1] == ["0.500"]
    assert "word-pass" not in found
    assert "outputs.jsonl: dialogue in German (de), 6 responses" in said.out
    assert "Unscored: 1, the response is null (agreement, agreement-nominal, line-pass)." in said.words
    assert "Unscored: 1, response not identified: no letters (agreement, agreement-nominal)." in said.words
    assert "Languages of the responses: German" in said.words
    assert "change language from line to line: 1 of 5, the first at outputs.jsonl:4 (de to en)" in said.words


def test_no_number_is_cut_off_where_the_table_is_widest(babeltune: Call, tmp_path: Path) -> None:
    asked = {"source": GERMAN, "references": [GERMAN]}
    path = outputs_file(tmp_path, *[{**asked, "response": GERMAN}] * 1_371, {**asked, "response": None})
    said = babeltune("score", "--outputs", path, "--task", "simplification", "--language", "de")
    assert "…" not in said.out
    # The row without a response counts as nothing in either factor: (1,371 / 1,372) squared.
    assert numbers(said)["sari-weighted"] == ["100.00", "99.72", "100.00", "1", "371", "1", "99.85", "to", "100.00"]


def test_responses_without_prompts_are_scored_as_far_as_can_be(babeltune: Call, tmp_path: Path) -> None:
    path = outputs_file(tmp_path, {"completion": GERMAN}, {"completion": ENGLISH})
    said = babeltune("score", "--outputs", path, "--task", "dialogue", "--language", "de")
    found = numbers(said)
    assert (found["agreement"][0], found["agreement-nominal"][0], found["line-pass"][0]) == ("-", "0.500", "0.500")
    assert "No row has a prompt" in said.words


def test_each_response_is_written_with_its_scores(babeltune: Call, tmp_path: Path) -> None:
    rows = [{"id": "q", "prompt": ASKED, "text": "\ud83d"}, {"id": "r", "prompt": ASKED, "text": None}]
    path = outputs_file(tmp_path, *rows)
    said = babeltune(
        "score", "--outputs", path, "--task", "dialogue", "--language", "de", "--out", tmp_path / "scores.jsonl"
    )
    assert said.code == 0
    found = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().split("\n") if line]
    assert [list(row) for row in found] == [["item", "values", "notes", "unscored", "response"]] * 2
    assert [(row["item"], row["response"]) for row in found] == [("q", "?"), ("r", None)]
    assert found[1]["unscored"]["agreement"] == "the response is null"


def test_items_of_the_task_are_matched_and_what_is_not_is_told(babeltune: Call, tmp_path: Path) -> None:
    asked = pocket("xquad")
    rows = [{"id": one["id"], "system": f"{one['answers'][0]['text']}“"} for one in asked]
    rows[0]["system"] = f"Das ist {rows[0]['system']}"
    path = outputs_file(tmp_path, *rows[:-1], {"id": "zzz", "system": "x"})
    said = babeltune("score", "--outputs", path, "--task", "xquad", "--language", "de", "--items", "pocket")
    found = numbers(said)
    n = len(asked) - 1
    assert found["xquad-code"][0] == "1.000"
    assert found["xquad-paper"][0] == found["exact-match"][0] == f"{(n - 1) / n:.3f}"
    assert f"xquad-paper, xquad-code, exact-match differ on 1 of {n} responses" in said.words
    assert f"right by xquad-code alone: 1, such as item {asked[0]['id']}" in said.words
    assert f"Rows without an item, left out: 1 (outputs.jsonl:{n + 1})." in said.words
    assert f"Items without a row: 1 ({asked[-1]['id']})." in said.words


def test_a_table_without_ids_is_matched_by_its_order(babeltune: Call, tmp_path: Path) -> None:
    path = tmp_path / "letters.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["generation"], *([one["answerKey"]] for one in pocket("xcsqa"))])
    call = ("score", "--outputs", path, "--task", "xcsqa", "--language")
    assert numbers(babeltune(*call, "de", "--items", "pocket"))["xcsqa-first"][0] == "1.000"
    (tmp_path / "short.csv").write_text("generation\nA\n")
    said = babeltune("score", "--outputs", tmp_path / "short.csv", *call[3:], "de", "--items", "pocket")
    assert said.code == 2
    assert "the rows have no id, and there are 1 of them for" in said.err


def test_rows_that_ask_something_else_than_their_items_are_told(babeltune: Call, tmp_path: Path) -> None:
    rows = [{"question": one["question"]["stem"], "text": "A"} for one in pocket("xcsqa", "fr")]
    path = outputs_file(tmp_path, *rows)
    said = babeltune("score", "--outputs", path, "--task", "xcsqa", "--language", "de", "--items", "pocket")
    assert f"Careful: {len(rows)} rows ask something else" in said.words


@pytest.mark.parametrize("words", ["harness", "corrected"])
def test_log_likelihoods_are_scored_against_the_items(babeltune: Call, tmp_path: Path, words: str) -> None:
    lines = (POCKET / "xnli" / "xnli.de.test.tsv").read_text(encoding="utf-8").split("\n")[1:]
    labels = [int(line.split("\t")[2]) for line in lines if line]
    rows = [
        {"id": number, "loglikelihoods": [-1.0 if at == label else -2.0 for at in range(3)], "lengths": [1, 1, 1]}
        for number, label in enumerate(labels, 1)
    ]
    path = outputs_file(tmp_path, *rows)
    call = ("score", "--outputs", path, "--task", "xnli", "--language", "de", "--items", "pocket", "--words", words)
    found = numbers(babeltune(*call))
    assert found["accuracy"][0] == found["accuracy-per-token"][0] == "1.000"
    assert found["accuracy"][3] == str(len(labels))


def test_a_split_is_chosen_among_the_items(babeltune: Call, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (POCKET / "dialogue" / "de.jsonl").read_text(encoding="utf-8").splitlines()]
    path = outputs_file(tmp_path, *({"id": row["id"], "text": GERMAN} for row in rows if row["split"] == "dev"))
    call = ("score", "--outputs", path, "--task", "dialogue", "--language", "de", "--items", "pocket")
    assert babeltune(*call).code == 2
    assert numbers(babeltune(*call, "--split", "dev"))["agreement"][0] == "1.000"


# Hub sets.


@pytest.mark.parametrize(
    ("task", "language", "id_", "pattern"),
    [
        ("xquad", "de", "google/xquad", "xquad.de/validation-*.parquet"),
        ("xcsqa", "ja", "INK-USC/xcsr", "X-CSQA-jap/validation-*.parquet"),
        ("xnli", "de", "facebook/xnli", "de/test-*.parquet"),
        ("dialogue", "de", "some/set", "de/test-*.parquet"),
    ],
)
def test_a_hub_set_is_fetched_only_when_it_is_asked_for(
    babeltune: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, task: str, language: str, id_: str, pattern: str
) -> None:
    asked: list[tuple[str, list[str]]] = []

    def refuse(id_: str, revision: str | None, *, download: bool, files: list[str]) -> Path:
        asked.append((id_, list(files)))
        raise RowsError("hub set", [Problem(id_, f"fetching {download}", "None.")])

    monkeypatch.setattr(hub, "snapshot", refuse)
    monkeypatch.setattr("babeltune.measure.tasks.items.snapshot", refuse)
    path = outputs_file(tmp_path, {"text": "x", "loglikelihoods": [1, 2, 3]})
    call = ("score", "--outputs", path, "--task", task, "--language", language, "--items", id_)
    assert "fetching False" in babeltune(*call).err
    assert "fetching True" in babeltune(*call, "--download").err
    assert asked == [(id_, [pattern])] * 2


# Real data, and what independent tools say of it (origin: the oracle files themselves).


@needs_data
def test_real_simplifications_score_as_independent_tools_score_them(babeltune: Call, tmp_path: Path) -> None:
    def lines(name: str) -> list[str]:
        return (SHARED / "data" / "simplification" / name).read_text(encoding="utf-8").split("\n")[:-1]

    several = zip(*(lines(f"turkcorpus.ref.{n}") for n in range(8)), strict=True)
    rows = zip(lines("turkcorpus.orig"), lines("systems/ACCESS"), several, strict=True)
    path = outputs_file(tmp_path, *({"source": a, "system": b, "reference": c} for a, b, c in rows))
    found = numbers(babeltune("score", "--outputs", path, "--task", "simplification", "--language", "en"))
    oracle = json.loads((SHARED / "oracles" / "sari.json").read_text())
    assert found["sari"][0] == f"{oracle['sentence_mean']['ACCESS']:.2f}"
    assert found["sari-corpus"][0] == f"{oracle['easse_corpus']['ACCESS']:.2f}"


@needs_data
def test_a_log_of_the_harness_has_the_accuracy_that_the_harness_gave(babeltune: Call, tmp_path: Path) -> None:
    oracle = json.loads((SHARED / "oracles" / "xnli_lm_eval.json").read_text())["en"]
    text = (SHARED / "data" / "xnli" / "xnli.en.test.tsv").read_text(encoding="utf-8")
    pairs = [line.split("\t") for line in text.split("\n")[1 : len(oracle["loglikelihood"]) + 1]]
    rows = [
        {
            "doc_id": at,
            "doc": {"premise": premise, "hypothesis": hypothesis, "label": int(label)},
            "resps": [[[str(value), "False"]] for value in values],
        }
        for at, ((premise, hypothesis, label), values) in enumerate(zip(pairs, oracle["loglikelihood"], strict=True))
    ]
    path = outputs_file(tmp_path, *rows, name="samples_xnli_en_1.jsonl")
    said = babeltune("score", "--outputs", path, "--task", "xnli", "--language", "en")
    assert numbers(said)["accuracy"][0] == f"{oracle['accuracy']:.3f}"
    assert "the numbers of tokens are not known (accuracy-per-token)" in said.words


# A study.


def test_a_study_is_scored_again_without_a_model_and_the_answer_printed(
    babeltune: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scored: list[str] = []

    def rescore(opened: Opened, tell: object) -> Ran:
        scored.append(opened.plan.study.study)
        return Ran(11, 2.4)

    monkeypatch.setattr(local, "rescore", rescore)
    monkeypatch.setattr(outcome, "answer", lambda opened: scored.append("answered"))
    monkeypatch.setattr(loading, "needs_all", lambda opened, study, *, but: None)
    # The model is a hub id that is not in the cache: none is needed.
    said = babeltune("score", study_file(tmp_path, "some/model"), "--runs", tmp_path / "runs")
    assert (said.code, scored) == (0, ["tiny", "answered"]), said.err
    assert "11 steps done again in 2 s, from the stored outputs." in said.out


def test_a_study_without_outputs_cannot_be_scored_again(babeltune: Call, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    said = babeltune("score", study_file(tmp_path, tmp_path / "model"), "--runs", tmp_path / "runs")
    assert said.code == 1
    assert "steps are to come first. Run: babeltune run" in said.err


# Calls that are refused.


@pytest.mark.parametrize(
    ("arguments", "said_so"),
    [
        ((), "STUDY: there is nothing to score. Give a study file"),
        (("x.yaml", "--outputs", "o.jsonl"), "Keep one"),
        (("o.jsonl",), "To score its rows: --outputs o.jsonl"),
        (("x.yaml", "--prompting", "en:xx"), "--prompting: is for --outputs alone"),
        (("x.yaml", "--task", "xnli", "--out", "s.jsonl"), "--task, --out: is for --outputs alone"),
        (("--outputs", "o.jsonl"), "--task: is missing. There are dialogue, simplification, xquad, xcsqa, xnli"),
        (("--outputs", "o.jsonl", "--task", "XQUD"), "unknown task 'XQUD'"),
        (("--outputs", "o.jsonl", "--task", "XQUD"), "Did you mean 'xquad'?"),
        (("--outputs", "o.jsonl", "--task", "xnli", "--language", "ger"), "Did you mean 'de' (German)?"),
        (("--outputs", "o.jsonl", "--task", "xnli", "--language", "tlh"), "Known languages: en, de, fr"),
        (("--outputs", "o.jsonl", "--task", "xnli", "--language", "de"), "there is no such file"),
        (("--outputs", ".", "--task", "xnli", "--language", "de"), "is a folder"),
        (("--outputs", "o", "--task", "xnli", "--language", "de", "--prompting", "en:xx"), "xnli has no en:xx"),
        (("--outputs", "o", "--task", "xnli", "--language", "de", "--prompting", "xx"), "unknown prompting 'xx'"),
        (("--outputs", "o", "--task", "xquad", "--language", "de", "--words", "harness"), "For xnli"),
        (("--outputs", "o", "--task", "xquad", "--language", "de", "--split", "dev"), "for dialogue alone"),
        (("--outputs", "o", "--task", "xquad", "--language", "de", "--revision", "a"), "given without --items"),
        (("--outputs", "o", "--task", "xquad", "--language", "de", "--out", "o"), "the file that is read"),
        (
            ("--outputs", "o", "--task", "xquad", "--language", "de", "--items", "pocket", "--revision", "a"),
            "'pocket' is no hub set",
        ),
    ],
)
def test_a_call_that_cannot_be_is_refused_kindly(babeltune: Call, arguments: tuple[str, ...], said_so: str) -> None:
    said = babeltune("score", *arguments)
    assert said.code == 2
    assert said_so in said.words


def test_rows_that_lack_what_the_task_needs_are_named_at_once(babeltune: Call, tmp_path: Path) -> None:
    path = outputs_file(tmp_path, {"text": "x"}, {"prompt": ASKED, "text": "x"}, {"prompt": " ", "text": "x"})
    said = babeltune("score", "--outputs", path, "--task", "dialogue", "--language", "de")
    assert said.code == 2
    assert "outputs.jsonl:1: field 'prompt': is missing (here: text)" in said.err
    assert "outputs.jsonl:3: field 'prompt': is empty" in said.err
    assert "with --items" in said.err


def test_the_help_shows_both_uses(babeltune: Call) -> None:
    said = babeltune("score", "--help")
    assert said.code == 0
    for part in ("STUDY", "--outputs", "--items", "pocket", "hub id", "studies/pocket.yaml", "lm-evaluation"):
        assert part in said.words
