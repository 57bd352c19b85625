"""The summary: seeds pooled by item, unscored counted and never zero, one verdict a model where there can be one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from babeltune.measure.intervals import mean
from babeltune.measure.summary import Scored, collect, rows, verdicts
from babeltune.records import Cell, Metric, Score

METRIC = "agreement"
METRICS = {"dialogue": [Metric(METRIC)]}
MEMBERS = {"mono": ("en",), "multi-2": ("en", "es")}


def score(item: str, value: float | None) -> Score:
    return Score(item, unscored={METRIC: "empty"}) if value is None else Score(item, {METRIC: value})


def scored(
    mix: str,
    language: str,
    values: Mapping[str, float | None],
    *,
    seed: int = 0,
    tuning_seed: int = 0,
    model: str = "m",
) -> Scored:
    cell = Cell(model, mix, tuning_seed, "dialogue", language, "xx:xx", seed)
    return Scored(
        cell, tuple(score(item, value) for item, value in values.items()), f"adapter{tuning_seed}", "items-hash"
    )


def flat(mix: str, languages: Sequence[str], value: float | None, model: str = "m") -> list[Scored]:
    return [scored(mix, code, {str(at): value for at in range(40)}, model=model) for code in languages]


def test_seeds_of_a_cell_are_one_row_that_resamples_items() -> None:
    cells = [
        scored("mono", "de", {"a": 1.0, "b": 0.0, "c": None}),
        scored("mono", "de", {"a": 1.0, "b": 1.0, "c": None}, seed=1),
        scored("mono", "de", {"a": 0.0, "b": None, "c": None}, tuning_seed=7),
        scored("mono", "fr", {"a": 1.0}),
    ]
    german, french = rows(cells, METRICS, "lid176")
    expected = mean({"a": [1.0, 1.0, 0.0], "b": [0.0, 1.0]})
    assert (german.value, german.low, german.high, german.n) == (expected.value, expected.low, expected.high, 2)
    assert (german.value, german.unscored, german.reasons) == (3 / 5, 4, {"empty": 4})
    # Three ones among nine outputs; the four unscored would make them three or seven.
    assert (german.worst, german.best) == (3 / 9, 7 / 9)
    assert "|adapter:adapter0+adapter7|seeds:2x2|" in german.signature
    assert (french.language, french.n, french.unscored) == ("fr", 1, 0)
    assert "|seeds:1x1|" in french.signature


def test_a_cell_with_nothing_scored_has_no_value_and_says_why() -> None:
    (row,) = rows([scored("mono", "de", {"a": None, "b": None})], METRICS, "lid176")
    assert (row.value, row.low, row.high, row.n, row.unscored) == (None, None, None, 0, 2)
    assert (row.worst, row.best, row.reasons) == (0.0, 1.0, {"empty": 2})


def test_each_metric_has_its_row_and_one_that_says_nothing_of_a_cell_has_none() -> None:
    metrics = {"dialogue": [Metric(METRIC), Metric("other"), Metric("nothing")]}
    cell = scored("mono", "de", {"a": 1.0})
    both = Scored(cell.cell, (Score("a", {METRIC: 1.0}, unscored={"other": "why"}),), cell.adapter, cell.items)
    found = rows([both], metrics, "lid176")
    assert [(row.metric, row.value, row.reasons) for row in found] == [(METRIC, 1.0, {}), ("other", None, {"why": 1})]


def test_a_product_of_means_is_taken_over_the_cell_and_bounded_where_a_factor_is_missing() -> None:
    weighted = Metric("sari-weighted", 100, factors=("sari", "agreement"))
    scores = (
        Score("a", {"sari": 40.0, "agreement": 1.0}),
        Score("b", {"sari": 20.0, "agreement": 0.0}),
        Score("c", {"sari": 60.0}, unscored={"agreement": "empty"}),
    )
    cell = Scored(Cell("m", "mono", 0, "simplification", "de", "xx:xx", 0), scores, "adapter", "items")
    (row,) = rows([cell], {"simplification": [weighted]}, "lid176")
    # SARI is 40 on average, and half of the identified answers agree.
    assert row.value == pytest.approx(40 * 1 / 2)
    assert (row.worst, row.best) == pytest.approx((40 * 1 / 3, 40 * 2 / 3))
    assert (row.n, row.unscored, row.reasons, row.top) == (3, 1, {"empty": 1}, 100)
    assert 0 <= row.low < row.value < row.high <= 100  # type: ignore[operator]


def test_the_score_of_a_corpus_sums_counts_over_items_and_seeds() -> None:
    share = Metric("share", corpus=lambda counts: counts[..., 0] / counts[..., 1])
    halves = Metric("share-weighted", factors=("agreement",), corpus=share.corpus)
    first = (Score("a", {"agreement": 1.0}, counts=(1, 4)), Score("b", {"agreement": 1.0}, counts=(6, 6)))
    second = (Score("a", {"agreement": 0.0}, counts=(1, 2)), Score("b", {"agreement": 0.0}, counts=(0, 8)))
    cells = [
        Scored(Cell("m", "mono", 0, "simplification", "de", "xx:xx", seed), scores, "adapter", "items")
        for seed, scores in enumerate((first, second))
    ]
    bare, weighted = rows(cells, {"simplification": [share, halves]}, "lid176")
    assert bare.value == pytest.approx((1 + 6 + 1 + 0) / (4 + 6 + 2 + 8))
    assert weighted.value == pytest.approx(8 / 20 / 2)
    assert (bare.n, bare.unscored) == (2, 0)


def test_values_of_another_scale_keep_it() -> None:
    cell = Cell("m", "mono", 0, "simplification", "de", "xx:xx", 0)
    scores = tuple(Score(str(at), {"sari": 40.0}) for at in range(10))
    (row,) = rows([Scored(cell, scores, "a", "i")], {"simplification": [Metric("sari", 100)]}, "lid176")
    # Without variation the interval is Wilson's, of a share of 0.4 of ten.
    assert (row.value, row.low, row.high) == pytest.approx((40.0, 16.8, 68.7), abs=0.1)


def test_collect_leaves_out_items_that_were_never_scored() -> None:
    values, reasons = collect([scored("mono", "de", {"a": None, "b": 0.0})], METRIC)
    assert (values, reasons) == ({"b": [0.0]}, {"empty": 1})


def test_one_verdict_a_model() -> None:
    cells = [
        cell
        for model, gain in (("step", 1.0), ("flat", 0.0))
        for cell in (*flat("mono", ["it", "pt"], 0.0, model), *flat("multi-2", ["it", "pt"], gain, model))
    ]
    found = verdicts(cells, METRIC, MEMBERS, margin=0.1, in_kind=0.8)
    assert [(one.model, one.necessary) for one in found] == [("step", "shown"), ("flat", "refuted")]


def test_a_language_that_one_mix_was_not_scored_in_takes_no_part() -> None:
    cells = [*flat("mono", ["it", "pt"], 0.0), *flat("multi-2", ["it"], 1.0), *flat("multi-2", ["pt"], None)]
    (found,) = verdicts(cells, METRIC, MEMBERS, margin=0.1, in_kind=0.8)
    assert found.unseen == ("it",)


@pytest.mark.parametrize(
    ("cells", "members"),
    [
        (flat("mono", ["it"], 1.0), {"mono": ("en",)}),
        (flat("mono", ["es"], 1.0) + flat("multi-2", ["es"], 1.0), MEMBERS),
        (flat("mono", ["it"], 1.0) + flat("multi-2", ["it"], None), MEMBERS),
        ([scored("mono", "it", {"a": 1.0, "b": None}), scored("multi-2", "it", {"a": None, "b": 1.0})], MEMBERS),
        (flat("mono", ["it"], 1.0) + flat("other", ["it"], 1.0), {"mono": ("en",), "other": ("es",)}),
    ],
    ids=["one mix", "nothing unseen", "a mix never scored", "no item scored under both", "as many languages in both"],
)
def test_no_verdict_where_no_contrast_is_possible(cells: list[Scored], members: dict[str, tuple[str, ...]]) -> None:
    assert verdicts(cells, METRIC, members, margin=0.1, in_kind=0.8) == []
