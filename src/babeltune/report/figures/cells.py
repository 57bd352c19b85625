"""Cells: what the figures of scores share: which rows, in which order and colours, and how they are worded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from babeltune.errors import NotDrawnError
from babeltune.report.figures import palette
from babeltune.report.figures.chart import Chart, Mark, Panel, Series, mark
from babeltune.report.results import AGREEMENT, METRICS, TITLES, Board, Results, called

STRIPED = "language not in the mix"
INTERVALS = "Error bars: 95 % intervals."
STRIPES = "Striped: the mix has no chats in the language (0-shot)."
_AXES: dict[str, tuple[str, tuple[float, float]]] = {
    "agreement": ("Input/output language agreement", (0.0, 1.04)),
    "helpfulness": ("Helpfulness (1 to 6)", (0.5, 4.5)),
    "sari": ("SARI (0 to 100)", (0.0, 40.0)),
    "sari-weighted": ("SARI × language agreement", (0.0, 40.0)),
    "xquad": ("Share of answers that match", (0.0, 0.5)),
    "exact-match": ("Exact match", (0.0, 0.5)),
    "token-f1": ("Token F1", (0.0, 0.5)),
    "xcsqa": ("Accuracy", (0.0, 0.4)),
    "accuracy": ("Accuracy", (0.0, 0.5)),
}
"""Start of a metric's name -> words for the axis, where it starts and the least that it reaches to. Helpfulness starts
below its least, 1, as the authors' figures do: a bar of 1 is still a bar."""
_SHORT = {"helpfulness": "helpfulness", "agreement": "language agreement", "sari-weighted": "SARI × language agreement"}
_CHANCE = {"xcsqa": 1 / 5, "xnli": 1 / 3}
"""Task -> what guessing gets."""
_PROMPTINGS = {
    "xx:xx": "xx:xx (instructions in the language itself)",
    "en:xx": "en:xx (instructions in English)",
}


def ticks(codes: Iterable[str]) -> dict[str, str]:
    """Language -> its label: name over code."""
    return {code: f"{called(code)}\n({code})" for code in codes}


def prompted(prompting: str) -> str:
    """A prompting strategy in words."""
    return _PROMPTINGS.get(prompting, prompting)


def axis(board: Board) -> tuple[str, tuple[float, float]]:
    """Words for the axis of a table's metric, where it starts, and the least that it reaches to."""
    fitting = [name for name in _AXES if board.metric.startswith(name)]
    if fitting:
        return _AXES[max(fitting, key=len)]
    return METRICS.get(board.metric, board.metric), (0.0, 0.0)


def heading(subject: str, board: Board) -> str:
    """What stands above a figure: whose it is, the task, the metric in few words."""
    task = TITLES.get(board.task, board.task)
    words = _SHORT.get(board.metric) or METRICS.get(board.metric, board.metric)
    return f"{subject}: {task}, {words}"


def chance(task: str) -> tuple[float, str] | None:
    """What guessing gets, with its word for the legend."""
    return (_CHANCE[task], f"chance ({_CHANCE[task]:.2f})") if task in _CHANCE else None


def boards(results: Results, model: str, task: str) -> list[Board]:
    """The main table of each prompting of a task: English instructions first, as the paper's captions.

    Raises:
        NotDrawnError: the model was not scored on the task.
    """
    found = [board for board in results.boards(model) if board.task == task]
    if not found:
        raise NotDrawnError(
            f"needs scores of {TITLES.get(task, task)}; {model} has none. Ask it: `tasks: {{{task}: …}}`"
        )
    promptings = sorted({board.prompting for board in found})
    return [next(board for board in found if board.prompting == prompting) for prompting in promptings]


def dialogue(results: Results, model: str) -> Board:
    """The table of dialogue: helpfulness where it was judged, else language agreement.

    Raises:
        NotDrawnError: the model was not asked dialogue.
    """
    found = [board for board in results.boards(model) if board.task == "dialogue" and board.prompting == "xx:xx"]
    for metric in ("helpfulness", AGREEMENT):
        for board in found:
            if board.metric.startswith(metric):
                return board
    raise NotDrawnError(f"needs single-turn dialogue; {model} was not asked it. Ask it: `tasks: {{dialogue: …}}`")


def judged(board: Board) -> bool:
    """Whether a table is of a judge's scores."""
    return board.metric.startswith("helpfulness")


def measured(results: Results, board: Board, of: str) -> str:
    """What a table is of, in the words of a caption, and whose it is."""
    judge = f"judged by {results.judging.model}" if results.judging else "judged"
    task = TITLES.get(board.task, board.task)
    words = {
        "helpfulness": f"Average helpfulness of single-turn dialogue responses of {of}, {judge} from 1 to 6 "
        "(1 where the response is in another language)",
        "agreement": f"Input/output language agreement of {of} in {task}",
        "sari-weighted": f"SARI weighted by input/output language agreement, of {of}",
    }
    return words.get(board.metric) or f"{task} by {of}: {METRICS.get(board.metric, board.metric)}"


def counterpart(results: Results, twin: str, mixes: Sequence[str]) -> str | None:
    """Of these mixes the native one with the languages of a translated one; with the very counts where there is one."""
    wanted = results.mixes.get(twin, {})
    native = [mix for mix in mixes if mix not in results.twins and mix != "base" and results.mixes.get(mix)]
    same = [mix for mix in native if dict(results.mixes[mix]) == dict(wanted)]
    alike = [mix for mix in native if len(wanted) > 1 and set(results.mixes[mix]) == set(wanted)]
    return next(iter([*same, *alike]), None)


def ladder(results: Results, model: str) -> list[str]:
    """Mixes of a model's figures: without translated ones whose native counterparts are there (Figures 7 and 19)."""
    mixes = results.mix_names(model)
    return [mix for mix in mixes if mix not in results.twins or counterpart(results, mix, mixes) is None]


def zero_shot(results: Results, mix: str, language: str) -> bool:
    """Whether a mix lacks a language; never of the base model, nor of a mix whose makeup is not known."""
    held = results.mixes.get(mix)
    return bool(held) and mix != "base" and language not in (held or {})


def shades(results: Results) -> dict[str, str]:
    """Mix -> colour, one in all figures of a study; a translated mix has that of its native counterpart."""
    names = list(results.mixes)
    native = {mix: counterpart(results, mix, names) if mix in results.twins else None for mix in names}
    found = palette.colours(["base", *(mix for mix in names if native[mix] is None)])
    return {mix: found[native.get(mix) or mix] for mix in ("base", *names)}


def series(results: Results, mixes: Sequence[str]) -> tuple[Series, ...]:
    """One a mix, in its colour."""
    found = shades(results)
    return tuple(Series(mix, found[mix]) for mix in mixes)


def panel(results: Results, model: str, board: Board, mixes: Sequence[str], title: str = "") -> Panel:
    """A table as a panel: a group a language, a bar a mix."""
    rows = results.of(model, board)
    found: dict[tuple[str, str], Mark] = {
        (mix, code): mark(row, zero_shot=zero_shot(results, mix, code))
        for (mix, code), row in rows.items()
        if mix in mixes
    }
    return Panel(title, ticks(results.languages(model, board)), found)


def chart(subject: str, board: Board, said: Sequence[str], marks: Sequence[Mark], **more: Any) -> Chart:
    """A chart of a table: its words, its axis, and notes on its marks.

    Args:
        subject: whose it is, in the heading.
        board: the table.
        said: sentences of the caption, in which empty ones are none, before those that every chart has.
        marks: all that are shown.
        more: the other fields of the chart.
    """
    words, limits = axis(board)
    caption = " ".join(filter(None, (*said, INTERVALS, counted(marks))))
    return Chart(heading(subject, board), caption, words, limits, notes=unscored(marks), **more)


def counted(marks: Iterable[Mark]) -> str:
    """``300 items a language.``, or from how many to how many; nothing where all is unscored."""
    counts = sorted({mark.n for mark in marks if mark.n})
    if not counts:
        return ""
    return f"n = {counts[0]:,}{f' to {counts[-1]:,}' if len(counts) > 1 else ''} items a bar."


def unscored(marks: Sequence[Mark]) -> tuple[str, ...]:
    """A note on what is unscored in a chart, if anything is."""
    count = sum(mark.unscored for mark in marks)
    if not count or not any(mark.n for mark in marks):
        return ()
    worst = max(mark.unscored / (mark.unscored + mark.n) for mark in marks if mark.unscored)
    outputs = "1 output is" if count == 1 else f"{count:,} outputs are"
    return (f"{outputs} unscored and left out, at most {100 * worst:.1f} % of a cell; results.csv counts them.",)
