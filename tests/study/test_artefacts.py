"""Artefacts: what a step wrote is what the next one reads."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.data.card import Card, Part
from babeltune.data.label import Dropped, Labelled
from babeltune.records import Chat, Turn
from babeltune.study.artefacts import CARD, CHATS, DROPPED, read_card, read_labelled, read_lines, write_lines

# No half characters: a source refuses them.
words = st.text(st.characters(codec="utf-8"), min_size=1)
chats = st.builds(
    Chat,
    words,
    st.lists(st.builds(Turn, st.sampled_from(["user", "assistant"]), words), max_size=3).map(tuple),
    st.none() | st.sampled_from(["en", "de"]),
    st.none() | st.floats(0, 1),
)
dropped = st.builds(Dropped, chats, words)


@given(kept=st.lists(chats, max_size=4), lost=st.lists(dropped, max_size=4))
def test_labelled_chats_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, kept: list[Chat], lost: list[Dropped]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    write_lines(folder / CHATS, map(dataclasses.asdict, kept))
    write_lines(folder / DROPPED, map(dataclasses.asdict, lost))
    assert read_labelled(folder) == Labelled(tuple(kept), tuple(lost))
    assert len(read_lines(folder / CHATS)) == len(kept)


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    parts = (
        Part("en", 3, 6, 120, 24, {"tiny": 40, "other": 50}),
        Part("other", 1, 2, 9, None, {"tiny": 8, "other": 9}),
    )
    card = Card("multi-2", parts, "en", "0a1b")
    (tmp_path / CARD).write_text(json.dumps(dataclasses.asdict(card)))
    assert read_card(tmp_path / CARD) == card
