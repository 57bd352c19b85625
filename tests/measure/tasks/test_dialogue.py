"""Dialogue: which items, which prompt, which score; and rows that are no items."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from babeltune.errors import InputError
from babeltune.measure.metrics.agreement import AGREEMENT, AGREEMENT_NOMINAL
from babeltune.measure.tasks.dialogue import Dialogue
from babeltune.records import Identified, Item, Output, Sampling

ROWS = (
    '{"id": "p2", "split": "test", "prompt": "Warum ist der Himmel blau?"}\n'
    '{"id": "d1", "split": "dev", "prompt": "Was ist Brot?"}\n'
    '{"id": "p1", "split": "test", "prompt": "Wie\\nkocht\\u2028man Reis?"}\n'
)


class FirstWord:
    """An ``Identifier`` that takes the first word of a text for its label."""

    def identify(self, texts: Sequence[str]) -> list[Identified]:
        return [Identified(text.split()[0], 1.0) if text.strip() else Identified(None, 0.0, "empty") for text in texts]


def task(folder: Path, split: str = "test") -> Dialogue:
    return Dialogue(folder, split, FirstWord(), Sampling(max_tokens=7))


def problems(folder: Path, content: bytes) -> list[str]:
    (folder / "de.jsonl").write_bytes(content)
    with pytest.raises(InputError) as caught:
        task(folder).items("de", "xx:xx")
    return [problem.where for problem in caught.value.problems]


def test_items_are_those_of_the_split_in_the_order_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "de.jsonl").write_text(ROWS, encoding="utf-8")
    items = task(tmp_path).items("de", "xx:xx")
    assert items == [Item("p2", "de", "Warum ist der Himmel blau?"), Item("p1", "de", "Wie\nkocht\u2028man Reis?")]
    assert [item.id for item in task(tmp_path, "dev").items("de", "xx:xx")] == ["d1"]


def test_a_raw_line_separator_inside_a_prompt_does_not_end_its_row(tmp_path: Path) -> None:
    (tmp_path / "de.jsonl").write_text('{"id": "p", "split": "test", "prompt": "a\u2028b\x85c"}\n', encoding="utf-8")
    assert task(tmp_path).items("de", "xx:xx")[0].prompt == "a\u2028b\x85c"


def test_every_row_that_is_no_item_is_named_by_file_and_line(tmp_path: Path) -> None:
    bad = [
        b"{",
        b'{"id": "p1", "split": "test"}',
        b"[1]",
        b'{"id": "p2", "split": "test", "prompt": "\xff"}',
        b'{"id": "p3", "split": "test", "prompt": null}',
        b'{"id": "p4", "split": "test", "prompt": "  "}',
    ]
    good = b'{"id": "p0", "split": "test", "prompt": "Hallo"}'
    assert problems(tmp_path, b"\n".join([good, *bad])) == [f"de.jsonl:{line}" for line in range(2, 8)]


def test_an_id_that_stands_twice_is_a_problem(tmp_path: Path) -> None:
    row = b'{"id": "p0", "split": "test", "prompt": "Hallo"}\n'
    assert problems(tmp_path, row + row) == [str(tmp_path / "de.jsonl")]


def test_a_missing_file_and_an_empty_split_are_problems(tmp_path: Path) -> None:
    assert problems(tmp_path, b'{"id": "d1", "split": "dev", "prompt": "Hallo"}\n') == [str(tmp_path / "de.jsonl")]
    with pytest.raises(InputError, match="no such file"):
        task(tmp_path).items("fr", "xx:xx")


def test_the_request_has_the_format_of_the_tuning(tmp_path: Path) -> None:
    request = task(tmp_path).request(Item("p1", "de", "Was ist Brot?"))
    # Guanaco's format, paper section 3.3: no newline between the turns, no space at the end.
    assert request.prompt == "### Human: Was ist Brot?### Assistant:"
    assert (request.id, request.sampling.max_tokens, request.adapter) == ("p1", 7, None)


def test_scores_stand_in_the_order_of_the_items(tmp_path: Path) -> None:
    items = [Item("a", "de", "de eins"), Item("b", "de", "nl zwei"), Item("c", "de", "de drei")]
    texts = ["de ja", "de ja", ""]
    outputs = [Output(item.id, "", text, "eos", 1) for item, text in zip(items, texts, strict=True)]
    first, second, third = task(tmp_path).score(items, outputs)
    assert first.values == {AGREEMENT: 1.0, AGREEMENT_NOMINAL: 1.0}
    assert second.values == {AGREEMENT: 0.0, AGREEMENT_NOMINAL: 1.0}
    assert (third.item, third.values, set(third.unscored)) == ("c", {}, {AGREEMENT, AGREEMENT_NOMINAL})


def test_an_output_too_few_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        task(tmp_path).score([Item("a", "de", "de eins")], [])
