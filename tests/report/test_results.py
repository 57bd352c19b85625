"""Results: the CSV's columns, and the order of models, mixes and languages."""

from __future__ import annotations

import csv
import dataclasses
import io

from babeltune.languages import exposure, published
from babeltune.report.results import COLUMNS, Board, Results

AGREEMENT = Board("dialogue", "xx:xx", "agreement")


def test_the_table_has_the_columns_of_the_issue_in_order(results: Results) -> None:
    # As the issue lists them.
    expected = "model, mix, task, language, prompting, metric, value, low, high, n, unscored, signature"
    assert ", ".join(COLUMNS) == expected
    assert ", ".join(results.table().columns) == expected


def test_the_csv_reads_back_and_a_missing_value_is_empty_not_zero(results: Results) -> None:
    read = list(csv.DictReader(io.StringIO(results.table().write_csv())))
    assert len(read) == len(results.rows)
    for line, row in zip(read, results.rows, strict=True):
        assert line["mix"] == row["mix"]
        assert line["value"] == ("" if row["value"] is None else str(row["value"]))
        assert int(line["unscored"]) == row["unscored"]


def test_a_first_row_without_a_value_does_not_fix_the_type(results: Results) -> None:
    turned = dataclasses.replace(results, rows=tuple(sorted(results.rows, key=lambda row: row["value"] is not None)))
    assert turned.table()["value"].drop_nulls().max() == 1.0


def test_base_comes_first_then_the_order_of_the_study(results: Results) -> None:
    turned = dataclasses.replace(results, rows=tuple(reversed(results.rows)))
    assert turned.mix_names("tiny") == ["base", "mono", "multi-2"]
    without = dataclasses.replace(results, rows=tuple(row for row in results.rows if row["mix"] != "base"))
    assert without.mix_names("tiny") == ["mono", "multi-2"]
    assert results.languages("tiny") == ["en", "es", "de"]
    assert results.models() == ["tiny"]


def test_of_picks_one_model_and_metric(results: Results) -> None:
    cells = results.of("tiny", AGREEMENT)
    assert len(cells) == 9
    assert cells["multi-2", "es"]["value"] == 0.75
    assert {row["metric"] for row in cells.values()} == {"agreement"}
    assert results.of("other", AGREEMENT) == {}


def test_exposures_have_a_row_a_model_and_language_evaluated(results: Results) -> None:
    found = dataclasses.replace(results, exposure={"tiny": exposure({"en": 89.7, "es": 0.13})}).exposures()
    assert ", ".join(found.columns) == "model, language, share, tier"
    # Of the languages of the table, in its order, only those that the study asks; one without a share is kept.
    assert found.rows() == [("tiny", "en", 89.7, "high"), ("tiny", "de", None, "low"), ("tiny", "es", 0.13, "high")]


def test_exposures_of_a_model_whose_pretraining_is_unknown_are_left_out(results: Results) -> None:
    second = tuple({**row, "model": "other"} for row in results.rows)
    both = dataclasses.replace(results, rows=results.rows + second, exposure={"other": exposure(published("llama2"))})
    assert {row["model"] for row in both.exposures().to_dicts()} == {"other"}


def test_exposures_without_any_share_keep_their_columns(results: Results) -> None:
    found = dataclasses.replace(results, exposure={"tiny": exposure({})}).exposures()
    assert found["share"].to_list() == [None] * 3
    assert "model,language,share,tier\ntiny,en,,low\n" in found.write_csv()


def test_an_exposure_joins_the_results_by_model_and_language(results: Results) -> None:
    seen = dataclasses.replace(results, exposure={"tiny": exposure(published("llama2"))})
    joined = seen.table().join(seen.exposures(), on=["model", "language"])
    assert len(joined) == len(results.rows)
    assert set(joined.filter(joined["language"] == "de")["share"].to_list()) == {0.17}
