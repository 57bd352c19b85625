"""Figure 11: how often the judge gave each score, directly and of the English translation."""

from __future__ import annotations

from collections import Counter

from babeltune.errors import NotDrawnError
from babeltune.report.figures import palette
from babeltune.report.figures.chart import Chart, Mark, Panel, Series
from babeltune.report.results import Results, called

SCORES = tuple(range(1, 7))
_READINGS = {"direct": "direct, in the language itself", "translated": "translated into English"}


def histogram(results: Results, model: str) -> Chart:
    """Shares of the scores, over all languages with both readings, then in each."""
    counts: dict[tuple[str, str], Counter[int]] = {}
    for row in results.histogram:
        if row["model"] == model:
            counts.setdefault((row["reading"], row["language"]), Counter())[int(row["score"])] += int(row["count"])
    there = {reading: {code for one, code in counts if one == reading} for reading in _READINGS}
    codes = [code for code in results.languages(model) if all(code in one for one in there.values())]
    if not codes:
        raise NotDrawnError(
            f"needs a judge that read responses directly and in translation (`judge: {{…, readings: [direct, translated]}}`); "
            f"{model} has not both"
        )
    sums = {one: sum((counts[one, code] for code in codes), Counter()) for one in _READINGS}
    panels = [_panel(f"{len(codes)} languages together" if len(codes) > 1 else called(codes[0]), sums)]
    if len(codes) > 1:
        panels += [_panel(called(code), {one: counts[one, code] for one in _READINGS}) for code in codes]
    judge = f", {results.judging.model}," if results.judging else ""
    total = sum(sums["direct"].values())
    return Chart(
        heading=f"{model}: scores of the judge, directly and in translation",
        caption=f"Distribution of the helpfulness scores that the judge{judge} gave to responses of {model} directly in "
        f"their language, and to their English translations; {total:,} and {sum(sums['translated'].values()):,} scores.",
        axis="Share of the scores [%]",
        limits=(0.0, 10.0),
        along="score",
        series=(
            Series(_READINGS["direct"], palette.steps(3)[0]),
            Series(_READINGS["translated"], palette.steps(3)[1], "dotted"),
        ),
        panels=tuple(panels),
    )  # fmt: skip


def _panel(title: str, counts: dict[str, Counter[int]]) -> Panel:
    marks = {
        (name, str(score)): Mark(100 * counts[one][score] / total, n=counts[one][score])
        for one, name in _READINGS.items()
        if (total := sum(counts[one].values()))
        for score in SCORES
    }
    return Panel(title, {str(score): str(score) for score in SCORES}, marks)
