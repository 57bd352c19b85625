"""Judge and translator: whether they can be asked, found before anything is loaded or paid for."""

from __future__ import annotations

from babeltune.errors import Problem, StudyError
from babeltune.study.checks.models import locate
from babeltune.study.checks.notes import Notes
from babeltune.study.models import Located
from babeltune.study.plan import Plan
from babeltune.study.serving import endpoint
from babeltune.study.spec.served import JudgeSpec, ServedSpec, TranslatorSpec
from babeltune.study.spec.study import ModelSpec
from babeltune.study.spec.studyfile import fragment
from babeltune.study.step import JUDGED_TASK, Step


def located(found: dict[str, Located], notes: Notes) -> None:
    """Add the models of judge and translator that run here."""
    for role, kind in (("judge", JudgeSpec), ("translator", TranslatorSpec)):
        spec: ServedSpec | None = fragment(kind, notes.parsed.raw.get(role))
        if spec is not None and spec.engine != "endpoint" and spec.model not in found:
            locate(ModelSpec(id=spec.model, revision=spec.revision), found, notes, role, "model")


def check_judge(notes: Notes) -> None:
    """What does not go together: a judge without dialogue, one that reads translations which nobody makes."""
    judge = fragment(JudgeSpec, notes.parsed.raw.get("judge"))
    listed = notes.parsed.raw.get("tasks")
    if judge is None:
        return
    dialogue = listed.get(JUDGED_TASK) if isinstance(listed, dict) else None
    if isinstance(listed, dict) and dialogue is None:
        what = f"there is a judge, but no task that it judges ({JUDGED_TASK})"
        notes.problem(what, f"Add tasks.{JUDGED_TASK}, or leave it out.", "judge")
    if "translated" in judge.readings:
        if "translator" not in notes.parsed.raw:
            what = "'translated' needs someone who translates the answers"
            notes.problem(what, "Add translator: {model: …}.", "judge", "readings")
        languages = dialogue.get("languages") if isinstance(dialogue, dict) else None
        if isinstance(languages, list) and "en" not in languages:
            what = f"'translated' is judged beside the English prompts, and tasks.{JUDGED_TASK} has none"
            notes.problem(what, f"Add en to tasks.{JUDGED_TASK}.languages.", "judge", "readings")


def unreachable(plan: Plan, to_come: tuple[Step, ...], notes: Notes) -> None:
    """What keeps servers from being asked that are to be asked in ``to_come``: a key, an address."""
    asked = {step.role for step in to_come}
    for role, spec in plan.study.roles.items():
        if spec.engine == "endpoint" and role in asked:
            for one in endpoint(spec).problems():
                notes.problem(one.what, one.fix, role, one.where)


def check_cost(plan: Plan, most_cost: float | None) -> None:
    """Refuse a cap that cannot be kept.

    Raises:
        StudyError: nobody is asked for money, or a model has no price.
    """
    if most_cost is None:
        return
    servers = {role: spec for role, spec in plan.study.roles.items() if spec.engine == "endpoint"}
    problems = [
        Problem(
            f"prices.{spec.model}",
            f"--max-cost is given, and the price of the {role}'s model is not",
            f"Add prices: {{{spec.model}: {{input: …, output: …}}}} [dollars per million tokens].",
        )
        for role, spec in servers.items()
        if spec.model not in plan.study.prices
    ]
    if not servers:
        problems = [Problem("--max-cost", "this study asks no server", "Leave it out.")]
    if problems:
        raise StudyError(f"study {plan.study.study}", problems)
