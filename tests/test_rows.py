import codecs
import csv
import gzip
import io
import json
import tracemalloc

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from babeltune.errors import Problem, RowsError
from babeltune.hub import HubSet, hub_rows
from babeltune.rows import Row, file_rows, files_of, kind_of

ROWS = [{"id": "a", "text": "¿Qué tal?\nBien."}, {"id": "b", "text": 'a "quoted", word\t'}, {"id": "c", "text": "好的"}]


def as_json_lines(rows):
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def as_array(rows):
    return json.dumps(rows, ensure_ascii=False, indent=2).encode()


def as_table(rows, delimiter=","):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0].keys(), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows, group=2):
    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), sink, row_group_size=group)
    return sink.getvalue()


def zstd(data):
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


KINDS = {
    "rows.jsonl": as_json_lines,
    "rows.ndjson": as_json_lines,
    "lines.json": as_json_lines,
    "array.json": as_array,
    "rows.csv": as_table,
    "rows.tsv": lambda rows: as_table(rows, "\t"),
    "rows.parquet": as_parquet,
    "rows.JSONL": as_json_lines,
    "rows.jsonl.gz": lambda rows: gzip.compress(as_json_lines(rows)),
    "array.json.gz": lambda rows: gzip.compress(as_array(rows)),
    "rows.csv.zst": lambda rows: zstd(as_table(rows)),
    "rows.jsonl.zst": lambda rows: zstd(as_json_lines(rows)),
}


def made(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


def fields(path, **how):
    return [row.fields for row in file_rows(path, **how)]


def refusal(rows):
    """What was yielded before, and the problem."""
    before = []
    with pytest.raises(RowsError) as caught:
        before.extend(rows)
    [problem] = caught.value.problems
    return before, problem


def listed(path):
    yield from files_of(path)


# Kinds


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("skip", range(5))
def test_skipped_rows_are_gone_and_the_others_are_named_the_same(tmp_path, name, skip):
    path = made(tmp_path, name, KINDS[name](ROWS))
    assert list(file_rows(path, skip=skip)) == list(file_rows(path))[skip:]


@pytest.mark.parametrize("name", KINDS)
def test_only_the_named_columns_are_kept(tmp_path, name):
    path = made(tmp_path, name, KINDS[name](ROWS))
    assert fields(path, columns=["text", "nowhere"]) == [{"text": row["text"]} for row in ROWS]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"))


@given(rows=st.lists(st.fixed_dictionaries({"a": TEXT, "b": TEXT}), min_size=1, max_size=6), skip=st.integers(0, 7))
def test_every_kind_of_file_holds_the_rows_that_were_written(tmp_path_factory, rows, skip):
    folder = tmp_path_factory.mktemp("kinds")
    for name, write in KINDS.items():
        assert fields(made(folder, name, write(rows)), skip=skip) == rows[skip:]


def test_places_are_lines_of_text_and_rows_of_the_rest(tmp_path):
    places = {
        name: [row.where for row in file_rows(made(tmp_path, name, KINDS[name](ROWS)))]
        for name in ("rows.jsonl", "array.json", "rows.csv", "rows.parquet")
    }
    assert places == {
        "rows.jsonl": ["rows.jsonl:1", "rows.jsonl:2", "rows.jsonl:3"],
        "array.json": ["array.json row 1", "array.json row 2", "array.json row 3"],
        # The header is line 1; the first row's text has two lines.
        "rows.csv": ["rows.csv:2", "rows.csv:4", "rows.csv:5"],
        "rows.parquet": ["rows.parquet row 1", "rows.parquet row 2", "rows.parquet row 3"],
    }


def test_a_text_file_has_one_document_a_line(tmp_path):
    path = made(tmp_path, "corpus.txt", "Eins.\r\n\n zwei\u2028drei \n".encode() + b"\xff\n")
    one, two, three = file_rows(path)
    assert [one, two] == [
        Row("corpus.txt:1", {"text": "Eins."}),
        Row("corpus.txt:3", {"text": " zwei\u2028drei "}),
    ]
    assert three == Problem("corpus.txt:4", "invalid UTF-8 at byte 1 of the line", "Save the file as UTF-8.")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b"\r\n  \r\n", b" \n\t\n\n"])
@pytest.mark.parametrize("start", [b"", codecs.BOM_UTF8, codecs.BOM_UTF8 + b"\r\n", b"\n"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_line_ends_empty_lines_and_a_byte_order_mark_change_nothing(tmp_path, name, start, end):
    content = start + b"".join(line + end for line in as_json_lines(ROWS).splitlines())
    path = made(tmp_path, name, content)
    assert fields(path) == ROWS
    assert fields(path, skip=1) == ROWS[1:]


def test_a_byte_order_mark_is_no_part_of_a_column_name(tmp_path):
    assert fields(made(tmp_path, "rows.csv", codecs.BOM_UTF8 + as_table(ROWS))) == ROWS


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv", "rows.txt", "rows.txt.gz", "rows.jsonl.zst"])
def test_an_empty_file_has_no_rows(tmp_path, name):
    assert list(file_rows(made(tmp_path, name, b""))) == []


def test_a_long_file_is_never_in_memory(tmp_path):
    line = json.dumps({"text": "word " * 200}).encode() + b"\n"
    path = made(tmp_path, "long.jsonl.gz", gzip.compress(line * 20_000, 1))
    tracemalloc.start()
    count = sum(1 for _ in file_rows(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_000
    assert peak < len(line) * 20_000 / 4


# Broken rows and files

# Problems of JSON itself are in test_sources.py, of lines; here is what is special to the other kinds.


def test_broken_rows_count_among_those_to_skip(tmp_path):
    path = made(tmp_path, "rows.jsonl", b'{"a": 1}\n{\n\n[]\n{"a": 2}\n')
    assert [getattr(row, "what", row.where) for row in file_rows(path)] == [
        "rows.jsonl:1",
        "broken JSON at column 2 (Expecting property name enclosed in double quotes)",
        "a list in place of an object",
        "rows.jsonl:5",
    ]
    assert fields(path, skip=3) == [{"a": 2}]


def test_what_is_no_object_in_an_array_is_a_problem(tmp_path):
    path = made(tmp_path, "rows.json", b'[{"a": 1}, "a", {"a": 2}]')
    first, problem, last = file_rows(path)
    assert (first.fields, last.fields) == ({"a": 1}, {"a": 2})
    assert (problem.where, problem.what) == ("rows.json row 2", "a str in place of an object")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'[{"a": 1},\n {"a"', "broken JSON at line 2, column 6 (Expecting ':' delimiter)"),
        (b'[{"a": "\xff"}]', "invalid UTF-8 (invalid start byte)"),
        (b"[" * 100_000, "JSON beyond all measure"),
    ],
)
def test_a_broken_array_is_refused_as_a_whole(tmp_path, content, what):
    before, problem = refusal(file_rows(made(tmp_path, "rows.json", content)))
    assert before == []
    assert problem.where == "rows.json"
    assert problem.what.startswith(what)


def test_broken_rows_of_a_table_cost_no_others(tmp_path):
    content = b'a,b\n1,2\n1\n1,2,3\n"1"x,2\n1,\xff\n"two\n\nlines",2\n  \n3,4\n'
    path = made(tmp_path, "t.csv", content)
    read = list(file_rows(path))
    assert [(row.where, getattr(row, "what", None)) for row in read] == [
        ("t.csv:2", None),
        ("t.csv:3", "1 field where the header has 2"),
        ("t.csv:4", "3 fields where the header has 2"),
        ("t.csv:5", "broken quotes (',' expected after '\"')"),
        ("t.csv:6", "invalid UTF-8"),
        ("t.csv:7", None),
        ("t.csv:11", None),
    ]
    assert read[-2].fields == {"a": "two\n\nlines", "b": "2"}
    assert list(file_rows(path, skip=4)) == read[4:]


def test_a_quote_that_never_ends_is_named_by_its_first_line(tmp_path):
    [_, problem] = file_rows(made(tmp_path, "t.csv", b'a,b\n1,2\n3,"4\n5,6\n'))
    assert (problem.where, problem.what) == ("t.csv:3", "broken quotes (unexpected end of data)")


def test_fields_of_a_table_may_be_of_any_length(tmp_path):
    # The csv module stops at 131,072 characters unless told otherwise.
    long = "x" * 300_000
    assert fields(made(tmp_path, "t.tsv", f"a\tb\n1\t{long}\n".encode())) == [{"a": "1", "b": long}]


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"a,b,a\n1,2,3\n", "the column 'a' stands twice in the header"), (b"\xff,b\n", "the header cannot be read")],
)
def test_a_table_without_a_proper_header_is_refused(tmp_path, content, what):
    assert refusal(file_rows(made(tmp_path, "t.csv", content)))[1].what.startswith(what)


LONG = [{"number": n, "text": f"{n * n:x}" * 40} for n in range(20_000)]


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gz", "zst"])
def test_a_packed_file_that_was_cut_short_says_how_far_it_came(tmp_path, pack, request):
    whole = pack(as_json_lines(LONG))
    path = made(tmp_path, f"cut.jsonl.{request.node.callspec.id}", whole[: len(whole) * 3 // 4])
    before, problem = refusal(file_rows(path))
    assert before
    assert [row.fields for row in before] == LONG[: len(before)]
    assert problem.where == path.name
    assert problem.what.startswith(f"breaks off after line {len(before)} (")


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_packed_file_that_is_none_is_refused(tmp_path, suffix):
    path = made(tmp_path, f"rows.jsonl.{suffix}", as_json_lines(ROWS))
    assert refusal(file_rows(path))[1].what.startswith("cannot be read (")


def test_a_missing_file_says_so(tmp_path):
    for name in ("none.jsonl", "none.csv", "none.txt.gz", "none.jsonl.zst", "none.parquet"):
        before, problem = refusal(file_rows(tmp_path / name))
        assert before == []
        assert problem.where == name
        assert "No such file" in problem.what or "cannot be read" in problem.what


@pytest.mark.parametrize("name", ["chats.docx", "chats", "rows.parquet.gz", "rows.gz", ".jsonl"])
def test_a_file_of_no_known_kind_is_refused(tmp_path, name):
    path = made(tmp_path, name, b"{}")
    for rows in (file_rows(path), listed(path)):
        assert refusal(rows)[1].what == "is of no known kind"


# Parquet


def broken_in(content, place):
    """The content with the bytes overwritten from a place on."""
    return content[:place] + b"\xff" * 64 + content[place + 64 :]


def first_page(content, group, column):
    chunk = parquet.ParquetFile(io.BytesIO(content)).metadata.row_group(group).column(column)
    return chunk.dictionary_page_offset or chunk.data_page_offset


def test_row_groups_that_are_skipped_are_never_read(tmp_path):
    whole = as_parquet(LONG[:300], group=100)
    path = made(tmp_path, "rows.parquet", broken_in(whole, first_page(whole, 0, 1)))
    assert fields(path, skip=100) == LONG[100:300]
    assert fields(path, skip=150) == LONG[150:300]
    assert refusal(file_rows(path, skip=99))[1].what.startswith("cannot be read (")


def test_columns_that_are_not_named_are_never_read(tmp_path):
    whole = as_parquet(LONG[:100], group=100)
    path = made(tmp_path, "rows.parquet", broken_in(whole, first_page(whole, 0, 1)))
    assert fields(path, columns=["number"]) == [{"number": n} for n in range(100)]


def test_a_parquet_file_that_breaks_says_how_far_it_came(tmp_path):
    whole = as_parquet(LONG[:3000], group=1000)
    path = made(tmp_path, "rows.parquet", broken_in(whole, first_page(whole, 2, 1)))
    before, problem = refusal(file_rows(path))
    assert [row.fields for row in before] == LONG[:2000]
    assert problem.what.startswith("breaks off after row 2000 (")


@pytest.mark.parametrize("content", [b"", b"PAR1", as_parquet(ROWS)[:-20]])
def test_a_parquet_file_without_its_end_is_refused(tmp_path, content):
    before, problem = refusal(file_rows(made(tmp_path, "rows.parquet", content)))
    assert before == []
    assert problem.what.startswith("cannot be read (")


def test_text_in_parquet_that_is_no_utf8_costs_its_own_row(tmp_path):
    binary = pyarrow.array([b"one", b"\xff", b"three"])
    text = pyarrow.StringArray.from_buffers(3, binary.buffers()[1], binary.buffers()[2])
    parquet.write_table(pyarrow.table({"text": text}), tmp_path / "rows.parquet")
    one, two, three = file_rows(tmp_path / "rows.parquet")
    assert (one.fields, three.fields) == ({"text": "one"}, {"text": "three"})
    assert two == Problem("rows.parquet row 2", "invalid UTF-8", "Save the file as UTF-8.")


def test_nested_columns_are_objects(tmp_path):
    row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}
    assert fields(made(tmp_path, "rows.parquet", as_parquet([row]))) == [row]


# Folders


def test_a_folder_is_its_data_files_by_name(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    names = ["c.jsonl.gz", "a.parquet", "b/d.csv", "b/a.txt", "README.md", ".a.jsonl", ".git/x.json", "b/.b.json"]
    for name in names:
        (tmp_path / name).touch()
    found = [file.relative_to(tmp_path).as_posix() for file in files_of(tmp_path)]
    assert found == ["a.parquet", "b/a.txt", "b/d.csv", "c.jsonl.gz"]
    assert files_of(tmp_path / "a.parquet") == [tmp_path / "a.parquet"]


def test_a_hidden_folder_may_be_named_itself(tmp_path):
    folder = tmp_path / ".cache"
    folder.mkdir()
    assert files_of(made(folder, "a.jsonl", b"").parent) == [folder / "a.jsonl"]


def test_a_folder_without_data_and_a_missing_one_say_so(tmp_path):
    (tmp_path / "README.md").touch()
    assert refusal(listed(tmp_path))[1].what == "holds no data files"
    assert refusal(listed(tmp_path / "no"))[1].what == "there is no such file or folder"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.jsonl", ".jsonl"), ("a.b.CSV.gz", ".csv"), ("a.parquet.zst", None), ("a.gz", None), ("a", None)],
)
def test_a_kind_is_told_by_the_suffix(tmp_path, name, kind):
    assert kind_of(tmp_path / name) == kind


# Hub sets, from a folder that looks like a snapshot

SET = HubSet("someone/some-set")


def snapshot(folder, **files):
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\n---\nA set.\n")
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_bytes(rows if isinstance(rows, bytes) else as_json_lines(rows))
    return folder


@pytest.fixture(scope="module")
def guanaco(tmp_path_factory):
    """Files named as in https://huggingface.co/datasets/timdettmers/openassistant-guanaco."""
    return snapshot(
        tmp_path_factory.mktemp("hub") / "snapshot",
        openassistant_best_replies_train=[{"text": f"train {n}", "number": n} for n in range(5)],
        openassistant_best_replies_eval=[{"text": f"test {n}", "number": n} for n in range(3)],
    )


def test_splits_follow_each_other_train_first(guanaco):
    read = [(row.where, row.fields["text"]) for row in hub_rows(SET, folder=guanaco)]
    assert read == [
        *((f"train[{n}]", f"train {n}") for n in range(5)),
        *((f"test[{n}]", f"test {n}") for n in range(3)),
    ]


@pytest.mark.parametrize("splits", [("test",), ("test", "train"), ("train",)])
def test_splits_are_taken_as_they_are_named(guanaco, splits):
    read = hub_rows(HubSet("someone/some-set", splits=splits), folder=guanaco)
    assert tuple(dict.fromkeys(row.where.partition("[")[0] for row in read)) == splits


@pytest.mark.parametrize("skip", [0, 1, 4, 5, 6, 8, 9])
def test_skipping_goes_over_the_ends_of_splits(guanaco, skip):
    assert list(hub_rows(SET, folder=guanaco, skip=skip)) == list(hub_rows(SET, folder=guanaco))[skip:]


def test_skipping_counts_over_batches(tmp_path):
    folder = snapshot(tmp_path / "s", train=[{"n": n} for n in range(2500)], test=[{"n": n} for n in range(10)])
    for skip in (999, 1000, 1001, 2499, 2500, 2505):
        read = [row.where for row in hub_rows(SET, folder=folder, skip=skip)]
        assert read == [
            *(f"train[{n}]" for n in range(skip, 2500)),
            *(f"test[{n}]" for n in range(max(0, skip - 2500), 10)),
        ]


def test_only_the_named_columns_of_a_hub_set_are_kept(guanaco):
    rows = hub_rows(SET, folder=guanaco, columns=["number", "nowhere"])
    assert [row.fields for row in rows][:2] == [{"number": 0}, {"number": 1}]


def test_other_splits_come_after_the_known_ones(tmp_path):
    folder = tmp_path / "set"
    (folder / "data").mkdir(parents=True)
    for split in ("zeta", "test", "alpha", "train"):
        (folder / "data" / f"{split}-00000-of-00001.parquet").write_bytes(as_parquet([{"text": split}]))
    assert [row.fields["text"] for row in hub_rows(SET, folder=folder)] in (
        ["train", "test", "alpha", "zeta"],
        ["train", "test", "zeta", "alpha"],
    )


def test_objects_of_many_depths_come_as_they_were_written(tmp_path):
    # Rows of one column that share no schema: datasets keeps such as JSON text inside.
    deep = {"text": "q", "replies": [{"text": "a", "rank": 1, "replies": [{"text": "q2", "replies": []}]}]}
    flat = {"text": "q", "replies": []}
    folder = snapshot(tmp_path / "s", train=[{"id": 1, "prompt": deep}, {"id": 2, "prompt": flat}])
    assert [row.fields["prompt"] for row in hub_rows(SET, folder=folder)] == [deep, flat]


def test_what_a_row_lacks_is_none(tmp_path):
    folder = snapshot(tmp_path / "s", train=[{"text": "a"}, {"text": "b", "id": 7}])
    assert [row.fields.get("id") for row in hub_rows(SET, folder=folder)] == [None, 7]


def test_a_split_that_is_not_there_is_named_with_those_that_are(guanaco):
    before, problem = refusal(hub_rows(HubSet("someone/some-set", splits=("train", "dev")), folder=guanaco))
    assert before == []
    assert str(problem) == "someone/some-set: has no split 'dev'. Splits of this set: train, test."


def test_a_config_that_is_not_there_says_so(guanaco):
    assert "'de' not found" in refusal(hub_rows(HubSet("a/b", config="de"), folder=guanaco))[1].what


def test_a_snapshot_without_data_says_so(tmp_path):
    assert refusal(hub_rows(SET, folder=snapshot(tmp_path / "s")))[1].fix.endswith("run once with --download.")


def test_a_hub_set_out_of_reach_says_so():
    before, problem = refusal(hub_rows(HubSet("someone/nowhere-to-be-found")))
    assert before == []
    assert problem.what.startswith("cannot be read (Couldn't reach 'someone/nowhere-to-be-found' on the Hub")


def test_a_broken_file_of_a_hub_set_names_the_place(tmp_path):
    folder = snapshot(tmp_path / "s", train=ROWS, test=b'{"id": "a"}\n{"id"\n')
    before, problem = refusal(hub_rows(SET, folder=folder))
    assert [row.fields for row in before] == ROWS
    assert problem.where.startswith("someone/some-set, train[")
