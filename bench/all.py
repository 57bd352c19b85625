"""Runs the scripts of bench/, each in a process of its own, and writes the tables of docs/performance.md.

    make bench                      all of them
    make bench ONLY=sari,judge      some; the others keep their rows, with date and machine
    python bench/all.py --table     writes the tables again, runs nothing

One that fails, or cannot run here, is told at the end and keeps its former rows. The exit code is 1 where one failed or
answers differ. Nothing else should run meanwhile: how much did is measured and written beside the rows.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from parts import machine, page, record
from parts.record import Measured
from parts.row import ROWS_FILE, parser

SCRIPTS = {
    "lid": 30, "sari": 20, "xnli": 180, "generate": 240, "tune": 240, "bootstrap": 70, "judge": 110, "plan": 150,
    "page": 90, "census": 90, "batching": 150, "adapters": 5, "gpu": 5, "growth": 900,
}  # fmt: skip
"""In the order of the table -> seconds on two quiet cores; what was measured once is taken instead."""
BENCH = Path(__file__).parent
DATA = BENCH / "measured.json"


def main() -> int:
    """Run what is asked for, then write the tables."""
    line = parser(__doc__)
    line.add_argument("--only", default="", help=f"scripts, with commas; all: {','.join(SCRIPTS)}")
    line.add_argument("--most", default="1e6", help="largest size of growth (1e6)")
    line.add_argument("--table", action="store_true", help="run nothing")
    given = line.parse_args()
    asked = [name for name in given.only.replace(",", " ").split() if name] or list(SCRIPTS)
    unknown = [name for name in asked if name not in SCRIPTS]
    if unknown:
        line.error(f"no script: {', '.join(unknown)}. There are: {', '.join(SCRIPTS)}.")
    known = record.read(DATA)
    failed = []
    if not given.table:
        for at, name in enumerate(asked):
            left = sum(expected(one, known) for one in asked[at:])
            print(
                f"[{at + 1}/{len(asked)}] {name}: about {minutes(expected(name, known))}; all {minutes(left)}",
                flush=True,
            )
            known[name], well = run(
                name, ["--most", given.most] if name == "growth" else [], known.get(name, Measured())
            )
            failed += [] if well else [name]
            record.write(DATA, known)
    page.write({name: known.get(name, Measured()) for name in SCRIPTS})
    for name in asked:
        if known.get(name, Measured()).lacking:
            print(f"{name}: {known[name].lacking}")
    print(
        f"{page.PAGE.relative_to(BENCH.parent)} is written; {len(failed)} of {len(asked)} failed: {', '.join(failed) or '-'}"
    )
    return int(bool(failed))


def expected(name: str, known: dict[str, Measured]) -> float:
    """Seconds."""
    return known[name].seconds if name in known and known[name].seconds else SCRIPTS[name]


def minutes(seconds: float) -> str:
    """In words."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def run(name: str, arguments: list[str], before: Measured) -> tuple[Measured, bool]:
    """What is known after a script has run, and whether it ended well."""
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.json"
        command = [sys.executable, "-u", str(BENCH / f"{name}.py"), *arguments]
        beside, began = machine.Beside(), time.monotonic()
        process = subprocess.Popen(
            command,
            env={**os.environ, ROWS_FILE: str(rows)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        last = ""
        with process:
            for said in process.stdout or ():
                last = said.strip() or last
                print(f"    {said}", end="", flush=True)
        seconds = time.monotonic() - began
        told = json.loads(rows.read_text(encoding="utf-8")) if rows.exists() else {"lacking": f"failed: {last}"}
    if told.get("lacking"):
        return replace(before, lacking=told["lacking"]), process.returncode == 0
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes")
    found = replace(
        record.measured(told), date=now, machine=machine.described(), beside=beside.cores(), seconds=round(seconds, 1),
        command=" ".join(["python", f"bench/{name}.py", *arguments]),
    )  # fmt: skip
    return found, process.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
