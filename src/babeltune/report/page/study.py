"""The page of a study: the verdict first, then figures, numbers and every response."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import yaml

from babeltune import __version__
from babeltune.report.page.blocks import blocks
from babeltune.report.page.findings import by_language, split_of, verdict_of, verdicts_of
from babeltune.report.page.inline import document
from babeltune.report.page.numbers import data, figure_tables, figures
from babeltune.report.page.paper import SCRIPTS, style
from babeltune.report.results import TITLES, Board, Results, called

_LACKING = 12
"""Most cells without a row that are named one by one."""


def page(results: Results) -> str:
    """The HTML."""
    found = figures(results)
    told = [verdict_of(results, one) for one in results.verdicts]
    heads = [told[results.verdicts.index(one)] for one in results.headlines]
    verdicts = verdicts_of(told, heads)
    return document(
        "study.html.j2",
        style=style(results.mixes),
        scripts=SCRIPTS,
        data={**data(results, found), "headline": told.index(heads[0]) if heads else 0},
        results=results,
        headlines=heads,
        verdicts=verdicts,
        many=len(results.models()) > 1,
        by_language=[one for one in (by_language(at, verdict) for at, verdict in enumerate(told)) if one["lines"]],
        splits=[split_of(results, one) for one in results.splits],
        margin=results.recipe.get("verdict", {}).get("margin", ""),
        in_kind=results.recipe.get("verdict", {}).get("in_kind", 0.0),
        figures=found,
        boards=[figure_tables(results, one) for one in found],
        data_histogram=bool(results.histogram),
        lacking=list(lacking(results)),
        reasons=reasons(results),
        answers_note=answers_note(results),
        recipe=yaml.safe_dump(dict(results.recipe), sort_keys=False, allow_unicode=True),
        blocks=blocks(results),
        version=__version__,
    )


def lacking(results: Results) -> Iterator[str]:
    """What the grid of the study would hold and does not, and what the page does not show, in sentences."""
    for model in results.models():
        there = set(results.mix_names(model))
        gone = [mix for mix in results.mixes if mix not in there]
        if gone:
            yield f"{model} was not evaluated under {', '.join(gone)}."
        holes = [
            f"{mix}, {TITLES.get(board.task, board.task)}{' (en:xx)' if board.prompting == 'en:xx' else ''}, {called(code)}"
            for board in dict.fromkeys(Board(one.task, one.prompting, one.metric) for one in results.main_boards(model))
            for cells in (results.of(model, board),)
            for mix in results.mix_names(model)
            for code in results.languages(model, board)
            if (mix, code) not in cells
        ]
        if holes:
            more = f" and {len(holes) - _LACKING} more" if len(holes) > _LACKING else ""
            yield f"{model} lacks {'a cell' if len(holes) == 1 else f'{len(holes):,} cells'}: {'; '.join(holes[:_LACKING])}{more}."
    if results.judging_stopped:
        yield results.judging_stopped
    if results.items_left_out:
        yield f"{results.items_left_out:,} answers are not on this page, which shows {len(results.items):,}; all are in the score files of the study."


def reasons(results: Results) -> list[dict[str, Any]]:
    """Why answers are unscored, most often first, over the cells of a model, task and metric."""
    counts: Counter[tuple[str, str, str, str]] = Counter()
    cells: Counter[tuple[str, str, str, str]] = Counter()
    for row in results.rows:
        for reason, count in row["reasons"].items():
            key = (
                row["model"],
                f"{TITLES.get(row['task'], row['task'])}{' (en:xx)' if row['prompting'] == 'en:xx' else ''}",
                row["metric"],
                reason,
            )
            counts[key] += count
            cells[key] += 1
    return [
        {"model": key[0], "task": key[1], "metric": key[2], "reason": key[3], "count": count, "cells": cells[key]}
        for key, count in counts.most_common()
    ]


def answers_note(results: Results) -> str:
    """What the browser of answers holds."""
    shown = f"{len(results.items):,} answers, those to one prompt side by side: all mixes and seeds."
    if results.items and not any(item.get("lines") for item in results.items):
        shown += " The languages of their lines were not told."
    if results.items_left_out:
        return f"A sample of {shown} Of an item all are here or none."
    return f"All {shown}"
