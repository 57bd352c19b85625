"""The summary: seeds pooled by item, unscored counted and never zero; and where the variance comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from babeltune import __version__
from babeltune.measure import spread, summary
from babeltune.measure.pools import Scored, pools
from babeltune.measure.statistics.intervals import Resampling, mean
from babeltune.measure.summary import Row, signature
from babeltune.records import Cell, Metric, Score

METRIC = "agreement"
METRICS = {"dialogue": [Metric(METRIC)]}


def rows(cells: Sequence[Scored], metrics: Mapping[str, Sequence[Metric]], identifier: str) -> list[Row]:
    return summary.rows(pools(cells), metrics, identifier)


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


def simplified(*scores: Score, seed: int = 0) -> Scored:
    return Scored(Cell("m", "mono", 0, "simplification", "de", "xx:xx", seed), scores, "adapter", "items")


WEIGHTED = Metric("sari-weighted", 100, factors=("sari", "agreement"))


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
    cell = simplified(
        Score("a", {"sari": 40.0, "agreement": 1.0}),
        Score("b", {"sari": 20.0, "agreement": 0.0}),
        Score("c", {"sari": 60.0}, unscored={"agreement": "empty"}),
    )
    (row,) = rows([cell], {"simplification": [WEIGHTED]}, "lid176")
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
    cells = [simplified(*first), simplified(*second, seed=1)]
    bare, weighted = rows(cells, {"simplification": [share, halves]}, "lid176")
    assert bare.value == pytest.approx((1 + 6 + 1 + 0) / (4 + 6 + 2 + 8))
    assert weighted.value == pytest.approx(8 / 20 / 2)
    assert (bare.n, bare.unscored) == (2, 0)


def test_values_of_another_scale_keep_it() -> None:
    cell = simplified(*(Score(str(at), {"sari": 40.0}) for at in range(10)))
    (row,) = rows([cell], {"simplification": [Metric("sari", 100)]}, "lid176")
    # Without variation the interval is Wilson's, of a share of 0.4 of ten.
    assert (row.value, row.low, row.high) == pytest.approx((40.0, 16.8, 68.7), abs=0.1)


def test_a_row_says_how_far_its_seeds_lie_apart() -> None:
    cells = [
        scored("mono", "de", {"a": 1.0, "b": 0.0}),
        scored("mono", "de", {"a": 1.0, "b": 1.0}, seed=1),
        scored("mono", "de", {"a": 0.0, "b": None}, tuning_seed=7),
        scored("mono", "fr", {"a": 1.0}),
    ]
    german, french = rows(cells, METRICS, "lid176")
    assert (german.seeds, german.tuning_seeds, german.least) == (2, 2, 0.0)
    assert german.std == pytest.approx(np.std([0.5, 1.0, 0.0]))
    assert (french.seeds, french.tuning_seeds, french.std) == (1, 1, None)


def test_seeds_of_a_product_are_products_of_their_own_means() -> None:
    cells = [
        simplified(*(Score(str(at), {"sari": sari, "agreement": float(at < 2)}) for at in range(4)), seed=seed)
        for seed, sari in enumerate((40.0, 20.0))
    ]
    (row,) = rows(cells, {"simplification": [WEIGHTED]}, "lid176")
    assert row.std == pytest.approx(np.std([20.0, 10.0]))


def test_two_outputs_to_an_item_in_one_cell_both_count() -> None:
    scores = (Score("a", {METRIC: 1.0}), Score("b", {METRIC: 0.0}), Score("a", {METRIC: 0.0}))
    (pool,) = pools([Scored(Cell("m", "mono", 0, "dialogue", "de", "xx:xx", 0), scores, "x", "i")])
    assert pool.of(METRIC) == {"a": [1.0, 0.0], "b": [0.0]}
    assert (pool.seeds, pool.tuning_seeds) == (1, 1)


def test_items_in_another_order_or_missing_in_a_seed_are_still_the_same_items() -> None:
    cells = [
        scored("mono", "de", {"a": 1.0, "b": 0.0, "c": 0.0}),
        scored("mono", "de", {"c": 1.0, "a": 0.0}, seed=1),
    ]
    (pool,) = pools(cells)
    assert pool.of(METRIC) == {"a": [1.0, 0.0], "b": [0.0], "c": [0.0, 1.0]}
    assert pool.unscored(METRIC) == {}


def test_as_run_intervals_are_over_outputs() -> None:
    cells = [scored("mono", "de", {str(at): float(at % 2) for at in range(20)}, seed=seed) for seed in range(3)]
    (items,) = rows(cells, METRICS, "lid176")
    (outputs,) = summary.rows(pools(cells), METRICS, "lid176", Resampling(unit="rows"))
    assert items.low is not None
    assert outputs.low is not None
    assert items.low < outputs.low < 0.5
    assert "|ci:95%-percentile-by-row-r10000-s12345|" in outputs.signature


def test_where_the_variance_comes_from_is_told_of_plain_metrics() -> None:
    cells = [
        scored("mono", code, {str(at): float((at + seed) % 3 > 0) for at in range(30)}, seed=seed)
        for code in ("de", "fr")
        for seed in (0, 1)
    ]
    product = Metric("product", factors=(METRIC, METRIC))
    boards = [("dialogue", "xx:xx", Metric(METRIC)), ("dialogue", "xx:xx", product)]
    (found,) = spread.splits(pools(cells), boards, lambda metric: 0.1)
    assert (found.model, found.metric, found.n_items, found.n_sampling, found.n_tuning) == ("m", METRIC, 30, 2, 1)
    assert (found.tuning, found.target, found.cells) == (None, 0.05, 2)
    assert found.width > found.target
    assert found.advice.startswith("The 95 % interval is ")
    assert {option.add for option in found.options} == {"items", "sampling seeds"}


def test_as_run_a_product_is_resampled_output_by_output() -> None:
    rng = np.random.default_rng(0)
    values = {str(at): (float(rng.uniform(20, 60)), float(rng.random() < 0.5)) for at in range(40)}
    cells = [
        simplified(
            *(
                Score(item, {"sari": sari, "agreement": agreed} if (item, seed) != ("0", 2) else {"sari": sari})
                for item, (sari, agreed) in values.items()
            ),
            seed=seed,
        )
        for seed in range(3)
    ]
    metrics = {"simplification": [WEIGHTED]}
    (items,) = summary.rows(pools(cells), metrics, "lid176")
    (outputs,) = summary.rows(pools(cells), metrics, "lid176", Resampling(unit="rows"))
    assert items.value == outputs.value
    assert (items.n, outputs.n) == (40, 120)
    widths = [row.high - row.low for row in (items, outputs)]  # type: ignore[operator]
    # Three times the same makes them narrower by the root of three, and they should not be.
    assert widths[0] / widths[1] == pytest.approx(3**0.5, rel=0.05)


RECIPE = {"identifier": "lid176", "items": "0a1b2c3d", "adapter": "none", "seeds": 2, "tuning_seeds": 3}


def test_a_signature_is_one_line_of_keys_and_values() -> None:
    line = signature(**RECIPE)
    assert dict(part.split(":") for part in line.split("|")) == {
        "lid": "lid176",
        "items": "0a1b2c3d",
        "adapter": "none",
        "seeds": "2x3",
        "ci": "95%-percentile-by-item-r10000-s12345",
        "version": __version__,
    }
    assert len(line.split()) == 1


@pytest.mark.parametrize(
    ("field", "other"),
    [*((name, "else") for name in ("identifier", "items", "adapter")), ("seeds", 9), ("tuning_seeds", 9)],
)
def test_another_recipe_has_another_signature(field: str, other: object) -> None:
    assert signature(**{**RECIPE, field: other}) != signature(**RECIPE)
