"""Joined: several studies' results as one, their models side by side, for figures that take two of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from babeltune.errors import InputError, Problem
from babeltune.report.results import Results


def joined(parts: Sequence[Results]) -> Results:
    """The results of several studies as those of one. Items and claims stay behind.

    A model that an earlier study has too gets its study's name behind its own.

    Raises:
        InputError: two studies have mixes of one name and other chats.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    problems: list[Problem] = []
    mixes: dict[str, dict[str, int]] = {}
    for one in parts:
        for mix, held in one.mixes.items():
            if mixes.setdefault(mix, dict(held)) != dict(held):
                fix = "Give it another name in one of the study files, or draw the studies one by one."
                problems.append(Problem(one.study, f"the mix {mix} has other chats here than in an earlier study", fix))
    if problems:
        raise InputError("studies that cannot be shown as one", problems)
    taken: set[str] = set()
    named = []
    for one in parts:
        named.append(_named(one, {model: f"{model} ({one.study})" for model in one.models() if model in taken}))
        taken |= set(named[-1].models())
    parts = named
    return dataclasses.replace(
        first,
        study=" + ".join(one.study for one in parts),
        mixes=mixes,
        rows=tuple(row for one in parts for row in one.rows),
        verdicts=tuple(row for one in parts for row in one.verdicts),
        histogram=tuple(row for one in parts for row in one.histogram),
        corpora=tuple({(row["language"], row["corpus"]): row for one in parts for row in one.corpora}.values()),
        shifts=tuple(row for one in parts for row in one.shifts),
        splits=tuple(row for one in parts for row in one.splits),
        curves=tuple(curve for one in parts for curve in one.curves),
        twins={twin: of for one in parts for twin, of in one.twins.items()},
        exposure={model: seen for one in parts for model, seen in one.exposure.items()},
        judging=next((one.judging for one in parts if one.judging is not None), None),
        claims=(),
        items=(),
    )


def _named(results: Results, names: Mapping[str, str]) -> Results:
    """The results with some models under other names."""

    def renamed(rows: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
        return tuple({**row, "model": names.get(row["model"], row["model"])} for row in rows)

    return dataclasses.replace(
        results,
        rows=renamed(results.rows),
        verdicts=renamed(results.verdicts),
        histogram=renamed(results.histogram),
        shifts=renamed(results.shifts),
        splits=renamed(results.splits),
        curves=tuple(dataclasses.replace(one, model=names.get(one.model, one.model)) for one in results.curves),
        exposure={names.get(model, model): seen for model, seen in results.exposure.items()},
    )
