"""The verb ``lint-prompts``: what is wrong with the prompts of the tasks, and whether a test asks as training taught."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from babeltune.cli import completing
from babeltune.cli.loading import online
from babeltune.cli.terminal import console, counted, errors, listed
from babeltune.errors import InputError, ItemsError, ModelError, Problem
from babeltune.languages import LANGUAGES, suggest
from babeltune.measure.tasks import lint
from babeltune.study.taught import taught

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Key = tuple[str, str]
"""Task and language of a prompt file."""


def lint_prompts(
    task: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK",
            autocompletion=completing.prompted,
            help=f"{', '.join(lint.TASKS)}; may be given again; all if left out.",
        ),
    ] = None,
    language: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODE",
            autocompletion=completing.languages,
            help="Such as de; may be given again; all that have prompts if left out.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Compare token by token too, by this model's tokenizer: smollm2-135m, a folder, a hub id.",
        ),
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch the hub model if it is not in the local cache.")
    ] = False,
) -> None:
    """Check the prompts of the tasks, and that a test asks as training taught.

    The prompts are the files prompts/TASK/CODE.yaml. Each must have its
    placeholders once and its braces closed, letters of the language's script
    alone, its kind of quotation marks and colons, no role markers, no stray
    spaces or invisible characters, and Unicode's form NFC; the forced
    beginning of an answer must end in an opened quotation mark, and not
    right behind the word for question, which would quote the question. XNLI's
    harness words are quoted from elsewhere, faults included: of them only
    placeholders, spaces and the three words are checked.

    Then the string that a test sends must be the beginning of the one that
    training makes of the same turn; with --model in tokens too. A tokenizer
    may merge the opened quotation mark with the answer behind it: that is
    noted, but is no problem. XNLI has no chat format: nothing to compare.

    Run it after you write or change a prompt. Exit code 0: nothing is wrong;
    2: something is, and each problem says where, what, and what to do.

    babeltune lint-prompts --model smollm2-135m

    babeltune lint-prompts --task xquad --task xcsqa --language de
    """
    online(download)
    chosen = _chosen(task or [], language or [])
    tokenizer = _tokenizer(model, download) if model is not None else None
    found: dict[Key, list[Problem]] = {}
    merged: dict[Key, int] = {}
    for key in chosen:
        found[key] = lint.lint(*key)
        with contextlib.suppress(ItemsError):  # said above; it cannot be asked with
            asked = taught(*key, f"prompts/{key[0]}/{key[1]}.yaml", tokenizer)
            found[key] += asked.problems
            if asked.merged is not None:
                merged[key] = asked.merged
    console.print(_table(found))
    if model is not None:
        _print_merged(merged, model)
    problems = [problem for some in found.values() for problem in some]
    if problems:
        raise ItemsError("prompts", problems)
    console.say(f"{counted(len(found), 'prompt file')}, no problem.")


def _chosen(tasks: Sequence[str], languages: Sequence[str]) -> list[Key]:
    problems = [
        Problem("--task", f"there are no prompts of '{name}'", f"There are prompts of: {', '.join(lint.TASKS)}.")
        for name in dict.fromkeys(tasks)
        if name not in lint.TASKS
    ]
    there = lint.files([name for name in lint.TASKS if name in tasks] or lint.TASKS)
    codes = [code for code in LANGUAGES if any(code == one for _, one in there)]
    for code in dict.fromkeys(languages):
        if code not in codes:
            near = "" if code in LANGUAGES else suggest(code)
            hint = f" {near}" if near.startswith("Did you mean") else ""
            fix = f"There are prompts in: {', '.join(codes)}.{hint}"
            problems.append(Problem("--language", f"there is no prompt in '{code}'", fix))
    if problems:
        raise InputError("lint-prompts", problems)
    return [(name, code) for name, code in there if not languages or code in languages]


def _tokenizer(model: str, download: bool) -> PreTrainedTokenizerBase:
    """The tokenizer of a model that is found as those of a study are.

    Raises:
        ModelError: the model is not there, or has no tokenizer.
    """
    from babeltune.study import models
    from babeltune.study.spec.study import ModelSpec

    if not model.strip():
        fix = f"Name {models.BUNDLED}, a folder or a hub id."
        raise InputError("lint-prompts", [Problem("--model", "is empty", fix)])
    with errors.status("reading the tokenizer"):
        folder = models.prepare(models.locate(ModelSpec(id=model), download=download))
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise ModelError(f"{folder}: its tokenizer cannot be loaded ({error}).") from error


def _table(found: dict[Key, list[Problem]]) -> Table:
    """A row a language, a column a task: ok, the number of problems, or - where there is no prompt."""
    tasks = list(dict.fromkeys(task for task, _ in found))
    table = listed("language", *tasks, title="prompts: problems")
    codes = {code for _, code in found}
    for code in [*(code for code in LANGUAGES if code in codes), *sorted(codes - set(LANGUAGES))]:
        name = f"{code} {LANGUAGES[code].name}" if code in LANGUAGES else code
        cells = [found.get((task, code)) for task in tasks]
        shown = ["-" if cell is None else Text(f"{len(cell)}", "red") if cell else "ok" for cell in cells]
        table.add_row(name, *shown)
    return table


def _print_merged(merged: dict[Key, int], model: str) -> None:
    """Say where a forced beginning merges with the answer, by task and number of tokens."""
    groups: dict[tuple[str, int], list[str]] = defaultdict(list)
    for (task, code), differ in merged.items():
        if differ:
            groups[task, differ].append(code)
    for (task, differ), codes in sorted(groups.items()):
        tokens = "token" if differ == 1 else f"{differ} tokens"
        said = f"note: {task}, last {tokens} of a test not as in training by {model}, as its forced beginning merges "
        console.say(f"{said}with the answer: {', '.join(codes)}")
    same = sum(not differ for differ in merged.values())
    if merged:
        said = f"{model}: {same} of {len(merged)} tests begin token by token as training does."
        console.say(said)
