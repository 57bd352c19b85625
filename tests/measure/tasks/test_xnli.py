"""XNLI: three forms of the same pairs, labels as words or numbers, the harness's texts, the choice by sum and mean."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.errors import ItemsError
from babeltune.measure.tasks import prompt
from babeltune.measure.tasks.prompt import RELATIONS, Variant
from babeltune.measure.tasks.xnli import ACCURACY, HUB, PER_TOKEN, Xnli, choose
from babeltune.records import ASSISTANT, HUMAN, Item, Output
from taskwork import parquet, refused

SHARED = Path(__file__).parents[3].parent / "shared"
ORACLE = SHARED / "oracles" / "xnli_lm_eval.json"
XNLI_DATA = SHARED / "data" / "xnli"
needs_data = pytest.mark.skipif(
    not (ORACLE.is_file() and (XNLI_DATA / "xnli.en.test.tsv").is_file()), reason="XNLI is not beside this checkout"
)
PAIRS = [
    ("Er kam zu spät.", "Er war pünktlich.", "contradiction"),
    ('"Ja", sagte er, "und 3" Rohre.', "Sie sagte nichts.", "neutral"),
    ("Es regnet in Ulm.", "In Ulm ist es nass.", "entailment"),
    ("'Nein', rief sie", '"', "neutral"),
]
"""Quotes, also such as never close, are part of the text."""


def project_file(pairs: Sequence[tuple[str, str, object]]) -> str:
    rows = [f"{premise}\t{hypothesis}\t{label}\n" for premise, hypothesis, label in pairs]
    return "premise\thypothesis\tlabel\n" + "".join(rows)


PARSES = [f"sentence{one}_{kind}parse" for kind in ("binary_", "") for one in (1, 2)]
LABELS = [f"label{number}" for number in range(1, 6)]
REST = ["sentence1_tokenized", "sentence2_tokenized", "match"]
OFFICIAL = ["language", "gold_label", *PARSES, "sentence1", "sentence2", "promptID", "pairID", "genre", *LABELS, *REST]
"""Columns of the official xnli.test.tsv."""


def official_file(rows: Sequence[tuple[str, str, str, str]]) -> str:
    """Of language, premise, hypothesis and label; other annotators' labels say something else."""
    lines = ["\t".join(OFFICIAL)]
    for number, (language, premise, hypothesis, label) in enumerate(rows):
        cells = {"language": language, "gold_label": label, "sentence1": premise, "sentence2": hypothesis}
        others = {"promptID": str(number // 3), "pairID": str(number), "label1": "neutral", "match": "True"}
        lines.append("\t".join({**cells, **others}.get(name, "") for name in OFFICIAL))
    return "\n".join(lines) + "\n"


def written(folder: Path, content: str | bytes, name: str = "xnli.de.test.tsv") -> Xnli:
    """The task on a folder with this one file."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return Xnli(folder)


def texts(items: Sequence[Item]) -> list[tuple[str, str, str]]:
    return [(item.prompt, item.source, item.references[0]) for item in items]


def hub_rows(pairs: Sequence[tuple[str, str, object]]) -> list[dict[str, object]]:
    """As on the hub: the label is an integer."""
    return [{"premise": premise, "hypothesis": hypothesis, "label": label} for premise, hypothesis, label in pairs]


# Items


def test_pairs_are_items_in_the_order_of_the_file_with_quotes_as_text(tmp_path: Path) -> None:
    items = written(tmp_path, project_file(PAIRS)).items("de", "xx:xx")
    assert texts(items) == PAIRS
    assert [item.id for item in items] == ["1", "2", "3", "4"]
    assert {item.language for item in items} == {"de"}
    assert items[1].candidates[2] == '"Ja", sagte er, "und 3" Rohre., richtig? Nein, Sie sagte nichts.'


def test_line_ends_of_windows_and_unicodes_line_separators_are_none_of_the_text(tmp_path: Path) -> None:
    pairs = [("Eins\u2028zwei.", "Drei\x85vier.", "neutral"), *PAIRS]
    asked = written(tmp_path, b"\xef\xbb\xbf" + project_file(pairs).replace("\n", "\r\n").encode())
    assert texts(asked.items("de", "xx:xx")) == pairs


@pytest.mark.parametrize("name", ["xnli.de.test.tsv", "de.test.tsv", "de.tsv"])
def test_the_file_is_found_under_these_names_and_alone(tmp_path: Path, name: str) -> None:
    asked = written(tmp_path, project_file(PAIRS), name)
    assert asked.items("de", "xx:xx") == Xnli(tmp_path / name).items("de", "xx:xx")
    ((where, what),) = refused(asked, "fr")
    assert where.endswith("xnli.fr.test.tsv")
    assert "no such file" in what


def test_the_official_file_gives_each_language_its_own_pairs_under_the_same_ids(tmp_path: Path) -> None:
    english = [(f"{premise} (en)", hypothesis, label) for premise, hypothesis, label in PAIRS]
    blocks = [("de", *pair) for pair in PAIRS] + [("en", *pair) for pair in english]
    asked = written(tmp_path, official_file(blocks), "xnli.test.tsv")
    assert texts(asked.items("de", "xx:xx")) == PAIRS
    assert texts(asked.items("en", "xx:xx")) == english
    assert [item.id for item in asked.items("en", "xx:xx")] == ["1", "2", "3", "4"]
    # Nor does it matter how the languages are mixed.
    turns = [row for pair in zip(blocks[:4], blocks[4:], strict=True) for row in pair]
    mixed = written(tmp_path, official_file(turns), "xnli.test.tsv")
    assert mixed.items("en", "xx:xx") == Xnli(tmp_path / "xnli.test.tsv").items("en", "xx:xx")
    assert texts(mixed.items("en", "xx:xx")) == english
    assert refused(mixed, "fr") == [("items of xnli, fr", "there is no item")]


def test_the_hubs_test_split_gives_the_same_items_and_train_is_not_read(tmp_path: Path, cache: Path) -> None:
    numbered = [(premise, hypothesis, RELATIONS.index(label)) for premise, hypothesis, label in PAIRS]
    parquet(cache / "de" / "test-00001-of-00002.parquet", hub_rows(numbered[3:]))
    parquet(cache / "de" / "test-00000-of-00002.parquet", hub_rows(numbered[:3]))
    for split in ("train", "validation"):
        (cache / "de" / f"{split}-00000-of-00001.parquet").write_bytes(b"no parquet")
    official = written(tmp_path, official_file([("de", *pair) for pair in PAIRS]), "xnli.test.tsv").items("de", "xx:xx")
    plain = written(tmp_path, project_file(numbered)).items("de", "xx:xx")
    assert Xnli(HUB).items("de", "xx:xx") == plain == official
    assert texts(plain) == PAIRS


@pytest.mark.parametrize(
    ("label", "relation"),
    [
        *((str(number), relation) for number, relation in enumerate(RELATIONS)),
        *((relation, relation) for relation in RELATIONS),
        ("Entailment", "entailment"),
        (" NEUTRAL ", "neutral"),
        (" 2 ", "contradiction"),
    ],
)
def test_labels_are_words_or_numbers(tmp_path: Path, label: str, relation: str) -> None:
    (item,) = written(tmp_path, project_file([("a", "b", label)])).items("de", "xx:xx")
    assert item.references == (relation,)


@pytest.mark.parametrize("label", ["3", "-1", "-", "", "yes", "1.0", "True", "entailment neutral", "٢", "²"])
def test_other_labels_are_refused_and_named(tmp_path: Path, label: str) -> None:
    asked = written(tmp_path, project_file([("a", "b", 0), ("c", "d", label)]))
    assert refused(asked) == [("xnli.de.test.tsv:3", f"field 'label': {label!r} is no relation")]


def test_other_labels_of_the_other_forms_are_refused_and_named(tmp_path: Path, cache: Path) -> None:
    asked = written(tmp_path, official_file([("en", "a", "b", "-"), ("de", "a", "b", "-")]), "xnli.test.tsv")
    assert refused(asked) == [("xnli.test.tsv:3", "field 'gold_label': '-' is no relation")]
    # The hub's number for a hidden label, and none.
    parquet(cache / "de" / "test-00000-of-00001.parquet", hub_rows([("a", "b", 0), ("c", "d", -1), ("e", "f", None)]))
    part = "test-00000-of-00001.parquet"
    assert refused(Xnli(HUB)) == [
        (f"{part} row 2", "field 'label': -1 is no relation"),
        (f"{part} row 3", "field 'label': None is no relation"),
    ]


def test_all_wrong_rows_are_named_by_line_and_field_at_once(tmp_path: Path) -> None:
    lines = [
        b"premise\thypothesis\tlabel",
        b"a\tb\t0",
        b"a\t \t0",
        b"\tb\t0",
        b"a\tb",
        b"a\tb\t\xff",
        b"a\tb\t9",
        b"a\tb\t0\tc",
    ]
    found = refused(written(tmp_path, b"\n".join(lines)))
    assert [where for where, _ in found] == [f"xnli.de.test.tsv:{number}" for number in range(3, 9)]
    heads = ["'hypothesis'", "'premise'", "2 fields", "UTF-8", "'label'", "4 fields"]
    assert [head for head, (_, what) in zip(heads, found, strict=True) if head not in what] == []


@pytest.mark.parametrize("line", [b"a\tb\t0\tc", b"a\rb\tc\t0"])
def test_nobody_is_told_to_put_quotes_where_they_are_text(tmp_path: Path, line: bytes) -> None:
    asked = written(tmp_path, b"premise\thypothesis\tlabel\n" + line)
    with pytest.raises(ItemsError) as caught:
        asked.items("de", "xx:xx")
    assert "quote" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "field"),
    [("premise\thypothesis\tgold", "label"), ("premise\tsentence2\tlabel", "hypothesis"), ("text\tb\tlabel", "premise"),
     ("sentence1\thypothesis\tlabel", "sentence2")],
)  # fmt: skip
def test_a_missing_column_is_named(tmp_path: Path, header: str, field: str) -> None:
    ((where, what),) = refused(written(tmp_path, f"{header}\na\tb\t0\n"))
    assert where == "xnli.de.test.tsv:2"
    assert what.startswith(f"field '{field}': is missing")


# Candidates and requests

ASKED = {
    "en": "right",
    "es": "correcto",
    "de": "richtig",
    "fr": "correct",
    "ru": "правильно",
    "zh": "正确",
    "ar": "صحيح",
}
HARNESS = {
    "en": ("Yes", "Also", "No"),
    "es": ("Sí", "Asi que", "No"),
    "de": ("Ja", "Auch", "Nein"),
    "fr": ("Oui", "Aussi", "Non"),
    "ru": ("Да", "Так", "Нет"),
    "zh": ("是的", "所以", "不是的"),
    "ar": ("نعم", "لذا", "رقم"),
}
"""Words of lm-evaluation-harness 0.4.13, whose Arabic "no" is the word for "number"; by number of the relation."""


@pytest.mark.parametrize("language", HARNESS)
def test_candidates_are_worded_as_the_harness_words_them(tmp_path: Path, language: str) -> None:
    asked = written(tmp_path, project_file([("Premise.", "Hypothesis.", 0)]), f"{language}.tsv")
    (item,) = asked.items(language, "xx:xx")
    assert item.candidates == tuple(f"Premise., {ASKED[language]}? {word}, Hypothesis." for word in HARNESS[language])
    assert Xnli(tmp_path, words="harness").items(language, "xx:xx") == [item]


def test_the_example_of_the_papers_table_7(tmp_path: Path) -> None:
    pair = ("In measuring effectiveness, perfection is unattainable.", "You can never be perfect.", "entailment")
    asked = written(tmp_path, project_file([pair]), "en.tsv")
    items = asked.items("en", "xx:xx")
    assert items[0].candidates[1] == (
        "In measuring effectiveness, perfection is unattainable., right? Also, You can never be perfect."
    )
    # The table calls them negative log-likelihoods and takes the highest: they are log-likelihoods.
    (score,) = asked.score(items, [ranked((-113.94, -116.79, -114.01))])
    assert (score.values[ACCURACY], score.notes["found"], score.notes["margin"]) == (1, "entailment", "0.07 nats")


def test_right_words_are_others_in_arabic_and_the_pairs_the_same(tmp_path: Path) -> None:
    asked = written(tmp_path, project_file([("ذهب إلى السوق.", "بقي في البيت.", 2)]), "ar.tsv")
    (harness,) = asked.items("ar", "xx:xx")
    (corrected,) = Xnli(tmp_path, words="corrected").items("ar", "xx:xx")
    assert set(corrected.candidates).isdisjoint(harness.candidates)
    assert "رقم" in harness.candidates[2]
    assert not any("رقم" in text or "," in text or "?" in text for text in corrected.candidates)
    assert corrected.candidates[2] == "ذهب إلى السوق.، أهذا صحيح؟ لا، بقي في البيت."
    assert (corrected.id, corrected.source, corrected.references) == (harness.id, harness.source, harness.references)


@pytest.mark.parametrize("language", prompt.languages("xnli"))
@pytest.mark.parametrize("words", ["harness", "corrected"])
def test_a_request_is_three_different_texts_from_an_empty_context(
    tmp_path: Path, language: str, words: Variant
) -> None:
    written(tmp_path, project_file([(" {word} und {0} ", "{premise}\\1", 0), *PAIRS]), f"{language}.tsv")
    asked = Xnli(tmp_path, words=words)
    items = asked.items(language, "xx:xx")
    # Braces and outer white space stay as they are in the file.
    assert (items[0].prompt, items[0].source) == (" {word} und {0} ", "{premise}\\1")
    for item in items:
        request = asked.request(item)
        assert (request.id, request.prompt, request.prefix, request.seed) == (item.id, "", "", 0)
        # The harness puts its delimiter, a space, before each text; corrected words are sent as they are.
        before = " " if words == "harness" else ""
        assert request.candidates == tuple(f"{before}{text}" for text in item.candidates)
        assert len(set(request.candidates)) == 3
        for text in request.candidates:
            assert text.startswith(f"{before}{item.prompt}")
            assert text.endswith(item.source)
            assert HUMAN not in text
            assert ASSISTANT not in text


# Scores


def ranked(loglikelihoods: Sequence[float], lengths: Sequence[int] = (9, 9, 9)) -> Output:
    return Output("1", "", "", "ranked", sum(lengths), tuple(loglikelihoods), tuple(lengths))


def score_of(reference: str, output: Output) -> Any:
    (score,) = Xnli(Path()).score([Item("1", "de", "p", (reference,), "h", candidates=("a", "b", "c"))], [output])
    assert score.item == "1"
    assert set(score.values) | set(score.unscored) == {ACCURACY, PER_TOKEN}
    assert set(score.values).isdisjoint(score.unscored)
    assert all(score.unscored.values())
    return score


@pytest.mark.parametrize(
    ("loglikelihoods", "lengths", "by_sum", "by_token"),
    [
        # -10 is the highest sum; per token -10 / 2 = -5, -12 / 4 = -3, -30 / 5 = -6.
        ((-10.0, -12.0, -30.0), (2, 4, 5), "entailment", "neutral"),
        # Of equals the first: sums -9, -9, -20; per token -3, -9, -2.
        ((-9.0, -9.0, -20.0), (3, 1, 10), "entailment", "contradiction"),
        # Equal lengths leave the choice to the sums.
        ((-4.0, -3.5, -2.0), (7, 7, 7), "contradiction", "contradiction"),
    ],
)
def test_the_choice_by_sum_and_per_token(
    loglikelihoods: tuple[float, ...], lengths: tuple[int, ...], by_sum: str, by_token: str
) -> None:
    for reference in RELATIONS:
        score = score_of(reference, ranked(loglikelihoods, lengths))
        assert score.values == {ACCURACY: float(reference == by_sum), PER_TOKEN: float(reference == by_token)}
        assert (score.notes["found"], score.notes["reference"]) == (by_sum, reference)


@given(st.lists(st.floats(-1e4, 0), min_size=3, max_size=3))
def test_exactly_one_relation_is_right(loglikelihoods: list[float]) -> None:
    scores = [score_of(reference, ranked(loglikelihoods)) for reference in RELATIONS]
    assert sum(score.values[ACCURACY] for score in scores) == 1
    assert sum(score.values[PER_TOKEN] for score in scores) == 1


VALUES = st.lists(st.integers(-4000, 0).map(lambda quarter: quarter / 4), min_size=1, max_size=5)


@given(VALUES, st.integers(-100, 0), st.integers(1, 9))
def test_the_choice_is_the_first_of_the_highest_whatever_all_share(values: list[float], common: int, n: int) -> None:
    at = choose(values)
    assert all(values[at] > other for other in values[:at])
    assert all(values[at] >= other for other in values[at:])
    assert choose([value + common for value in values]) == at
    assert choose(values, [n] * len(values)) == at  # equal lengths leave the choice to the sums


@pytest.mark.parametrize(("values", "lengths"), [([], None), ([-1.0, -2.0], [1])])
def test_what_has_nothing_to_compare_is_refused(values: list[float], lengths: list[int] | None) -> None:
    with pytest.raises(ValueError, match=r"empty|shorter"):
        choose(values, lengths)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (ranked(()), "0 log-likelihoods in place of 3"),
        (ranked((-1.0, -2.0)), "2 log-likelihoods in place of 3"),
        (ranked((-1.0, -2.0, -3.0, -4.0)), "4 log-likelihoods in place of 3"),
        (ranked((-1.0, math.nan, -3.0)), "nan, no finite number"),
        (ranked((-1.0, -2.0, -math.inf)), "-inf, no finite number"),
        (ranked((math.inf, -2.0, -3.0)), "inf, no finite number"),
        # An engine that wrote a text in place of ranking.
        (Output("1", "", "Ja", "eos", 1), "0 log-likelihoods in place of 3"),
    ],
)
def test_what_cannot_be_compared_is_unscored_and_says_why(output: Output, reason: str) -> None:
    score = score_of("entailment", output)
    assert score.values == {}
    assert all(reason in said for said in score.unscored.values())


@pytest.mark.parametrize("lengths", [(), (1, 2), (1, 2, 3, 4), (1, 0, 2), (-1, 3, 2)])
def test_without_numbers_of_tokens_only_the_sum_is_scored(lengths: tuple[int, ...]) -> None:
    score = score_of("neutral", ranked((-2.0, -1.0, -3.0), lengths))
    assert score.values == {ACCURACY: 1.0}
    assert "tokens" in score.unscored[PER_TOKEN]


def test_a_bad_output_does_not_touch_its_neighbours() -> None:
    items = [Item(id_, "de", "p", ("neutral",), "h", candidates=("a", "b", "c")) for id_ in "123"]
    outputs = [ranked((-2.0, -1.0, -3.0)), ranked((math.nan, -1.0, -3.0)), ranked((-1.0, -2.0, -3.0))]
    scores = Xnli(Path()).score(items, outputs)
    assert [score.item for score in scores] == ["1", "2", "3"]
    assert [score.values.get(ACCURACY) for score in scores] == [1.0, None, 0.0]


# Real data, and what lm-evaluation-harness 0.4.13 says of it


@needs_data
@pytest.mark.parametrize("language", ["en", "es"])
def test_the_real_file_has_5010_pairs_a_third_of_each_relation(language: str) -> None:
    items = Xnli(XNLI_DATA).items(language, "xx:xx")
    assert Counter(item.references[0] for item in items) == dict.fromkeys(RELATIONS, 1670)
    assert [item.id for item in items] == [str(number) for number in range(1, 5011)]


@needs_data
def test_the_real_files_have_the_same_relations_under_the_same_ids() -> None:
    english, spanish = (
        [(item.id, item.references) for item in Xnli(XNLI_DATA).items(code, "xx:xx")] for code in ("en", "es")
    )
    assert english == spanish


@needs_data
@pytest.mark.parametrize("language", ["en", "es"])
def test_texts_and_accuracy_are_those_of_the_harness(language: str) -> None:
    oracle = json.loads(ORACLE.read_text(encoding="utf-8"))
    asked = Xnli(XNLI_DATA)
    loglikelihoods = oracle[language]["loglikelihood"]
    items = asked.items(language, "xx:xx")[: len(loglikelihoods)]
    for item in items:
        filled = [one.replace("{premise}", item.prompt) for one in oracle["templates"][language]]
        assert item.candidates == tuple(one.replace("{hypothesis}", item.source) for one in filled)
    scores = asked.score(items, [ranked(some) for some in loglikelihoods])
    assert sum(score.values[ACCURACY] for score in scores) / len(scores) == pytest.approx(oracle[language]["accuracy"])
