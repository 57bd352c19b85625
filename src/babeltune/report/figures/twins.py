"""Figures 7 and 19: native mixes beside their translated twins: is it the languages, or what the chats ask for?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from babeltune.errors import NotDrawnError
from babeltune.languages import LANGUAGES
from babeltune.report.figures import cells
from babeltune.report.figures.chart import Chart, Series
from babeltune.report.results import Results

_ALL = 8
"""Languages that one figure holds; of more the high-resource ones are in Figure 7, the others in Figure 19."""


def pairs(results: Results, model: str) -> dict[str, str]:
    """Native mix -> its translated twin, of those that the model was tuned on.

    Raises:
        NotDrawnError: there is no such pair.
    """
    mixes = results.mix_names(model)
    found: dict[str, str] = {}
    for mix in mixes:
        native = cells.counterpart(results, mix, mixes) if mix in results.twins else None
        # Of several twins in the same languages, as with 50 and with 200 chats of each, the one of the very counts.
        if native and (native not in found or dict(results.mixes[mix]) == dict(results.mixes[native])):
            found[native] = mix
    if not found:
        raise NotDrawnError(
            f"needs mixes and their translated twins (`multi-2:` and `twin-2: {{translated: 2}}`); {model} has no such pair"
        )
    return found


def subset(results: Results, model: str, codes: list[str]) -> list[str]:
    """Languages of Figure 7: all of a few; of many English and those of high resource in the model's pretraining data.

    The paper's text does not name its subset. Where nothing is known of the model, the tiers are Llama 2's.
    """
    if len(codes) <= _ALL:
        return codes
    known = results.exposure.get(model, {})
    tiers = {code: known[code].tier if code in known else LANGUAGES[code].tier for code in codes}
    high = [code for code in codes if code == "en" or tiers[code] == "high"]
    return high if 0 < len(high) < len(codes) else codes[:_ALL]


def compared(results: Results, model: str) -> Chart:
    """Figure 7: in the languages of the subset."""
    return _chart(results, model, lambda codes: subset(results, model, codes), "")


def remaining(results: Results, model: str) -> Chart:
    """Figure 19: in the remaining languages."""

    def rest(codes: list[str]) -> list[str]:
        first = subset(results, model, codes)
        return [code for code in codes if code not in first]

    return _chart(results, model, rest, "The remaining languages of Figure 7.")


def _chart(results: Results, model: str, chosen: Callable[[list[str]], list[str]], which: str) -> Chart:
    board = cells.dialogue(results, model)
    rows = results.of(model, board)
    # Only what can be compared: twins that were asked, in languages in which one was.
    found = {native: twin for native, twin in pairs(results, model).items() if any(mix == twin for mix, _ in rows)}
    mixes = [mix for mix in cells.ladder(results, model) if mix in found or len(results.mixes.get(mix, {})) == 1]
    whole = cells.panel(results, model, board, [*mixes, *found.values()])
    both = [code for code in whole.ticks if any((twin, code) in rows for twin in found.values())]
    codes = chosen(both)
    if not codes:
        raise NotDrawnError("has the languages that Figure 7 has no room for; all of this study are in Figure 7")
    series: list[Series] = []
    for one in cells.series(results, mixes):
        twin = found.get(one.name)
        series.append(one)
        if twin is not None:
            series.append(Series(twin, one.colour, "dotted"))
    there = {key: mark for key, mark in whole.marks.items() if key[1] in codes}
    marks = {key: dataclasses.replace(mark, zero_shot=False) for key, mark in there.items()}
    names = ", ".join(f"{twin} of {native}" for native, twin in found.items())
    said = (
        f"{cells.measured(results, board, model + ' under native and translated mixes')}.",
        which,
        f"Plain: native chats; dotted: the translated twin ({names}).",
    )
    return cells.chart(
        f"{model}, native and translated mixes",
        board,
        said,
        list(marks.values()),
        series=tuple(series),
        panels=(dataclasses.replace(whole, ticks=cells.ticks(codes), marks=marks),),
        dotted="its translated twin",
    )
