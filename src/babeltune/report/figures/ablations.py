"""Figure 18: is it the number of languages, or that of chats (paper, appendix H)?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from babeltune.errors import NotDrawnError
from babeltune.report.figures import cells, palette
from babeltune.report.figures.chart import Chart, Line, LinePanel, Mark, mark
from babeltune.report.results import Board, Results, called

_NEAR = 0.02
"""Budgets that differ by so little are one: 400 over three languages is 399 (authors' code)."""
_FRAME = 7
"""Lines of a frame; more are spread over several."""


def fixed_budget(results: Results, model: str) -> Chart:
    """Figure 18a: the score against the number of languages that share one number of chats, a line a language."""
    board, panels = cells.dialogue(results, model), []
    for budget, mixes in _budgets(results, _asked(results, model, board)):
        counts = {mix: len(results.mixes[mix]) for mix in mixes}
        title = f"{budget:,} chats in other languages than {_main(results)}"
        panels += _panels(results, model, board, counts, title, "Number of languages in the mix", growing=False)
    if not panels:
        raise NotDrawnError(
            "needs mixes of several numbers of languages that share one number of chats in other languages "
            f"(`multi-2: {{multi: 2, budget: 400}}` …); {model} was tuned on none such"
        )
    return _chart(results, model, board, "the number of languages grows and the number of their chats stays", panels)


def fixed_languages(results: Results, model: str) -> Chart:
    """Figure 18b: the score against the number of chats in the same other languages, a line a language."""
    board, panels = cells.dialogue(results, model), []
    for held, mixes in _sets(results, _asked(results, model, board)):
        counts = {mix: _others(results, mix) for mix in mixes}
        names = ", ".join(called(code) for code in held)
        title = f"{len(held)} languages: {names}"
        panels += _panels(
            results, model, board, counts, title, f"Chats in other languages than {_main(results)}", growing=True
        )
    if not panels:
        raise NotDrawnError(
            "needs mixes of the same languages with several numbers of chats (`multi-3-n50: {multi: 3, each: 50}` …); "
            f"{model} was tuned on none such"
        )
    return _chart(results, model, board, "the number of chats grows and their languages stay", panels)


def _main(results: Results) -> str:
    """Name of the language that gives place to the others: the one that every mix holds."""
    common = set.intersection(*(set(held) for held in results.mixes.values() if held))
    return called("en" if "en" in common or not common else sorted(common)[0])


def _others(results: Results, mix: str) -> int:
    """Chats of a mix in other languages than its largest one."""
    held = results.mixes[mix]
    return sum(held.values()) - max(held.values())


def _asked(results: Results, model: str, board: Board) -> list[str]:
    """Mixes that have a row in a table."""
    there = {mix for mix, _ in results.of(model, board)}
    return [mix for mix in results.mix_names(model) if mix in there]


def _tuned(results: Results, asked: Sequence[str]) -> dict[bool, list[str]]:
    """Of these mixes the native ones and the translated ones; none of one language, nor of unknown makeup."""
    mixes = [mix for mix in asked if len(results.mixes.get(mix, {})) > 1]
    return {kind: [mix for mix in mixes if (mix in results.twins) == kind] for kind in (False, True)}


def _start(results: Results, asked: Sequence[str]) -> list[str]:
    """The mix of one language, where both figures start."""
    return [mix for mix in asked if len(results.mixes.get(mix, {})) == 1][:1]


def _budgets(results: Results, asked: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """(chats, mixes by number of languages) of each budget that at least two numbers of languages share."""
    for mixes in _tuned(results, asked).values():
        left = sorted(mixes, key=lambda mix: -_others(results, mix))
        while left:
            budget = _others(results, left[0])
            group = [mix for mix in left if _others(results, mix) >= (1 - _NEAR) * budget]
            left = [mix for mix in left if mix not in group]
            by_number = {len(results.mixes[mix]): mix for mix in reversed(group)}
            if len(by_number) > 1:
                yield budget, [*_start(results, asked), *(by_number[number] for number in sorted(by_number))]


def _sets(results: Results, asked: Sequence[str]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """(languages, mixes by number of chats) of each set of languages with at least two numbers of chats."""
    for mixes in _tuned(results, asked).values():
        groups: dict[frozenset[str], list[str]] = {}
        for mix in mixes:
            groups.setdefault(frozenset(results.mixes[mix]), []).append(mix)
        for group in groups.values():
            by_number = {_others(results, mix): mix for mix in reversed(group)}
            if len(by_number) > 1:
                yield tuple(results.mixes[group[0]]), [
                    *_start(results, asked), *(by_number[number] for number in sorted(by_number)),
                ]  # fmt: skip


def _panels(
    results: Results, model: str, board: Board, counts: dict[str, int], title: str, axis: str, *, growing: bool
) -> list[LinePanel]:
    rows, codes = results.of(model, board), results.languages(model, board)
    shades = dict(zip(codes, palette.steps(len(codes)), strict=True))
    lines = []
    for code in codes:
        marks: list[Mark] = [
            mark(rows[mix, code], zero_shot=cells.zero_shot(results, mix, code), at=float(count))
            for mix, count in counts.items()
            if (mix, code) in rows
        ]
        lines.append(Line(f"{called(code)} ({code})", shades[code], tuple(marks)))
    # A language that was asked of one mix alone has no line.
    lines = [line for line in lines if len(line.marks) > 1]
    places = tuple(float(count) for count in sorted(set(counts.values())))
    frames = [lines[at : at + _FRAME] for at in range(0, len(lines), _FRAME)]
    return [LinePanel(title if at == 0 else "", axis, tuple(some), places, growing) for at, some in enumerate(frames)]


def _chart(results: Results, model: str, board: Board, said: str, panels: Sequence[LinePanel]) -> Chart:
    marks = [mark for panel in panels for line in panel.lines for mark in line.marks]
    sentences = (
        f"{cells.measured(results, board, model)}, as {said}.",
        "Triangles that point down: the mix lacks the language (0-shot); up: it holds it (supervised).",
    )
    return cells.chart(model, board, sentences, marks, lines=tuple(panels))
