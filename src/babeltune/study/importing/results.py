"""Results of an import: its scores become numbers and verdicts by the functions that a study's go through."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from babeltune.data.identify import LID176
from babeltune.languages import LANGUAGES, Exposure, exposure, published
from babeltune.measure import spread, summary
from babeltune.measure.judge import shift
from babeltune.measure.judge.helpfulness import HELPFULNESS_RAW
from babeltune.measure.judge.rubric import Protocol
from babeltune.measure.pools import Pool, Scored, pools
from babeltune.measure.statistics.intervals import Resampling
from babeltune.measure.verdict import plateau
from babeltune.measure.verdict.contrasts import Asked
from babeltune.measure.verdict.verdict import Verdict
from babeltune.records import Cell, Metric
from babeltune.report.results import TITLES, Judging, Results
from babeltune.study.artefacts import SCORES
from babeltune.study.importing import numbers, scoring
from babeltune.study.importing.folder import Folder, Manifest
from babeltune.study.importing.names import BASE, MODELS, Tuned
from babeltune.study.spec.findings import VerdictSpec
from babeltune.study.step import JUDGED_TASK
from babeltune.study.steps import judging
from babeltune.study.steps.courses import coursed
from babeltune.study.steps.excerpt import excerpt
from babeltune.study.steps.reporting import boards_of
from babeltune.study.steps.scores import scores


def load(folder: Folder) -> Results:
    """All that a report shows of an import.

    Raises:
        StoreError: the import has not ended, or a file of it cannot be read.
    """
    manifest = folder.manifest()
    facts = {cell: folder.record(folder.measured(cell)) for cell in manifest.cells}
    readings = sorted({one for fact in facts.values() for one in fact.get("readings", ())})
    metrics = {
        task: scoring.metrics(task, _protocol(manifest), readings)
        for task in dict.fromkeys(cell.task for cell in manifest.cells)
    }
    found = pools(_scored(folder, facts))
    who: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for cell in manifest.cells:
        key = (cell.model, cell.mix, cell.task, cell.language, cell.prompting)
        who[key].add(str(facts[cell].get("identifier", manifest.identifier)))
    mixes, twins = mixes_of(manifest.tuned)
    seen = exposures({cell.model for cell in manifest.cells} | {one.cell.model for one in manifest.aggregates})
    how, spec = Resampling(), VerdictSpec()
    rows = _rows(found, metrics, {key: "+".join(sorted(names)) for key, names in who.items()}, how)
    rows += numbers.rows(manifest.aggregates, {tuple(row[name] for name in numbers.KEY) for row in rows})
    rows = ordered(rows, mixes)
    boards = boards_of(found, metrics, JUDGED_TASK)
    verdicts = list(_verdicts(found, boards, mixes, seen, spec, how))
    judged = {(one.model, one.task, one.prompting, one.metric) for one in verdicts}
    verdicts += [
        one
        for one in numbers.verdicts(manifest.aggregates, mixes, seen, spec)
        if (one.model, one.task, one.prompting, one.metric) not in judged
    ]
    answers = sum(int(fact.get("judged", 0)) for fact in facts.values())
    raw: dict[str, str] = {one: judging.named(HELPFULNESS_RAW, one) for one in readings}
    shifts = shift.shifts(found, raw["direct"], raw["translated"], how) if len(raw) > 1 else []
    shown = excerpt([(cell, folder.measured(cell) / SCORES) for cell in manifest.cells])
    rank = {model: at for at, model in enumerate(dict.fromkeys(row["model"] for row in rows))}
    verdicts.sort(key=lambda one: rank[one.model])
    return Results(
        study=manifest.name,
        mixes=mixes,
        twins=twins,
        rows=tuple(rows),
        verdicts=tuple(dataclasses.asdict(one) for one in verdicts),
        claims=(),
        items=coursed(shown.items, LID176 if manifest.identifier == scoring.RELEASED else manifest.identifier),
        items_left_out=shown.left_out,
        recipe=_recipe(folder, manifest, spec),
        labelled={"counts": {}, "dropped": {}},
        left_out={},
        hashes={
            f"answers of {cell.name}": str(folder.record(folder.generated(cell)).get("fingerprint"))
            for cell in manifest.cells
        },
        exposure=seen,
        splits=tuple(dataclasses.asdict(one) for one in spread.splits(found, boards, spec.margin_of)),
        judging=Judging(manifest.judge, answers, 0, 0, 0) if manifest.judge else None,
        shifts=tuple(dataclasses.asdict(one) for one in shifts),
        histogram=tuple(dataclasses.asdict(one) for one in shift.histogram(found, raw)) if raw else (),
    )


def _protocol(manifest: Manifest) -> Protocol:
    return "as-run" if manifest.protocol == "as-run" else "as-paper"


def _scored(folder: Folder, facts: Mapping[Cell, Mapping[str, Any]]) -> Iterator[Scored]:
    for cell, fact in facts.items():
        adapter = "none" if cell.mix == BASE else "released"
        yield Scored(cell, scores(folder.measured(cell) / SCORES), adapter, str(fact.get("items", "-")))


def _rows(
    found: Sequence[Pool], metrics: Mapping[str, Sequence[Metric]], who: Mapping[tuple[str, ...], str], how: Resampling
) -> list[dict[str, Any]]:
    """The rows of all pools in their order; those whose languages one identifier found are computed together."""
    by_name: dict[str, list[Pool]] = defaultdict(list)
    for pool in found:
        by_name[who[pool.key]].append(pool)
    rows = [row for name, some in by_name.items() for row in summary.rows(some, metrics, name, how)]
    order: dict[tuple[str, ...], int] = {pool.key: at for at, pool in enumerate(found)}
    rows.sort(key=lambda row: order[row.model, row.mix, row.task, row.language, row.prompting])
    return [dataclasses.asdict(row) for row in rows]


def _verdicts(
    found: Sequence[Pool],
    boards: Sequence[Asked],
    mixes: Mapping[str, Mapping[str, int]],
    seen: Mapping[str, Mapping[str, Exposure]],
    spec: VerdictSpec,
    how: Resampling,
) -> Iterator[Verdict]:
    """One verdict a model and board, on the mixes that were scored in the same languages."""
    for model in dict.fromkeys(pool.key.model for pool in found):
        for task, prompting, metric in boards:
            ours = [
                pool
                for pool in found
                if (pool.key.model, pool.key.task, pool.key.prompting) == (model, task, prompting)
            ]
            there = [pool for pool in ours if _has(pool, metric)]
            members = numbers.members_of(mixes, [(pool.key.mix, pool.key.language) for pool in there])
            yield from plateau.verdicts(
                [pool for pool in there if pool.key.mix in members or pool.key.mix == BASE],
                [(task, prompting, metric)],
                members,
                margin=spec.margin_of,
                in_kind=spec.in_kind,
                exposure=seen,
                how=how,
            )


def _has(pool: Pool, metric: Metric) -> bool:
    return bool(pool.complete(metric).any()) if metric.factors or metric.corpus else bool(pool.of(metric.name))


def ordered(rows: Iterable[dict[str, Any]], mixes: Mapping[str, object]) -> list[dict[str, Any]]:
    """Rows as a study has them: the paper's models first, its main one before all; then mixes, tasks, languages, metrics."""
    models, names, tasks, codes = (
        {name: at for at, name in enumerate(some)} for some in (MODELS, (BASE, *mixes), TITLES, LANGUAGES)
    )
    last = len(LANGUAGES)
    return sorted(
        rows,
        key=lambda row: (
            models.get(row["model"], last), row["model"], names.get(row["mix"], last), tasks.get(row["task"], last),
            row["prompting"] == "en:xx", codes.get(row["language"], last),
        ),
    )  # fmt: skip


def mixes_of(made: Iterable[Tuned]) -> tuple[dict[str, dict[str, int]], dict[str, str]]:
    """Mix -> language -> chats, by number of languages and then by name; and of which mix one is the twin."""
    found = {one.mix: one for one in made if one.mix != BASE}
    ranked = sorted(
        found.values(),
        key=lambda one: (one.mix == numbers.UNSIZED, len(one.chats), one.twin_of is not None, _size(one), one.mix),
    )
    twins = {one.mix: one.twin_of for one in ranked if one.twin_of is not None}
    return {one.mix: dict(one.chats) for one in ranked}, twins


def _size(one: Tuned) -> int:
    return sum(count for code, count in one.chats if code != "en")


def exposures(models: Iterable[str]) -> dict[str, dict[str, Exposure]]:
    """What the paper's models saw in pretraining, by its Table 1."""
    found = {}
    for model in sorted(models):
        name = model.casefold()
        if name.startswith("llama-2"):
            found[model] = exposure(published("llama2"))
        elif name.startswith("falcon"):
            found[model] = exposure(published("falcon"))
    return found


def _recipe(folder: Folder, manifest: Manifest, spec: VerdictSpec) -> dict[str, Any]:
    """Where the numbers come from, in the place of a study's recipe."""
    arguments: dict[str, set[Any]] = defaultdict(set)
    cost = 0.0
    for cell in manifest.cells:
        record = folder.record(folder.generated(cell))
        cost += record.get("cost", 0.0)
        for name, value in record.get("arguments", {}).items():
            arguments[name].add(value)
    return {
        "imported": {"from": list(manifest.places), "cells": len(manifest.cells), "left out": len(manifest.left)},
        "identifier": manifest.identifier,
        "sampling": {
            name: sorted(values) if len(values) > 1 else next(iter(values)) for name, values in arguments.items()
        },
        **({"judge": {"model": manifest.judge, "dollars": round(cost, 2)}} if manifest.judge else {}),
        "verdict": spec.model_dump(mode="json"),
    }
