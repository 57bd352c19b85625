"""Everything that can be wrong with a study, found at once and before any model is loaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from babeltune.data import identify, sources
from babeltune.data.census.shares import read_shares
from babeltune.data.sources import Source
from babeltune.errors import BabeltuneError, InputError, ModelError, Problem, RowsError, StudyError
from babeltune.languages import Corpus, published
from babeltune.records import Item, Prompting, Task
from babeltune.study import models, serving, supply, tasks
from babeltune.study.plan import Inputs, Plan, item_hashes, make
from babeltune.study.spec import (
    TASK_SPECS,
    AnyTaskSpec,
    ModelSpec,
    SamplingSpec,
    as_model,
    as_source,
)
from babeltune.study.store import Store
from babeltune.study.studyfile import Parsed, fragment, label_spec, parse
from babeltune.study.tasks import ItemSet

MayLack = Literal["nothing", "packages", "models", "anything"]
"""What a command does without: packages that are needed on other machines only, models of the hub, anything of it."""


@dataclass(frozen=True)
class Asked:
    """A task and its items in one language and prompting."""

    task: Task
    items: list[Item]


@dataclass(frozen=True)
class Opened:
    """A study that may be run."""

    plan: Plan
    store: Store
    located: Mapping[str, models.Located]
    """Model id -> where it is."""
    skip_bad_rows: bool


def open_study(
    path: Path, runs: Path, *, skip_bad_rows: bool = False, download: bool = False, may_lack: MayLack = "nothing"
) -> Opened:
    """Read and check a study file and all that it names.

    ``download`` fetches what is on the hub and not in the local cache. Without it such a thing is a problem, unless it
    ``may_lack``: then it stands in ``Inputs.downloads``, and what depends on it is not checked.

    Raises:
        StudyError: with every problem of the file, its models, its chats and its items.
    """
    parsed = parse(path)
    problems = list(parsed.problems)
    downloads: list[Problem] = []
    located = _models(parsed, problems, downloads, download=download)
    serving.locate(
        parsed, located, problems, downloads, download=download, not_cached=_NOT_CACHED, fix=_DOWNLOAD
    )  # fmt: skip
    _clashes(parsed, problems)
    exposure = _exposure(parsed, problems)
    if may_lack == "nothing":
        _packages(parsed, problems)
        serving.packages(parsed, problems)
    identifier = _identifier(parsed, problems, downloads, download=download)
    source = _source(parsed)
    chats = _chats(parsed, source, problems, downloads, download=download)
    items, sets = _items(parsed, problems, downloads, download=download)
    makeups = supply.makeups(parsed, problems)
    serving.check(parsed, makeups, problems)
    available: Mapping[str, int] = {}
    chat_count = 0
    sets |= {key: tasks.item_set(asked.task, asked.items) for key, asked in items.items()}
    if source and chats and identifier and not any(need.where in ("chats", "label.identifier") for need in downloads):
        subjects = [item for asked in items.values() for item in asked.items]
        hashes = item_hashes(sets)
        found = supply.labelled(
            parsed, runs, source, (chats, identifier, hashes), subjects, problems, skip_bad_rows=skip_bad_rows
        )
        if found is not None:
            available, chat_count = found.counts, found.total
            supply.shortages(parsed, makeups, found, problems)
    if may_lack != "anything":
        problems += [
            need
            for need in downloads
            if may_lack != "models" or not need.where.startswith(("models", "judge", "translator"))
        ]
    if parsed.study is not None and not problems:
        inputs = Inputs(
            chats or "",
            identifier or "",
            {model: found.fingerprint for model, found in located.items()},
            sets,
            makeups,
            available,
            chat_count,
            tuple(dict.fromkeys(need.what.removeprefix(_NOT_CACHED) for need in downloads)),
            frozenset(model for model, found in located.items() if found.download),
            exposure,
        )
        plan = make(parsed.study, inputs)
        store = Store(runs / parsed.study.study)
        if may_lack in ("nothing", "packages") and serving.roles(parsed.study):
            serving.unreachable(parsed, parsed.study, plan.pending(store.done(plan.steps)), problems)
            if problems:
                raise StudyError(str(path), problems)
        if len(plan.by_key) == len(plan.steps):
            return Opened(plan, store, located, skip_bad_rows)
        what = "two cells would have the same name (a model's name and a mix's together read as another pair's)"
        problems.append(Problem("mixes", what, "Rename a mix.", parsed.line("mixes")))
    problems.sort(key=lambda problem: problem.line or 0)
    raise StudyError(str(path), problems)


def _models(
    parsed: Parsed, problems: list[Problem], downloads: list[Problem], *, download: bool
) -> dict[str, models.Located]:
    found: dict[str, models.Located] = {}
    names: dict[str, str] = {}
    listed = parsed.raw.get("models")
    for index, raw in enumerate(listed if isinstance(listed, list) else []):
        spec: ModelSpec | None = fragment(ModelSpec, as_model(raw))
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
            if need := found[spec.id].download:
                downloads.append(Problem(f"models[{index}]", f"{_NOT_CACHED}{need}", _DOWNLOAD, line))
        except BabeltuneError as error:
            what, _, fix = str(error).partition(". ")
            problems.append(Problem(f"models[{index}]", what, f"{fix.rstrip('.')}.", line))
    return found


def _packages(parsed: Parsed, problems: list[Problem]) -> None:
    """What a study asks for and is not installed: found before the tuning, not after it."""
    for place, value, package, extra in (
        (("engine",), "vllm", "vllm", "vllm"),
        (("recipe", "base_bits"), 4, "bitsandbytes", "quantised"),
        (("recipe", "base_bits"), 8, "bitsandbytes", "quantised"),
    ):
        found: object = parsed.raw
        for key in place:
            found = found.get(key) if isinstance(found, dict) else None
        if found == value and importlib.util.find_spec(package) is None:
            what = f"'{value}' needs the package {package}, which is not installed"
            fix = f'Run: pip install "babeltune[{extra}]".'
            problems.append(Problem(".".join(place), what, fix, parsed.line(*place)))


def _exposure(parsed: Parsed, problems: list[Problem]) -> dict[str, dict[str, float]]:
    """Name of a model -> language -> share of its pretraining data [%], where the study file says what that was."""
    found: dict[str, dict[str, float]] = {}
    listed = parsed.raw.get("models")
    for index, raw in enumerate(listed if isinstance(listed, list) else []):
        spec: ModelSpec | None = fragment(ModelSpec, as_model(raw))
        if spec is None or spec.pretraining is None:
            continue
        if spec.pretraining in get_args(Corpus):
            found[spec.name] = published(cast(Corpus, spec.pretraining))
            continue
        try:
            found[spec.name] = read_shares(Path(spec.pretraining).expanduser())
        except InputError as error:
            line = parsed.line("models", index, "pretraining")
            where = f"models[{index}].pretraining"
            problems += [Problem(where, f"{one.where}: {one.what}", one.fix, line) for one in error.problems]
    return found


def _clashes(parsed: Parsed, problems: list[Problem]) -> None:
    """Two pairs of model and mix whose names read the same when joined (``a`` + ``b-c``, ``a-b`` + ``c``)."""
    listed, asked = parsed.raw.get("models"), parsed.raw.get("mixes")
    specs = [fragment(ModelSpec, as_model(raw)) for raw in (listed if isinstance(listed, list) else [])]
    seen: dict[str, str] = {}
    for name in dict.fromkeys(spec.name for spec in specs if spec is not None):
        for mix in asked if isinstance(asked, dict) else ():
            first = seen.setdefault(f"{name}-{mix}", name)
            if first != name:
                what = f"with the model '{name}' it reads like another mix with the model '{first}' ('{name}-{mix}')"
                problems.append(Problem(f"mixes.{mix}", what, "Give it another name.", parsed.line("mixes", mix)))


_NOT_CACHED = "not in the local cache: "
_DOWNLOAD = "Run once with --download."


def _identifier(parsed: Parsed, problems: list[Problem], downloads: list[Problem], *, download: bool) -> str | None:
    spec = label_spec(parsed)
    if spec is None:
        return None
    line = parsed.line("label", "identifier")
    need = identify.missing(spec.identifier)
    try:
        if need is None or download:
            identify.locate(spec.identifier, download=download)
        else:
            downloads.append(Problem("label.identifier", f"{_NOT_CACHED}identifier {need}", _DOWNLOAD, line))
        return identify.fingerprint(spec.identifier)
    except ModelError as error:
        what, _, fix = str(error).partition(". ")
        problems.append(Problem("label.identifier", what, f"{fix.rstrip('.')}.", line))
        return None


def _source(parsed: Parsed) -> Source | None:
    source: Source | None = fragment(Source, as_source(parsed.raw.get("chats")))
    return source


def _chats(
    parsed: Parsed, source: Source | None, problems: list[Problem], downloads: list[Problem], *, download: bool
) -> str | None:
    if source is None:
        return None
    try:
        if source.hub and download:
            sources.fetch(source, download=True)
        elif sources.missing(source):
            need = f"{_NOT_CACHED}chats {source.named}"
            fix = _DOWNLOAD if source.revision else f"{_DOWNLOAD} No file or folder here has this name."
            downloads.append(Problem("chats", need, fix, parsed.line("chats")))
        return sources.fingerprint(source)
    except RowsError as error:
        problems += [Problem("chats", found.what, found.fix, parsed.line("chats")) for found in error.problems]
        return None


def _items(
    parsed: Parsed, problems: list[Problem], downloads: list[Problem], *, download: bool
) -> tuple[dict[tuple[str, str, Prompting], Asked], dict[tuple[str, str, Prompting], ItemSet]]:
    """(task, language, prompting) -> its items, as far as they can be read; and of those that are to be fetched, what
    is known of them.
    """
    found: dict[tuple[str, str, Prompting], Asked] = {}
    absent: dict[tuple[str, str, Prompting], ItemSet] = {}
    sampling: SamplingSpec = fragment(SamplingSpec, parsed.raw.get("sampling") or {}) or SamplingSpec()
    listed = parsed.raw.get("tasks")
    asked = listed if isinstance(listed, dict) else {}
    for name, kind in TASK_SPECS.items():
        raw = asked.get(name)
        if not isinstance(raw, dict):
            continue
        # Languages are looked at one by one, so that one mistyped code hides nothing about the others.
        languages = raw.get("languages")
        codes = languages if isinstance(languages, list) else []
        # A wrong field hides nothing that is wrong with items and prompts.
        right = {key: value for key, value in raw.items() if fragment(kind, {"languages": ["en"], key: value})}
        told: set[Problem] = set()
        for index, code in enumerate(codes):
            spec: AnyTaskSpec | None = fragment(kind, {**right, "languages": [code]})
            if spec is None:
                continue
            where, line = f"tasks.{name}.languages[{index}]", parsed.line("tasks", name, "languages", index)
            if code in codes[:index]:
                problems.append(Problem(where, f"'{code}' stands twice", "Remove one.", line))
                continue
            try:
                need = tasks.fetched(name, spec, code, download=download)
                if need is not None:
                    named = spec.revision is not None or spec.items == "hub"
                    fix = _DOWNLOAD if named else f"{_DOWNLOAD} No file or folder here has this name."
                    if not any(one.what.endswith(f"items {need}") for one in downloads):
                        at = parsed.line("tasks", name, "items")
                        downloads.append(Problem(f"tasks.{name}.items", f"{_NOT_CACHED}items {need}", fix, at))
                    absent |= {(name, code, one): ItemSet(need, need, 0) for one in tasks.promptings(spec, code)}
                    continue
                task = tasks.make(name, spec, identify.identifier("lid176"), tasks.sampling(spec, sampling))
                for prompting in tasks.promptings(spec, code):
                    found[name, code, prompting] = Asked(task, task.items(code, prompting))
            except InputError as error:
                for problem in error.problems:
                    if problem not in told:
                        told.add(problem)
                        problems.append(Problem(problem.where, problem.what, problem.fix, line))
    return found, absent
