from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def cache(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the hub's own cache would have the snapshot of the module's ``HUB``: the pinned one, or else the newest."""
    hub = request.module.HUB
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    home = tmp_path / "hub" / f"datasets--{hub.id.replace('/', '--')}"
    commit = hub.revision or "0" * 40
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(commit)
    (home / "snapshots" / commit).mkdir(parents=True)
    return home / "snapshots" / commit
