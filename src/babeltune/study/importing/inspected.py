"""Logs of Inspect (https://inspect.aisi.org.uk/eval-logs.html): samples that match a task of ours, epoch by epoch.

Multiple choice is X-CSQA's task, its answer what follows ``ANSWER:``; a task or data set whose name holds ``xquad`` is
XQuAD; samples without a target are dialogue. An epoch is a sampling seed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babeltune.errors import Problem
from babeltune.languages import LANGUAGES, code_of
from babeltune.measure.metrics.letters import LETTERS, XCSQA
from babeltune.records import Item, Output
from babeltune.study.importing.archive import UnreadableError, header, samples
from babeltune.study.importing.found import Answer, Content, Source
from babeltune.study.importing.names import Tuned, tuned

_ANSWER = re.compile(r"(?im)^.*\bANSWER\s*:\s*\(?([A-Za-z])\b")
"""What Inspect's multiple choice asks the model to end with."""
_RIGHT = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""Inspect's marks: correct, incorrect, partly, no answer."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a log says of itself."""

    made: Tuned
    task: str
    language: str
    epochs: tuple[int, ...]


def is_log(found: object) -> bool:
    """Whether a parsed JSON file is a log."""
    return isinstance(found, dict) and {"version", "eval", "status"} <= found.keys()


def head(path: Path) -> Head:
    """Model, task, language and epochs of a log.

    Raises:
        UnreadableError: it cannot be read, has no samples, or matches no task or language of ours.
        UnknownNameError: its model's name is none.
    """
    about, found = header(path), list(samples(path))
    if not found:
        raise UnreadableError("holds no samples")
    config = about.get("eval")
    if not isinstance(config, dict):
        raise UnreadableError("holds no 'eval'")
    task = _task(config, found)
    language = _language(config, found[0])
    if language is None:
        fix = "in metadata.language, the task's arguments or a name that ends in _de"
        raise UnreadableError(f"says nowhere what language it is in ({fix})")
    given = str(config.get("model", "")).rstrip("/").rsplit("/", 1)[-1]
    epochs = sorted({_epoch(one) for one in found})
    return Head(tuned(given), task, language, tuple(epochs))


def read(source: Source) -> Content:
    """The answers of one epoch; ``theirs`` is the mean of the log's own first score where that is of a choice."""
    path, cell = source.of("outputs"), source.cell
    assert path is not None
    answers: dict[str, Answer] = {}
    problems: list[Problem] = []
    marks: list[float] = []
    for number, sample in enumerate(samples(path), 1):
        name = str(sample.get("id", number))[:200]
        where = f"{path.name} sample {name}"
        if _epoch(sample) != cell.seed:
            continue
        said = _said(sample)
        if said is not None and said != cell.language:
            problems.append(Problem(where, f"is in '{said}', not in '{cell.language}'", "Left out."))
            continue
        if name in answers:
            problems.append(Problem(where, "stands twice in an epoch", "The first counts."))
            continue
        item = _item(sample, cell.task, cell.language, name)
        if isinstance(item, str):
            problems.append(Problem(where, item, "Left out."))
            continue
        output, reason = _output(sample, cell.task, name)
        answers[name] = Answer(item, output, reason)
        if (mark := _mark(sample)) is not None:
            marks.append(mark)
    whole_ = cell.task == "xcsqa" and marks and len(marks) == len(answers)
    theirs = {next(iter(XCSQA)): sum(marks) / len(marks)} if whole_ else {}
    return Content(tuple(answers.values()), tuple(problems), theirs)


def _task(config: Mapping[str, Any], samples: list[dict[str, Any]]) -> str:
    about = config.get("dataset")
    dataset = about.get("name") if isinstance(about, dict) else ""
    name = f"{config.get('task', '')} {dataset or ''}".casefold()
    if "xnli" in name:
        raise UnreadableError("is of XNLI, whose texts are to be ranked: a log of answers has no likelihoods")
    if any(sample.get("choices") for sample in samples):
        return "xcsqa"
    if "xquad" in name:
        return "xquad"
    if not any(_targets(sample) for sample in samples):
        return "dialogue"
    raise UnreadableError("has targets but no choices, and no 'xquad' in its name: it matches no task of ours")


def _language(config: Mapping[str, Any], sample: Mapping[str, Any]) -> str | None:
    for holder in (config.get("task_args"), config.get("metadata"), sample.get("metadata")):
        if isinstance(holder, dict) and (code := _code(holder)):
            return code
    dataset = config.get("dataset")
    names = (config.get("task"), dataset.get("name") if isinstance(dataset, dict) else None)
    endings = (re.split(r"[^A-Za-z]", name)[-1] for name in names if isinstance(name, str))
    return next((end for end in endings if end in LANGUAGES), None)


def _said(sample: Mapping[str, Any]) -> str | None:
    holder = sample.get("metadata")
    return _code(holder) if isinstance(holder, dict) else None


def _code(holder: Mapping[str, Any]) -> str | None:
    for name in ("language", "lang"):
        if isinstance(said := holder.get(name), str):
            return said if said in LANGUAGES else code_of(said)
    return None


def _epoch(sample: Mapping[str, Any]) -> int:
    given = sample.get("epoch", 1)
    return given if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < 10**6 else 1


def _item(sample: Mapping[str, Any], task: str, language: str, name: str) -> Item | str:
    """The item, or what it lacks."""
    asked = _text(sample.get("input"), sample)
    if not asked.strip():
        return "has no input"
    targets = _targets(sample)
    if task == "dialogue":
        return Item(name, language, asked)
    if not targets:
        return "has no target"
    if task == "xcsqa":
        key = targets[0].strip().upper()
        if key not in LETTERS or len(key) != 1:
            return "its target is no letter A to E"
        return Item(name, language, asked, (key,), asked)
    holder = sample.get("metadata")
    question = holder.get("question") if isinstance(holder, dict) else None
    return Item(name, language, asked, tuple(targets), question if isinstance(question, str) else "")


def _targets(sample: Mapping[str, Any]) -> list[str]:
    given = sample.get("target")
    several = given if isinstance(given, list) else [given]
    return [one for one in several if isinstance(one, str) and one.strip()]


def _output(sample: Mapping[str, Any], task: str, name: str) -> tuple[Output | None, str]:
    """The response, or why there is none."""
    error = sample.get("error")
    if isinstance(error, dict):
        return None, "the sample ended in an error"
    held = sample.get("output")
    given = held.get("completion") if isinstance(held, dict) else None
    choices = held.get("choices") if isinstance(held, dict) else None
    if not isinstance(given, str) or not isinstance(choices, list) or not choices:
        return None, "the log holds no response"
    text = _resolved(given, sample)
    if task == "xcsqa" and (found := _ANSWER.findall(text)):
        text = found[-1]
    first = choices[0]
    stop = first.get("stop_reason") if isinstance(first, dict) else None
    return Output(name, "", text, "length" if stop in ("max_tokens", "model_length") else "stop", 0), ""


def _text(given: Any, sample: Mapping[str, Any]) -> str:
    """A sample's input: a text, or the last message of the user."""
    if isinstance(given, str):
        return _resolved(given, sample)
    if isinstance(given, list):
        for one in reversed(given):
            if isinstance(one, dict) and one.get("role") == "user":
                said = one.get("content")
                if isinstance(said, list):
                    said = "\n".join(str(part.get("text", "")) for part in said if isinstance(part, dict))
                return _resolved(said, sample) if isinstance(said, str) else ""
    return ""


def _resolved(text: str, sample: Mapping[str, Any]) -> str:
    """A text that stands among the sample's attachments."""
    held = sample.get("attachments")
    if text.startswith("attachment://") and isinstance(held, dict):
        found = held.get(text.removeprefix("attachment://"))
        return found if isinstance(found, str) else text
    return text


def _mark(sample: Mapping[str, Any]) -> float | None:
    scores = sample.get("scores")
    first = next(iter(scores.values()), None) if isinstance(scores, dict) else None
    value = first.get("value") if isinstance(first, dict) else None
    if isinstance(value, str):
        return _RIGHT.get(value)
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None
