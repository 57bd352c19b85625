"""Simplification: the draws of the paper and of the authors' code, what is asked, and what is scored."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from babeltune.errors import ItemsError, Problem
from babeltune.hub import HubSet
from babeltune.measure.metrics.agreement import AGREEMENT
from babeltune.measure.metrics.sari import corpus_sari, mean_sari
from babeltune.measure.tasks import prompt
from babeltune.measure.tasks.simplification import (
    CORPUS,
    CORPUS_WEIGHTED,
    FOLDERS,
    SAMPLE,
    SARI,
    WEIGHTED,
    Simplification,
    first_line,
    tokenizer,
)
from babeltune.records import Identified, Item, Prompting, Sampling
from taskwork import FirstWord, outputs

SHARED = Path(__file__).parents[3].parent / "shared"
TURK = SHARED / "data" / "simplification"
ORACLE = SHARED / "oracles" / "sari.json"
needs_data = pytest.mark.skipif(not ORACLE.is_file(), reason="the oracle's data is not beside this checkout")

ORDER = ("en", "de", "fr", "it", "ru", "pt", "sl", "ja")
"""In which the authors' code draws (data_prep/prepare_ts_data.ipynb)."""


def task(place: Path | HubSet, *, sample: int | None = SAMPLE, seed: int = 42, as_run: bool = False) -> Simplification:
    return Simplification(place, FirstWord(), Sampling(max_tokens=7), sample=sample, seed=seed, as_run=as_run)


def corpus(folder: Path, name: str, *rows: Sequence[str], header: Sequence[str] = ("original", "simple")) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([header, *rows])
    return folder


def rows(n: int, stem: str = "s") -> list[tuple[str, str]]:
    return [(f"{stem} {at} complex", f"{stem} {at}") for at in range(1, n + 1)]


def ids(task: Simplification, language: str, prompting: Prompting = "en:xx") -> list[str]:
    return [item.id for item in task.items(language, prompting)]


def problems(task: Simplification, language: str, prompting: Prompting = "en:xx") -> list[Problem]:
    with pytest.raises(ItemsError) as caught:
        task.items(language, prompting)
    return list(caught.value.problems)


def item(source: str, *references: str, language: str = "de", id_: str = "x:1") -> Item:
    return Item(id_, language, f"Please {source}", references, source)


# MultiSim's files.


@pytest.mark.parametrize("level", ["data", "."])
def test_multisim_is_read_with_and_without_its_data_folder(tmp_path: Path, level: str) -> None:
    for code, name in FOLDERS.items():
        corpus(tmp_path / level / name, "Some_test", (f"{code} complex", f"{code} simple"))
    for code in ORDER:
        [one] = task(tmp_path).items(code, "en:xx")
        assert (one.id, one.language, one.source) == ("Some_test:1", code, f"{code} complex")
        assert one.references == (f"{code} simple",)


@pytest.mark.parametrize("code", ORDER)
def test_train_is_drawn_from_for_german_portuguese_and_slovenian_only(tmp_path: Path, code: str) -> None:
    folder = tmp_path / FOLDERS[code]
    for name in ("B_train", "B_val", "A_test", "a_test", "B_test", "B_testing", "test", "B_dev"):
        corpus(folder, name, *rows(1))
    (folder / "README.md").write_text("A_test")
    (folder / "A_test.csv.bak").write_text("x")
    # In the order of the file names, capitals first.
    wanted = ["A_test:1", "B_test:1", *(["B_train:1"] if code in ("de", "pt", "sl") else []), "B_val:1", "a_test:1"]
    assert ids(task(tmp_path, sample=None), code) == wanted
    assert sorted(ids(task(tmp_path), code)) == sorted(wanted)


def test_a_language_of_train_splits_alone_has_items_only_where_they_count(tmp_path: Path) -> None:
    for code in ("sl", "fr"):
        corpus(tmp_path / FOLDERS[code], "Some_train", *rows(1))
    assert ids(task(tmp_path), "sl") == ["Some_train:1"]
    assert "French/*_test.csv" in problems(task(tmp_path), "fr")[0].fix


def test_references_are_all_other_columns_that_hold_something_each_once(tmp_path: Path) -> None:
    folder = tmp_path / "German"
    header = ("simple_0", "original", "simple_1", "simple_2")
    corpus(
        folder,
        "A_test",
        *[("b", "Satz eins", "", "a"), ("a", "Satz zwei", "a", " a "), ("", "Satz drei", " \n", "c\nd")],
        header=header,
    )
    found = task(tmp_path, sample=None).items("de", "xx:xx")
    assert [one.references for one in found] == [("b", "a"), ("a",), ("c\nd",)]
    assert [one.source for one in found] == ["Satz eins", "Satz zwei", "Satz drei"]


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "German"
    folder.mkdir()
    (folder / "A_test.csv").write_bytes(b'\xef\xbb\xbforiginal,simple\r\n"Satz, lang",Satz\r\n')
    [one] = task(tmp_path).items("de", "xx:xx")
    assert (one.source, one.references) == ("Satz, lang", ("Satz",))


def test_every_wrong_row_of_a_file_is_named_by_line_and_field(tmp_path: Path) -> None:
    folder = tmp_path / "German"
    folder.mkdir()
    lines = [
        b"original,simple",
        b"Satz,kurz",
        b",kurz",
        b"Satz,",
        b'"Satz\nlang", ',
        b"Satz,kurz,zu viel",
        b"\xff,kurz",
        b'"Satz" lang,kurz',
    ]
    (folder / "A_test.csv").write_bytes(b"\n".join(lines) + b"\n")
    found = problems(task(tmp_path), "de")
    assert [(problem.where, problem.what.split(":")[0]) for problem in found[:5]] == [
        ("A_test.csv:3", "field 'original'"),
        ("A_test.csv:4", "no simple sentence beside 'original'"),
        ("A_test.csv:5", "no simple sentence beside 'original'"),
        ("A_test.csv:7", "3 fields where the header has 2"),
        ("A_test.csv:8", "invalid UTF-8"),
    ]
    assert found[5].where == "A_test.csv:9"


def test_a_file_that_cannot_be_read_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "German").mkdir()
    (tmp_path / "German" / "A_test.csv").write_text("original,simple,simple\na,b,c\n")
    assert "stands twice in the header" in problems(task(tmp_path), "de")[0].what


def test_wrong_rows_of_several_files_are_told_at_once(tmp_path: Path) -> None:
    for name in ("A_test", "B_test"):
        corpus(tmp_path / "German", name, ("", "kurz"))
    assert [problem.where for problem in problems(task(tmp_path), "de")] == ["A_test.csv:2", "B_test.csv:2"]


def test_a_file_of_a_header_alone_is_passed_over(tmp_path: Path) -> None:
    corpus(tmp_path / "German", "A_test")
    corpus(tmp_path / "German", "B_test", *rows(1))
    assert ids(task(tmp_path), "de") == ["B_test:1"]


@pytest.mark.parametrize("language", ["de", "en", "is", "ja"])
def test_a_place_without_the_language_says_what_it_should_hold(tmp_path: Path, language: str) -> None:
    (tmp_path / "file.csv").touch()
    for place in (tmp_path, tmp_path / "none", tmp_path / "file.csv"):
        [problem] = problems(task(place), language)
        assert problem.where == str(place)
        assert problem.what == f"holds no items in '{language}'"
        assert f"{language}/*.orig" in problem.fix


def test_a_language_without_a_prompt_lists_those_there_are(tmp_path: Path) -> None:
    corpus(tmp_path / "Japanese", "A_test", *rows(1))
    [problem] = problems(task(tmp_path), "ja", "xx:xx")
    assert "It has: en, de, fr, ru, it, pt, sl." in problem.fix
    assert ids(task(tmp_path), "ja", "en:xx") == ["A_test:1"]


def test_a_hub_set_is_refused() -> None:
    assert problems(task(HubSet("org/name")), "de")[0].what == "is a hub set"


# Draws: Python's own generator, language after language as the authors' code does, or each afresh as the paper says.


SIZES = {"en": 11, "de": 7, "fr": 4, "ru": 9, "pt": 6, "sl": 5, "ja": 3}


@pytest.fixture
def multisim(tmp_path: Path) -> Path:
    """All languages but Italian; of English a train split too, which counts for nobody's draw."""
    for code, size in SIZES.items():
        folder = tmp_path / "data" / FOLDERS[code]
        corpus(folder, "A_test", *rows(2, f"{code} a"))
        corpus(folder, "B_train" if code in ("de", "pt", "sl") else "B_val", *rows(size - 2, f"{code} b"))
    corpus(tmp_path / "data" / "English", "C_train", *rows(50))
    return tmp_path


def derived(seed: int, sizes: Sequence[int]) -> list[int]:
    """Where the rows of the last of these sets stand after all of them were shuffled in turn."""
    rng = random.Random(seed)
    for size in sizes:
        places = list(range(size))
        rng.shuffle(places)
    return places


@pytest.mark.parametrize("seed", [42, 0])
@pytest.mark.parametrize("code", SIZES)
def test_draws_are_those_of_pythons_generator(multisim: Path, code: str, seed: int) -> None:
    every = ids(task(multisim, sample=None, seed=seed), code)
    assert len(every) == SIZES[code]
    before = [SIZES[one] for one in ORDER[: ORDER.index(code)] if one in SIZES]
    as_run = ids(task(multisim, seed=seed, as_run=True), code)
    as_paper = ids(task(multisim, seed=seed), code)
    assert as_run == [every[at] for at in derived(seed, [*before, SIZES[code]])]
    assert as_paper == [every[at] for at in derived(seed, [SIZES[code]])]
    assert sorted(as_run) == sorted(as_paper) == sorted(every)
    assert ids(task(multisim, sample=None, as_run=True), code) == every


def test_only_the_draw_as_run_hangs_on_the_languages_before(multisim: Path) -> None:
    def draws() -> list[list[str]]:
        return [ids(task(multisim, as_run=as_run), code) for as_run in (True, False) for code in ("de", "sl", "en")]

    before = draws()
    assert before == draws()
    corpus(multisim / "data" / "English", "D_test", *rows(1))
    after = draws()
    assert (after[0] != before[0], after[1] != before[1]) == (True, True)
    assert (after[3], after[4]) == (before[3], before[4])
    # Of what comes later nothing hangs: Japanese is the last.
    corpus(multisim / "data" / "Japanese", "D_test", *rows(9))
    assert draws() == after


def test_the_order_of_asking_changes_nothing(multisim: Path) -> None:
    one = task(multisim, as_run=True)
    forth = {code: ids(one, code) for code in SIZES}
    assert {code: ids(one, code) for code in reversed(list(SIZES))} == forth


def test_the_first_1371_of_a_draw_are_kept_or_all_where_there_are_fewer(tmp_path: Path) -> None:
    corpus(tmp_path / "English", "A_test", *rows(1500))
    corpus(tmp_path / "Slovene", "A_train", *rows(939))  # as many as the paper has
    every = ids(task(tmp_path, sample=None), "en")
    assert every == [f"A_test:{n}" for n in range(1, 1501)]
    assert ids(task(tmp_path), "en") == [every[at] for at in derived(42, [1500])[:1371]]
    assert ids(task(tmp_path, sample=10), "en") == ids(task(tmp_path), "en")[:10]
    assert len(ids(task(tmp_path), "sl")) == 939
    assert ids(task(tmp_path, as_run=True), "sl") == [f"A_train:{at + 1}" for at in derived(42, [1500, 939])]


# Folders shaped as TurkCorpus and ASSET.


def parallel(folder: Path, **columns: Sequence[str]) -> Path:
    """Line by line; two underscores in a name stand for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in columns.items():
        (folder / name.replace("__", ".")).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


def read(place: Path, language: str = "en") -> dict[str, tuple[str, tuple[str, ...]]]:
    found = task(place, sample=None).items(language, "en:xx")
    assert all(one.language == language for one in found)
    assert len({one.id for one in found}) == len(found)
    return {one.id: (one.source, one.references) for one in found}


def test_asset_is_read_line_by_line_and_its_validation_left_out(tmp_path: Path) -> None:
    parallel(
        tmp_path,
        asset__test__orig=["one", "two"],
        asset__test__simp__0=["1a", "2a"],
        asset__test__simp__1=["1b", " "],
        asset__valid__orig=["three"],
        asset__valid__simp__0=["3a", "one line too many"],
        README__md=["asset.test"],
    )
    assert read(tmp_path) == {"asset.test:1": ("one", ("1a", "1b")), "asset.test:2": ("two", ("2a",))}
    assert problems(task(tmp_path), "de")[0].what == "holds no items in 'de'"


def test_turkcorpus_is_read_under_its_own_names(tmp_path: Path) -> None:
    eight = {f"test__8turkers__tok__turk__{n}": [f"r{n}"] for n in range(8)}
    parallel(
        tmp_path,
        test__8turkers__tok__norm=["one"],
        test__8turkers__tok__simp=["no reference of a person"],
        tune__8turkers__tok__norm=["two"],
        **eight,
    )
    assert read(tmp_path) == {"test.8turkers.tok:1": ("one", tuple(f"r{n}" for n in range(8)))}


def test_a_language_has_a_folder_of_its_own(tmp_path: Path) -> None:
    parallel(tmp_path, x__orig=["bare"], x__ref__0=["b"])
    parallel(tmp_path / "de", y__orig=["eins"], y__ref__0=["1"])
    assert read(tmp_path, "de") == {"y:1": ("eins", ("1",))}
    assert read(tmp_path) == {"x:1": ("bare", ("b",))}
    parallel(tmp_path / "en", z__orig=["own"], z__ref__0=["o"])
    assert read(tmp_path) == {"z:1": ("own", ("o",))}


def test_validation_alone_is_read(tmp_path: Path) -> None:
    parallel(tmp_path, asset__valid__orig=["one"], asset__valid__simp__0=["1"])
    assert list(read(tmp_path)) == ["asset.valid:1"]


def test_line_separators_of_unicode_end_no_line_and_windows_line_ends_do(tmp_path: Path) -> None:
    parallel(tmp_path, x__orig=["one\u2028and\x85more", "two"], x__ref__0=["1", "2"])
    (tmp_path / "x.ref.1").write_bytes(b"1b\r\n2b")
    assert read(tmp_path) == {"x:1": ("one\u2028and\x85more", ("1", "1b")), "x:2": ("two", ("2", "2b"))}


def test_a_parallel_corpus_is_drawn_from_too(tmp_path: Path) -> None:
    lines = [f"s{n}" for n in range(30)]
    parallel(tmp_path, x__orig=lines, x__ref__0=lines)
    wanted = [f"x:{at + 1}" for at in derived(42, [30])]
    assert ids(task(tmp_path), "en") == ids(task(tmp_path, as_run=True), "en") == wanted
    assert ids(task(tmp_path, sample=4), "en") == wanted[:4]


def test_lines_that_do_not_match_and_empty_sentences_are_told_at_once(tmp_path: Path) -> None:
    parallel(tmp_path, x__orig=["one", "", "three"], x__ref__0=["1"], x__ref__1=list("123"), x__ref__2=list("1234"))
    found = problems(task(tmp_path), "en")
    assert [(Path(problem.where).name, problem.what) for problem in found] == [
        ("x.ref.0", "has 1 lines, x.orig has 3"),
        ("x.ref.2", "has 4 lines, x.orig has 3"),
        ("x.orig:2", "the sentence is empty"),
    ]


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n"])
def test_a_file_of_nothing_is_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("x.orig", "x.ref.0"):
        (tmp_path / name).write_bytes(content)
    assert problems(task(tmp_path), "en")[0].what == "the sentence is empty"


def test_a_file_without_references_or_of_no_utf8_is_refused(tmp_path: Path) -> None:
    parallel(tmp_path, x__orig=["one"], x__ref=["1"], xx__ref__0=["1"], x__ref__a=["1"])
    assert problems(task(tmp_path), "en")[0].what == "has no references beside it"
    (tmp_path / "x.ref.0").write_bytes(b"caf\xe9\n")
    [problem] = problems(task(tmp_path), "en")
    assert (problem.where, problem.what) == (str(tmp_path / "x.ref.0"), "cannot be read (not UTF-8)")


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    parallel(tmp_path, x__orig=["\ufeffone"], x__ref__0=["\ufeff1"])
    assert read(tmp_path) == {"x:1": ("one", ("1",))}


def test_two_sources_of_one_stem_are_no_two_items_of_one_id(tmp_path: Path) -> None:
    parallel(tmp_path, x__orig=["One"], x__norm=["one"], x__ref__0=["1"])
    assert problems(task(tmp_path), "en")[0].what == "there is a second file of the name x"


def test_wrong_sources_are_told_at_once(tmp_path: Path) -> None:
    parallel(tmp_path, x__orig=["one"], x__ref__0=["1", "2"], y__orig=["one"], y__ref__0=["1", "2"], z__orig=["one"])
    assert len(problems(task(tmp_path), "en")) == 3


# What is asked.


def test_both_promptings_share_ids_sources_and_references(multisim: Path) -> None:
    for as_run in (True, False):
        one = task(multisim, as_run=as_run)
        for code in ("de", "sl", "pt"):
            own, english = one.items(code, "xx:xx"), one.items(code, "en:xx")
            assert [(a.id, a.language, a.source, a.references) for a in own] == [
                (a.id, a.language, a.source, a.references) for a in english
            ]
            for a, b in zip(own, english, strict=True):
                assert a.prompt == prompt.template("simplification", code).filled({"sentence": a.source})
                assert b.prompt == prompt.template("simplification", "en").filled({"sentence": a.source})
                assert a.prompt != b.prompt
        assert one.items("en", "xx:xx") == one.items("en", "en:xx")


def test_the_request_has_the_format_of_the_tuning() -> None:
    request = task(Path()).request(Item("A_test:1", "de", "Vereinfache: Satz", ("x",), "Satz"))
    assert (request.prompt, request.prefix) == ("### Human: Vereinfache: Satz### Assistant:", "")
    assert (request.id, request.sampling.max_tokens, request.candidates) == ("A_test:1", 7, ())


@pytest.mark.parametrize("language", ["en", "de", "fr", "it", "ru", "pt", "sl"])
def test_as_run_a_blank_line_stands_before_the_marker_and_a_space_after_it(language: str) -> None:
    request = task(Path(), as_run=True).request(Item("A_test:1", language, "Vereinfache: Satz", ("x",), "Satz"))
    assert request.prompt == "### Human: Vereinfache: Satz\n\n### Assistant:"
    # The authors' Slovenian template ends without it.
    assert request.prefix == ("" if language == "sl" else " ")


# What is scored.


def test_sari_is_of_the_first_line_and_agreement_of_the_whole_against_the_sentence() -> None:
    class Lines:
        """Names a text's language by how many lines it has."""

        def identify(self, texts: Sequence[str]) -> list[Identified]:
            return [Identified(f"l{text.count(chr(10))}", 1.0) for text in texts]

    one = Simplification(Path(), Lines(), Sampling())
    source, simple = "die kleine graue Katze thronte auf der Matte", "die kleine graue Katze saß auf der Matte"
    # The prompt has another number of lines than the sentence.
    asked = Item("x:1", "de", f"Bitte\n\n{source}", (simple,), source)
    texts = [simple, f"\n \n{simple}\nThis is what I wrote.\n", f" {simple}\r\nmehr"]
    several = one.score([asked] * 3, outputs([asked] * 3, *texts))
    assert [score.values[SARI] for score in several] == pytest.approx([100.0] * 3)
    assert [score.values[AGREEMENT] for score in several] == [1.0, 0.0, 0.0]


def test_scores_are_the_metrics_own_language_by_language() -> None:
    items = [
        item("die Katze saß dort", "die Katze saß", id_="1"),
        item("猫がそこに座った", "猫が座った", language="ja", id_="2"),
        item("the cat sat there", "the cat sat", "a cat sat", language="en", id_="3"),
        item("der Hund lag da", "der Hund lag", "der Hund schlief", language="de", id_="4"),
    ]
    texts = ["die Katze", "猫が座った", "the dog\nsat", "der Hund lag da"]
    scores = task(Path()).score(items, outputs(items, *texts))
    assert [score.item for score in scores] == ["1", "2", "3", "4"]
    for one, text, score in zip(items, texts, scores, strict=True):
        case = ([one.source], [text.split("\n")[0]], [one.references], tokenizer(one.language))
        assert score.values[SARI] == pytest.approx(mean_sari(*case))
        whole = next(metric for metric in Simplification.metrics if metric.name == CORPUS)
        assert whole.corpus is not None
        assert whole.corpus(np.array(score.counts)) == pytest.approx(corpus_sari(*case))


@pytest.mark.parametrize(
    ("language", "name"), [("zh", "zh"), ("ja", "ja-char"), ("th", "ja-char"), ("ru", "13a"), ("ko", "13a")]
)
def test_where_words_are_not_spaced_characters_are_the_tokens(language: str, name: str) -> None:
    assert tokenizer(language) == name


def test_an_item_is_judged_by_itself_whatever_stands_beside_it() -> None:
    items = [item(f"de {n} Satz mit vielen Worten", f"de {n} Satz", id_=str(n)) for n in range(5)]
    texts = ["de 0 Satz", "nl 1 Satz", "de Worte", "de", "de vielen\nWorten"]
    whole = task(Path()).score(items, outputs(items, *texts))
    alone = [task(Path()).score([one], outputs([one], text))[0] for one, text in zip(items, texts, strict=True)]
    assert whole == alone


def test_what_has_no_value_has_a_reason() -> None:
    items = [item("de Satz"), item("de Satz", "Satz"), item(" ", "Satz")]
    bare, empty, mute = task(Path()).score(items, outputs(items, "de ja", "", "de ja"))
    assert (bare.values, set(bare.unscored), bare.counts) == ({}, {SARI, AGREEMENT}, ())
    # SARI of nothing has a value, its language has not.
    assert 0 <= empty.values[SARI] < 100
    assert "empty" in empty.unscored[AGREEMENT]
    assert SARI in mute.values
    assert "not identified" in mute.unscored[AGREEMENT]


@pytest.mark.parametrize(
    ("response", "line"),
    [("", ""), ("\n\n", ""), ("a", "a"), (" a \nb", "a"), ("\n\na\n\nb", "a"), ("a\r\nb", "a"), ("a b\tc", "a b\tc")],
)
def test_the_first_line_is_what_stands_before_a_newline(response: str, line: str) -> None:
    assert first_line(response) == line


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_nothing_but_a_newline_ends_the_first_line(mark: str) -> None:
    assert first_line(f"a{mark}b\nc") == f"a{mark}b"


def test_the_main_metric_is_sari_times_agreement() -> None:
    names = [metric.name for metric in Simplification.metrics]
    assert names == [WEIGHTED, SARI, CORPUS_WEIGHTED, CORPUS, AGREEMENT]
    assert Simplification.metrics[0].needs == (SARI, AGREEMENT)
    assert (Simplification.promptings, Simplification.ranks) == (("xx:xx", "en:xx"), False)


# Real data.


@needs_data
def test_turkcorpus_has_359_sentences_of_eight_references_and_access_scores_as_the_oracle_says() -> None:
    items = task(TURK).items("en", "xx:xx")
    assert sorted(items, key=lambda one: int(one.id.split(":")[1])) == task(TURK, sample=None).items("en", "xx:xx")
    assert len({one.id for one in items}) == len(items) == 359
    assert all(len(one.references) == 8 for one in items)
    lines = (TURK / "systems" / "ACCESS").read_text(encoding="utf-8").split("\n")
    said = outputs(items, *(lines[int(one.id.removeprefix("turkcorpus:")) - 1] for one in items))
    scores = task(TURK).score(items, said)
    oracle = json.loads(ORACLE.read_text())
    mean = np.mean([score.values[SARI] for score in scores])
    assert mean == pytest.approx(oracle["sentence_mean"]["ACCESS"], abs=1e-9)
    whole = next(metric for metric in Simplification.metrics if metric.name == CORPUS)
    assert whole.corpus is not None
    summed = np.sum([score.counts for score in scores], axis=0)
    assert whole.corpus(summed) == pytest.approx(oracle["easse_corpus"]["ACCESS"], abs=1e-9)
    assert whole.corpus(np.stack([summed, summed])).tolist() == [float(whole.corpus(summed))] * 2
