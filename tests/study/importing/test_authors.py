from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import release
from babeltune.records import Cell
from babeltune.study.importing import authors
from babeltune.study.importing.authors import agreement, read
from babeltune.study.importing.found import Content, Source
from babeltune.study.importing.names import Tuned


def content(task: str, files: dict[str, Path], language: str = "de") -> Content:
    cell = Cell("m", "mono", 0, task, language, "xx:xx", 0)
    return read(Source("authors", cell, Tuned("m", "mono"), tuple(files.items())))


def written(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


ROW = release.chat_row("Wie geht es?", "Gut.", "de", "de")


def test_a_row_is_an_item_named_by_its_number_with_its_labels(tmp_path: Path) -> None:
    other = {**release.chat_row("Was ist Brot?", "Bread.", "de", "en"), "finish_reason": "length"}
    found = content("dialogue", {"outputs": written(tmp_path / "a.jsonl", [ROW, other])})
    first, second = found.answers
    assert (first.item.id, first.item.prompt, first.labels) == ("1", '"Wie geht es?"', ("deu_Latn", "deu_Latn"))
    assert first.output is not None
    assert (first.output.text, first.output.finish) == ("Gut.", "stop")
    assert second.labels == ("deu_Latn", "eng_Latn")
    assert second.output is not None
    assert second.output.finish == "length"
    assert not found.problems


def test_broken_rows_are_told_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    rows = [ROW, "{broken\n", {"system": "no prompt"}, "[1]\n", {**ROW, "system": None}, ROW]
    found = content("dialogue", {"outputs": written(tmp_path / "a.jsonl", rows)})
    assert [one.item.id for one in found.answers] == ["1", "5", "6"]
    assert [problem.where for problem in found.problems] == ["a.jsonl:2", "a.jsonl:3", "a.jsonl:4"]
    assert found.answers[1].output is None
    assert found.answers[1].reason == "the response is null"


def test_a_row_with_half_a_character_is_kept_without_it(tmp_path: Path) -> None:
    raw = json.dumps(ROW).replace("Gut.", "Gut \\ud800.")
    found = content("dialogue", {"outputs": written(tmp_path / "a.jsonl", [raw + "\n"])})
    assert found.answers[0].output is not None
    found.answers[0].output.text.encode("utf-8")


def test_a_file_that_breaks_off_gives_what_is_whole(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "a.jsonl.gz"
    rows = "".join(json.dumps({**ROW, "system": f"{n}" * 300}) + "\n" for n in range(500))
    path.write_bytes(gzip.compress(rows.encode())[:-200])
    found = content("dialogue", {"outputs": path})
    assert len(found.problems) == 1
    assert "breaks off" in found.problems[0].what or "cannot be read" in found.problems[0].what


def test_questions_are_found_in_the_prompts(tmp_path: Path) -> None:
    path = release.xquad(tmp_path, "m", "de_de", 0, [("Der Turm ist hoch.", "Wie ist der Turm?", "hoch", 'hoch".')])
    (one,) = content("xquad", {"outputs": path}).answers
    assert (one.item.source, one.item.references) == ("Wie ist der Turm?", ("hoch",))
    path = release.xcsqa(tmp_path, "m", "de_de", 0, [("Wer fliegt?", "C", 'C"')])
    (one,) = content("xcsqa", {"outputs": path}).answers
    assert (one.item.source, one.item.references) == ("Wer fliegt?", ("C",))


def test_the_sentence_to_simplify_is_not_the_prompt(tmp_path: Path) -> None:
    path = release.simplification(tmp_path, "m", "de_de", 0, [("Ein langer Satz.", ["Ein Satz."], "Satz.")])
    (one,) = content("simplification", {"outputs": path}).answers
    assert one.item.source == "Ein langer Satz."
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    del rows[0]["orig_source"]
    (one,) = content("simplification", {"outputs": written(path, rows)}).answers
    assert one.item.source.endswith("Ein langer Satz.")
    assert "\n" not in one.item.source


def judged(tmp_path: Path, rows: list[Any]) -> Content:
    outputs = written(tmp_path / "a.jsonl", [ROW, release.chat_row("Was ist Brot?", "Bread.", "de", "en")])
    return content("dialogue", {"outputs": outputs, "direct": written(tmp_path / "j.jsonl", rows)})


def test_the_judge_is_matched_by_text_whatever_its_ids_count_from(tmp_path: Path) -> None:
    second = release.chat_row("Was ist Brot?", "Bread.", "de", "en")
    found = judged(tmp_path, [release.judge_row(second, 2, 4), release.judge_row(ROW, 0, 6)])
    assert [json.loads(one.judged["direct"])["score"] for one in found.answers] == [6, 4]
    assert not found.problems
    assert found.cost == pytest.approx(2 * 0.0008)


def test_missing_scores_scores_off_the_scale_and_stray_keys_are_kept_as_the_judge_wrote_them(tmp_path: Path) -> None:
    nothing = {**ROW, "id": 0, "eval_meta": {"cost": 0.001}}
    found = judged(tmp_path, [nothing])
    assert json.loads(found.answers[0].judged["direct"]) == {}
    stray = {**release.judge_row(ROW, 0, 9), "eval_criterion": "helpfulness"}
    found = judged(tmp_path, [stray])
    assert json.loads(found.answers[0].judged["direct"]) == {
        "reasoning": "It is as helpful as 9.", "score": 9, "criterion": "helpfulness",
    }  # fmt: skip


def test_a_judgement_of_something_else_or_twice_is_told(tmp_path: Path) -> None:
    foreign = release.judge_row(release.chat_row("Was?", "Das.", "de", "de"), 7, 3)
    twice = [release.judge_row(ROW, 0, 5), release.judge_row(ROW, 0, 2)]
    found = judged(tmp_path, [foreign, *twice])
    assert [json.loads(one.judged["direct"])["score"] for one in found.answers if one.judged] == [5]
    assert [problem.what for problem in found.problems] == [
        "judges an answer that is not among the outputs", "judges the answer to item 1 a second time",
    ]  # fmt: skip


def test_a_judge_without_outputs_brings_the_answers_itself(tmp_path: Path) -> None:
    path = written(tmp_path / "j.jsonl", [release.judge_row(ROW, 192, 5), release.judge_row(ROW, "x", 5)])
    found = content("dialogue", {"direct": path})
    assert [one.item.id for one in found.answers] == ["193"]
    assert len(found.problems) == 1


def test_a_nominal_agreement_of_zero_is_the_quirk_of_the_map_and_any_other_a_number_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.eval"
    release.agreement(path, 0.391, 0.39, 805)
    assert agreement(path) == ({"agreement": 0.391, "agreement-nominal": 0.39, "n": 805.0}, [])
    release.agreement(path, 0.32, 0.0, 805)
    assert agreement(path) == ({"agreement": 0.32, "n": 805.0}, [])


@pytest.mark.parametrize(
    "text", ["", "lang_match\n", "a,b\n1,2\n", "lang_match,tgt_lang\n0.1,0.2\n0.3,0.4\n", "\x00\xff"]
)
def test_an_eval_file_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.eval"
    path.write_bytes(text.encode("latin-1"))
    values, problems = agreement(path)
    assert not values
    assert len(problems) == 1


def test_a_number_that_is_no_share_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.eval"
    path.write_text("lang_match,tgt_lang,n\n1.7,nan,805\n", encoding="utf-8")
    values, problems = agreement(path)
    assert values == {"n": 805.0}
    assert len(problems) == 2


def test_the_fields_of_a_row_are_not_changed() -> None:
    before = json.dumps(ROW)
    authors._fields(ROW, "dialogue")
    assert json.dumps(ROW) == before
