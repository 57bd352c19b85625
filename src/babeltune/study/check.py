"""Everything that can be wrong with a study, found at once and before any model is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from babeltune.data import identify, label, mixes, sources
from babeltune.errors import BabeltuneError, ChatsError, InputError, ModelError, Problem, StudyError
from babeltune.languages import LANGUAGES
from babeltune.measure.tasks.dialogue import Dialogue
from babeltune.records import STOP, Sampling
from babeltune.study import models
from babeltune.study.fingerprint import file_hash
from babeltune.study.plan import Inputs, Plan, Step, make
from babeltune.study.spec import DialogueSpec, LabelSpec, ModelSpec, Name, Study, as_model
from babeltune.study.store import Store
from babeltune.study.studyfile import Parsed, parse


@dataclass(frozen=True)
class Opened:
    """A study that may be run."""

    plan: Plan
    store: Store
    located: Mapping[str, models.Located]
    """Model id -> where it is."""
    skip_bad_rows: bool


def open_study(path: Path, runs: Path, *, skip_bad_rows: bool = False, download: bool = False) -> Opened:
    """Read and check a study file and all that it names.

    Raises:
        StudyError: with every problem of the file, its models, its chats and its items.
    """
    parsed = parse(path)
    problems = list(parsed.problems)
    located = _models(parsed, problems, download=download)
    _clashes(parsed, problems)
    identifier = _identifier(parsed, problems)
    chats = _chats(parsed, problems)
    items = _items(parsed, problems)
    if chats and identifier:
        done = _label_counts(parsed, runs, chats, identifier)
        counts = done if done is not None else _count(parsed, problems, skip_bad_rows=skip_bad_rows)
        if counts is not None:
            _shortages(parsed, counts, problems)
    if parsed.study is not None and not problems:
        inputs = Inputs(
            chats or "",
            identifier or "",
            {model: found.fingerprint for model, found in located.items()},
            {("dialogue", code): found[0] for code, found in items.items()},
            {("dialogue", code): found[1] for code, found in items.items()},
        )
        plan = make(parsed.study, inputs)
        if len(plan.by_key) == len(plan.steps):
            return Opened(plan, Store(runs / parsed.study.study), located, skip_bad_rows)
        what = "two cells would have the same name (a model's name and a mix's together read as another pair's)"
        problems.append(Problem("mixes", what, "Rename a mix.", parsed.line("mixes")))
    problems.sort(key=lambda problem: problem.line or 0)
    raise StudyError(str(path), problems)


def dialogue(study: Study) -> Dialogue:
    """The dialogue task as the study sets it."""
    spec = study.tasks.dialogue
    sampling = Sampling(study.sampling.temperature, study.sampling.top_p, study.sampling.max_tokens, STOP)
    return Dialogue(_item_folder(spec), spec.split, identify.identifier(study.label.identifier), sampling)


def _item_folder(spec: DialogueSpec) -> Path:
    return sources.POCKET / "dialogue" if spec.prompts == "pocket" else Path(spec.prompts)


def _fragment(kind: Any, raw: object) -> Any:
    """A part of the file by itself, or None where that part has problems of its own (they are listed already)."""
    try:
        return TypeAdapter(kind).validate_python(raw)
    except ValidationError:
        return None


def _models(parsed: Parsed, problems: list[Problem], *, download: bool) -> dict[str, models.Located]:
    found: dict[str, models.Located] = {}
    names: dict[str, str] = {}
    listed = parsed.raw.get("models")
    for index, raw in enumerate(listed if isinstance(listed, list) else []):
        spec: ModelSpec | None = _fragment(ModelSpec, as_model(raw))
        if spec is None:
            continue
        line = parsed.line("models", index)
        if spec.name in names:
            problems.append(
                Problem(
                    f"models[{index}]",
                    f"'{spec.id}' has the same name as '{names[spec.name]}'",
                    "Keep one of them.",
                    line,
                )
            )
            continue
        names[spec.name] = spec.id
        try:
            found[spec.id] = models.locate(spec, download=download)
        except BabeltuneError as error:
            what, _, fix = str(error).partition(". ")
            problems.append(Problem(f"models[{index}]", what, f"{fix.rstrip('.')}.", line))
    return found


def _clashes(parsed: Parsed, problems: list[Problem]) -> None:
    """Two pairs of model and mix whose names read the same when joined (``a`` + ``b-c``, ``a-b`` + ``c``)."""
    listed, asked = parsed.raw.get("models"), parsed.raw.get("mixes")
    specs = [_fragment(ModelSpec, as_model(raw)) for raw in (listed if isinstance(listed, list) else [])]
    seen: dict[str, str] = {}
    for name in dict.fromkeys(spec.name for spec in specs if spec is not None):
        for mix in asked if isinstance(asked, dict) else ():
            first = seen.setdefault(f"{name}-{mix}", name)
            if first != name:
                what = f"with the model '{name}' it reads like another mix with the model '{first}' ('{name}-{mix}')"
                problems.append(Problem(f"mixes.{mix}", what, "Give it another name.", parsed.line("mixes", mix)))


def _label_spec(parsed: Parsed) -> LabelSpec | None:
    spec: LabelSpec | None = _fragment(LabelSpec, parsed.raw.get("label") or {})
    return spec


def _identifier(parsed: Parsed, problems: list[Problem]) -> str | None:
    spec = _label_spec(parsed)
    if spec is None:
        return None
    path = identify.lid176_path() if spec.identifier == "lid176" else Path(spec.identifier)
    if not path.is_file():
        fix = "Give 'lid176' or the path of a fastText model file."
        problems.append(
            Problem(
                "label.identifier", f"there is no file '{spec.identifier}'", fix, parsed.line("label", "identifier")
            )
        )
        return None
    return file_hash(path)


def _chats(parsed: Parsed, problems: list[Problem]) -> str | None:
    source = parsed.raw.get("chats")
    if not isinstance(source, str) or not source:
        return None
    missing = [file for file in sources.chat_files(source) if not file.is_file()]
    if missing:
        fix = "Give 'pocket' or the path of a JSONL file."
        problems.append(Problem("chats", f"there is no file '{source}'", fix, parsed.line("chats")))
        return None
    return sources.content_hash(sources.chat_files(source))


def _items(parsed: Parsed, problems: list[Problem]) -> dict[str, tuple[str, int]]:
    """Language -> (hash, number) of its items."""
    tasks = parsed.raw.get("tasks")
    raw = tasks.get("dialogue") if isinstance(tasks, dict) else None
    if not isinstance(raw, dict):
        return {}
    # Languages are looked at one by one, so that one mistyped code hides nothing about the others.
    listed = raw.get("languages")
    codes = [code for code in (listed if isinstance(listed, list) else []) if isinstance(code, str)]
    found: dict[str, tuple[str, int]] = {}
    for index, code in enumerate(codes):
        spec: DialogueSpec | None = _fragment(DialogueSpec, {**raw, "languages": [code]})
        if spec is None:
            continue
        line = parsed.line("tasks", "dialogue", "languages", index)
        if code in found:
            problems.append(
                Problem(f"tasks.dialogue.languages[{index}]", f"'{code}' stands twice", "Remove one.", line)
            )
            continue
        task = Dialogue(_item_folder(spec), spec.split, identify.identifier("lid176"), Sampling())
        try:
            items = task.items(code, "xx:xx")
        except InputError as error:
            problems += [Problem(problem.where, problem.what, problem.fix, line) for problem in error.problems]
            continue
        text = json.dumps([[item.id, item.prompt] for item in items], ensure_ascii=False)
        found[code] = hashlib.sha256(text.encode()).hexdigest(), len(items)
    return found


def _label_counts(parsed: Parsed, runs: Path, chats: str, identifier: str) -> dict[str, int] | None:
    """Usable chats per language from an earlier run's record, so that a finished study is opened at once."""
    spec, name = _label_spec(parsed), _fragment(Name, parsed.raw.get("study"))
    if spec is None or name is None:
        return None
    recipe = {"chats": chats, "identifier": identifier, "threshold": spec.threshold}
    step, store = Step("label", "chats", recipe), Store(runs / name)
    return dict(store.facts(step)["counts"]) if step.key in store.done((step,)) else None


def _count(parsed: Parsed, problems: list[Problem], *, skip_bad_rows: bool) -> dict[str, int] | None:
    spec = _label_spec(parsed)
    if spec is None:
        return None
    try:
        read = sources.read_chats(parsed.raw["chats"], skip_bad_rows=skip_bad_rows)
    except ChatsError as error:
        problems += error.problems
        return None
    try:
        return label.label(read.chats, identify.identifier(spec.identifier), spec.threshold).counts()
    except ModelError as error:
        what, _, fix = str(error).partition(". ")
        problems.append(Problem("label.identifier", what, fix, parsed.line("label", "identifier")))
        return None


def _shortages(parsed: Parsed, available: Mapping[str, int], problems: list[Problem]) -> None:
    asked = parsed.raw.get("mixes")
    for name, counts in asked.items() if isinstance(asked, dict) else ():
        if not isinstance(counts, dict):
            continue
        known = {code: n for code, n in counts.items() if code in LANGUAGES and isinstance(n, int) and n > 0}
        for code, (n, there) in mixes.shortages(known, available).items():
            what = f"{n} chats asked, {there} usable in '{parsed.raw.get('chats')}'"
            fix = (
                f"Ask for at most {there}, lower label.threshold, or add chats."
                if there
                else "Add chats in it or take it out."
            )
            problems.append(Problem(f"mixes.{name}.{code}", what, fix, parsed.line("mixes", name, code)))
