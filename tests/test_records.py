import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.records import ASSISTANT, HUMAN, STOP, Cell, Chat, Sampling, Score, Turn, chat_prompt

# As study/spec/fields.py allows them: names become folder names.
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
MIXES = NAMES.filter(lambda name: name != "base")
CELLS = st.builds(
    Cell,
    model=st.just("smollm2-135m"),
    mix=MIXES | st.just("base"),
    tuning_seed=st.integers(0, 12),
    task=st.sampled_from(["dialogue", "xquad"]),
    language=st.sampled_from(["en", "es", "de"]),
    prompting=st.sampled_from(["xx:xx", "en:xx"]),
    seed=st.integers(0, 12),
)


def without_seed_of_base(cell):
    """The base model has no adapter, so a tuning seed says nothing of it."""
    return dataclasses.replace(cell, tuning_seed=0) if cell.mix == "base" else cell


def test_the_prompt_is_guanacos():
    # Paper, section 3.3, and the Guanaco set itself: no newline before the marker, no space at the end.
    assert chat_prompt("Why is the sky blue?") == "### Human: Why is the sky blue?### Assistant:"


def test_a_model_stops_where_it_would_write_either_marker():
    for marker in (HUMAN, ASSISTANT, HUMAN.removesuffix(":"), ASSISTANT.removesuffix(":")):
        assert marker in STOP


def test_the_text_of_a_chat_is_its_turns_one_a_line():
    chat = Chat("a", (Turn("user", "Hola"), Turn("assistant", "Buenos días"), Turn("user", "¿Y tú?")))
    assert chat.text == "Hola\nBuenos días\n¿Y tú?"


def test_sampling_defaults_are_the_papers():
    # Section 3.3: nucleus sampling with p = 0.9 and a temperature of 0.8.
    assert (Sampling().top_p, Sampling().temperature) == (0.9, 0.8)


@pytest.mark.parametrize("record", [Turn("user", "a"), Chat("a", ()), Sampling(), Score("a")])
def test_records_cannot_be_changed(record):
    field = dataclasses.fields(record)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, field, "b")


def test_names_of_cells():
    tuned = Cell("m", "multi-2", 1, "dialogue", "de", "xx:xx", 3)
    assert tuned.name == "m-multi-2-t1-dialogue-de-xx-xx-s3"
    assert dataclasses.replace(tuned, mix="base").name == "m-base-dialogue-de-xx-xx-s3"


@given(CELLS, CELLS)
def test_cells_of_one_model_share_a_name_only_where_they_are_the_same(one, other):
    assert (one.name == other.name) == (without_seed_of_base(one) == without_seed_of_base(other))


@given(CELLS)
def test_every_field_of_a_cell_shows_in_its_name(cell):
    for change in (
        {"model": "other"},
        {"mix": cell.mix + "x"},
        {"task": "xnli"},
        {"language": "fr"},
        {"seed": cell.seed + 1},
        {"prompting": "en:xx" if cell.prompting == "xx:xx" else "xx:xx"},
        {} if cell.mix == "base" else {"tuning_seed": cell.tuning_seed + 1},
    ):
        assert (dataclasses.replace(cell, **change).name != cell.name) == bool(change)


@given(CELLS)
def test_a_cells_name_is_safe_as_a_folder_name(cell):
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", cell.name)
