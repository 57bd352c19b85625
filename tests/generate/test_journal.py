from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.errors import StoreError
from babeltune.generate.journal import Journal, encode, read_outputs
from babeltune.records import Output

TEXTS = [
    "Hallo.",
    "two\nlines\r\nand\u2028more",
    "你好 ### Human",
    "",
    '"quoted" \\ and \x1b[31m',
    "\u202eleft",
    "\ud83d half",
]
OUTPUTS = [Output(f"p{at}", "cell", text, "length", at) for at, text in enumerate(TEXTS)]


def test_outputs_come_back_as_they_went_in(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    for output in OUTPUTS:
        journal.append(output)
    assert read_outputs(tmp_path / "journal.jsonl") == OUTPUTS
    assert Journal(tmp_path / "journal.jsonl").outputs == {output.id: output for output in OUTPUTS}


@given(st.data())
def test_cut_at_any_byte_it_goes_on_at_the_missing_ones(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("cut") / "journal.jsonl"
    whole = "".join(encode(output) + "\n" for output in OUTPUTS).encode()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    journal = Journal(path)
    kept = list(journal.outputs.values())
    assert kept == OUTPUTS[: len(kept)]
    for output in OUTPUTS:
        if output.id not in journal.outputs:
            journal.append(output)
    assert path.read_bytes() == whole


def test_broken_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text(encode(OUTPUTS[0]) + "\n" + "{broken\n" + encode(OUTPUTS[1]) + "\n")
    with pytest.raises(StoreError, match=r"journal\.jsonl:2: not an output"):
        Journal(path)


def test_foreign_fields_are_refused(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text(json.dumps({"id": "p0", "answer": "x"}) + "\n")
    with pytest.raises(StoreError, match="not an output"):
        read_outputs(path)


def test_missing_file_holds_nothing(tmp_path):
    assert read_outputs(tmp_path / "none.jsonl") == []
    assert not (tmp_path / "none.jsonl").exists()
