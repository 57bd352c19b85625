"""Results: the CSV's columns, and the order of models, mixes and languages."""

from __future__ import annotations

import csv
import dataclasses
import io

from babeltune.report.results import COLUMNS, Results


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
    cells = results.of("tiny", "agreement")
    assert len(cells) == 9
    assert cells["multi-2", "es"]["value"] == 0.75
    assert {row["metric"] for row in cells.values()} == {"agreement"}
    assert results.of("other", "agreement") == {}
