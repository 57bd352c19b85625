from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.finetune.recipe import LoraRecipe
from babeltune.study.fingerprint import canonical, file_hash, fingerprint

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: tuple[float, ...] = ()


def shuffled(value: Any, order: random.Random) -> Any:
    """The same value with every object's keys in another order and every list as a tuple."""
    if isinstance(value, list):
        return tuple(shuffled(entry, order) for entry in value)
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return MappingProxyType({key: shuffled(value[key], order) for key in keys})
    return value


@given(VALUES, st.randoms(use_true_random=False))
def test_equal_values_have_equal_bytes(value: Any, order: random.Random) -> None:
    assert canonical(shuffled(value, order)) == canonical(value)


@given(VALUES)
def test_the_bytes_are_json_of_the_same_value(value: Any) -> None:
    assert json.loads(canonical(value)) == value


@given(VALUES, VALUES)
def test_values_that_differ_have_different_fingerprints(one: Any, other: Any) -> None:
    # json.dumps tells True from 1 and 1.0, which compare equal in Python; -0.0 is 0.0 to us.
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    if same or one != other:
        assert (fingerprint(one) == fingerprint(other)) == same


def test_the_bytes_are_these() -> None:
    # By hand: keys sorted, no spaces, UTF-8 unescaped, floats as Python's shortest repr.
    assert canonical({"b": (1, 2.5, None), "a": {"ä": True}}) == '{"a":{"ä":true},"b":[1,2.5,null]}'.encode()


def test_the_fingerprint_is_the_sha256_of_the_bytes() -> None:
    # printf '{"a":1}' | sha256sum (coreutils 9.1)
    assert fingerprint({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "abc"
    file.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1: SHA-256 of "abc".
    assert file_hash(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_minus_zero_is_zero() -> None:
    assert canonical(-0.0) == canonical(0.0)


def test_a_numpy_float_is_the_float() -> None:
    assert canonical(np.float64(0.1)) == canonical(0.1)


def test_a_dataclass_is_an_object_of_its_fields() -> None:
    assert canonical([Point(1, (0.5,))]) == b'[{"x":1,"y":[0.5]}]'


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(LoraRecipe)])
def test_every_field_of_a_recipe_registers(field: str) -> None:
    default = LoraRecipe()
    before: Any = getattr(default, field)
    after: Any = not before if isinstance(before, bool) else before + 1 if isinstance(before, int | float) else "other"
    assert fingerprint(dataclasses.replace(default, **{field: after})) != fingerprint(default)


UNSTABLE: list[object] = [
    {1, 2},
    frozenset({"a"}),
    len,
    lambda: None,
    Path("x"),
    b"bytes",
    object(),
    Point,
    Colour.RED,
    datetime.date(2026, 11, 23),
    math.nan,
    math.inf,
    -math.inf,
    np.int64(1),
    np.zeros(2),
    iter([1]),
    1j,
]


@pytest.mark.parametrize("value", UNSTABLE, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    ("wrap", "where"),
    [
        (lambda value: value, "value:"),
        (lambda value: {"a": [0, value]}, "value.a[1]:"),
        (lambda value: Point(1, (value,)), "value.y[0]:"),
    ],
    ids=["bare", "in a list", "in a dataclass"],
)
def test_what_has_no_stable_text_is_refused_with_its_place(
    value: object, wrap: Callable[[object], object], where: str
) -> None:
    with pytest.raises(TypeError) as caught:
        fingerprint(wrap(value))
    assert str(caught.value).startswith(where)


@pytest.mark.parametrize("key", [1, None, True, ("a",), Path("x")])
def test_keys_that_are_no_text_are_refused(key: object) -> None:
    # json.dumps would turn 1, None and True into text, so that {1: …} and {"1": …} were one.
    with pytest.raises(TypeError, match=r"value\.a: key .* is not a string"):
        fingerprint({"a": {key: 0}})
