"""How cost grows: seconds of processor and peak memory of the same work at ever larger sizes.

Mixes at 10^3 to 10^6 chats; scoring at 10^3 to 10^6 outputs; plan, run again and status at 10^2 to 10^5 cells; the page at
10^3 to 10^5 outputs. Each figure is of a fresh process, from its start on; sizes are a decade apart. Exponents are
those of the growing part (`parts/curve.py`): what a process costs before it begins is fitted apart.

The ratio is that of the steepest curve: what its largest size would cost if it cost in proportion to the next smaller
one, over what it does cost.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from growing.mixes import MIXES
from growing.page import PAGE
from growing.planning import PLANNING
from growing.scoring import AGREEMENT, MATCHING, SARI
from growing.subject import Subject, run_kinds
from parts import fresh
from parts.curve import Curve, Point
from parts.row import Row, parser, tell

SUBJECTS = {
    "mixes": MIXES, "agreement": AGREEMENT, "sari": SARI, "matching": MATCHING, "planning": PLANNING, "page": PAGE,
}  # fmt: skip
PROPORTIONAL = 0.8
"""Least ratio of a curve that is called linear."""


def main() -> int:
    """Measure each subject at each size."""
    line = parser(__doc__)
    line.add_argument("--only", default=",".join(SUBJECTS), help="subjects, with commas: %(default)s")
    line.add_argument("--most", type=float, default=1e6, help="largest size (1e6)")
    line.add_argument("--score", nargs=2, type=Path, metavar=("STUDY", "RUNS"), help="what a process of its own does")
    line.add_argument("--page", type=int, metavar="OUTPUTS", help="what a process of its own does")
    given = line.parse_args()
    if given.most < 1e4:
        line.error("--most: write 1e4 or more; 1e5 is three sizes, with which a curve has an exponent")
    if given.score:
        run_kinds(*given.score, ("generate", "score", "summary"))
        return 0
    if given.page:
        from growing import page

        page.make(given.page)
        return 0
    curves = [curve for name in given.only.split(",") for curve in measured(SUBJECTS[name], round(given.most))]
    for curve in curves:
        print(f"{curve.name}: time {curve.time.word}, exponent {curve.time.exponent:.2f};"
              f" memory {curve.memory.word}, exponent {curve.memory.exponent:.2f}")  # fmt: skip
    rows = sorted(map(row, curves), key=lambda one: one.ratio)
    return tell(rows[:1], same=True, answers="not compared", curves=curves)


def measured(subject: Subject, most: int) -> Iterator[Curve]:
    """Its curves, size after size."""
    found: dict[str, list[Point]] = {}
    for size in sizes(subject, most):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            commands = subject.prepare(Path(folder), size)
            print(f"{size:>9,} {subject.unit}, made in {time.perf_counter() - began:.0f} s", flush=True)
            for name, command in commands.items():
                ended = fresh.run(command)
                own = json.loads(ended.last)["seconds"] if ended.last.startswith('{"seconds"') else ended.processor
                found.setdefault(name, []).append(Point(size, own, ended.mib))
                print(f"          {name}: {own:.2f} s of processor, {ended.mib:,.0f} MiB", flush=True)
    for name, points in found.items():
        yield Curve(name, subject.unit, tuple(points))


def sizes(subject: Subject, most: int) -> list[int]:
    """A decade apart."""
    least, largest = subject.sizes
    return list(
        itertools.takewhile(lambda size: size <= min(largest, most), (least * 10**at for at in itertools.count()))
    )


def row(curve: Curve) -> Row:
    """Of its two largest sizes."""
    before, last = curve.points[-2:]
    what = f"{curve.name}: {last.size:,} {curve.unit}"
    peer = f"{before.size:,}, in proportion"
    return Row(what, peer, before.seconds * last.size / before.size, last.seconds, "s of processor", PROPORTIONAL)


if __name__ == "__main__":
    sys.exit(main())
