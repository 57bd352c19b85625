"""Input that goes wrong in every way: values put in the place of others, trees and bytes that are cut, bent and doubled.

A default run tries few examples, always the same; ``-m slow`` tries ``DEEP`` of each kind, at random.
"""

from __future__ import annotations

import contextlib
import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from babeltune.errors import BabeltuneError, InputError

DEEP = 2500
SLOW = [
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.function_scoped_fixture,
    HealthCheck.differing_executors,
]


def few(count: int) -> settings:
    """For the default run."""
    return settings(max_examples=count, derandomize=True, deadline=None, database=None, suppress_health_check=SLOW)


def many(count: int = DEEP) -> settings:
    """For the deep run."""
    return settings(
        max_examples=count, derandomize=False, deadline=None, database=None, suppress_health_check=SLOW, print_blob=True
    )


def nested(depth: int) -> Any:
    value: Any = "x"
    for at in range(depth):
        value = [value] if at % 2 else {"x": value}
    return value


WEIRD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 10**9, 10**30, -(10**400), 0.0, -0.0, 0.5, 1.5, 1e308, -1e-320, float("nan"), float("inf"), float("-inf"),
    "", " ", "0", "1", "1e3", "no", "null", "~", "x" * 3000, "\x00", "\x1b[2J", "\u202e", "\ufeff", "\ud83d", "é" * 50, "日本語", "../../x", "/etc/passwd",
    "a/b", "pocket", "hub", "smollm2-135m", "mono", "base", "en", "de", "xx", "12:30", "2026-01-01", "0x1f", "[", "{{x}}", "{0}", "%s", "\n", "a\nb", "a\tb",
    [], {}, [[]], [None], [{}], {"": ""}, {"x": 1}, ["en", "en"], {"en": 0}, {"en": 10**12}, nested(12), [1] * 200, {str(at): at for at in range(60)},
)  # fmt: skip
SCALARS = (
    st.sampled_from([one for one in WEIRD if not isinstance(one, list | dict)])
    | st.text(max_size=12)
    | st.integers()
    | st.floats()
)
# A copy each time: what is drawn is bent further.
VALUES = st.sampled_from(WEIRD).map(copy.deepcopy) | st.recursive(
    SCALARS,
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=5), some, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from places(inner, (*path, at))


@st.composite
def bent(draw: st.DrawFn, whole: Any, most: int = 3) -> Any:
    """The tree with some values replaced, left out, added, renamed or moved."""
    value = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, most))):
        path = draw(st.sampled_from(list(places(value))))
        if not path:
            if draw(st.integers(0, 20)) == 0:
                return draw(VALUES)
            continue
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        key = path[-1]
        match draw(st.sampled_from(["replace", "replace", "replace", "remove", "rename", "add", "wrap", "text"])):
            case "replace":
                holder[key] = draw(VALUES)
            case "remove":
                del holder[key]
            case "rename" if isinstance(holder, dict):
                holder[draw(st.text(max_size=6) | st.sampled_from([f"{key}s", str(key).upper(), "no", "<<", "1"]))] = (
                    holder.pop(key)
                )
            case "add" if isinstance(holder, dict):
                holder[draw(st.text(max_size=6))] = draw(VALUES)
            case "wrap":
                holder[key] = draw(
                    st.sampled_from([[holder[key]], {"x": holder[key]}, [holder[key], copy.deepcopy(holder[key])]])
                )
            case _:
                holder[key] = str(holder[key])
    return value


@st.composite
def torn(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes that were cut, doubled, encoded otherwise or had some put in."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(content))))
        match draw(st.sampled_from(["cut", "insert", "drop", "double", "encode", "ends", "mark", "flip"])):
            case "cut":
                content = content[:at]
            case "insert":
                some = [
                    b"\x00",
                    b"\xff",
                    b"\xed\xa0\x80",
                    b"\t",
                    b'"',
                    b"'",
                    b"\\",
                    b"{",
                    b"[" * 2000,
                    b"}",
                    b"\n",
                    b"\r",
                    b"&a *a",
                    b": ",
                    b"- ",
                    b"#",
                    b"\x1a",
                    b"\xc3",
                    b"!!x",
                    b"%",
                ]
                content = content[:at] + draw(st.sampled_from(some) | st.binary(max_size=5)) + content[at:]
            case "drop":
                content = content[:at] + content[at + draw(st.integers(1, 20)) :]
            case "double":
                content = content[:at] + content
            case "encode":
                with contextlib.suppress(UnicodeError):
                    content = content.decode().encode(
                        draw(st.sampled_from(["utf-16", "utf-32", "latin-1", "utf-8-sig", "utf-7", "cp1251"]))
                    )
            case "ends":
                content = content.replace(b"\n", draw(st.sampled_from([b"\r\n", b"\r", b"\n\n", b"\xe2\x80\xa8"])))
            case "mark":
                content = (
                    draw(st.sampled_from([b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b"PAR1", b"PK\x03\x04"])) + content
                )
            case "flip" if content:
                at = min(at, len(content) - 1)
                content = content[:at] + bytes([content[at] ^ draw(st.sampled_from([1, 32, 128]))]) + content[at + 1 :]
    return content


def as_json(value: Any) -> bytes:
    """JSON with all that Python writes of it: NaN, half characters as escapes, or as they are where UTF-8 has them."""
    return json.dumps(value, ensure_ascii=random.Random(repr(value)[:50]).random() < 0.5).encode(
        "utf-8", "backslashreplace"
    )


def told(error: BabeltuneError) -> None:
    """The error says what, where, why, and what to do next."""
    assert str(error).strip()
    assert error.exit_code in (1, 2, 3)
    if isinstance(error, InputError):
        assert error.exit_code == 2
        assert error.problems
        for problem in error.problems:
            assert problem.where.strip(), problem
            assert problem.what.strip(), problem
            assert problem.fix.strip(), problem
            assert problem.line is None or problem.line >= 1, problem
            assert len(str(problem)) < 20_000, str(problem)[:300]
            assert "object at 0x" not in str(problem)
            assert "Traceback" not in str(problem)


def tried(work: Callable[[], Any]) -> Any:
    """What comes of it: a result, or the errors that are raised on purpose. Anything else is a fault."""
    try:
        return work()
    except BabeltuneError as error:
        told(error)
        return error
