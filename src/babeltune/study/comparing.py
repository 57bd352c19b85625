"""Comparing: the paired differences between cells of two studies that asked the same items."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from babeltune.measure.statistics.intervals import Difference, Resampling, Values, differences
from babeltune.report.compare import Key, aligned, keyed
from babeltune.report.results import Results


def paired(first: Results, second: Results) -> dict[Key, Difference]:
    """Second minus first of each shared cell all of whose items are the same in both, with their prompts.

    Cells of a metric that single answers do not have, as of a corpus, are not among them, nor are those of a study that
    keeps a sample of its answers only. Values are in the metric's units.
    """
    model = aligned(first, second)
    ours, theirs = (_values(one, model) for one in (first, second))
    rows = keyed(first, model)
    spans: dict[tuple[float, float], list[Key]] = defaultdict(list)
    for key, row in keyed(second, model).items():
        here, there = ours.get(key, {}), theirs.get(key, {})
        if (
            key in rows
            and here
            and here.keys() == there.keys()
            and rows[key]["n"] == row["n"] == len({item for item, _ in here})
        ):
            spans[float(row.get("least", 0.0)), float(row.get("top", 1.0))].append(key)
    found: dict[Key, Difference] = {}
    for (least, top), keys in spans.items():
        pairs = [({"": _by_item(theirs[key])}, {"": _by_item(ours[key])}) for key in keys]
        found |= dict(zip(keys, differences(pairs, top, least, Resampling()), strict=True))
    return found


def _values(results: Results, model: str | None) -> Mapping[Key, Mapping[tuple[str, str], list[float]]]:
    """Cell and metric -> item and its prompt -> values of all seeds."""
    found: dict[Key, dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    for item in results.items:
        cell: tuple[Any, ...] = tuple(item[name] for name in ("mix", "task", "language", "prompting"))
        for metric, value in item["values"].items():
            found[model or item["model"], *cell, metric][item["item"], item["prompt"]].append(value)
    return found


def _by_item(values: Mapping[tuple[str, str], list[float]]) -> Values:
    return {item: found for (item, _), found in values.items()}
