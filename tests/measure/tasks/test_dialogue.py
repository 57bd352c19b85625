"""Dialogue: which items, which prompt, which score; rows that are no items, and responses that are odd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from babeltune.errors import ItemsError, Problem
from babeltune.hub import HubSet
from babeltune.measure.metrics.agreement import AGREEMENT, AGREEMENT_NOMINAL
from babeltune.measure.tasks.dialogue import LINE_PASS, WORD_PASS, Dialogue, without_quotes
from babeltune.records import Item, Sampling
from taskwork import FirstWord, outputs, parquet

ALPACA = Path(__file__).parents[3].parent / "shared" / "data" / "alpaca_eval"
needs_data = pytest.mark.skipif(not ALPACA.is_dir(), reason="AlpacaEval is not beside this checkout")

# Unicode's line separators may stand bare inside a row.
ROWS = (
    '{"id": "p2", "split": "test", "prompt": "Warum ist der Himmel blau?"}\n'
    '{"id": "d1", "split": "dev", "prompt": "Was ist Brot?"}\n'
    '{"id": "p1", "split": "test", "prompt": "Wie\\nkocht\u2028man\x85Reis?"}\n'
)


def task(
    place: Path | HubSet, split: str = "test", sample: int | None = None, seed: int = 42, strip_quotes: bool = True
) -> Dialogue:
    return Dialogue(
        place, FirstWord(), Sampling(max_tokens=7), split=split, sample=sample, seed=seed, strip_quotes=strip_quotes
    )


def written(folder: Path, *rows: Any, name: str = "de.jsonl") -> Path:
    lines = (row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    (folder / name).write_bytes(b"".join(line + b"\n" for line in lines))
    return folder


def prompts(task: Dialogue, language: str = "de") -> dict[str, str]:
    return {item.id: item.prompt for item in task.items(language, "xx:xx")}


def problems(task: Dialogue, language: str = "de") -> list[Problem]:
    with pytest.raises(ItemsError) as caught:
        task.items(language, "xx:xx")
    assert caught.value.subject == f"items of dialogue, {language}"
    return list(caught.value.problems)


# Rows to items.


def test_items_are_those_of_the_split_in_the_order_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "de.jsonl").write_text(ROWS, encoding="utf-8")
    items = task(tmp_path).items("de", "xx:xx")
    assert items == [Item("p2", "de", "Warum ist der Himmel blau?"), Item("p1", "de", "Wie\nkocht\u2028man\x85Reis?")]
    assert list(prompts(task(tmp_path, "dev"))) == ["d1"]


def test_a_row_without_a_split_is_of_every_split_and_one_without_an_id_is_named_by_its_number(tmp_path: Path) -> None:
    place = written(tmp_path, {"prompt": "eins"}, {"split": "dev", "prompt": "zwei"}, {"id": 7, "prompt": "drei"})
    assert prompts(task(place)) == {"1": "eins", "7": "drei"}
    assert prompts(task(place, "dev")) == {"1": "eins", "2": "zwei", "7": "drei"}


def test_every_row_that_is_no_item_is_named_by_file_line_and_field(tmp_path: Path) -> None:
    wrong: list[tuple[Any, str]] = [
        (b"{", "broken JSON"),
        ({"id": "p1", "text": "Hallo"}, "field 'prompt': is missing (here: id, text)"),
        ([1], "a list in place of an object"),
        (b'{"id": "p2", "prompt": "\xff"}', "invalid UTF-8"),
        ({"id": "p3", "prompt": None}, "field 'prompt': nothing in place of a text"),
        ({"id": "p4", "prompt": "  "}, "field 'prompt': is empty"),
        ({"id": "p5", "instruction": ["Hallo"]}, "field 'instruction': a list in place of a text"),
        ({"id": "p6", "prompt": "\ud83d"}, "field 'prompt': half a character"),
        ({"id": "p0", "prompt": "Hallo"}, "the id 'p0' stands twice"),
    ]
    found = problems(task(written(tmp_path, {"id": "p0", "prompt": "Hallo"}, *(row for row, _ in wrong))))
    assert [problem.where for problem in found] == [f"de.jsonl:{line}" for line in range(2, 2 + len(wrong))]
    assert all(problem.what.startswith(what) for problem, (_, what) in zip(found, wrong, strict=True))


def test_a_wrong_row_of_another_split_does_not_matter(tmp_path: Path) -> None:
    assert prompts(task(written(tmp_path, {"split": "dev"}, {"prompt": "Hallo"}))) == {"2": "Hallo"}


def test_a_missing_file_and_an_empty_split_are_problems(tmp_path: Path) -> None:
    place = written(tmp_path, {"split": "dev", "prompt": "Hallo"})
    assert [problem.what for problem in problems(task(place))] == ["no row of the split 'test'"]
    [problem] = problems(task(place), "fr")
    assert problem.where == str(tmp_path / "fr.jsonl")
    assert "alpaca_eval_instructions_fr.json" in problem.fix


def test_an_id_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    assert len(problems(task(written(tmp_path, {"id": "\ud83d", "prompt": "Hallo"})))) == 1


def test_an_id_or_split_of_null_is_none(tmp_path: Path) -> None:
    # A parquet column that only some rows fill has null in the others.
    place = written(tmp_path, {"id": None, "prompt": "eins"}, {"id": None, "split": None, "prompt": "zwei"})
    assert prompts(task(place)) == {"1": "eins", "2": "zwei"}


# The authors' files, and the hub's.


def test_the_authors_files_are_read_as_they_are(tmp_path: Path) -> None:
    # JSON lines in a file named .json, with the key instruction; quotes that the translation left round some.
    rows = [
        {"instruction": "„Was ist Brot?“", "dataset": "koala"},
        {"instruction": '"Sag „Hallo“."', "dataset": "koala"},
        {"instruction": 'Sag "Hallo"', "dataset": "vicuna"},
    ]
    place = written(tmp_path, *rows, name="alpaca_eval_instructions_de.json")
    assert prompts(task(place)) == {"1": "Was ist Brot?", "2": "Sag „Hallo“.", "3": 'Sag "Hallo"'}
    kept = {str(n): row["instruction"] for n, row in enumerate(rows, 1)}
    assert prompts(task(place, strip_quotes=False)) == kept
    assert prompts(task(place / "alpaca_eval_instructions_de.json", strip_quotes=False)) == kept


def test_of_prompt_and_instruction_the_prompt_is_asked(tmp_path: Path) -> None:
    assert prompts(task(written(tmp_path, {"instruction": "nein", "prompt": "ja"}))) == {"1": "ja"}


def test_a_files_own_name_comes_before_the_authors(tmp_path: Path) -> None:
    for name in ("alpaca_eval.de.jsonl", "alpaca_eval_instructions_de.json", "de.jsonl"):
        assert prompts(task(written(tmp_path, {"prompt": name}, name=name))) == {"1": name}


HUB = HubSet("org/name")


def test_a_hub_set_is_read_from_the_cache_by_language_and_split(cache: Path) -> None:
    for language, split, text in [("de", "test", "Wer?"), ("de", "dev", "Wo?"), ("fr", "test", "Qui ?")]:
        parquet(cache / language / f"{split}-00000-of-00001.parquet", [{"id": 3, "prompt": text}])
    assert prompts(task(HUB)) == {"3": "Wer?"}
    assert prompts(task(HUB, "dev")) == {"3": "Wo?"}
    assert prompts(task(HUB), "fr") == {"3": "Qui ?"}
    assert "--download" in problems(task(HUB), "es")[0].fix


# Draws.


def test_three_hundred_are_drawn_of_the_split_by_seed(tmp_path: Path) -> None:
    rows = [{"id": f"{split}{n}", "split": split, "prompt": f"{n}"} for n in range(805) for split in ("dev", "test")]
    place = written(tmp_path, *rows)
    drawn = list(prompts(task(place, sample=300)))
    # Origin: pandas.DataFrame({"a": range(805)}).sample(300, random_state=42).index, sorted, pandas 3.1.1.
    assert drawn[:8] == [f"test{n}" for n in (2, 6, 7, 10, 18, 23, 24, 28)]
    assert drawn[-3:] == ["test800", "test801", "test803"]
    assert len(drawn) == 300
    assert drawn == list(prompts(task(place, sample=300)))
    assert drawn != list(prompts(task(place, sample=300, seed=0)))
    assert len(prompts(task(place))) == len(prompts(task(place, sample=5000))) == 805


def test_a_wrong_row_is_told_even_where_it_would_not_be_drawn(tmp_path: Path) -> None:
    rows = [{"prompt": "Hallo"}] * 30
    for at in range(30):
        assert problems(task(written(tmp_path, *rows[:at], {"prompt": ""}, *rows[at:]), sample=1))


@needs_data
def test_alpacaeval_has_805_prompts_of_which_300_are_drawn() -> None:
    every = task(ALPACA, strip_quotes=False).items("en", "xx:xx")
    assert [item.id for item in every] == [str(n) for n in range(1, 806)]
    lines = (ALPACA / "alpaca_eval.en.jsonl").read_text(encoding="utf-8").split("\n")
    assert [item.prompt for item in every] == [json.loads(line)["instruction"] for line in lines if line]
    drawn = task(ALPACA, sample=300, strip_quotes=False).items("en", "xx:xx")
    assert [int(item.id) for item in drawn[:4]] == [3, 7, 8, 11]
    assert set(drawn) <= set(every)
    assert len(drawn) == 300


# Quotes.


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ('"Hallo"', "Hallo"),
        ("“Hello”", "Hello"),
        ("„Hallo“", "Hallo"),
        ("„Helló”", "Helló"),
        ("«Привет»", "Привет"),
        ("« Salut »", "Salut"),
        ("»Hallo«", "Hallo"),
        ("”Hej”", "Hej"),
        ("「你好」", "你好"),
        (' "Hallo"\n', "Hallo"),
        ('"Sag „Hallo“ zu ihr."', "Sag „Hallo“ zu ihr."),
        ('"Wer?\nUnd wo?"', "Wer?\nUnd wo?"),
        ('"{a}"', "{a}"),
    ],
)
def test_quotes_round_the_whole_are_stripped(text: str, bare: str) -> None:
    assert without_quotes(text) == bare


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", '"', '""', '"""', "“", "“”", "a", '"a', 'a"', "Hallo", " Hallo "),
        *(
            '"A" und "B"',
            "«A» et «B»",
            "「甲」和「乙」",
            "„A“ oder „B“",
            '"Sag "Hallo""',
            "'tis' ",
            '"Hallo”',
            "»Hallo»",
        ),
        *("Was heißt „Brot“", '"Wer?" fragt sie', "🙂", '"Hallo" 🙂'),
    ],
)
def test_other_quotes_stay(text: str) -> None:
    assert without_quotes(text) == text


def test_no_prompt_becomes_empty(tmp_path: Path) -> None:
    assert prompts(task(written(tmp_path, {"prompt": '" "'}))) == {"1": '" "'}


# Requests.


def test_the_request_has_the_format_of_the_tuning(tmp_path: Path) -> None:
    request = task(tmp_path).request(Item("p1", "de", "Was ist Brot?"))
    # Guanaco's format, paper section 3.3: no newline between the turns, no space at the end.
    assert request.prompt == "### Human: Was ist Brot?### Assistant:"
    assert (request.id, request.sampling.max_tokens, request.adapter) == ("p1", 7, None)
    assert (request.prefix, request.candidates) == ("", ())


# Scores.


def test_scores_stand_in_the_order_of_the_items(tmp_path: Path) -> None:
    items = [Item("a", "de", "de eins"), Item("b", "de", "nl zwei"), Item("c", "de", "de drei")]
    first, second, third = task(tmp_path).score(items, outputs(items, "de ja", "de ja", ""))
    assert first.values == {AGREEMENT: 1.0, AGREEMENT_NOMINAL: 1.0}
    assert second.values == {AGREEMENT: 0.0, AGREEMENT_NOMINAL: 1.0}
    assert (third.item, third.values) == ("c", {})
    assert set(third.unscored) == {AGREEMENT, AGREEMENT_NOMINAL, LINE_PASS}


def test_items_of_several_languages_are_each_judged_by_their_own(tmp_path: Path) -> None:
    items = [Item(str(n), code, f"{code} x") for n, code in enumerate(["de", "ru", "de", "ru", "es"])]
    texts = [f"{item.language} а б в г" for item in items]
    scores = task(tmp_path).score(items, outputs(items, *texts))
    assert [score.item for score in scores] == ["0", "1", "2", "3", "4"]
    assert all(score.values[AGREEMENT_NOMINAL] == 1.0 for score in scores)
    assert all(score.values[LINE_PASS] == 1.0 for score in scores)
    assert [WORD_PASS in score.values for score in scores] == [False, True, False, True, False]


def test_one_line_astray_fails_the_response_though_the_whole_agrees(tmp_path: Path) -> None:
    items = [Item("a", "de", "de x"), Item("b", "de", "de x"), Item("c", "ru", "ru x")]
    texts = ["de eins zwei drei vier\nen one two three four", "de eins zwei drei vier\nen one", "en one two three four"]
    first, second, third = task(tmp_path).score(items, outputs(items, *texts))
    assert (first.values[AGREEMENT], first.values[LINE_PASS]) == (1.0, 0.0)
    assert second.values[LINE_PASS] == 1.0
    # No word is looked at where the line has failed.
    assert (third.values[LINE_PASS], WORD_PASS in third.values) == (0.0, False)


def test_an_english_word_fails_the_words_of_a_russian_response(tmp_path: Path) -> None:
    items = [Item("a", "ru", "ru x"), Item("b", "ru", "ru x")]
    # FirstWord reads the label off the line, so that the label is no part of the test.
    texts = ["ru это совсем простой ответ", "ru это совсем simple ответ"]
    first, second = task(tmp_path).score(items, outputs(items, *texts))
    assert (first.values[WORD_PASS], second.values[WORD_PASS]) == (1.0, 0.0)
