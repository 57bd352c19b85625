"""Mixes: what each asks for, whether the chats suffice, and whether a twin has something to be the twin of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from pydantic import ValidationError

from babeltune.data import label, makeup, mixes
from babeltune.data.makeup import Makeup, Mixing
from babeltune.data.translation import twin
from babeltune.errors import MixError
from babeltune.languages import LANGUAGES
from babeltune.study.checks.chats import Known
from babeltune.study.checks.notes import Notes
from babeltune.study.spec.mixes import MixName, MixSpec, MultiMix, WithoutMix, as_mixes, makeup_of
from babeltune.study.spec.study import LabelSpec
from babeltune.study.spec.studyfile import Parsed, adapter

_TRIES = 1000
"""Values that are tried of a setting, until it fits."""


def _given(parsed: Parsed) -> dict[str, object]:
    """Mix -> what the study file says of it."""
    try:
        given = as_mixes(parsed.raw.get("mixes"))
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def makeups(notes: Notes) -> dict[str, Makeup]:
    """Mix -> what it is to hold; mixes are looked at one by one, so that one that cannot be hides no other."""
    mixing = notes.parsed.part(Mixing, "mixing")
    made: dict[str, Makeup] = {}
    for name, raw in _given(notes.parsed).items():
        try:
            adapter(MixName).validate_python(name)
            spec: MixSpec = adapter(MixSpec).validate_python(raw)
            if mixing is not None:
                made[name] = makeup_of(name, spec, mixing)
            elif spec is None:
                makeup.check_name(name, Mixing())
        except ValidationError:
            continue  # listed already
        except ValueError as error:
            notes.refused(error, "mixes", name)
    if mixing is not None:
        for name, one in made.items():
            if one.of is not None:
                _check_twin(name, one.of, made, mixing, notes)
    return made


def _check_twin(name: str, of: str, made: Mapping[str, Makeup], mixing: Mixing, notes: Notes) -> None:
    if "translator" not in notes.parsed.raw:
        notes.problem("its chats are to be translated", "Add translator: {model: …}.", "mixes", name)
    original = made.get(of)
    if original is None and of not in _given(notes.parsed):
        known = ", ".join(other for other, one in made.items() if one.of is None) or "none"
        what = f"it is to be the twin of '{of}', which is no mix of this study"
        notes.problem(what, f"Add that mix, or name one of: {known}.", "mixes", name, "of")
        return
    if original is not None and original.of is not None:
        notes.problem(f"'{of}' is a twin itself", "Name a mix of native chats.", "mixes", name, "of")
    elif original is not None and (original.everything or list(original.counts) != [mixing.main]):
        what = f"'{of}' does not hold chats in '{mixing.main}' alone"
        notes.problem(what, "Name one that does, such as mono.", "mixes", name, "of")
    try:
        twin.blocks(made[name], mixing)
    except MixError as error:
        notes.refused(error, "mixes", name)


def shortages(makeups: Mapping[str, Makeup], known: Known, notes: Notes) -> None:
    """One problem for each language and number that is short, with what would fit."""
    short: dict[tuple[str, int], list[str]] = {}
    for name, asked in makeups.items():
        if asked.of is not None:
            continue  # made of another mix's chats
        for code, (n, _) in mixes.shortages(asked.counts, known.counts).items():
            short.setdefault((code, n), []).append(name)
    if not short:
        return
    labelled, spec = known.load(), notes.parsed.part(LabelSpec, "label")
    at = f" at the confidence of {spec.threshold:g}" if spec else ""
    for (code, n), names in short.items():
        there = known.counts.get(code, 0)
        fixes = _fitting(notes.parsed, names[0], (code, n, there), known.counts) if there else []
        threshold = label.fitting_threshold(n, code, labelled)
        if threshold is not None:
            fixes.append(f"set label.threshold: {threshold:g}")
        fixes += ["add chats"] if there else ["add chats in it", "take it out"]
        also = f" (also in {', '.join(names[1:])})" if names[1:] else ""
        what = f"{n} {LANGUAGES[code].name} chats asked{also}, {there} usable{at}"
        fix = ", or ".join(fixes)
        notes.problem(what, f"{fix[0].upper()}{fix[1:]}.", "mixes", names[0], code)


def _fitting(parsed: Parsed, name: str, short: tuple[str, int, int], available: Mapping[str, int]) -> list[str]:
    """The setting, if one will do, with the largest value under which the mix is short of nothing.

    ``short``: language, chats asked, chats there.
    """
    code, n, there = short
    spec: MixSpec = adapter(MixSpec).validate_python(_given(parsed)[name])
    mixing = parsed.part(Mixing, "mixing")
    assert mixing is not None
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
