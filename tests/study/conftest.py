from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import constants

from calls import Call
from doubles import bare_model


@pytest.fixture
def babeltune(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return Call(monkeypatch, capsys)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """What the check looks at of a model folder; nothing here loads it."""
    return bare_model(tmp_path / "model")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"
