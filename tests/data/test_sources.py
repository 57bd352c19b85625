import codecs
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

from babeltune.data.sources import (
    POCKET,
    Columns,
    Source,
    chats,
    content_hash,
    fetch,
    fingerprint,
    missing,
    read_chats,
)
from babeltune.errors import Problem, RowsError
from babeltune.hub import HubSet
from babeltune.records import Chat, Turn
from babeltune.rows import files_of

GUANACO = "timdettmers/openassistant-guanaco"
REAL = Path(__file__).parents[2].parent / "shared/data/chat/guanaco_shaped.jsonl"

GOOD = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}
TURNS = (Turn("user", "Hi"), Turn("assistant", "Hello."))


def says(*contents, roles=("user", "assistant")):
    return {"messages": [{"role": roles[n % 2], "content": content} for n, content in enumerate(contents)]}


def raw(row):
    return row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode()


def written(folder, *rows, end=b"\n", start=b""):
    path = folder / "chats.jsonl"
    path.write_bytes(start + b"".join(raw(row) + end for row in rows))
    return str(path)


def problems_of(source):
    with pytest.raises(RowsError) as caught:
        read_chats(source)
    return caught.value.problems


BAD = {
    "a broken line": (b'{"messages": [', "broken JSON at column 15"),
    "words": (b"Hello there", "broken JSON at column 1"),
    "two objects in a line": (b"{} {}", "broken JSON at column 4"),
    # The third byte, 0xff, stands in no UTF-8 text.
    "invalid UTF-8": (b'{"\xff": 1}', "invalid UTF-8 at byte 3 of the line"),
    "UTF-8 cut in a character": ('{"text": "é'.encode()[:-1], "invalid UTF-8 at byte 11 of the line"),
    "UTF-16": ('{"text": "é"}'.encode("utf-16"), "invalid UTF-8 at byte 1 of the line"),
    "a list": ([GOOD], "a list in place of an object"),
    "a string": ("Hi", "a str in place of an object"),
    "null": (None, "a NoneType in place of an object"),
    # What is wrong with a chat is in test_shapes.py.
    "no answer": (says("Hi"), "there is no answer"),
    # Python refuses integers of more than 4,300 digits, and nesting deeper than its stack.
    "a number without end": (b'{"id": ' + b"9" * 5000 + b"}", "JSON beyond all measure"),
    "brackets without end": (b"[" * 100_000, "JSON beyond all measure"),
}


@pytest.mark.parametrize(("row", "what"), BAD.values(), ids=BAD)
def test_a_bad_row_is_named_by_file_and_line(tmp_path, row, what):
    source = written(tmp_path, {**GOOD, "id": "first"}, row, {**GOOD, "id": "last"})
    problem, hint = problems_of(source)
    assert problem.where == "chats.jsonl:2"
    assert problem.what.startswith(what)
    assert problem.fix
    assert str(hint) == "to go on without them: 1 of 3 rows. Use --skip-bad-rows"


def test_a_number_and_its_digits_are_the_same_id(tmp_path):
    assert problems_of(written(tmp_path, {**GOOD, "id": 7}, {**GOOD, "id": "7"}))[0].where == "chats.jsonl:2"


def test_all_bad_rows_are_listed_at_once(tmp_path):
    problems = problems_of(written(tmp_path, GOOD, *(row for row, _ in BAD.values())))
    assert [problem.where for problem in problems[:-1]] == [f"chats.jsonl:{n}" for n in range(2, len(BAD) + 2)]
    assert all(problem.what.startswith(what) for problem, (_, what) in zip(problems[:-1], BAD.values(), strict=True))


def test_beyond_twenty_bad_rows_the_others_are_counted(tmp_path):
    problems = problems_of(written(tmp_path, GOOD, *[b"{"] * 33))
    assert [problem.where for problem in problems[:20]] == [f"chats.jsonl:{n}" for n in range(2, 22)]
    assert problems[20].what == "13 more"
    assert problems[21].what == "33 of 34 rows"


def test_skipped_bad_rows_are_returned_and_the_good_ones_kept(tmp_path):
    source = written(tmp_path, GOOD, *(row for row, _ in BAD.values()), GOOD)
    read = read_chats(source, skip_bad_rows=True)
    assert [problem.where for problem in read.skipped] == [f"chats.jsonl:{n}" for n in range(2, len(BAD) + 2)]
    assert [chat.id for chat in read.chats] == ["0", str(len(BAD) + 1)]


def test_a_skipped_row_takes_no_id_from_a_later_one(tmp_path):
    source = written(tmp_path, {**says("Hi"), "id": "a"}, {**GOOD, "id": "a"})
    read = read_chats(source, skip_bad_rows=True)
    assert [(chat.id, chat.turns) for chat in read.chats] == [("a", TURNS)]


@pytest.mark.parametrize("content", [b"", b"\n\n  \n", codecs.BOM_UTF8])
def test_a_file_without_chats_says_so(tmp_path, content):
    source = written(tmp_path, start=content)
    assert [problem.what for problem in problems_of(source)] == ["holds no chats"]


def test_a_last_line_without_a_line_end_is_read(tmp_path):
    assert len(read_chats(written(tmp_path, start=raw(GOOD) + b"\n" + raw(GOOD))).chats) == 2


def test_line_breaks_of_unicode_do_not_end_a_row(tmp_path):
    # U+2028 and U+0085 may stand bare inside JSON strings; str.splitlines would break the row there.
    [chat] = read_chats(written(tmp_path, says("one\u2028two", "three\u0085four"))).chats
    assert [turn.content for turn in chat.turns] == ["one\u2028two", "three\u0085four"]


def test_the_bundled_source_is_read_whole():
    lines = sum(len(re.findall(rb"\S.*\n", file.read_bytes())) for file in (POCKET / "chats").iterdir())
    read = read_chats("pocket")
    assert (len(read.chats), read.skipped) == (lines, ())


def test_the_hash_of_one_file_is_that_of_its_digest(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    # SHA-256 of "abc": FIPS 180-2, appendix B.1.
    digest = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    assert content_hash([file]) == hashlib.sha256(digest).hexdigest()


def test_the_hash_sees_content_order_and_where_files_end_but_no_names(tmp_path):
    def made(*contents):
        files = [tmp_path / f"{len(list(tmp_path.iterdir()))}-{n}" for n in range(len(contents))]
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(content)
        return content_hash(files)

    assert made(b"ab", b"c") == made(b"ab", b"c")
    assert len({made(b"ab", b"c"), made(b"a", b"bc"), made(b"c", b"ab"), made(b"abc"), made(b"abd")}) == 5


# Files and folders


def filled(folder, **files):
    folder.mkdir()
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_bytes(b"".join(raw(row) + b"\n" for row in rows))
    return folder


def test_rows_of_a_folder_are_numbered_through(tmp_path):
    folder = filled(tmp_path / "set", b=[says("b", "b1")], a=[says("a", "a1"), b"", b"{", {**GOOD, "id": "own"}])
    read = read_chats(str(folder), skip_bad_rows=True)
    assert [(chat.id, chat.turns[0].content) for chat in read.chats] == [("0", "a"), ("own", "Hi"), ("3", "b")]
    assert [problem.where for problem in read.skipped] == ["a.jsonl:3"]


def test_an_id_may_not_stand_in_two_files(tmp_path):
    folder = filled(tmp_path / "set", a=[{**GOOD, "id": "x"}], b=[{**GOOD, "id": "x"}])
    assert problems_of(str(folder))[0].what == "id 'x' is already that of a.jsonl:1"


def test_a_file_that_breaks_off_is_refused_even_where_bad_rows_are_skipped(tmp_path):
    packed = gzip.compress(b"{\n" + b"".join(raw(says(f"{n * n:x}", "Hello.")) + b"\n" for n in range(20_000)))
    (tmp_path / "chats.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(RowsError) as caught:
        read_chats(str(tmp_path / "chats.jsonl.gz"), skip_bad_rows=True)
    first, hint, last = caught.value.problems
    assert first.where == "chats.jsonl.gz:1"
    assert hint.fix == "Use --skip-bad-rows"
    assert last.what.startswith("breaks off after line ")


def test_chats_are_read_one_at_a_time(tmp_path):
    source = Source(written(tmp_path, GOOD, b"{"))
    read = chats(source)
    assert next(read) == Chat("0", TURNS)
    assert isinstance(next(read), Problem)


def test_a_home_folder_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path, GOOD)
    assert len(read_chats("~/chats.jsonl").chats) == 1
    assert fingerprint(Source("~/chats.jsonl")) == content_hash([tmp_path / "chats.jsonl"])


def test_columns_and_shape_are_heeded(tmp_path):
    row = {"q": "Hi", "a": "Hello.", "text": "### Human: Hi### Assistant: No."}
    path = written(tmp_path, row)
    assert read_chats(Source(path, columns=Columns("q", "a"))).chats == (Chat("0", TURNS),)
    assert read_chats(Source(path)).chats[0].turns[1].content == "No."
    assert "'messages' is not a list" in problems_of(Source(path, shape="messages"))[0].what


@pytest.mark.skipif(not REAL.is_file(), reason="the real chats are not here")
def test_real_chats_of_guanacos_shape_are_read_without_a_problem():
    read = read_chats(str(REAL))
    assert len(read.chats) == 2400
    assert [chat.id for chat in read.chats] == [str(n) for n in range(2400)]
    assert read.skipped == ()


# Hub ids


@pytest.mark.parametrize("at", ["org/name", "a.b-c/d_e.2", GUANACO])
def test_a_hub_id_is_told_from_a_path(at, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Source(at, "main", "de", ("train",)).hub == HubSet(at, "main", "de", ("train",))
    Path(at).mkdir(parents=True)
    assert Source(at).hub is None


@pytest.mark.parametrize(
    "at",
    ["pocket", "chats", "./org/name", "../org/name", "~/name", "/a/b", "a/b/c", "a/b.jsonl", "a/b.csv.gz", "a b/c"],
)
def test_what_reads_like_a_path_is_no_hub_id(at):
    assert Source(at).hub is None


# Fingerprints of files


def test_the_pockets_fingerprint_is_its_content():
    digest = hashlib.sha256()
    for file in sorted((POCKET / "chats").glob("*.jsonl")):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    assert fingerprint(Source("pocket")) == digest.hexdigest() == content_hash(files_of(POCKET / "chats"))


def test_a_files_fingerprint_sees_content_and_how_it_is_read_but_no_name(tmp_path):
    one = filled(tmp_path / "one", a=[GOOD], b=[says("b", "c")])
    same = filled(tmp_path / "same", c=[GOOD], d=[says("b", "c")])
    other = filled(tmp_path / "other", a=[GOOD], b=[says("b", "d")])
    assert fingerprint(Source(str(one))) == fingerprint(Source(str(same)))
    read = [
        Source(str(one)),
        Source(str(other)),
        Source(str(one), shape="messages"),
        Source(str(one), shape="alpaca"),
        Source(str(one), columns=Columns("a", "b")),
        Source(str(one), columns=Columns("a", "b", context="c")),
    ]
    assert len({fingerprint(source) for source in read}) == len(read)


def test_what_is_not_there_has_no_fingerprint(tmp_path):
    with pytest.raises(RowsError):
        fingerprint(Source(str(tmp_path / "none.jsonl")))


# Hub sets, in a cache that looks like the hub's own

COMMIT = "831dabac2283d99420cda0b673d7a2a43849f17a"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's cache: blobs, snapshots that link to them, and what a branch stands for."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cached(cache, name, commit=COMMIT, branch="main", **files):
    home = cache / f"datasets--{name.replace('/', '--')}"
    for folder in ("refs", "blobs", f"snapshots/{commit}"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "refs" / branch).write_text(commit)
    for file, rows in files.items():
        content = b"".join(raw(row) + b"\n" for row in rows)
        blob = home / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (home / "snapshots" / commit / f"{file}.jsonl").symlink_to(f"../../blobs/{blob.name}")
    return home / "snapshots" / commit


def guanaco(cache, train=3, test=2):
    """Files named as in https://huggingface.co/datasets/timdettmers/openassistant-guanaco."""
    rows = [{"text": f"### Human: {n}### Assistant: {n}!"} for n in range(train + test)]
    return cached(
        cache,
        GUANACO,
        openassistant_best_replies_train=rows[:train],
        openassistant_best_replies_eval=rows[train:],
    )


def test_guanacos_ids_are_rows_of_train_and_then_test(cache):
    guanaco(cache)
    read = read_chats(GUANACO).chats
    assert [(chat.id, chat.turns[0].content) for chat in read] == [(str(n), str(n)) for n in range(5)]
    assert [chat.id for chat in read_chats(Source(GUANACO, splits=("test",))).chats] == ["0", "1"]


def test_bad_rows_of_a_hub_set_are_named_by_split_and_row(cache):
    cached(cache, "org/name", train=[{"text": "### Human: a### Assistant: b"}, {"text": "no marks"}])
    problem = problems_of("org/name")[0]
    assert (problem.where, problem.what) == ("train[1]", "field 'text' does not start with '### Human:'")


def test_a_cached_set_is_found_without_the_network(cache):
    folder = guanaco(cache)
    assert fetch(Source(GUANACO), download=False) == folder
    assert not missing(Source(GUANACO))
    assert fetch(Source(GUANACO, revision=COMMIT), download=False) == folder
    assert missing(Source(GUANACO, revision="v2"))


def test_a_set_that_is_not_cached_says_how_to_get_it(cache):
    source = Source("org/name")
    assert missing(source)
    with pytest.raises(RowsError) as caught:
        next(chats(source))
    assert str(caught.value.problems[0]) == (
        "org/name: is no file or folder here, and as a hub set it is not in the local cache. Run once with --download."
    )


@pytest.mark.parametrize(
    ("at", "download", "what"),
    [
        ("org/name", True, "cannot be fetched, and is not in the local cache"),
        ("org/na--me", False, "cannot be fetched ("),
    ],
    ids=["no network", "an id that the hub does not allow"],
)
def test_what_cannot_be_fetched_says_so(cache, at, download, what):
    with pytest.raises(RowsError) as caught:
        fetch(Source(at), download=download)
    assert caught.value.problems[0].what.startswith(what)


@pytest.mark.parametrize("at", ["pocket", "chats.jsonl", "."])
def test_what_is_no_hub_set_is_never_missing(at):
    assert fetch(Source(at), download=False) is None
    assert not missing(Source(at))


def test_a_hub_sets_fingerprint_is_that_of_its_commit(cache):
    pinned = Source(GUANACO, revision=COMMIT)
    before = fingerprint(Source(GUANACO))
    wanted = fingerprint(pinned)
    guanaco(cache)
    # Once it is cached, the branch stands for its commit; the pinned commit always did.
    assert fingerprint(Source(GUANACO)) == fingerprint(Source(GUANACO, revision="main")) == wanted
    assert fingerprint(pinned) == wanted != before


def test_a_hub_sets_fingerprint_sees_all_that_is_read(cache):
    sources = [
        Source(GUANACO),
        Source("org/name"),
        Source(GUANACO, revision="v2"),
        Source(GUANACO, revision=COMMIT),
        Source(GUANACO, config="de"),
        Source(GUANACO, splits=("train",)),
        Source(GUANACO, splits=("train", "test")),
        Source(GUANACO, splits=("test", "train")),
        Source(GUANACO, shape="guanaco"),
        Source(GUANACO, columns=Columns("a", "b")),
    ]
    assert len({fingerprint(source) for source in sources}) == len(sources)
