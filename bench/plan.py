"""Planning: a finished study of 10,000 cells is opened, planned and found done; the goal is 2 seconds.

No peer does this; the ratio is the goal over our time. The folders are made empty: finding out that a step is done
reads no file of it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from babeltune.study.plan import Inputs, make
from babeltune.study.spec import Study, makeup_of
from babeltune.study.store import Store
from babeltune.study.tasks import ItemSet

GOAL = 2.0
LANGUAGES = [
    "en",
    "es",
    "ru",
    "de",
    "fr",
    "sv",
    "zh",
    "it",
    "pt",
    "vi",
    "ko",
    "fi",
    "hu",
    "no",
    "bg",
    "sl",
    "el",
    "hi",
    "is",
]


def main() -> int:
    """Lay out the folders once, then time planning and looking."""
    study = Study.model_validate(
        {
            "study": "large",
            "models": ["one", "two"],
            "chats": "pocket",
            "mixes": {f"multi-{n}": {"en": 10 + n, "es": 1 + n} for n in range(25)},
            "tasks": {"dialogue": {"languages": LANGUAGES}},
            "base": False,
            "tuning_seeds": [0, 1],
            "seeds": [0, 1, 2, 3, 4],
        }
    )
    inputs = Inputs(
        "chats",
        "lid",
        {"one": "1", "two": "2"},
        {("dialogue", code, "xx:xx"): ItemSet(code, code, 300) for code in LANGUAGES},
        {name: makeup_of(name, given, study.mixing) for name, given in study.mixes.items()},
        {"en": 100, "es": 100},
    )
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for step in make(study, inputs).steps:
            store.path(step).mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        plan = make(study, inputs)
        pending = plan.pending(store.done(plan.steps))
        took = time.perf_counter() - began
    cells = len(plan.of("generate"))
    print(f"{cells} cells, {len(plan.steps)} steps: {took:.2f} s, {len(pending)} pending")
    print(f"ratio {GOAL / took:.2f}")
    # The report's folder has no hash in its name and holds no record here, so that it alone is pending.
    return int([step.kind for step in pending] != ["report"])


if __name__ == "__main__":
    sys.exit(main())
