"""The census: the same whole numbers however the corpus is cut, packed, read or interrupted."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from babeltune.cli.verbs import census as cli
from babeltune.data.census import corpus, shares, tally
from babeltune.data.census.corpus import Unit, batches, field_of, file_units, hub_unit
from babeltune.data.census.count import Census, Job, Progress, local, take
from babeltune.data.identify import identifier
from babeltune.errors import BabeltuneError, InputError, RowsError, StoreError
from babeltune.hub import HubSet
from babeltune.languages import LANGUAGES
from babeltune.records import Identified

ENGLISH = "The weather is nice today and we are going for a long walk in the woods."
GERMAN = "Das Wetter ist heute schön und wir machen einen langen Spaziergang im Wald."
TEXTS = [ENGLISH, GERMAN, "1234", ""] * 10


class ByLength:
    """Names a text after its length; abstains on the empty one."""

    def identify(self, texts: Sequence[str]) -> list[Identified]:
        return [Identified(f"l{len(t) % 5}", (len(t) % 7) / 6) if t else Identified(None, 0.0, "empty") for t in texts]


def expected(texts: Sequence[str], threshold: float) -> tuple[dict[str, int], dict[str, int]]:
    """By hand, one text at a time: at the threshold a document is known, and characters are code points."""
    documents: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for text in texts:
        known = bool(text) and (len(text) % 7) / 6 >= threshold
        label = f"l{len(text) % 5}" if known else "unknown"
        documents[label] += 1
        characters[label] += len(text)
    return dict(documents), dict(characters)


def jsonl(path: Path, texts: Sequence[Any], field: str = "text") -> Path:
    path.write_text("".join(json.dumps({"id": n, field: text}) + "\n" for n, text in enumerate(texts)))
    return path


def job(path: Path, threshold: float = 0.5) -> Job:
    return Job(file_units(path), "text", "lid176", threshold)


@given(
    files=st.lists(st.lists(st.text(max_size=20), max_size=12), min_size=1, max_size=4).filter(any),
    documents=st.integers(1, 9),
    characters=st.integers(1, 40),
    threshold=st.sampled_from([0.0, 0.5, 4 / 6, 1.0]),
    stops=st.lists(st.integers(1, 40), max_size=4),
)
def test_counts_do_not_depend_on_files_batches_or_interruptions(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[list[str]],
    documents: int,
    characters: int,
    threshold: float,
    stops: list[int],
) -> None:
    folder = tmp_path_factory.mktemp("corpus")
    for number, texts in enumerate(files):
        jsonl(folder / f"{number}.jsonl", texts)
    state = tmp_path_factory.mktemp("state") / "new" / "c.state.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "_DOCUMENTS", documents)
        patch.setattr(corpus, "_CHARACTERS", characters)
        for limit in sorted(stops):
            taken = take(job(folder, threshold), local(ByLength()), state=state, limit=limit)
            every = [text for texts in files for text in texts][:limit]
            assert (dict(taken.documents), dict(taken.characters)) == expected(every, threshold)
        taken = take(job(folder, threshold), local(ByLength()), state=state)
    assert (dict(taken.documents), dict(taken.characters)) == expected([t for ts in files for t in ts], threshold)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_of_workers_counts_the_same_in_every_kind_of_file(tmp_path: Path, workers: int) -> None:
    jsonl(tmp_path / "a.jsonl", TEXTS)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    packed = pa.CompressedOutputStream(str(tmp_path / "c.jsonl.zst"), "zstd")
    packed.write((tmp_path / "a.jsonl").read_bytes())
    packed.close()
    pq.write_table(pa.table({"id": range(len(TEXTS)), "text": TEXTS}), tmp_path / "d.parquet")
    (tmp_path / "e.txt").write_text("".join(f"{text}\n" for text in TEXTS))
    taken = take(job(tmp_path), local(identifier("lid176", threads=workers)))
    # By hand: ten of each text in each file; a line of text that holds nothing is no document.
    assert taken == Census({"en": 50, "de": 50, "unknown": 90}, {"en": 50 * 72, "de": 50 * 75, "unknown": 200})
    assert taken.shares() == {"unknown": 9000 / 190, "de": 5000 / 190, "en": 5000 / 190}


def test_batches_are_bounded_by_documents_and_by_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "_DOCUMENTS", 3)
    monkeypatch.setattr(corpus, "_CHARACTERS", 10)
    (unit,) = file_units(jsonl(tmp_path / "a.jsonl", ["a", "b", "c", "d" * 99, "e", "f" * 9, "g"]))
    found = list(batches(unit, "text"))
    assert [[text[0] for text in batch.texts] for batch in found] == [["a", "b", "c"], ["d"], ["e", "f"], ["g"]]
    assert [(batch.start, batch.done, batch.last) for batch in found] == [
        (0, 3, False), (3, 4, False), (4, 6, False), (6, 7, True),
    ]  # fmt: skip
    assert list(batches(unit, "text", skip=4)) == found[2:]


KILLED = """
import os, signal, sys
from pathlib import Path
from babeltune.data.census import corpus, tally
from babeltune.data.census import count as census
from babeltune.data.identify import identifier
folder, state, point, count = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
corpus._DOCUMENTS, census._SECONDS = 7, 0.0
def at_call(function):
    def wrapped(*arguments):
        global count
        count -= 1
        if count == 0 and point == "before": os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments)
        if count == 0: os.kill(os.getpid(), signal.SIGKILL)
        return result
    return wrapped
if point == "add": tally.Tally.add = at_call(tally.Tally.add)
else: os.replace = at_call(os.replace)
job = census.Job(corpus.file_units(folder), "text", "lid176")
census.take(job, census.local(identifier("lid176")), state=state)
"""


def test_killed_at_any_instant_it_ends_with_the_same_counts(tmp_path: Path) -> None:
    folder, state = tmp_path / "corpus", tmp_path / "c.state.json"
    folder.mkdir()
    for name in ("a", "b"):
        jsonl(folder / f"{name}.jsonl", TEXTS)
    seen = []
    for point, count in (("add", 3), ("before", 2), ("after", 3), ("before", 1), ("add", 1)):
        arguments = [sys.executable, "-c", KILLED, str(folder), str(state), point, str(count)]
        assert subprocess.run(arguments, check=False).returncode == -signal.SIGKILL
        seen.append(sum(json.loads(state.read_text())["documents"].values()))
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] < 80
    begun: list[Progress] = []
    taken = take(job(folder), local(identifier("lid176")), state=state, tell=begun.append)
    assert begun[0].documents == seen[-1]
    assert taken == take(job(folder), local(identifier("lid176")))


def test_a_finished_census_is_read_back_without_reading_the_corpus(tmp_path: Path) -> None:
    path, state = jsonl(tmp_path / "a.jsonl", TEXTS), tmp_path / "c.state.json"
    taken = take(job(path), local(ByLength()), state=state)

    def refuse(*arguments: object) -> Any:
        raise AssertionError("read again")

    assert take(job(path), refuse, state=state) == taken


def change(path: Path) -> None:
    with path.open("a") as file:
        file.write('{"text": "more"}\n')


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (lambda path: Job(file_units(path), "text", "lid176", 0.8), "threshold: was 0.5, is 0.8"),
        (lambda path: Job(file_units(path), "id", "lid176"), "field: was text, is id"),
        (lambda path: Job(file_units(path), "text", str(path)), "identifier: was 8f3472cf"),
        (lambda path: (change(path), job(path))[1], " bytes of "),
        (lambda path: (path.rename(path.with_name("b.jsonl")), job(path.with_name("b.jsonl")))[1], "a.jsonl: was"),
    ],
)
def test_a_state_of_another_census_is_refused_with_what_differs(tmp_path: Path, other: Any, differs: str) -> None:
    path, state = jsonl(tmp_path / "a.jsonl", TEXTS), tmp_path / "c.state.json"
    taken = take(job(path), local(ByLength()), state=state, limit=5)
    with pytest.raises(StoreError, match="--restart") as caught:
        take(other(path), local(ByLength()), state=state)
    assert differs in str(caught.value)
    assert sum(json.loads(state.read_text())["documents"].values()) == taken.total == 5


@pytest.mark.parametrize("content", ["", "[]", "{", '{"recipe": {}}', '{"recipe": 1}', "\xff"])
def test_a_state_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    state = tmp_path / "c.state.json"
    state.write_text(content, encoding="latin-1")
    with pytest.raises(StoreError, match="not the state of a census"):
        tally.read_tally(state, {})


def test_a_limit_below_what_is_counted_is_refused_and_a_higher_one_goes_on(tmp_path: Path) -> None:
    path, state = jsonl(tmp_path / "a.jsonl", TEXTS), tmp_path / "c.state.json"
    assert take(job(path), local(ByLength()), state=state, limit=5).total == 5
    with pytest.raises(StoreError, match="holds 5 documents already, more than the limit of 4"):
        take(job(path), local(ByLength()), state=state, limit=4)
    assert take(job(path), local(ByLength()), state=state, limit=7).total == 7
    assert take(job(path), local(ByLength()), state=state, limit=99).total == 40


BAD = '{"text": "good"}\n{"text": \n{"text": null}\n[]\n{"other": "x"}\n{"text": "good too"}\n'


def test_broken_rows_stop_with_file_and_line_or_are_counted(tmp_path: Path) -> None:
    path, state = tmp_path / "a.jsonl", tmp_path / "c.state.json"
    path.write_text(BAD)
    with pytest.raises(InputError) as caught:
        take(job(path), local(ByLength()), state=state)
    assert [problem.where for problem in caught.value.problems[:-1]] == [f"a.jsonl:{line}" for line in (2, 3, 4, 5)]
    assert [problem.what for problem in caught.value.problems[1:4:2]] == [
        "field 'text' is None",
        "field 'text' is missing",
    ]
    assert caught.value.problems[-1].fix == "Use --skip-bad-rows."
    told: list[Progress] = []
    taken = take(job(path), local(ByLength()), state=state, skip_bad_rows=True, tell=told.append)
    assert (taken.total, taken.problems) == (2, 4)
    assert [problem.where for problem in told[-1].problems] == [f"a.jsonl:{line}" for line in (2, 3, 4, 5)]


def test_what_was_counted_before_a_broken_row_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "_DOCUMENTS", 4)
    path, state = jsonl(tmp_path / "a.jsonl", [*TEXTS[:6], None, *TEXTS[:6]]), tmp_path / "c.state.json"
    with pytest.raises(InputError, match=r"a.jsonl:7: field 'text' is None"):
        take(job(path), local(ByLength()), state=state)
    assert json.loads(state.read_text())["done"] == {"a.jsonl": 4}
    taken = take(job(path), local(ByLength()), state=state, skip_bad_rows=True)
    assert (taken.total, taken.problems) == (12, 1)


def test_a_file_that_breaks_off_is_refused_even_where_rows_may_be_skipped(tmp_path: Path) -> None:
    whole = jsonl(tmp_path / "a.jsonl", TEXTS * 600).read_bytes()
    path, state = tmp_path / "b.jsonl.gz", tmp_path / "c.state.json"
    path.write_bytes(gzip.compress(whole)[:-9])
    with pytest.raises(InputError, match=r"breaks off after line \d+"):
        take(job(path), local(ByLength()), state=state, skip_bad_rows=True)
    kept = json.loads(state.read_text())
    assert kept["done"]["b.jsonl.gz"] > 4096
    assert kept["finished"] == []


@pytest.mark.parametrize(
    ("row", "named", "found"),
    [
        ({"id": 1, "content": "x"}, None, "content"),
        ({"content": "x", "text": "y"}, None, "text"),
        ({"raw_content": "x"}, None, "raw_content"),
        ({"document": "x"}, None, "document"),
        ({"text": "x", "title": "y"}, "title", "title"),
    ],
)
def test_the_field_is_told_by_the_first_record(tmp_path: Path, row: dict[str, Any], named: str, found: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("broken\n" + json.dumps(row))
    assert field_of(file_units(path), named) == found


@pytest.mark.parametrize("named", [None, "text"])
def test_a_field_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path, named: str | None) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1, "body": "x"}')
    with pytest.raises(InputError, match=r"a.jsonl:1: no field .*text.*, but: id, body. Name .* --field"):
        field_of(file_units(path), named)


def test_a_corpus_without_documents_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n")
    with pytest.raises(InputError, match="holds no documents"):
        field_of(file_units(tmp_path))
    with pytest.raises(InputError, match="holds no documents"):
        shares.table(Census({}, {}))


def test_a_cached_hub_set_is_counted_split_by_split_and_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "snapshot"
    folder.mkdir()
    jsonl(folder / "train.jsonl", ["a" * 6, "b" * 6])
    jsonl(folder / "test.jsonl", ["c" * 4])
    hub = Job((Unit(HubSet("org/name"), "org/name", "commit 1", folder=folder),), "text", "lid176")
    assert field_of(hub.units) == "text"
    state = tmp_path / "c.state.json"
    assert dict(take(hub, local(ByLength()), state=state, limit=1).documents) == {"l1": 1}
    assert dict(take(hub, local(ByLength()), state=state).documents) == {"l1": 2, "l4": 1}


def test_a_hub_set_that_is_not_cached_is_not_fetched_unless_asked() -> None:
    with pytest.raises(RowsError, match="Run once with --download"):
        hub_unit(HubSet("org/no-such-set"), download=False)


def test_table_1_ranks_every_label_with_unknown_in_its_place_and_the_published_shares() -> None:
    taken = Census({"de": 2, "en": 96, "unknown": 1, "qu": 1}, {"de": 9, "en": 99, "unknown": 0, "qu": 5})
    rows = shares.table(taken)
    assert shares.as_csv(rows).splitlines() == [
        "rank,label,code,language,documents,characters,percent,llama2,falcon,gpt3",
        "1,en,en,English,96,99,96,89.7,95.751,93.69",
        "2,de,de,German,2,9,2,0.17,0.009,1.2",
        "3,qu,,qu,1,5,1,,,",
        "4,unknown,,unknown,1,0,1,8.38,3.902,",
    ]
    assert shares.as_markdown(rows).splitlines()[:4] == [
        "| # | Language | Percent | Llama 2 | Falcon | GPT-3 |",
        "| --: | :-- | --: | --: | --: | --: |",
        "| 1 | English | 96.000% | 89.700% | 95.751% | 93.690% |",
        "| 2 | German | 2.000% | 0.170% | 0.009% | 1.200% |",
    ]
    assert shares.table(Census({"en": 3}, {"en": 9}))[-1].label == "unknown"


@given(
    st.dictionaries(
        st.sampled_from([*(row.openlid for row in LANGUAGES.values()), "swh_Latn", "unknown", 'odd "label", yes']),
        st.integers(1, 10**12),
        min_size=1,
    )
)
def test_shares_read_back_are_those_of_the_census(
    tmp_path_factory: pytest.TempPathFactory, found: dict[str, int]
) -> None:
    path = tmp_path_factory.mktemp("shares") / "c.csv"
    rows = shares.table(Census(found, found))
    shares.write(rows, path, path.with_suffix(".md"))
    assert sum(row.percent for row in rows) == pytest.approx(100)
    assert [row.documents for row in rows] == sorted((row.documents for row in rows), reverse=True)
    assert shares.read_shares(path) == pytest.approx({row.code: row.percent for row in rows if row.code}, abs=1e-8)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("language,percent\nGerman,1\n", "no column 'code' among language, percent"),
        ("code,percent\n", "holds no rows"),
        ("code,percent\nde,much\n", "c.csv:2: percent is 'much'. Give a number between 0 and 100"),
        ("code,percent\nde,nan\n", "c.csv:2: percent is 'nan'"),
        ("code,percent\nde,100.5\n", "c.csv:2: percent is '100.5'"),
        ("code,percent\nde\n", "c.csv:2: percent is None"),
        ("code,percent\nger,1\n", "c.csv:2: unknown language 'ger'. Did you mean 'de'"),
        ("code,percent\nde,1\nfr,1\nde,2\n", "c.csv:4: 'de' stands there twice"),
        ("code,percent\nde,1,2\n", "c.csv:2: more fields than the header"),
        ("code,percent\nde,60\nfr,60\n", "the shares sum to 120 percent"),
        ('code,percent\n"de,1\n', "cannot be read"),
    ],
)
def test_shares_that_are_none_are_refused_with_the_line(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "c.csv"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        shares.read_shares(path)
    assert problem in str(caught.value)


def test_a_table_of_two_columns_is_enough_and_every_problem_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("code,percent\nen,90\nde,0.5\n,9.5\n")
    assert shares.read_shares(path) == {"en": 90.0, "de": 0.5}
    path.write_text("code,percent\nen,x\nxx,1\n")
    with pytest.raises(InputError, match="2 problems"):
        shares.read_shares(path)


def run(*arguments: str | Path) -> int:
    """The command, as the console script calls it, in this process."""
    app = typer.Typer()
    app.command()(cli.census)
    try:
        return app([*map(str, arguments)], standalone_mode=False) or 0
    except BabeltuneError as error:
        print(error)
        return error.exit_code


def test_the_command_prints_and_writes_the_table_and_the_second_time_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = jsonl(tmp_path / "a.jsonl", TEXTS, "content"), tmp_path / "c.csv"
    assert run(path, "--out", out) == 0
    said = capsys.readouterr().out
    assert "40 documents, 1,510 characters, by lid176 at 0.5" in said
    assert "89.700%" in said
    assert shares.read_shares(out) == {"en": 25.0, "de": 25.0}
    assert "| 1 | unknown | 50.000% | 8.380% | 3.902% |  |" in (tmp_path / "c.md").read_text()
    before = out.read_bytes()
    assert run(path, "--out", out, "--workers", 1) == 0
    assert "Nothing was left to do." in capsys.readouterr().out
    assert run(path, "--out", out, "--threshold", 0.9) == 1
    assert run(path, "--out", out, "--threshold", 0, "--restart") == 0
    assert out.read_bytes() == before  # the two languages are sure, and a number is no text


def test_the_command_tells_what_was_left_out_and_what_it_goes_on_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "c.csv"
    path.write_text(BAD)
    assert run(path, "--out", out) == 2
    assert "a.jsonl:2" in capsys.readouterr().out
    assert run(path, "--out", out, "--skip-bad-rows", "--limit", 1) == 0
    assert run(path, "--out", out, "--skip-bad-rows") == 0
    said = capsys.readouterr()
    assert "Going on after 1 documents." in said.err
    assert "Left out: a.jsonl:3" in said.err
    assert "Left out: 4 records that hold no document." in said.out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["none.jsonl"], "there is no such file or folder"),
        (["org/none"], "is no file or folder here"),
        (["a.jsonl", "--split", "train", "--revision", "main"], "2 problems"),
        (["a.jsonl", "--out", "c.md"], "'c.md' does not end in .csv"),
        (["a.jsonl", "--out", "none/c.csv"], "there is no folder 'none'"),
        (["a.jsonl", "--engine", "ray", "--limit", "3"], "there are no first documents"),
        (["a.jsonl", "--field", "body"], "no field 'body', but: id, text"),
    ],
)
def test_a_call_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    jsonl(tmp_path / "a.jsonl", TEXTS)
    assert run(*arguments) == 2
    assert problem in capsys.readouterr().out
    assert os.listdir(tmp_path) == ["a.jsonl"]


def test_the_command_does_not_count_what_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    jsonl(tmp_path / "a.jsonl", TEXTS)
    for _ in range(2):
        assert run(".") == 0
        assert list(json.loads((tmp_path / "census.state.json").read_text())["done"]) == ["a.jsonl"]
    (tmp_path / "a.jsonl").unlink()
    assert run(".") == 2


def test_without_ray_the_engine_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ray" else object())
    monkeypatch.setattr("babeltune.data.identify.identifier", lambda name, threads, download: ByLength())
    assert run(jsonl(tmp_path / "a.jsonl", TEXTS), "--engine", "ray", "--out", tmp_path / "c.csv") == 1
    assert "pip install 'babeltune[ray]'" in capsys.readouterr().out
    assert not (tmp_path / "c.state.json").exists()
