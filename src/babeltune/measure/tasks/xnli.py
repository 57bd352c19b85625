"""Natural language inference by rank classification: XNLI (paper, section 4.5; Conneau et al. 2018).

Three texts an item, one a relation: premise, "right?", the relation's word, hypothesis (paper, Table 7). The model's
likeliest is its answer. Nothing is generated and no chat format applied, so the base model is asked the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

from babeltune.hub import HubSet
from babeltune.measure.tasks import items, prompt
from babeltune.measure.tasks.items import Place
from babeltune.measure.tasks.prompt import RELATIONS, Variant
from babeltune.records import Item, Metric, Output, Prompting, Request, Sampling, Score
from babeltune.rows import Row

HUB = HubSet("facebook/xnli", "b8dd5d7af51114dbda02c0e3f6133f332186418e")
"""The set on the hub, pinned; the paper uses its test split (5,010 pairs a language)."""
DELIMITER = " "
"""What lm-evaluation-harness 0.4 puts before each text (its ``target_delimiter``): with its words its numbers compare. The
version that the paper used (3ccea2b2) puts nothing."""
ACCURACY, PER_TOKEN = "accuracy", "accuracy-per-token"
"""Share of items whose likeliest text is the right one, in [0, 1]: by the sum over its tokens, or by their mean."""


def hub_files(language: str) -> str:
    """Glob pattern of the hub set's files in a language."""
    return f"{language}/test-*.parquet"


@dataclass(eq=False)
class Xnli:
    """A ``Task``. Items are pairs of a premise and a hypothesis, to be ranked."""

    name = "xnli"
    metrics = tuple(map(Metric, (ACCURACY, PER_TOKEN)))
    promptings = items.MONOLINGUAL
    """The texts are wholly in the language (paper, section 4.5)."""
    ranks = True

    place: Place
    """A folder of ``xnli.<language>.test.tsv``, the official ``xnli.test.tsv``, or the hub set."""
    _: KW_ONLY
    words: Variant = "harness"
    """Those of lm-evaluation-harness, as the paper has, or right ones."""
    sample: int | None = None
    seed: int = items.SEED

    def items(self, language: str, prompting: Prompting) -> list[Item]:
        """The pairs of one language, in the order of the file.

        Raises:
            ItemsError: no words or no file in the language, or a row that is not an item.
        """
        said = prompt.words(language, self.words)
        subject = f"items of {self.name}, {language}"
        number = 0

        def make(row: Row) -> Item | None:
            nonlocal number
            if row.fields.get("language", language) != language:
                return None  # the official file holds all languages
            number += 1
            first, second = ("sentence1", "sentence2") if "sentence1" in row.fields else ("premise", "hypothesis")
            premise, hypothesis = items.text(row.fields, first), items.text(row.fields, second)
            relation = relation_of(row)
            return Item(
                str(number), language, premise, (relation,), hypothesis,
                candidates=said.candidates(premise, hypothesis),
            )  # fmt: skip

        names = (f"xnli.{language}.test.tsv", f"{language}.test.tsv", f"{language}.tsv", "xnli.test.tsv")
        read = items.rows(self.place, names, hub_files(language), subject, quoted=False)
        return items.sampled(items.parsed(read, make, subject), self.sample, self.seed)

    def request(self, item: Item) -> Request:
        """The three texts, to be scored from an empty context; the harness's words with a space before them."""
        before = DELIMITER if self.words == "harness" else ""
        candidates = tuple(f"{before}{text}" for text in item.candidates)
        return Request(item.id, "", "", Sampling(), 0, candidates=candidates)

    def score(self, items: Sequence[Item], outputs: Sequence[Output]) -> list[Score]:
        """Whether the likeliest text is the right one."""
        return [_score(item, output) for item, output in zip(items, outputs, strict=True)]


def _score(item: Item, output: Output) -> Score:
    if len(output.loglikelihoods) != len(RELATIONS):
        reason = f"{len(output.loglikelihoods)} log-likelihoods in place of {len(RELATIONS)}"
        return Score(item.id, unscored={ACCURACY: reason, PER_TOKEN: reason})
    for name, value in zip(RELATIONS, output.loglikelihoods, strict=True):
        if not math.isfinite(value):
            reason = f"the log-likelihood of {name} is {value}, no finite number"
            return Score(item.id, unscored={ACCURACY: reason, PER_TOKEN: reason})
    chosen = choose(output.loglikelihoods)
    ordered = sorted(output.loglikelihoods, reverse=True)
    notes = {
        "found": RELATIONS[chosen],
        "reference": item.references[0],
        "log-likelihoods": ", ".join(f"{value:.6g}" for value in output.loglikelihoods),
        "margin": f"{ordered[0] - ordered[1]:.3g} nats",
    }
    values = {ACCURACY: float(RELATIONS[chosen] == item.references[0])}
    if len(output.lengths) != len(RELATIONS) or min(output.lengths) < 1:
        return Score(item.id, values, notes, {PER_TOKEN: "the numbers of tokens are not known"})
    by_token = choose(output.loglikelihoods, output.lengths)
    return Score(item.id, {**values, PER_TOKEN: float(RELATIONS[by_token] == item.references[0])}, notes)


def choose(loglikelihoods: Sequence[float], tokens: Sequence[int] | None = None) -> int:
    """Index of an item's likeliest candidate, which is the model's answer; of equals the first.

    ``loglikelihoods[j]`` is the sum over the tokens of candidate ``j``, in nats: a finite number, at most 0. The authors'
    harness compares the sums, with the whole sequence scored from an empty context; so does this without ``tokens``.
    With ``tokens[j]``, how many were summed, at least 1, the means per token are compared, so that a long candidate is
    not the less likely for its length; the paper does not.

    The paper's Table 7 calls these negative log-likelihoods; its numbers are log-likelihoods, and the highest wins.

    Raises:
        ValueError: there are no candidates, or not as many counts as values.
    """
    if tokens is None:
        return max(range(len(loglikelihoods)), key=loglikelihoods.__getitem__)
    return choose([value / count for value, count in zip(loglikelihoods, tokens, strict=True)])


def relation_of(row: Row) -> str:
    """The relation that a row names, by its number or its word."""
    name = "gold_label" if "gold_label" in row.fields else "label"
    given = items.within(row.fields, name)
    if str(given).strip() in ("0", "1", "2"):
        return RELATIONS[int(given)]
    relation = str(given).strip().lower()
    if relation not in RELATIONS:
        known = ", ".join(f"{at} {one}" for at, one in enumerate(RELATIONS))
        raise items.WrongRowError(f"field '{name}': {given!r} is no relation", f"Known: {known}.")
    return relation
