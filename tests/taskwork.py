"""What the tests of tasks share: an identifier that reads labels, files as the hub has them, refusals, odd responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from babeltune.errors import ItemsError
from babeltune.records import Identified, Item, Output, Prompting, Task


class FirstWord:
    """An ``Identifier`` that takes the first word of a text for its label."""

    def identify(self, texts: Sequence[str]) -> list[Identified]:
        return [Identified(text.split()[0], 1.0) if text.strip() else Identified(None, 0.0, "empty") for text in texts]


def outputs(items: Sequence[Item], *texts: str) -> list[Output]:
    """One to each item."""
    return [Output(item.id, "", text, "eos", 1) for item, text in zip(items, texts, strict=True)]


def parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)


def refused(task: Task, language: str = "de", prompting: Prompting = "xx:xx") -> list[tuple[str, str]]:
    """Where and what of all that is wrong with a task's items; each says what to do."""
    with pytest.raises(ItemsError) as caught:
        task.items(language, prompting)
    assert caught.value.subject.startswith((f"items of {task.name}, {language}", f"prompts of {task.name}"))
    assert all(problem.fix for problem in caught.value.problems)
    return [(problem.where, problem.what) for problem in caught.value.problems]


ODD = {
    "nothing": "",
    "white space": " \n\t\u2028\u3000",
    "100,000 characters in a word": "a" * 100_000,
    "100,000 characters in words": "der alte Baum " * 7143,
    "20,000 different words": " ".join(map(str, range(20_000))),
    "20,000 lines": "ja\n" * 20_000,
    "punctuation": "?!…—«»。、.,;:()[]{}",
    "100,000 full stops": "." * 100_000,
    "long punctuation": '".' * 50_000,
    "a quote mark": '"',
    "digits": "1234567890",
    "right to left": "هذه جملة «بسيطة» باللغة العربية.\nوهذه جملة أخرى.",
    "right-to-left marks": "\u202eDas ist ein Satz\u202c \u200f",
    "emoji": "🙂👩‍👩‍👧‍👦🇩🇪 🅰️",
    "combining marks": "e" + "\u0301" * 1000,
    "the null character": "Das ist \x00 ein Satz.",
    "half a character": "Das ist \ud83d ein Satz.",
    "a character for private use": "Das\ue000ist ein Satz.",
    "marks of turns": "### Human: Wer?### Assistant: Ich.",
}
"""Responses that nothing may stumble over."""
