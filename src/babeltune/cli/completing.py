"""What the shell offers at the tab key, beside verbs and options. Whatever goes wrong, it offers less and says nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from babeltune.errors import BabeltuneError

if TYPE_CHECKING:
    from babeltune.study.spec.study import Study

BUNDLED = Path(__file__).parents[1] / "studies"
"""The study files that come with babeltune."""
_IMPORTED = "imported.json"
_ENDINGS = (".yaml", ".yml")
_BEGINNING = 1 << 14
"""Bytes of a file in which a study names itself."""


def verb(environment: Mapping[str, str]) -> str | None:
    """The verb that stands whole on the line that a shell wants completed; None where there is none yet, or no such line."""
    line = _line(environment)
    words = line.split()
    return words[1] if len(words) > 2 or (len(words) == 2 and line[-1].isspace()) else None


def _line(environment: Mapping[str, str]) -> str:
    return environment.get("COMP_WORDS") or environment.get("_TYPER_COMPLETE_ARGS") or ""


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Say nothing beside what is offered, whatever a library has to warn of: it would stand in the middle of the line."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield


def studies(incomplete: str) -> list[str]:
    """Study files where the word leads to, and one folder deeper; and what was imported into ``runs``."""
    folder = Path(incomplete[: incomplete.rfind("/") + 1])  # "" is here
    try:
        files = [*folder.iterdir(), *folder.glob("[!.]*/*")]
        found = [str(path) for path in sorted(files) if path.suffix in _ENDINGS and _is_study(path)]
        found += [path.parent.name for path in sorted(Path("runs").glob(f"*/{_IMPORTED}"))]
    except OSError:
        return []
    dotted = "./" if incomplete.startswith("./") else ""
    return [f"{dotted}{one}" for one in found if f"{dotted}{one}".startswith(incomplete)]


def _is_study(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return any(line.startswith(b"study:") for line in file.read(_BEGINNING).splitlines())
    except OSError:
        return False


def adapters(incomplete: str) -> list[str]:
    """Mixes of the study that is named before, and its adapters as ``plan`` lists them."""
    study = _named_before()
    if study is None:
        return []
    names = [
        f"{model.name}-{mix}-t{seed}" for model in study.models for mix in study.mixes for seed in study.tuning_seeds
    ]
    return _starting(incomplete, [*study.mixes, *names])


def mixes(incomplete: str) -> list[str]:
    """Mixes of the study that is named before, and the untuned model."""
    study = _named_before()
    return _starting(incomplete, ["base", *study.mixes] if study else ())


def _named_before() -> Study | None:
    """The study on the line that is completed, if it can be read."""
    from babeltune.study.spec.studyfile import parse

    for word in _line(os.environ).split()[2:]:
        if word.endswith(_ENDINGS) and Path(word).is_file():
            try:
                return parse(Path(word)).study
            except BabeltuneError:
                return None
    return None


def bundled(incomplete: str) -> list[str]:
    """Study files that come with babeltune."""
    return _starting(incomplete, sorted(path.stem for path in BUNDLED.glob("*.yaml")))


def languages(incomplete: str) -> list[tuple[str, str]]:
    """Codes, with their names; of a list that commas part, the last one."""
    from babeltune.languages import LANGUAGES

    before = incomplete[: incomplete.rfind(",") + 1]
    return [
        (f"{before}{code}", one.name) for code, one in LANGUAGES.items() if f"{before}{code}".startswith(incomplete)
    ]


def tasks(incomplete: str) -> list[str]:
    """Names of the tasks."""
    return _starting(incomplete, ["dialogue", *prompted("")])


def prompted(incomplete: str) -> list[str]:
    """Names of the tasks that have prompts."""
    from babeltune.measure.tasks.lint import TASKS

    return _starting(incomplete, TASKS)


def figures(incomplete: str) -> list[tuple[str, str]]:
    """Numbers of the paper's figures, with what they show."""
    from babeltune.report.figures import catalogue

    return [(number, shows) for number, shows in catalogue.numbers().items() if number.startswith(incomplete)]


def tables(incomplete: str) -> list[str]:
    """Numbers of the paper's tables."""
    from babeltune.report.tables import TABLES

    return _starting(incomplete, TABLES)


def gpus(incomplete: str) -> list[str]:
    """GPUs that ``plan`` knows."""
    from babeltune.study.estimates.devices import GPUS

    return _starting(incomplete, GPUS)


def _starting(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
