from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from babeltune.errors import LockedError, StoreError
from babeltune.study import store as store_module
from babeltune.study.fingerprint import file_hash
from babeltune.study.step import Step
from babeltune.study.store import RECORD, Store, write_atomically

MIX = Step("mix", "mono", {"counts": {"en": 3}, "seed": 1})
REPORT = Step("report", "report", {"study": "one"})
OTHER_REPORT = Step("report", "report", {"study": "two"})

HOLDER = """
import sys
from pathlib import Path
from babeltune.study.store import Store
with Store(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def fill(store: Store, step: Step, text: str = "some\n") -> Path:
    """A step's work up to its record."""
    folder = store.begin(step)
    (folder / "out.txt").write_text(text)
    store.record(step, {"lines": 1})
    return folder


def publish(store: Store, step: Step, text: str = "some\n") -> Path:
    fill(store, step, text)
    return store.publish(step)


@contextmanager
def held_elsewhere(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the study until it is told to end."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "held\n"
            yield child
        finally:
            child.kill()


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the code under test may catch it."""


def kill_at(monkeypatch: pytest.MonkeyPatch, target: object, name: str) -> None:
    def die(*args: object, **kwargs: object) -> None:
        raise Killed

    monkeypatch.setattr(target, name, die)


def test_nothing_is_made_until_a_step_begins(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs" / "s")
    assert store.done((MIX, REPORT)) == frozenset()
    assert not store.recorded(MIX)
    assert list(tmp_path.iterdir()) == []


def test_a_step_is_done_when_published_and_not_before(tmp_path: Path) -> None:
    store = Store(tmp_path)
    seen = [store.done((MIX,))]
    store.begin(MIX)
    seen.append(store.done((MIX,)))
    fill(store, MIX)
    seen.append(store.done((MIX,)))
    assert seen == [frozenset()] * 3
    path = store.publish(MIX)
    assert store.done((MIX,)) == {"mix:mono"}
    assert path == tmp_path / "data" / f"mono-{MIX.fingerprint[:8]}"
    assert sorted(file.name for file in path.iterdir()) == ["out.txt", RECORD]
    assert not store.partial(MIX).exists()


def test_another_recipe_is_another_folder(tmp_path: Path) -> None:
    store = Store(tmp_path)
    other = Step("mix", "mono", {"counts": {"en": 3}, "seed": 2})
    publish(store, MIX, "one")
    assert store.done((other,)) == frozenset()
    publish(store, other, "two")
    assert [(store.open(step) / "out.txt").read_text() for step in (MIX, other)] == ["one", "two"]


def test_the_record_says_what_made_the_step_and_what_it_holds(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = publish(store, MIX)
    record = json.loads((path / RECORD).read_text())
    assert record["fingerprint"] == MIX.fingerprint
    assert record["recipe"] == MIX.recipe
    assert record["facts"] == store.facts(MIX) == {"lines": 1}
    assert record["files"] == {"out.txt": file_hash(path / "out.txt")}


def test_the_record_is_the_last_file_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    folder = store.begin(MIX)
    (folder / "out.txt").write_text("some")
    kill_at(monkeypatch, os, "replace")
    with pytest.raises(Killed):
        store.record(MIX, {})
    # Killed while the record is written: the step counts as not recorded, and nothing of its work is lost.
    assert not store.recorded(MIX)
    monkeypatch.undo()
    assert (store.begin(MIX) / "out.txt").read_text() == "some"
    store.record(MIX, {})
    path = store.publish(MIX)
    # The half-written record of the first try is neither kept nor listed.
    assert sorted(file.name for file in path.iterdir()) == ["out.txt", RECORD]
    assert set(json.loads((path / RECORD).read_text())["files"]) == {"out.txt"}


def test_a_file_that_goes_before_publishing_is_not_listed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.begin(MIX)
    for name in ("out.txt", "journal.jsonl"):
        (folder / name).write_text("x")
    store.record(MIX, {}, but="journal.jsonl")
    assert set(json.loads((folder / RECORD).read_text())["files"]) == {"out.txt"}


def test_a_killed_step_finds_its_files_again(tmp_path: Path) -> None:
    (Store(tmp_path).begin(MIX) / "journal.jsonl").write_text("half")
    again = Store(tmp_path)
    assert (again.begin(MIX) / "journal.jsonl").read_text() == "half"
    assert not again.recorded(MIX)


def test_a_step_killed_between_record_and_rename_only_needs_the_rename(tmp_path: Path) -> None:
    fill(Store(tmp_path), MIX)
    again = Store(tmp_path)
    again.begin(MIX)
    assert again.recorded(MIX)
    again.publish(MIX)
    assert again.done((MIX,)) == {MIX.key}


def test_the_report_keeps_one_place_and_the_newest_replaces_the_old(tmp_path: Path) -> None:
    store = Store(tmp_path)
    publish(store, REPORT, "one")
    assert store.done((REPORT,)) == {"report:report"}
    assert store.done((OTHER_REPORT,)) == frozenset()
    assert publish(store, OTHER_REPORT, "two") == tmp_path / "report"
    assert (tmp_path / "report" / "out.txt").read_text() == "two"
    assert store.done((REPORT, OTHER_REPORT)) == {"report:report"}
    assert store.done((REPORT,)) == frozenset()


def test_a_report_killed_before_it_takes_the_place_of_the_old_one_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    publish(store, REPORT, "one")
    fill(store, OTHER_REPORT, "two")
    kill_at(monkeypatch, Path, "rename")
    with pytest.raises(Killed):
        store.publish(OTHER_REPORT)
    monkeypatch.undo()
    assert (tmp_path / "report" / "out.txt").read_text() == "one"
    store.begin(OTHER_REPORT)
    assert store.recorded(OTHER_REPORT)
    assert (store.publish(OTHER_REPORT) / "out.txt").read_text() == "two"


def test_a_recorded_report_of_another_recipe_is_not_taken_for_this_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, REPORT, "stale")
    assert not store.recorded(OTHER_REPORT)
    assert list(store.begin(OTHER_REPORT).iterdir()) == []


def test_a_step_with_a_hash_in_its_name_replaces_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = publish(store, MIX, "first")
    fill(store, MIX, "second")
    with pytest.raises(StoreError, match="is there already"):
        store.publish(MIX)
    assert (path / "out.txt").read_text() == "first"


def test_a_folder_of_another_step_is_not_opened(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = publish(store, MIX)
    record = json.loads((path / RECORD).read_text())
    del record["seal"]
    (path / RECORD).write_text(json.dumps({**record, "fingerprint": "0" * 64}))
    with pytest.raises(StoreError, match="that of another step"):
        store.open(MIX)


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff", b"[]", b"null", b"{}", b'{"fingerprint": "x"}'])
def test_a_broken_record_is_named_with_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    store = Store(tmp_path)
    path = publish(store, MIX)
    if content is None:
        (path / RECORD).unlink()
    else:
        (path / RECORD).write_bytes(content)
    for look in (store.open, store.facts):
        with pytest.raises(StoreError, match="Delete the folder; its step runs again") as caught:
            look(MIX)
        assert str(path) in str(caught.value)


def test_a_broken_report_is_not_done(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (publish(store, REPORT) / RECORD).write_text("{")
    assert store.done((REPORT,)) == frozenset()


def test_a_file_in_place_of_the_runs_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("not a folder")
    store = Store(tmp_path / "runs" / "s")
    for use in (lambda: store.done((MIX,)), lambda: store.begin(MIX), lambda: store.locked().__enter__()):
        with pytest.raises(StoreError, match="--runs"):
            use()


def test_asking_what_is_done_lists_each_room_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = tuple(Step("mix", f"m{index}", {"seed": index}) for index in range(50))
    store = Store(tmp_path)
    publish(store, steps[7])
    listed: list[object] = []
    real = os.scandir

    def counted(path: Path) -> object:
        listed.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", counted)
    assert store.done(steps) == {steps[7].key}
    assert listed == [tmp_path / "data"]


def test_a_killed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rows.jsonl"
    write_atomically(file, "old")
    for name in ("replace", "fsync"):
        kill_at(monkeypatch, os, name)
        with pytest.raises(Killed):
            write_atomically(file, "new and longer")
        monkeypatch.undo()
        assert file.read_text() == "old"
    write_atomically(file, "new and longer")
    assert file.read_text() == "new and longer"
    assert [one.name for one in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_full_disk_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.os, "fsync", full)
    with pytest.raises(StoreError, match=r"cannot be written \(No space left on device\)"):
        write_atomically(tmp_path / "rows.jsonl", "x")
    assert not (tmp_path / "rows.jsonl").exists()


def test_a_second_holder_is_told_who_holds_the_study(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as child:
        with pytest.raises(LockedError) as caught, Store(tmp_path).locked():
            pytest.fail("held twice")
        assert caught.value.exit_code == 3
        assert f"process {child.pid} on " in str(caught.value)
        assert " since 20" in str(caught.value)


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as child:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert f"process {child.pid}" in (tmp_path / "lock").read_text()  # it could not tidy up
        with Store(tmp_path).locked():
            assert (tmp_path / "lock").read_text().startswith(f"process {os.getpid()} on ")


def test_the_lock_is_let_go_also_after_an_error(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError), store.locked():
        raise ZeroDivisionError
    with store.locked():
        pass
    assert (tmp_path / "lock").read_text() == ""


def test_two_studies_do_not_exclude_each_other(tmp_path: Path) -> None:
    with Store(tmp_path / "a").locked(), Store(tmp_path / "b").locked():
        assert (tmp_path / "b" / "lock").is_file()
