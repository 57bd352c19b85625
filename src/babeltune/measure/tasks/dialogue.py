"""Single-turn dialogue: a person asks, the model answers (paper, section 4.1)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from babeltune.errors import InputError, Problem
from babeltune.measure.metrics.agreement import AGREEMENT, AGREEMENT_NOMINAL, agreement
from babeltune.records import Identifier, Item, Output, Prompting, Request, Sampling, Score, chat_prompt


class Dialogue:
    """A ``Task``. Items are read from ``folder/<language>.jsonl``, rows of id, split and prompt."""

    name = "dialogue"
    metrics = (AGREEMENT, AGREEMENT_NOMINAL)

    def __init__(self, folder: Path, split: str, identifier: Identifier, sampling: Sampling) -> None:
        self.folder = folder
        self.split = split
        self.identifier = identifier
        self.sampling = sampling

    def items(self, language: str, prompting: Prompting) -> list[Item]:
        """The prompts of one language and split, in the order of the file.

        Dialogue has no instruction apart from the prompt itself, so ``en:xx`` does not exist for it (section 4.1).

        Raises:
            InputError: no file for the language, a row that is not an item, or no row of the split.
        """
        path = self.folder / f"{language}.jsonl"
        subject = f"items of dialogue, {language}"
        if not path.is_file():
            raise InputError(subject, [Problem(str(path), "there is no such file", "Add it or take the language out.")])
        items: list[Item] = []
        problems: list[Problem] = []
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                row = json.loads(line)
                if row["split"] == self.split:
                    if not isinstance(row["prompt"], str) or not row["prompt"].strip():
                        raise ValueError("the prompt is empty or no text")
                    row["prompt"].encode()  # a lone surrogate has no UTF-8
                    items.append(Item(str(row["id"]), language, row["prompt"]))
            except (ValueError, KeyError, TypeError) as error:
                fix = 'A row is {"id": "…", "split": "…", "prompt": "…"}.'
                problems.append(Problem(f"{path.name}:{number}", f"not an item ({error!r})", fix))
        if not items and not problems:
            problems.append(Problem(str(path), f"no row of the split '{self.split}'", "Check `split`."))
        if len({item.id for item in items}) < len(items):
            problems.append(Problem(str(path), "an id stands twice", "Give each item its own id."))
        if problems:
            raise InputError(subject, problems)
        return items

    def request(self, item: Item) -> Request:
        """The prompt in the format of the tuning. Cell, seed and adapter are filled in by whoever asks."""
        return Request(item.id, "", chat_prompt(item.prompt), self.sampling, 0)

    def score(self, items: Sequence[Item], outputs: Sequence[Output]) -> list[Score]:
        """Language agreement of each item's output."""
        prompts = self.identifier.identify([item.prompt for item in items])
        responses = self.identifier.identify([output.text for output in outputs])
        return [
            agreement(item.id, item.language, prompt, response)
            for item, prompt, response in zip(items, prompts, responses, strict=True)
        ]
