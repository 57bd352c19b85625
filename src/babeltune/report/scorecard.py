"""The scorecard: a study's numbers beside those that were published of the same model, mix, task and language.

A difference counts as agreement where it lies within the tolerance: 1.96 standard errors of the difference, which come
from both sides' sampling of items, plus what rounding may hide. How far two tuning runs of one recipe fall apart is in
neither, for the authors tuned each mix once; a difference is a reason to look, not a proof of a fault.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

from babeltune.report.published import ROUNDED, Value, by_cell
from babeltune.report.results import Results

Verdict = Literal["agrees", "differs", "no interval"]
COLUMNS = (
    "task", "metric", "model", "mix", "language", "prompting", "published", "seeds_published", "ours", "difference",
    "tolerance", "verdict", "n_published", "n", "source",
)  # fmt: skip
"""Columns of the scorecard's CSV."""
_Z = NormalDist().inv_cdf(0.975)
_FAMILIES = (
    ("llama-2-7b", r"llama2.*7b"),
    ("llama-2-70b", r"llama2.*70b"),
    ("llama-3-8b", r"llama3.*8b"),
    ("falcon-7b", r"falcon.*7b"),
)
"""Family -> what a model's name is like, letters and digits alone."""
_OTHER = re.compile(r"chat|instruct|guard|code|vision")
"""In a name: a model of the family that was tuned by others."""


@dataclass(frozen=True, slots=True)
class Line:
    """One published value and its counterpart."""

    task: str
    metric: str
    model: str
    """Of the study."""
    mix: str
    """Of the study."""
    language: str
    prompting: str
    published: float
    seeds_published: int
    ours: float
    difference: float
    """Ours less the published."""
    tolerance: float | None
    """None where the study's number has no interval."""
    verdict: Verdict
    n_published: int | None
    n: int
    source: str


@dataclass(frozen=True, slots=True)
class Scorecard:
    """A study against what was published."""

    study: str
    lines: tuple[Line, ...]
    cells: int
    """Published cells in all."""
    notes: tuple[str, ...]
    """What keeps the two from being the same measurement."""

    @property
    def summary(self) -> str:
        """One line."""
        judged = [one for one in self.lines if one.tolerance is not None]
        if not self.lines:
            return (
                f"None of the {self.cells} published cells has a counterpart in {self.study}: it takes one of the paper's "
                "models and mixes, in dialogue (agreement) or XNLI."
            )
        agree = sum(one.verdict == "agrees" for one in judged)
        mean = sum(one.difference for one in self.lines) / len(self.lines)
        return (
            f"{len(self.lines)} of {self.cells} published cells have a counterpart in {self.study}; {agree} of {len(judged)} "
            f"agree within the tolerance (by chance alone about one in twenty would not). Ours less theirs is {mean:+.3f} "
            "on average."
        )


def scorecard(results: Results) -> Scorecard:
    """Set a study against the published values."""
    known = {
        (family(model) or model, canonical(mix), task, language, prompting, metric): several
        for (model, mix, task, language, prompting, metric), several in by_cell().items()
    }
    lines = []
    for row in results.rows:
        under = family(row["model"])
        key = (under, _mix_of(results, row["mix"]), row["task"], row["language"], row["prompting"], row["metric"])
        several = known.get(key) if under else None  # type: ignore[arg-type]
        if several and row["value"] is not None:
            lines.append(_line(row, several))
    return Scorecard(results.study, tuple(lines), len(known), tuple(_notes(results, lines)))


def family(model: str) -> str | None:
    """The paper's model that a name stands for, whatever its spelling; None for any other model."""
    bare = re.sub(r"[^a-z0-9]", "", model.casefold().rsplit("/", 1)[-1])
    if _OTHER.search(bare):
        return None
    return next((name for name, pattern in _FAMILIES if re.search(pattern, bare)), None)


def canonical(mix: str) -> str:
    """A mix's name as studies spell it: ``Mono``, ``ml1`` -> ``mono``; ``MT Multi-3 N=50`` -> ``multi-3-n50``."""
    bare = re.sub(r"[\s_=-]+", "-", mix.casefold().strip()).strip("-")
    if bare in ("mono", "ml1", "multi-1", "mt-ml1", "mt-mono", "en"):
        return "mono"
    if bare in ("guanaco", "multi-guanaco", "all"):
        return "guanaco"
    found = re.fullmatch(r"(?P<mt>mt-|twin-)?(?:multi-?|ml-?)?(?P<n>[2-9])(?:-n-?(?P<each>\d+))?", bare)
    if found is None:
        return bare
    if found["each"]:
        return f"multi-{found['n']}-n{found['each']}"
    return f"{'twin' if found['mt'] else 'multi'}-{found['n']}"


def _mix_of(results: Results, mix: str) -> str:
    """The published mix that a study's is; by what it holds where its name does not tell, a twin of 200 chats a language."""
    name = canonical(mix)
    counts = results.mixes.get(mix)
    if not counts:
        return name
    others = [n for code, n in counts.items() if code != "en"]
    if mix in results.twins and others and len(set(others)) == 1:
        return f"twin-{len(counts)}" if others[0] == 200 else f"multi-{len(counts)}-n{others[0]}"
    return name


def _line(row: Mapping[str, Any], several: Sequence[Value]) -> Line:
    published = sum(one.value for one in several) / len(several)
    seeds = max(len(several), max(one.seeds for one in several))
    difference = row["value"] - published
    n = min((one.n for one in several if one.n), default=None)
    theirs = max((one.error for one in several if one.error is not None), default=None)
    if theirs is None and n:
        theirs = _error(published, n)
    rounding = 0.0 if row["metric"] == "accuracy" else ROUNDED
    tolerance: float | None = None
    if row["low"] is not None and row["high"] is not None and theirs is not None:
        ours = (row["high"] - row["low"]) / (2 * _Z)
        tolerance = _Z * math.hypot(ours, theirs) + rounding
    verdict: Verdict = "no interval" if tolerance is None else "agrees" if abs(difference) <= tolerance else "differs"
    return Line(
        row["task"], row["metric"], row["model"], row["mix"], row["language"], row["prompting"], published, seeds,
        row["value"], difference, tolerance, verdict, n, row["n"], several[0].source,
    )  # fmt: skip


def _error(share: float, n: int) -> float:
    """Standard error of a share of ``n`` items; seeds of the same items count as one, so it is rather too large."""
    return math.sqrt(max(share * (1 - share), 1 / (4 * n)) / n)


def _notes(results: Results, lines: Iterable[Line]) -> Iterable[str]:
    metrics = {one.metric for one in lines}
    label = results.recipe.get("label")
    identifier = label.get("identifier") if isinstance(label, dict) else results.recipe.get("identifier")
    if metrics & {"agreement", "agreement-nominal"}:
        if identifier not in ("openlid", "released", None):
            yield f"Languages were identified by {identifier} here and by OpenLID there, which moves agreement in every language."
        if any(one.n_published and one.n < one.n_published for one in lines if one.metric == "agreement"):
            yield "The published values are over AlpacaEval's 805 prompts; fewer, or other, prompts were answered here."
    if "accuracy" in metrics:
        yield (
            "XNLI was scored there by an early version of lm-evaluation-harness (3ccea2b2) on 5,010 test pairs; later versions "
            "put a space before each text and read the 2,490 validation pairs."
        )


def csv_text(card: Scorecard) -> str:
    """All lines as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in card.lines:
        writer.writerow(["" if (value := getattr(one, name)) is None else value for name in COLUMNS])
    return out.getvalue()


def grid(card: Scorecard) -> tuple[list[str], list[list[str]]]:
    """Headings and lines of a table that people read."""
    head = ["task", "metric", "model", "mix", "language", "published", "ours", "difference", "tolerance", "verdict"]
    return head, [
        [
            one.task, one.metric, one.model, one.mix, one.language, f"{one.published:.3f}", f"{one.ours:.3f}",
            f"{one.difference:+.3f}", "-" if one.tolerance is None else f"{one.tolerance:.3f}", one.verdict,
        ]
        for one in card.lines
    ]  # fmt: skip


def markdown(card: Scorecard) -> str:
    """Summary, notes and table."""
    head, body = grid(card)
    lines = [
        f"# {card.study} against the published values",
        "",
        card.summary,
        *(f"\n{note}" for note in card.notes),
        "",
    ]
    if body:
        lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in body]
    return "\n".join(lines) + "\n"
