"""Input/output language agreement: is the response in the language of the prompt? (paper, section 4.1 and Figure 1)

Two rules, both kept: the language identified in the prompt (the authors' code, and what Figure 1 plots), which counts
the detector's noise on short prompts against the model; and the language that the prompt is known to be in, which
counts the noise on the response alone.
"""

from __future__ import annotations

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
