"""Small and read-only file systems of our own, where the system lets us have them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of this size, mounted at ``folder``. Skips the test where only root may mount, and we are not."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0 or _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "none", folder):
        pytest.skip("a small file system can be mounted by root alone")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def enlarge(folder: Path, kilobytes: int) -> None:
    """Make space."""
    assert not _mount("-o", f"remount,size={kilobytes}k", folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing in a folder can be written: for root by a mount of itself, for others by permissions."""
    if os.geteuid() == 0:
        if _mount("--bind", folder, folder) or _mount("-o", "remount,bind,ro", folder):
            pytest.skip("no mount is allowed here")
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
        return
    inside = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in inside:
        path.chmod(0o555)
    try:
        yield
    finally:
        for path in inside:
            path.chmod(0o755)


def _mount(*arguments: object) -> int:
    return subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False).returncode
