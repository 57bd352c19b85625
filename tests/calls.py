"""The command line as a test calls it, and what it said."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from babeltune import cli


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """All that was said, without line breaks and frames."""
        return " ".join((self.out + self.err).replace("│", " ").split())


class Call:
    """The command line in this process, as the console script calls it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: str | Path) -> Said:
        self.monkeypatch.setattr(sys, "argv", ["babeltune", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        code = caught.value.code
        assert code is None or isinstance(code, int)
        return Said(code or 0, *self.capsys.readouterr())
