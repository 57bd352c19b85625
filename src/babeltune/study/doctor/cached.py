"""What is cached: the bundled model, models that identify languages, and what came from the hub."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babeltune.data import identify
from babeltune.errors import ModelError
from babeltune.study import models
from babeltune.study.spec.study import ModelSpec


@dataclass(frozen=True, slots=True)
class Cached:
    """A model or data set that is on this machine, or that babeltune knows where to fetch."""

    kind: str
    """``model``, ``data set`` or ``identifier``."""
    name: str
    size: int | None
    """Bytes; None where it is not here."""
    said: str
    """What becomes of it, where there is something to say."""


def cached() -> list[Cached]:
    """All of it, what comes with babeltune first."""
    return [_bundled(), *_identifiers(), *_of_the_hub()]


def _bundled() -> Cached:
    try:
        located = models.locate(ModelSpec(id=models.BUNDLED))
    except ModelError as error:
        return Cached("model", models.BUNDLED, None, str(error))
    folder = models.cache_folder() / f"{models.BUNDLED}-{located.fingerprint[:8]}"
    if not folder.is_dir():
        return Cached("model", models.BUNDLED, None, "bundled; the first run converts it (once, about 40 s)")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Cached("model", models.BUNDLED, size, "bundled, converted")


def _identifiers() -> Iterator[Cached]:
    for name in (identify.LID176, *identify.HUB):
        need = identify.missing(name)
        if need is not None:
            yield Cached("identifier", name, None, f"--download fetches it ({need.size})")
            continue
        try:
            path = identify.locate(name)
        except ModelError as error:
            yield Cached("identifier", name, None, str(error))
            continue
        yield Cached("identifier", name, path.stat().st_size, "bundled" if name == identify.LID176 else "")


def _of_the_hub() -> Iterator[Cached]:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import CacheNotFound

    known = {hub.repository for hub in identify.HUB.values()}
    try:
        found = scan_cache_dir(Path(HF_HUB_CACHE))
    except (CacheNotFound, ValueError):  # there is none; it is a file
        return
    kinds = {"model": "model", "dataset": "data set"}
    for repo in sorted(found.repos, key=lambda one: (one.repo_type, one.repo_id)):
        if repo.repo_type in kinds and repo.repo_id not in known:
            commits = ", ".join(sorted(one.commit_hash[:12] for one in repo.revisions))
            yield Cached(kinds[repo.repo_type], repo.repo_id, repo.size_on_disk, f"at {commits}")
