"""Planning: a finished study of 10,000 cells and 2 million scores is summed up, reported, run again and looked at.

No peer does this; the ratios are the goals over ours: a summary and report in 60 s and 2 GiB, `run` of what is finished
in 2 s, `status` in 1 s, each from the start of the process on. The cells are laid out on disk as a run leaves them;
labels and mixes are really made, adapters and answers are not. `--cells 500` tries it on fewer.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from babeltune.study.check import open_study
from babeltune.study.executors import local
from parts import fresh, grid
from parts.row import Row, parser, tell

REPORT, RUN, STATUS = 60.0, 2.0, 1.0
"""Goals [s]."""
MEMORY = 2.0
"""Goal [GiB]."""
ITEMS = 200
"""Of a cell."""


def main() -> int:
    """Lay out the study, then time each command."""
    line = parser(__doc__)
    line.add_argument("--cells", type=int, default=10_000, help="about so many (10,000)")
    cells = line.parse_args().cells
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        path = grid.study(folder, cells, ITEMS)
        opened = open_study(path, folder / "runs")
        local.run(opened, lambda event: None, ("label", "mix", "proof"))
        agreed = grid.lay_out(opened, ITEMS)
        there = len(opened.plan.of("score"))
        print(f"{there:,} cells, {len(opened.plan.steps):,} steps, {there * ITEMS:,} scores, ", end="")
        print(f"laid out in {time.perf_counter() - began:.0f} s")
        before, first, again, status = (
            fresh.babeltune(verb, path, "--runs", folder / "runs") for verb in ("status", "run", "run", "status")
        )
        (summary,) = opened.plan.of("summary")
        rows = [json.loads(line) for line in (opened.store.path(summary) / "rows.jsonl").read_text().splitlines()]
        checks = {
            "two steps were to come": "2 steps to come" in before.said.replace("\n", " "),
            "the run says that it ran them": "steps in" in first.said,
            "the second has nothing to do": f"all {len(opened.plan.steps)} steps are done" in again.said,
            "the status says so": "All done." in status.said,
            "a row a cell and metric": len(rows) == 2 * len(agreed),
            "each with its own mean": all(
                abs(row["value"] - agreed[row["model"], row["mix"], row["language"]]) < 1e-9
                for row in rows
                if row["metric"] == "agreement"
            ),
            "there is a page": (folder / "runs" / "large" / "report" / "index.html").is_file(),
        }
    for what, ended in (("summary and report", first), ("run again", again), ("status", status)):
        print(f"{what}: {ended}")
    cells = f"study of {there:,} cells"
    rows = [
        Row(f"finished {cells}, `run` again", "goal", RUN, again.seconds, "s", 1.0),
        Row(f"{cells}, `status`", "goal", STATUS, status.seconds, "s", 1.0),
        Row(f"{cells}, {there * ITEMS:,} scores, summary and report", "goal", REPORT, first.seconds, "s", 1.0),
        Row(f"{cells}, {there * ITEMS:,} scores, peak memory", "goal", MEMORY, first.mib / 1024, "GiB", 1.0),
    ]
    wrong = [what for what, holds in checks.items() if not holds]
    return tell(rows, same=not wrong, answers=f"not so: {', '.join(wrong)}" if wrong else "means as they were laid out")


if __name__ == "__main__":
    sys.exit(main())
