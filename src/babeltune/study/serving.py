"""Serving: whether judge and translator can be asked, found before anything is loaded or paid for."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING

from babeltune.data import twin
from babeltune.data.makeup import Makeup, Mixing
from babeltune.errors import BabeltuneError, MixError, Problem, StudyError
from babeltune.generate.prices import Price
from babeltune.study import models
from babeltune.study.plan import Plan
from babeltune.study.served import JudgeSpec, ServedSpec, TranslatorSpec
from babeltune.study.spec import ModelSpec, Study
from babeltune.study.step import JUDGED_TASK, Step
from babeltune.study.studyfile import Parsed, fragment

if TYPE_CHECKING:
    from babeltune.generate.endpoint import Endpoint

_LEAVE = "leave it out"
_ROLES: Mapping[str, type[ServedSpec]] = {"judge": JudgeSpec, "translator": TranslatorSpec}


def endpoint(spec: ServedSpec) -> Endpoint:
    """The server of a judge or translator, and how it is asked."""
    from babeltune.generate.endpoint import Endpoint  # brings much that a study without a server has no use for

    return Endpoint(
        model=spec.model,
        base_url=spec.base_url,
        key_variable=spec.key_variable,
        concurrency=spec.concurrency,
        requests_per_minute=spec.requests_per_minute,
        tokens_per_minute=spec.tokens_per_minute,
        timeout=spec.timeout,
        tries=spec.tries,
    )


def prices(study: Study) -> dict[str, Price]:
    """Model -> its price, as the study file has them."""
    return {name: Price(**one.model_dump()) for name, one in study.prices.items()}


def roles(study: Study) -> dict[str, ServedSpec]:
    """``judge`` and ``translator``, as far as the study has them."""
    found = {"judge": study.judge, "translator": study.translator}
    return {name: spec for name, spec in found.items() if spec is not None}


def role_of(step: Step) -> str:
    """Who is asked in a step that asks."""
    return "judge" if step.kind == "judge" else "translator"


def specs(parsed: Parsed) -> dict[str, ServedSpec]:
    """The same of a study file of which other parts may be wrong."""
    found = {}
    for name, kind in _ROLES.items():
        spec: ServedSpec | None = fragment(kind, parsed.raw[name]) if name in parsed.raw else None
        if spec is not None:
            found[name] = spec
    return found


def check(parsed: Parsed, makeups: Mapping[str, Makeup], problems: list[Problem]) -> None:
    """What does not go together: a judge without dialogue, translations without a translator."""
    there = specs(parsed)
    judge = there.get("judge")
    listed = parsed.raw.get("tasks")
    dialogue = listed.get(JUDGED_TASK) if isinstance(listed, dict) else None
    if judge is not None and isinstance(listed, dict) and dialogue is None:
        what = f"there is a judge, but no task that it judges ({JUDGED_TASK})"
        problems.append(Problem("judge", what, f"Add tasks.{JUDGED_TASK}, or {_LEAVE}.", parsed.line("judge")))
    if isinstance(judge, JudgeSpec) and "translated" in judge.readings:
        where, line = "judge.readings", parsed.line("judge", "readings")
        if "translator" not in parsed.raw:
            what = "'translated' needs someone who translates the answers"
            problems.append(Problem(where, what, "Add translator: {model: …}.", line))
        languages = dialogue.get("languages") if isinstance(dialogue, dict) else None
        if isinstance(languages, list) and "en" not in languages:
            what = f"'translated' is judged beside the English prompts, and tasks.{JUDGED_TASK} has none"
            problems.append(Problem(where, what, f"Add en to tasks.{JUDGED_TASK}.languages.", line))
    mixing: Mixing | None = fragment(Mixing, parsed.raw.get("mixing") or {})
    asked = parsed.raw.get("mixes")
    for name, makeup in makeups.items():
        if makeup.of is None or mixing is None:
            continue
        where, line = f"mixes.{name}", parsed.line("mixes", name)
        if "translator" not in parsed.raw:
            problems.append(
                Problem(where, "its chats are to be translated", "Add translator: {model: …}.", line)
            )  # fmt: skip
        of = makeups.get(makeup.of)
        if of is None and not (isinstance(asked, dict | list) and makeup.of in asked):
            known = ", ".join(other for other, one in makeups.items() if one.of is None) or "none"
            what = f"it is to be the twin of '{makeup.of}', which is no mix of this study"
            problems.append(Problem(f"{where}.of", what, f"Add that mix, or name one of: {known}.", line))
            continue
        if of is not None and of.of is not None:
            what = f"'{makeup.of}' is a twin itself"
            problems.append(Problem(f"{where}.of", what, "Name a mix of native chats.", line))
        elif of is not None and (of.everything or list(of.counts) != [mixing.main]):
            what = f"'{makeup.of}' does not hold chats in '{mixing.main}' alone"
            problems.append(Problem(f"{where}.of", what, "Name one that does, such as mono.", line))
        try:
            twin.blocks(makeup, mixing)
        except MixError as error:
            what, _, fix = str(error).partition(". ")
            problems.append(Problem(where, what, fix, line))


def locate(
    parsed: Parsed,
    located: dict[str, models.Located],
    problems: list[Problem],
    downloads: list[Problem],
    *,
    download: bool,
    not_cached: str,
    fix: str,
) -> None:
    """Find the models of judge and translator that run here."""
    for name, spec in specs(parsed).items():
        if spec.engine == "endpoint" or spec.model in located:
            continue
        where, line = f"{name}.model", parsed.line(name, "model")
        try:
            located[spec.model] = models.locate(ModelSpec(id=spec.model, revision=spec.revision), download=download)
            if need := located[spec.model].download:
                downloads.append(Problem(where, f"{not_cached}{need}", fix, line))
        except BabeltuneError as error:
            what, _, said = str(error).partition(". ")
            problems.append(Problem(where, what, f"{said.rstrip('.')}.", line))


def packages(parsed: Parsed, problems: list[Problem]) -> None:
    """What judge and translator need and is not installed."""
    for name, spec in specs(parsed).items():
        if spec.engine == "vllm" and importlib.util.find_spec("vllm") is None:
            what = "'vllm' needs the package vllm, which is not installed"
            problems.append(
                Problem(f"{name}.engine", what, 'Run: pip install "babeltune[vllm]".', parsed.line(name, "engine"))
            )


def unreachable(parsed: Parsed, study: Study, to_come: tuple[Step, ...], problems: list[Problem]) -> None:
    """What keeps servers from being asked that are to be asked in ``to_come``: a key, an address."""
    asked = {role_of(step) for step in to_come if step.asks}
    for name, spec in roles(study).items():
        if spec.engine == "endpoint" and name in asked:
            problems += [
                Problem(f"{name}.{one.where}", one.what, one.fix, parsed.line(name))
                for one in endpoint(spec).problems()
            ]


def check_cost(plan: Plan, most_cost: float | None) -> None:
    """Refuse a cap that cannot be kept.

    Raises:
        StudyError: nobody is asked for money, or a model has no price.
    """
    if most_cost is None:
        return
    servers = {name: spec for name, spec in roles(plan.study).items() if spec.engine == "endpoint"}
    problems = [
        Problem(
            f"prices.{spec.model}",
            f"--max-cost is given, and the price of the {name}'s model is not",
            f"Add prices: {{{spec.model}: {{input: …, output: …}}}} [dollars per million tokens].",
        )
        for name, spec in servers.items()
        if spec.model not in plan.study.prices
    ]
    if not servers:
        problems = [Problem("--max-cost", "this study asks no server", "Leave it out.")]
    if problems:
        raise StudyError(f"study {plan.study.study}", problems)
