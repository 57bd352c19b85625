"""Blocks: all outputs of a page as compressed pieces, which its script reads one by one, when they are looked at.

A block is gzipped JSON in base64: no character of an answer stands in the page as itself. An index, a block too, has
what the filters need, so that none of the texts is read to find the answers that were wrong in one language.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babeltune.report.results import Results

SIZE = 400_000
"""Characters of text from which on a block is full: about what a browser reads in ten milliseconds."""
_SNIPPET = 90
"""Characters of an item that its line in the list shows."""
_LEVEL = 5
"""Of gzip: above it, twice the time for a fiftieth of the size."""
RIGHT, WRONG, BETWEEN, UNSCORED, NOTHING = "10~-."
"""What an answer's mark is: its metric's best value, its worst, one between, no value, or no such metric."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """What stands in the page."""

    index: str
    """The block with what the filters need."""
    texts: tuple[str, ...]
    """The others, in the order of the index."""


def blocks(results: Results) -> Blocks:
    """The outputs of a study, those to one prompt together."""
    groups: dict[tuple[str, ...], dict[tuple[str, str], list[Mapping[str, Any]]]] = {}
    for item in results.items:
        group = groups.setdefault(tuple(item[name] for name in ("model", "task", "prompting", "language")), {})
        group.setdefault((item["item"], item["prompt"]), []).append(item)
    mains = _mains(results)
    spans = {row["metric"]: (float(row.get("least", 0.0)), float(row.get("top", 1.0))) for row in results.rows}
    order = {mix: at for at, mix in enumerate(("base", *results.mixes))}
    mixes = sorted(dict.fromkeys(item["mix"] for item in results.items), key=lambda mix: order.get(mix, len(order)))
    places = {mix: at for at, mix in enumerate(mixes)}
    index: dict[str, Any] = {
        "mixes": mixes,
        "groups": [],
        "items": [],
        "snippets": [],
        "answers": [],
        "marks": [],
        "firsts": [],
    }
    texts: list[str] = []
    waiting: list[Any] = []
    size = 0

    def close() -> None:
        nonlocal waiting, size
        if waiting:
            texts.append(packed(waiting))
            waiting, size = [], 0

    for key, entries in groups.items():
        close()  # a block is of one group
        index["groups"].append([*key, len(index["items"]), len(entries)])
        for (name, _), outputs in entries.items():
            if size > SIZE:
                close()
            if not waiting:
                index["firsts"].append(len(index["items"]))
            outputs.sort(
                key=lambda one: (order.get(one["mix"], len(order)), one["mix"], one["tuning_seed"], one["seed"])
            )
            shown = [(one, _shown(mains.get(key[:2], ""), one)) for one in outputs]
            first = outputs[0]
            index["items"].append(name)
            index["snippets"].append(" ".join(str(first["subject"])[: 2 * _SNIPPET].split())[:_SNIPPET])
            index["answers"].append([places[one["mix"]] for one in outputs])
            index["marks"].append("".join(_mark(one, metric, spans) for one, metric in shown))
            waiting.append(
                [
                    first["subject"],
                    first["prompt"],
                    first["references"],
                    [_answer(one, metric) for one, metric in shown],
                ]
            )
            size += len(first["prompt"]) + sum(len(one["response"]) for one in outputs)
    close()
    return Blocks(packed(index), tuple(texts))


def packed(value: object) -> str:
    """A value as a block. Half of a character, which UTF-8 cannot hold, is an escape in its JSON."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return base64.b64encode(gzip.compress(text, _LEVEL, mtime=0)).decode()


def unpacked(block: str) -> Any:
    """The value of a block."""
    return json.loads(gzip.decompress(base64.b64decode(block)))


def _mains(results: Results) -> dict[tuple[str, ...], str]:
    """(model, task) -> its main metric: that of its first row."""
    mains: dict[tuple[str, ...], str] = {}
    for row in results.rows:
        mains.setdefault((row["model"], row["task"]), row["metric"])
    return mains


def _answer(item: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """One output; what is not there is left out."""
    found = {
        "mix": item["mix"],
        "tuned": item["tuning_seed"],
        "seed": item["seed"],
        "text": item["response"],
        "metric": metric,
        "values": item["values"],
        "notes": {name: text for name, text in item["notes"].items() if not name.startswith("reasoning")},
        "finish": item["finish"],
        "unscored": item["unscored"],
        "judge": list(_judged(item)),
        "lines": item.get("lines") or (),
    }
    return {name: value for name, value in found.items() if value not in ((), [], {}, "")} | {"text": item["response"]}


def _judged(item: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """What the judge said of an answer, in words for the page; nothing where it was not to be judged."""
    for ending, as_ in (("", ""), ("-translated", ", translated")):
        name, notes = f"helpfulness{ending}", item["notes"]
        state = notes.get(f"judge{as_}")
        if state is None:
            continue
        scores = (item["values"].get(f"helpfulness{middle}{ending}") for middle in ("-raw", ""))
        raw, counted = (None if score is None else f"{score:.0f}" for score in scores)
        mark = f"{raw} of 6" if raw else item["unscored"].get(name) or state
        if counted and counted != raw:
            mark = f"{f'{raw} of 6, ' if raw else ''}counts as {counted}: in another language"
        yield {"how": as_.removeprefix(", "), "mark": mark, "why": notes.get(f"reasoning{as_}", "")}


def _shown(main: str, item: Mapping[str, Any]) -> str:
    """The metric that an answer's mark, right or wrong, is of: the main one, or what of it a single answer has."""
    there: Iterable[str] = (*item["values"], *item["unscored"])
    if not main.startswith("helpfulness") and main in there:
        return main
    return "agreement" if "agreement" in there else main


def _mark(item: Mapping[str, Any], metric: str, spans: Mapping[str, Sequence[float]]) -> str:
    value = item["values"].get(metric)
    if value is None:
        return UNSCORED if item["unscored"] else NOTHING
    least, top = spans.get(metric, (0.0, 1.0))
    return RIGHT if value >= top else WRONG if value <= least else BETWEEN
