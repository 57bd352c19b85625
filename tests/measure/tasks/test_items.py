"""Reading items: which file of a place, which rows are wrong and where, which are drawn."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from babeltune.errors import ItemsError, Problem
from babeltune.hub import HubSet
from babeltune.measure.tasks import items
from babeltune.measure.tasks.items import WrongRowError
from babeltune.records import Item
from babeltune.rows import Row

COMMIT = "831dabac2283d99420cda0b673d7a2a43849f17a"
HALF = "\ud83d"
"""The first half of an emoji: JSON may hold it, UTF-8 may not."""


def made(row: Row) -> Item | None:
    """An item of a row as most tasks have it: two texts, and rows of another language passed over."""
    if row.fields.get("language", "de") != "de":
        return None
    return Item(items.text(row.fields, "id"), "de", items.text(row.fields, "question.stem"))


def row(number: int, **fields: Any) -> Row:
    return Row(f"some.jsonl:{number}", {"id": f"i{number}", "question": {"stem": "Wer?"}, **fields})


def problems(read: Sequence[Row | Problem]) -> list[Problem]:
    with pytest.raises(ItemsError) as caught:
        items.parsed(read, made, "items of some task, de")
    assert caught.value.subject == "items of some task, de"
    return list(caught.value.problems)


# Rows to items.


def test_rows_become_items_in_their_order_and_those_of_other_languages_do_not() -> None:
    read = [row(3), row(1, language="fr", question=None), row(2)]
    assert items.parsed(read, made, "s") == [Item("i3", "de", "Wer?"), Item("i2", "de", "Wer?")]


WRONG: dict[str, tuple[Mapping[str, Any], str]] = {
    "a missing field": ({"question": {"sten": "Wer?"}}, "field 'question.stem': is missing (here: sten)"),
    "nothing in the outer field": ({"question": {}}, "field 'question.stem': is missing (here: nothing)"),
    "a text in place of an object": ({"question": "Wer?"}, "field 'question.stem': is missing (here: a str)"),
    "null in place of an object": ({"question": None}, "field 'question.stem': is missing (here: nothing)"),
    "a list in place of an object": ({"question": ["stem"]}, "field 'question.stem': is missing (here: a list)"),
    "null": ({"question": {"stem": None}}, "field 'question.stem': nothing in place of a text"),
    "a number": ({"question": {"stem": 7}}, "field 'question.stem': a number in place of a text"),
    "a list": ({"question": {"stem": ["Wer?"]}}, "field 'question.stem': a list in place of a text"),
    "an object": ({"question": {"stem": {"de": "Wer?"}}}, "field 'question.stem': an object in place of a text"),
    "an empty text": ({"question": {"stem": ""}}, "field 'question.stem': is empty"),
    "white space": ({"question": {"stem": " \n\u3000\u2028"}}, "field 'question.stem': is empty"),
    "half a character": ({"question": {"stem": f"Wer{HALF}?"}}, "field 'question.stem': half a character"),
    "half a character in an id": ({"id": HALF}, "field 'id': half a character"),
}


@pytest.mark.parametrize(("fields", "what"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_row_is_named_by_file_line_and_field(fields: Mapping[str, Any], what: str) -> None:
    [problem] = problems([row(1), row(2, **fields)])
    assert problem.where == "some.jsonl:2"
    assert problem.what.startswith(what)
    assert problem.fix
    str(problem).encode()


def test_all_wrong_rows_are_told_at_once_in_the_order_of_the_file() -> None:
    broken = Problem("some.jsonl:99", "broken JSON at column 1", "One JSON object a line.")
    read = [row(n, **fields) for n, (fields, _) in enumerate(WRONG.values())]
    found = problems([*read, broken, row(50), row(51, id="i50")])
    assert [problem.where for problem in found[:-1]] == [*(one.where for one in read), "some.jsonl:99"]
    assert all(one.what.startswith(what) for one, (_, what) in zip(found, WRONG.values(), strict=False))
    assert found[-1].where == "some.jsonl:51"
    assert "'i50' stands twice" in found[-1].what


def test_beyond_twenty_the_others_are_counted() -> None:
    twenty: list[Row | Problem] = [Problem(f"some.jsonl:{n}", f"broken at column {n}", "Mend it.") for n in range(20)]
    assert problems(twenty) == twenty
    *shown, last = problems([*twenty, *(row(n, id=None) for n in range(20, 33))])
    assert shown == twenty
    assert last.what == "13 rows more"
    assert problems([*twenty, row(20, id=None)])[-1].what == "1 row more"


def test_more_than_three_alike_are_told_once_with_their_places() -> None:
    assert [one.where for one in problems([row(n, id=None) for n in (2, 5, 8)])] == [
        f"some.jsonl:{n}" for n in (2, 5, 8)
    ]
    read = [row(2, id=None), row(3, id=7), *(row(n, id=None) for n in (5, 8)), Row("other.jsonl:1", {"id": None})]
    assert [(one.where, one.what) for one in problems(read)] == [
        ("some.jsonl:2, 5, 8, other.jsonl:1", "field 'id': nothing in place of a text"),
        ("some.jsonl:3", "field 'id': a number in place of a text"),
    ]
    (many,) = problems([row(n, id=None) for n in range(1, 34)])
    assert many.where == f"some.jsonl:{', '.join(map(str, range(1, 21)))} and 13 more"


def test_an_id_thrice_is_two_problems_and_a_row_that_is_passed_over_takes_no_id() -> None:
    assert [one.where for one in problems([row(1), row(2, id="i1"), row(3, id="i1")])] == [
        "some.jsonl:2",
        "some.jsonl:3",
    ]
    assert len(items.parsed([row(1, language="fr"), row(2, id="i1")], made, "s")) == 1


@pytest.mark.parametrize("read", [[], [row(1, language="fr")]])
def test_no_item_at_all_is_a_problem(read: list[Row | Problem]) -> None:
    assert [problem.what for problem in problems(read)] == ["there is no item"]


def test_a_blank_text_is_let_pass_where_it_may_be_blank() -> None:
    assert items.text({"a": " "}, "a", blank=True) == " "
    with pytest.raises(WrongRowError, match="nothing in place of a text"):
        items.text({"a": None}, "a", blank=True)


def test_texts_come_as_they_are() -> None:
    text = " {a} \u2028 🙂 e\u0301 שלום "
    assert items.text({"a": {"b": {"c": text}}}, "a.b.c") == text


def test_a_value_within_may_be_of_any_kind() -> None:
    assert items.within({"a": {"b": [1, 2]}}, "a.b") == [1, 2]
    assert items.within({"a": None}, "a") is None
    with pytest.raises(WrongRowError, match=r"field 'b': is missing \(here: a, c\)"):
        items.within({"a": 1, "c": 2}, "b")


# Draws. Origin: sorted(pandas.DataFrame({"a": range(size)}).sample(n, random_state=seed).index), pandas 3.1.1.

PANDAS = {
    (5, 10, 42): [0, 1, 5, 7, 8],
    (3, 10, 0): [2, 4, 8],
    (4, 7, 723): [0, 2, 3, 5],
    (10, 10, 42): list(range(10)),
}


@pytest.mark.parametrize(("asked", "positions"), PANDAS.items())
def test_rows_are_drawn_as_pandas_draws_them(asked: tuple[int, int, int], positions: list[int]) -> None:
    n, size, seed = asked
    assert items.sampled(range(size), n, seed) == positions


def test_the_authors_three_hundred_of_alpacaeval() -> None:
    # Origin as above, of 805 rows with seed 42: both ends and the sum.
    drawn = items.sampled(range(805), 300, items.SEED)
    assert drawn[:12] == [2, 6, 7, 10, 18, 23, 24, 28, 29, 30, 31, 33]
    assert drawn[-5:] == [792, 795, 800, 801, 803]
    assert (len(set(drawn)), sum(drawn)) == (300, 117306)


@given(st.lists(st.text(max_size=3), max_size=30), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_a_draw_keeps_the_order_has_its_size_and_repeats(rows: list[str], n: int, seed: int) -> None:
    places = list(enumerate(rows))
    drawn = items.sampled(places, n, seed)
    assert drawn == sorted(set(drawn)) == items.sampled(places, n, seed)
    assert len(drawn) == min(n, len(rows))
    assert items.sampled(places, None, seed) == places


# Files of a folder.


def wheres(place: Path | HubSet, names: Sequence[str] = ("de.jsonl", "set.de.json"), hub: str = "de/*.parquet") -> Any:
    return [(one.where, dict(one.fields)) for one in items.rows(place, names, hub, "s") if isinstance(one, Row)]


def refused(place: Path | HubSet, names: Sequence[str] = ("de.jsonl", "set.de.json"), hub: str = "de/*.parquet") -> str:
    with pytest.raises(ItemsError) as caught:
        items.rows(place, names, hub, "items of some task, de")
    assert caught.value.subject == "items of some task, de"
    [problem] = caught.value.problems
    return str(problem)


def test_the_first_name_that_is_there_is_read_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "set.de.json").write_text('[{"a": 1}, {"a": 2}]')
    assert wheres(tmp_path) == [("set.de.json row 1", {"a": 1}), ("set.de.json row 2", {"a": 2})]
    (tmp_path / "de.jsonl").write_text('\n{"a": 3}\n')
    assert wheres(tmp_path) == [("de.jsonl:2", {"a": 3})]


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "my questions.csv").write_text("a,b\n1,2\n")
    assert wheres(tmp_path / "my questions.csv") == [("my questions.csv:2", {"a": "1", "b": "2"})]


def test_quotes_of_a_table_are_text_where_the_task_says_so(tmp_path: Path) -> None:
    (tmp_path / "de.tsv").write_text('a\tb\n"Ja", sagte sie.\t"\n')
    [one] = items.rows(tmp_path, ["de.tsv"], "", "s", quoted=False)
    assert isinstance(one, Row)
    assert one.fields == {"a": '"Ja", sagte sie.', "b": '"'}


def test_what_is_not_there_is_said_with_the_names_that_would_do(tmp_path: Path) -> None:
    said = refused(tmp_path)
    assert said.startswith(f"{tmp_path / 'de.jsonl'}: there is no such file.")
    assert "set.de.json" in said
    assert refused(tmp_path / "none").startswith(f"{tmp_path / 'none'}: there is no such folder or file.")
    (tmp_path / "de.jsonl").mkdir()
    assert "there is no such file" in refused(tmp_path)


def test_a_file_that_cannot_be_read_to_its_end_is_refused_with_the_tasks_subject(tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(b'{"a": %d}\n' % (n * n) for n in range(20_000)))
    (tmp_path / "de.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    assert "breaks off after line " in refused(tmp_path, ["de.jsonl.gz"])
    (tmp_path / "de.docx").touch()
    assert "is of no known kind" in refused(tmp_path / "de.docx")
    (tmp_path / "set.de.json").write_text('[{"a": 1},')
    assert "broken JSON" in refused(tmp_path)


# Hub sets, in a cache that looks like the hub's own; HF_HUB_OFFLINE keeps the network out of every test.


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cached(cache: Path, name: str, files: Mapping[str, list[dict[str, Any]]], commit: str = COMMIT) -> None:
    home = cache / f"datasets--{name.replace('/', '--')}"
    for folder in ("refs", "blobs"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "refs" / "main").write_text(commit)
    for number, (file, rows) in enumerate(files.items()):
        blob = home / "blobs" / f"{commit}{number}"
        parquet.write_table(pyarrow.Table.from_pylist(rows), blob)
        link = home / "snapshots" / commit / file
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)


def test_a_hub_set_is_read_from_the_cache_shard_after_shard(cache: Path) -> None:
    shards = {
        "de/test-00001-of-00002.parquet": [{"a": "drei"}],
        "de/test-00000-of-00002.parquet": [{"a": "eins"}, {"a": "zwei"}],
        "de/validation-00000-of-00001.parquet": [{"a": "no"}],
        "fr/test-00000-of-00001.parquet": [{"a": "non"}],
    }
    cached(cache, "org/name", shards)
    assert wheres(HubSet("org/name"), hub="de/test-*.parquet") == [
        ("test-00000-of-00002.parquet row 1", {"a": "eins"}),
        ("test-00000-of-00002.parquet row 2", {"a": "zwei"}),
        ("test-00001-of-00002.parquet row 1", {"a": "drei"}),
    ]


def test_a_hub_set_is_read_at_its_revision(cache: Path) -> None:
    other = "0" * 40
    cached(cache, "org/name", {"de/test-0.parquet": [{"a": "old"}]}, other)
    cached(cache, "org/name", {"de/test-0.parquet": [{"a": "new"}]})
    assert [fields["a"] for _, fields in wheres(HubSet("org/name"))] == ["new"]
    assert [fields["a"] for _, fields in wheres(HubSet("org/name", other))] == ["old"]
    assert "not in the local cache" in refused(HubSet("org/name", "1" * 40))


def test_a_language_that_the_cache_has_not_is_refused_and_nothing_is_fetched(cache: Path) -> None:
    cached(cache, "org/name", {"de/test-0.parquet": [{"a": "eins"}]})
    assert "Run once with --download" in refused(HubSet("org/name"), hub="fr/test-*.parquet")
    assert "Run once with --download" in refused(HubSet("org/other"))


def test_a_damaged_hub_file_is_refused(cache: Path) -> None:
    cached(cache, "org/name", {"de/test-0.parquet": [{"a": "eins"}]})
    (cache / "datasets--org--name" / "blobs" / f"{COMMIT}0").write_bytes(b"PAR1")
    assert "test-0.parquet: cannot be read" in refused(HubSet("org/name"))


def test_rows_of_a_hub_set_are_named_by_file_and_row(cache: Path) -> None:
    cached(cache, "org/name", {"de/test-0.parquet": [{"id": "a", "question": {"stem": s}} for s in ("Wer?", "", None)]})
    found = problems(items.rows(HubSet("org/name"), [], "de/*.parquet", "s"))
    assert [one.where for one in found] == ["test-0.parquet row 2", "test-0.parquet row 3"]
