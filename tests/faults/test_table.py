"""The table of faults holds: every test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_table_names_exists():
    text = (ROOT / "docs" / "reliability.md").read_text()
    missing, named, file = [], 0, ""
    for path, test in re.findall(r"`((?:F|tests)/[\w/]+\.py|…)(?:::(\w+))?`", text):
        file = file if path == "…" else path.replace("F/", "tests/faults/")
        named += 1
        if not (ROOT / file).is_file() or (test and f"def {test}(" not in (ROOT / file).read_text()):
            missing.append(f"{file}::{test}")
    assert not missing
    assert named > 40
