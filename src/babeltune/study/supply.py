"""Supply: what the mixes of a study ask for, and whether the chats suffice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from babeltune.data import identify, label, makeup, mixes, sources
from babeltune.data.makeup import Makeup, Mixing
from babeltune.data.overlap import Overlap
from babeltune.data.sources import Source
from babeltune.errors import ChatsError, ModelError, Problem
from babeltune.languages import LANGUAGES
from babeltune.records import Item
from babeltune.study.artefacts import read_labelled
from babeltune.study.plan import label_step
from babeltune.study.spec import MixName, MixSpec, MultiMix, Name, WithoutMix, as_mixes, makeup_of
from babeltune.study.store import Store
from babeltune.study.studyfile import Parsed, fragment, label_spec


def makeups(parsed: Parsed, problems: list[Problem]) -> dict[str, Makeup]:
    """Mix -> what it is to hold; mixes are looked at one by one, so that one that cannot be hides no other."""
    mixing: Mixing | None = fragment(Mixing, parsed.raw.get("mixing") or {})
    try:
        asked = as_mixes(parsed.raw.get("mixes"))
    except ValueError:
        return {}
    made: dict[str, Makeup] = {}
    for name, raw in asked.items() if isinstance(asked, dict) else ():
        try:
            TypeAdapter(MixName).validate_python(name)
            spec: MixSpec = TypeAdapter(MixSpec).validate_python(raw)
            if mixing is not None:
                made[name] = makeup_of(name, spec, mixing)
            elif spec is None:
                makeup.check_name(name, Mixing())
        except ValidationError:
            continue  # listed already
        except ValueError as error:
            what, _, fix = str(error).partition(". ")
            problems.append(Problem(f"mixes.{name}", what, f"{fix.rstrip('.')}.", parsed.line("mixes", name)))
    return made


@dataclass(frozen=True)
class Known:
    """What is known of the labelled chats: how many are usable, and on demand all of them."""

    counts: Mapping[str, int]
    total: int
    """Chats that a mix of every chat holds: usable or not, but for those left out as they hold a test prompt."""
    load: Callable[[], label.Labelled]


def labelled(
    parsed: Parsed,
    runs: Path,
    source: Source,
    fingerprints: tuple[str, str, Mapping[str, str]],
    items: Sequence[Item],
    problems: list[Problem],
    *,
    skip_bad_rows: bool,
) -> Known | None:
    """From an earlier run's record, so that a finished study is opened at once; else by labelling them now.

    ``fingerprints``: of the chats, of the identifier, and of the items.
    """
    spec, name = label_spec(parsed), fragment(Name, parsed.raw.get("study"))
    mixing: Mixing | None = fragment(Mixing, parsed.raw.get("mixing") or {})
    if spec is None or mixing is None:
        return None
    if name is not None:
        chats, lid, hashes = fingerprints
        step, store = label_step(chats, lid, spec, mixing, hashes), Store(runs / name)
        if step.key in store.done((step,)):
            facts = store.facts(step)
            left = sum(n for reason, n in facts["dropped"].items() if reason != label.HELD)
            total = sum(facts["counts"].values()) + left
            return Known(dict(facts["counts"]), total, lambda: read_labelled(store.open(step)))
    try:
        read = sources.read_chats(source, skip_bad_rows=skip_bad_rows)
        identifier = identify.identifier(spec.identifier)
        overlap = Overlap(items) if mixing.overlap == "leave-out" else None
        done = label.label(read.chats, identifier, spec.threshold, spec.protocol, overlap)
    except ChatsError as error:
        problems += error.problems
        return None
    except ModelError as error:
        what, _, fix = str(error).partition(". ")
        problems.append(Problem("label.identifier", what, fix, parsed.line("label", "identifier")))
        return None
    return Known(done.counts(), len(done.chats) + sum(drop.reason != label.HELD for drop in done.dropped), lambda: done)


def shortages(parsed: Parsed, makeups: Mapping[str, Makeup], known: Known, problems: list[Problem]) -> None:
    """One problem for each language and number that is short, with what would fit."""
    short: dict[tuple[str, int], list[str]] = {}
    for name, asked in makeups.items():
        if asked.of is not None:
            continue  # made of another mix's chats
        for code, (n, _) in mixes.shortages(asked.counts, known.counts).items():
            short.setdefault((code, n), []).append(name)
    if not short:
        return
    labelled, spec = known.load(), label_spec(parsed)
    at = f" at the confidence of {spec.threshold:g}" if spec else ""
    for (code, n), names in short.items():
        there = known.counts.get(code, 0)
        fixes = _fitting(parsed, names[0], (code, n, there), known.counts) if there else []
        threshold = label.fitting_threshold(n, code, labelled)
        if threshold is not None:
            fixes.append(f"set label.threshold: {threshold:g}")
        fixes += ["add chats"] if there else ["add chats in it", "take it out"]
        also = f" (also in {', '.join(names[1:])})" if names[1:] else ""
        what = f"{n} {LANGUAGES[code].name} chats asked{also}, {there} usable{at}"
        fix = ", or ".join(fixes)
        line = parsed.line("mixes", names[0], code)
        problems.append(Problem(f"mixes.{names[0]}.{code}", what, f"{fix[0].upper()}{fix[1:]}.", line))


_TRIES = 1000


def _fitting(parsed: Parsed, name: str, short: tuple[str, int, int], available: Mapping[str, int]) -> list[str]:
    """The setting, if one will do, with the largest value under which the mix is short of nothing.

    ``short``: language, chats asked, chats there.
    """
    code, n, there = short
    given = as_mixes(parsed.raw["mixes"])
    spec: MixSpec = TypeAdapter(MixSpec).validate_python(given[name]) if isinstance(given, dict) else None
    mixing: Mixing = fragment(Mixing, parsed.raw.get("mixing") or {})
    if isinstance(spec, dict) and all(isinstance(value, int) for value in spec.values()):
        return [f"ask for at most {there}"]
    settings: list[tuple[str, int, Callable[[int], Makeup]]] = []
    if isinstance(spec, MultiMix) and spec.budget:
        most = min(spec.budget - 1, (there + 1) * (spec.multi - 1))
        settings.append(("budget", most, lambda v: makeup_of(name, spec.model_copy(update={"budget": v}), mixing)))
    elif isinstance(spec, MultiMix | WithoutMix) and spec.each:
        settings.append(("each", there, lambda v: makeup_of(name, spec.model_copy(update={"each": v}), mixing)))
    elif not isinstance(spec, dict):
        settings.append(("mixing.each", there, lambda v: makeup_of(name, spec, dataclasses.replace(mixing, each=v))))
    if code == mixing.main:
        settings.clear()  # fewer of the others would ask for more of the main one
    most = min(mixing.size - 1, max(mixing.size - n + there, mixing.size * (there + 1) // n))
    settings.append(("mixing.size", most, lambda v: makeup_of(name, spec, dataclasses.replace(mixing, size=v))))
    for setting, most, make in settings:
        for value in range(most, max(0, most - _TRIES), -1):
            try:
                if not mixes.shortages(make(value).counts, available):
                    return [f"set {setting}: {value}"]
            except ValueError:
                continue
    return []
