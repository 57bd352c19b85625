"""Scoring: from the journals of so many answers to their score files and the summary, task by task.

Two mixes in five languages, of 1,000 items at most, as real tests have them; beyond that there are more sampling seeds.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from babeltune.data.sources import POCKET, read_chats
from babeltune.generate.journal import encode
from babeltune.records import Output
from babeltune.study.artefacts import JOURNAL
from babeltune.study.check import open_study
from babeltune.study.session import Session
from growing.subject import Command, Subject, run_kinds
from parts import grid

LANGUAGES = ("en", "es", "de", "fr", "ru")
SENTENCES = ("en", "de", "fr", "ru", "it")
"""Those with a bundled instruction to simplify."""
QUESTIONS = ("en", "es", "de", "ru", "zh")
"""Those with bundled questions."""
MIXES = {"mono": {"en": 128}, "multi-2": {"en": 96, "es": 32}}
MOST = 1000
"""Items of a cell."""
REFERENCES = 4
"""Of a sentence to simplify."""


def prompts(code: str, count: int) -> list[str]:
    """Bundled ones over and over, each with a number of its own."""
    lines = (POCKET / "dialogue" / f"{code}.jsonl").read_text(encoding="utf-8").splitlines()
    known = itertools.cycle(json.loads(line)["prompt"] for line in lines)
    return [f"{prompt} ({number})" for number, prompt in enumerate(itertools.islice(known, count))]


def dialogue(folder: Path, code: str, count: int) -> None:
    """Prompts."""
    rows = [{"id": f"p{at}", "prompt": prompt} for at, prompt in enumerate(prompts(code, count))]
    _lines(folder / f"{code}.jsonl", [json.dumps(row, ensure_ascii=False) for row in rows])


def simplification(folder: Path, code: str, count: int) -> None:
    """Sentences, and others as their references."""
    (folder / code).mkdir()
    sentences = prompts(code, count)
    _lines(folder / code / "made.orig", sentences)
    for at in range(REFERENCES):
        _lines(folder / code / f"made.ref.{at}", sentences[at + 1 :] + sentences[: at + 1])


def xquad(folder: Path, code: str, count: int) -> None:
    """The bundled passages over and over, one an article."""
    bundled = json.loads((POCKET / "xquad" / f"xquad.{code}.json").read_text(encoding="utf-8"))
    passages = [passage for article in bundled["data"] for passage in article["paragraphs"]]
    articles: list[dict[str, Any]] = []
    left = count
    for number in itertools.count():
        passage = passages[number % len(passages)]
        asked = [{**one, "id": f"{number}-{one['id']}"} for one in passage["qas"]][:left]
        articles.append({"title": str(number), "paragraphs": [{**passage, "qas": asked}]})
        left -= len(asked)
        if left == 0:
            break
    (folder / f"xquad.{code}.json").write_text(json.dumps({"data": articles}, ensure_ascii=False), encoding="utf-8")


def _lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def answers(code: str) -> Iterator[str]:
    """Answers of bundled chats, in Spanish where there are none in the language; every third in English."""
    said: dict[str, list[str]] = {}
    for chat in read_chats("pocket").chats:
        said.setdefault(chat.language or "", []).append(chat.turns[-1].content)
    own, english = itertools.cycle(said.get(code, said["es"])), itertools.cycle(said["en"])
    yield from (next(english) if number % 3 == 0 else next(own) for number in itertools.count())


def prepare(
    task: str, languages: Sequence[str], items: Callable[[Path, str, int], None], folder: Path, size: int
) -> Mapping[str, Command]:
    """A study of the task whose adapters are laid out and whose answers are all in the journals."""
    (folder / "items").mkdir()
    (folder / "one").mkdir()
    (folder / "one" / "config.json").write_text("{}")
    pairs = len(languages) * len(MIXES)
    seeds = max(1, round(size / pairs / MOST))
    for code in languages:
        items(folder / "items", code, size // pairs // seeds)
    spec: dict[str, Any] = {"languages": list(languages), "items": str(folder / "items")}
    if task != "dialogue":
        spec |= {"promptings": ["xx:xx"], "sample": None}
    study = {
        "study": "grown", "models": [{"id": str(folder / "one"), "pretraining": "llama2"}], "chats": "pocket",
        "mixes": MIXES, "tasks": {task: spec}, "base": False, "seeds": list(range(seeds)),
    }  # fmt: skip
    path, runs = folder / "grown.yaml", folder / "runs"
    path.write_text(json.dumps(study))
    run_kinds(path, runs, ("label", "mix", "proof"))
    opened = open_study(path, runs)
    for step in opened.plan.of("tune"):
        opened.store.path(step).mkdir(parents=True)
        grid.record(step, opened.store.path(step), {"left_out": 0, "tokens": 10_000})
    session = Session(opened, lambda event: None)
    for step in opened.plan.of("generate"):
        assert step.cell is not None
        cell = step.cell
        opened.store.partial(step).mkdir(parents=True)
        said = answers(cell.language)
        ids = [item.id for item in session.items(cell.task, cell.language, cell.prompting)]
        _lines(
            opened.store.partial(step) / JOURNAL,
            [encode(Output(one, step.name, next(said), "eos", 40)) for one in ids],
        )
    growth = Path(__file__).parents[1] / "growth.py"
    return {f"scoring of {task}": [sys.executable, growth, "--score", path, runs]}


AGREEMENT = Subject("outputs", (1_000, 1_000_000), partial(prepare, "dialogue", LANGUAGES, dialogue))
SARI = Subject("outputs", (1_000, 1_000_000), partial(prepare, "simplification", SENTENCES, simplification))
MATCHING = Subject("outputs", (1_000, 1_000_000), partial(prepare, "xquad", QUESTIONS, xquad))
