"""The verb ``lint-prompts``: what is wrong with the prompts of the tasks, and whether a test asks as training taught."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from babeltune.cli import completing
from babeltune.cli.loading import online
from babeltune.cli.terminal import console, counted, errors, listed
from babeltune.errors import InputError, ItemsError, ModelError, Problem
from babeltune.finetune.template import render
from babeltune.languages import LANGUAGES, suggest
from babeltune.measure.metrics.letters import LETTERS
from babeltune.measure.tasks import lint, orthography, prompt
from babeltune.records import Chat, Identified, Item, Request, Sampling, Task, Turn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Key = tuple[str, str]
"""Task and language of a prompt file."""
_PARIS = {
    "Latn": "Paris", "Cyrl": "Париж", "Grek": "Παρίσι", "Deva": "पेरिस", "Arab": "باريس", "Thai": "ปารีส",
    "Hang": "파리", "Hans": "巴黎", "Jpan": "パリ",
}  # fmt: skip
"""Script -> a short text in it: what the made-up items are of, and an answer to them."""
_YEAR = "1889"
"""Another answer: XQuAD's are often numbers."""


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
    with tempfile.TemporaryDirectory(prefix="babeltune-lint-") as folder:
        for key in chosen:
            found[key] = lint.lint(*key)
            if key[0] not in _TASKS:
                continue
            try:
                template = prompt.template(*key)
            except ItemsError:
                continue  # said above; it cannot be asked with
            asked = _asked(*key, Path(folder))
            chats = [_answered(asked[0], template.prefix + answer) for answer in _answers(key[1], template.prefix)]
            found[key] += string_problems(_where(key), asked[1], chats)
            if tokenizer is not None:
                problems, merged[key] = token_problems(_where(key), asked[1], chats, tokenizer)
                found[key] += problems
    console.print(_table(found))
    if model is not None:
        _print_merged(merged, model)
    problems = [problem for some in found.values() for problem in some]
    if problems:
        raise ItemsError("prompts", problems)
    console.say(f"{counted(len(found), 'prompt file')}, no problem.")


def string_problems(where: str, request: Request, chats: Sequence[Chat]) -> list[Problem]:
    """A problem if what a test sends is not the beginning of what training makes of the same turn, answered."""
    sent = request.prompt + request.prefix
    for chat in chats:
        trained = render(chat)[0]
        if not trained.startswith(sent):
            at = _alike(sent, trained)
            here, there = sent[max(0, at - 15) : at + 15], trained[max(0, at - 15) : at + 15]
            fix = "Task.request and the template of the tuning must write a turn alike (records.chat_prompt)."
            return [Problem(where, f"a test sends {here!r} where training has {there!r}", fix)]
    return []


def token_problems(
    where: str, request: Request, chats: Sequence[Chat], tokenizer: PreTrainedTokenizerBase
) -> tuple[list[Problem], int]:
    """A problem if a test's tokens part from training's in the question; and how many of the last ones differ.

    Those of the forced beginning may: its quotation mark can merge with the answer behind it.
    """

    def ids(text: str) -> list[int]:
        return list(tokenizer(text)["input_ids"])

    sent = ids(request.prompt + request.prefix)
    if sent[-1] == tokenizer.eos_token_id:
        fix = "Set add_eos_token to false in tokenizer_config.json."
        return [Problem(where, "the tokenizer ends a test with its end token, so that there is no answer", fix)], 0
    forced = len(sent) - len(ids(request.prompt)) if request.prefix else 0
    differ = max(len(sent) - _alike(sent, ids(render(chat)[0])) for chat in chats)
    if differ <= forced:
        return [], differ
    fix = "A model tuned with this tokenizer is asked in a form it never saw: use one that does not merge over markers."
    return [Problem(where, f"the tokens of a test, {differ} from its end on, are not those of training", fix)], 0


def _alike(one: Sequence[object], other: Sequence[object]) -> int:
    """How many of the first tokens, or characters, are the same."""
    for at, (here, there) in enumerate(zip(one, other, strict=False)):
        if here != there:
            return at
    return min(len(one), len(other))


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


class _NotAsked:
    """An ``Identifier`` for a task that is not asked to score."""

    def identify(self, texts: Sequence[str]) -> list[Identified]:
        return [Identified(None, 0.0, "not asked") for _ in texts]


def _simplification(language: str, said: str, folder: Path) -> Task:
    from babeltune.measure.tasks.simplification import Simplification

    for name in ("made.orig", "made.ref.0"):
        _write(folder / language / name, f"{said}\n")
    return Simplification(folder, _NotAsked(), Sampling())


def _xquad(language: str, said: str, folder: Path) -> Task:
    from babeltune.measure.tasks.xquad import XQuad

    asked = {"id": "made", "question": said, "answers": [{"text": said, "answer_start": 0}]}
    tree = {"data": [{"paragraphs": [{"context": said, "qas": [asked]}]}]}
    _write(folder / f"xquad.{language}.json", json.dumps(tree))
    return XQuad(folder, Sampling())


def _xcsqa(language: str, said: str, folder: Path) -> Task:
    from babeltune.measure.tasks.xcsqa import XCsqa

    question = {"stem": said, "choices": [{"label": label, "text": said} for label in LETTERS]}
    _write(folder / language / "dev.jsonl", json.dumps({"id": "made", "question": question, "answerKey": "A"}) + "\n")
    return XCsqa(folder, Sampling())


_TASKS: dict[str, Callable[[str, str, Path], Task]] = {
    "simplification": _simplification,
    "xquad": _xquad,
    "xcsqa": _xcsqa,
}
"""Tasks in the format of the tuning -> the task on one made-up item, from a file as it reads them."""


def _asked(task: str, language: str, folder: Path) -> tuple[Item, Request]:
    """A made-up item, and what the task sends of it."""
    made = _TASKS[task](language, _PARIS[LANGUAGES[language].script], folder / task)
    (item,) = made.items(language, made.promptings[0])
    return item, made.request(item)


def _answered(item: Item, answer: str) -> Chat:
    return Chat("made", (Turn("user", item.prompt), Turn("assistant", answer)), item.language)


def _answers(language: str, prefix: str) -> list[str]:
    """Typical answers behind a forced beginning: a letter, a name, a year; quoted to the end if it opens a quotation."""
    pairs = [orthography.STRAIGHT, *(pair for pair, codes in orthography.PAIRS.items() if language in codes)]
    closing = next((pair[1] for pair in pairs if prefix.endswith(pair[0])), "")
    space = "\u00a0" if closing and language == "fr" else ""
    return [f"{space}{answer}{space}{closing}" for answer in ("A", _PARIS[LANGUAGES[language].script], _YEAR)]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _where(key: Key) -> str:
    return f"prompts/{key[0]}/{key[1]}.yaml"


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
