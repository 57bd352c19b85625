"""Supply: what the mixes of a study ask for, and whether the chats suffice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from babeltune.data import identify, label, mixes, sources
from babeltune.data.makeup import Makeup, Mixing
from babeltune.data.sources import Source
from babeltune.errors import ChatsError, ModelError, Problem
from babeltune.languages import LANGUAGES
from babeltune.study.artefacts import read_labelled
from babeltune.study.plan import label_step
from babeltune.study.spec import MixSpec, MultiMix, Name, WithoutMix, as_mixes, makeup_of
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
    if mixing is None:
        return made
    for name, raw in asked.items() if isinstance(asked, dict) else ():
        try:
            TypeAdapter(MixSpec).validate_python(raw)
            made[str(name)] = makeup_of(str(name), fragment(MixSpec, raw), mixing)
        except ValidationError:
            continue
        except ValueError as error:
            what, _, fix = str(error).partition(". ")
            problems.append(Problem(f"mixes.{name}", what, f"{fix.rstrip('.')}.", parsed.line("mixes", str(name))))
    return made


@dataclass(frozen=True)
class Known:
    """What is known of the labelled chats: how many are usable, and on demand all of them."""

    counts: Mapping[str, int]
    total: int
    """Chats, usable or not."""
    load: Callable[[], label.Labelled]


def labelled(
    parsed: Parsed,
    runs: Path,
    source: Source,
    chats: str,
    identifier: str,
    problems: list[Problem],
    *,
    skip_bad_rows: bool,
) -> Known | None:
    """From an earlier run's record, so that a finished study is opened at once; else by labelling them now."""
    spec, name = label_spec(parsed), fragment(Name, parsed.raw.get("study"))
    if spec is None:
        return None
    if name is not None:
        step, store = label_step(chats, identifier, spec), Store(runs / name)
        if step.key in store.done((step,)):
            facts = store.facts(step)
            total = sum(facts["counts"].values()) + sum(facts["dropped"].values())
            return Known(dict(facts["counts"]), total, lambda: read_labelled(store.open(step)))
    try:
        read = sources.read_chats(source, skip_bad_rows=skip_bad_rows)
        done = label.label(read.chats, identify.identifier(spec.identifier), spec.threshold, spec.protocol)
    except ChatsError as error:
        problems += error.problems
        return None
    except ModelError as error:
        what, _, fix = str(error).partition(". ")
        problems.append(Problem("label.identifier", what, fix, parsed.line("label", "identifier")))
        return None
    return Known(done.counts(), len(done.chats) + len(done.dropped), lambda: done)


def shortages(parsed: Parsed, makeups: Mapping[str, Makeup], known: Known, problems: list[Problem]) -> None:
    """One problem for each language and number that is short, with what would fit."""
    short: dict[tuple[str, int], list[str]] = {}
    for name, makeup in makeups.items():
        for code, (n, _) in mixes.shortages(makeup.counts, known.counts).items():
            short.setdefault((code, n), []).append(name)
    if not short:
        return
    labelled, spec = known.load(), label_spec(parsed)
    at = f" at the confidence of {spec.threshold:g}" if spec else ""
    for (code, n), names in short.items():
        there = known.counts.get(code, 0)
        fixes = [_fitting(parsed, names[0], code, n, there)] if there else []
        threshold = label.fitting_threshold(n, code, labelled)
        if threshold is not None:
            fixes.append(f"set label.threshold: {threshold:g}")
        fixes += ["add chats"] if there else ["add chats in it", "take it out"]
        also = f" (also in {', '.join(names[1:])})" if names[1:] else ""
        what = f"{n} {LANGUAGES[code].name} chats asked{also}, {there} usable{at}"
        fix = ", or ".join(fixes)
        line = parsed.line("mixes", names[0], code)
        problems.append(Problem(f"mixes.{names[0]}.{code}", what, f"{fix[0].upper()}{fix[1:]}.", line))


def _fitting(parsed: Parsed, name: str, code: str, n: int, there: int) -> str:
    """The setting that asks for no more than there is."""
    given = as_mixes(parsed.raw["mixes"])
    spec = fragment(MixSpec, given[name]) if isinstance(given, dict) else None
    mixing: Mixing = fragment(Mixing, parsed.raw.get("mixing") or {})
    if isinstance(spec, dict) and all(isinstance(value, int) for value in spec.values()):
        return f"ask for at most {there}"
    if code == mixing.main or isinstance(spec, dict):
        return f"set mixing.size: {mixing.size - n + there if code == mixing.main else int(mixing.size * there / n)}"
    if isinstance(spec, MultiMix) and spec.budget:
        return f"set budget: {there * (spec.multi - 1)}"
    own = isinstance(spec, MultiMix | WithoutMix) and spec.each
    return f"set {'each' if own else 'mixing.each'}: {there}"
