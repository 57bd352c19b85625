"""The catalogue: which figures there are, which of them a study's results allow, of which model, and what the others lack."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure

from babeltune.errors import NotDrawnError
from babeltune.report.figures import ablations, bars, curves, exposure, judging, ladder, lines, sizes, twins
from babeltune.report.figures.chart import Chart
from babeltune.report.results import Results


@dataclass(frozen=True, slots=True)
class Entry:
    """One figure."""

    number: str
    """As the paper has it; a word for one that the paper has not."""
    shows: str
    chart: Callable[[Results, str], Chart]
    """What it shows of a model; raises ``NotDrawnError``."""
    family: str = ""
    """Models whose names say so have this figure in place of ``stands_for``; empty for all models."""
    stands_for: str = ""
    each: bool = True
    """Whether each model has one; else there is one of the whole study."""

    drawn_by: Callable[[Results, str], Figure] | None = None
    """Of a figure that shows more than its chart."""

    @property
    def title(self) -> str:
        """``Figure 2``, or what a figure shows that the paper has not."""
        return f"Figure {self.number}" if self.number[0].isdigit() else self.shows.capitalize()

    def draw(self, results: Results, model: str) -> Figure:
        """The figure; raises ``NotDrawnError``."""
        if self.drawn_by is not None:
            return self.drawn_by(results, model)
        chart = self.chart(results, model)
        return lines.draw(chart) if chart.lines else bars.draw(chart)


def _task(name: str) -> Callable[[Results, str], Chart]:
    return lambda results, model: ladder.task(results, model, name)


_FALCON, _LLAMA3 = r"falcon", r"llama[-_ ]?3(?![0-9]|b(?![a-z]))"
_DIALOGUE = "single-turn dialogue, helpfulness (language agreement without a judge)"
FIGURES: dict[str, Entry] = {
    one.number: one
    for one in (
        Entry("1", "input/output language agreement", ladder.agreement),
        Entry("2", _DIALOGUE, ladder.dialogue),
        Entry("3", "sentence simplification, both promptings", _task("simplification")),
        Entry("4", "XQuAD, both promptings", _task("xquad")),
        Entry("5", "X-CSQA", _task("xcsqa")),
        Entry("6", "XNLI", _task("xnli")),
        Entry("7", "native against translated mixes", twins.compared),
        Entry("8", "a large model over a small one, dialogue", sizes.over),
        Entry("11", "the judge's scores, directly and in translation", judging.histogram),
        Entry("12", f"Falcon: {_DIALOGUE}", ladder.dialogue, _FALCON, "2"),
        Entry("13", "Falcon: sentence simplification", _task("simplification"), _FALCON, "3"),
        Entry("14", "Falcon: XQuAD", _task("xquad"), _FALCON, "4"),
        Entry("15", "Falcon: X-CSQA", _task("xcsqa"), _FALCON, "5"),
        Entry("16", "Falcon: XNLI", _task("xnli"), _FALCON, "6"),
        Entry("17", f"Llama 3: {_DIALOGUE}", ladder.dialogue, _LLAMA3, "2"),
        Entry("18a", "more languages within one number of chats", ablations.fixed_budget),
        Entry("18b", "more chats in the same languages", ablations.fixed_languages),
        Entry("19", "native against translated mixes, remaining languages", twins.remaining),
        Entry("exposure", "gain against the share in pretraining", exposure.chart, drawn_by=exposure.draw),
        Entry("losses", "training loss", curves.chart, each=False, drawn_by=lambda results, _: curves.losses(results)),
    )
}
"""Number -> figure."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure of one model, not drawn yet."""

    entry: Entry
    model: str
    file: str
    """Name of its files, without an ending."""
    caption: str

    @property
    def title(self) -> str:
        """Of its entry."""
        return self.entry.title

    def draw(self, results: Results) -> Figure:
        """The figure."""
        return self.entry.draw(results, self.model)


@dataclass(frozen=True, slots=True)
class Lacking:
    """A figure that cannot be drawn."""

    entry: Entry
    model: str
    why: str

    @property
    def title(self) -> str:
        """Of its entry."""
        return self.entry.title


def available(results: Results, models: Collection[str] = ()) -> tuple[list[Drawing], list[Lacking]]:
    """All that the results allow, in the paper's order, and what the others need.

    Figure 2 of a model without a judge would be Figure 1 again: it is among the lacking.

    Args:
        results: of a study.
        models: names; all where empty.
    """
    drawings: list[Drawing] = []
    lacking: list[Lacking] = []
    for entry in FIGURES.values():
        for model in models or results.models():
            if not _is_its(entry, model) or (not entry.each and any(one.entry is entry for one in drawings)):
                continue
            try:
                if entry.number in ("2", "12", "17"):
                    _needs_judge(results, model)
                drawings.append(_drawing(results, entry, model, drawings))
            except NotDrawnError as why:
                lacking.append(Lacking(entry, model, str(why)))
    return drawings, lacking


def wanted(results: Results, number: str, model: str | None = None) -> Drawing:
    """One figure by its number: of the model named, else of the first that has it.

    Raises:
        NotDrawnError: none has it; says why.
        KeyError: there is no such figure.
    """
    entry = FIGURES[number]
    fitting = [model] if model is not None else [name for name in results.models() if _is_its(entry, name)]
    if model is None and not fitting and entry.family:
        raise NotDrawnError(
            f"is the paper's Figure {entry.stands_for} of {entry.shows.split(':')[0]}; no model of this study is named so. "
            f"For another: --figure {entry.stands_for}, or --figure {number} --model NAME"
        )
    if model is None and not fitting:  # such as figure 2 in a study of Falcon alone
        fitting = results.models()
    first: NotDrawnError | None = None
    for name in fitting:
        try:
            return _drawing(results, entry, name, ())
        except NotDrawnError as why:
            first = first or why
    raise first or NotDrawnError("needs a model that was scored; these results have none")


def _is_its(entry: Entry, model: str) -> bool:
    """Whether a figure is a model's own: 12 to 16 of Falcon in place of 2 to 6, 17 of Llama 3 in place of 2."""
    if entry.family:
        return re.search(entry.family, model, re.IGNORECASE) is not None
    return not any(
        other.stands_for == entry.number and re.search(other.family, model, re.IGNORECASE) for other in FIGURES.values()
    )


def _drawing(results: Results, entry: Entry, model: str, others: Collection[Drawing]) -> Drawing:
    caption = entry.chart(results, model).caption
    plain = f"figure-{entry.number}" if entry.number[0].isdigit() else entry.number
    file = f"{plain}-{file_name(model)}" if any(one.entry is entry for one in others) else plain
    return Drawing(entry, model, file, caption)


def file_name(name: str) -> str:
    """The name, as far as a file or folder can bear it; it leads nowhere else."""
    return re.sub(r"[^\w.-]+", "-", name).lstrip(".-")


def _needs_judge(results: Results, model: str) -> None:
    metrics = {row["metric"] for row in results.rows if row["model"] == model and row["task"] == "dialogue"}
    if metrics and not any(metric.startswith("helpfulness") for metric in metrics):
        raise NotDrawnError("needs a judge (`judge:`); language agreement of dialogue is in Figure 1")


def numbers() -> Mapping[str, str]:
    """Number -> what the figure shows."""
    return {number: entry.shows for number, entry in FIGURES.items()}
