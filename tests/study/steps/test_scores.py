"""Score files are read line by line: numbers as they were written, whatever the texts beside them hold."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.records import Score
from babeltune.study.artefacts import write_lines
from babeltune.study.steps import scores

NASTY = ', "notes": {"a": 1}, "unscored": {}, "subject": "x\\", "values": {'


def row(score: Score, **texts: object) -> dict[str, Any]:
    """As the score step writes it."""
    about = {"subject": "s", "prompt": "p", "references": [], "response": "r", "finish": "eos"}
    return {**dataclasses.asdict(score), **about, **texts}


def test_scores_come_back_as_they_were_without_notes(tmp_path: Path) -> None:
    written = [
        Score("a", {"agreement": 1.0}, {"prompt": "de"}, {}, ()),
        Score("b", {}, {"reasoning": NASTY}, {"agreement": NASTY}, ()),
        Score('c"\\é', {"sari": 41.25}, {}, {}, (1, 2, 3)),
        Score("d", {"agreement": 1.0}, {}, {}, ()),
    ]
    write_lines(tmp_path / "s.jsonl", [row(one, response=NASTY, subject=NASTY) for one in written])
    found = list(scores.scores(tmp_path / "s.jsonl"))
    assert found == [dataclasses.replace(one, notes={}) for one in written]


TEXTS = st.text(st.characters(codec="utf-8"))  # no half characters: a source refuses them


@given(st.lists(st.tuples(TEXTS, TEXTS, st.floats(0, 100)), min_size=1, max_size=4))
def test_no_text_is_taken_for_a_part_of_a_line(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str, float]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "s.jsonl"
    written = [Score(item, {"m": value}, {"n": text}, {"o": text}) for item, text, value in texts]
    write_lines(path, [row(one, subject=one.notes["n"], response=one.notes["n"]) for one in written])
    assert list(scores.scores(path)) == [dataclasses.replace(one, notes={}) for one in written]
    wanted = scores.items(path)[:1]
    assert [one["item"] for one in scores.rows(path, set(wanted))][:1] == [written[0].item]
