from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.languages import LANGUAGES
from babeltune.study.layout import item_hashes, make
from babeltune.study.plan import Inputs, Plan
from babeltune.study.spec.mixes import makeup_of
from babeltune.study.spec.study import Study
from babeltune.study.spec.tasks import TASK_SPECS
from babeltune.study.step import Kind, Step
from babeltune.study.tasks import ItemSet, promptings

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
    given: dict[str, Any] = {
        "chats": "c0",
        "identifier": "i0",
        "models": {model.id: f"m-{model.id}" for model in study.models},
        "items": {
            (task, code, prompting): ItemSet(f"asked-{task}-{code}-{prompting}", f"scored-{task}-{code}", 10)
            for task, spec in study.tasks.asked.items()
            for code in spec.languages
            for prompting in promptings(spec, code)
        },
        "makeups": {name: makeup_of(name, given, study.mixing) for name, given in study.mixes.items()},
        "available": {"en": 50, "es": 20},
        "chat_count": 75,
    }
    for name, value in changes.items():
        given[name] = {**given[name], **value} if isinstance(given.get(name), dict) else value
    return Inputs(**given)


def planned(content: dict[str, Any] | None = None, **input_changes: Any) -> Plan:
    study = Study.model_validate(content or CONTENT)
    return make(study, inputs(study, **input_changes))


def changed(*path: str, value: Any, of: dict[str, Any] = CONTENT) -> dict[str, Any]:
    content = copy.deepcopy(of)
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


DRAWN = either(of("mix", "proof", "card"), tuned, last)
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
        (changed("label", "threshold", value=0.7), either(of("label"), DRAWN)),
        (changed("label", "protocol", value="as-run"), either(of("label"), DRAWN)),
        # How mixes are drawn: all of them, from the same labels.
        (changed("mixing", "seed", value=7), DRAWN),
        (changed("mixing", "protocol", value="as-run"), DRAWN),
        (changed("mixing", "main", value="es"), DRAWN),
        (changed("mixing", "overlap", value="leave-out"), either(of("label"), DRAWN)),
        # What only the check of the mixes looks at, and what the cards alone show.
        (changed("mixing", "overlap", value="allow"), of("proof", "card")),
        (changed("mixing", "order", value=["fr", "es"]), of("card")),
        # Sizes of mixes that are given by name: these are given by counts.
        (changed("mixing", "size", value=9), NOTHING),
        (changed("mixing", "each", value=9), NOTHING),
        # One mix: that one and its descendants, and what looks at all mixes.
        (changed("mixes", "multi-2", value={"en": 7, "es": 5}), either(of("proof", "card"), MULTI, last)),
        (changed("mixes", "multi-2", value={"all": True}), either(of("proof", "card"), MULTI, last)),
        # The weights' type: whatever runs the model.
        (changed("dtype", value="bfloat16"), either(of("tune"), ALL_CELLS)),
        # The sampling: all cells, no tuning.
        (changed("sampling", "temperature", value=0.1), ALL_CELLS),
        (changed("sampling", "top_p", value=0.5), ALL_CELLS),
        (changed("sampling", "max_tokens", value=3), ALL_CELLS),
        # The verdict: scores stay.
        (changed("verdict", "margin", value=0.2), last),
        (changed("verdict", "in_kind", value=0.5), last),
        (changed("verdict", "margins", value={"accuracy": 0.05}), last),
        (changed("statistics", "method", value="bca"), last),
        (changed("statistics", "protocol", value="as-run"), last),
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
        (changed("tasks", "dialogue", "items", value="moved"), NOTHING),
        (changed("models", value=[{"id": "org/one", "pretraining": "llama2"}, "two"]), NOTHING),  # its shares say all
        (changed("models", value=[{"id": "org/one", "parameters": 7e9}, "two"]), NOTHING),  # for the estimate alone
        # The same said in other words: nothing.
        (changed("mixes", "multi-2", value={"es": 4, "en": 8}), NOTHING),
        (changed("recipe", "rank", value=64), NOTHING),  # the default, written out
        (changed("sampling", "temperature", value="0.8"), NOTHING),
        (changed("models", value=[{"id": "org/one"}, "two"]), NOTHING),
        (changed("chats", value={"at": "nowhere.jsonl"}), NOTHING),
        (changed("mixing", "seed", value=42), NOTHING),
        (changed("label", "protocol", value="as-paper"), NOTHING),
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
        ({"chats": "c1"}, either(of("label"), DRAWN)),
        ({"identifier": "i1"}, either(of("label", "score"), DRAWN)),
        (
            {"models": {"two": "other weights"}},
            either(lambda step: step.model == "two", of("card"), cells("model", "two"), last),  # a card counts tokens
        ),
        (
            {"items": {("dialogue", "de", "xx:xx"): ItemSet("other", "others", 10)}},
            either(of("proof", "card"), cells("language", "de"), last),
        ),
        (
            {"items": {("dialogue", "de", "xx:xx"): ItemSet("asked-dialogue-de-xx:xx", "scored-dialogue-de", 11)}},
            NOTHING,
        ),  # the hash of the items says all
        ({"exposure": {"one": {"en": 89.7}}}, last),
        ({"absent": frozenset({"two"})}, of("card")),
        ({"available": {"de": 1}}, NOTHING),  # the hash of the chats says all
        ({"chat_count": 76}, NOTHING),
        ({"downloads": ("model two",)}, NOTHING),
    ],
    ids=[
        "chats",
        "identifier",
        "weights",
        "items",
        "count",
        "pretraining",
        "absent",
        "available",
        "chat count",
        "fetch",
    ],
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
    assert new - keys(after, either(fresh, of("card"))) <= {"proof:proof", "summary:summary", "report:report"}
    assert {"summary:summary", "report:report"} <= new


def test_without_the_base_its_cells_are_gone_and_the_others_stay() -> None:
    before, after = planned(), planned(changed("base", value=False))
    assert set(before.by_key) - set(after.by_key) == keys(before, cells("mix", "base"))
    same = {key for key in after.by_key if before.by_key[key].fingerprint == after.by_key[key].fingerprint}
    assert set(after.by_key) - same == {"summary:summary", "report:report"}


def test_the_steps_are_counted_by_hand() -> None:
    # 2 models x (base + 2 mixes x 2 tuning seeds) x 2 languages x 2 sampling seeds = 40 cells; 2 x 2 x 2 tunings.
    plan = planned()
    kinds: tuple[Kind, ...] = ("label", "mix", "proof", "card", "tune", "generate", "score", "summary", "report")
    assert {kind: len(plan.of(kind)) for kind in kinds} == {
        **{"label": 1, "mix": 2, "proof": 1, "card": 2, "tune": 8, "generate": 40, "score": 40},
        **{"summary": 1, "report": 1},
    }
    assert len(plan.steps) == 96


def test_work_is_counted_by_hand() -> None:
    plan = planned()
    # 12 chats x 3 epochs in batches of 8: 36 / 8 = 4.5, so 5 updates.
    assert {step.work for step in plan.of("tune")} == {5}
    assert sum(step.work for step in plan.of("generate")) == 40 * 10
    assert [step.work for step in plan.of("mix")] == [12, 12]


def test_a_mix_of_every_chat_is_as_large_as_the_source_and_in_whatever_languages_are_usable() -> None:
    plan = planned(changed("mixes", "guanaco", value=None))
    assert [step.work for step in plan.of("mix")] == [12, 12, 75]
    # 75 chats x 3 epochs in batches of 8: 225 / 8 = 28.1, so 29 updates.
    assert {step.work for step in plan.of("tune") if step.mix == "guanaco"} == {29}
    assert dict(plan.counts("guanaco")) == {"en": 50, "es": 20}
    assert dict(plan.counts("multi-2")) == {"en": 8, "es": 4}
    assert plan.sized == ("mono", "multi-2")
    # What the summary takes for seen follows the labels, which are in its fingerprint.
    again = planned(changed("mixes", "guanaco", value=None), available={"de": 3})
    assert moved(plan, again) == keys(plan, last)


def test_the_size_counts_for_mixes_that_are_given_by_name_or_by_shares_alone() -> None:
    mixes = {"mono": None, "half": {"en": 0.5, "es": 0.5}, "multi-2": None, "given": {"en": 8, "es": 4}}

    def sized(**mixing: int) -> Plan:
        return planned({**CONTENT, "mixes": mixes, "mixing": {"size": 10, "each": 3, **mixing}})

    def first(plan: Plan) -> set[str]:
        return {key for key in moved(sized(), plan) if key.startswith("mix:")}

    assert first(sized(size=12)) == {"mix:mono", "mix:half", "mix:multi-2"}
    assert first(sized(each=4)) == {"mix:multi-2"}


def test_a_list_of_names_is_the_mapping_of_them() -> None:
    listed = planned({**CONTENT, "mixes": ["multi-3", "mono", "guanaco"]})
    mapped = planned({**CONTENT, "mixes": {"multi-3": None, "mono": None, "guanaco": None}})
    said = planned({**CONTENT, "mixes": {"multi-3": {"multi": 3}, "mono": {"en": 3200}, "guanaco": {"all": True}}})
    assert [step.key for step in listed.steps] == [step.key for step in mapped.steps]
    prints = [[step.fingerprint for step in plan.steps] for plan in (listed, mapped, said)]
    assert prints[0] == prints[1] == prints[2]


def test_prompts_that_are_left_out_of_the_mixes_are_part_of_them() -> None:
    content = changed("mixing", "overlap", value="leave-out")
    before = planned(content)
    after = planned(content, items={("dialogue", "de", "xx:xx"): ItemSet("other", "others", 10)})
    assert moved(before, after) == keys(before, either(of("label"), DRAWN, cells("language", "de")))


def test_cards_follow_the_proof_and_nothing_waits_for_them() -> None:
    plan = planned()
    for step in plan.of("card"):
        assert [plan.by_key[key].kind for key in step.needs] == ["mix", "label", "proof"]
        assert plan.by_key[step.needs[0]].mix == step.mix
    assert not {key for step in plan.steps for key in step.needs if key.startswith("card:")}


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


# All five tasks

FIVE: dict[str, Any] = {
    **CONTENT,
    "models": ["two"],
    "tuning_seeds": [0],
    "tasks": {name: {"languages": ["en", "de"]} for name in TASK_SPECS},
}
RANKED: Callable[[Step], bool] = lambda step: step.cell is not None and step.cell.task == "xnli"  # noqa: E731
CELLS_OF = {"dialogue": 2 * 2, "simplification": 3 * 2, "xquad": 3 * 2, "xcsqa": 2 * 2, "xnli": 2}
"""Task -> cells of a model under a mix: languages, English under one prompting, times two seeds of what is sampled."""


def of_five(*path: str, value: Any) -> dict[str, Any]:
    return changed(*path, value=value, of=FIVE)


def planned_five(content: dict[str, Any] | None = None, **input_changes: Any) -> Plan:
    return planned(content or FIVE, **input_changes)


def cells_of(task: str, **fields: str) -> Callable[[Step], bool]:
    return lambda step: (
        step.cell is not None
        and step.cell.task == task
        and all(getattr(step.cell, name) == value for name, value in fields.items())
    )


def test_the_cells_of_five_tasks_are_counted_by_hand_and_come_in_the_order_of_the_paper() -> None:
    plan = planned_five()
    for name, count in CELLS_OF.items():
        assert len([step for step in plan.of("generate") if cells_of(name)(step)]) == 3 * count
    assert sum(step.work for step in plan.of("generate")) == 3 * sum(CELLS_OF.values()) * 10
    names = [step.cell.task for step in plan.of("generate") if step.cell]
    assert [name for name, _ in itertools.groupby(names)] == list(TASK_SPECS) * 3
    turned = planned_five({**FIVE, "tasks": dict(reversed(FIVE["tasks"].items()))})
    assert [step.key for step in turned.steps] == [step.key for step in plan.steps]
    assert moved(plan, turned) == set()


def test_no_cell_asks_english_in_english_twice() -> None:
    plan = planned_five()
    asked = {(one.cell.task, one.cell.language, one.cell.prompting) for one in plan.of("generate") if one.cell}
    assert {row for row in asked if row[2] == "en:xx"} == {
        ("simplification", "de", "en:xx"),
        ("xquad", "de", "en:xx"),
    }
    english = planned_five(of_five("tasks", "xquad", "promptings", value=["en:xx"]))
    kept = {one.cell.prompting for one in english.of("generate") if one.cell and cells_of("xquad", language="en")(one)}
    assert kept == {"xx:xx"}


def test_every_cell_of_five_tasks_has_a_name_a_folder_and_a_hash_of_its_own() -> None:
    plan = planned_five({**FIVE, "models": ["x", "org/z"], "tuning_seeds": [0, 3]})
    for found in (
        [step.key for step in plan.steps],
        [step.fingerprint for step in plan.steps],
        [(step.room, step.folder) for step in plan.steps],
    ):
        assert len(set(found)) == len(found)


def test_what_is_ranked_has_one_cell_and_nothing_of_sampling_in_it() -> None:
    plan = planned_five()
    for step in plan.of("generate"):
        drawn = {"sampling", "format", "seed"} <= step.recipe.keys()
        assert drawn == (not RANKED(step))
        if RANKED(step):
            assert step.recipe.keys() == {"model", "dtype", "engine", "items"}
    # Another seed more, another sampling: none of its cells is another one.
    for content in (of_five("seeds", value=[5, 6, 7]), of_five("seeds", value=[7])):
        after = planned_five(content)
        assert keys(after, RANKED) == keys(plan, RANKED)
        assert all(after.by_key[key].fingerprint == plan.by_key[key].fingerprint for key in keys(plan, RANKED))


SAMPLED = either(*(cells_of(name) for name in TASK_SPECS if name != "xnli"), last)
WARM = either(cells_of("dialogue"), cells_of("simplification"), last)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        # The study's sampling: what is sampled; a temperature only where the task has none of its own.
        (("sampling", "max_tokens"), 3, SAMPLED),
        (("sampling", "top_p"), 0.5, SAMPLED),
        (("sampling", "temperature"), 0.1, WARM),
        # A task's own: that task.
        *(
            (("tasks", name, "sampling"), {"temperature": 0.4}, either(cells_of(name), last))
            for name in TASK_SPECS
            if name != "xnli"
        ),
        (("tasks", "dialogue", "sampling"), {"max_tokens": 3}, either(cells_of("dialogue"), last)),
        # What only makes the items: nothing of itself, as the hashes of the items say all.
        (("tasks", "xnli", "words"), "corrected", NOTHING),
        (("tasks", "xquad", "items"), "moved", NOTHING),
        (("tasks", "xcsqa", "protocol"), "as-run", NOTHING),
        (("tasks", "simplification", "sample"), 7, NOTHING),
        (("tasks", "xcsqa", "sample_seed"), 7, NOTHING),
        # The same said in other words.
        (("tasks", "dialogue", "sampling"), {"temperature": 0.8, "top_p": 0.9}, NOTHING),
        (("tasks", "xquad", "sampling"), {"temperature": 0.001}, NOTHING),
        (("tasks", "xquad", "promptings"), ["en:xx", "xx:xx"], last),  # the order of the table
        (("tasks", "xquad", "promptings"), ["xx:xx", "en:xx"], NOTHING),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else None if callable(value) else str(value)[:20],
)
def test_a_changed_field_of_a_task_redoes_that_task_and_no_tuning(
    path: tuple[str, ...], value: Any, expected: Callable[[Step], bool]
) -> None:
    before = planned_five()
    found = moved(before, planned_five(of_five(*path, value=value)))
    assert found == keys(before, expected)
    assert not {key for key in found if key.startswith("tune:")}


@pytest.mark.parametrize(
    ("place", "set_", "expected"),
    [
        # Another prompt: what is asked, and what comes of it.
        (
            ("xquad", "de", "xx:xx"),
            ItemSet("other", "scored-xquad-de", 10),
            cells_of("xquad", language="de", prompting="xx:xx"),
        ),
        (
            ("xquad", "de", "en:xx"),
            ItemSet("other", "scored-xquad-de", 10),
            cells_of("xquad", language="de", prompting="en:xx"),
        ),
        (("xnli", "en", "xx:xx"), ItemSet("other", "scored-xnli-en", 10), cells_of("xnli", language="en")),
        # Another reference: what is scored, and the mixes' proof, but no answer.
        (
            ("xcsqa", "de", "xx:xx"),
            ItemSet("asked-xcsqa-de-xx:xx", "other", 10),
            either(of("proof", "card"), lambda step: step.kind == "score" and cells_of("xcsqa", language="de")(step)),
        ),
        (
            ("simplification", "de", "en:xx"),
            ItemSet("asked-simplification-de-en:xx", "other", 10),
            lambda step: step.kind == "score" and cells_of("simplification", language="de", prompting="en:xx")(step),
        ),
    ],
)
def test_changed_items_redo_what_reads_them_and_no_tuning(
    place: tuple[str, str, str], set_: ItemSet, expected: Callable[[Step], bool]
) -> None:
    before = planned_five()
    found = moved(before, planned_five(items={place: set_}))
    assert found == keys(before, either(expected, last))


def test_a_prompting_or_a_task_more_redoes_nothing_of_the_others() -> None:
    one = planned_five(of_five("tasks", "xquad", "promptings", value=["xx:xx"]))
    both = planned_five()
    assert both.by_key.keys() - one.by_key.keys() == keys(both, cells_of("xquad", prompting="en:xx"))
    assert {key for key, step in one.by_key.items() if both.by_key[key].fingerprint != step.fingerprint} == keys(
        one, last
    )
    fewer = planned_five({**FIVE, "tasks": {"dialogue": FIVE["tasks"]["dialogue"]}})
    redone = {key for key, step in fewer.by_key.items() if both.by_key[key].fingerprint != step.fingerprint}
    assert redone == keys(fewer, of("proof", "card", "summary", "report"))


def test_item_hashes_are_of_the_items_in_their_language_alone() -> None:
    sets = {
        ("xquad", "de", "xx:xx"): ItemSet("a", "s", 1),
        ("xquad", "de", "en:xx"): ItemSet("b", "t", 1),
        ("xnli", "en", "xx:xx"): ItemSet("c", "u", 1),
    }
    assert item_hashes(sets) == {"xquad de": "s", "xnli en": "u"}  # type: ignore[arg-type]
