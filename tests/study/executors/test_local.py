from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from babeltune.errors import LockedError, StoreError
from babeltune.study.artefacts import JOURNAL
from babeltune.study.check import Opened, open_study
from babeltune.study.executors import local
from babeltune.study.session import Session
from babeltune.study.step import Step
from babeltune.study.store import Store
from doubles import bare_model, study_file


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Two models that nothing here loads, two mixes, two tuning seeds, one language."""
    folders = [bare_model(tmp_path / name) for name in ("model", "other")]
    study = study_file(
        tmp_path,
        folders[0],
        models=[str(folder) for folder in folders],
        tuning_seeds=[0, 1],
        tasks={"dialogue": {"languages": ["en"]}},
    )
    return open_study(study, tmp_path / "runs")


def record(store: Store, step: Step) -> None:
    (store.begin(step) / "out.txt").write_text(step.name)
    store.record(step, {})


def publish(store: Store, step: Step) -> None:
    record(store, step)
    store.publish(step)


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Step, ...]]:
    """What the executor hands to ``run_steps``, each step published at once."""
    seen: list[tuple[Step, ...]] = []

    def run_steps(steps: Sequence[Step], session: Session) -> None:
        seen.append(tuple(steps))
        for step in steps:
            publish(session.opened.store, step)

    monkeypatch.setattr(local, "run_steps", run_steps)
    return seen


def run(opened: Opened) -> int:
    return local.run(opened, lambda event: None).steps


def test_every_pending_step_runs_once_and_after_what_it_needs(opened: Opened, groups: list[tuple[Step, ...]]) -> None:
    assert run(opened) == len(opened.plan.steps)
    order = [step.key for step in itertools.chain.from_iterable(groups)]
    assert sorted(order) == sorted(opened.plan.by_key)
    for step in opened.plan.steps:
        assert all(order.index(need) < order.index(step.key) for need in step.needs)


def test_a_base_is_loaded_once_for_all_tunings_and_once_for_all_cells(
    opened: Opened, groups: list[tuple[Step, ...]]
) -> None:
    run(opened)
    together = [{(step.kind, step.model) for step in group} for group in groups]
    assert all(len(kinds) == 1 for kinds in together)
    loads = [(kind, model) for ((kind, model),) in together if model]
    models = sorted(model.id for model in opened.plan.study.models)
    assert loads == [*(("tune", model) for model in models), *(("generate", model) for model in models)]


def test_only_what_is_not_done_runs(opened: Opened, groups: list[tuple[Step, ...]]) -> None:
    for step in opened.plan.steps[::2]:
        publish(opened.store, step)
    assert run(opened) == len(opened.plan.steps[1::2])
    assert {step.key for step in itertools.chain(*groups)} == {step.key for step in opened.plan.steps[1::2]}


def test_a_finished_study_has_nothing_to_do_and_needs_no_lock(opened: Opened, groups: list[tuple[Step, ...]]) -> None:
    run(opened)
    groups.clear()
    with opened.store.locked():
        assert run(opened) == 0
    assert groups == []


def test_a_study_held_by_another_is_not_run(opened: Opened, groups: list[tuple[Step, ...]]) -> None:
    with opened.store.locked(), pytest.raises(LockedError, match="held by process"):
        run(opened)
    assert groups == []


def test_what_another_run_has_finished_meanwhile_is_not_run_again(
    opened: Opened, groups: list[tuple[Step, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Store.locked

    @contextmanager
    def after_another(store: Store) -> Iterator[None]:
        for step in opened.plan.steps:
            publish(store, step)
        with real(store):
            yield

    monkeypatch.setattr(Store, "locked", after_another)
    assert run(opened) == 0
    assert groups == []


def test_steps_that_were_recorded_only_need_their_rename(opened: Opened) -> None:
    # Killed between the two renames of every step; no model could be loaded here, and none is.
    for step in opened.plan.steps:
        record(opened.store, step)
        if step.kind == "generate":
            (opened.store.partial(step) / JOURNAL).write_text("")
    assert run(opened) == len(opened.plan.steps)
    assert run(opened) == 0
    for step in opened.plan.steps:
        folder = opened.store.open(step)
        assert sorted(file.name for file in folder.iterdir()) == ["out.txt", "record.json"]
        assert (folder / "out.txt").read_text() == step.name


def test_a_failure_keeps_what_is_published_and_lets_go_of_the_study(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_steps(steps: Sequence[Step], session: Session) -> None:
        if steps[0].kind == "tune":
            raise ZeroDivisionError
        for step in steps:
            publish(session.opened.store, step)

    monkeypatch.setattr(local, "run_steps", run_steps)
    with pytest.raises(ZeroDivisionError):
        run(opened)
    done = opened.store.done(opened.plan.steps)
    assert done == {step.key for step in opened.plan.steps if step.kind in ("label", "mix", "proof", "card")}
    with opened.store.locked():
        pass


def test_some_kinds_are_run_alone_and_the_rest_waits(opened: Opened, groups: list[tuple[Step, ...]]) -> None:
    data = [step for step in opened.plan.steps if step.kind in ("label", "mix", "proof", "card")]
    assert local.run(opened, lambda event: None, local.DATA).steps == len(data) == 6
    assert [step.key for step in itertools.chain(*groups)] == [step.key for step in data]
    groups.clear()
    assert local.run(opened, lambda event: None, local.DATA).steps == 0
    assert run(opened) == len(opened.plan.steps) - 6


def test_the_kinds_of_data_need_no_other_kind(opened: Opened) -> None:
    for step in opened.plan.steps:
        if step.kind in local.DATA:
            assert {opened.plan.by_key[key].kind for key in step.needs} <= set(local.DATA)


# Scoring again


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Step, ...]]:
    """What the executor hands to ``run_steps`` to be run again, each step replaced at once."""
    seen: list[tuple[Step, ...]] = []

    def run_steps(steps: Sequence[Step], session: Session, *, again: bool = False) -> None:
        assert again
        seen.append(tuple(steps))
        for step in steps:
            record(session.opened.store, step)
            session.opened.store.publish(step, again=again)

    monkeypatch.setattr(local, "run_steps", run_steps)
    return seen


def rescore(opened: Opened) -> int:
    return local.rescore(opened, lambda event: None).steps


def test_rescoring_runs_all_scores_again_then_the_summary_then_the_report(
    opened: Opened, again: list[tuple[Step, ...]]
) -> None:
    for step in opened.plan.steps:
        publish(opened.store, step)
    assert rescore(opened) == len(opened.plan.of("score")) + 2
    assert [{step.kind for step in group} for group in again] == [{"score"}, {"summary"}, {"report"}]
    assert again[0] == opened.plan.of("score")
    assert opened.store.done(opened.plan.steps) == set(opened.plan.by_key)


@pytest.mark.parametrize("kind", ["label", "mix", "proof", "card", "tune", "generate"])
def test_rescoring_refuses_where_anything_before_the_scores_is_missing(
    opened: Opened, again: list[tuple[Step, ...]], kind: str
) -> None:
    for step in opened.plan.steps:
        if step.kind != kind:
            publish(opened.store, step)
    left = sum(step.kind == kind for step in opened.plan.steps)
    with pytest.raises(StoreError, match=f"^{left} steps are to come"):
        rescore(opened)
    assert again == []
    with opened.store.locked():
        pass  # the study is let go of


def test_rescoring_makes_scores_that_are_missing(opened: Opened, again: list[tuple[Step, ...]]) -> None:
    for step in opened.plan.steps:
        if step.kind not in local.SCORING:
            publish(opened.store, step)
    rescore(opened)
    assert opened.store.done(opened.plan.steps) == set(opened.plan.by_key)


def test_a_study_held_by_another_is_not_rescored(opened: Opened, again: list[tuple[Step, ...]]) -> None:
    for step in opened.plan.steps:
        publish(opened.store, step)
    with opened.store.locked(), pytest.raises(LockedError, match="held by process"):
        rescore(opened)
    assert again == []


def test_rescoring_that_was_killed_while_an_old_score_is_removed_leaves_no_half_of_it(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in opened.plan.steps:
        publish(opened.store, step)
    score = opened.plan.of("score")[0]
    record(opened.store, score)

    def killed(folder: Path, ignore_errors: bool = False) -> None:
        if folder.exists():
            (folder / "out.txt").unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("babeltune.study.store.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            opened.store.publish(score, again=True)
    run(opened)
    assert (opened.store.open(score) / "out.txt").exists()
