from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.languages import LANGUAGES
from babeltune.study.plan import Inputs, Plan, Step, make
from babeltune.study.spec import Study

CONTENT: dict[str, Any] = {
    "study": "small",
    "models": ["org/one", "two"],
    "chats": "nowhere.jsonl",
    "mixes": {"mono": {"en": 12}, "multi-2": {"en": 8, "es": 4}},
    "tasks": {"dialogue": {"languages": ["en", "de"]}},
    "recipe": {"epochs": 3, "batch": 8},
    "tuning_seeds": [0, 1],
    "seeds": [5, 6],
}


def inputs(study: Study, **changes: Any) -> Inputs:
    """Made-up fingerprints: the plan only passes them on. ``changes`` are added under the name of the field."""
    codes = study.tasks.dialogue.languages
    given: dict[str, Any] = {
        "chats": "c0",
        "identifier": "i0",
        "models": {model.id: f"m-{model.id}" for model in study.models},
        "items": {("dialogue", code): f"items-{code}" for code in codes},
        "item_counts": {("dialogue", code): 10 for code in codes},
    }
    for name, value in changes.items():
        given[name] = {**given[name], **value} if isinstance(given[name], dict) else value
    return Inputs(**given)


def planned(content: dict[str, Any] | None = None, **input_changes: Any) -> Plan:
    study = Study.model_validate(content or CONTENT)
    return make(study, inputs(study, **input_changes))


def changed(*path: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(CONTENT)
    inner = content
    for part in path[:-1]:
        inner = inner.setdefault(part, {})
    inner[path[-1]] = value
    return content


def moved(before: Plan, after: Plan) -> set[str]:
    """Keys of the steps whose fingerprint is another one, the keys being the same."""
    assert before.by_key.keys() == after.by_key.keys()
    return {key for key, step in before.by_key.items() if step.fingerprint != after.by_key[key].fingerprint}


def keys(plan: Plan, wanted: Callable[[Step], bool]) -> set[str]:
    return {step.key for step in plan.steps if wanted(step)}


def tuned(step: Step) -> bool:
    return step.kind == "tune" or (step.cell is not None and step.cell.mix != "base")


def last(step: Step) -> bool:
    return step.kind in ("summary", "report")


def of(*kinds: str) -> Callable[[Step], bool]:
    return lambda step: step.kind in kinds


def cells(field: str, value: object) -> Callable[[Step], bool]:
    return lambda step: step.cell is not None and getattr(step.cell, field) == value


def either(*tests: Callable[[Step], bool]) -> Callable[[Step], bool]:
    return lambda step: any(test(step) for test in tests)


NOTHING: Callable[[Step], bool] = lambda step: False  # noqa: E731
ALL_CELLS = of("generate", "score", "summary", "report")
MULTI: Callable[[Step], bool] = lambda step: step.mix == "multi-2"  # noqa: E731


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # The tuning and what comes of it; base cells know no adapter.
        (changed("recipe", "rank", value=3), either(tuned, last)),
        (changed("recipe", "learning_rate", value=0.5), either(tuned, last)),
        (changed("recipe", "order", value="length-grouped"), either(tuned, last)),
        # The data: all but base cells.
        (changed("label", "threshold", value=0.7), either(of("label", "mix", "proof"), tuned, last)),
        (changed("mix_seed", value=7), either(of("mix", "proof"), tuned, last)),
        # One mix: that one and its descendants, and what looks at all mixes.
        (changed("mixes", "multi-2", value={"en": 7, "es": 5}), either(of("proof"), MULTI, last)),
        # The weights' type: whatever runs the model.
        (changed("dtype", value="bfloat16"), either(of("tune"), ALL_CELLS)),
        # The sampling: all cells, no tuning.
        (changed("sampling", "temperature", value=0.1), ALL_CELLS),
        (changed("sampling", "top_p", value=0.5), ALL_CELLS),
        (changed("sampling", "max_tokens", value=3), ALL_CELLS),
        # The verdict: scores stay.
        (changed("verdict", "margin", value=0.2), last),
        (changed("verdict", "in_kind", value=0.5), last),
        # The name: the report shows it.
        (changed("study", value="other"), of("report")),
        # How fast and where: nothing.
        (changed("execution", "batch_size", value=7), NOTHING),
        (changed("execution", "micro_batch", value=2), NOTHING),
        (changed("execution", "device", value="cuda"), NOTHING),
        (changed("execution", "checkpoint_every", value=9), NOTHING),
        (changed("execution", "threads", value=1), NOTHING),
        # Where the same bytes are read from: nothing.
        (changed("chats", value="moved.jsonl"), NOTHING),
        (changed("tasks", "dialogue", "prompts", value="moved"), NOTHING),
        # The same said in other words: nothing.
        (changed("mixes", "multi-2", value={"es": 4, "en": 8}), NOTHING),
        (changed("recipe", "rank", value=64), NOTHING),  # the default, written out
        (changed("sampling", "temperature", value="0.8"), NOTHING),
        (changed("models", value=[{"id": "org/one"}, "two"]), NOTHING),
    ],
    ids=lambda value: None if callable(value) else ".".join(k for k in value if value[k] != CONTENT.get(k)) or "same",
)
def test_a_changed_field_redoes_exactly_what_depends_on_it(
    content: dict[str, Any], expected: Callable[[Step], bool]
) -> None:
    before = planned()
    assert moved(before, planned(content)) == keys(before, expected)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"chats": "c1"}, either(of("label", "mix", "proof"), tuned, last)),
        ({"identifier": "i1"}, either(of("label", "mix", "proof", "score"), tuned, last)),
        (
            {"models": {"two": "other weights"}},
            either(lambda step: step.model == "two", cells("model", "two"), last),
        ),
        ({"items": {("dialogue", "de"): "other prompts"}}, either(of("proof"), cells("language", "de"), last)),
        ({"item_counts": {("dialogue", "de"): 11}}, NOTHING),  # the hash of the items says all
    ],
    ids=["chats", "identifier", "weights", "items", "count"],
)
def test_a_changed_input_redoes_exactly_what_depends_on_it(
    change: dict[str, Any], expected: Callable[[Step], bool]
) -> None:
    before = planned()
    assert moved(before, planned(**change)) == keys(before, expected)


@pytest.mark.parametrize(
    ("content", "fresh"),
    [
        (changed("mixes", "multi-3", value={"en": 4, "es": 4, "de": 4}), lambda step: step.mix == "multi-3"),
        (changed("tasks", "dialogue", "languages", value=["en", "de", "fr"]), cells("language", "fr")),
        (changed("seeds", value=[5, 6, 7]), cells("seed", 7)),
        (
            changed("tuning_seeds", value=[0, 1, 2]),
            either(cells("tuning_seed", 2), lambda step: step.kind == "tune" and step.recipe["seed"] == 2),
        ),
        (
            changed("models", value=["org/one", "two", "three"]),
            either(cells("model", "three"), lambda step: step.model == "three"),
        ),
    ],
    ids=["mix", "language", "seed", "tuning seed", "model"],
)
def test_what_is_added_is_all_that_is_new_but_for_what_looks_at_the_whole(
    content: dict[str, Any], fresh: Callable[[Step], bool]
) -> None:
    before, after = planned(), planned(content)
    old = {(step.key, step.fingerprint) for step in before.steps}
    new = {step.key for step in after.steps if (step.key, step.fingerprint) not in old}
    assert keys(after, fresh) <= new
    assert new - keys(after, fresh) <= {"proof:proof", "summary:summary", "report:report"}
    assert {"summary:summary", "report:report"} <= new


def test_without_the_base_its_cells_are_gone_and_the_others_stay() -> None:
    before, after = planned(), planned(changed("base", value=False))
    assert set(before.by_key) - set(after.by_key) == keys(before, cells("mix", "base"))
    same = {key for key in after.by_key if before.by_key[key].fingerprint == after.by_key[key].fingerprint}
    assert set(after.by_key) - same == {"summary:summary", "report:report"}


def test_the_steps_are_counted_by_hand() -> None:
    # 2 models x (base + 2 mixes x 2 tuning seeds) x 2 languages x 2 sampling seeds = 40 cells; 2 x 2 x 2 tunings.
    plan = planned()
    counts = {kind: len(plan.of(kind)) for kind in ("label", "mix", "proof", "tune", "generate", "score", "summary")}
    assert counts == {"label": 1, "mix": 2, "proof": 1, "tune": 8, "generate": 40, "score": 40, "summary": 1}
    assert len(plan.steps) == 94


def test_work_is_counted_by_hand() -> None:
    plan = planned()
    # 12 chats x 3 epochs in batches of 8: 36 / 8 = 4.5, so 5 updates.
    assert {step.work for step in plan.of("tune")} == {5}
    assert sum(step.work for step in plan.of("generate")) == 40 * 10
    assert [step.work for step in plan.of("mix")] == [12, 12]


def test_every_step_comes_after_those_it_needs() -> None:
    plan = planned()
    seen: dict[str, str] = {}
    for step in plan.steps:
        assert [seen[key] for key in step.needs] == list(step.after)
        seen[step.key] = step.fingerprint


def test_base_cells_need_nothing_and_tuned_cells_their_own_tuning() -> None:
    plan = planned()
    for step in plan.of("generate"):
        assert step.cell is not None
        needs = [plan.by_key[key] for key in step.needs]
        if step.cell.mix == "base":
            assert needs == []
        else:
            (tune,) = needs
            assert (tune.mix, tune.recipe["seed"]) == (step.cell.mix, step.cell.tuning_seed)
            assert tune.model == step.model


def test_the_plan_is_pure(monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study.model_validate(CONTENT)
    given, before = inputs(study), study.model_dump()

    def touched(*args: object, **kwargs: object) -> None:
        raise AssertionError("the plan touched the disk")

    for name in ("open", "stat", "mkdir", "iterdir"):
        monkeypatch.setattr(Path, name, touched)
    monkeypatch.setattr("builtins.open", touched)
    one, other = make(study, given), make(study, given)
    monkeypatch.undo()
    assert one == other
    assert [step.fingerprint for step in one.steps] == [step.fingerprint for step in other.steps]
    assert study.model_dump() == before


def test_pending_is_all_but_what_is_done_in_order() -> None:
    plan = planned()
    done = frozenset(step.key for step in plan.steps[::2])
    assert plan.pending(done) == plan.steps[1::2]
    assert plan.pending(frozenset()) == plan.steps


@given(
    models=st.lists(st.sampled_from(["x", "y", "org/z", "./w"]), min_size=1, unique=True),
    mixes=st.lists(st.sampled_from(["mono", "multi-2", "multi-2-t1", "t0", "m.o"]), min_size=1, unique=True),
    languages=st.lists(st.sampled_from(list(LANGUAGES)), min_size=1, max_size=4, unique=True),
    tuning_seeds=st.lists(st.integers(0, 12), min_size=1, max_size=3, unique=True),
    seeds=st.lists(st.integers(0, 12), min_size=1, max_size=3, unique=True),
    base=st.booleans(),
)
def test_keys_and_folders_are_unique(
    models: list[str],
    mixes: list[str],
    languages: list[str],
    tuning_seeds: list[int],
    seeds: list[int],
    base: bool,
) -> None:
    plan = planned(
        {
            **CONTENT,
            "models": models,
            "mixes": {name: {"en": index + 1} for index, name in enumerate(mixes)},
            "tasks": {"dialogue": {"languages": languages}},
            "tuning_seeds": tuning_seeds,
            "seeds": seeds,
            "base": base,
        }
    )
    assert len(plan.by_key) == len(plan.steps)
    # No two mixes are alike here, so no two steps are the same work.
    assert len({step.fingerprint for step in plan.steps}) == len(plan.steps)
    assert len({(step.room, step.folder) for step in plan.steps}) == len(plan.steps)


def test_the_folder_is_the_readable_name_and_the_start_of_the_hash() -> None:
    step = planned().of("tune")[0]
    assert step.room == "finetune"
    assert step.folder == f"one-mono-t0-{step.fingerprint[:8]}"
