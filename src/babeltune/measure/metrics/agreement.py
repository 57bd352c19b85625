"""Input/output language agreement: is the response in the language of the prompt? (paper, section 4.1 and Figure 1)

Two rules, both kept: the language identified in the prompt (the authors' code, and what Figure 1 plots), which counts
the detector's noise on short prompts against the model; and the language that the prompt is known to be in, which
counts the noise on the response alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from babeltune.languages import code_of
from babeltune.records import Identified, Score

AGREEMENT = "agreement"
"""Share of responses whose identified language is that identified in the prompt, in [0, 1]."""
AGREEMENT_NOMINAL = "agreement-nominal"
"""Share of responses whose identified language is the nominal one of the item, in [0, 1]."""


def agreement(item: str, nominal: str, prompt: Identified, response: Identified) -> Score:
    """Both rules for one item; 1 or 0.

    ``nominal`` is an ISO code. Where the detector abstains on the response (empty, no letters) both are unscored, and
    where it abstains on the prompt the first is: the report bounds the mean over both ways. The authors' code counts
    fastText's guess on an empty line as disagreement instead.
    """
    notes = {
        "prompt": prompt.label or f"none ({prompt.reason})",
        "response": response.label or f"none ({response.reason})",
        "probability": f"{response.probability:.3f}",
    }
    if response.label is None:
        reason = f"response not identified: {response.reason}"
        return Score(item, notes=notes, unscored={AGREEMENT: reason, AGREEMENT_NOMINAL: reason})
    values = {AGREEMENT_NOMINAL: float(code_of(response.label) == nominal)}
    if prompt.label is None:
        return Score(item, values, notes, {AGREEMENT: f"prompt not identified: {prompt.reason}"})
    return Score(item, {AGREEMENT: float(prompt.label == response.label), **values}, notes)


_STEPS, _STILL = 10_000, 1e-10


def corrected(labels: Sequence[str], language: str, confusion: Mapping[str, Mapping[str, float]]) -> float:
    """Share of responses that are truly in a language, in [0, 1], given how the detector errs.

    ``labels``: what the detector found in each response, abstentions left out. ``confusion``: true language -> label ->
    how often (counts or shares) the detector says so of text that is known to be in it. A label that no row explains is
    taken at its word, and so is the language itself where it has no row. The estimate is the most likely mixture of true languages, found by expectation maximisation; a
    bare rate counts Danish that is taken for Norwegian as agreement, and the other way round.

    Raises:
        ValueError: there are no labels, or a row of the matrix is empty or negative.
    """
    if not labels:
        raise ValueError("there are no labels")
    rows = {true: dict(row) for true, row in confusion.items()}
    for true, row in rows.items():
        if min(row.values(), default=0) < 0 or not sum(row.values()) > 0:
            raise ValueError(f"the row of '{true}' in the confusion matrix is empty or negative")
    seen = Counter(labels)
    explained = {label for row in rows.values() for label, n in row.items() if n > 0}
    for label in [language, *seen]:
        if label not in rows and (label == language or label not in explained):
            rows[label] = {label: 1.0}
    found = sorted(seen)
    given = np.array([[row.get(label, 0.0) / sum(row.values()) for label in found] for row in rows.values()])
    shares = np.array([seen[label] for label in found]) / len(labels)
    mixture = np.full(len(rows), 1 / len(rows))
    for _ in range(_STEPS):
        expected = mixture @ given
        better = mixture * (given @ np.divide(shares, expected, out=np.zeros(len(found)), where=expected > 0))
        still = float(np.abs(better - mixture).max()) < _STILL
        mixture = better
        if still:
            break
    return float(mixture[list(rows).index(language)])
