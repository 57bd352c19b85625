"""Files of records: chats, items, stored outputs, ratings, shares, prompts: read, or told what is wrong with them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mutations import VALUES, as_json, bent, few, many, torn, tried

from babeltune.data import identify
from babeltune.data.census.shares import read_shares
from babeltune.data.sources import Source, read_chats
from babeltune.errors import ItemsError, RowsError
from babeltune.measure.outputs import alone, scores
from babeltune.measure.raters.ratings import read_ratings
from babeltune.rows import file_rows
from babeltune.study import tasks
from babeltune.study.spec.tasks import TASK_SPECS, SamplingSpec
from calls import Call

CHATS: tuple[list[dict[str, Any]], ...] = (
    [{"id": "a", "messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi."}]}] * 2,
    [{"id": 1, "conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Hi."}]}],
    [{"text": "### Human: Hi?### Assistant: Hi."}, {"text": "### Human: a### Assistant: b### Human: c### Assistant: d"}],
    [{"instruction": "Say", "input": "it", "output": "It."}, {"instruction": "a", "output": "b"}],
    [{"message_id": "m", "parent_id": None, "message_tree_id": "m", "role": "prompter", "text": "Hi?", "lang": "en", "rank": None, "deleted": False}],
    [{"prompt": {"text": "Hi?", "role": "prompter", "lang": "en", "replies": [{"text": "Hi.", "role": "assistant", "lang": "en", "replies": []}]}, "message_tree_id": "x"}],
)  # fmt: skip
"""In every shape that chats have."""
ITEMS: dict[str, list[dict[str, Any]]] = {
    "dialogue": [{"id": "a", "prompt": "Was ist Brot?", "split": "test"}, {"id": "b", "instruction": "Wer?"}],
    "simplification": [{"id": "a", "source": "Ein langer Satz.", "references": ["Ein Satz.", "Satz."]}],
    "xquad": [{"id": "a", "context": "Brot ist gut.", "question": "Was?", "answers": {"text": ["Brot"], "answer_start": [0]}}, {"id": "b", "context": "x", "question": "y", "references": ["x"]}],
    "xcsqa": [{"id": "a", "question": {"stem": "Was?", "choices": [{"label": one, "text": one} for one in "ABCDE"]}, "answerKey": "A"}],
    "xnli": [{"id": "a", "premise": "Es regnet.", "hypothesis": "Es ist nass.", "label": 0}, {"premise": "a", "hypothesis": "b", "label": "neutral"}],
}  # fmt: skip
OUTPUTS: dict[str, list[dict[str, Any]]] = {
    "dialogue": [{"id": "a", "prompt": "Was ist Brot?", "response": "Brot ist ein Gebäck."}, {"prompt": "Wer?", "output": None}, {"instruction": "x", "text": ""}],
    "simplification": [{"source": "Ein langer Satz.", "references": ["Satz."], "response": "Satz."}],
    "xquad": [{"references": ["Brot"], "question": "Was?", "response": "Brot, ja"}, {"references": "x", "response": ["x"]}],
    "xcsqa": [{"answerKey": "A", "response": "A"}, {"answerKey": "B", "response": " b) x"}],
    "xnli": [{"loglikelihoods": [-1.0, -2.0, -3.0], "label": 0}, {"doc": {"label": 1}, "filtered_resps": [["-1", "False"], ["-2", "False"], ["-3", "True"]]}],
}  # fmt: skip
RATINGS = [["id", "language", "item", "rating", "rater"], ["a", "de", "i1", "4", "Ana"], ["b", "de", "i2", "3,0", ""]]
SHARES = [["language", "percent"], ["en", "89.7"], ["de", "0.17"]]
KINDS = ("jsonl", "json", "csv", "tsv", "txt", "parquet", "jsonl.gz", "jsonl.zst")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


def written(folder: Path, rows: Any, kind: str) -> Path:
    """The rows in a file of a kind, as far as that kind can hold them; else as JSON in it."""
    path = folder / f"rows.{kind}"
    listed = rows if isinstance(rows, list) else [rows]
    content = b"\n".join(map(as_json, listed))
    try:
        match kind:
            case "json":
                content = as_json(rows)
            case "csv" | "tsv":
                table = io.StringIO()
                writer = csv.writer(table, delimiter="," if kind == "csv" else "\t")
                header = list(listed[0])
                writer.writerow(header)
                writer.writerows([[one.get(name) for name in header] for one in listed])
                content = table.getvalue().encode("utf-8", "surrogatepass")
            case "parquet":
                pl.DataFrame(listed, infer_schema_length=None, strict=False).write_parquet(path)
                content = path.read_bytes()
    except (TypeError, ValueError, AttributeError, LookupError, OverflowError, csv.Error, pl.exceptions.PolarsError):
        kind = "jsonl"  # no table can hold them: the file has another content than its name says
    path.write_bytes(content)
    return path


def whole(result: Any, error: type[Exception], kind: type | tuple[type, ...]) -> None:
    assert isinstance(result, (error, *(kind if isinstance(kind, tuple) else (kind,)))), result


def chats(path: Path) -> None:
    for skip in (False, True):
        found = tried(lambda skip=skip: read_chats(str(path), skip_bad_rows=skip))
        if not isinstance(found, RowsError):
            for chat in found.chats:
                assert chat.id
                assert chat.turns


def items(path: Path, name: str) -> None:
    spec = TASK_SPECS[name].model_validate({"languages": ["de"], "items": str(path)})
    task = tasks.make(name, spec, identify.identifier("lid176"), SamplingSpec())
    for prompting in tasks.promptings(spec, "de"):
        found = tried(lambda prompting=prompting: [task.request(item) for item in task.items("de", prompting)])
        whole(found, ItemsError, (RowsError, list))


def outputs(path: Path, name: str) -> None:
    spec = TASK_SPECS[name].model_validate({"languages": ["de"]})
    task = tasks.make(name, spec, identify.identifier("lid176"), SamplingSpec())
    tried(lambda: scores(task, alone(file_rows(path), name, "de", str(path)).answered))


def either(
    folder: Path, rows: Any, kind: str, tear: Callable[[bytes], bytes] | None, work: Callable[[Path], None]
) -> None:
    path = written(folder, rows, kind)
    if tear is not None:
        path.write_bytes(tear(path.read_bytes()))
    work(path)


ROWS = {
    "chats": (st.sampled_from(CHATS).flatmap(bent), lambda name: chats),
    **{f"items of {name}": (bent(ITEMS[name]), lambda name: lambda path: items(path, name.rpartition(" ")[2])) for name in ITEMS},
    **{f"outputs of {name}": (bent(OUTPUTS[name]), lambda name: lambda path: outputs(path, name.rpartition(" ")[2])) for name in OUTPUTS},
}  # fmt: skip


def bytes_of(rows: Any, kind: str, folder: Path) -> bytes:
    return written(folder, rows, kind).read_bytes()


@pytest.mark.parametrize("name", ROWS)
def test_bent_and_torn_rows_are_told(folder: Path, name: str) -> None:
    rows, works = ROWS[name]
    work = works(name)

    @few(14)
    @given(value=rows, kind=st.sampled_from(KINDS[:6]), data=st.data(), tear=st.integers(0, 2))
    def some(value: Any, kind: str, data: st.DataObject, tear: int) -> None:
        path = written(folder, value, kind)
        if not tear:
            path.write_bytes(data.draw(torn(path.read_bytes())))
        work(path)

    some()


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_many_bent_and_torn_rows_are_told(folder: Path, name: str) -> None:
    rows, works = ROWS[name]
    work = works(name)

    @many(600)
    @given(
        value=rows | VALUES | st.lists(VALUES, max_size=3),
        kind=st.sampled_from(KINDS),
        data=st.data(),
        tear=st.integers(0, 2),
    )
    def some(value: Any, kind: str, data: st.DataObject, tear: int) -> None:
        path = written(folder, value, kind)
        if not tear:
            path.write_bytes(data.draw(torn(path.read_bytes())))
        work(path)

    some()


FOUND = (
    b"[" * 100_000, b'{"a":' * 100_000, b'{"id": "\\ud83d", "prompt": "\\ud83d x", "response": "\\udc00"}', b'{"prompt": NaN, "response": Infinity}', b"9" * 10_000,
    b'{"prompt": "' + b"x" * 2_000_000 + b'"}', b'\xef\xbb\xbf{"prompt": "x"}', '{"prompt": "x"}'.encode("utf-16"), b"\x00" * 100, b'{"id": 1e400, "prompt": "x"}',
    b'{"id": ["a"], "prompt": {"x": 1}}', b'{"messages": [[]]}', b'{"messages": [{"role": null, "content": [1]}]}', b'{"references": [[1]], "source": 1, "response": {}}',
    b'{"loglikelihoods": [1e999, null, "x"], "label": 99}', b'{"loglikelihoods": [NaN, NaN, NaN], "label": 0}', b'{"filtered_resps": [[]], "doc": []}', b"id,prompt\r1,x\r", b'a,b\n"x',
    b'{"question": {"stem": 1, "choices": {}}, "answerKey": []}', b'{"context": "x", "question": "y", "answers": {"text": "x"}}', b'{"label": true, "premise": "a", "hypothesis": "b"}',
)  # fmt: skip
"""What broke a reader once, or might."""


@pytest.mark.parametrize("content", FOUND, ids=range(len(FOUND)))
def test_what_might_break_a_reader_is_told(folder: Path, content: bytes) -> None:
    for kind in ("jsonl", "json", "csv", "parquet"):
        path = folder / f"rows.{kind}"
        path.write_bytes(content)
        chats(path)
        for name in TASK_SPECS:
            items(path, name)
            outputs(path, name)


def test_the_valid_ones_are_valid(folder: Path) -> None:
    for shape in CHATS[:4]:
        assert read_chats(str(written(folder, [{**one, "id": f"{at}"} for at, one in enumerate(shape)], "jsonl"))).chats
    for name, rows in OUTPUTS.items():
        found = alone(file_rows(written(folder, rows[:1], "jsonl")), name, "de", "x")
        assert len(found.answered) == 1


@few(30)
@given(cells=st.sampled_from([RATINGS, SHARES]).flatmap(bent), data=st.data(), tear=st.booleans())
@example(cells=[["language", "item", "rating"], ["de", "i", "9" * 5000]], data=None, tear=False)
@example(cells=[["language", "percent"], ["de", "nan"], ["en", "1e999"]], data=None, tear=False)
def test_tables_of_people_and_of_corpora_are_told(folder: Path, cells: Any, data: Any, tear: bool) -> None:
    tables(folder, cells, data if tear else None)


@pytest.mark.slow
@many()
@given(
    cells=st.sampled_from([RATINGS, SHARES]).flatmap(lambda rows: bent(rows, most=5)),
    data=st.data(),
    tear=st.booleans(),
)
def test_many_tables_of_people_and_of_corpora_are_told(folder: Path, cells: Any, data: Any, tear: bool) -> None:
    tables(folder, cells, data if tear else None)


def tables(folder: Path, cells: Any, data: st.DataObject | None) -> None:
    text = io.StringIO()
    for row in cells if isinstance(cells, list) else [cells]:
        csv.writer(text, quoting=csv.QUOTE_MINIMAL).writerow(row if isinstance(row, list) else [row])
    content = text.getvalue().encode("utf-8", "surrogatepass")
    path = folder / "table.csv"
    path.write_bytes(data.draw(torn(content)) if data is not None else content)
    tried(lambda: read_ratings(path))
    tried(lambda: read_shares(path))


@few(10)
@given(name=st.sampled_from(sorted(OUTPUTS)), data=st.data())
def test_the_command_line_scores_or_tells(babeltune: Call, folder: Path, name: str, data: st.DataObject) -> None:
    path = written(folder, data.draw(bent(OUTPUTS[name])), data.draw(st.sampled_from(KINDS[:3])))
    skip = data.draw(st.sampled_from([(), ("--skip-bad-rows",)]))
    said = babeltune("score", "--outputs", path, "--task", name, "--language", "de", *skip)
    assert said.code in (0, 1, 2)
    assert "Traceback" not in said.err


def test_columns_may_be_named(folder: Path) -> None:
    path = written(folder, CHATS[2], "jsonl")
    assert isinstance(tried(lambda: read_chats(Source(str(path)))), object)
    assert json.loads(path.read_bytes().splitlines()[0])["text"]
