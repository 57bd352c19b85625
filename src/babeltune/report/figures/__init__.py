"""The paper's figures, each by its number, and two more; every one from a study's results and the name of a model.

A figure whose data a study lacks raises ``NotDrawnError``, which says what it needs. ``catalogue`` says which there are.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from babeltune.errors import NotDrawnError
from babeltune.report.figures import ablations, bars, exposure, judging, ladder, lines, sizes, twins
from babeltune.report.figures.curves import losses
from babeltune.report.figures.files import FORMATS, Format, save
from babeltune.report.figures.palette import colour, colours
from babeltune.report.results import Results

__all__ = (
    "FORMATS", "Format", "NotDrawnError", "colour", "colours", "figure_1", "figure_2", "figure_3", "figure_4", "figure_5",
    "figure_6", "figure_7", "figure_8", "figure_11", "figure_12", "figure_13", "figure_14", "figure_15", "figure_16",
    "figure_17", "figure_18a", "figure_18b", "figure_19", "gain_against_exposure", "losses", "save",
)  # fmt: skip


def figure_1(results: Results, model: str) -> Figure:
    """Input/output language agreement per language and mix."""
    return bars.draw(ladder.agreement(results, model))


def figure_2(results: Results, model: str) -> Figure:
    """Helpfulness of single-turn dialogue per language and mix; language agreement where nothing was judged."""
    return bars.draw(ladder.dialogue(results, model))


def figure_3(results: Results, model: str) -> Figure:
    """Simplification: SARI weighted by language agreement, both prompting strategies."""
    return bars.draw(ladder.task(results, model, "simplification", "3"))


def figure_4(results: Results, model: str) -> Figure:
    """XQuAD, both prompting strategies."""
    return bars.draw(ladder.task(results, model, "xquad", "4"))


def figure_5(results: Results, model: str) -> Figure:
    """X-CSQA."""
    return bars.draw(ladder.task(results, model, "xcsqa", "5"))


def figure_6(results: Results, model: str) -> Figure:
    """XNLI."""
    return bars.draw(ladder.task(results, model, "xnli", "6"))


def figure_7(results: Results, model: str) -> Figure:
    """Native mixes against their translated twins, for a subset of the languages."""
    return bars.draw(twins.compared(results, model))


def figure_8(results: Results, model: str) -> Figure:
    """Dialogue: a large model as triangles over the semi-transparent bars of a small one."""
    return bars.draw(sizes.over(results, model))


def figure_11(results: Results, model: str) -> Figure:
    """Distribution of the judge's scores, directly and in translation."""
    return bars.draw(judging.histogram(results, model))


def figure_12(results: Results, model: str) -> Figure:
    """Figure 2 of Falcon."""
    return bars.draw(ladder.dialogue(results, model, "12"))


def figure_13(results: Results, model: str) -> Figure:
    """Figure 3 of Falcon."""
    return bars.draw(ladder.task(results, model, "simplification", "13"))


def figure_14(results: Results, model: str) -> Figure:
    """Figure 4 of Falcon."""
    return bars.draw(ladder.task(results, model, "xquad", "14"))


def figure_15(results: Results, model: str) -> Figure:
    """Figure 5 of Falcon."""
    return bars.draw(ladder.task(results, model, "xcsqa", "15"))


def figure_16(results: Results, model: str) -> Figure:
    """Figure 6 of Falcon."""
    return bars.draw(ladder.task(results, model, "xnli", "16"))


def figure_17(results: Results, model: str) -> Figure:
    """Figure 2 of Llama 3."""
    return bars.draw(ladder.dialogue(results, model, "17"))


def figure_18a(results: Results, model: str) -> Figure:
    """More languages within one number of chats."""
    return lines.draw(ablations.fixed_budget(results, model))


def figure_18b(results: Results, model: str) -> Figure:
    """More chats in one set of languages."""
    return lines.draw(ablations.fixed_languages(results, model))


def figure_19(results: Results, model: str) -> Figure:
    """Native mixes against their translated twins, for the remaining languages."""
    return bars.draw(twins.compared(results, model, rest=True))


def gain_against_exposure(results: Results, model: str) -> Figure:
    """What a second language gains each unseen one, against its share of the pretraining data."""
    return exposure.draw(results, model)
