"""Numbers without items: what files say of cells whose outputs are not there, as rows, and verdicts on them."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from babeltune.languages import LANGUAGES, Exposure
from babeltune.measure.metrics.agreement import AGREEMENT, AGREEMENT_NOMINAL
from babeltune.measure.statistics.intervals import wilson
from babeltune.measure.tasks.xnli import ACCURACY
from babeltune.measure.verdict.aggregates import AggregateBoard, Share, complete, of_items
from babeltune.measure.verdict.plateau import verdict
from babeltune.measure.verdict.verdict import Verdict
from babeltune.study.importing.found import Aggregate
from babeltune.study.importing.names import BASE
from babeltune.study.spec.findings import VerdictSpec

Key = tuple[str, str, str, str, str, str]
KEY = ("model", "mix", "task", "language", "prompting", "metric")
"""What a row is of."""
SHARES = (AGREEMENT, AGREEMENT_NOMINAL, ACCURACY)
"""Metrics that are shares of items, so that a number of them has an interval."""
UNSIZED = "guanaco"
"""Every chat of the source: of another size than the other mixes."""
CAVEAT = " (From published averages: unpaired, and of one tuning run each.)"
"""Ends the sentence of every verdict on such numbers."""
NOTE = (
    "From published averages, rounded and without their items: differences are unpaired, which is wider than the items "
    "would allow, and how far another tuning run would fall is not in the intervals."
)
"""What such a verdict cannot say, at length."""


def rows(numbers: Iterable[Aggregate], known: set[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Rows of all numbers but those of ``known`` cells and metrics, which have outputs."""
    return [row_of(key, several) for key, several in _cells(numbers).items() if key not in known]


def row_of(key: Key, several: Sequence[Aggregate], seeds: int | None = None) -> dict[str, Any]:
    """A row, of a share of items, as ``summary.Row`` has it; its signature says what the interval is of.

    ``several``: one number a seed. ``seeds``: over so many is the number, where it is one mean over several.
    """
    values = [one.value for one in several]
    share = _share(several)
    value, n = share.value, share.n
    if any(one.error is not None for one in several):
        found = share.interval
        low, high, ci = max(0.0, found.low), min(1.0, found.high), "95%-value-and-1.96-standard-errors"
    else:
        wide = wilson(value, n)
        low, high, ci = wide.low, wide.high, f"95%-wilson-of-{n}-items"
    std = (sum((one - value) ** 2 for one in values) / len(values)) ** 0.5 if len(values) > 1 else None
    count = seeds or len(values)
    sources = "+".join(sorted({one.source.rsplit("/", 1)[-1] for one in several})[:3])
    return {
        **dict(zip(KEY, key, strict=True)), "value": value, "low": low, "high": high, "n": n, "unscored": 0,
        "signature": f"published|seeds:{count}|ci:{ci}|source:{sources}", "worst": value, "best": value, "reasons": {},
        "top": 1.0, "least": 0.0, "seeds": count, "tuning_seeds": 1, "std": std,
    }  # fmt: skip


def verdicts(
    numbers: Sequence[Aggregate],
    mixes: Mapping[str, Mapping[str, int]],
    seen: Mapping[str, Mapping[str, Exposure]],
    spec: VerdictSpec,
) -> Iterator[Verdict]:
    """Verdicts on agreement and accuracy: unpaired, and saying so."""
    groups: dict[tuple[str, str, str, str], dict[str, dict[str, Share]]] = defaultdict(lambda: defaultdict(dict))
    for (model, mix, task, language, prompting, metric), several in _cells(numbers).items():
        if metric in (AGREEMENT, ACCURACY):
            groups[model, task, prompting, metric][mix][language] = _share(several)
    for (model, task, prompting, metric), scores in groups.items():
        members = members_of(mixes, [(mix, code) for mix, codes in scores.items() for code in codes])
        shared = set.intersection(*(set(scores[mix]) for mix in members)) if members else set()
        held = {code for codes in members.values() for code in codes}
        if len({len(codes) for codes in members.values()}) < 2 or not shared - held:
            continue
        # The untuned model is shown beside them where it costs no language.
        names = [*([BASE] if shared <= set(scores.get(BASE, ())) else []), *members]
        order = [code for code in LANGUAGES if code in shared]
        board = AggregateBoard(metric, {mix: {code: scores[mix][code] for code in order} for mix in names})
        found = verdict(
            (model, task, prompting),
            board,
            members,
            margin=spec.margin_of(metric),
            in_kind=spec.in_kind if metric == AGREEMENT else None,
            exposure=seen.get(model),
        )
        yield dataclasses.replace(found, sentence=found.sentence + CAVEAT)


def members_of(mixes: Mapping[str, Mapping[str, int]], cells: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Mix -> languages of its chats, of the mixes of one size that were scored in the same languages.

    ``cells``: every mix and language that has a score.
    """
    coverage: dict[str, list[str]] = defaultdict(list)
    for mix, code in cells:
        if mixes.get(mix) and mix != UNSIZED:
            coverage[mix].append(code)
    chosen = complete(coverage)
    return {mix: tuple(codes) for mix, codes in mixes.items() if mix in chosen}


def _cells(numbers: Iterable[Aggregate]) -> dict[Key, list[Aggregate]]:
    """Numbers that differ in their seeds alone together."""
    found: dict[Key, list[Aggregate]] = defaultdict(list)
    for one in numbers:
        cell = one.cell
        found[cell.model, cell.mix, cell.task, cell.language, cell.prompting, one.metric].append(one)
    return found


def _share(several: Sequence[Aggregate]) -> Share:
    """The mean over the seeds. Seeds have the same items, so it counts as a share of those, not of more."""
    value = sum(one.value for one in several) / len(several)
    n = min(one.n or 1 for one in several)
    errors = [one.error for one in several if one.error is not None]
    return Share(value, max(errors), n) if errors else of_items(value, n)
