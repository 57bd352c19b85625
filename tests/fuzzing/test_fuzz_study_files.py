"""Study files: whatever stands in one, it is read, or every problem of it is told."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from mutations import WEIRD, as_json, bent, few, many, told, torn, tried

from babeltune.errors import StudyError
from babeltune.study.check import open_study
from babeltune.study.spec.studyfile import Parsed, parse
from calls import Call

STUDIES = Path(__file__).parents[2] / "studies"
SMALL: dict[str, Any] = {
    "study": "tiny", "models": ["smollm2-135m", {"id": "org/name", "revision": "main", "pretraining": "llama2"}], "chats": {"at": "pocket"},
    "mixes": {"mono": {"en": 12}, "multi-2": None, "half": {"en": 0.5, "es": 0.5}, "a": {"multi": 3, "budget": 4}, "b": {"without": "es"}, "t": {"translated": 2}},
    "tasks": {
        "dialogue": {"split": "dev", "languages": ["en", "de"], "sampling": {"max_tokens": 8}},
        "xquad": {"languages": ["en"], "promptings": ["xx:xx"], "sample": 2}, "xnli": {"languages": ["en"], "words": "corrected"},
    },
    "label": {"identifier": "lid176", "threshold": 0.8}, "mixing": {"main": "en", "order": ["es", "de"], "each": 4, "size": 12},
    "recipe": {"preset": "as-paper", "rank": 4, "max_tokens": 200}, "sampling": {"temperature": 0.8, "max_tokens": 8}, "seeds": [0, 1], "tuning_seeds": [0],
    "judge": {"model": "j", "base_url": "http://localhost:8000/v1", "readings": ["direct"]}, "translator": {"model": "t", "engine": "endpoint"},
    "prices": {"j": {"input": 1.0, "output": 2.0}}, "verdict": {"margin": 0.1}, "execution": {"device": "cpu", "batch_size": 5},
}  # fmt: skip
TEXTS = [path.read_bytes() for path in sorted(STUDIES.glob("*.yaml"))]
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGED = "a: &a {x1: 1, x2: 2, x3: 3}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}], {name}: 1}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
FOUND = (
    BOMB, MERGED, "study: \"\\ud83d\"", "\"\\ud83d\": 1", "study: !!bool maybe", "!!bool maybe: 1", "study: !!timestamp x", "study: !!int ''", "? [a, b]\n: 1",
    "? {a: b}\n: 1", "study: !!set {[a]}", "study: !!float x", "study: 2026-13-01", "study: 0o9", "study: " + "9" * 5000, "[" * 1200, "&a [*a]", "study: &a {x: *a}",
    "study: !!binary x", "study: !!omap [1]", "study: !!pairs [1]", "a: 1\n\ta: 2", "study: 1\nstudy: 2", "- 1", "1", "", "---\n---\n", "%YAML 9.9\n---\na: 1", "!!python/name:os.system x",
    "study: 190:20:30", "study: 1_000", "study: .inf", "study: -.INF", "study: .nan", "study: 1e999", "<<: 1", "<<: [1]", "study: {<<: 1}", "=: 1", "study: =",
    "models: [{id: .inf}]", "seeds: [1e400]", "seeds: [.inf]", "execution: {batch_size: .nan}", "prices: {1: 1}", "prices: {null: {input: 1, output: 1}}",
    "mixes: {1: {en: 1}}", "mixes: [1, [2]]", "mixes: {a: {no: 1}}", "tasks: {dialogue: {languages: [no]}}", "tasks: {dialogue: {languages: [[en]]}}",
    "tasks: {dialogue: {languages: [{en: 1}]}}", "models: [[a]]", "models: [{id: [a]}]", "chats: [a]", "chats: {at: [a]}", "label: [a]", "recipe: [a]", "recipe: {preset: [a]}",
    "mixing: {order: [[a]]}", "verdict: {margin: [a]}",
)  # fmt: skip
"""What broke it once, or might."""


def read(folder: Path, content: bytes) -> Parsed | StudyError:
    path = folder / "study.yaml"
    path.write_bytes(content)
    found = tried(lambda: parse(path))
    assert isinstance(found, Parsed | StudyError)
    if isinstance(found, Parsed) and found.problems:
        told(StudyError("x", found.problems))
        assert found.study is None
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzzed")


def test_the_valid_ones_are_valid(folder: Path) -> None:
    for content in (*TEXTS, as_json(SMALL)):
        found = read(folder, content)
        assert isinstance(found, Parsed)
        assert found.problems == ()


@pytest.mark.parametrize("text", FOUND)
def test_what_might_break_it_is_told(folder: Path, text: str) -> None:
    for content in (text, f"{text}\n{json.dumps(SMALL)[1:-1].replace(', ', chr(10), 0)}"):
        found = read(folder, content.encode())
        assert isinstance(found, StudyError) or found.problems


@pytest.mark.parametrize("value", WEIRD, ids=range(len(WEIRD)))
def test_any_value_in_the_place_of_any_field(folder: Path, value: Any) -> None:
    for name in SMALL:
        read(folder, as_json({**SMALL, name: value}))
        if isinstance(SMALL[name], dict):
            for inner in SMALL[name]:
                read(folder, as_json({**SMALL, name: {**SMALL[name], inner: value}}))


def bent_file(folder: Path, value: Any, dumped: bool) -> None:
    content = as_json(value)
    if dumped:
        with contextlib.suppress(yaml.YAMLError, TypeError):
            content = yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "backslashreplace")
    read(folder, content)


@few(60)
@given(value=bent(SMALL), dumped=st.booleans())
@example(value={**SMALL, "study": "\ud83d"}, dumped=True)
@example(value={**SMALL, "": "tiny"}, dumped=False)
def test_a_bent_study_is_told(folder: Path, value: Any, dumped: bool) -> None:
    bent_file(folder, value, dumped)


@pytest.mark.slow
@many()
@given(value=bent(SMALL, most=6), dumped=st.booleans())
def test_bent_studies_are_told(folder: Path, value: Any, dumped: bool) -> None:
    bent_file(folder, value, dumped)


@few(60)
@given(content=st.sampled_from(TEXTS).flatmap(torn))
def test_a_torn_study_is_told(folder: Path, content: bytes) -> None:
    read(folder, content)


@pytest.mark.slow
@many()
@given(content=st.sampled_from(TEXTS).flatmap(torn) | st.binary(max_size=200))
def test_torn_studies_are_told(folder: Path, content: bytes) -> None:
    read(folder, content)


def opened(folder: Path, value: Any) -> None:
    path = folder / "study.yaml"
    path.write_bytes(as_json(value))
    tried(lambda: open_study(path, folder / "runs", may_lack="anything"))


@few(12)
@given(value=bent(SMALL, most=2))
def test_what_a_bent_study_names_is_looked_for(folder: Path, value: Any) -> None:
    opened(folder, value)


@pytest.mark.slow
@many(600)
@given(value=bent(SMALL, most=3))
def test_what_bent_studies_name_is_looked_for(folder: Path, value: Any) -> None:
    opened(folder, value)


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    return value


@few(25)
@given(seed=st.integers(0, 10**6), text=st.sampled_from(TEXTS))
def test_order_of_fields_comments_line_ends_and_marks_change_nothing(folder: Path, seed: int, text: bytes) -> None:
    chance = random.Random(seed)
    plain = read(folder, text)
    assert isinstance(plain, Parsed)
    raw = shuffled({key: value for key, value in plain.raw.items() if key != "mixes"}, chance)
    raw["mixes"] = plain.raw["mixes"]  # their order is that of figures and tables
    lines = []
    for line in yaml.safe_dump(raw, sort_keys=False, width=10**6).splitlines():
        lines += [line] if chance.random() < 0.7 else [f"{line}  # said", "", f"{' ' * chance.randint(0, 9)}# more"]
    ends = chance.choice(["\n", "\r\n", "\r"])
    content = chance.choice([b"", b"\xef\xbb\xbf"]) + ends.join([*lines, ""]).encode()
    found = read(folder, content)
    assert isinstance(found, Parsed)
    assert (found.study, found.problems) == (plain.study, ())


def test_all_problems_are_told_at_once(folder: Path) -> None:
    wrong: dict[str, Any] = {
        **SMALL, "study": "../x", "models": [], "seeds": [-1], "nonsense": 1, "recipe": {"rank": -1, "alpha": "x"},
        "execution": {"device": "tpu", "batch_size": 0}, "judge": {"model": "", "tries": 0}, "sampling": {"top_p": 2},
    }  # fmt: skip
    found = read(folder, as_json(wrong))
    assert isinstance(found, Parsed)
    where = {problem.where for problem in found.problems}
    assert where >= {
        "study", "models", "seeds[0]", "nonsense", "recipe.rank", "execution.device", "execution.batch_size", "judge.model", "judge.tries", "sampling.top_p",
    }  # fmt: skip


@few(12)
@given(value=bent(SMALL, most=2), verb=st.sampled_from(["plan", "status", "ledger", "report"]))
def test_the_command_line_ends_with_a_code_that_is_documented(
    babeltune: Call, folder: Path, value: Any, verb: str
) -> None:
    path = folder / "study.yaml"
    path.write_bytes(as_json(value))
    said = babeltune(verb, path, "--runs", folder / "runs")
    assert said.code in (0, 1, 2, 3)
    assert "Traceback" not in said.err
    assert said.code == 0 or said.err.strip()
