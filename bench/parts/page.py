"""The tables of docs/performance.md, written between its markers, and the picture of growth."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from parts import picture
from parts.curve import Curve, Growth
from parts.record import Measured
from parts.row import Row, figure

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def write(known: Mapping[str, Measured]) -> None:
    """Replace what stands between the markers; all else on the page stays."""
    curves = [curve for one in known.values() for curve in one.curves]
    parts = {"rows": rows(known), "growth": growth(curves)}
    text = PAGE.read_text(encoding="utf-8")
    for name, lines in parts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        kept = re.compile(f"(?<={re.escape(begin)}).*?(?={re.escape(end)})", re.DOTALL)
        written = "".join(line + "\n" for line in lines)
        text, count = kept.subn(lambda _, written=written: written, text)
        if count != 1:
            raise SystemExit(f"{PAGE}: has no one part between {begin.strip()} and {end}")
    PAGE.write_text(text, encoding="utf-8")
    if curves:
        picture.draw(curves, PAGE.parent, "growth")


def rows(known: Mapping[str, Measured]) -> Iterator[str]:
    """The table of races, and the runs that its figures are of."""
    runs = list(dict.fromkeys(_run(one) for one in known.values() if one.rows))
    yield "| work | peer | theirs | ours | ratio | goal | met | of run |"
    yield "|---|---|---|---|---|---|---|---|"
    for one in known.values():
        if one.curves:
            continue  # has a table of its own
        for row in one.rows:
            yield _line(row, LETTERS[runs.index(_run(one))])
    yield ""
    for name, one in known.items():
        if one.rows and one.answers != "not compared":
            yield f"- `bench/{name}.py`: answers {'agree' if one.same else '**differ**'}: {one.answers}."
    yield ""
    for name, one in known.items():
        if one.lacking:
            kept = f" (its figures are those of {one.date[:10]})" if one.rows else ""
            yield f"- `bench/{name}.py` measured nothing in the last run: {one.lacking}{kept}."
    yield ""
    for letter, run in zip(LETTERS, runs, strict=False):
        date, machine = run
        scripts = [(name, one) for name, one in known.items() if one.rows and _run(one) == run]
        busy = ", ".join(f"{name} {one.beside:.2f}" for name, one in scripts if one.beside is not None)
        yield f"Run {letter}: {date}, {machine}. `make bench ONLY={','.join(name for name, _ in scripts)}`; each row alone:"
        yield f"`{'`, `'.join(one.command for _, one in scripts)}`."
        yield f"Cores busy with other things meanwhile: {busy or 'not known'}."
        yield ""


def _run(one: Measured) -> tuple[str, str]:
    return one.date[:10], one.machine


def _line(row: Row, letter: str) -> str:
    goal, met = ("", "") if row.goal is None else (f"{row.goal:g}", "yes" if row.met else "**no**")
    figures = [f"{figure(value)} {row.unit}" for value in (row.theirs, row.ours)]
    return f"| {' | '.join([row.what, row.peer, *figures, f'{row.ratio:.2f}', goal, met, letter])} |"


def growth(curves: Sequence[Curve]) -> Iterator[str]:
    """The table of growth: sizes, what they cost, whether it is linear, and its exponent."""
    if not curves:
        yield "Not measured yet."
        return
    yield "| work | of | seconds of processor | time | MiB | memory |"
    yield "|---|---|---|---|---|---|"
    for curve in curves:
        span = " · ".join(_power(point.size) for point in curve.points)
        seconds = " · ".join(figure(point.seconds) for point in curve.points)
        mib = " · ".join(f"{point.mib:,.0f}" for point in curve.points)
        yield f"| {curve.name} | {span} {curve.unit} | {seconds} | {_grows(curve, curve.time)} | {mib} | {_grows(curve, curve.memory)} |"
    yield ""
    yield "![Processor seconds and peak memory over size, on logarithmic axes](growth.svg)"


def _power(size: int) -> str:
    exponent = len(str(size)) - 1
    return f"10^{exponent}" if size == 10**exponent else f"{size:,}"


def _grows(curve: Curve, found: Growth) -> str:
    if len(curve.points) < 3:
        return "too few sizes"
    return found.word if found.word == "flat" else f"{found.word}, {found.exponent:.2f}"
