"""The page: made of results with so many outputs. A report keeps to 50,000; here it may not."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from growing.subject import Command, Subject

_MIXES, _LANGUAGES = 7, 19
"""Of tests/worlds.py: the base model and six mixes."""


def prepare(folder: Path, size: int) -> Mapping[str, Command]:
    """The results are made up by the process that makes the page, before it looks at the clock."""
    growth = Path(__file__).parents[1] / "growth.py"
    return {"page": [sys.executable, growth, "--page", str(size)]}


def make(size: int) -> None:
    """Make up results, and time their page."""
    sys.path.append(str(Path(__file__).parents[2] / "tests"))
    from babeltune.report.page.study import page
    from worlds import study

    results = study(items=max(1, round(size / _MIXES / _LANGUAGES)), words=(24, 96))
    began = time.process_time()
    page(results)
    print(json.dumps({"seconds": time.process_time() - began}))


PAGE = Subject("outputs", (1_000, 100_000), prepare)
