"""The store: a step's folder. Work happens in a partial one; the record is written last; one rename publishes it.

A published folder is complete: whatever a crash leaves behind is either a partial folder, from which the step goes on,
or a partial folder that already holds its record, which only needs the rename.
"""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from babeltune import __version__
from babeltune.errors import LockedError, StoreError
from babeltune.study.fingerprint import digest, file_hash
from babeltune.study.step import Step

RECORD = "record.json"
UNFINISHED = "unfinished"
"""File in the folder of a step that lacks replies, as a server failed or the spending cap was reached."""
_PARTIAL = ".partial"
_OLD = ".old"
_NEW = ".new"


class Store:
    """The folder of one study."""

    def __init__(self, root: Path) -> None:
        """``root``: ``runs/<study>``; made when first written to."""
        self.root = root
        self._whole: set[Path] = set()
        """Published folders whose files are known to be as their steps left them."""

    def published(self, steps: tuple[Step, ...]) -> frozenset[str]:
        """Keys of the steps whose folder is there, unfinished ones too. One listing a room, however many steps."""
        there = {room: self._published(room) for room in {step.room for step in steps}}
        return frozenset(
            step.key
            for step in steps
            if (step.folder in there[step.room] if step.hashed_name else self._holds(self.path(step), step))
        )

    def done(self, steps: tuple[Step, ...]) -> frozenset[str]:
        """Keys of the published steps that lack nothing, and of whose needs none lacks anything.

        ``steps``: each after those that it needs.
        """
        there = self.published(steps)
        lacking: set[str] = set()
        for step in steps:
            asked = step.role and step.key in there and (self.path(step) / UNFINISHED).exists()
            if asked or not lacking.isdisjoint(step.needs):
                lacking.add(step.key)
        return there - lacking

    def stands(self, step: Step) -> bool:
        """Whether the step has a published folder, which a pending one has only if something was lacking."""
        return step.hashed_name and self.path(step).exists()

    def _published(self, room: str) -> frozenset[str]:
        try:
            with os.scandir(self.root / room) as entries:
                return frozenset(entry.name for entry in entries if not entry.name.endswith(_PARTIAL))
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise StoreError(f"{self.root / room}: cannot be read ({error.strerror}). Check --runs.") from error

    def _holds(self, folder: Path, step: Step) -> bool:
        """Whether a folder holds the record of this very step."""
        try:
            return bool(self._record(folder)["fingerprint"] == step.fingerprint)
        except (OSError, StoreError):
            return False

    def path(self, step: Step) -> Path:
        """Where the step is, or will be, published."""
        return self.root / step.room / step.folder if step.hashed_name else self.root / step.room

    def partial(self, step: Step) -> Path:
        """Where the step works; keeps what a killed run left there."""
        path = self.path(step)
        return path.with_name(path.name + _PARTIAL)

    def begin(self, step: Step, *, again: bool = False) -> Path:
        """The partial folder of a step, made if missing; empty where the step is run ``again``."""
        folder = self.partial(step)
        try:
            stale = not step.hashed_name and not self.recorded(step)  # what is there may be of another recipe
            if folder.exists() and (again or stale):
                shutil.rmtree(folder)
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{folder}: cannot be made ({error.strerror}). Check --runs and the space left."
            ) from error
        return folder

    def recorded(self, step: Step) -> bool:
        """Whether the partial folder holds the record of this very step, so that only the rename is missing."""
        return self._holds(self.partial(step), step)

    def record(self, step: Step, facts: Mapping[str, Any], *, but: str = RECORD) -> None:
        """Write the record, last of all files.

        ``facts``: what to know of the step besides its recipe. ``but``: a file that is removed before publishing.
        """
        folder = self.partial(step)
        aside = (but, RECORD, RECORD + _NEW)
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in aside)
        content = {
            "kind": step.kind,
            "name": step.name,
            "fingerprint": step.fingerprint,
            "recipe": step.recipe,
            "needs": list(step.needs),
            "facts": dict(facts),
            "files": {str(path.relative_to(folder)): file_hash(path) for path in files},
            "version": __version__,
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        content["seal"] = _seal(content)
        write_atomically(folder / RECORD, json.dumps(content, ensure_ascii=False, indent=1))

    def publish(self, step: Step, *, again: bool = False) -> Path:
        """Rename the partial folder to its final name.

        Only a step without a hash in its name may replace another; with one, only where it was run ``again``.
        """
        folder, path = self.partial(step), self.path(step)
        if step.hashed_name and not again and path.exists():
            raise StoreError(f"{path}: is there already. Move it away and run again.")
        # Nothing is lost by a crash here: the partial folder is whole, and `recorded` finds it.
        put(folder, path)
        self._whole.discard(path)
        return path

    def open(self, step: Step) -> Path:
        """The published folder of a step, whose files are read and compared with its record once in a process.

        Raises:
            StoreError: it is another step's, whose hash begins alike, or files of it were changed or are gone.
        """
        path = self.path(step)
        if path not in self._whole:
            record = self._record(path)
            found = record["fingerprint"]
            if found != step.fingerprint:
                raise StoreError(
                    f"{path}: its record is that of another step ({found[:16]}). Move it away and run again."
                )
            _compare(path, record.get("files", {}))
            self._whole.add(path)
        return path

    def facts(self, step: Step) -> dict[str, Any]:
        """What the record of a published step says besides its recipe."""
        return dict(self._record(self.path(step))["facts"])

    def _record(self, path: Path) -> dict[str, Any]:
        try:
            record = json.loads((path / RECORD).read_text(encoding="utf-8"))
            if not isinstance(record, dict) or not {"fingerprint", "facts"} <= record.keys():
                raise ValueError("it is no record")
            if "seal" in record and record["seal"] != _seal(record):
                raise ValueError("it was changed")
            return record
        except FileNotFoundError as error:
            raise StoreError(f"{path}: has no {RECORD}. Delete the folder; its step runs again.") from error
        except ValueError as error:
            raise StoreError(
                f"{path / RECORD}: cannot be read ({error}). Delete the folder; its step runs again."
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the study. The operating system lets go of the lock with the process that holds it, however it ends.

        Raises:
            LockedError: says who holds it and since when.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            file = open(self.root / "lock", "a+", encoding="utf-8", opener=_no_link)  # noqa: SIM115
        except OSError as error:
            raise StoreError(f"{self.root}: cannot be written to ({error.strerror}). Check --runs.") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise LockedError(f"{self.root}: held by {holder}. Wait for it, or stop it, and run again.") from error
            file.truncate(0)
            now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
            file.write(f"process {os.getpid()} on {socket.gethostname()} since {now}")
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)


def _seal(record: Mapping[str, Any]) -> str:
    """Hash of all that a record says, but for the seal."""
    said = json.loads(json.dumps({name: value for name, value in record.items() if name != "seal"}))
    return digest(json.dumps(said, sort_keys=True).encode())


def hold(folder: Path, names: Sequence[str]) -> None:
    """Hold files of a folder that may have come from elsewhere against its record, if it has one that names them.

    Raises:
        StoreError: names those that were changed and those that are gone.
    """
    try:
        files = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    _compare(folder, {name: files[name] for name in names if name in files})


def _compare(folder: Path, files: Mapping[str, str]) -> None:
    """Hold the files of a published folder against what its record says.

    Raises:
        StoreError: names those that were changed and those that are gone.
    """
    wrong = []
    for name, hash_ in files.items():
        try:
            if file_hash(folder / name) != hash_:
                wrong.append(f"{name} is not as the step left it")
        except FileNotFoundError:
            wrong.append(f"{name} is gone")
        except OSError as error:
            wrong.append(f"{name} cannot be read ({error.strerror})")
    if wrong:
        raise StoreError(f"{folder}: {', '.join(wrong)}. Put it back, or delete the folder; its step runs again.")


def put(folder: Path, path: Path) -> None:
    """Rename a whole folder to ``path``; what is there gives way, and is deleted last."""
    old = path.with_name(path.name + _OLD)
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    folder.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def _no_link(path: str, flags: int) -> int:
    """Open a file, but none that a link names: it would be emptied, wherever it is."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a crash leaves the old one, or none, but never half of the new one."""
    temporary = path.with_name(path.name + _NEW)
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}). Check the space left on the disk.") from error
