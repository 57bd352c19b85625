"""Items: those of every task, language and prompting of a study, as far as they can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from babeltune.data import identify
from babeltune.errors import InputError, Problem
from babeltune.records import Item, Prompting
from babeltune.study import tasks
from babeltune.study.checks.notes import Notes
from babeltune.study.spec.studyfile import fragment
from babeltune.study.spec.tasks import TASK_SPECS, AnyTaskSpec, SamplingSpec
from babeltune.study.tasks import ItemSet

Place = tuple[str, str, Prompting]
"""Task, language, prompting."""


@dataclass(frozen=True)
class Found:
    """The items that could be read, and what is known of those that are to be fetched."""

    sets: dict[Place, ItemSet] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)


def found(notes: Notes) -> Found:
    """All items of the study."""
    there = Found()
    sampling = notes.parsed.part(SamplingSpec, "sampling") or SamplingSpec()
    listed = notes.parsed.raw.get("tasks")
    for name, kind in TASK_SPECS.items():
        raw = listed.get(name) if isinstance(listed, dict) else None
        if isinstance(raw, dict):
            _of_task(name, kind, raw, sampling, there, notes)
    return there


def _of_task(
    name: str, kind: type[AnyTaskSpec], raw: Mapping[str, object], sampling: SamplingSpec, there: Found, notes: Notes
) -> None:
    # Languages are looked at one by one, so that one mistyped code hides nothing about the others.
    languages = raw.get("languages")
    codes = languages if isinstance(languages, list) else []
    # A wrong field hides nothing that is wrong with items and prompts.
    right = {key: value for key, value in raw.items() if fragment(kind, {"languages": ["en"], key: value})}
    told: set[Problem] = set()
    for index, code in enumerate(codes):
        place = ("tasks", name, "languages", index)
        spec = fragment(kind, {**right, "languages": [code]})
        if spec is None:
            continue
        if code in codes[:index]:
            notes.problem(f"'{code}' stands twice", "Remove one.", *place)
            continue
        try:
            if need := tasks.fetched(name, spec, code, download=notes.download):
                if f"items {need}" not in notes.needs:
                    sure = spec.revision is not None or spec.items == "hub"
                    notes.absent(f"items {need}", "tasks", name, "items", sure=sure)
                there.sets.update({(name, code, one): ItemSet(need, need, 0) for one in tasks.promptings(spec, code)})
                continue
            task = tasks.make(name, spec, identify.identifier("lid176"), tasks.sampling(spec, sampling))
            for prompting in tasks.promptings(spec, code):
                items = task.items(code, prompting)
                there.items.extend(items)
                there.sets[name, code, prompting] = tasks.item_set(task, items)
        except InputError as error:
            # Their place is in a file of items; the line is that of the language.
            new = [problem for problem in error.problems if problem not in told]
            told.update(new)
            line = notes.parsed.line(*place)
            notes.problems.extend(Problem(problem.where, problem.what, problem.fix, line) for problem in new)
