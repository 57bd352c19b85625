"""SARI against two independent tools on real data, and against plain counting, sentence by sentence, on anything."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

from babeltune.measure.metrics.sari import corpus_sari, mean_sari, statistics, tokenize

SHARED = Path(__file__).parents[3].parent / "shared"
ORACLE = SHARED / "oracles" / "sari.json"
SYSTEMS = ("ACCESS", "Dress", "PBMT-R", "RM+EX")
needs_data = pytest.mark.skipif(not ORACLE.is_file(), reason="the oracle's data is not beside this checkout")

Grams = Counter[tuple[str, ...]]


def lines(name: str) -> list[str]:
    return (SHARED / "data" / "simplification" / name).read_text(encoding="utf-8").split("\n")[:-1]


# Two tools of others: EASSE's corpus_sari, and the metric of Hugging Face's evaluate (origin: the oracle file itself).


@needs_data
@pytest.mark.parametrize("system", SYSTEMS)
def test_real_simplifications_score_as_easse_and_evaluate_score_them(system: str) -> None:
    oracle = json.loads(ORACLE.read_text())
    sources, outputs = lines("turkcorpus.orig"), lines(f"systems/{system}")
    several = [lines(f"turkcorpus.ref.{n}") for n in range(8)]
    eight = list(zip(*several, strict=True))
    one = [[reference] for reference in several[0]]
    assert corpus_sari(sources, outputs, eight) == pytest.approx(oracle["easse_corpus"][system], abs=1e-9)
    assert mean_sari(sources, outputs, eight) == pytest.approx(oracle["sentence_mean"][system], abs=1e-9)
    alone = oracle["one_reference"][system]
    assert corpus_sari(sources, outputs, one) == pytest.approx(alone["easse_corpus"], abs=1e-9)
    assert mean_sari(sources, outputs, one) == pytest.approx(alone["sentence_mean"], abs=1e-9)


# Plain counting, written from the two definitions with Counters, one sentence at a time.


def grams(tokens: Sequence[str], order: int) -> Grams:
    return Counter(tuple(tokens[at : at + order]) for at in range(len(tokens) - order + 1))


def f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def plain(source: str, output: str, references: Sequence[str]) -> tuple[list[list[int]], float]:
    """Counts of the first definition, order by order, and the score of the second."""
    said, made, wanted = source.lower().split(), output.lower().split(), [one.lower().split() for one in references]
    table: list[list[int]] = []
    scores = []
    for order in range(1, 5):
        s, o = grams(said, order), grams(made, order)
        r: Grams = sum((grams(one, order) for one in wanted), Counter())
        s = Counter({gram: n * len(wanted) for gram, n in s.items()})
        o = Counter({gram: n * len(wanted) for gram, n in o.items()})
        added, new = set(o) - set(s), set(r) - set(s)
        kept, to_keep = s & o, s & r
        deleted, to_delete = s - o, s - r
        table.append(
            [
                *(len(added & new), len(added), len(new)),
                *((kept & r).total(), kept.total(), to_keep.total()),
                *((deleted & to_delete).total(), deleted.total(), to_delete.total()),
            ]
        )
        adding = f1(len(added & new) / len(added) if added else 1, len(added & new) / len(new) if new else 1)
        right = sum((kept & r)[gram] / n for gram, n in kept.items()) / len(kept) if kept else 1
        keeping = f1(right, (kept & r).total() / to_keep.total() if to_keep else 1)
        deleting = sum((deleted - r)[gram] / n for gram, n in deleted.items()) / len(deleted) if deleted else 1
        scores.append((adding + keeping + deleting) / 3)
    return table, 100 * sum(scores) / 4


SENTENCES = st.lists(st.sampled_from(list("abcdE")), max_size=8).map(" ".join)
ITEMS = st.lists(st.tuples(SENTENCES, SENTENCES, st.lists(SENTENCES, min_size=1, max_size=3)), min_size=1, max_size=5)


@given(ITEMS)
def test_any_sentences_are_counted_as_by_hand(items: list[tuple[str, str, list[str]]]) -> None:
    sources, outputs, references = map(list, zip(*items, strict=True))
    found = statistics(sources, outputs, references, "none")
    for at, item in enumerate(items):
        table, score = plain(*item)
        assert found.counts[at].tolist() == table
        assert found.sentences[at] == pytest.approx(score, abs=1e-9)
    assert 0 <= found.corpus() <= 100 + 1e-9
    assert 0 <= found.mean() <= 100 + 1e-9


@given(ITEMS, st.data())
def test_a_part_of_the_rows_is_the_statistics_of_that_part(
    items: list[tuple[str, str, list[str]]], data: st.DataObject
) -> None:
    picked = data.draw(st.lists(st.integers(0, len(items) - 1), min_size=1, max_size=6))
    whole = statistics(*map(list, zip(*items, strict=True)), "none")
    part = statistics(*map(list, zip(*(items[at] for at in picked), strict=True)), "none")
    assert np.array_equal(whole.counts[picked], part.counts)
    assert whole.sentences[picked] == pytest.approx(part.sentences)


def test_many_sentences_are_counted_as_each_alone() -> None:
    # More than are counted at once, not as many references everywhere, and the first and the last without a word.
    items = [
        ("", "", [""]),
        *((f"a b w{n} d", f"a w{n} d d", [f"a b w{n % 7} d", "b a"][: 1 + n % 2]) for n in range(2500)),
        ("", "", [""]),
    ]
    found = statistics(*map(list, zip(*items, strict=True)), "none")
    for at in (0, 1, 2, 1022, 1023, 1024, 1025, 2047, 2048, 2049, 2500, 2501):
        table, score = plain(*items[at])
        assert found.counts[at].tolist() == table
        assert found.sentences[at] == pytest.approx(score, abs=1e-9)


def test_a_copy_of_the_only_reference_is_perfect_and_of_the_source_is_not() -> None:
    # Every order has something to keep, add and delete: 0/0 counts as 0 in a corpus.
    source, simple = "the small grey cat perched upon the mat", "the small grey cat sat on the mat"
    assert mean_sari([source], [simple], [[simple]], "none") == pytest.approx(100)
    assert corpus_sari([source], [simple], [[simple]], "none") == pytest.approx(100)
    assert mean_sari([source], [source], [[simple]], "none") < 60


def test_case_does_not_count() -> None:
    assert mean_sari(["The Cat"], ["THE DOG"], [["the dog"]]) == mean_sari(["the cat"], ["the dog"], [["The Dog"]])


# Tokenizers: sacrebleu's own, asked one sentence at a time.

TEXT = st.text(
    st.sampled_from("aB1.,-'&;<>/()\"$% \u00a0\t\n国字é\ue000\x00") | st.characters(codec="utf-8"), max_size=30
)


@given(st.lists(TEXT, max_size=6))
@pytest.mark.parametrize(("name", "peer"), [("13a", Tokenizer13a()), ("zh", TokenizerZh())])
def test_tokens_are_those_of_sacrebleu(name: str, peer: Tokenizer13a, sentences: list[str]) -> None:
    sentences = [sentence.replace("\ue000", " ").replace("\x00", " ") for sentence in sentences]
    # Its Chinese tokenizer does not join lines; ours does as 13a does.
    asked = [sentence.replace("-\n", "").replace("\n", " ") for sentence in sentences]
    assert tokenize(sentences, name) == [peer(sentence).split() for sentence in asked]


@pytest.mark.parametrize(("name", "peer"), [("13a", Tokenizer13a()), ("zh", TokenizerZh())])
def test_every_short_word_is_parted_as_sacrebleu_parts_it(name: str, peer: Tokenizer13a) -> None:
    words = ["".join(some) for n in range(1, 5) for some in itertools.product('a1é国.,;)"-&', repeat=n)]
    assert tokenize(words, name) == [peer(word).split() for word in words]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("--\n\nlast", ["-", "last"]),  # a hyphen that only comes to stand before a line's end stays
        ("exam-\nple\r\ntwo\u2028three\x1cfour", ["example", "two", "three", "four"]),
        ("  two   spaces ", ["two", "spaces"]),
        ("\ud83d \ude00 x\ud83d.", ["\ud83d", "\ude00", "x\ud83d", "."]),  # halves of a pair are told apart
        ("", []),
    ],
)
def test_white_space_and_broken_characters(sentence: str, expected: list[str]) -> None:
    assert tokenize([sentence, "", sentence], "13a") == [expected, [], expected]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("none", ["今日は、", "Tokyo!"]), ("ja-char", list("今日は、Tokyo!"))],
)
def test_tokenizers_of_our_own(name: str, expected: list[str]) -> None:
    assert tokenize(["今日は、 Tokyo!"], name) == [expected]


# What cannot be scored.


@pytest.mark.parametrize(
    ("sources", "outputs", "references", "said"),
    [
        ([], [], [], "no sentences"),
        (["a"], [], [["a"]], "1 sources, 0 outputs, 1 lists"),
        (["a", "b"], ["a", "b"], [["a"], []], "sentence 1 has no reference"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    sources: list[str], outputs: list[str], references: list[list[str]], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        corpus_sari(sources, outputs, references)


@pytest.mark.parametrize("output", ["", "?!", '"', "مرحبا بالعالم", "🙂🙂", "word " * 20_000, "\ud83d"])
def test_odd_outputs_are_scored(output: str) -> None:
    assert 0 <= mean_sari(["The cat perched."], [output], [["The cat sat."]]) <= 100
    assert 0 <= corpus_sari(["The cat perched."], [output], [["The cat sat."]]) <= 100


def test_nothing_at_all_is_scored() -> None:
    assert mean_sari([""], [""], [[""]]) == 100.0
    assert corpus_sari([""], [""], [[""]]) == 0.0  # 0/0 counts as 0 here, as in EASSE
