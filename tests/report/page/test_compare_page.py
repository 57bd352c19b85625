"""Comparisons: which cells are shared, what the page says of them, and that it is as safe as the page of one study."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from test_study_page import HOSTILE, attacked

import worlds
from babeltune.report.compare import ALIGNED, Shared, Studied, lines, named, shared
from babeltune.report.page import comparison
from babeltune.report.page.blocks import unpacked
from babeltune.report.page.comparison import recipes
from babeltune.report.results import Results
from babeltune.study.comparing import paired
from browser import browser, chromium
from markup import STEERING, Parsed


def changed(results: Results, **values: float) -> Results:
    """The study after a change: other values of agreement, item after item of each mix."""
    items = tuple(
        {**one, "values": {**one["values"], "agreement": values[one["mix"].replace("-", "_")]}} if "agreement" in one["values"] and one["mix"].replace("-", "_") in values else one
        for one in results.items
    )  # fmt: skip
    return dataclasses.replace(results, items=items, rows=tuple({**row} for row in results.rows))


def two(first: Results, second: Results) -> tuple[list[Studied], list[Shared]]:
    studies = named([("a/report", first), ("b/report", second)])
    return studies, shared(studies, [paired(first, second)])


@pytest.fixture
def answered(results: Results) -> Results:
    """The hand-written study, its numbers those of its answers: one prompt in German, each of two mixes right or wrong."""
    items = tuple(one for one in results.items if one["item"] == "p1")
    rows = tuple(
        {**row, "n": 1}
        for row in results.rows
        if row["language"] == "de" and row["metric"] == "agreement" and row["mix"] != "base"
    )
    return dataclasses.replace(results, items=items, rows=rows)  # fmt: skip


def test_studies_of_one_name_are_numbered(results: Results) -> None:
    other = dataclasses.replace(results, study="other")
    assert [one.name for one in named([("a", results), ("b", other), ("c", results)])] == [
        "hand (1)",
        "other",
        "hand (2)",
    ]


def test_cells_are_shared_by_model_mix_task_language_prompting_and_metric(results: Results) -> None:
    fewer = dataclasses.replace(results, rows=tuple(row for row in results.rows if row["language"] != "es"))
    _, cells = two(results, fewer)
    assert {cell.key for cell in cells} == {("tiny", row["mix"], "dialogue", row["language"], "xx:xx", row["metric"]) for row in fewer.rows}  # fmt: skip
    stranger = tuple({**row, "mix": "elsewhere"} for row in results.rows)
    assert two(results, dataclasses.replace(results, rows=stranger))[1] == []


def test_single_models_of_two_names_stand_side_by_side(results: Results) -> None:
    other = dataclasses.replace(results, rows=tuple({**row, "model": "large"} for row in results.rows))
    _, cells = two(results, other)
    assert {cell.key[0] for cell in cells} == {ALIGNED}
    assert len(cells) == len(results.rows)


def test_differences_are_paired_where_all_items_are_the_same(answered: Results) -> None:
    _, cells = two(answered, changed(answered, mono=1.0))
    apart = {cell.key[1]: cell.apart for cell in cells}
    assert apart["mono"] is not None
    assert (apart["mono"].value, apart["mono"].n) == (1.0, 1)
    assert apart["multi-2"] is not None
    assert apart["multi-2"].value == 0.0
    assert apart["multi-2"].low < 0 < apart["multi-2"].high  # one item says little


@pytest.mark.parametrize(
    "change",
    [{"prompt": "Was ist Käse?"}, {"item": "p9"}, {"values": {}}],
    ids=["another prompt", "another item", "an answer without a value"],
)
def test_differences_are_not_paired_where_items_differ(answered: Results, change: Mapping[str, Any]) -> None:
    items = tuple({**one, **change} for one in answered.items)
    _, cells = two(answered, dataclasses.replace(answered, items=items))
    assert len(cells) == 2
    assert all(cell.apart is None for cell in cells)


def test_a_sample_of_the_answers_pairs_nothing(answered: Results) -> None:
    more = dataclasses.replace(answered, rows=tuple({**row, "n": 300} for row in answered.rows))
    assert all(cell.apart is None for cell in two(more, more)[1])


def test_what_differs_in_the_recipes_is_named(results: Results) -> None:
    other = dataclasses.replace(
        results, recipe={**results.recipe, "verdict": {"margin": 0.2, "in_kind": 0.8}}, mixes={**results.mixes, "multi-2": {"en": 6, "es": 6}}
    )  # fmt: skip
    assert recipes(two(results, other)[0]) == [
        ["verdict.margin", "0.1", "0.2"],
        ["chats of multi-2", "8 en, 4 es", "6 en, 6 es"],
    ]
    assert recipes(two(results, results)[0]) == []


def test_what_differs_most_comes_first(results: Results) -> None:
    higher = tuple({**row, "value": None if row["value"] is None else row["value"] + (0.2 if row["language"] == "es" else 0.0)} for row in results.rows)  # fmt: skip
    found = lines(*two(results, dataclasses.replace(results, rows=higher)))
    assert found[0][0] == "tiny, base, dialogue, es, agreement"
    assert found[0][3] == "+0.20"
    assert [line[3] for line in found] == ["+0.20"] * 3 + ["0.00"] * 5  # unscored: no difference


def page(first: Results, second: Results) -> str:
    return comparison.page(*two(first, second))


def test_the_page_has_both_verdicts_the_cells_and_the_answers(answered: Results) -> None:
    found = Parsed(page(answered, changed(answered, mono=1.0)))
    words = " ".join(found.words.split())
    assert words.count("tiny answers 0 of 1 unseen language in kind.") == 2
    assert "a/report" in words
    assert "2 numbers are of the same model" in words
    assert "Nothing: the study files and mixes are the same." in words
    columns = found.data["compared"]["columns"]
    assert columns["difference"] == [0.0, 0.0]  # of the rows, which the change left as they are
    index, *texts = [unpacked(content) for _, content in found.inside[3:]]
    assert index["mixes"] == ["mono · hand (1)", "mono · hand (2)", "multi-2 · hand (1)", "multi-2 · hand (2)"]
    assert len(texts) == 1


def test_three_studies_are_told_apart(results: Results) -> None:
    studies = named([(name, dataclasses.replace(results, study=name)) for name in "abc"])
    cells = shared(studies, [{}, {}])
    found = Parsed(comparison.page(studies, cells)).data["compared"]
    assert found["words"]["other"] == ["b", "c"]
    assert found["shown"][0]["key"] == "other"
    assert len(found["columns"]["other"]) == 2 * len(results.rows)


def test_hostile_text_stays_text(results: Results) -> None:
    harmless = Parsed(page(results, attacked(results, "nothing")))
    for text in HOSTILE:
        html = page(results, attacked(results, text))
        assert not STEERING.search(html)
        found = Parsed(html)
        assert [tag for tag, _ in found.elements] == [tag for tag, _ in harmless.elements]
        assert not set("<>&") & set(found.inside[1][1])
        assert all(re.fullmatch("[A-Za-z0-9+/=]*", content) for _, content in found.inside[3:])


@pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")
def test_the_page_works_in_a_browser(tmp_path: Path) -> None:
    first = worlds.study(languages=("en", "es", "de", "hi"), tasks=("dialogue", "xquad"), judge=True)
    second = dataclasses.replace(
        worlds.study(languages=("en", "es", "de", "hi"), tasks=("dialogue", "xquad"), judge=True, lift=0.05),
        study="later",
    )
    path = tmp_path / "compare.html"
    path.write_text(page(first, second), encoding="utf-8")
    with browser(tmp_path / "browser") as window:
        window.open(path.as_uri() + "#answers?language=de&item=di2")
        window.until("document.querySelector('#item header small')?.textContent.endsWith('item di2')")
        assert window.run("document.querySelectorAll('#item .mix').length") == 7
        assert window.run(
            "[...document.querySelector('#item .mix').querySelectorAll('.mark small')].map((one) => one.textContent)"
        ) == ["made-up", "later"]
        window.run("document.querySelector('[data-figure]').scrollIntoView()")
        window.until("document.querySelector('[data-figure] .point') !== null")
        window.run(
            "[...document.querySelectorAll('.grid-of-cells thead button')].find((one) => one.textContent === 'difference').click()"
        )
        assert window.run("location.hash") == "#cells?sort=-difference"
        assert window.errors == []
        assert {one.partition("#")[0] for one in window.requests} == {path.as_uri()}
