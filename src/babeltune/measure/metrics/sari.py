"""SARI: what a simplification keeps, deletes and adds against references (Xu et al. 2016; paper, section 4.2).

Two definitions are in use, and differ by several points (https://github.com/feralvam/easse/issues/98):

- ``corpus_sari``: counts summed over the corpus, F1 for all three operations and 0/0 = 0, as EASSE's default has it.
- ``mean_sari``: the mean of the sentences' SARI, precision alone for deletion, types weighed alike and 0/0 = 1, as
  Hugging Face's ``evaluate`` has it. It is what the authors' code prints.

All sentences of a call are counted together, as arrays: a corpus, or a grid of cells, costs one pass.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ORDERS = 4
"""n-grams of one to four tokens."""
_CHUNK = 4096
"""Sentences that are counted at once: memory stays flat."""
_LARGEST = 1 << 60
_APART = "\ue000"
"""Between two sentences in one string; no tokenizer touches a character for private use."""

TokenizerName = Literal["13a", "zh", "ja-char", "none"]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sari:
    """Both definitions' statistics of each sentence: sums or means of rows are all that a resample needs."""

    counts: Counts
    """[sentences, 4 orders, 9]: of additions, keeps and deletions those that are right, all made, all wanted."""
    sentences: Floats
    """[sentences]: each sentence's own SARI, in [0, 100], by the second definition."""

    def corpus(self) -> float:
        """Corpus SARI of these sentences, in [0, 100]."""
        return corpus_score(self.counts.sum(axis=0))

    def mean(self) -> float:
        """Mean of the sentences' SARI, in [0, 100]."""
        return float(self.sentences.mean())


def corpus_sari(
    sources: Sequence[str],
    outputs: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenizer: TokenizerName = "13a",
) -> float:
    """Corpus SARI, in [0, 100], equal to EASSE's ``corpus_sari`` with its defaults.

    ``references[i]`` are those of ``sources[i]``, one or more, and not as many everywhere if need be.

    Raises:
        ValueError: there are no sentences, not as many of each, or one without a reference.
    """
    return statistics(sources, outputs, references, tokenizer).corpus()


def mean_sari(
    sources: Sequence[str],
    outputs: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenizer: TokenizerName = "13a",
) -> float:
    """Mean of sentence SARI, in [0, 100], equal to the metric ``sari`` of Hugging Face's ``evaluate``.

    Raises:
        ValueError: as ``corpus_sari``.
    """
    return statistics(sources, outputs, references, tokenizer).mean()


def statistics(
    sources: Sequence[str],
    outputs: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenizer: TokenizerName = "13a",
) -> Sari:
    """The sufficient statistics of every sentence.

    Raises:
        ValueError: as ``corpus_sari``.
    """
    if not len(sources) == len(outputs) == len(references):
        raise ValueError(f"{len(sources)} sources, {len(outputs)} outputs, {len(references)} lists of references")
    if not sources:
        raise ValueError("there are no sentences")
    bare = [at for at, some in enumerate(references) if not some]
    if bare:
        raise ValueError(f"sentence {bare[0]} has no reference")
    parts = [
        _counted(sources[at : at + _CHUNK], outputs[at : at + _CHUNK], references[at : at + _CHUNK], tokenizer)
        for at in range(0, len(sources), _CHUNK)
    ]
    return Sari(np.concatenate([one.counts for one in parts]), np.concatenate([one.sentences for one in parts]))


def _counted(
    sources: Sequence[str], outputs: Sequence[str], references: Sequence[Sequence[str]], tokenizer: TokenizerName
) -> Sari:
    """The statistics of some sentences: every n-gram of a sentence is a number, and numbers are counted by sorting."""
    number = len(sources)
    several = np.array([len(some) for some in references])
    texts = [*sources, *outputs, *(reference for some in references for reference in some)]
    ids, text = _numbered([one.lower() for one in texts], tokenizer)
    sentence = np.concatenate([np.arange(number), np.arange(number), np.repeat(np.arange(number), several)])[text]
    part = np.repeat([0, 1, 2], [number, number, int(several.sum())])[text]
    words = int(ids.max(initial=0)) + 1
    counts = np.zeros((number, ORDERS, 9), dtype=np.int64)
    scores = np.zeros((3, number))
    grams, span = np.zeros(len(ids), dtype=np.int64), 1
    for order in range(ORDERS):
        if span * words * number > _LARGEST:
            found, at = np.unique(grams, return_inverse=True)
            grams, span = at.astype(np.int64), max(1, len(found))
        # A gram is the one before it and one token more, where both lie in the same text.
        inside = max(0, len(ids) - order)
        grams, span = grams[:inside] * words + ids[order:], span * words
        within = text[:inside] == text[order:]
        keys = (((sentence[:inside] * span + grams) << 2) | part[:inside])[within]
        counts[:, order], own = _operations(*_tables(np.sort(keys), span), several)
        scores += own
    return Sari(counts, 100 * scores.sum(axis=0) / (3 * ORDERS))


def _tables(keys: Counts, span: int) -> tuple[Counts, Counts]:
    """Sorted keys -> how often each gram of a sentence stands in source, output and references [grams, 3], and where."""
    grams = keys >> 2
    first = np.ones(len(keys), dtype=bool)
    first[1:] = grams[1:] != grams[:-1]
    at = np.cumsum(first) - 1
    kinds = int(first.sum())
    table = np.bincount(at * 3 + (keys & 3), minlength=3 * kinds).reshape(kinds, 3)
    return table, grams[first] // span


def _operations(table: Counts, sentence: Counts, several: Counts) -> tuple[Counts, Floats]:
    """Of one order: counts [sentences, 9], and the sentences' scores of adding, keeping and deleting [3, sentences]."""
    source, output, wanted = table.T
    times = several[sentence]
    # A source or output is weighed as often as there are references, whose counts are summed.
    kept, deleted = np.minimum(source, output) * times, np.maximum(source - output, 0) * times
    added, new = (output > 0) & (source == 0), (wanted > 0) & (source == 0)
    good_kept, to_keep = np.minimum(kept, wanted), np.minimum(source * times, wanted)
    good_deleted, to_delete = np.maximum(deleted - wanted, 0), np.maximum(source * times - wanted, 0)

    def summed(values: NDArray[Any]) -> Floats:
        return np.asarray(np.bincount(sentence, weights=values, minlength=len(several)), dtype=np.float64)

    columns = (
        *(added & new, added, new),
        *(good_kept, kept, to_keep),
        *(np.minimum(deleted, to_delete), deleted, to_delete),
    )
    sums = np.stack([summed(column) for column in columns], axis=1)
    adding = _f1(_ratio(sums[:, 0], sums[:, 1]), _ratio(sums[:, 0], sums[:, 2]))
    kept_right = _ratio(summed(_share(good_kept, kept)), summed(kept > 0))
    keeping = _f1(kept_right, _ratio(sums[:, 3], sums[:, 5]))
    deleting = _ratio(summed(_share(good_deleted, deleted)), summed(deleted > 0))
    return sums.astype(np.int64), np.stack([adding, keeping, deleting])


def _share(part: Counts, whole: Counts) -> Floats:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0).astype(np.float64)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """0/0 is 1: nothing to do, and nothing done."""
    return np.divide(part, whole, out=np.ones(len(whole)), where=whole > 0)


def _f1(precision: Floats, recall: Floats) -> Floats:
    total = precision + recall
    return np.divide(2 * precision * recall, total, out=np.zeros(len(total)), where=total > 0)


def corpus_score(counts: NDArray[np.generic]) -> float:
    """Corpus SARI, in [0, 100], of summed counts [4 orders, 9]; weights of a resample may make them fractions."""
    table = np.asarray(counts, dtype=np.float64).reshape(ORDERS, 3, 3)
    right, made, wanted = table[:, :, 0], table[:, :, 1], table[:, :, 2]
    precision = np.divide(right, made, out=np.zeros_like(right), where=made > 0)
    recall = np.divide(right, wanted, out=np.zeros_like(right), where=wanted > 0)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(right), where=total > 0)
    return float(100 * f1.mean(axis=0).mean())


def tokenize(sentences: Sequence[str], tokenizer: TokenizerName) -> list[list[str]]:
    """Tokens of each sentence, as sacrebleu's tokenizer of that name gives them one by one.

    ``13a`` is for languages with spaces (and what the authors use for all); ``zh`` parts Chinese characters; ``ja-char``
    every character, where words are not spaced and no segmenter is at hand; ``none`` takes words between spaces.
    """
    words, at, lengths = _words(sentences)
    tokens = _tokens(words, tokenizer)
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    return [
        [token for word in at[start:end] for token in tokens[word]]
        for start, end in itertools.pairwise(bounds.tolist())
    ]


def _numbered(sentences: Sequence[str], tokenizer: TokenizerName) -> tuple[Counts, Counts]:
    """All tokens as numbers, and the sentence of each."""
    words, at, lengths = _words(sentences)
    tokens = _tokens(words, tokenizer)
    known: dict[str, int] = {}
    flat = np.array([known.setdefault(token, len(known)) for some in tokens for token in some], dtype=np.int64)
    sizes = np.array([len(some) for some in tokens], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    # Word after word, the numbers of its tokens.
    several = sizes[at]
    ends = np.cumsum(several)
    places = np.arange(int(several.sum())) - np.repeat(ends - several, several) + np.repeat(starts[at], several)
    sentence = np.repeat(np.repeat(np.arange(len(sentences)), lengths), several)
    return flat[places], sentence


def _words(sentences: Sequence[str]) -> tuple[list[str], Counts, Counts]:
    """The distinct words between spaces, which of them stand one after the other, and how many in each sentence."""
    if not sentences:
        return [], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    clean = [sentence.replace(_APART, " ") for sentence in sentences]
    joined = f" {_APART} ".join(clean).replace("-\n", "")  # as 13a joins a word that was broken over lines
    words = joined.split()
    number: defaultdict[str, int] = defaultdict(itertools.count().__next__)
    ids = np.fromiter(map(number.__getitem__, words), dtype=np.int64, count=len(words))
    apart = ids == number.get(_APART, -1)
    borders = np.concatenate([[-1], np.flatnonzero(apart), [len(ids)]])
    return list(number), ids[~apart], np.diff(borders) - 1


def _tokens(words: Sequence[str], tokenizer: TokenizerName) -> list[list[str]]:
    """Tokens of each word. sacrebleu's tokenizers look no further than to the next space."""
    if tokenizer == "none":
        return [[word] for word in words]
    if tokenizer == "ja-char":
        return [list(word) for word in words]
    # A word of letters and digits is itself to 13a; all others are read in one string, which costs least.
    plain = [word.isalnum() and (tokenizer == "13a" or word.isascii()) for word in words]
    odd = [word for word, is_plain in zip(words, plain, strict=True) if not is_plain and word != _APART]
    read = map(str.split, _reader(tokenizer)(_APART.join(odd)).split(_APART))
    return [[word] if is_plain or word == _APART else next(read) for word, is_plain in zip(words, plain, strict=True)]


def _reader(tokenizer: Literal["13a", "zh"]) -> Callable[[str], str]:
    if tokenizer == "13a":
        from sacrebleu.tokenizers import tokenizer_13a

        reader: Callable[[str], str] = tokenizer_13a.Tokenizer13a()
    else:
        from sacrebleu.tokenizers import tokenizer_zh

        reader = tokenizer_zh.TokenizerZh()
    return reader
