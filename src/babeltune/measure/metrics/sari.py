"""SARI: what a simplification keeps, deletes and adds against references (Xu et al. 2016; paper, section 4.2).

Two definitions are in use, and differ by several points (https://github.com/feralvam/easse/issues/98):

- ``corpus_sari``: counts summed over the corpus, F1 for all three operations and 0/0 = 0, as EASSE's default has it.
- ``mean_sari``: the mean of the sentences' SARI, precision alone for deletion, types weighed alike and 0/0 = 1, as
  Hugging Face's ``evaluate`` has it. It is what the authors' code prints.

All sentences of a call are counted together, as arrays: a corpus, or a grid of cells, costs one pass.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ORDERS = 4
"""n-grams of one to four tokens."""
_CHUNK = 1024
"""Sentences that are counted at once: memory stays flat, and the numbers near the processor."""
_APART, _LINE = "\ue000", "\x00"
"""Between two words in one string (13a does not touch a character for private use), and between two sentences."""
_MARKS = frozenset('.,;:!?)"')
"""At the end of a word, each is a token of its own to 13a."""

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
        return float(corpus_scores(self.counts.sum(axis=0)))

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
    counts, scores = np.empty((len(sources), ORDERS, 9), dtype=np.int64), np.empty(len(sources))
    for at in range(0, len(sources), _CHUNK):
        some = slice(at, at + _CHUNK)
        counts[some], scores[some] = _counted(sources[some], outputs[some], references[some], tokenizer)
    return Sari(counts, scores)


def _counted(
    sources: Sequence[str], outputs: Sequence[str], references: Sequence[Sequence[str]], tokenizer: TokenizerName
) -> tuple[Counts, Floats]:
    """Counts and scores of some sentences: every n-gram of a sentence gets a number, and numbers are counted."""
    number, several = len(sources), np.array([len(some) for some in references])
    # Many references are the source as it stands: its grams are counted once, and often enough.
    others = [[one for one in some if one != source] for source, some in zip(sources, references, strict=True)]
    again = several - [len(some) for some in others]
    texts = [*sources, *outputs, *itertools.chain.from_iterable(others)]
    tokens, lengths = _numbered(texts, tokenizer)
    bounds = [int(lengths[:number].sum()), int(lengths[: 2 * number].sum())]
    last = np.zeros(len(tokens) + 1, dtype=bool)
    last[np.cumsum(lengths)[lengths > 0] - 1] = True
    bits = int(tokens.max(initial=0)).bit_length()
    width = np.int32 if len(tokens).bit_length() + bits < 32 else np.int64  # of a gram's number beside a token's
    tokens = tokens.astype(width)
    counts = np.zeros((number, ORDERS, 9), dtype=np.int64)
    scores = np.zeros((3, number))
    # A gram is a sentence's gram of one token less, and the token after it in the same text.
    owner = np.arange(number, dtype=width)
    grams, ends = (
        np.repeat(np.concatenate([owner, owner, np.repeat(owner, several - again)]), lengths),
        np.arange(len(tokens)),
    )
    for order in range(ORDERS):
        if order:
            going = ~last[ends]
            grams, ends = grams[going], ends[going] + 1
        found, grams = _distinct(np.left_shift(grams, bits, dtype=width) + tokens[ends])
        owner = owner[found >> bits]
        said, made, wanted = np.split(grams, np.searchsorted(ends, bounds))
        counts[:, order], own = _operations(said, made, wanted, owner, several, again)
        scores += own
    return counts, 100 * scores.sum(axis=0) / (3 * ORDERS)


def _distinct(values: Counts) -> tuple[Counts, Counts]:
    """The distinct values, in the order of their first places, and which of them stands at each place."""
    import pyarrow

    encoded = pyarrow.array(values).dictionary_encode()
    return encoded.dictionary.to_numpy(), encoded.indices.to_numpy()


def _operations(
    said: Counts, made: Counts, wanted: Counts, owner: Counts, several: Counts, again: Counts
) -> tuple[Counts, Floats]:
    """Of one order: counts [sentences, 9], and the sentences' scores of adding, keeping and deleting [3, sentences].

    Given are the numbers of all grams of sources, outputs and references, and each number's sentence, ``owner``.
    Numbers rise with first places: those of sources come first, then what outputs add, then what only references have.
    """
    olds = int(said.max(initial=-1)) + 1
    known = max(olds, int(made.max(initial=-1)) + 1)
    often = np.bincount(wanted, minlength=known)[:known]

    def summed(values: NDArray[Any] | None, at: Counts) -> Floats:
        return np.asarray(np.bincount(at, values, len(several)), dtype=np.float64)

    added = owner[olds:known]
    good_added, only_wanted = summed(None, added[often[olds:] > 0]), summed(None, owner[known:])
    # A source or output is weighed as often as there are references, whose counts are summed.
    at = owner[:olds]
    source, output = np.bincount(said, minlength=olds), np.bincount(made, minlength=olds)[:olds]
    often = often[:olds] + source * again[at]
    kept, source = np.minimum(source, output) * several[at], source * several[at]
    deleted, to_keep = source - kept, np.minimum(source, often)
    good_kept, good_deleted, to_delete = np.minimum(kept, often), np.maximum(deleted - often, 0), source - to_keep
    columns = (good_kept, kept, to_keep, np.minimum(deleted, to_delete), deleted, to_delete)
    sums = np.stack(
        [good_added, summed(None, added), good_added + only_wanted, *(summed(column, at) for column in columns)]
    )
    kept_right = _ratio(summed(_share(good_kept, kept), at), summed(kept > 0, at))
    scores = (
        _f1(_ratio(sums[0], sums[1]), _ratio(sums[0], sums[2])),
        _f1(kept_right, _ratio(sums[3], sums[5])),
        _ratio(summed(_share(good_deleted, deleted), at), summed(deleted > 0, at)),
    )
    return sums.T.astype(np.int64), np.stack(scores)


def _share(part: Counts, whole: Counts) -> Floats:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """0/0 is 1: nothing to do, and nothing done."""
    return np.divide(part, whole, out=np.ones(len(whole)), where=whole > 0)


def _f1(precision: Floats, recall: Floats) -> Floats:
    total = precision + recall
    return np.divide(2 * precision * recall, total, out=np.zeros(len(total)), where=total > 0)


def corpus_scores(counts: NDArray[np.generic]) -> Floats:
    """Corpus SARI, in [0, 100], of each of many sums of counts, shape (..., 4 * 9) or (..., 4, 9) -> (...).

    Weights of a resample may make them fractions.
    """
    whole = counts.shape[: -1 if counts.shape[-1] == ORDERS * 9 else -2]
    table = np.asarray(counts, dtype=np.float64).reshape(*whole, ORDERS, 3, 3)
    right, made, wanted = table[..., 0], table[..., 1], table[..., 2]
    precision = np.divide(right, made, out=np.zeros_like(right), where=made > 0)
    recall = np.divide(right, wanted, out=np.zeros_like(right), where=wanted > 0)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(right), where=total > 0)
    return np.asarray(100 * f1.mean(axis=-2).mean(axis=-1))


def tokenize(sentences: Sequence[str], tokenizer: TokenizerName) -> list[list[str]]:
    """Tokens of each sentence, as sacrebleu's tokenizer of that name gives them one by one.

    ``13a`` is for languages with spaces (and what the authors use for all); ``zh`` parts Chinese characters; ``ja-char``
    every character, where words are not spaced and no segmenter is at hand; ``none`` takes words between spaces.
    """
    words, at, lengths = _words(sentences, "\n" if tokenizer == "zh" else " ", lower=False)
    tokens = _tokens(words, tokenizer)
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    return [
        [token for word in at[start:end] for token in tokens[word]]
        for start, end in itertools.pairwise(bounds.tolist())
    ]


def _numbered(sentences: Sequence[str], tokenizer: TokenizerName) -> tuple[Counts, Counts]:
    """All tokens in lower case as numbers, and how many of them each sentence has."""
    words, at, lengths = _words(sentences, "\n" if tokenizer == "zh" else " ", lower=True)
    tokens = _tokens(words, tokenizer)
    known = dict(zip(dict.fromkeys(itertools.chain.from_iterable(tokens)), itertools.count(), strict=False))
    flat = np.fromiter(map(known.__getitem__, itertools.chain.from_iterable(tokens)), dtype=np.int64)
    # Word after word, the numbers of its tokens.
    counts = np.fromiter(map(len, tokens), dtype=np.int64)
    each = counts[at]
    ends = np.cumsum(each)
    places = np.repeat((np.cumsum(counts) - counts)[at] - (ends - each), each) + np.arange(each.sum())
    return flat[places], np.diff(ends[np.cumsum(lengths) - 1], prepend=0)


def _words(sentences: Sequence[str], apart: str, *, lower: bool) -> tuple[list[str], Counts, Counts]:
    """The distinct words between spaces, which of them stand one after the other, and how many in each sentence.

    Only ``apart`` parts words here: one may be empty, or hold other white space, but no end of a line.
    """
    import pyarrow

    if not sentences:
        return [], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    joined = _LINE.join([*sentences, ""])
    if joined.count(_LINE) > len(sentences):
        joined = _LINE.join([*(sentence.replace(_LINE, " ") for sentence in sentences), ""])
    # 13a joins a word that was broken over lines.
    joined = joined.replace("-\n", "").replace("\n", " ") if "\n" in joined else joined
    joined = joined.replace(_APART, " ")
    # Bytes, for half a surrogate pair is no text to Arrow. Each word keeps what stands behind it: nothing is copied.
    data = joined.encode("utf-8", "surrogatepass")
    codes = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero((codes == ord(_LINE)) | (codes == ord(apart)))
    last = codes[ends] == ord(_LINE)
    offsets = np.zeros(len(ends) + 1, dtype=np.int64)
    np.add(ends, 1, out=offsets[1:])
    buffers = [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(data)]
    words = pyarrow.Array.from_buffers(pyarrow.large_binary(), len(ends), buffers).dictionary_encode()
    distinct = b"".join(words.dictionary.to_pylist()).decode("utf-8", "surrogatepass").replace(apart, _LINE)
    distinct = distinct.lower() if lower else distinct
    return distinct.split(_LINE)[:-1], words.indices.to_numpy(), np.diff(np.flatnonzero(last), prepend=-1)


def _tokens(words: Sequence[str], tokenizer: TokenizerName) -> list[list[str]]:
    """Tokens of each word; of each sentence for ``zh``, to which a line's first and last characters are special."""
    if tokenizer == "none":
        return [word.split() for word in words]
    if tokenizer == "ja-char":
        return [list("".join(word.split())) for word in words]
    if tokenizer == "zh":
        from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

        return [line.split() for line in map(TokenizerZh(), words)]
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    # 13a looks no further than to the next space. It leaves letters and digits together, and parts a mark at their end
    # from them; all other words are read in one string, which costs least.
    tokens = [[word] for word in words]
    odd: list[int] = []
    for at in [at for at, word in enumerate(words) if not word.isalnum()]:
        body, mark = words[at][:-1], words[at][-1:]
        if mark in _MARKS and body.isalnum():
            tokens[at] = [body, mark]
        else:
            odd.append(at)
    read = Tokenizer13a()(_APART.join([words[at] for at in odd])).split(_APART)
    for at, said in zip(odd, read, strict=False):  # where no word is odd, an empty string was read
        tokens[at] = said.split()
    return tokens
