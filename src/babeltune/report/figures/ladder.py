"""The ladder: a task's scores as languages are added to the mix (paper, Figures 1 to 6, 12 to 17)."""

from __future__ import annotations

from babeltune.errors import NotDrawnError
from babeltune.report.figures import cells
from babeltune.report.figures.chart import Chart, Panel
from babeltune.report.results import AGREEMENT, Board, Results


def agreement(results: Results, model: str) -> Chart:
    """Language agreement, of dialogue if it was asked."""
    board = results.judged(model)
    if board is None:
        raise NotDrawnError(f"needs {AGREEMENT} under xx:xx (dialogue or simplification); {model} was asked neither")
    return _chart(results, model, [board])


def dialogue(results: Results, model: str) -> Chart:
    """Helpfulness of dialogue; its language agreement where nothing was judged."""
    return _chart(results, model, [cells.dialogue(results, model)])


def task(results: Results, model: str, name: str) -> Chart:
    """The main metric of any other task, a panel a prompting strategy."""
    return _chart(results, model, cells.boards(results, model, name))


def _chart(results: Results, model: str, boards: list[Board]) -> Chart:
    mixes = cells.ladder(results, model)
    several = len(boards) > 1
    panels = tuple(
        cells.panel(results, model, board, mixes, cells.prompted(board.prompting) if several else "")
        for board in boards
    )
    there = {mix for panel in panels for mix, _ in panel.marks}
    marks = [mark for panel in panels for mark in panel.marks.values()]
    panels = _with_english(panels)
    promptings = (
        "Results for both cross-lingual prompting (en:xx) and monolingual prompting (xx:xx), which for English are one."
        if several
        else f"Prompting: {cells.prompted(boards[0].prompting)}."
        if boards[0].prompting != "xx:xx"
        else ""
    )
    said = (
        f"{cells.measured(results, boards[0], model + ' under each mix')}.",
        promptings,
        cells.STRIPES if any(mark.zero_shot for mark in marks) else "",
    )
    return cells.chart(
        model,
        boards[0],
        said,
        marks,
        series=cells.series(results, [mix for mix in mixes if mix in there]),
        panels=panels,
        level=cells.chance(boards[0].task),
        striped=cells.STRIPED,
    )


def _with_english(panels: tuple[Panel, ...]) -> tuple[Panel, ...]:
    """Panels of all promptings with English in each: asked in English it is asked in its own language, so once."""
    own = next((panel for panel in panels if "en" in panel.ticks), None)
    if own is None:
        return panels
    english = {key: mark for key, mark in own.marks.items() if key[1] == "en"}
    return tuple(
        panel
        if "en" in panel.ticks
        else Panel(panel.title, {"en": own.ticks["en"], **panel.ticks}, {**english, **panel.marks})
        for panel in panels
    )
